//! The plans of the config.

use http::StatusCode;
use serde_json::json;

use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::limits::plan_json;

/// All of them, in the order of the config; they fit on one page.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    call.query(&["limit", "cursor"])?;
    let plans: Vec<_> = call.front.services.policy.plans.all().iter().map(|plan| plan_json(plan)).collect();
    Ok(response::json(StatusCode::OK, &json!({ "data": plans, "next_cursor": null })))
}
