//! `POST /v1/first`, at the control socket alone: another link for the first administrator, where the one of the start was lost.

use http::StatusCode;
use serde_json::json;

use crate::domain::error::Error;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// Makes it; the one of before counts no more.
pub async fn make(call: Call) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let conflict = |why: &str| Err(Error::Conflict(why.to_owned()).into());
    if services.serving.get().is_none() {
        return conflict("No server runs: start it, and the first lines of its log say the link.");
    }
    if !services.policy.sign_in.enabled {
        return conflict("[sign_in] enabled is false, so nobody could open it.");
    }
    match services.make_first_link(call.now).await? {
        Some(made) => Ok(response::json(StatusCode::CREATED, &json!({ "url": made.url, "expires_at": made.until.rfc3339() }))),
        None => conflict("There is an administrator already: they, or tollgate user set ID --admin, make more."),
    }
}
