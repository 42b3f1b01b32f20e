//! The plans, as they are configured.

use super::export;
use super::listing::{self, Cell, Listing, Row, asked, text};
use crate::docs::spoken_limit;
use crate::domain::plan::Plan;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::Page;

/// `GET PREFIX/admin/plans`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/plans.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

/// They are few: there is one page.
fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, query) = asked(call, |_| false, &[]);
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
    let policy = call.front.services.policy.clone();
    let default = policy.plans.default().name.clone();
    let rows = move |_| {
        let data: Vec<(Plan, bool)> = policy.plans.all().iter().map(|plan| ((**plan).clone(), plan.name == default)).collect();
        async move { Ok(Page { data, next_cursor: None }) }
    };
    Ok(Listing::new("plans", "admin-plans", text("admin.plans"), columns, ask).rows(rows, row))
}

fn row((plan, is_default): &(Plan, bool)) -> Row {
    let yes = |is_so: bool| Cell::Text(if is_so { "yes" } else { "no" }.to_owned());
    let cells = vec![
        Cell::Text(plan.title.clone()),
        Cell::Code(plan.name.clone()),
        yes(*is_default),
        yes(plan.api),
        Cell::Text(limits(plan)),
        Cell::Number(plan.monthly_tokens),
        yes(plan.needs_balance),
        yes(plan.review),
    ];
    Row { id: plan.name.clone(), page: None, cells }
}

/// Its limits, each by its name and in words.
fn limits(plan: &Plan) -> String {
    let told = plan.limits.iter().map(|limit| {
        let counted = format!("{}: {} ({})", limit.name, spoken_limit(limit), limit.count.name());
        if limit.observe { format!("{counted}, only observed") } else { counted }
    });
    told.collect::<Vec<_>>().join("; ")
}
