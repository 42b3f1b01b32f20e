//! Invitations, for those who send them and for those who get them.

use http::StatusCode;
use serde_json::{Value, json};

use super::members::role;
use super::sign_in::session::user;
use crate::domain::email::Email;
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::user::Role;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::PageAsk;
use crate::service::invitations::{Which, received_view};

/// A page of an account's.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let ask = call.page(id::INVITATION, &[])?;
    let page = call.front.services.invitations(&call.id, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, |record| views::invitation(record, call.now))))
}

/// Invites somebody.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let (email, role) = read(call.json().await?)?;
    let record = call.front.services.invite(&call.id, email, role, &call.act()?).await?;
    Ok(response::json(StatusCode::CREATED, &views::invitation(&record, call.now)))
}

/// Who is asked, and to be what.
pub fn read(body: Value) -> Result<(Email, Role)> {
    let mut fields = Fields::new(body)?;
    let (email, role) = (fields.given("email", Email::parse), fields.given("role", role));
    fields.finish()?;
    email.zip(role).ok_or_else(|| Error::field("email", "must be given"))
}

/// Takes one back; again does no harm.
pub async fn end(call: Call) -> Result<Response, Unreadable> {
    call.front.services.end_invitation(&call.id, &call.second_id, &call.act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Those for the user who asks.
pub async fn received(call: Call) -> Result<Response, Unreadable> {
    let ask = PageAsk { limit: PageAsk::MOST, ..PageAsk::default() };
    let received = call.front.services.received_invitations(user(&call)?.id, ask, call.now).await?;
    let data: Vec<Value> = received.data.iter().map(received_view).collect();
    Ok(response::json(StatusCode::OK, &json!({ "data": data, "next_cursor": null })))
}

/// Accepts one: by the token in the mail, or by its id.
pub async fn accept(mut call: Call) -> Result<Response, Unreadable> {
    let mut fields = Fields::new(call.json().await?)?;
    let (token, id) = (fields.text("token"), fields.text("id"));
    let which = match (token, id) {
        (Some(token), None) => Some(Which::Token(token)),
        (None, Some(id)) => Some(Which::Id(id)),
        _ => {
            fields.fault("token", "must be given, or 'id': one of them");
            None
        }
    };
    fields.finish()?;
    let which = which.ok_or_else(|| Error::field("token", "must be given"))?;
    let (member, user) = call.front.services.accept_invitation(which, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::member(&member, &user)))
}
