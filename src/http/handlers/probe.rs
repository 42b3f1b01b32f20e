//! `ANY /auth/v1/probe`: what an app behind a proxy would get to see, for `tollgate doctor --through`.
//!
//! A proxy guards this one path as it guards the app's, and passes it here instead. It is no open echo: only a trusted proxy is
//! answered, and only for a living key of the doctor's own account; for everybody else there is nothing at this path.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::gate;
use crate::config::Policy;
use crate::domain::act::Act;
use crate::domain::carrier::{self, Found};
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::path::Ambiguous;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::http::forwarded::{client, is_trusted};
use crate::http::peer::Peer;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::upstream::Upstream;
use crate::service::Services;
use crate::service::ask::Mode;

/// What the doctor's account and its keys are called.
pub const NAME: &str = "tollgate doctor";

/// Its path below the prefix.
pub const PATH: &str = "/v1/probe";

/// The cookies that it sets: one for the session, and one with a comma in it, which breaks where two headers are made one.
const COOKIES: [&str; 2] = [
    "tollgate_probe=one; Path=/; HttpOnly; SameSite=Strict",
    "tollgate_probe_2=two; Path=/; Max-Age=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; SameSite=Lax",
];

/// A head as an app would get it.
#[derive(Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub target: &'a Uri,
    /// The headers, the identity among them.
    pub headers: &'a HeaderMap,
    /// Who sent it.
    pub peer: Peer,
    /// The client, as tollgate sees it.
    pub client: Result<Option<IpAddr>, Ambiguous>,
}

/// Answers a trusted proxy that has asked `check` about this request, as it does about the app's. Where the gate itself stands in
/// front of the app, it is asked here, and tells what it would pass on.
pub async fn probe(call: Call) -> Result<Response, Unreadable> {
    let front = call.front.clone();
    if let Some(upstream) = &front.upstream {
        return Ok(in_front(call, upstream).await);
    }
    let (headers, trusted) = (&call.parts.headers, &call.front.services.policy.server.trusted_proxies);
    if !is_trusted(call.peer, trusted) {
        return Ok(response::nothing_here(&call.request_id));
    }
    let client = client(call.peer, headers, trusted).address;
    let head = Head { method: &call.parts.method, target: &call.parts.uri, headers, peer: call.peer, client };
    Ok(echo(&call.front.services, &head, &call.request_id, call.now).await)
}

async fn in_front(mut call: Call, upstream: &Upstream) -> Response {
    let mut decision = gate::decide(&call, Mode::Charge).await;
    if !decision.verdict.passes() {
        return gate::refuse(&call, &decision);
    }
    let client = client(call.peer, &call.parts.headers, &call.front.services.policy.server.trusted_proxies).address;
    if let Err(trouble) = upstream.rewrite(&mut call, &decision) {
        trouble.log(&call.request_id);
        decision.verdict = Verdict::Internal;
        return gate::refuse(&call, &decision);
    }
    let head = Head { method: &call.parts.method, target: &call.parts.uri, headers: &call.parts.headers, peer: call.peer, client };
    let mut response = echo(&call.front.services, &head, &call.request_id, call.now).await;
    response.headers_mut().extend(call.front.services.policy.style.answer(&decision, &call.request_id).headers);
    response
}

/// Tells of a head as an app would get it, where its `X-Auth-Key` is a living key of the doctor's; else there is nothing here.
///
/// Where tollgate stands in front itself, the gate calls this for the probe's path: once a request has passed, with the very
/// head that the app would be sent, in place of sending it.
pub async fn echo(services: &Services, head: &Head<'_>, request_id: &str, now: Timestamp) -> Response {
    match is_doctors(services, head.headers, now).await {
        Ok(true) => told(&services.policy, head),
        Ok(false) => response::nothing_here(request_id),
        Err(error) => response::failed(&error, request_id),
    }
}

/// Whether one of the `X-Auth-Key` is a living key of the doctor's account; beside it a client's own may have come through.
async fn is_doctors(services: &Services, headers: &HeaderMap, now: Timestamp) -> Result<bool> {
    let act = Act::of_tollgate(now);
    let ids = headers.get_all("x-auth-key").iter().filter_map(|value| value.to_str().ok()).filter(|text| id::is(id::KEY, text));
    // No proxy adds more than a client's own to the true one.
    for id in ids.take(2) {
        let key = match services.key(id, &act).await {
            Err(Error::NotFound(_)) => continue,
            found => found?,
        };
        let lives = key.revoked_at.is_none() && !key.disabled && key.expires_at.is_some_and(|at| now < at);
        if lives && key.name == NAME && services.account(&key.account, &act).await?.record.name == NAME {
            return Ok(true);
        }
    }
    Ok(false)
}

fn told(policy: &Policy, head: &Head<'_>) -> Response {
    let discreet = |text: &str| if policy.holds_secret(text) { "…".to_owned() } else { text.to_owned() };
    let shown = head.headers.iter().filter(|(name, _)| is_shown(name));
    let headers: Vec<Value> =
        shown.map(|(name, value)| json!([name.as_str(), discreet(&String::from_utf8_lossy(value.as_bytes()))])).collect();
    let body = json!({
        "method": head.method.as_str(),
        "target": discreet(&head.target.to_string()),
        "peer": head.peer.to_string(),
        "client": head.client.map(|address| address.map(|address| address.to_string())).unwrap_or(Some("ambiguous".into())),
        "headers": headers,
        "credential": places_of_credentials(policy, head),
        "cookies": COOKIES,
    });
    let mut response = response::json(StatusCode::OK, &body);
    for cookie in COOKIES {
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(cookie));
    }
    response
}

/// What an app would believe, and what it needs; underscores are hyphens to many an app.
fn is_shown(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    let known = ["forwarded", "x-real-ip", "host", "cookie", "x-request-id"];
    known.contains(&&*name) || ["x-auth-", "x-forwarded-"].iter().any(|begin| name.starts_with(begin))
}

/// Where a credential stands, never the credential itself.
fn places_of_credentials(policy: &Policy, head: &Head<'_>) -> Vec<String> {
    let query = head.target.query();
    let is_secret = |value: &HeaderValue| policy.holds_secret(&String::from_utf8_lossy(value.as_bytes()));
    let mut places: Vec<String> = head.headers.keys().map(|name| name.as_str().to_owned()).collect();
    places.retain(|name| head.headers.get_all(name).iter().any(is_secret));
    if query.is_some_and(|query| policy.holds_secret(query)) {
        places.push("query".into());
    }
    let carriers = &policy.keys.carriers;
    if places.is_empty() && carrier::read(carriers, head.headers, query) != Found::Nothing {
        let first = if head.headers.contains_key(AUTHORIZATION) { "authorization" } else { "a carrier" };
        places.push(first.into());
    }
    places
}
