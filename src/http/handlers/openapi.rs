//! `GET /auth/v1/openapi.json`: the OpenAPI document of this server.

use http::StatusCode;

use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// The document, made once.
pub async fn openapi(call: Call) -> Result<Response, Unreadable> {
    let text = call.front.document.get_or_init(|| crate::http::openapi::document(&call.front.services.policy).to_string());
    Ok(response::text(StatusCode::OK, "application/json", text.clone()))
}
