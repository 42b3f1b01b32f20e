//! Closing an organization: what that ends, and what it asks for.

use askama::Template;
use http::StatusCode;

use crate::domain::act::Actor;
use crate::domain::caller::Kind;
use crate::domain::error::Error;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::keys::account;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::sign_in::session::user;
use crate::http::handlers::sign_in::user::read_leaving;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

#[derive(Template)]
#[template(path = "organization/close.html")]
struct ClosePage<'a> {
    s: Shell,
    name: &'a str,
    has_password: bool,
    has_second_factor: bool,
    typed: Typed,
}

/// `GET PREFIX/organization/close`.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Typed::default()).await
}

async fn shown(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let account = if let Actor::User(caller) = &call.actor { caller.account.as_ref() } else { None };
    let organization = account.filter(|account| account.kind == Kind::Organization);
    let name = &organization.ok_or_else(|| Error::NotFound("organization to close".into()))?.name;
    let file = call.front.services.user(user(call)?.id).await?;
    let (has_password, has_second_factor) = (file.record.password.is_some(), file.has_second_factor);
    page(status, &ClosePage { s: Shell::of(call, "organization"), name, has_password, has_second_factor, typed })
}

/// `POST PREFIX/organization/close`: the session goes on for the viewer alone.
pub async fn close(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let closed = match read_leaving(form.json(&["password", "code"], &[])) {
        Ok((password, code)) => call.front.services.close_organization(&account(&call)?, user(&call)?, password, code, &visit).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, closed)? {
        Ok(()) => see(&format!("{}organization?done=organization_closed", root(&call))),
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}
