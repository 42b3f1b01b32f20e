//! Webhooks, for whoever administrates: the endpoints, their messages, and sending one again.

use http::StatusCode;
use serde_json::json;

use crate::domain::error::Error;
use crate::domain::id;
use crate::domain::webhook::MessageState;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;

/// The endpoints, and how their messages stand. They are few: there is one page.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    call.page_with(|_| false, &[], |_| Vec::new())?;
    let endpoints = call.front.services.webhooks().await?;
    let data: Vec<_> = endpoints.iter().map(views::webhook).collect();
    Ok(response::json(StatusCode::OK, &json!({ "data": data, "next_cursor": null })))
}

/// A page of messages.
pub async fn messages(call: Call) -> Result<Response, Unreadable> {
    let (ask, more) = call.page(id::MESSAGE, &["endpoint", "state"])?;
    let given = |name: &str| more.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let state = given("state").map(|name| {
        let known = MessageState::ALL.map(MessageState::name).join(", ");
        MessageState::from_name(&name).ok_or_else(|| Error::field("state", format!("must be one of {known}")))
    });
    let page = call.front.services.messages(given("endpoint"), state.transpose()?, ask).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::message)))
}

/// Sends one again.
pub async fn retry(call: Call) -> Result<Response, Unreadable> {
    let message = call.front.services.retry_message(&call.id, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::message(&message)))
}

/// Sends an endpoint something to try it.
pub async fn test(call: Call) -> Result<Response, Unreadable> {
    let message = call.front.services.test_webhook(&call.id, &call.act()?).await?;
    Ok(response::json(StatusCode::CREATED, &views::message(&message)))
}
