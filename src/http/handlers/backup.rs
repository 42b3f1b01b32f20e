//! `POST /v1/backup`, at the control socket alone: the command line has made a copy, and the audit is to tell of it.

use http::StatusCode;
use serde_json::json;

use crate::domain::event::Event;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// Notes that the database was copied.
pub async fn note(mut call: Call) -> Result<Response, Unreadable> {
    let mut fields = Fields::new(call.json().await?)?;
    let (file, bytes) = (fields.text("file").unwrap_or_default(), fields.number("bytes", i64::MAX.unsigned_abs()).unwrap_or(0));
    fields.finish()?;
    call.front.services.note(Event::DatabaseBackedUp, json!({ "file": file, "bytes": bytes }), &call.act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
