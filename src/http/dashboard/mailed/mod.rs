//! The pages that mailed links lead to: a button that proves an address, a form that sets a password, an invitation. Scanners follow
//! links, so a link alone does nothing. Without a script; what somebody else wrote is escaped, and no other site gets to see the address.
//! Where their forms go is relative: a proxy may have taken a part of the path away.

pub mod invitation;
pub mod join;

use askama::Template;
use http::StatusCode;

use super::form::Form;
use super::notice::Notice;
use super::second_factor::{self, Waiting};
use super::session::let_in;
use super::shell::Shell;
use super::show::discreet;
use super::{given, refused};
use crate::domain::error::Error;
use crate::domain::letter::{harmless_name, spoken_instant};
use crate::domain::password::Password;
use crate::domain::verdict::Verdict;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::Entered;
use crate::service::sign_in::link::{Link, PROVING, RESETTING};
use crate::service::sign_in::proof::Brought;
use crate::service::sign_in::reset::NewPassword;

/// The longest token of a link that is looked at.
const LONGEST_TOKEN: usize = 128;

/// What a page says of an open link: no more than the mail did that it came with. Of any other it knows nothing.
struct About<'a> {
    token: &'a str,
    address: Option<&'a str>,
    /// Of a registration: with which name, and when.
    registered: Option<(String, String)>,
    asks_password: bool,
    min_length: usize,
    fault: Option<String>,
}

impl<'a> About<'a> {
    fn new(call: &Call, token: &'a str, link: Option<&'a Link>, fault: Option<String>) -> Self {
        let registered = link.and_then(|link| link.registered.as_ref());
        Self {
            token,
            address: link.map(|link| link.address.as_str()),
            registered: registered.map(|(name, at)| (harmless_name(name), spoken_instant(*at))),
            asks_password: link.is_some_and(|link| link.asks_password),
            min_length: call.front.services.policy.sign_in.passwords.min_length,
            fault,
        }
    }
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    s: &'a Shell,
    link: About<'a>,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage<'a> {
    s: &'a Shell,
    link: About<'a>,
}

/// `GET PREFIX/verify?token=…`: a page with a button.
pub async fn verify(call: Call) -> Result<Response, Unreadable> {
    let Some(token) = token(&call) else { return Ok(broken_link(&call)) };
    let link = call.front.services.link_of(&token, PROVING, call.now).await?;
    Ok(show_verify(&call, StatusCode::OK, About::new(&call, &token, link.as_ref(), None)))
}

fn show_verify(call: &Call, status: StatusCode, link: About<'_>) -> Response {
    let s = Shell::discreet(call);
    discreet(call, &s, status, &VerifyPage { s: &s, link })
}

/// The button: proves the address, and signs the browser in.
pub async fn verify_pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let Some(token) = form.once("token").map(str::to_owned) else { return Ok(no_token(&call)) };
    let services = call.front.services.clone();
    let link = services.link_of(&token, PROVING, call.now).await?;
    let (asks_password, signs_in) = link.as_ref().map_or((false, true), |link| (link.asks_password, link.signs_in));
    let wrong_password = || {
        let fault = Shell::discreet(&call).t("mailed.wrong_password").to_owned();
        let page = show_verify(&call, StatusCode::UNAUTHORIZED, About::new(&call, &token, link.as_ref(), Some(fault)));
        Ok(response::came_to(Verdict::NotVerified, page))
    };
    let chosen = asks_password.then(|| Password::parse(form.once("password").unwrap_or_default().to_owned()));
    let Ok(password) = chosen.transpose() else { return wrong_password() };
    if !signs_in {
        return match services.confirm_address(token.clone(), &visit).await {
            Ok(()) => Ok(response::no_sign_in(verified(&call, None))),
            Err(error) => wrong_link(&call, error, &again_at("verify", &token)),
        };
    }
    match services.verify(Brought::Token(token.clone()), password, &visit).await {
        Ok(Entered::SignedIn(signed_in)) => {
            let mut response = verified(&call, signed_in.user["name"].as_str());
            let_in(&call, &signed_in, response.headers_mut()).await?;
            Ok(response)
        }
        Ok(Entered::SecondFactor(waiting)) => {
            let waiting = Waiting { token: waiting.expose().to_owned(), next: None, again: None };
            Ok(second_factor::begin(&call, &waiting)?)
        }
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::NotVerified => wrong_password(),
        Err(error) => wrong_link(&call, error, &again_at("verify", &token)),
    }
}

