//! Deleting oneself: what that takes away, and what it asks for.

use askama::Template;
use http::StatusCode;

use super::file;
use crate::http::cookies;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::session::clear;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::sign_in::session::user;
use crate::http::handlers::sign_in::user::read_leaving;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

#[derive(Template)]
#[template(path = "profile/delete.html")]
struct DeletePage {
    s: Shell,
    has_password: bool,
    has_second_factor: bool,
    typed: Typed,
}

/// `GET PREFIX/profile/delete`.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Typed::default()).await
}

async fn shown(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let file = file(call).await?;
    let (has_password, has_second_factor) = (file.record.password.is_some(), file.has_second_factor);
    page(status, &DeletePage { s: Shell::of(call, "profile"), has_password, has_second_factor, typed })
}

/// `POST PREFIX/profile/delete`: the user goes.
pub async fn delete(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let deleted = match read_leaving(form.json(&["password", "code"], &[])) {
        Ok((password, code)) => call.front.services.delete_oneself(user(&call)?, password, code, &visit).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, deleted)? {
        Ok(()) => {
            let mut response = see(&format!("{}sign-in?done=deleted", root(&call)))?;
            clear(&call, response.headers_mut());
            cookies::clear(&call, response.headers_mut());
            Ok(response)
        }
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}
