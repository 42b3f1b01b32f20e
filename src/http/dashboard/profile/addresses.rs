//! The address and the number of the viewer: changed by a proof that is sent there, and taken away.

use askama::Template;
use http::StatusCode;
use serde_json::Value;

use super::{change, file};
use crate::domain::error::Error;
use crate::domain::proof::Channel;
use crate::domain::user::UserRecord;
use crate::domain::verdict::Verdict;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::dashboard::words::Words;
use crate::http::handlers::sign_in::session::user;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// What stands in the forms of the page.
#[derive(Default)]
struct Forms {
    change: Typed,
    code: Typed,
    removal: Typed,
}

#[derive(Template)]
#[template(path = "profile/address.html")]
struct AddressPage {
    s: Shell,
    /// What the field and the path are called.
    kind: &'static str,
    held: Option<String>,
    is_proven: bool,
    pending: Option<String>,
    has_password: bool,
    /// Whether anything can be sent there: without a proof it is not changed.
    sends: bool,
    forms: Forms,
}

/// `GET PREFIX/profile/email`.
pub async fn email(call: Call) -> Result<Response, Unreadable> {
    shown(&call, Channel::Email, StatusCode::OK, Forms::default()).await
}

/// `GET PREFIX/profile/phone`.
pub async fn phone(call: Call) -> Result<Response, Unreadable> {
    shown(&call, Channel::Phone, StatusCode::OK, Forms::default()).await
}

async fn shown(call: &Call, channel: Channel, status: StatusCode, forms: Forms) -> Result<Response, Unreadable> {
    let record = file(call).await?.record;
    let pending = call.front.services.pending_addresses(record.id, call.now).await?;
    let UserRecord { email, phone, password, .. } = &record;
    let (held, pending) = if channel == Channel::Phone { (phone, pending.phone) } else { (email, pending.email) };
    let (held, is_proven, has_password) = (held.clone(), record.proven(channel).is_some(), password.is_some());
    let (s, kind, sends) = (Shell::of(call, "profile"), channel.name(), call.front.services.policy.sends_by(channel));
    page(status, &AddressPage { s, kind, held, is_proven, pending, has_password, sends, forms })
}

/// `POST PREFIX/profile/email`: a link goes to the new address.
pub async fn change_email(call: Call) -> Result<Response, Unreadable> {
    ask_for(call, Channel::Email, "email_sent").await
}

/// `POST PREFIX/profile/phone`: a code goes to the new number.
pub async fn change_phone(call: Call) -> Result<Response, Unreadable> {
    ask_for(call, Channel::Phone, "phone_sent").await
}

async fn ask_for(mut call: Call, channel: Channel, done: &str) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let kind = channel.name();
    let mut body = form.json(&[kind, "current_password"], &[]);
    body[kind] = form.text(kind).trim().into();
    match change(&call, &form, body).await? {
        Ok(()) => see(&format!("{}profile/{kind}?done={done}", root(&call))),
        Err((status, change)) => shown(&call, channel, status, Forms { change, ..Forms::default() }).await,
    }
}

/// `POST PREFIX/profile/email/remove`.
pub async fn remove_email(call: Call) -> Result<Response, Unreadable> {
    remove(call, Channel::Email).await
}

/// `POST PREFIX/profile/phone/remove`.
pub async fn remove_phone(call: Call) -> Result<Response, Unreadable> {
    remove(call, Channel::Phone).await
}

async fn remove(mut call: Call, channel: Channel) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let mut body = form.json(&["current_password"], &[]);
    body[channel.name()] = Value::Null;
    match change(&call, &form, body).await? {
        Ok(()) => see(&format!("{}profile?done=address_removed", root(&call))),
        Err((status, removal)) => shown(&call, channel, status, Forms { removal, ..Forms::default() }).await,
    }
}

/// `POST PREFIX/profile/phone/code`: what the number got.
pub async fn confirm_phone(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let (services, own, visit) = (&call.front.services, user(&call)?, call.visit()?);
    let done = match services.pending_addresses(own.id, call.now).await?.phone {
        Some(phone) => services.confirm_number(own, phone, form.text("code").trim().to_owned(), &visit).await,
        None => Err(Error::refused(Verdict::Unknown)),
    };
    let done = done.map_err(|error| match error {
        Error::Refused(refusal) if refusal.verdict == Verdict::Unknown => {
            Error::field("code", Words::of(&call.parts.headers).text("profile.code_wrong"))
        }
        error => error,
    });
    match form.judged(&call, done)? {
        Ok(()) => see(&format!("{}profile?done=phone_proven", root(&call))),
        Err((status, code)) => shown(&call, Channel::Phone, status, Forms { code, ..Forms::default() }).await,
    }
}
