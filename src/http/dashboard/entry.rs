//! Signing in and out in a browser, by the flows that the API has.

use askama::Template;
use http::StatusCode;

use super::form::{Form, too_many};
use super::session::{clear, place, set};
use super::shell::{Shell, root};
use super::show::{page, see};
use super::words::Words;
use crate::domain::error::{Error, Result as Outcome};
use crate::domain::key::PlainKey;
use crate::domain::password::Password;
use crate::domain::totp::Code;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::handlers::sign_in::address;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::session::SECOND_FACTOR_LIFETIME;
use crate::service::sign_in::{Entered, SignedIn, Visit};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    s: Shell,
    next: &'a str,
    who: &'a str,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage<'a> {
    s: Shell,
    next: &'a str,
    fault: Option<String>,
}

/// `GET PREFIX` and `GET PREFIX/`: to where somebody begins.
pub async fn to_start(call: Call) -> Result<Response, Unreadable> {
    let is_bare = call.parts.uri.path() == &*call.front.services.policy.server.prefix;
    let last = call.parts.uri.path().rsplit('/').next().unwrap_or_default();
    see(&if is_bare { format!("{last}/keys") } else { "keys".to_owned() })
}

/// `GET PREFIX/sign-in`.
pub async fn sign_in(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, &parameter(&call, "next"), "", None)
}

fn shown(call: &Call, status: StatusCode, next: &str, who: &str, fault: Option<String>) -> Result<Response, Unreadable> {
    page(status, &SignInPage { s: Shell::of(call, ""), next, who, fault })
}

/// `POST PREFIX/sign-in`.
pub async fn enter(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let next = form.text("next").to_owned();
    match by_password(&call, &form, &visit).await {
        Ok(Entered::SignedIn(signed_in)) => go_on(&call, &signed_in, &next).await,
        Ok(Entered::SecondFactor(waiting)) => {
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            let mut response = see(&format!("{}sign-in/code?next={next}", root(&call)))?;
            set(&call, &waiting, SECOND_FACTOR_LIFETIME.seconds_up(), response.headers_mut());
            Ok(response::came_to(Verdict::SecondFactorNeeded, response))
        }
        Err(error) => {
            let (verdict, status, fault) = why(&call, error)?;
            shown(&call, status, &next, form.text("who"), Some(fault)).map(|page| response::came_to(verdict, page))
        }
    }
}

async fn by_password(call: &Call, form: &Form, visit: &Visit) -> Outcome<Entered> {
    let address = address::any(call, form.text("who").trim()).map_err(|_| Error::refused(Verdict::Unknown))?;
    let password = Password::parse(form.text("password").to_owned()).map_err(|_| Error::refused(Verdict::Unknown))?;
    call.front.services.sign_in_by_password(address, password, visit).await
}

/// `GET PREFIX/sign-in/code`.
pub async fn second_factor(call: Call) -> Result<Response, Unreadable> {
    let next = parameter(&call, "next");
    if !waits(&call).await? {
        return begin_anew(&call, &next);
    }
    page(StatusCode::OK, &SecondFactorPage { s: Shell::of(&call, ""), next: &next, fault: None })
}

/// Whether this browser still waits for the second factor.
async fn waits(call: &Call) -> Outcome<bool> {
    match super::session::token(call) {
        Some(waiting) => call.front.services.waits_for_second_factor(&waiting, call.now).await,
        None => Ok(false),
    }
}

/// Nobody waits any more, or nobody did in this browser: from the first factor on.
fn begin_anew(call: &Call, next: &str) -> Result<Response, Unreadable> {
    let fault = Words::of(&call.parts.headers).text("entry.too_late").to_owned();
    let page = shown(call, StatusCode::UNAUTHORIZED, next, "", Some(fault))?;
    Ok(response::came_to(Verdict::Unknown, page))
}

/// `POST PREFIX/sign-in/code`.
pub async fn second_factor_entered(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let next = form.text("next").to_owned();
    let Some(waiting) = super::session::token(&call) else { return begin_anew(&call, &next) };
    let entered = match Code::parse(form.text("code").trim()) {
        Ok(code) => call.front.services.enter_second_factor(&waiting, code, &visit).await,
        Err(_) => Err(Error::refused(Verdict::Unknown)),
    };
    match entered {
        Ok(signed_in) => go_on(&call, &signed_in, &next).await,
        Err(error) => {
            let (verdict, status, fault) = why(&call, error)?;
            if verdict == Verdict::Unknown && !waits(&call).await? {
                return begin_anew(&call, &next);
            }
            let page = page(status, &SecondFactorPage { s: Shell::of(&call, ""), next: &next, fault: Some(fault) })?;
            Ok(response::came_to(verdict, page))
        }
    }
}

/// Signed in: the browser is known from here on, to the dashboard and to an app's own pages.
pub async fn go_on(call: &Call, signed_in: &SignedIn, next: &str) -> Result<Response, Unreadable> {
    let token: PlainKey = call.front.services.open_pages(&signed_in.session).await?;
    let mut response = see(&place(call, next))?;
    // As long as the session may last: it is used up sooner where nobody comes.
    set(call, &token, call.front.services.policy.sign_in.session_lifetime.seconds_up(), response.headers_mut());
    cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
    Ok(response)
}

/// `POST PREFIX/sign-out`: this session ends.
pub async fn sign_out(mut call: Call) -> Result<Response, Unreadable> {
    Form::read_uncounted(&mut call).await?;
    let visit = call.visit()?;
    if let Some(user) = call.actor.user() {
        call.front.services.sign_out_of(user, false, &visit).await?;
    }
    let mut response = see(&format!("{}sign-in?done=signed_out", root(&call)))?;
    clear(&call, response.headers_mut());
    cookies::clear(&call, response.headers_mut());
    Ok(response)
}

/// What somebody who cannot come in is told; what is no refusal stays an error.
fn why(call: &Call, error: Error) -> Result<(Verdict, StatusCode, String), Unreadable> {
    let words = Words::of(&call.parts.headers);
    let Error::Refused(refusal) = error else { return Err(error.into()) };
    let verdict = refusal.verdict;
    let (status, text) = match verdict {
        Verdict::NotVerified => (StatusCode::FORBIDDEN, words.text("entry.not_verified").to_owned()),
        Verdict::Disabled => (StatusCode::FORBIDDEN, words.text("entry.disabled").to_owned()),
        Verdict::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, too_many(call, &refusal)),
        Verdict::Unavailable | Verdict::Internal => return Err(Error::Refused(refusal).into()),
        _ => (StatusCode::UNAUTHORIZED, words.text("entry.wrong").to_owned()),
    };
    Ok((refusal.verdict, status, text))
}

/// A parameter of the query, empty where there is none.
fn parameter(call: &Call, name: &str) -> String {
    let query = form_urlencoded::parse(call.parts.uri.query().unwrap_or_default().as_bytes());
    query.into_iter().find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}
