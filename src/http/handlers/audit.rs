//! `GET /auth/v1/audit`: who did what to whom.

use http::StatusCode;

use crate::domain::error::{Error, FieldFault};
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
    let (ask, query) = call.page(id::AUDIT, &["account", "target", "actor", "action", "from", "to"])?;
    let given = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let mut faults = Vec::new();
    let mut instant = |field: &str| {
        let read = given(field).map(|text| Timestamp::parse(&text));
        read.and_then(|read| read.map_err(|message| faults.push(FieldFault { field: field.into(), message })).ok())
    };
    let (from, to) = (instant("from"), instant("to"));
    if let Some(Err(message)) = given("action").as_deref().map(known_action) {
        faults.push(FieldFault { field: "action".into(), message });
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults).into());
    }
    let (account, target, actor, action) = (given("account"), given("target"), given("actor"), given("action"));
    let filter = Filter { account, target, actor, action, from, to, ..Filter::default() };
    let page = call.front.services.audit(filter, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::audit)))
}

fn known_action(name: &str) -> Result<(), String> {
    if Event::from_name(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
    Err(format!("there is no such action{}", hint(name, &names)))
}
