//! Who else vouches for the viewer: a table, from which each can be taken away where another way in is left.

use askama::Template;
use http::StatusCode;

use crate::domain::time::Timestamp;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::sign_in::identities::{name_of, provider_of};
use crate::http::handlers::sign_in::session::user;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// One of them.
struct Linked {
    /// What paths call it.
    name: String,
    /// What people call it.
    title: String,
    label: String,
    created_at: Timestamp,
    used_at: Timestamp,
}

#[derive(Template)]
#[template(path = "profile/sign_ins.html")]
struct SignInsPage {
    s: Shell,
    linked: Vec<Linked>,
    typed: Typed,
}

/// `GET PREFIX/profile/sign-ins`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Typed::default()).await
}

async fn shown(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let linked = services.identities(user(call)?.id).await?.into_iter().map(|identity| Linked {
        name: name_of(call, &identity.provider),
        title: services.policy.sign_in.title_of(&identity.provider).to_owned(),
        label: identity.label,
        created_at: identity.created_at,
        used_at: identity.used_at,
    });
    page(status, &SignInsPage { s: Shell::of(call, "profile"), linked: linked.collect(), typed })
}

/// `POST PREFIX/profile/sign-ins/unlink`.
pub async fn unlink(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let provider = provider_of(&call, form.text("provider")).await?;
    let done = call.front.services.unlink_identity(user(&call)?, &provider, &visit).await;
    match form.judged(&call, done)? {
        Ok(()) => see(&format!("{}profile/sign-ins?done=unlinked", root(&call))),
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}
