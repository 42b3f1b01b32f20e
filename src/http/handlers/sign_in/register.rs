//! `POST auth/register`, `auth/verify`, `auth/forgot`, `auth/reset`: what needs a proof that an address is one's own.

use http::StatusCode;
use serde_json::json;

use super::address::{self, either};
use crate::domain::error::Error;
use crate::domain::password::Password;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::login::Address;
use crate::service::sign_in::proof::Brought;
use crate::service::sign_in::register::Registration;
use crate::service::sign_in::reset::NewPassword;

/// The longest token of a link that is looked at.
const LONGEST_TOKEN: usize = 128;

/// `POST auth/register`: a mail or SMS follows, whoever it is.
pub async fn register(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let registration = registration(&call, Fields::new(body)?);
    call.front.services.register(registration, &visit).await?;
    Ok(accepted())
}

/// Who registers, as they say.
pub fn registration(call: &Call, mut fields: Fields) -> Registration {
    let address = either(call, &mut fields);
    let password = fields.given("password", |text| Password::parse(text.to_owned()));
    let name = fields.text("name");
    Registration { address, password, name, faults: fields.into_faults() }
}

/// `POST auth/invitation`: whoever was invited, and has no user yet, becomes one.
pub async fn invited(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let mut fields = Fields::new(body)?;
    let token = fields.given("token", |text| Ok::<_, String>(text.to_owned()));
    let name = fields.given("name", |text| Ok::<_, String>(text.to_owned()));
    let password = fields.given("password", |text| Password::parse(text.to_owned()));
    fields.finish()?;
    let (Some(token), Some(name), Some(password)) = (token, name, password) else { return Err(missing()) };
    let entered = call.front.services.join_as_newcomer(&token, &name, password, &visit).await?;
    Ok(super::entered(&call, entered))
}

/// `POST auth/verify`: a token, with the password that was chosen with it where the caller has asked for that; or a number and the code
/// that it got.
pub async fn verify(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let (brought, password) = proof(&call, Fields::new(body)?)?;
    let entered = call.front.services.verify(brought, password, &visit).await?;
    Ok(super::entered(&call, entered))
}

/// What somebody proves an address with.
pub fn proof(call: &Call, mut fields: Fields) -> Result<(Brought, Option<Password>), Unreadable> {
    let brought = brought(call, &mut fields);
    if matches!(brought, Some(Brought::Code { .. })) && fields.has("password") {
        fields.fault("password", "goes with a token: a code tells of one registration alone");
    }
    let password = fields.parsed("password", |text| Password::parse(text.to_owned())).flatten();
    fields.finish()?;
    Ok((brought.ok_or_else(missing)?, password))
}

/// `POST auth/forgot`: a mail or SMS follows, where there is somebody to get it.
pub async fn forgot(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let address = forgetful(&call, Fields::new(body)?)?;
    call.front.services.forgot(address, &visit).await?;
    Ok(accepted())
}

/// Where somebody is written to who has forgotten their password.
pub fn forgetful(call: &Call, mut fields: Fields) -> Result<Address, Unreadable> {
    let address = either(call, &mut fields);
    fields.finish()?;
    address.ok_or_else(missing)
}

/// `POST auth/reset`: a token, or a number and its code, and the new password.
pub async fn reset(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let new = new_password(&call, Fields::new(body)?);
    call.front.services.reset(new, &visit).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// A new password, and by what it is set.
pub fn new_password(call: &Call, mut fields: Fields) -> NewPassword {
    let brought = brought(call, &mut fields);
    let password = fields.given("password", |text| Password::parse(text.to_owned()));
    NewPassword { brought, password, faults: fields.into_faults() }
}

/// What somebody brings back: a token, or a number and a code.
fn brought(call: &Call, fields: &mut Fields) -> Option<Brought> {
    let (token, phone, code) = (fields.text("token"), fields.text("phone"), fields.text("code"));
    match (token, phone, code) {
        (Some(token), None, None) if token.len() <= LONGEST_TOKEN => Some(Brought::Token(token)),
        (Some(_), None, None) => {
            fields.fault("token", "is none: it stands in the link, after ?token=");
            None
        }
        (None, Some(phone), Some(code)) => {
            let phone = address::phone(call, &phone).map_err(|fault| fields.fault("phone", fault)).ok();
            let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
            if !is_code {
                fields.fault("code", "must be the six digits of the SMS");
            }
            phone.filter(|_| is_code).map(|phone| Brought::Code { phone, code })
        }
        (None, None, None) => {
            fields.fault("token", "must be given; or phone and code");
            None
        }
        (None, phone, code) => {
            if phone.is_none() {
                fields.fault("phone", "must be given with a code");
            }
            if code.is_none() {
                fields.fault("code", "must be given with a phone");
            }
            None
        }
        (Some(_), ..) => {
            fields.fault("token", "stands beside phone or code: give one or the other");
            None
        }
    }
}

/// The same for everybody.
fn accepted() -> Response {
    response::json(StatusCode::ACCEPTED, &json!({ "status": "accepted" }))
}

/// It was asked for, and a fault would have been told.
fn missing() -> Unreadable {
    Error::Internal("a field that was asked for is not there".into()).into()
}
