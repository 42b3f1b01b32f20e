//! A client of the admin API: of the running server, or of the same code in this process.

use std::io::IsTerminal;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::Failure;
use crate::app::{App, Claim};
use crate::config::Policy;
use crate::http::feed::Fed;
use crate::http::peer::Peer;
use crate::http::request::{Body, BodyFault};
use crate::service::PageAsk;

/// Where requests go.
pub enum Client {
    /// To the server that has the database.
    Running(SendRequest<Body>),
    /// To ourselves.
    Own(App),
}

impl Client {
    /// Finds the running server, or opens the database.
    pub async fn open(policy: Arc<Policy>) -> Result<Self, Failure> {
        match App::claim(&policy.server.database).await? {
            Claim::Ours(lock) => {
                let mut app = App::open(policy.clone(), lock).await?;
                if app.current.services().store.is_new && std::io::stderr().is_terminal() {
                    // For people: in the wrong folder, this is the one sign of it.
                    let database = &policy.server.database;
                    eprintln!("There was no database {} and no server on it: it was made anew.", database.display());
                }
                if let Err(reason) = app.finish_import().await {
                    eprintln!("An import that was cut off could not be finished: {reason}");
                }
                Ok(Self::Own(app))
            }
            Claim::Served(stream) => Self::over(stream).await,
        }
    }

    /// Over a connection to the running server.
    pub async fn over(stream: UnixStream) -> Result<Self, Failure> {
        let failed = |error: hyper::Error| Failure::Failed(format!("the running server does not answer: {error}"));
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(Self::Running(sender))
    }

    /// Sends one request; a refusal is a failure.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let media = if body.is_some() { "application/json" } else { "" };
        let body = Full::from(body.map(|body| body.to_string()).unwrap_or_default()).map_err(|never| match never {}).boxed();
        let answer = self.send(method, path, media, "application/json", body).await?;
        read_json(&answer.whole().await?)
    }

    /// Sends a body that is made while it is sent; the answer may come as it is made, too. A refusal is a failure.
    pub async fn upload(&mut self, path: &str, media: &str, accept: &str, body: Fed) -> Result<Answer, Failure> {
        self.send(Method::POST, path, media, accept, body.boxed()).await
    }

    /// Asks for an answer that comes as it is made. A refusal is a failure.
    pub async fn download(&mut self, path: &str, accept: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, "", accept, Body::default()).await
    }

    async fn send(&mut self, method: Method, path: &str, media: &str, accept: &str, body: Body) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(format!("/v1{path}")).header(HOST, "tollgate").header(ACCEPT, accept);
        if !media.is_empty() {
            request = request.header(CONTENT_TYPE, media);
        }
        let request = request.body(body).map_err(|error| Failure::Use(format!("'{path}' cannot be asked for: {error}")))?;
        let answer = match self {
            Self::Running(sender) => {
                let failed = |error: hyper::Error| Failure::Failed(format!("the running server does not answer: {error}"));
                let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
                Answer { status: head.status, body: body.map_err(|error| BodyFault(error.to_string())).boxed_unsync() }
            }
            Self::Own(app) => {
                let (head, body) = crate::http::handle(&app.current.front(), request, Peer::Control).await.into_parts();
                Answer { status: head.status, body: body.boxed_unsync() }
            }
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status.as_u16();
        Err(Failure::Refused(status, read_json(&answer.whole().await?)?))
    }

    /// Every page of a list as one.
    pub async fn list(&mut self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Value, Failure> {
        self.list_some(path, query, 0).await
    }

    /// The first so many of a list; 0: all of it.
    pub async fn list_some(&mut self, path: &str, query: &[(&str, Option<&str>)], most: usize) -> Result<Value, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut ask = form_urlencoded::Serializer::new(String::new());
            let wanted = if most == 0 { PageAsk::MOST } else { PageAsk::MOST.min(most - all.len()) };
            ask.append_pair("limit", &wanted.to_string());
            query
                .iter()
                .filter_map(|(name, value)| Some((name, (*value)?)))
                .chain(cursor.as_deref().map(|cursor| (&"cursor", cursor)))
                .for_each(|(name, value)| {
                    ask.append_pair(name, value);
                });
            let mut page = self.call(Method::GET, &format!("{path}?{}", ask.finish()), None).await?;
            if let Value::Array(rows) = page["data"].take() {
                all.extend(rows);
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || (most > 0 && all.len() == most) {
                return Ok(json!({ "data": all, "next_cursor": cursor }));
            }
        }
    }

    /// When something is sent: only a server does that.
    pub fn once_it_runs(&self) -> &'static str {
        match self {
            Self::Running(_) => "",
            Self::Own(_) => " once a server runs",
        }
    }

    /// Lets go of the database.
    pub async fn close(self) {
        if let Self::Own(app) = self {
            app.close().await;
        }
    }
}

/// An answer, its body still to be read.
pub struct Answer {
    status: StatusCode,
    body: UnsyncBoxBody<Bytes, BodyFault>,
}

impl Answer {
    /// What comes next of it; `None` after its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(not_whole)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// All of it.
    pub async fn whole(self) -> Result<Bytes, Failure> {
        Ok(self.body.collect().await.map_err(not_whole)?.to_bytes())
    }
}

fn not_whole(fault: BodyFault) -> Failure {
    Failure::Failed(format!("the answer did not come whole: {fault}; the server's log says why"))
}

fn read_json(bytes: &[u8]) -> Result<Value, Failure> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| Failure::Failed(format!("the answer cannot be read: {error}")))
}

/// `NAME=N` as `{"NAME": N}`; `NAME=` as `{"NAME": null}`.
pub fn limits(given: &[String]) -> Result<Value, Failure> {
    let mut limits = serde_json::Map::new();
    for one in given {
        let (name, number) =
            one.split_once('=').ok_or_else(|| Failure::Use(format!("--limit {one}: write it as NAME=N, such as minute=600")))?;
        let number = match number {
            "" => Value::Null,
            text => {
                text.parse::<u64>().map(Value::from).map_err(|_| Failure::Use(format!("--limit {one}: '{text}' is no whole number")))?
            }
        };
        if limits.insert(name.into(), number).is_some() {
            return Err(Failure::Use(format!("--limit {name} is given twice")));
        }
    }
    Ok(limits.into())
}

/// A text, or null where it was given empty.
pub fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// An id as a part of a path; what could not be one is sent as what names nothing.
pub fn segment(id: &str) -> &str {
    let sound = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if sound { id } else { "none" }
}
