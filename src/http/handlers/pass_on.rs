//! What passed is passed on to the app; what comes back gets the style's headers, and what does not is told by the style.

use std::net::IpAddr;

use http::header::{ALLOW, HeaderValue, MAX_FORWARDS};
use http::{Method, StatusCode};

use crate::config::upstream::Refund;
use crate::domain::decision::Decision;
use crate::domain::time::Timestamp;
use crate::http::forwarded::client;
use crate::http::note;
use crate::http::request::Call;
use crate::http::response::{self, Response};
use crate::http::upstream::Upstream;
use crate::http::upstream::trouble::Kind;
use crate::service::meter::Tally;

/// What may be asked of an app; TRACE would show what it was sent.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// A body that says it is over the bound costs nothing.
pub fn is_too_large(call: &Call, upstream: &Upstream) -> bool {
    let length = call.parts.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.zip(upstream.settings.max_body_bytes).is_some_and(|(length, most)| length > most)
}

/// Brings back the app's answer with the style's headers; where there is none, what the style says of that.
pub async fn pass_on(mut call: Call, upstream: &Upstream, mut decision: Decision, mut tally: Tally) -> Response {
    if let Some(response) = ends_here(&mut call) {
        return response;
    }
    let (services, request_id) = (call.front.services.clone(), call.request_id.clone());
    let address: Option<IpAddr> = client(call.peer, &call.parts.headers, &services.policy.server.trusted_proxies).address.ok().flatten();
    let gives_back = |from: Refund| upstream.settings.refund >= from;
    match upstream.ask(call, &decision).await {
        Ok(mut response) => {
            if response.status().is_server_error() && gives_back(Refund::Errors) {
                decision = services.refund(decision, address, &request_id, Timestamp::now()).await;
            }
            // Where the style says nothing, the app does not speak for it.
            for name in services.policy.style.pass_headers() {
                response.headers_mut().remove(name);
            }
            response.headers_mut().extend(services.policy.style.answer(&decision, &request_id).headers);
            response
        }
        Err(trouble) => {
            trouble.log(&request_id);
            if trouble.kind.refunded_from().is_some_and(gives_back) {
                decision = services.refund(decision, address, &request_id, Timestamp::now()).await;
            }
            let Some(verdict) = trouble.kind.verdict() else { return client_failed(trouble.kind, &request_id) };
            (decision.verdict, tally.verdict) = (verdict, verdict);
            note::verdict(verdict);
            response::styled(services.policy.style.answer(&decision, &request_id))
        }
    }
}

/// A request that may go no further: TRACE, and an OPTIONS whose hops are counted out (RFC 9110, 7.6.2).
fn ends_here(call: &mut Call) -> Option<Response> {
    if call.parts.method == Method::TRACE {
        let mut response = response::problem(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not passed on.", Vec::new(), &call.request_id);
        response.headers_mut().insert(ALLOW, METHODS);
        return Some(response);
    }
    if call.parts.method != Method::OPTIONS {
        return None;
    }
    let hops: u64 = call.parts.headers.get(MAX_FORWARDS)?.to_str().ok()?.parse().ok()?;
    match hops.checked_sub(1) {
        Some(left) => {
            call.parts.headers.insert(MAX_FORWARDS, left.into());
            None
        }
        None => {
            let mut response = response::empty(StatusCode::NO_CONTENT);
            response.headers_mut().insert(ALLOW, METHODS);
            Some(response)
        }
    }
}

/// Whose connection has failed hardly reads this any more.
fn client_failed(kind: Kind, request_id: &str) -> Response {
    let status = if kind == Kind::ClientStalled { StatusCode::REQUEST_TIMEOUT } else { StatusCode::BAD_REQUEST };
    response::problem(status, "The body did not come whole.", Vec::new(), request_id)
}
