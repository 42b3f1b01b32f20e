//! Who somebody is and how they sign in: an overview, and a page for each part. Nothing here is asked for that the service does not ask.

pub mod addresses;
pub mod leaving;
pub mod linking;
pub mod password;
pub mod second_factor;
pub mod sessions;
pub mod sign_ins;

use askama::Template;
use http::StatusCode;
use serde_json::{Value, json};

use super::form::{Form, Typed, Wrong};
use super::shell::{Shell, root};
use super::show::{page, see};
use crate::domain::error::Error;
use crate::domain::proof::Channel;
use crate::domain::time::Timestamp;
use crate::http::handlers::sign_in::others;
use crate::http::handlers::sign_in::session::user;
use crate::http::handlers::sign_in::user::read_change;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::sign_in::change::Pending;
use crate::service::users::UserFile;

#[derive(Template)]
#[template(path = "profile/overview.html")]
struct ProfilePage {
    s: Shell,
    file: UserFile,
    /// What people call those who vouch for them.
    others: Vec<String>,
    may_link: bool,
    agreement: Option<Accepted>,
    picture: Option<String>,
    pending: Pending,
    sends_sms: bool,
    typed: Typed,
}

/// What the viewer has accepted.
struct Accepted {
    /// Which version, if any.
    version: Option<String>,
    at: Option<Timestamp>,
    /// Another one is asked for now.
    is_old: bool,
}

/// `GET PREFIX/profile`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Typed::default()).await
}

async fn shown(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let file = file(call).await?;
    let services = &call.front.services;
    let pending = services.pending_addresses(file.record.id, call.now).await?;
    let others = file.identities.iter().map(|(provider, _)| services.policy.sign_in.title_of(provider).to_owned()).collect();
    // It lies elsewhere: a link, so that nothing of another site is loaded here.
    let picture = file.record.picture.clone().filter(|address| address.starts_with("https://"));
    let sends_sms = services.policy.sends_by(Channel::Phone);
    let (may_link, agreement) = (others::to_begin_at(call).next().is_some(), accepted(call, &file).await?);
    let template = ProfilePage { s: Shell::of(call, "profile"), file, others, may_link, agreement, picture, pending, sends_sms, typed };
    page(status, &template)
}

async fn accepted(call: &Call, file: &UserFile) -> Result<Option<Accepted>, Error> {
    let services = &call.front.services;
    let Some(agreement) = &services.policy.sign_in.agreement else { return Ok(None) };
    let version = file.record.agreement.clone();
    let at = match &version {
        Some(version) => services.accepted_at(file.record.id, version).await?,
        None => None,
    };
    let is_old = version.as_ref().is_some_and(|version| *version != agreement.version);
    Ok(Some(Accepted { version, at, is_old }))
}

/// `POST PREFIX/profile`: the name.
pub async fn rename(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    match change(&call, &form, json!({ "name": form.text("name").trim() })).await? {
        Ok(()) => see(&format!("{}profile?done=saved", root(&call))),
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}

/// The viewer, and what else there is of them.
async fn file(call: &Call) -> Result<UserFile, Error> {
    let own = call.actor.user().map(|user| user.id).unwrap_or_default();
    call.front.services.user(own).await
}

/// Changes the viewer, as `PATCH user/me` does.
async fn change(call: &Call, form: &Form, body: Value) -> Result<Result<(), Wrong>, Unreadable> {
    let visit = call.visit()?;
    let done = match read_change(call, body) {
        Ok(change) => call.front.services.change_oneself(user(call)?, change, &visit).await,
        Err(error) => Err(error),
    };
    form.judged(call, done.map(drop))
}
