//! `GET /auth/v1/me`: the caller's own key, account, plan, limits and balance.

use super::gate;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::ask::Mode;

/// Says who the caller is; charges nothing, on any plan.
pub async fn me(call: Call) -> Result<Response, Unreadable> {
    let decision = gate::decide(&call, Mode::WhoAmI).await;
    Ok(gate::answer(&call, &decision))
}