/// An address is proven; by whom, where they are signed in now.
pub fn verified(call: &Call, name: Option<&str>) -> Response {
    let say = |s: &Shell| {
        let text = match name {
            Some(name) => s.with("mailed.welcome", name),
            None => s.t("mailed.sign_in_now").to_owned(),
        };
        (s.t("mailed.verified").to_owned(), text)
    };
    let notice = Notice::new(call, say).onward();
    let notice = match name {
        Some(_) => notice.to("", |s| s.t("shell.start").to_owned()),
        None => notice.to("sign-in", |s| s.t("entry.enter").to_owned()),
    };
    notice.show(StatusCode::OK)
}

/// `GET PREFIX/reset?token=…`: a form for a new password.
pub async fn reset(call: Call) -> Result<Response, Unreadable> {
    let Some(token) = token(&call) else { return Ok(broken_link(&call)) };
    let link = call.front.services.link_of(&token, RESETTING, call.now).await?;
    Ok(show_reset(&call, StatusCode::OK, About::new(&call, &token, link.as_ref(), None)))
}

fn show_reset(call: &Call, status: StatusCode, link: About<'_>) -> Response {
    let s = Shell::discreet(call);
    discreet(call, &s, status, &ResetPage { s: &s, link })
}

/// The form: sets the password. One that is too weak is asked for again.
pub async fn reset_pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let Some(token) = form.once("token").map(str::to_owned) else { return Ok(no_token(&call)) };
    let link = call.front.services.link_of(&token, RESETTING, call.now).await?;
    let s = Shell::discreet(&call);
    let again = |fault: String| Ok(show_reset(&call, StatusCode::BAD_REQUEST, About::new(&call, &token, link.as_ref(), Some(fault))));
    let password = match Password::parse(form.once("password").unwrap_or_default().to_owned()) {
        Ok(password) => password,
        Err(fault) => return again(s.sentence("password", &fault)),
    };
    let new = NewPassword { brought: Some(Brought::Token(token.clone())), password: Some(password), faults: Vec::new() };
    match call.front.services.reset(new, &visit).await {
        Ok(()) => Ok(reset_done(&call)),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::BadRequest => again(s.sentences(&refusal.errors)),
        Err(error) => wrong_link(&call, error, &again_at("reset", &token)),
    }
}

/// The new password is set: one signs in with it.
pub fn reset_done(call: &Call) -> Response {
    let notice = Notice::new(call, |s| (s.t("mailed.reset_done").to_owned(), s.t("mailed.signed_out").to_owned()));
    notice.onward().to("sign-in", |s| s.t("entry.enter").to_owned()).show(StatusCode::OK)
}

/// A link that was used, has expired or was never one; whatever else goes wrong is an error like any other.
/// `again`: where the same form is.
fn wrong_link(call: &Call, error: Error, again: &str) -> Result<Response, Unreadable> {
    if !matches!(&error, Error::Refused(refusal) if refusal.verdict == Verdict::Unknown) {
        return Ok(refused::not_now(call, error, again)?);
    }
    let proves = again.starts_with("verify");
    let say = |s: &Shell| {
        let text = if proves { s.with("mailed.used_proof", &s.service) } else { s.with("mailed.used", &s.service) };
        (s.t("mailed.wrong_link").to_owned(), text)
    };
    let notice = Notice::new(call, say).onward().to("sign-in", |s| s.t("entry.enter").to_owned());
    Ok(response::came_to(Verdict::Unknown, notice.show(StatusCode::UNAUTHORIZED)))
}

/// A form without the token of a link.
fn no_token(call: &Call) -> Response {
    response::came_to(Verdict::BadRequest, broken_link(call))
}

/// What stands in the link can be no token.
fn broken_link(call: &Call) -> Response {
    let notice = Notice::new(call, |s| (s.t("mailed.broken_link").to_owned(), s.t("mailed.not_whole").to_owned()));
    notice.onward().show(StatusCode::BAD_REQUEST)
}

/// Where the form of a link is, seen from where it is sent to.
fn again_at(page: &str, token: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    format!("{page}?{query}")
}

/// The token of a link, where what stands there can be one.
fn token(call: &Call) -> Option<String> {
    given(call, "token").filter(|token| can_be_token(token))
}

fn can_be_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
