//! The second factor: `POST auth/second-factor` after the first, and `user/second-factor…` for whoever sets it up.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer;
use super::session::user;
use crate::domain::error::{Error, Result};
use crate::domain::password::Password;
use crate::domain::totp::Code;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// `POST auth/second-factor`: a code, from whoever has shown the first factor.
pub async fn enter(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let code = read_code(body)?;
    let Some(token) = cookies::refresh_token(&call) else { return Err(Error::refused(Verdict::Missing).into()) };
    let signed_in = call.front.services.enter_second_factor(&token, code, &visit).await?;
    Ok(answer(&call, &signed_in))
}

/// `POST user/second-factor`: begins one.
pub async fn begin(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let password = read_password(body)?;
    let begun = call.front.services.begin_second_factor(user(&call)?, password, &visit).await?;
    Ok(response::json(StatusCode::OK, &json!({ "secret": begun.secret, "url": begun.url })))
}

/// `POST user/second-factor/confirm`: the first code of the app.
pub async fn confirm(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let codes = call.front.services.confirm_second_factor(user(&call)?, read_code(body)?, &visit).await?;
    Ok(response::json(StatusCode::OK, &json!({ "recovery_codes": codes })))
}

/// `POST user/second-factor/recovery-codes`: new ones.
pub async fn renew(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let (password, code) = read_both(body)?;
    let codes = call.front.services.renew_recovery_codes(user(&call)?, password, code, &visit).await?;
    Ok(response::json(StatusCode::OK, &json!({ "recovery_codes": codes })))
}

/// `DELETE user/second-factor`.
pub async fn end(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let (password, code) = read_both(body)?;
    call.front.services.end_second_factor(user(&call)?, password, code, &visit).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// A code that must be given.
pub fn read_code(body: Value) -> Result<Code> {
    let mut fields = Fields::new(body)?;
    let code = fields.given("code", Code::parse);
    fields.finish()?;
    given(code)
}

/// A password: who has one must give it; whether they have, the flow knows.
pub fn read_password(body: Value) -> Result<Option<Password>> {
    let mut fields = Fields::new(body)?;
    let password = password(&mut fields);
    fields.finish()?;
    Ok(password)
}

/// Both.
pub fn read_both(body: Value) -> Result<(Option<Password>, Code)> {
    let mut fields = Fields::new(body)?;
    let (password, code) = (password(&mut fields), fields.given("code", Code::parse));
    fields.finish()?;
    Ok((password, given(code)?))
}

fn password(fields: &mut Fields) -> Option<Password> {
    fields.parsed("password", |text| Password::parse(text.to_owned())).flatten()
}

/// A field that was asked for: a fault would have been told.
fn given<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::Internal("a field that was asked for is not there".into()))
}
