//! Whether the server lives, and whether it can work.

use http::StatusCode;
use serde_json::json;

use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// It lives.
pub async fn health(_: Call) -> Result<Response, Unreadable> {
    Ok(response::json(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })))
}

/// It can read the database, and write to it.
pub async fn ready(call: Call) -> Result<Response, Unreadable> {
    call.front.services.store.ready().await?;
    health(call).await
}
