//! The page of an invitation: whoever was asked signs in on it, and joins, or declines.

use http::StatusCode;
use minijinja::{Value, context};

use super::form::Form;
use super::second_factor::{self, Waiting};
use super::show::{Page, show};
use super::{join, refused, sentence, sentences};
use crate::config::providers::Provider;
use crate::domain::act::{Act, Actor};
use crate::domain::error::Error;
use crate::domain::letter::harmless_name;
use crate::domain::password::Password;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::handlers::sign_in::{address, others};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::invitations::{Received, Which};
use crate::service::sign_in::{Entered, SignedIn, Visit};

/// An open invitation, and its token.
struct Open {
    token: String,
    received: Received,
}

/// `GET PREFIX/invitation?token=…`: a form to sign in with.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    let Some(token) = super::token(&call) else { return Ok(super::broken_link(&call)) };
    let received = call.front.services.invitation_of(&token, call.now).await?;
    Ok(received.map_or_else(|| wrong(&call), |received| page(&call, StatusCode::OK, &Open { token, received }, context! {})))
}

/// Where it lies, as browsers see it, with the invitation's token.
pub fn place(call: &Call, token: &str) -> String {
    format!("{}/invitation?token={token}", cookies::path(call, &call.front.services.policy.server.prefix))
}

/// The page, with every way in, and what the mail says of it: what was typed before, and what is wrong with it, are `about` it.
fn page(call: &Call, status: StatusCode, open: &Open, about: Value) -> Response {
    let Open { token, received: Received { record, account_name, inviter } } = open;
    let join = join::place(call, token);
    let link = |provider: &Provider| context! { title => provider.title, href => others::start_at(call, &provider.name, &join) };
    let others: Vec<Value> = others::to_begin_at(call).map(link).collect();
    let (account, inviter) = (harmless_name(account_name), harmless_name(inviter));
    let all = context! { token, join, others, account, inviter, role => record.role.name(), address => record.email, ..about };
    show(call, status, Page::Invitation, all)
}

/// Whether an error says that an invitation counts no more, or is for somebody else.
pub fn counts_no_more(error: &Error) -> bool {
    matches!(error, Error::NotFound(_)) || matches!(error, Error::Refused(refusal) if refusal.verdict == Verdict::Unknown)
}

/// It counts no more.
fn wrong(call: &Call) -> Response {
    response::came_to(Verdict::Unknown, show(call, StatusCode::UNAUTHORIZED, Page::WrongInvitation, context! {}))
}

/// The forms: sign in, and join the account; become a user, and join it; or decline.
pub async fn pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let Some(token) = form.text("token").ok().filter(|token| super::can_be_token(token)) else { return Ok(super::no_token(&call)) };
    let Some(received) = call.front.services.invitation_of(&token, call.now).await? else { return Ok(wrong(&call)) };
    let open = Open { token, received };
    if form.text("decline").is_ok() {
        return decline(&call, &open, &visit).await;
    }
    if form.text("name").is_ok() {
        return newcomer(&call, &form, &open, &visit).await;
    }
    let email = form.text("email").unwrap_or_default();
    let again = |verdict: Verdict, status: StatusCode, fault: &str| {
        response::came_to(verdict, page(&call, status, &open, context! { email => &email, fault }))
    };
    match enter(&call, &form, &visit).await {
        Ok(Entered::SignedIn(signed_in)) => joined(&call, &open, &signed_in, &visit).await,
        Ok(Entered::SecondFactor(waiting)) => {
            let (next, again) = (join::place(&call, &open.token), place(&call, &open.token));
            let waiting = Waiting { token: waiting.expose().to_owned(), next: Some(next), again: Some(again) };
            Ok(second_factor::begin(&call, &waiting)?)
        }
        Err(Unreadable::Error(Error::Refused(refusal))) => {
            let (status, fault) = match refusal.verdict {
                Verdict::NotVerified => (
                    StatusCode::FORBIDDEN,
                    "This address is not confirmed yet: open the link in the mail first. To get another, register again.".into(),
                ),
                Verdict::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, too_many(&call, &refusal)),
                Verdict::Disabled => return Ok(refused::disabled(&call)),
                _ => (StatusCode::UNAUTHORIZED, WRONG.into()),
            };
            Ok(refused::retry_after(&call, &refusal, again(refusal.verdict, status, &fault)))
        }
        Err(Unreadable::Error(Error::Invalid(_))) => Ok(again(Verdict::BadRequest, StatusCode::BAD_REQUEST, WRONG)),
        Err(Unreadable::Error(error)) => Ok(refused::not_now(&call, error, &place(&call, &open.token))?),
        Err(other) => Err(other),
    }
}

