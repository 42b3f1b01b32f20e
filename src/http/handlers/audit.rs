//! `GET /auth/v1/audit`: who did what to whom.

use http::StatusCode;

use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::nearest::hint;
use crate::domain::time::Timestamp;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::store::audit::Filter;

/// A page of the audit, newest first.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, mut query) = call.paged(id::AUDIT, &["account", "target", "actor", "action", "from", "to"]);
    let (from, to) = (query.parsed("from", Timestamp::parse), query.parsed("to", Timestamp::parse));
    let action = query.parsed("action", known_action);
    let (account, target, actor) = (query.text("account"), query.text("target"), query.text("actor"));
    query.finish()?;
    let filter = Filter { account, target, actor, action, from, to, ..Filter::default() };
    let page = call.front.services.audit(filter, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::audit)))
}

fn known_action(name: &str) -> Result<String, String> {
    if Event::from_name(name).is_some() {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
    Err(format!("there is no such action{}", hint(name, &names)))
}
