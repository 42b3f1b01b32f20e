//! `GET balance`: the tokens that the caller's account has left.

use http::StatusCode;
use serde_json::json;

use super::user::caller;
use crate::domain::time::Timestamp;
use crate::http::handlers::gate;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// `GET balance`, for a session and a key alike, whatever the plan.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let decision = caller(&call).await;
    if !decision.verdict.passes() {
        return Ok(gate::refuse(&call, &decision));
    }
    let profile = call.front.services.profile(&decision).await?;
    let body = json!({
        "token_balance": profile.balance,
        "plan": profile.plan,
        "plan_expires_at": profile.plan_until.map(Timestamp::rfc3339),
    });
    Ok(response::json(StatusCode::OK, &body))
}
