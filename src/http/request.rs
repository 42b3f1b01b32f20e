//! One request, as a handler sees it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::forwarded::is_trusted;
use super::front::Front;
use super::peer::Peer;
use super::response::REQUEST_ID;
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::service::{PageAsk, Services};
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
    /// Who sent it.
    pub peer: Peer,
    /// Its id.
    pub request_id: String,
    /// When it came.
    pub now: Timestamp,
    /// What `{id}` is in its path.
    pub id: String,
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

impl Call {
    /// The `Bearer` credential, for tollgate's own paths.
    pub fn bearer(&self) -> Option<&str> {
        let mut values = self.parts.headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// Reads the body as JSON.
    pub async fn json(&mut self) -> Result<Value, Unreadable> {
        let media = self.parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(Unreadable::WrongType);
        }
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
        serde_json::from_slice(&bytes).map_err(|error| Unreadable::Bad(format!("The body is no JSON: {error}.")))
    }

    /// The parameters of the query; those that nobody knows, or that are given twice, are refused.
    pub fn query(&self, known: &[&str]) -> Result<Vec<(String, String)>, Unreadable> {
        let pairs = form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes()).into_owned();
        let mut seen: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                return Err(Error::field(&name, format!("there is no such parameter; there are {}", known.join(", "))).into());
            }
            if seen.iter().any(|(other, _)| *other == name) {
                return Err(Error::field(&name, "is given twice").into());
            }
            seen.push((name, value));
        }
        Ok(seen)
    }

    /// How a list is asked for: `limit`, `cursor`, and whatever else the list knows.
    pub fn page(&self, kind: &str, more: &[&str]) -> Result<(PageAsk, Vec<(String, String)>), Unreadable> {
        let mut known = vec!["limit", "cursor"];
        known.extend(more);
        let mut query = self.query(&known)?;
        let mut take = |name: &str| query.iter().position(|(known, _)| known == name).map(|at| query.swap_remove(at).1);
        let limit = match take("limit") {
            None => PageAsk::USUAL,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=PageAsk::MOST).contains(limit))
                .ok_or_else(|| Error::field("limit", format!("must be a whole number from 1 to {}", PageAsk::MOST)))?,
        };
        let cursor = take("cursor").unwrap_or_default();
        if !cursor.is_empty() && !id::is(kind, &cursor) {
            return Err(Error::field("cursor", "is none that this list gave").into());
        }
        let search = take("search").filter(|search| !search.is_empty());
        if search.as_ref().is_some_and(|search| search.len() > 200) {
            return Err(Error::field("search", "must have at most 200 bytes").into());
        }
        Ok((PageAsk { search, cursor, limit }, query))
    }

    /// The `Idempotency-Key`, tied to what is asked under it.
    pub fn once(&self, operation: &'static str, request: &Value) -> Result<Option<Once>, Unreadable> {
        let Some(key) = self.parts.headers.get("idempotency-key") else { return Ok(None) };
        let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
        let key = key.ok_or_else(|| Unreadable::Bad("The Idempotency-Key must have 1 to 255 visible characters.".into()))?;
        let request = *crate::domain::key::KeyHash::of(&request.to_string()).as_bytes();
        // Somebody may send a secret here by mistake: only its hash is kept.
        let key = crate::domain::key::KeyHash::of(key).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Once { operation, key, request }))
    }
}