const WRONG: &str = "Address or password are not right.";

fn too_many(call: &Call, refusal: &crate::domain::refusal::Refusal) -> String {
    format!("Too many tries. {}", refused::wait(call, refusal))
}

/// Signs in with what the form says.
async fn enter(call: &Call, form: &Form, visit: &Visit) -> Result<Entered, Unreadable> {
    let address = address::any(call, &form.text("email")?).map_err(|fault| Error::field("email", fault))?;
    let password = Password::parse(form.text("password")?).map_err(|fault| Error::field("password", fault))?;
    Ok(call.front.services.sign_in_by_password(address, password, visit).await?)
}

/// Whoever has signed in joins, where it is they who were asked.
async fn joined(call: &Call, open: &Open, signed_in: &SignedIn, visit: &Visit) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let known = services.signed_in(&signed_in.access_token, call.now).await?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
    let act = Act { actor: Actor::User(known.caller().clone()), ..visit.act.clone() };
    let mut response = match services.accept_invitation(Which::Token(open.token.clone()), &act).await {
        Ok(_) | Err(Error::Conflict(_)) => show(call, StatusCode::OK, Page::Joined, context! {}),
        Err(error) if counts_no_more(&error) => {
            let name = signed_in.user["name"].as_str().unwrap_or_default();
            refused::somebody_else(call, name, &open.received.record.email, &place(call, &open.token))
        }
        Err(error) => refused::not_now(call, error, &place(call, &open.token))?,
    };
    cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
    Ok(response)
}

/// The last form: nobody joins by it any more.
async fn decline(call: &Call, open: &Open, visit: &Visit) -> Result<Response, Unreadable> {
    match call.front.services.decline_invitation(Which::Token(open.token.clone()), &visit.act).await {
        Ok(()) => Ok(response::no_sign_in(show(call, StatusCode::OK, Page::Declined, context! {}))),
        Err(error) if counts_no_more(&error) => Ok(wrong(call)),
        Err(error) => Ok(refused::not_now(call, error, &place(call, &open.token))?),
    }
}

/// The other form: whoever has no user yet becomes one, and joins.
async fn newcomer(call: &Call, form: &Form, open: &Open, visit: &Visit) -> Result<Response, Unreadable> {
    let name = form.text("name")?;
    let again = |verdict: Verdict, status: StatusCode, at: &str, fault: String| {
        response::came_to(verdict, page(call, status, open, context! { name => &name, new_fault => fault, new_at => at }))
    };
    let password = match Password::parse(form.text("password").unwrap_or_default()) {
        Ok(password) => password,
        Err(fault) => return Ok(again(Verdict::BadRequest, StatusCode::BAD_REQUEST, "password", sentence("password", &fault))),
    };
    match call.front.services.join_as_newcomer(&open.token, &name, password, visit).await {
        Ok(entered) => {
            let mut response = show(call, StatusCode::OK, Page::Joined, context! {});
            if let Entered::SignedIn(signed_in) = entered {
                cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
            }
            Ok(response)
        }
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::BadRequest => {
            let at = refusal.errors.first().map_or("name", |fault| fault.field.as_str());
            Ok(again(Verdict::BadRequest, StatusCode::BAD_REQUEST, at, sentences(&refusal.errors)))
        }
        Err(Error::Conflict(message)) => Ok(again(Verdict::BadRequest, StatusCode::CONFLICT, "name", message)),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::TooManyTries => {
            let page = again(refusal.verdict, StatusCode::TOO_MANY_REQUESTS, "password", too_many(call, &refusal));
            Ok(refused::retry_after(call, &refusal, page))
        }
        Err(error) if counts_no_more(&error) => Ok(wrong(call)),
        Err(error) => Ok(refused::not_now(call, error, &place(call, &open.token))?),
    }
}
