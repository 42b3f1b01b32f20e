//! The pages for whoever is not let in: what is wrong, in plain words, and a way on. Why a provider, or this server, thinks so stands in
//! the log alone.

use http::StatusCode;
use http::header::RETRY_AFTER;
use minijinja::context;

use super::show::{Page, show};
use crate::config::providers::Provider;
use crate::domain::error::Error;
use crate::domain::letter::spoken;
use crate::domain::refusal::Refusal;
use crate::domain::time::Span;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::request::Call;
use crate::http::response::{self, Response};
use crate::http::telling;
use crate::service::mails::service_name;

const TOO_MANY: &str = "Too many tries";

/// What a page says to somebody who is not let in.
struct Words {
    heading: &'static str,
    text: String,
    /// What the way on is called, where there is one.
    again: Option<&'static str>,
}

/// Somebody comes by a provider and is not let in. `is_proven`: it has said who they are. `again`: where they can begin anew.
pub fn by_provider(call: &Call, provider: Option<&Provider>, is_proven: bool, again: Option<String>, error: Error) -> Response {
    let refusal = telling::of_error(error);
    let title = provider.map_or("the other side", |provider| provider.title.as_str());
    let words = words(call, &refusal, title, is_proven);
    let href = again.filter(|_| words.again.is_some());
    let about = context! { heading => words.heading, text => words.text, again => words.again, href };
    // As it is told to whoever is no browser.
    let status = call.front.services.policy.style.tell(&refusal, &call.request_id, call.now).status;
    retry_after(call, &refusal, response::came_to(refusal.verdict, show(call, status, Page::Refused, about)))
}

fn words(call: &Call, refusal: &Refusal, title: &str, is_proven: bool) -> Words {
    const NOT_IN: &str = "You are not signed in";
    let (heading, text, again) = match refusal.verdict {
        Verdict::Unknown if is_proven => (
            NOT_IN,
            format!(
                "Nobody signs in here with this account of {title}, and new people cannot register by themselves. Sign in the way you did \
                 before, or ask for an invitation."
            ),
            Some("Use another account"),
        ),
        Verdict::Unknown => {
            let text = format!(
                "It took too long, was begun in another browser, is over already, or {title} did not confirm who you are. Whoever was signed \
                 in here before still is."
            );
            (NOT_IN, text, Some("Try again"))
        }
        Verdict::Disabled => (NOT_IN, switched_off(call), None),
        Verdict::TooManyTries => (TOO_MANY, wait(call, refusal), Some("Try again")),
        Verdict::NotConfigured => (NOT_IN, "This way to sign in is not set up here.".into(), None),
        Verdict::Unavailable => (NOT_IN, format!("{title} cannot be asked right now. Try again in a moment."), Some("Try again")),
        Verdict::Internal => ("Something went wrong here", "Try again in a moment.".into(), Some("Try again")),
        _ => (NOT_IN, "The address that you came by cannot be read.".into(), Some("Try again")),
    };
    Words { heading, text, again }
}

/// A user who may not come in any more.
pub fn disabled(call: &Call) -> Response {
    let about = context! { heading => "You are not signed in", text => switched_off(call) };
    response::came_to(Verdict::Disabled, show(call, StatusCode::FORBIDDEN, Page::Refused, about))
}

fn switched_off(call: &Call) -> String {
    format!("Your access to {} is switched off. Ask whoever runs it.", service_name(&call.front.services.policy))
}

/// Nobody waits for the second factor any more, or nobody did in this browser. `again`: where they can begin anew.
pub fn begin_anew(call: &Call, again: Option<String>) -> Response {
    let about = context! {
        heading => "Sign in again",
        text => "Too much time has passed, or too many codes were wrong.",
        again => "Sign in again",
        href => again,
    };
    response::came_to(Verdict::Unknown, show(call, StatusCode::UNAUTHORIZED, Page::Refused, about))
}

/// Nobody is signed in in this browser. `back`: where they can be.
pub fn nobody(call: &Call, back: String) -> Response {
    let about = context! { heading => "You are not signed in", text => "Nobody is signed in here in this browser.", again => "Sign in", href => back };
    show(call, StatusCode::UNAUTHORIZED, Page::Refused, about)
}

/// The form was sent by a page that is none of this server's, or was not come by the way that browsers are to.
pub fn elsewhere(call: &Call) -> Option<Response> {
    cookies::check_origin(call).err()?;
    let text = "This form did not come from a page of this address. Open the link from the mail again, as it stands there.";
    let about = context! { heading => "Nothing was done", text };
    Some(response::came_to(Verdict::BadRequest, show(call, StatusCode::FORBIDDEN, Page::Refused, about)))
}

/// Somebody has signed in, and is not who the invitation is for. `back`: where another can sign in.
pub fn somebody_else(call: &Call, name: &str, invited: &str, back: &str) -> Response {
    let about = context! {
        heading => "This invitation is for another address",
        text => format!("You are signed in as {name} now, and the invitation is for {invited}. To join, sign in with that address."),
        again => "Sign in with another address",
        href => back,
    };
    response::came_to(Verdict::Ok, show(call, StatusCode::UNAUTHORIZED, Page::Refused, about))
}

/// What a page tells of an error that is no fault of what somebody brought to it; any other stays one. `again`: where the form is.
pub fn not_now(call: &Call, error: Error, again: &str) -> Result<Response, Error> {
    match error {
        Error::Refused(refusal) => match refusal.verdict {
            Verdict::TooManyTries => Ok(too_many(call, &refusal, again)),
            Verdict::Disabled => Ok(disabled(call)),
            _ => Err(Error::Refused(refusal)),
        },
        Error::Unavailable(_) => {
            tracing::error!(request_id = call.request_id, "{error}");
            let text = "Nothing was changed. Try again in a moment.";
            let about = context! { heading => "This cannot be done right now", text, again => "Try again", href => again };
            Ok(response::came_to(Verdict::Unavailable, show(call, StatusCode::SERVICE_UNAVAILABLE, Page::Refused, about)))
        }
        error => Err(error),
    }
}

/// Too many tries. `again`: where the form is.
pub fn too_many(call: &Call, refusal: &Refusal, again: &str) -> Response {
    let about = context! { heading => TOO_MANY, text => wait(call, refusal), again => "Try again", href => again };
    retry_after(call, refusal, response::came_to(refusal.verdict, show(call, StatusCode::TOO_MANY_REQUESTS, Page::Refused, about)))
}

/// For how long to wait, where that is known.
pub fn wait(call: &Call, refusal: &Refusal) -> String {
    let seconds = refusal.retry_after(call.now);
    seconds.map_or_else(|| "Wait a little, and try again.".into(), |seconds| format!("Try again in {}.", spoken(Span::from_secs(seconds))))
}

/// Says when to try again, where that is known.
pub fn retry_after(call: &Call, refusal: &Refusal, mut response: Response) -> Response {
    if let Some(seconds) = refusal.retry_after(call.now) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
