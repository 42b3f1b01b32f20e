//! `[[plans]]` and their limits.

use std::sync::Arc;

use super::keys::{required, word};
use super::reader::Table;
use crate::domain::balance;
use crate::domain::limit::{Count, Limit, MOST, Per, Shape, Unit};
use crate::domain::plan::{Plan, Plans};

/// Names that mean something else in a placeholder.
const NOT_LIMITS: [&str; 3] = ["limit", "key", "account"];

/// What could be read of the plans. Where something is wrong with them the rest is read all the same, so that faults that lie
/// elsewhere are told too.
pub(super) struct Read {
    pub plans: Plans,
    /// Whether every limit is known by its name.
    pub is_whole: bool,
}

pub(super) fn read(top: &Table<'_>) -> Option<Read> {
    let mut is_whole = true;
    let read: Vec<Option<(Plan, bool)>> = top.tables("plans")?.into_iter().map(|table| plan(table, &mut is_whole)).collect();
    let all_named = read.iter().all(Option::is_some);
    is_whole &= all_named;
    let all: Vec<(Plan, bool)> = read.into_iter().flatten().collect();
    for (index, (plan, _)) in all.iter().enumerate() {
        if all[..index].iter().any(|(other, _)| other.name == plan.name) {
            top.fault_below(&format!("plans[{index}].name"), format!("there are two plans '{}'", plan.name));
        }
    }
    let mut defaults = all.iter().enumerate().filter(|(_, (_, default))| *default).map(|(index, _)| index);
    let (default, second) = (defaults.next(), defaults.next());
    if let Some(second) = second {
        top.fault_below(&format!("plans[{second}].default"), "only one plan can be the default");
    }
    if all.is_empty() && all_named {
        top.fault("plans", "needs at least one plan");
    } else if default.is_none() && all.len() != 1 && all_named {
        top.fault("plans", "one of them must be the default: default = true");
    }
    let plans = Plans::new(all.into_iter().map(|(plan, _)| plan).collect(), default.unwrap_or(0))?;
    Some(Read { plans, is_whole })
}

/// Every limit's name, once.
pub(super) fn limit_names(plans: &Plans) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = plans.all().iter().flat_map(|plan| plan.limits.iter().map(|limit| limit.name.clone())).collect();
    names.sort();
    names.dedup();
    names
}

fn plan(table: Table<'_>, is_whole: &mut bool) -> Option<(Plan, bool)> {
    let name = required(&table, "name", table.parsed("name", word));
    let title = table.text("title").or_else(|| name.clone());
    let api = table.flag("api").unwrap_or(true);
    let unlimited = table.flag("unlimited").unwrap_or(false);
    let needs_balance = table.flag("needs_balance").unwrap_or(false);
    let monthly_tokens = table.number("monthly_tokens", 0..=balance::MOST as u64).unwrap_or(0) as i64;
    let (review, default) = (table.flag("review").unwrap_or(false), table.flag("default").unwrap_or(false));
    let tables = table.tables("limits");
    *is_whole &= tables.is_some() || !table.holds("limits");
    let read: Vec<Option<Limit>> = tables.unwrap_or_default().into_iter().map(limit).collect();
    *is_whole &= read.iter().all(Option::is_some);
    let limits: Vec<Limit> = read.into_iter().flatten().collect();
    for (index, limit) in limits.iter().enumerate().filter(|(index, limit)| limits[..*index].iter().any(|other| other.name == limit.name)) {
        table.fault_below(&format!("limits[{index}]"), format!("there are two limits '{}': give one a name", limit.name));
    }
    if unlimited && !limits.is_empty() {
        table.fault("unlimited", "a plan without limits cannot list any");
    }
    table.finish();
    Some((Plan { name: name?, title: title?, api, unlimited, needs_balance, monthly_tokens, review, limits }, default))
}

fn limit(table: Table<'_>) -> Option<Limit> {
    let requests = required(&table, "requests", table.number("requests", 1..=MOST));
    let per = required(&table, "per", table.parsed("per", Per::parse));
    let name = table.parsed("name", word).or_else(|| per.map(|per| per.to_string()));
    let shape = table.word("shape", "rolling, sliding or fixed", Shape::from_name);
    let count = table.word("count", "key, account or address", Count::from_name).unwrap_or(Count::Key);
    let unit = table.word("unit", "requests or tokens", Unit::from_name).unwrap_or(Unit::Requests);
    let burst = table.number("burst", 1..=MOST);
    let observe = table.flag("observe").unwrap_or(false);
    table.finish();
    // A count that is wrong was told; everything else is still checked.
    let (per, name, requests) = (per?, name?, requests.unwrap_or(MOST));
    let shape = shape.unwrap_or_else(|| Shape::default_for(per));
    let limit = Limit {
        name: name.as_str().into(),
        slot: Limit::slot_of(&name, per, shape, unit),
        requests,
        per,
        shape,
        count,
        unit,
        burst,
        observe,
    };
    if NOT_LIMITS.contains(&&*limit.name) {
        table.fault("name", format!("a limit cannot be called '{name}': a placeholder of that name means something else"));
    }
    if limit.shape != Shape::Rolling && limit.burst.is_some() {
        table.fault("burst", "only a rolling window has a burst");
    }
    if limit.shape == Shape::Rolling && !limit.is_reckonable() {
        table.fault("burst", "is more than can be reckoned with over so long a window");
    }
    if limit.shape != Shape::Fixed && limit.per == Per::Month {
        table.fault("shape", "months differ in length: a limit per month is fixed");
    }
    Some(limit)
}
