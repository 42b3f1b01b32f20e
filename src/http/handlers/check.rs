//! Forward-auth: a proxy asks about a request that it holds.

use http::{HeaderValue, Method, StatusCode};
use ipnet::IpNet;

use super::gate::ask_about;
use crate::domain::decision::Decision;
use crate::domain::path::split;
use crate::domain::verdict::Verdict;
use crate::http::forwarded::{is_trusted, one};
use crate::http::note;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::ask::Mode;
use crate::style::Answer;

/// For Caddy, Traefik and whoever else passes the answer on: 200 with the identity, or the style's answer, whole.
pub async fn check(call: Call) -> Result<Response, Unreadable> {
    let decision = decide(&call, Mode::Charge).await;
    let answer = call.front.services.policy.style.answer(&decision, &call.request_id);
    Ok(if decision.verdict.passes() { pass(&decision, answer) } else { response::styled(answer) })
}

/// For nginx, which knows 2xx, 401 and 403 only: what the answer should be stands in headers.
pub async fn check_nginx(call: Call) -> Result<Response, Unreadable> {
    let decision = decide(&call, Mode::Charge).await;
    let answer = call.front.services.policy.style.answer(&decision, &call.request_id);
    if decision.verdict.passes() {
        return Ok(pass(&decision, answer));
    }
    let status = answer.status;
    let mut response = response::empty(if status == StatusCode::UNAUTHORIZED { status } else { StatusCode::FORBIDDEN });
    let headers = response.headers_mut();
    let mut told = answer.headers;
    told.remove(http::header::CONTENT_TYPE);
    headers.extend(told);
    headers.insert("x-auth-status", HeaderValue::from(status.as_u16()));
    headers.insert("x-auth-verdict", HeaderValue::from_static(decision.verdict.name()));
    if let Some(seconds) = decision.retry_after() {
        headers.insert(http::header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

/// For nginx, after `check_nginx` refused: the style's answer to the same request, whole. It looks again and charges nothing.
/// Never a pass: where the look would let the request through by now, what holds is what the proxy was told.
pub async fn check_answer(call: Call) -> Result<Response, Unreadable> {
    let mut decision = decide(&call, Mode::Look).await;
    if decision.verdict.passes() {
        decision = decision.refused_as(told_verdict(&call).unwrap_or(Verdict::Unavailable));
    }
    Ok(response::styled(call.front.services.policy.style.answer(&decision, &call.request_id)))
}

/// What the proxy was told before; only a refusal that the gate itself can come to.
fn told_verdict(call: &Call) -> Option<Verdict> {
    let name = one(&call.parts.headers, "x-auth-verdict").ok()??;
    Verdict::from_name(name).filter(|verdict| *verdict <= Verdict::Unavailable)
}

fn pass(decision: &Decision, answer: Answer) -> Response {
    let mut response = response::styled(answer);
    response::identity(decision, response.headers_mut());
    response
}

/// Decides about the request that the proxy tells of. Only a trusted proxy can tell; from anybody else nothing is known.
async fn decide(call: &Call, mode: Mode) -> Decision {
    // What nobody told, or told twice, is no path: it is ambiguous.
    let told = told(call, &call.front.services.policy.server.trusted_proxies);
    let (method, target) = told.as_ref().map_or((&call.parts.method, ("", None)), |(method, target)| (method, split(target)));
    let ask = ask_about(method, target, &call.parts.headers, call.peer, &call.front.services, &call.request_id, mode);
    let decision = call.front.services.decide(&ask, call.now).await;
    note::decided(&decision);
    decision
}

/// The method and target that a trusted proxy tells of.
fn told<'c>(call: &'c Call, trusted: &[IpNet]) -> Option<(Method, &'c str)> {
    let headers = &call.parts.headers;
    let target = one(headers, "x-forwarded-uri").ok().flatten().filter(|_| is_trusted(call.peer, trusted))?;
    let method = match one(headers, "x-forwarded-method").ok()? {
        Some(name) => Method::from_bytes(name.as_bytes()).ok()?,
        None => call.parts.method.clone(),
    };
    Some((method, target))
}
