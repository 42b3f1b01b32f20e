//! The page of an invitation for whoever is signed in already: it lies below the sign-in's base path, where the refresh cookie comes
//! along. A browser that another site has sent here brings none that is for this site alone: it goes on to the same page by itself, once.

use askama::Template;
use http::StatusCode;

use super::invitation::{counts_no_more, joined, wrong};
use crate::domain::error::Error;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::dashboard::form::Form;
use crate::http::dashboard::shell::Shell;
use crate::http::dashboard::show::discreet;
use crate::http::dashboard::{go_on, parameter, refused};
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// Says in the query that the browser has gone on.
const AGAIN: &str = "again";

#[derive(Template)]
#[template(path = "join.html")]
struct JoinPage<'a> {
    s: &'a Shell,
    token: &'a str,
    name: &'a str,
    email: &'a str,
    account: &'a str,
}

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
            let s = Shell::discreet(&call);
            let page = JoinPage { s: &s, token: &token, name, email: &guest.email, account: &guest.account };
            Ok(discreet(&call, &s, StatusCode::OK, &page))
        }
        Ok(None) if parameter(&call, AGAIN).is_ok_and(|given| given.is_none()) => Ok(once_more(&call, &token)),
        Ok(None) => Ok(refused::nobody(&call, super::invitation::place(&call, &token))),
        Err(error) if counts_no_more(&error) => Ok(wrong(&call)),
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
    let Some(token) = form.once("token").map(str::to_owned).filter(|token| super::can_be_token(token)) else {
        return Ok(super::broken_link(&call));
    };
    let joining = match cookies::refresh_token(&call) {
        Some(kept) => call.front.services.join_signed_in(&token, &kept, &visit).await,
        None => Err(Error::refused(Verdict::Missing)),
    };
    match joining {
        Ok(()) | Err(Error::Conflict(_)) => Ok(joined(&call)),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::Missing => {
            Ok(refused::nobody(&call, super::invitation::place(&call, &token)))
        }
        Err(error) if counts_no_more(&error) => Ok(wrong(&call)),
        Err(error) => Ok(refused::not_now(&call, error, &place(&call, &token))?),
    }
}

fn once_more(call: &Call, token: &str) -> Response {
    let href = format!("join?token={token}&{AGAIN}=1");
    go_on::page(call, |s| s.t("invitation.title"), &href)
}
