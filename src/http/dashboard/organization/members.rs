//! Who belongs to the account: a table, and a page for each on which their role is changed, or they are taken out.

use askama::Template;
use http::StatusCode;

use crate::domain::error::Error;
use crate::domain::user::Role;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::keys::account;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::members::role;
use crate::http::handlers::sign_in::session::user;
use crate::http::handlers::users::number;
use crate::http::query::PAGE;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;
use crate::service::members::Known;

/// How many a page shows.
const SHOWN: usize = 25;

#[derive(Template)]
#[template(path = "organization/members.html")]
struct MembersPage {
    s: Shell,
    members: Vec<Known>,
    own: i64,
    manages: bool,
    next: Option<String>,
}

/// `GET PREFIX/organization/members`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let mut query = call.query(&[&PAGE[..], &["done"]].concat());
    let ask = query.page(|cursor| number(cursor) > 0);
    query.finish()?;
    let ask = PageAsk { limit: SHOWN, ..ask };
    let members = call.front.services.members(&account(&call)?, ask, &call.act()?).await?;
    let (own, manages) = (user(&call)?.id, call.actor.is_at_least(Role::Admin));
    let s = Shell::of(&call, "organization");
    page(StatusCode::OK, &MembersPage { s, members: members.data, own, manages, next: members.next_cursor })
}

#[derive(Template)]
#[template(path = "organization/member.html")]
struct MemberPage {
    s: Shell,
    member: Known,
    is_own: bool,
    /// What they may be made; nothing where they are more than the viewer.
    roles: Vec<Role>,
    typed: Typed,
}

/// `GET PREFIX/organization/members/{user}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Typed::default()).await
}

async fn shown(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let member = call.front.services.member(&account(call)?, number(&call.id), &call.act()?).await?;
    let held = member.0.role;
    let roles = Role::ALL.into_iter().filter(|role| call.actor.is_at_least(held.max(*role))).collect();
    let is_own = member.0.user == user(call)?.id;
    page(status, &MemberPage { s: Shell::of(call, "organization"), member, is_own, roles, typed })
}

/// `POST PREFIX/organization/members/{user}`: gives one another role.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = match role(form.text("role")) {
        Ok(role) => {
            // Whoever is none does not become one here: they are invited.
            call.front.services.member(&account(&call)?, number(&call.id), &call.act()?).await?;
            call.front.services.set_member(&account(&call)?, number(&call.id), role, &call.act()?).await
        }
        Err(fault) => Err(Error::field("role", fault)),
    };
    match form.judged(&call, done)? {
        Ok(_) => see(&format!("{}organization/members?done=saved", root(&call))),
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}

/// `POST PREFIX/organization/members/{user}/remove`: takes one out.
pub async fn remove(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = call.front.services.remove_member(&account(&call)?, number(&call.id), &call.act()?).await;
    match form.judged(&call, done)? {
        Ok(()) => see(&format!("{}organization/members?done=member_removed", root(&call))),
        Err((status, typed)) => shown(&call, status, typed).await,
    }
}
