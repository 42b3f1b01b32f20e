//! One request, as a handler sees it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::forwarded::{client, is_trusted};
use super::front::Front;
use super::peer::Peer;
use super::response::REQUEST_ID;
use crate::domain::act::{Act, Actor, Expected};
use crate::domain::address::canonical;
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::service::Services;
use crate::store::idempotency::Once;

/// A request's body, still to be read.
pub type Body = BoxBody<Bytes, BodyFault>;

/// Why a body ended early, as the connection says.
#[derive(Debug)]
pub struct BodyFault(pub String);

impl std::fmt::Display for BodyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BodyFault {}

/// A request on its way through a handler.
pub struct Call {
    /// What there is to work with: the services, the app behind the gate, and whose pages may call.
    pub front: Arc<Front>,
    /// Its head.
    pub parts: Parts,
    /// Its body.
    pub body: Body,
    /// Who is at the other end of its connection.
    pub peer: Peer,
    /// Who asks, on tollgate's own paths: nobody, until that is known.
    pub actor: Actor,
    /// Its id.
    pub request_id: String,
    /// When it came.
    pub now: Timestamp,
    /// What `{id}` is in its path.
    pub id: String,
    /// What stands in the second such place: `{user}`, `{invitation}`.
    pub second_id: String,
}

/// Why a request cannot be read, beyond the errors of operations.
#[derive(Debug)]
pub enum Unreadable {
    /// 400.
    Bad(String),
    /// 408.
    TooSlow,
    /// 413.
    TooLarge,
    /// 415.
    WrongType,
    /// An operation's.
    Error(Error),
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Takes a trusted proxy's request id if that is sane, else makes one.
pub fn request_id(peer: Peer, headers: &HeaderMap, services: &Services, now: Timestamp) -> String {
    let given = headers.get(REQUEST_ID).filter(|_| is_trusted(peer, &services.policy.server.trusted_proxies));
    let sane = |text: &&str| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    let harmless = |text: &&str| !services.policy.resembles_secret(text);
    match given.and_then(|value| value.to_str().ok()).filter(sane).filter(harmless) {
        Some(text) => text.to_owned(),
        None => id::new(id::REQUEST, now),
    }
}

/// A body, read piece by piece: as long as it may be, never waited for without end.
pub struct Pieces {
    body: Body,
    patience: Duration,
}

impl Pieces {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Unreadable> {
        loop {
            let frame = tokio::time::timeout(self.patience, self.body.frame()).await.map_err(|_| Unreadable::TooSlow)?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(Unreadable::Bad(format!("The body cannot be read: {error}."))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    // Trailers say nothing here.
                    _ => {}
                },
            }
        }
    }
}

