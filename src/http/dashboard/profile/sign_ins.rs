//! Who else vouches for the viewer: a table, from which each can be taken away where another way in is left, and those that can be linked.

use askama::Template;
use http::StatusCode;

use super::file;
use crate::domain::time::Timestamp;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::providers;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::sign_in::identities::{name_of, provider_of};
use crate::http::handlers::sign_in::others;
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
    /// Those at which a browser can begin and that are not linked yet: what paths call each, and what people do.
    offered: Vec<(String, String)>,
    has_password: bool,
    /// Why whoever comes back from one has not linked it.
    refused: Option<String>,
    forms: Forms,
}

/// What stands in the forms of the page.
#[derive(Default)]
pub struct Forms {
    pub link: Typed,
    pub unlink: Typed,
}

/// `GET PREFIX/profile/sign-ins`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Forms::default()).await
}

/// The page.
pub async fn shown(call: &Call, status: StatusCode, forms: Forms) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let file = file(call).await?;
    let linked = services.identities(file.record.id).await?.into_iter().map(|identity| Linked {
        name: name_of(call, &identity.provider),
        title: services.policy.sign_in.title_of(&identity.provider).to_owned(),
        label: identity.label,
        created_at: identity.created_at,
        used_at: identity.used_at,
    });
    let linked: Vec<Linked> = linked.collect();
    let is_linked = |name: &str| linked.iter().any(|one| one.name == name);
    let offered = others::to_begin_at(call).filter(|provider| !is_linked(&provider.name));
    let offered = offered.map(|provider| (provider.name.clone(), provider.title.clone())).collect();
    let (has_password, refused) = (file.record.password.is_some(), providers::told(call));
    page(status, &SignInsPage { s: Shell::of(call, "profile"), linked, offered, has_password, refused, forms })
}

/// `POST PREFIX/profile/sign-ins/unlink`.
pub async fn unlink(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let provider = provider_of(&call, form.text("provider")).await?;
    let done = call.front.services.unlink_identity(user(&call)?, &provider, &visit).await;
    match form.judged(&call, done)? {
        Ok(()) => see(&format!("{}profile/sign-ins?done=unlinked", root(&call))),
        Err((status, unlink)) => shown(&call, status, Forms { unlink, ..Forms::default() }).await,
    }
}
