//! `[[routes]]`.

use http::Method;

use super::keys::required;
use super::plans::Read;
use super::reader::Table;
use crate::domain::balance;
use crate::domain::limit::MOST;
use crate::domain::plan::Plans;
use crate::domain::route::{Route, Routes};
use crate::domain::scope;

pub(super) fn read(top: &Table<'_>, plans: Option<&Read>, ignore_case: bool) -> Option<Routes> {
    let tables = top.tables("routes").unwrap_or_default();
    let read: Vec<Option<Route>> = tables.into_iter().map(|table| route(table, plans)).collect();
    let routes: Vec<Route> = read.into_iter().collect::<Option<_>>()?;
    match Routes::new(routes, ignore_case) {
        Ok(routes) => Some(routes),
        Err(faults) => {
            faults.into_iter().for_each(|(index, fault)| top.fault_below(&format!("routes[{index}].path"), fault));
            None
        }
    }
}

fn route(table: Table<'_>, plans: Option<&Read>) -> Option<Route> {
    let path = required(&table, "path", table.text("path"));
    let methods = table.all_parsed("methods", |text| match text.parse::<Method>() {
        Ok(method) if text.bytes().all(|b| b.is_ascii_uppercase()) => Ok(method),
        _ => Err(format!("'{text}' is no method: write GET, POST, …")),
    });
    let open = table.flag("open").unwrap_or(false);
    let scopes = table.all_parsed("scopes", |text| {
        if scope::is_valid(text) && !text.ends_with('*') {
            Ok(text.to_owned())
        } else {
            Err(format!("'{text}' is no scope that a route can need"))
        }
    });
    let cost = table.number("cost", 0..=MOST).unwrap_or(1);
    let tokens = table.number("tokens", 0..=balance::MOST as u64).unwrap_or(0);
    let (plans_named, limits_named) = (table.texts("plans").unwrap_or_default(), table.texts("limits"));
    let priced = table.holds("cost") || table.holds("limits");
    table.finish();
    let route = Route {
        path: path?,
        methods: methods.unwrap_or_default(),
        open,
        plans: plans_named,
        scopes: scopes.unwrap_or_default(),
        cost,
        tokens,
        limits: limits_named,
    };
    if route.open && (!route.plans.is_empty() || !route.scopes.is_empty() || tokens > 0) {
        table.fault("open", "an open path needs no plan and no scope, and costs no tokens");
    }
    if route.open && priced {
        table.fault("open", "an open path is charged nothing: cost and limits have no meaning there");
    }
    if route.limits.as_ref().is_some_and(Vec::is_empty) {
        table.fault("limits", "names no limit: leave it out to draw on all, or write cost = 0 to draw on none");
    }
    if let Some(Read { plans, .. }) = plans.filter(|plans| plans.is_whole) {
        check_names(&table, &route, plans);
        check_price(&table, &route, plans);
    }
    Some(route)
}

fn check_names(table: &Table<'_>, route: &Route, plans: &Plans) {
    for (index, name) in route.plans.iter().enumerate().filter(|(_, name)| plans.named(name).is_none()) {
        table.fault_below(&format!("plans[{index}]"), format!("there is no plan '{name}'"));
    }
    let known = |name: &str| plans.all().iter().any(|plan| plan.limits.iter().any(|limit| *limit.name == *name));
    for (index, name) in route.limits.iter().flatten().enumerate().filter(|(_, name)| !known(name)) {
        table.fault_below(&format!("limits[{index}]"), format!("no plan has a limit '{name}'"));
    }
}

/// What costs more than a limit ever holds could never pass.
fn check_price(table: &Table<'_>, route: &Route, plans: &Plans) {
    let drawn = |name: &str| route.limits.as_ref().is_none_or(|limits| limits.iter().any(|limit| limit == name));
    let reachable = |name: &str| route.plans.is_empty() || route.plans.iter().any(|plan| plan == name);
    for plan in plans.all().iter().filter(|plan| plan.api && !route.open && reachable(&plan.name)) {
        for limit in plan.limits.iter().filter(|limit| drawn(&limit.name) && !limit.observe) {
            if limit.price(route.cost, route.tokens) > limit.burst() {
                let field = if route.cost > limit.burst() { "cost" } else { "tokens" };
                table.fault(
                    field,
                    format!(
                        "is more than the limit '{}' of plan '{}' lets through at once ({}), so nothing could ever pass",
                        limit.name,
                        plan.name,
                        limit.burst()
                    ),
                );
            }
        }
    }
}