impl Call {
    /// The `Bearer` credential, for tollgate's own paths.
    pub fn bearer(&self) -> Option<&str> {
        let mut values = self.parts.headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The type of the body, in lower case and without its parameters; empty where none is told.
    pub fn media(&self) -> String {
        let media = self.parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The types that the answer may have, as `Accept` lists them: in lower case and without their parameters.
    pub fn accepted(&self) -> impl Iterator<Item = String> {
        let values = self.parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|media| media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// Whether a browser shows the answer to somebody, and JSON is not what it would rather have: then a refusal is a page.
    pub fn wants_page(&self) -> bool {
        let known = ["text/html", "application/json", "application/problem+json"];
        self.accepted().find(|media| known.contains(&media.as_str())).is_some_and(|media| media == "text/html")
    }

    /// The body as it comes, however long it is. Only for endpoints that stream: the time-out is for each piece.
    pub fn pieces(&mut self) -> Pieces {
        Pieces { body: std::mem::take(&mut self.body), patience: self.front.services.policy.server.header_timeout.as_duration() }
    }

    /// Reads the body as JSON, where there is one.
    pub async fn json_or_nothing(&mut self) -> Result<Option<Value>, Unreadable> {
        if hyper::body::Body::is_end_stream(&self.body) && self.media().is_empty() {
            return Ok(None);
        }
        self.json().await.map(Some)
    }

    /// Reads the body as JSON.
    pub async fn json(&mut self) -> Result<Value, Unreadable> {
        if self.media() != "application/json" {
            return Err(Unreadable::WrongType);
        }
        let bytes = self.bytes().await?;
        super::json::read(&bytes).map_err(|error| Unreadable::Bad(format!("The body is no JSON: {error}.")))
    }

    /// Reads the body as a form: each field with its text, in their order.
    pub async fn form(&mut self) -> Result<Vec<(String, String)>, Unreadable> {
        if self.media() != "application/x-www-form-urlencoded" {
            return Err(Unreadable::WrongType);
        }
        let bytes = self.bytes().await?;
        Ok(form_urlencoded::parse(&bytes).into_owned().collect())
    }

    /// Reads the body, whatever it is.
    pub async fn bytes(&mut self) -> Result<Bytes, Unreadable> {
        let body = std::mem::take(&mut self.body);
        let settings = &self.front.services.policy.server;
        let collecting = Limited::new(body, settings.max_body_bytes).collect();
        let collected = tokio::time::timeout(settings.header_timeout.as_duration(), collecting).await.map_err(|_| Unreadable::TooSlow)?;
        let bytes = match collected {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(Unreadable::TooLarge),
            Err(error) => return Err(Unreadable::Bad(format!("The body cannot be read: {error}."))),
        };
        // What is decided is decided now, however long the body took.
        self.now = Timestamp::now();
        Ok(bytes)
    }

    /// Who asks, from where, and when.
    pub fn act(&self) -> Result<Act, Unreadable> {
        let act = self.conditional_act()?;
        if act.expected == Expected::Any || matches!(self.parts.method, Method::GET | Method::HEAD) {
            return Ok(act);
        }
        Err(Unreadable::Bad("If-Match is for changes of an account, a key or a user: here it would not be looked at.".into()))
    }

    /// The same, where the state is looked at.
    pub fn conditional_act(&self) -> Result<Act, Unreadable> {
        let trusted = &self.front.services.policy.server.trusted_proxies;
        let origin = match (self.peer, client(self.peer, &self.parts.headers, trusted).address) {
            (Peer::Control, _) => "control".to_owned(),
            (_, Ok(Some(address))) => address.to_string(),
            // What a proxy tells cannot be read: then it is the proxy itself.
            (Peer::Tcp(address), _) => canonical(address.ip()).to_string(),
            (Peer::Unix, _) => "unix".to_owned(),
        };
        let (actor, request_id) = (self.actor.clone(), self.request_id.clone());
        Ok(Act { actor, origin, request_id, at: self.now, expected: self.expected()? })
    }

    /// Fails where whoever asks may not any more, some time after they were let in.
    pub async fn still_may(&self) -> Result<(), Unreadable> {
        let Actor::Token(_) = &self.actor else { return Ok(()) };
        let raw = self.bearer().unwrap_or_default();
        match self.front.services.token(raw, Timestamp::now()).await? {
            Some(_) => Ok(()),
            None => Err(Error::Forbidden("This service token was revoked, or has expired, meanwhile: nothing was changed.".into()).into()),
        }
    }

    /// `If-Match`: the states that what is changed may have.
    fn expected(&self) -> Result<Expected, Unreadable> {
        if !self.parts.headers.contains_key(IF_MATCH) {
            return Ok(Expected::Any);
        }
        let values: Option<Vec<&str>> = self.parts.headers.get_all(IF_MATCH).iter().map(|value| value.to_str().ok()).collect();
        let expected = values.and_then(|values| Expected::of_tags(&values));
        expected.ok_or_else(|| Unreadable::Bad("If-Match must hold tags as ETag gave them: \"3\", or * alone.".into()))
    }

    /// The `Idempotency-Key`, tied to what is asked under it.
    pub fn once(&self, operation: &'static str, request: &Value) -> Result<Option<Once>, Unreadable> {
        let mut given = self.parts.headers.get_all("idempotency-key").iter();
        let Some(key) = given.next() else { return Ok(None) };
        if given.next().is_some() {
            return Err(Unreadable::Bad("There is more than one Idempotency-Key.".into()));
        }
        self.once_of(operation, key.to_str().unwrap_or_default(), request)
    }

    /// The same of a key that stands elsewhere: a form carries its own.
    pub fn once_of(&self, operation: &'static str, key: &str, request: &Value) -> Result<Option<Once>, Unreadable> {
        let key = Some(key).filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let key = key.ok_or_else(|| Unreadable::Bad("The Idempotency-Key must have 1 to 255 visible characters.".into()))?;
        // Whatever the order of its fields.
        let mut request = request.clone();
        request.sort_all_objects();
        let request = *crate::domain::key::KeyHash::of(&request.to_string()).as_bytes();
        // By what they reach, not by their token: that may be replaced between two tries. Users choose theirs each for themselves.
        // Somebody may send a secret here by mistake: only a hash is kept.
        let user = self.actor.user().map(|user| format!("{} ", user.handle)).unwrap_or_default();
        let key = crate::domain::key::KeyHash::of(&format!("{user}{} {key}", self.actor.bound_to().unwrap_or("all")))
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Some(Once { operation, key, request }))
    }
}
