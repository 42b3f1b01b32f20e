//! What the style tells of requests that are not answered: all that goes wrong on the sign-in's paths, and users who are not let in
//! anywhere.

use http::StatusCode;

use super::endpoints::{Access, Endpoint};
use super::request::Unreadable;
use super::response::{self, Response};
use crate::domain::error::{Error, FieldFault};
use crate::domain::refusal::{By, Refusal};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::service::Services;

/// A refusal, as the style tells it now.
pub fn told(refusal: &Refusal, services: &Services, request_id: &str) -> Response {
    response::styled(services.policy.style.tell(refusal, request_id, Timestamp::now()))
}

/// What the style tells of a request that cannot be read, or of an operation that failed; the error where that is tollgate's to tell.
pub fn refusal(unreadable: Unreadable, endpoint: &Endpoint) -> Result<Refusal, Unreadable> {
    if let Unreadable::Error(Error::Refused(mut refusal)) = unreadable {
        refusal.by = refusal.by.or_else(|| way_in(endpoint));
        return Ok(*refusal);
    }
    if !endpoint.is_of_sign_in() {
        return Err(unreadable);
    }
    Ok(match unreadable {
        Unreadable::Bad(detail) => Refusal::fields(vec![FieldFault { field: "body".into(), message: detail }]),
        Unreadable::TooLarge => Refusal::of(Verdict::TooLarge),
        Unreadable::TooSlow => Refusal::request(StatusCode::REQUEST_TIMEOUT.as_u16(), TOO_SLOW),
        Unreadable::WrongType => Refusal::request(StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16(), WRONG_TYPE),
        Unreadable::Error(error) => of_error(error),
    })
}

/// A body that takes too long, and one that is no JSON.
pub const TOO_SLOW: &str = "The body did not come in time.";
/// See above.
pub const WRONG_TYPE: &str = "Send JSON, with Content-Type: application/json.";

/// What the style tells of an operation that failed. What is inner goes to the log.
pub fn of_error(error: Error) -> Refusal {
    match error {
        Error::Refused(refusal) => *refusal,
        Error::Invalid(faults) => Refusal::fields(faults),
        Error::Unavailable(_) | Error::Internal(_) => {
            tracing::error!("{error}");
            Refusal::of(if matches!(error, Error::Unavailable(_)) { Verdict::Unavailable } else { Verdict::Internal })
        }
        // There is no verdict for these: the status says what is wrong.
        error => Refusal::request(response::status_of(&error).as_u16(), error.outer()),
    }
}

/// What somebody wants to be let in by who asks for this.
fn way_in(endpoint: &Endpoint) -> Option<By> {
    let path = endpoint.path.strip_prefix("/auth/").or_else(|| endpoint.path.strip_prefix("/user/")).unwrap_or_default();
    match path.split('/').next().unwrap_or_default() {
        "login" | "login-phone" => Some(By::Password),
        "verify" | "reset" | "invitation" => Some(By::Proof),
        "telegram" | "google" | "oidc" | "identities" => Some(By::Provider),
        "second-factor" if endpoint.access == Access::Anyone => Some(By::SecondFactor),
        "refresh" | "logout" => Some(By::Session),
        _ if matches!(endpoint.access, Access::User | Access::Shared(_)) => Some(By::Session),
        _ => None,
    }
}
