//! The pages that mailed links lead to: a button that proves an address, a form that sets a password. Scanners follow links, so a link
//! alone does nothing. Plain HTML, without a script; what somebody else wrote is escaped, and no other site gets to see the address.
//! Where its forms go is relative: a proxy may have taken a part of the path away.

mod form;
pub mod invitation;
mod show;

use http::StatusCode;
use http::header::RETRY_AFTER;
use minijinja::context;

use super::request::{Call, Unreadable};
use super::response::Response;
use crate::domain::error::Error;
use crate::domain::password::Password;
use crate::domain::verdict::Verdict;
use crate::service::sign_in::Entered;
use crate::service::sign_in::proof::Brought;
use crate::service::sign_in::reset::NewPassword;
use form::Form;
pub use show::guard;
use show::{Page, show};

/// The longest token of a link that is looked at.
const LONGEST_TOKEN: usize = 128;

/// `GET PREFIX/verify?token=…`: a page with a button.
pub async fn verify(call: Call) -> Result<Response, Unreadable> {
    match token(&call)? {
        Some(token) => {
            let link = call.front.services.link_of(&token, call.now).await?;
            let asks_password = link.is_some_and(|link| link.asks_password);
            Ok(show(&call, StatusCode::OK, Page::Verify, context! { token, asks_password }))
        }
        None => Ok(show(&call, StatusCode::BAD_REQUEST, Page::WrongLink, context! {})),
    }
}

/// The button: proves the address, and signs the browser in.
pub async fn verify_pressed(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let token = form.text("token")?;
    let services = call.front.services.clone();
    let link = services.link_of(&token, call.now).await?;
    if let Some(link) = link.as_ref().filter(|link| link.asks_password) {
        let checked = match Password::parse(form.text("password").unwrap_or_default()) {
            Ok(password) => services.check_chosen(link, &password, &visit).await,
            Err(_) => Err(Error::refused(Verdict::NotVerified)),
        };
        match checked {
            Ok(()) => {}
            Err(Error::Refused(refusal)) if refusal.verdict == Verdict::NotVerified => {
                let fault = "This is not the password that was chosen with this link. If you have got several mails, try the other one.";
                return Ok(show(&call, StatusCode::UNAUTHORIZED, Page::Verify, context! { token, fault, asks_password => true }));
            }
            Err(error) => return wrong_link(&call, error),
        }
    }
    match services.verify(Brought::Token(token), &visit).await {
        Ok(Entered::SignedIn(signed_in)) if link.is_some_and(|link| link.signs_in) => {
            let mut response = show(&call, StatusCode::OK, Page::Verified, context! { name => signed_in.user["name"].as_str() });
            super::cookies::set(&call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
            Ok(response)
        }
        Ok(Entered::SignedIn(_) | Entered::SecondFactor(_)) => Ok(show(&call, StatusCode::OK, Page::Verified, context! {})),
        Err(error) => wrong_link(&call, error),
    }
}

/// `GET PREFIX/reset?token=…`: a form for a new password.
pub async fn reset(call: Call) -> Result<Response, Unreadable> {
    asked(&call, Page::Reset, Page::WrongLink)
}

/// The form: sets the password. One that is too weak is asked for again.
pub async fn reset_pressed(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let (token, typed) = (form.text("token")?, form.text("password")?);
    let again = |fault: String| Ok(show(&call, StatusCode::BAD_REQUEST, Page::Reset, context! { token => &token, fault }));
    let password = match Password::parse(typed) {
        Ok(password) => password,
        Err(fault) => return again(format!("The password {fault}.")),
    };
    let new = NewPassword { brought: Some(Brought::Token(token.clone())), password: Some(password), faults: Vec::new() };
    match call.front.services.reset(new, &visit).await {
        Ok(()) => Ok(show(&call, StatusCode::OK, Page::ResetDone, context! {})),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::BadRequest => {
            again(refusal.errors.iter().map(|fault| format!("The password {}.", fault.message)).collect::<Vec<_>>().join(" "))
        }
        Err(error) => wrong_link(&call, error),
    }
}

/// The one style sheet of these pages.
pub async fn style_sheet(_: Call) -> Result<Response, Unreadable> {
    Ok(show::style_sheet())
}

/// A link that was used, has expired or was never one; whatever else goes wrong is an error like any other.
fn wrong_link(call: &Call, error: Error) -> Result<Response, Unreadable> {
    match error {
        Error::Refused(refusal) if refusal.verdict == Verdict::TooManyTries => {
            let mut response = show(call, StatusCode::TOO_MANY_REQUESTS, Page::TooMany, context! {});
            if let Some(seconds) = refusal.retry_after(call.now) {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            Ok(response)
        }
        Error::Refused(_) => Ok(show(call, StatusCode::UNAUTHORIZED, Page::WrongLink, context! {})),
        error => Err(error.into()),
    }
}

/// A page for the token of a link; `wrong` for what can be none, which is not repeated.
fn asked(call: &Call, page: Page, wrong: Page) -> Result<Response, Unreadable> {
    Ok(match token(call)? {
        Some(token) => show(call, StatusCode::OK, page, context! { token }),
        None => show(call, StatusCode::BAD_REQUEST, wrong, context! {}),
    })
}

/// The token of a link, where what stands there can be one.
fn token(call: &Call) -> Result<Option<String>, Unreadable> {
    let mut query = call.query(&["token"]);
    let token = query.text("token");
    query.finish()?;
    let can_be = |token: &String| (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Ok(token.filter(can_be))
}
