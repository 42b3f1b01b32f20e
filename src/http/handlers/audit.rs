//! `GET /auth/v1/audit`: who did what to whom.

use http::StatusCode;

use crate::domain::error::FieldFault;
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::nearest::hint;
use crate::domain::time::Timestamp;
use crate::http::query::Parameters;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::store::audit::Filter;

/// A page of the audit, newest first.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, query) =
        call.page_with(|cursor| id::is(id::AUDIT, cursor), &["account", "target", "actor", "action", "from", "to"], faults)?;
    let given = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let instant = |name: &str| given(name).and_then(|text| Timestamp::parse(&text).ok());
    let (from, to) = (instant("from"), instant("to"));
    let (account, target, actor, action) = (given("account"), given("target"), given("actor"), given("action"));
    let filter = Filter { account, target, actor, action, from, to, ..Filter::default() };
    let page = call.front.services.audit(filter, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::audit)))
}

/// What is wrong with what was asked for.
fn faults(query: &Parameters) -> Vec<FieldFault> {
    let checked = query.iter().map(|(name, value)| match name.as_str() {
        "from" | "to" => (name, Timestamp::parse(value).map(|_| ())),
        "action" => (name, known_action(value)),
        _ => (name, Ok(())),
    });
    checked.filter_map(|(name, checked)| Some(FieldFault { field: name.clone(), message: checked.err()? })).collect()
}

fn known_action(name: &str) -> Result<(), String> {
    if Event::from_name(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
    Err(format!("there is no such action{}", hint(name, &names)))
}
