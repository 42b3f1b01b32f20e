//! Forward-auth: a proxy asks about a request that it holds.

use http::{HeaderValue, StatusCode};

use crate::domain::decision::Decision;
use crate::domain::path::{Ambiguous, split};
use crate::domain::verdict::Verdict;
use crate::http::forwarded::{client, is_trusted, one};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::ask::{Ask, Credential, Mode, Wants};
use crate::style::Answer;

/// For Caddy, Traefik and whoever else passes the answer on: 200 with the identity, or the style's answer, whole.
pub async fn check(call: Call) -> Result<Response, Unreadable> {
    let decision = decide(&call).await;
    let answer = call.services.policy.style.answer(&decision, &call.request_id);
    Ok(if decision.verdict.passes() { pass(&decision, answer) } else { response::styled(answer) })
}

/// For nginx, which knows 2xx, 401 and 403 only: what the answer should be stands in headers.
pub async fn check_nginx(call: Call) -> Result<Response, Unreadable> {
    let decision = decide(&call).await;
    let answer = call.services.policy.style.answer(&decision, &call.request_id);
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

fn pass(decision: &Decision, answer: Answer) -> Response {
    let mut response = response::styled(answer);
    response::identity(decision, response.headers_mut());
    response
}

/// Decides about the request that the proxy tells of. Only a trusted proxy can tell; from anybody else nothing is known.
async fn decide(call: &Call) -> Decision {
    let (headers, trusted) = (&call.parts.headers, &call.services.policy.server.trusted_proxies);
    let told = || -> Result<_, Ambiguous> {
        if !is_trusted(call.peer, trusted) {
            return Err(Ambiguous);
        }
        let (path, query) = split(one(headers, "x-forwarded-uri")?.ok_or(Ambiguous)?);
        let method = one(headers, "x-forwarded-method")?.unwrap_or(call.parts.method.as_str());
        let method = http::Method::from_bytes(method.as_bytes()).map_err(|_| Ambiguous)?;
        Ok((method, path, query, client(call.peer, headers, trusted)?))
    };
    let Ok((method, path, query, client)) = told() else {
        // As any other verdict it is counted, and told by the style.
        call.services.meter.tally_nobody(Verdict::Ambiguous);
        return Decision::of_nobody(Verdict::Ambiguous, call.now);
    };
    let ask = Ask {
        request_id: &call.request_id,
        method: method.as_str(),
        path: Some(path),
        query,
        credential: Credential::In(headers),
        client: Ok(client.address),
        is_https: Some(client.is_https),
        wants: Wants::default(),
        mode: Mode::Charge,
    };
    call.services.decide(&ask, call.now).await
}
