//! Overrides of limits: which may be set, and how they are told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::Policy;
use crate::domain::caller::Overrides;
use crate::domain::error::FieldFault;
use crate::domain::limit::MOST;
use crate::domain::plan::Plan;

/// Changes of overrides: a name without a value takes its override away.
pub type OverrideChanges = BTreeMap<String, Option<u64>>;

/// Checks changes against the plans and the ranges. A range binds everyone; without one an operator may set any value.
pub fn check(policy: &Policy, changes: &OverrideChanges) -> Vec<FieldFault> {
    let known = |name: &str| policy.plans.all().iter().any(|plan| plan.limits.iter().any(|limit| *limit.name == *name));
    let fault = |name: &str, message: String| FieldFault { field: format!("limits.{name}"), message };
    let wrong = changes.iter().filter_map(|(name, value)| {
        if !known(name) {
            return Some(fault(name, format!("no plan has a limit '{name}'")));
        }
        let value = (*value)?;
        let range = policy.keys.ranges.iter().find(|range| range.name == *name);
        let (least, most) = range.map_or((1, MOST), |range| (range.minimum, range.maximum));
        if !(least..=most).contains(&value) {
            return Some(fault(name, format!("must be from {least} to {most}, and is {value}")));
        }
        let mut limits = policy.plans.all().iter().flat_map(|plan| &plan.limits).filter(|limit| *limit.name == **name);
        let too_slow = limits.any(|limit| !limit.with_requests(value).is_reckonable());
        too_slow.then(|| fault(name, "is too slow for the burst of this limit: nothing could be reckoned with it".into()))
    });
    wrong.collect()
}

/// Applies changes that were checked.
pub fn apply(overrides: &mut Overrides, changes: OverrideChanges) {
    for (name, value) in changes {
        match value {
            Some(value) => overrides.insert(name, value),
            None => overrides.remove(&name),
        };
    }
}

/// What a new key gets where nobody says.
pub fn defaults(policy: &Policy) -> Overrides {
    policy.keys.ranges.iter().filter_map(|range| Some((range.name.clone(), range.default?))).collect()
}

/// A plan, whole.
pub fn plan_json(plan: &Plan) -> Value {
    let limits: Vec<Value> = plan
        .limits
        .iter()
        .map(|limit| {
            json!({
                "name": &*limit.name,
                "requests": limit.requests,
                "per": limit.per.to_string(),
                "shape": limit.shape.name(),
                "count": limit.count.name(),
                "unit": limit.unit.name(),
                "burst": limit.burst(),
                "observe": limit.observe,
            })
        })
        .collect();
    json!({
        "name": plan.name,
        "title": plan.title,
        "api": plan.api,
        "unlimited": plan.unlimited,
        "needs_balance": plan.needs_balance,
        "monthly_tokens": plan.monthly_tokens,
        "review": plan.review,
        "limits": limits,
    })
}
