//! Applications for plans that are granted by review, for those who apply and for whoever decides.

use http::StatusCode;
use serde_json::Value;

use crate::domain::application::ApplicationState;
use crate::domain::error::Result;
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::http::fields::Fields;
use crate::http::query::Query;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::applications::{ApplicationInput, Ruling, view_for};

/// A page of them.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, mut query) = call.paged(id::APPLICATION, &["state", "account"]);
    let (state, account) = wanted(&mut query);
    query.finish()?;
    let act = call.act()?;
    let page = call.front.services.applications(account, state, ask, &act).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, |record| view_for(record, &act))))
}

/// Which of them are asked for: how they stand, and whose they are.
pub fn wanted(query: &mut Query) -> (Option<ApplicationState>, Option<String>) {
    let state = query.parsed("state", |text| ApplicationState::from_name(text).ok_or("must be open, approved, rejected or withdrawn"));
    let account =
        query.parsed("account", |text| if id::is(id::ACCOUNT, text) { Ok(text.to_owned()) } else { Err("is no id of an account") });
    (state, account)
}

/// Makes one.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let input = read(Fields::new(call.json().await?)?);
    let act = call.act()?;
    let record = call.front.services.apply(input, &act).await?;
    Ok(response::json(StatusCode::CREATED, &view_for(&record, &act)))
}

/// What somebody applies with.
pub fn read(mut fields: Fields) -> ApplicationInput {
    let [plan, use_case, volume] = ["plan", "use_case", "volume"].map(|name| fields.text(name));
    ApplicationInput { plan, use_case, volume, faults: fields.into_faults() }
}

/// Shows one.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let act = call.act()?;
    let record = call.front.services.application(&call.id, &act).await?;
    Ok(response::json(StatusCode::OK, &view_for(&record, &act)))
}

/// Approves one: the account gets the plan.
pub async fn approve(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json_or_nothing().await?.unwrap_or_else(|| serde_json::json!({}));
    let ruling = approval(body)?;
    decide(call, ruling).await
}

/// With what it is approved.
pub fn approval(body: Value) -> Result<Ruling> {
    let mut fields = Fields::new(body)?;
    let (note, plan_until) = (fields.text("note"), fields.parsed("plan_until", Timestamp::parse).flatten());
    fields.finish()?;
    Ok(Ruling::Approved { note: note.unwrap_or_default(), plan_until })
}

/// Rejects one.
pub async fn reject(mut call: Call) -> Result<Response, Unreadable> {
    let ruling = rejection(call.json().await?)?;
    decide(call, ruling).await
}

/// With what it is rejected.
pub fn rejection(body: Value) -> Result<Ruling> {
    let mut fields = Fields::new(body)?;
    let note = fields.text("note");
    fields.finish()?;
    Ok(Ruling::Rejected { note: note.unwrap_or_default() })
}

async fn decide(call: Call, ruling: Ruling) -> Result<Response, Unreadable> {
    let record = call.front.services.decide_application(&call.id, ruling, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::application(&record)))
}

/// Takes one back; again does no harm.
pub async fn withdraw(call: Call) -> Result<Response, Unreadable> {
    call.front.services.withdraw(&call.id, &call.act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
