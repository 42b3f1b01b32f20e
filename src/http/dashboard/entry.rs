//! Signing in and out in a browser, by the flows that the API has.

use askama::Template;
use http::StatusCode;

use super::form::Form;
use super::given;
use super::posted;
use super::providers::{self, Begin, beginnings};
use super::refused::too_many_text;
use super::second_factor::{self, Waiting};
use super::session::{clear, let_in, place, seen};
use super::shell::{Shell, root};
use super::show::{page, see};
use crate::domain::error::{Error, Result as Outcome};
use crate::domain::password::Password;
use crate::domain::phone::looks_like_phone;
use crate::domain::proof::Channel;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::handlers::sign_in::address;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::{Entered, Visit};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    s: Shell,
    next: &'a str,
    who: &'a str,
    /// Whether a number may stand in place of an address.
    by_phone: bool,
    others: Vec<Begin>,
    registers: bool,
    fault: Option<String>,
}

/// `GET PREFIX` and `GET PREFIX/`: to where somebody begins.
pub async fn to_start(call: Call) -> Result<Response, Unreadable> {
    let is_bare = call.parts.uri.path() == &*call.front.services.policy.server.prefix;
    let last = call.parts.uri.path().rsplit('/').next().unwrap_or_default();
    see(&if is_bare { format!("{last}/keys") } else { "keys".to_owned() })
}

/// `GET PREFIX/sign-in`: also for whoever comes back from a provider and is not let in.
pub async fn sign_in(call: Call) -> Result<Response, Unreadable> {
    let next = given(&call, "next").unwrap_or_default();
    let fault = providers::told(&call);
    shown(&call, StatusCode::OK, &next, "", fault)
}

fn shown(call: &Call, status: StatusCode, next: &str, who: &str, fault: Option<String>) -> Result<Response, Unreadable> {
    let policy = &call.front.services.policy;
    let others = beginnings(call, &seen(call, next));
    let (by_phone, registers) = (policy.sends_by(Channel::Phone), policy.sign_in.registration);
    page(status, &SignInPage { s: Shell::of(call, ""), next, who, by_phone, others, registers, fault })
}

/// `POST PREFIX/sign-in`.
pub async fn enter(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let next = form.text("next").to_owned();
    match by_password(&call, &form, &visit).await {
        Ok(entered) => go_on(&call, entered, &next).await,
        Err(error) => {
            let (verdict, status, fault) = why(&call, error)?;
            let who = form.text("who");
            let shown = match verdict {
                Verdict::NotVerified if looks_like_phone(who) => {
                    posted::unproven(&call, who, &next, Shell::of(&call, "").t("entry.no_code").to_owned())
                }
                _ => shown(&call, status, &next, who, Some(fault)),
            };
            Ok(response::came_to(verdict, shown?))
        }
    }
}

async fn by_password(call: &Call, form: &Form, visit: &Visit) -> Outcome<Entered> {
    let address = address::any(call, form.text("who").trim()).map_err(|_| Error::refused(Verdict::Unknown))?;
    let password = Password::parse(form.text("password").to_owned()).map_err(|_| Error::refused(Verdict::Unknown))?;
    call.front.services.sign_in_by_password(address, password, visit).await
}

/// Goes on to a page of the dashboard, signed in, or by way of the second factor.
pub async fn go_on(call: &Call, entered: Entered, next: &str) -> Result<Response, Unreadable> {
    match entered {
        Entered::SignedIn(signed_in) => {
            let mut response = see(&place(call, next))?;
            let_in(call, &signed_in, response.headers_mut()).await?;
            Ok(response)
        }
        Entered::SecondFactor(waiting) => {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
            let again = format!("{}?{query}", seen(call, "sign-in"));
            let waiting = Waiting { token: waiting.expose().to_owned(), next: Some(seen(call, next)), again: Some(again) };
            Ok(second_factor::begin(call, &waiting)?)
        }
    }
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
pub fn why(call: &Call, error: Error) -> Result<(Verdict, StatusCode, String), Unreadable> {
    let s = Shell::of(call, "");
    let Error::Refused(refusal) = error else { return Err(error.into()) };
    let (status, text) = match refusal.verdict {
        Verdict::NotVerified => (StatusCode::FORBIDDEN, s.t("entry.not_verified").to_owned()),
        Verdict::Disabled => (StatusCode::FORBIDDEN, s.t("entry.disabled").to_owned()),
        Verdict::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, too_many_text(call, &s, &refusal)),
        Verdict::Unavailable | Verdict::Internal => return Err(Error::Refused(refusal).into()),
        _ => (StatusCode::UNAUTHORIZED, s.t("entry.wrong").to_owned()),
    };
    Ok((refusal.verdict, status, text))
}
