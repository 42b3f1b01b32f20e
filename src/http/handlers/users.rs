//! Users, for whoever administrates.

use http::StatusCode;
use serde_json::Value;

use super::sign_in::address::phone;
use crate::domain::email::Email;
use crate::domain::error::Result;
use crate::domain::password::Password;
use crate::http::fields::Fields;
use crate::http::query::PAGE;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::users::{UserInput, file_view};

/// A page of users.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let mut query = call.query(&[&PAGE[..], &["search"]].concat());
    let ask = query.page(|cursor| number(cursor) > 0);
    query.finish()?;
    let page = call.front.services.users(ask).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::user)))
}

/// Makes one, with their account.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let once = call.once("user", &without_password(&body))?;
    let user = call.front.services.create_user(read(&call, body)?, once, &call.act()?).await?;
    Ok(response::record(StatusCode::CREATED, &views::user(&user), user.revision))
}

/// Shows one.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let file = call.front.services.user(number(&call.id)).await?;
    Ok(response::record(StatusCode::OK, &file_view(&file), file.record.revision))
}

/// Changes one.
pub async fn set(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let input = read(&call, body)?;
    let user = call.front.services.set_user(number(&call.id), input, &call.conditional_act()?).await?;
    Ok(response::record(StatusCode::OK, &views::user(&user), user.revision))
}

/// Deletes one.
pub async fn delete(call: Call) -> Result<Response, Unreadable> {
    call.front.services.delete_user(number(&call.id), &call.conditional_act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Signs one out everywhere; again does no harm.
pub async fn sign_out(call: Call) -> Result<Response, Unreadable> {
    call.front.services.sign_out_user(number(&call.id), &call.act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Takes a second factor away; again does no harm.
pub async fn remove_second_factor(call: Call) -> Result<Response, Unreadable> {
    call.front.services.remove_second_factor(number(&call.id), &call.act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// A user's id as it is written; 0 for what is none.
pub fn number(id: &str) -> i64 {
    id.parse::<i64>().ok().filter(|number| *number > 0 && number.to_string() == id).unwrap_or(0)
}

/// What is asked under an `Idempotency-Key` is remembered by a hash: of the request but for the password, which a fast hash would
/// give away.
pub fn without_password(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(password) = body.get_mut("password") {
        *password = (!password.is_null()).into();
    }
    body
}

/// The fields are named as on the command line.
pub fn read(call: &Call, body: Value) -> Result<UserInput> {
    let mut fields = Fields::new(body)?;
    let mut input = UserInput {
        name: fields.text("name"),
        email: fields.parsed("email", Email::parse),
        phone: fields.parsed("phone", |text| phone(call, text)),
        password: fields.parsed("password", |text| Password::parse(text.to_owned())),
        verified: fields.flag("verified"),
        is_admin: fields.flag("admin"),
        disabled: fields.flag("disabled"),
        faults: Vec::new(),
    };
    input.faults = fields.into_faults();
    Ok(input)
}
