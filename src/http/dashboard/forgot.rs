//! A forgotten password: a mail or SMS follows, with which another is set. What is answered is the same for every address, known or not.

use askama::Template;
use http::StatusCode;
use serde_json::json;

use super::form::{Form, Typed};
use super::posted::{self, Purpose, again, not_sent};
use super::shell::{Shell, root};
use super::show::{page, see};
use crate::domain::proof::Channel;
use crate::http::fields::Fields;
use crate::http::handlers::sign_in::register;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage {
    s: Shell,
    /// Whether a number may stand in place of an address.
    by_phone: bool,
    typed: Typed,
}

/// `GET PREFIX/forgot`.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    show(&call, StatusCode::OK, Typed::default())
}

fn show(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let by_phone = call.front.services.policy.sends_by(Channel::Phone);
    page(status, &ForgotPage { s: Shell::of(call, ""), by_phone, typed })
}

/// `POST PREFIX/forgot`.
pub async fn sent(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    match forget(&call, &form).await {
        Ok(()) => posted::posted(&call, Purpose::Forgot, form.text("email")),
        Err(error) => {
            let (status, faults) = not_sent(&call, error)?;
            show(&call, status, form.again(faults))
        }
    }
}

async fn forget(call: &Call, form: &Form) -> Result<(), Unreadable> {
    let visit = call.visit()?;
    let address = register::forgetful(call, Fields::new(form.json(&["email"], &[]))?)?;
    Ok(call.front.services.forgot(address, &visit).await?)
}

/// `POST PREFIX/forgot/code`: the code of the SMS sets another password.
pub async fn code(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    match reset(&call, &form).await {
        Ok(()) => see(&format!("{}sign-in?done=password_set", root(&call))),
        Err(error) => again(&call, Purpose::Forgot, &form, error),
    }
}

async fn reset(call: &Call, form: &Form) -> Result<(), Unreadable> {
    let visit = call.visit()?;
    let body = json!({ "phone": form.text("phone"), "code": form.text("code").trim(), "password": form.text("password") });
    let new = register::new_password(call, Fields::new(body)?);
    Ok(call.front.services.reset(new, &visit).await?)
}
