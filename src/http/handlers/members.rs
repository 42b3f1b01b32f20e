//! Who belongs to an account, for its people and for whoever administrates.

use http::StatusCode;

use super::users::number;
use crate::domain::error::{Error, Result};
use crate::domain::user::Role;
use crate::http::fields::Fields;
use crate::http::query::PAGE;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;

/// A page of them.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let mut query = call.query(&PAGE);
    let ask = query.page(|cursor| number(cursor) > 0);
    query.finish()?;
    let page = call.front.services.members(&call.id, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, |(member, user)| views::member(member, user))))
}

/// Gives one another role.
pub async fn set(mut call: Call) -> Result<Response, Unreadable> {
    let mut fields = Fields::new(call.json().await?)?;
    let role = fields.given("role", role);
    fields.finish()?;
    let role = role.ok_or_else(|| Error::field("role", "must be given"))?;
    let (member, user) = call.front.services.set_member(&call.id, number(&call.second_id), role, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::member(&member, &user)))
}

/// Takes one out, or lets them leave.
pub async fn remove(call: Call) -> Result<Response, Unreadable> {
    call.front.services.remove_member(&call.id, number(&call.second_id), &call.act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// A role by its name.
pub fn role(text: &str) -> Result<Role, &'static str> {
    Role::from_name(text).ok_or("must be owner, admin or member")
}
