//! The pages that mailed links lead to: a button that proves an address, a form that sets a password; and those of somebody who comes by
//! a browser and is not in yet. Scanners follow links, so a link alone does nothing. Plain HTML, without a script; what somebody else wrote is escaped, and no other site gets to see the address.
//! Where its forms go is relative: a proxy may have taken a part of the path away.

mod form;
pub mod invitation;
pub mod join;
pub mod refused;
pub mod second_factor;
mod show;

use http::StatusCode;
use minijinja::{Value, context};

use super::request::{Call, Unreadable};
use super::response::{self, Response};
use crate::domain::error::{Error, FieldFault};
use crate::domain::letter::{harmless_name, spoken_instant};
use crate::domain::password::Password;
use crate::domain::verdict::Verdict;
use crate::service::sign_in::Entered;
use crate::service::sign_in::link::{Link, PROVING, RESETTING};
use crate::service::sign_in::proof::Brought;
use crate::service::sign_in::reset::NewPassword;
use form::Form;
use second_factor::Waiting;
pub use show::guard;
use show::{Page, show};

/// The longest token of a link that is looked at.
const LONGEST_TOKEN: usize = 128;

/// `GET PREFIX/verify?token=…`: a page with a button.
pub async fn verify(call: Call) -> Result<Response, Unreadable> {
    let Some(token) = token(&call) else { return Ok(broken_link(&call)) };
    let link = call.front.services.link_of(&token, PROVING, call.now).await?;
    Ok(show(&call, StatusCode::OK, Page::Verify, about_link(&token, link.as_ref(), None)))
}

/// The button: proves the address, and signs the browser in.
pub async fn verify_pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let Ok(token) = form.text("token") else { return Ok(no_token(&call)) };
    let services = call.front.services.clone();
    let link = services.link_of(&token, PROVING, call.now).await?;
    let (asks_password, signs_in) = link.as_ref().map_or((false, true), |link| (link.asks_password, link.signs_in));
    let wrong_password = || {
        let fault = "This is not the password that was chosen with this link. If you have got several mails, try the other one.";
        let page = show(&call, StatusCode::UNAUTHORIZED, Page::Verify, about_link(&token, link.as_ref(), Some(fault)));
        Ok(response::came_to(Verdict::NotVerified, page))
    };
    let password = match asks_password.then(|| Password::parse(form.text("password").unwrap_or_default())).transpose() {
        Ok(password) => password,
        Err(_) => return wrong_password(),
    };
    if !signs_in {
        return match services.confirm_address(token.clone(), &visit).await {
            Ok(()) => Ok(response::no_sign_in(show(&call, StatusCode::OK, Page::Verified, context! {}))),
            Err(error) => wrong_link(&call, error, &again_at("verify", &token)),
        };
    }
    match services.verify(Brought::Token(token.clone()), password, &visit).await {
        Ok(Entered::SignedIn(signed_in)) => {
            let mut response = show(&call, StatusCode::OK, Page::Verified, context! { name => signed_in.user["name"].as_str() });
            super::cookies::set(&call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
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

/// `GET PREFIX/reset?token=…`: a form for a new password.
pub async fn reset(call: Call) -> Result<Response, Unreadable> {
    let Some(token) = token(&call) else { return Ok(broken_link(&call)) };
    let link = call.front.services.link_of(&token, RESETTING, call.now).await?;
    Ok(show(&call, StatusCode::OK, Page::Reset, about_link(&token, link.as_ref(), None)))
}

/// The form: sets the password. One that is too weak is asked for again.
pub async fn reset_pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let Ok(token) = form.text("token") else { return Ok(no_token(&call)) };
    let link = call.front.services.link_of(&token, RESETTING, call.now).await?;
    let typed = form.text("password").unwrap_or_default();
    let again = |fault: String| Ok(show(&call, StatusCode::BAD_REQUEST, Page::Reset, about_link(&token, link.as_ref(), Some(&fault))));
    let password = match Password::parse(typed) {
        Ok(password) => password,
        Err(fault) => return again(sentence("password", &fault)),
    };
    let new = NewPassword { brought: Some(Brought::Token(token.clone())), password: Some(password), faults: Vec::new() };
    match call.front.services.reset(new, &visit).await {
        Ok(()) => Ok(show(&call, StatusCode::OK, Page::ResetDone, context! {})),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::BadRequest => again(sentences(&refusal.errors)),
        Err(error) => wrong_link(&call, error, &again_at("reset", &token)),
    }
}

/// The one style sheet of these pages.
pub async fn style_sheet(_: Call) -> Result<Response, Unreadable> {
    Ok(show::style_sheet())
}

/// A link that was used, has expired or was never one; whatever else goes wrong is an error like any other.
/// `again`: where the same form is.
fn wrong_link(call: &Call, error: Error, again: &str) -> Result<Response, Unreadable> {
    match error {
        Error::Refused(refusal) if refusal.verdict == Verdict::Unknown => {
            let proves = again.starts_with("verify");
            Ok(response::came_to(refusal.verdict, show(call, StatusCode::UNAUTHORIZED, Page::WrongLink, context! { proves })))
        }
        error => Ok(refused::not_now(call, error, again)?),
    }
}

/// A form without the token of a link.
fn no_token(call: &Call) -> Response {
    response::came_to(Verdict::BadRequest, broken_link(call))
}

/// What stands in the link can be no token.
fn broken_link(call: &Call) -> Response {
    show(call, StatusCode::BAD_REQUEST, Page::BrokenLink, context! {})
}

/// What a page says of an open link: no more than the mail did that it came with. Of any other it knows nothing.
fn about_link(token: &str, link: Option<&Link>, fault: Option<&str>) -> Value {
    let registered = link.and_then(|link| link.registered.as_ref());
    context! {
        token,
        fault,
        address => link.map(|link| &link.address),
        name => registered.map(|(name, _)| harmless_name(name)),
        asked_at => registered.map(|(_, at)| spoken_instant(*at)),
        asks_password => link.is_some_and(|link| link.asks_password),
    }
}

/// Where the form of a link is, seen from where it is sent to.
fn again_at(page: &str, token: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    format!("{page}?{query}")
}

/// What is wrong with the fields of a form, in whole sentences.
fn sentences(faults: &[FieldFault]) -> String {
    faults.iter().map(|fault| sentence(&fault.field, &fault.message)).collect::<Vec<_>>().join(" ")
}

fn sentence(field: &str, fault: &str) -> String {
    format!("The {field} {}.", fault.trim_end_matches('.'))
}

/// The token of a link, where what stands there can be one.
fn token(call: &Call) -> Option<String> {
    parameter(call, "token").ok().flatten().filter(|token| can_be_token(token))
}

fn can_be_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// There is more than one.
struct Twice;

/// A parameter of the query. Others are not looked at: programs that handle mails add theirs to links.
fn parameter(call: &Call, name: &str) -> Result<Option<String>, Twice> {
    let query = call.parts.uri.query().unwrap_or_default();
    let mut given = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    let first = given.next().map(|(_, text)| text.into_owned());
    if given.next().is_some() { Err(Twice) } else { Ok(first) }
}
