//! Webhooks, for whoever administrates: the endpoints, their messages, and sending one again.

use http::StatusCode;
use serde_json::json;

use crate::domain::delivery::MessageState;
use crate::domain::id;
use crate::http::query::{PAGE, Query};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;

/// The endpoints, and how their messages stand. They are few: there is one page.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let mut query = call.query(&PAGE);
    query.page(|_| false);
    query.finish()?;
    let endpoints = call.front.services.webhooks().await?;
    let data: Vec<_> = endpoints.iter().map(views::webhook).collect();
    Ok(response::json(StatusCode::OK, &json!({ "data": data, "next_cursor": null })))
}

/// A page of messages.
pub async fn messages(call: Call) -> Result<Response, Unreadable> {
    let (ask, mut query) = call.paged(id::MESSAGE, &["endpoint", "state"]);
    let (state, endpoint) = wanted(&mut query);
    query.finish()?;
    let page = call.front.services.messages(endpoint, state, ask).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::message)))
}

/// Which messages are asked for: where they are on their way, and to whom.
pub fn wanted(query: &mut Query) -> (Option<MessageState>, Option<String>) {
    (query.parsed("state", MessageState::parse), query.text("endpoint"))
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
