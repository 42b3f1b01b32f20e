//! The page of an invitation: whoever was asked signs in on it, and joins.

use http::StatusCode;
use minijinja::{Value, context};

use super::form::Form;
use super::show::{Page, show};
use super::{join, refused};
use crate::config::providers::Provider;
use crate::domain::act::{Act, Actor};
use crate::domain::error::Error;
use crate::domain::password::Password;
use crate::domain::totp::Code;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::handlers::sign_in::{address, others};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::invitations::Which;
use crate::service::sign_in::{Entered, SignedIn, Visit};

/// `GET PREFIX/invitation?token=…`: a form to sign in with.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    Ok(match super::token(&call) {
        Some(token) => page(&call, StatusCode::OK, &token, context! {}),
        None => show(&call, StatusCode::BAD_REQUEST, Page::WrongInvitation, context! {}),
    })
}

/// Where it lies, as browsers see it, with the invitation's token.
pub fn place(call: &Call, token: &str) -> String {
    format!("{}/invitation?token={token}", cookies::path(call, &call.front.services.policy.server.prefix))
}

/// The page, with every way in: what was typed before, and what is wrong with it, are `about` it.
fn page(call: &Call, status: StatusCode, token: &str, about: Value) -> Response {
    let join = join::place(call, token);
    let link = |provider: &Provider| context! { title => provider.title, href => others::start_at(call, &provider.name, &join) };
    let others: Vec<Value> = others::to_begin_at(call).map(link).collect();
    show(call, status, Page::Invitation, context! { token, join, others, ..about })
}

/// The form: signs in, and joins the account.
pub async fn pressed(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let Some(token) = form.text("token").ok().filter(|token| super::can_be_token(token)) else {
        let page = show(&call, StatusCode::BAD_REQUEST, Page::WrongInvitation, context! {});
        return Ok(response::came_to(Verdict::BadRequest, page));
    };
    if form.text("name").is_ok() {
        return newcomer(&call, &form, &token, &visit).await;
    }
    let email = form.text("email").unwrap_or_default();
    let again = |verdict: Verdict, status: StatusCode, fault: &str| {
        response::came_to(verdict, page(&call, status, &token, context! { email => &email, fault }))
    };
    let signed_in = match enter(&call, &form, &visit).await {
        Ok(signed_in) => signed_in,
        Err(Unreadable::Error(Error::Refused(refusal))) => {
            let (status, fault) = match refusal.verdict {
                Verdict::NotVerified => (
                    StatusCode::FORBIDDEN,
                    "This address is not confirmed yet: open the link in the mail first. To get another, register again.",
                ),
                Verdict::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, "Too many tries. Wait a little."),
                Verdict::SecondFactorNeeded => (StatusCode::FORBIDDEN, "Enter the code of your second factor, too."),
                Verdict::Disabled => return Ok(refused::disabled(&call)),
                Verdict::Unavailable => return Err(Error::Refused(refusal).into()),
                _ => (StatusCode::UNAUTHORIZED, "Address, password or code are not right."),
            };
            return Ok(refused::retry_after(&call, &refusal, again(refusal.verdict, status, fault)));
        }
        Err(Unreadable::Error(Error::Invalid(_))) => {
            return Ok(again(Verdict::BadRequest, StatusCode::BAD_REQUEST, "Address, password or code are not right."));
        }
        Err(other) => return Err(other),
    };
    let services = &call.front.services;
    let known = services.signed_in(&signed_in.access_token, call.now).await?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
    let act = Act { actor: Actor::User(known.caller().clone()), ..visit.act };
    let mut response = match services.accept_invitation(Which::Token(token.clone()), &act).await {
        Ok(_) | Err(Error::Conflict(_)) => show(&call, StatusCode::OK, Page::Joined, context! {}),
        Err(Error::NotFound(_) | Error::Refused(_)) => show(&call, StatusCode::UNAUTHORIZED, Page::WrongInvitation, context! {}),
        Err(error) => return Err(error.into()),
    };
    cookies::set(&call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
    Ok(response)
}

/// The other form: whoever has no user yet becomes one, and joins.
async fn newcomer(call: &Call, form: &Form, token: &str, visit: &Visit) -> Result<Response, Unreadable> {
    let name = form.text("name")?;
    let again = |verdict: Verdict, status: StatusCode, fault: String| {
        Ok(response::came_to(verdict, page(call, status, token, context! { name => &name, new_fault => fault })))
    };
    let password = match Password::parse(form.text("password").unwrap_or_default()) {
        Ok(password) => password,
        Err(fault) => return again(Verdict::BadRequest, StatusCode::BAD_REQUEST, format!("The password {fault}.")),
    };
    match call.front.services.join_as_newcomer(token, &name, password, visit).await {
        Ok(entered) => {
            let mut response = show(call, StatusCode::OK, Page::Joined, context! {});
            if let Entered::SignedIn(signed_in) = entered {
                cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
            }
            Ok(response)
        }
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::BadRequest => {
            again(Verdict::BadRequest, StatusCode::BAD_REQUEST, refusal.detail())
        }
        Err(Error::Conflict(message)) => again(Verdict::BadRequest, StatusCode::CONFLICT, message),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::TooManyTries => {
            let page = again(refusal.verdict, StatusCode::TOO_MANY_REQUESTS, "Too many tries. Wait a little.".into());
            page.map(|page| refused::retry_after(call, &refusal, page))
        }
        Err(Error::NotFound(_) | Error::Refused(_)) => {
            Ok(response::came_to(Verdict::Unknown, show(call, StatusCode::UNAUTHORIZED, Page::WrongInvitation, context! {})))
        }
        Err(error) => Err(error.into()),
    }
}

/// Signs in with what the form says.
async fn enter(call: &Call, form: &Form, visit: &Visit) -> Result<SignedIn, Unreadable> {
    let services = &call.front.services;
    let address = address::any(call, &form.text("email")?).map_err(|fault| Error::field("email", fault))?;
    let password = Password::parse(form.text("password")?).map_err(|fault| Error::field("password", fault))?;
    let code = form.text("code").unwrap_or_default();
    match services.sign_in_by_password(address, password, visit).await? {
        Entered::SignedIn(signed_in) => Ok(*signed_in),
        Entered::SecondFactor(_) if code.is_empty() => Err(Error::refused(Verdict::SecondFactorNeeded).into()),
        Entered::SecondFactor(waiting) => {
            let code = Code::parse(&code).map_err(|fault| Error::field("code", fault))?;
            Ok(services.enter_second_factor(waiting.expose(), code, visit).await?)
        }
    }
}
