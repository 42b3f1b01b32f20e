//! A client of the admin API: of the running server, or of the same code in this process.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::Failure;
use crate::app::{App, Claim};
use crate::config::Policy;
use crate::http::peer::Peer;

/// Where requests go.
pub enum Client {
    /// To the server that has the database.
    Running(SendRequest<Full<Bytes>>),
    /// To ourselves.
    Own(App),
}

impl Client {
    /// Finds the running server, or opens the database.
    pub async fn open(policy: Arc<Policy>) -> Result<Self, Failure> {
        match App::claim(&policy.server.database).await? {
            Claim::Ours(lock) => Ok(Self::Own(App::open(policy, lock).await?)),
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
        let mut request = Request::builder().method(method).uri(format!("/v1{path}")).header(HOST, "tollgate");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::from(body.map(|body| body.to_string()).unwrap_or_default());
        let request = request.body(body).map_err(|error| Failure::Use(format!("'{path}' cannot be asked for: {error}")))?;
        let (status, bytes) = match self {
            Self::Running(sender) => {
                let failed = |error: hyper::Error| Failure::Failed(format!("the running server does not answer: {error}"));
                let response = sender.send_request(request).await.map_err(failed)?;
                (response.status(), response.into_body().collect().await.map_err(failed)?.to_bytes())
            }
            Self::Own(app) => {
                let request = request.map(|body| body.map_err(|never| match never {}).boxed());
                let response = crate::http::handle(&app.current.front(), request, Peer::Control).await;
                let status = response.status();
                let failed = |fault| Failure::Failed(format!("the answer did not come whole: {fault}"));
                (status, response.into_body().collect().await.map_err(failed)?.to_bytes())
            }
        };
        let answer = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
        match answer {
            Ok(answer) if status.is_success() => Ok(answer),
            Ok(answer) => Err(Failure::Refused(status.as_u16(), answer)),
            Err(error) => Err(Failure::Failed(format!("the answer cannot be read: {error}"))),
        }
    }

    /// Every page of a list as one.
    pub async fn list(&mut self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Value, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut ask = form_urlencoded::Serializer::new(String::new());
            ask.append_pair("limit", "1000");
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
            if cursor.is_none() {
                return Ok(json!({ "data": all, "next_cursor": null }));
            }
        }
    }

    /// Lets go of the database.
    pub async fn close(self) {
        if let Self::Own(app) = self {
            app.close().await;
        }
    }
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
    let sound = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if sound { id } else { "none" }
}
