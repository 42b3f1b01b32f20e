//! The plans, as they are configured.

use std::sync::Arc;

use super::export;
use super::listing::{self, Cell, Listing, Row, asked, text};
use crate::docs::spoken_limit;
use crate::domain::plan::Plan;
use crate::http::dashboard::words::Words;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;

/// `GET PREFIX/admin/plans`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/plans.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

/// They are few, and all in memory.
fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (policy, words) = (call.front.services.policy.clone(), Words::of(&call.parts.headers));
    let (ask, query) = asked(call, |cursor| policy.plans.named(cursor).is_some(), &["search"]);
    query.finish()?;
    let columns = vec![
        text("lists.title"),
        text("lists.id"),
        text("lists.default"),
        text("lists.api"),
        text("lists.limits"),
        text("lists.tokens"),
        text("lists.needs_balance"),
        text("lists.review"),
    ];
    let rows = move |ask: PageAsk| {
        let (all, default) = (policy.plans.all(), &policy.plans.default().name);
        let rest =
            all.iter().skip_while(|plan| !ask.cursor.is_empty() && plan.name != ask.cursor).skip(usize::from(!ask.cursor.is_empty()));
        let found = rest.filter(|plan| is_wanted(plan, ask.search.as_deref())).take(ask.limit + 1);
        let found = found.map(|plan| (plan.clone(), plan.name == *default)).collect();
        let page = ask.page(found, |(plan, _): &(Arc<Plan>, bool)| plan.name.clone());
        async move { Ok(page) }
    };
    let list = Listing::new("plans", "admin-plans", text("admin.plans"), columns, ask).search(call);
    Ok(list.rows(rows, move |(plan, is_default)| row(plan, *is_default, words)))
}

/// Whether what is searched for stands in its name or its title.
fn is_wanted(plan: &Plan, search: Option<&str>) -> bool {
    let wanted = search.unwrap_or_default().to_lowercase();
    [&plan.name, &plan.title].iter().any(|text| text.to_lowercase().contains(&wanted))
}

fn row(plan: &Plan, is_default: bool, words: &Words) -> Row {
    let cells = vec![
        Cell::Text(plan.title.clone()),
        Cell::Code(plan.name.clone()),
        Cell::Is(is_default),
        Cell::Is(plan.api),
        Cell::Text(limits(plan, words)),
        Cell::Number(plan.monthly_tokens),
        Cell::Is(plan.needs_balance),
        Cell::Is(plan.review),
    ];
    Row { id: plan.name.clone(), page: None, cells }
}

/// Its limits, each by its name and in words.
fn limits(plan: &Plan, words: &Words) -> String {
    let told = plan.limits.iter().map(|limit| {
        let counted = format!("{}: {} ({})", limit.name, spoken_limit(limit), limit.count.name());
        if limit.observe { format!("{counted}, {}", words.text("usage.observed")) } else { counted }
    });
    told.collect::<Vec<_>>().join("; ")
}
