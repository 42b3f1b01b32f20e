//! `GET /auth/v1/me`: the caller's own key, account, plan, limits, balance and usage.

use serde_json::{Value, json};

use super::gate;
use crate::domain::decision::Decision;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::ask::Mode;
use crate::service::usage::Counts;

/// Says who the caller is; charges nothing, on any plan.
pub async fn me(call: Call) -> Result<Response, Unreadable> {
    let decision = gate::decide(&call, Mode::WhoAmI).await;
    if !decision.verdict.passes() {
        return Ok(gate::refuse(&call, &decision));
    }
    let usage = usage(&call, &decision).await;
    Ok(gate::answer_with(&call, &decision, |answer| answer["usage"] = usage))
}

/// What the key, or the user, was told in this hour, today and in this month, UTC. Where that cannot be read, who it is can be told all the same.
async fn usage(call: &Call, decision: &Decision) -> Value {
    let Some((account, own)) = decision.caller.as_ref().and_then(|caller| caller.counted_as()) else { return Value::Null };
    match call.front.services.usage_lately(account, own, call.now).await {
        Ok(lately) => json!({ "hour": counts(lately.hour), "day": counts(lately.day), "month": counts(lately.month) }),
        Err(error) => {
            tracing::warn!(request_id = call.request_id, "the usage of a caller could not be read: {error}");
            Value::Null
        }
    }
}

fn counts(counts: Counts) -> Value {
    counts.into_iter().map(|(verdict, count)| (verdict, count.into())).collect::<serde_json::Map<_, _>>().into()
}
