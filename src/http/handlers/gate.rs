//! The gate itself: every path that is not tollgate's own.

use http::StatusCode;

use crate::domain::decision::Decision;
use crate::domain::verdict::Verdict;
use crate::http::forwarded::client;
use crate::http::request::Call;
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::ask::{Ask, Credential, Mode, Wants};

/// Decides about the request as it came, and answers for itself.
pub async fn gate(call: Call) -> Response {
    let decision = decide(&call, Mode::Charge).await;
    answer(&call, &decision)
}

/// What the gate makes of a request as it came.
pub async fn decide(call: &Call, mode: Mode) -> Decision {
    let uri = &call.parts.uri;
    let client = client(call.peer, &call.parts.headers, &call.services.policy.server.trusted_proxies);
    let ask = Ask {
        request_id: &call.request_id,
        method: call.parts.method.as_str(),
        path: Some(uri.path()),
        query: uri.query(),
        credential: Credential::In(&call.parts.headers),
        client: client.address,
        is_https: Some(client.is_https),
        wants: Wants::default(),
        mode,
    };
    call.services.decide(&ask, call.now).await
}

/// A pass is told as `verify` tells it, with the identity; a refusal as the style tells it, whole.
pub fn answer(call: &Call, decision: &Decision) -> Response {
    let answer = call.services.policy.style.answer(decision, &call.request_id);
    if decision.verdict != Verdict::Ok {
        return response::styled(answer);
    }
    let mut response = response::json(StatusCode::OK, &views::decision(decision, &answer, &call.services, &call.request_id));
    response.headers_mut().extend(answer.headers);
    response::identity(decision, response.headers_mut());
    response
}
