//! Every path that is not tollgate's own: decided about as it came.

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::pass_on::{is_too_large, pass_on};
use crate::domain::decision::Decision;
use crate::domain::verdict::Verdict;
use crate::http::cors::is_preflight;
use crate::http::forwarded::client;
use crate::http::note;
use crate::http::peer::Peer;
use crate::http::request::Call;
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::Services;
use crate::service::ask::{Ask, Credential, Mode, Wants};
use crate::service::metrics::Kind;

/// Decides about the request as it came.
pub async fn gate(call: Call) -> Response {
    let front = call.front.clone();
    let _timer = front.services.metrics.time(Kind::Gate);
    if let Some(upstream) = &front.upstream
        && is_too_large(&call, upstream)
    {
        return refuse(&call, &call.front.services.turned_away(Verdict::TooLarge, call.now));
    }
    let (decision, tally) = match in_time(&call, call.front.services.decide_first(&ask(&call, Mode::Charge), call.now)).await {
        Some(decided) => decided,
        None => return refuse(&call, &call.front.services.turned_away(Verdict::Unavailable, call.now)),
    };
    note::decided(&decision);
    if !decision.verdict.passes() {
        return refuse(&call, &decision);
    }
    match (&front.cors, &front.upstream) {
        (Some(cors), _) if is_preflight(call.parts.method.as_str(), &call.parts.headers) => cors.answer_preflight(&call.parts.headers),
        (_, Some(upstream)) => pass_on(call, upstream, decision, tally).await,
        (_, None) => answer(&call, &decision),
    }
}

/// What the gate makes of a request as it came.
pub async fn decide(call: &Call, mode: Mode) -> Decision {
    decide_of(call, None, mode).await
}

/// The same, of a credential that was taken out of it already.
pub async fn decide_of(call: &Call, credential: Option<Credential<'_>>, mode: Mode) -> Decision {
    let ask = ask(call, mode);
    let ask = Ask { credential: credential.unwrap_or(Credential::In(&call.parts.headers)), ..ask };
    let decision = call.front.services.decide(&ask, call.now).await;
    note::decided(&decision);
    decision
}

fn ask(call: &Call, mode: Mode) -> Ask<'_> {
    let Parts { method, uri, headers, .. } = &call.parts;
    ask_about(method, (uri.path(), uri.query()), headers, call.peer, &call.front.services, &call.request_id, mode)
}

/// What a request asks, as it came or as a proxy tells of it.
pub fn ask_about<'a>(
    method: &'a Method,
    (path, query): (&'a str, Option<&'a str>),
    headers: &'a HeaderMap,
    peer: Peer,
    services: &Services,
    request_id: &'a str,
    mode: Mode,
) -> Ask<'a> {
    let client = client(peer, headers, &services.policy.server.trusted_proxies);
    let method = method.as_str();
    Ask {
        request_id,
        method,
        path: Some(path),
        query,
        credential: Credential::In(headers),
        client: client.address,
        is_https: Some(client.is_https),
        is_preflight: is_preflight(method, headers),
        only: None,
        wants: Wants::default(),
        mode,
    }
}

/// A decision that takes too long is none.
async fn in_time<T>(call: &Call, deciding: impl Future<Output = T>) -> Option<T> {
    let decided = tokio::time::timeout(call.front.services.policy.server.request_timeout.as_duration(), deciding).await.ok();
    if decided.is_none() {
        tracing::error!(request_id = call.request_id, "the gate took too long to decide");
    }
    decided
}

/// What the style says of a refusal, whole.
pub fn refuse(call: &Call, decision: &Decision) -> Response {
    note::decided(decision);
    response::styled(call.front.services.policy.style.answer(decision, &call.request_id))
}

/// A pass is told as `verify` tells it, with the identity; a refusal as the style tells it, whole.
pub fn answer(call: &Call, decision: &Decision) -> Response {
    answer_with(call, decision, |_| {})
}

/// The same, with more in it.
pub fn answer_with(call: &Call, decision: &Decision, add: impl FnOnce(&mut serde_json::Value)) -> Response {
    let answer = call.front.services.policy.style.answer(decision, &call.request_id);
    if decision.verdict != Verdict::Ok {
        return response::styled(answer);
    }
    let mut view = views::decision(decision, &answer, &call.front.services, &call.request_id);
    add(&mut view);
    let mut response = response::json(StatusCode::OK, &view);
    response.headers_mut().extend(answer.headers);
    response::identity(decision, response.headers_mut());
    response
}
