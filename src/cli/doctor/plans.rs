//! Which plans the doctor's keys have: one with room for every call, and one that runs out after few.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use crate::config::Policy;
use crate::domain::limit::{Limit, MOST, Shape, Unit};
use crate::domain::plan::Plan;
use crate::domain::route::Route;

/// A limit that never stands in the way of a visit.
const ROOMY: u64 = 10_000;

/// How many calls should pass before a limit refuses, and how many may at the most.
pub const WANTED: u64 = 3;
pub const BEARABLE: u64 = 50;

/// More tokens than all calls of a visit cost.
const CALLS: u64 = 200;

/// A plan, and overrides of its limits.
#[derive(Clone, Debug)]
pub struct Room {
    /// The plan.
    pub plan: String,
    /// `{"minute": 10000}`.
    pub limits: Map<String, Value>,
    /// What the account's balance must be.
    pub balance: i64,
}

/// The plan that may call there, by its route; the default one first, and one that needs no balance before one that does.
pub fn roomy(policy: &Policy, route: &Route) -> Option<Room> {
    let default = policy.plans.default();
    let plan = candidates(policy, route).min_by_key(|plan| (plan.needs_balance, plan.name != default.name))?;
    Some(room(policy, plan, route))
}

fn candidates<'p>(policy: &'p Policy, route: &'p Route) -> impl Iterator<Item = &'p Plan> {
    let fits = |plan: &&Plan| plan.api && (route.plans.is_empty() || route.plans.contains(&plan.name));
    policy.plans.all().iter().map(|plan| &**plan).filter(fits)
}

fn room(policy: &Policy, plan: &Plan, route: &Route) -> Room {
    let wanted = ROOMY.max(route.cost.max(route.tokens).saturating_mul(CALLS)).min(MOST);
    let limits = plan.limits.iter().map(|limit| (limit.name.to_string(), json!(within_range(policy, &limit.name, wanted)))).collect();
    let balance = i64::try_from(route.tokens.saturating_mul(CALLS)).unwrap_or(i64::MAX >> 16).saturating_add(1000);
    Room { plan: plan.name.clone(), limits, balance: balance.min(crate::domain::balance::MOST) }
}

/// A limit that can be made to run out soon.
pub struct Tight {
    /// The plan that it is of, and room in all its limits.
    pub room: Room,
    /// The limit, as the plan has it.
    pub limit: Limit,
    /// What one call draws from it.
    pub cost: u64,
}

/// The limit that is easiest to run out of on that route: of one key alone where there is such, and with the longest window,
/// which does not turn while it is tried.
pub fn tight(policy: &Policy, route: &Route) -> Option<Tight> {
    let cost = route.cost;
    if cost == 0 || route.open {
        return None;
    }
    let drawn_on = |limit: &&Limit| route.limits.as_ref().is_none_or(|names| names.iter().any(|name| **name == *limit.name));
    let few = |limit: &&Limit| {
        let least = limit.with_requests(within_range(policy, &limit.name, cost)).burst();
        (cost..=cost.saturating_mul(BEARABLE)).contains(&least)
    };
    let limits =
        candidates(policy, route).filter(|plan| !plan.unlimited).flat_map(|plan| plan.limits.iter().map(move |limit| (plan, limit)));
    let fitting = limits.filter(|(_, limit)| limit.unit == Unit::Requests && !limit.observe && drawn_on(limit) && few(limit));
    let (plan, limit) = fitting.max_by_key(|(_, limit)| (Reverse(limit.count), limit.per.span()))?;
    Some(Tight { room: room(policy, plan, route), limit: limit.clone(), cost })
}

impl Tight {
    /// The override with which few calls pass, where so much was counted before.
    pub fn after(&self, policy: &Policy, counted: u64) -> u64 {
        // What a rolling window remembers is brought to scale.
        let before = if self.limit.shape == Shape::Rolling { 0 } else { counted };
        within_range(policy, &self.limit.name, before.saturating_add(WANTED.saturating_mul(self.cost)))
    }
}

/// The nearest value that may be set.
fn within_range(policy: &Policy, name: &str, wanted: u64) -> u64 {
    let range = policy.keys.ranges.iter().find(|range| range.name == name);
    range.map_or(wanted.clamp(1, MOST), |range| wanted.clamp(range.minimum, range.maximum))
}
