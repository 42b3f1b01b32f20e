//! `POST auth/login`, `auth/login-phone`: signing in with a password.

use super::address;
use crate::domain::error::Error;
use crate::domain::password::Password;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::sign_in::Visit;
use crate::service::sign_in::login::Address;

/// By an address, in whose place a phone number may stand.
pub async fn login(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let mut fields = Fields::new(body)?;
    let address = fields.given("email", |text| address::any(&call, text));
    let password = fields.given("password", |text| Password::parse(text.to_owned()));
    fields.finish()?;
    enter(&call, address, password, &visit).await
}

/// By a phone number.
pub async fn login_phone(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let mut fields = Fields::new(body)?;
    let address = fields.given("phone", |text| address::phone(&call, text).map(Address::Phone));
    let password = fields.given("password", |text| Password::parse(text.to_owned()));
    fields.finish()?;
    enter(&call, address, password, &visit).await
}

async fn enter(call: &Call, address: Option<Address>, password: Option<Password>, visit: &Visit) -> Result<Response, Unreadable> {
    let (Some(address), Some(password)) = (address, password) else { return Err(missing()) };
    let entered = call.front.services.sign_in_by_password(address, password, visit).await?;
    Ok(super::entered(call, entered))
}

/// Both were asked for, and a fault would have been told.
fn missing() -> Unreadable {
    Error::Internal("a field that was asked for is not there".into()).into()
}
