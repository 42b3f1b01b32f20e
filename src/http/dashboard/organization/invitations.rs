//! Whom the account has asked to join, and what the viewer has been asked.

use askama::Template;
use http::StatusCode;

use super::Forms;
use crate::domain::id;
use crate::domain::invitation::InvitationRecord;
use crate::domain::user::Role;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::keys::account;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::invitations::read;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::invitations::Which;
use crate::service::{Page, PageAsk};

/// How many a page shows.
const SHOWN: usize = 25;

#[derive(Template)]
#[template(path = "organization/invitations.html")]
struct InvitationsPage {
    s: Shell,
    open: Page<InvitationRecord>,
    roles: Vec<Role>,
    typed: Typed,
}

/// `GET PREFIX/organization/invitations`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Typed::default()).await
}

async fn shown(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let (ask, query) = call.paged(id::INVITATION, &["done"]);
    query.finish()?;
    let mut open = call.front.services.open_invitations(&account(call)?, &call.act()?).await?;
    open.retain(|invitation| invitation.id > ask.cursor);
    let open = PageAsk { limit: SHOWN, ..ask }.page(open, |invitation| invitation.id.clone());
    // The least first: that is what most are to be.
    let roles = Role::ALL.into_iter().rev().filter(|role| call.actor.is_at_least(*role)).collect();
    page(status, &InvitationsPage { s: Shell::of(call, "organization"), open, roles, typed })
}

/// `POST PREFIX/organization/invitations`: a link goes to the address.
pub async fn invite(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = match read(form.json(&["email", "role"], &[])) {
        Ok((email, role)) => call.front.services.invite(&account(&call)?, email, role, &call.act()?).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, done)? {
        Ok(_) => see(&format!("{}organization/invitations?done=invited", root(&call))),
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}

/// `POST PREFIX/organization/invitations/end`: takes one back.
pub async fn end(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    call.front.services.end_invitation(&account(&call)?, form.text("invitation"), &call.act()?).await?;
    see(&format!("{}organization/invitations?done=invitation_ended", root(&call)))
}

/// `POST PREFIX/organization/accept`: the viewer joins.
pub async fn accept(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let which = Which::Id(form.text("invitation").to_owned());
    let done = call.front.services.accept_invitation(which, &call.act()?).await;
    match form.judged(&call, done)? {
        Ok(_) => see(&format!("{}organization?done=joined", root(&call))),
        Err((status, pressed)) => super::shown(&call, status, Forms { pressed, ..Forms::default() }).await,
    }
}

/// `POST PREFIX/organization/decline`: the viewer does not want to.
pub async fn decline(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let which = Which::Id(form.text("invitation").to_owned());
    call.front.services.decline_invitation(which, &call.act()?).await?;
    see(&format!("{}organization?done=declined", root(&call)))
}
