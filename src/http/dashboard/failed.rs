//! What a browser is shown where there is no page: what went wrong, what to do, and the request's id.

use http::StatusCode;

use super::shell::Shell;
use super::show::told;
use crate::domain::error::Error;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::http::note;
use crate::http::request::Unreadable;
use crate::http::response::Response;

/// A page for what went wrong. What is inner goes to the log.
pub fn failed(s: &Shell, request_id: &str, unreadable: Unreadable) -> Response {
    let plain = |status, text: &str| told(s, request_id, status, s.t("failed.title"), text);
    let error = match unreadable {
        Unreadable::Error(error) => error,
        Unreadable::TooSlow => return plain(StatusCode::REQUEST_TIMEOUT, s.t("failed.slow")),
        Unreadable::TooLarge => return plain(StatusCode::PAYLOAD_TOO_LARGE, s.t("failed.large")),
        Unreadable::Bad(_) => return plain(StatusCode::BAD_REQUEST, s.t("failed.bad")),
        Unreadable::WrongType => return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, s.t("failed.bad")),
    };
    let said = |status, error: &Error| told(s, request_id, status, s.t("failed.title"), &error.outer());
    let broken = |status, error: &Error| {
        tracing::error!(request_id, "{error}");
        plain(status, s.t("failed.broken"))
    };
    match &error {
        Error::NotFound(_) => plain(StatusCode::NOT_FOUND, s.t("failed.nothing")),
        Error::Forbidden(_) => told(s, request_id, StatusCode::FORBIDDEN, s.t("failed.forbidden"), &error.outer()),
        Error::Conflict(_) => said(StatusCode::CONFLICT, &error),
        Error::Stale => said(StatusCode::PRECONDITION_FAILED, &error),
        Error::Invalid(_) | Error::NoBalance => said(StatusCode::BAD_REQUEST, &error),
        Error::Refused(refusal) => match refusal.verdict {
            Verdict::AgreementNeeded => plain(StatusCode::FORBIDDEN, s.t("failed.agreement")),
            Verdict::TooManyTries => {
                note::retry_after(refusal.retry_after(Timestamp::now()));
                plain(StatusCode::TOO_MANY_REQUESTS, s.t("failed.too_many"))
            }
            Verdict::Disabled => plain(StatusCode::FORBIDDEN, s.t("failed.disabled")),
            Verdict::Unavailable | Verdict::Internal => broken(StatusCode::SERVICE_UNAVAILABLE, &error),
            Verdict::WrongScope => plain(StatusCode::FORBIDDEN, s.t("failed.part")),
            Verdict::NotConfigured => plain(StatusCode::NOT_FOUND, s.t("failed.not_configured")),
            Verdict::Unknown | Verdict::Missing => plain(StatusCode::NOT_FOUND, s.t("failed.gone")),
            Verdict::BadRequest => said(StatusCode::BAD_REQUEST, &error),
            _ => plain(StatusCode::BAD_REQUEST, s.t("failed.bad")),
        },
        Error::Unavailable(_) => broken(StatusCode::SERVICE_UNAVAILABLE, &error),
        Error::Internal(_) => broken(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

/// A page for a path at which there is none.
pub fn nothing_here(s: &Shell, request_id: &str) -> Response {
    told(s, request_id, StatusCode::NOT_FOUND, s.t("failed.title"), s.t("failed.nothing"))
}

/// A page for what took too long here.
pub fn too_slow(s: &Shell, request_id: &str) -> Response {
    told(s, request_id, StatusCode::SERVICE_UNAVAILABLE, s.t("failed.title"), s.t("failed.too_slow"))
}

/// A page for a path that is asked for by another method.
pub fn wrong_method(s: &Shell, request_id: &str) -> Response {
    told(s, request_id, StatusCode::METHOD_NOT_ALLOWED, s.t("failed.title"), s.t("failed.method"))
}
