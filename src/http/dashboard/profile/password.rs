//! The viewer's password: another, or a first one. Every other session ends with it.

use askama::Template;
use http::StatusCode;

use super::{change as change_user, file};
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

#[derive(Template)]
#[template(path = "profile/password.html")]
struct PasswordPage {
    s: Shell,
    has_password: bool,
    /// Whose it is, for the browser that keeps it.
    who: String,
    least: usize,
    typed: Typed,
}

/// `GET PREFIX/profile/password`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Typed::default()).await
}

async fn shown(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let record = file(call).await?.record;
    let (has_password, who) = (record.password.is_some(), record.email.or(record.phone).unwrap_or_default());
    let least = call.front.services.policy.sign_in.passwords.min_length;
    page(status, &PasswordPage { s: Shell::of(call, "profile"), has_password, who, least, typed })
}

/// `POST PREFIX/profile/password`.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let mut body = form.json(&["current_password"], &[]);
    body["password"] = form.text("password").into();
    match change_user(&call, &form, body).await? {
        Ok(()) => see(&format!("{}profile?done=password", root(&call))),
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}
