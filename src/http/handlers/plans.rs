//! The plans of the config.

use http::StatusCode;

use crate::http::query::PAGE;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::limits::plan_json;

/// A page of them, in the order of the config.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let plans = &call.front.services.policy.plans;
    let mut query = call.query(&PAGE);
    let ask = query.page(|cursor| plans.named(cursor).is_some());
    query.finish()?;
    let rest = plans.all().iter().skip_while(|plan| !ask.cursor.is_empty() && plan.name != ask.cursor);
    let rows = rest.skip(usize::from(!ask.cursor.is_empty())).take(ask.limit + 1).cloned().collect();
    let page = ask.page(rows, |plan| plan.name.clone());
    Ok(response::json(StatusCode::OK, &views::page(&page, |plan| plan_json(plan))))
}
