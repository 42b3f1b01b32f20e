//! `GET /auth/v1/audit`: who did what to whom.

use http::StatusCode;

use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::nearest::hint;
use crate::domain::time::Timestamp;
use crate::http::query::Query;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::store::audit::Filter;

/// What the audit is asked by.
pub const FILTERS: [&str; 6] = ["account", "target", "actor", "action", "from", "to"];

/// A page of the audit, newest first.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, mut query) = call.paged(id::AUDIT, &FILTERS);
    let filter = wanted(&mut query);
    query.finish()?;
    let page = call.front.services.audit(filter, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::audit)))
}

/// Which entries are asked for.
pub fn wanted(query: &mut Query) -> Filter {
    let (from, to) = (query.parsed("from", Timestamp::parse), query.parsed("to", Timestamp::parse));
    let action = query.parsed("action", known_action);
    let (account, target, actor) = (query.text("account"), query.text("target"), query.text("actor"));
    Filter { account, target, actor, action, from, to, ..Filter::default() }
}

fn known_action(name: &str) -> Result<String, String> {
    if Event::from_name(name).is_some() {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
    Err(format!("there is no such action{}", hint(name, &names)))
}
