//! The page of an invitation for whoever is signed in already: it lies below the sign-in's base path, where the refresh cookie comes
//! along. A browser that another site has sent here brings none that is for this site alone: it goes on to the same page by itself, once.

use http::header::HeaderValue;
use http::{HeaderName, StatusCode};
use minijinja::context;

use super::form::Form;
use super::refused;
use super::show::{Page, show};
use crate::domain::error::Error;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// Loads a page without anybody pressing anything (HTML, 4.2.5.3, of the same name).
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Says in the query that the browser has gone on.
const AGAIN: &str = "again";

/// Where it lies, as browsers see it, with the invitation's token.
pub fn place(call: &Call, token: &str) -> String {
    format!("{}/auth/join?token={token}", cookies::path(call, &call.front.services.policy.sign_in.base_path))
}

/// `GET auth/join?token=…`: a button.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    let Some(token) = super::token(&call) else { return Ok(super::broken_link(&call)) };
    let guest = match cookies::refresh_token(&call) {
        Some(kept) => call.front.services.guest(&token, &kept, call.now).await,
        None => Ok(None),
    };
    match guest {
        Ok(Some(guest)) => {
            let name = if guest.name.trim().is_empty() { &guest.email } else { &guest.name };
            let about = context! { token, name, email => guest.email, account => guest.account };
            Ok(show(&call, StatusCode::OK, Page::Join, about))
        }
        Ok(None) if super::parameter(&call, AGAIN).is_ok_and(|given| given.is_none()) => Ok(go_on(&call, &token)),
        Ok(None) => Ok(refused::nobody(&call, super::invitation::place(&call, &token))),
        Err(error) if super::invitation::counts_no_more(&error) => Ok(wrong(&call)),
        Err(error) => Ok(refused::not_now(&call, error, &place(&call, &token))?),
    }
}

/// The button: joins.
pub async fn pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let Some(token) = form.text("token").ok().filter(|token| super::can_be_token(token)) else {
        return Ok(super::broken_link(&call));
    };
    let joined = match cookies::refresh_token(&call) {
        Some(kept) => call.front.services.join_signed_in(&token, &kept, &visit).await,
        None => Err(Error::refused(Verdict::Missing)),
    };
    match joined {
        Ok(()) | Err(Error::Conflict(_)) => Ok(show(&call, StatusCode::OK, Page::Joined, context! {})),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::Missing => {
            Ok(refused::nobody(&call, super::invitation::place(&call, &token)))
        }
        Err(error) if super::invitation::counts_no_more(&error) => Ok(wrong(&call)),
        Err(error) => Ok(refused::not_now(&call, error, &place(&call, &token))?),
    }
}

fn go_on(call: &Call, token: &str) -> Response {
    let href = format!("join?token={token}&{AGAIN}=1");
    let mut response = show(call, StatusCode::OK, Page::GoOn, context! { href => &href });
    if let Ok(value) = HeaderValue::from_str(&format!("0; url={href}")) {
        response.headers_mut().insert(REFRESH, value);
    }
    response
}

fn wrong(call: &Call) -> Response {
    show(call, StatusCode::UNAUTHORIZED, Page::WrongInvitation, context! {})
}
