//! What the page's samples are about: one caller, one moment, and how limits stand then. Answers are the real style's.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::config::Policy;
use crate::domain::caller::{AccountRecord, Caller, KeyRecord, Kind, Overrides};
use crate::domain::decision::{Decision, Standing};
use crate::domain::limit::{Limit, Shape};
use crate::domain::plan::Plan;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;

/// The moment.
pub const NOW: Timestamp = Timestamp::from_millis(1_776_260_753_000);
/// A request's id.
pub const REQUEST: &str = "req_01K6H2V7Q9X4M8N3T5B0C1D2E3";
/// A key's.
pub const KEY: &str = "key_01K6H2V7Q9A1B2C3D4E5F6G7H8";
/// An account's.
pub const ACCOUNT: &str = "acc_01K6H2V7Q9J1K2M3N4P5Q6R7S8";
/// What a key is called.
pub const KEY_NAME: &str = "my-app-production";

/// The balance of an account that has one.
pub const BALANCE: i64 = 1500;

/// The account.
fn account(plan: &Plan) -> AccountRecord {
    AccountRecord {
        id: ACCOUNT.into(),
        name: "Ada".into(),
        kind: Kind::Personal,
        plan: plan.name.clone(),
        plan_until: None,
        limits: Overrides::new(),
        disabled: false,
        created_at: NOW,
        revision: 1,
    }
}

/// What a key begins with, for display.
pub fn prefix(policy: &Policy) -> String {
    policy
        .keys
        .environments
        .default()
        .map(|environment| format!("{}{}", environment.prefix, "x".repeat(crate::domain::key::SHOWN)))
        .unwrap_or_default()
}

/// A key, as it looks; no such key can be one by chance.
pub fn raw_key(policy: &Policy) -> String {
    policy.keys.environments.default().map(raw_key_of).unwrap_or_default()
}

/// A key of an environment.
pub fn raw_key_of(environment: &crate::domain::key::Environment) -> String {
    format!("{}{}", environment.prefix, "x".repeat(environment.length.saturating_sub(environment.prefix.len())))
}

/// Somebody with a key, on a plan.
pub fn caller(policy: &Policy, plan: &Plan) -> Arc<Caller> {
    let environment = policy.keys.environments.default().map_or("", |environment| environment.name.as_str());
    let key = KeyRecord {
        id: KEY.into(),
        name: KEY_NAME.into(),
        prefix: prefix(policy),
        ..KeyRecord::new(ACCOUNT, environment, policy.keys.default_scopes.clone(), Overrides::new(), NOW)
    };
    Arc::new(Caller::of_key(key, account(plan), &policy.plans, NOW))
}

/// The plan that samples are of: the first whose keys may call, and that has limits.
pub fn plan(policy: &Policy) -> &Arc<Plan> {
    let all = policy.plans.all();
    let calls = || all.iter().filter(|plan| plan.api);
    calls().find(|plan| plan.limits.iter().any(|limit| !limit.observe)).or_else(|| calls().next()).unwrap_or_else(|| policy.plans.default())
}

/// A decision about that caller; `ran_out`: which of their limits did.
pub fn decision(policy: &Policy, plan: &Plan, verdict: Verdict, ran_out: Option<&str>) -> Decision {
    // Nobody was recognised, or nothing counted yet.
    if !verdict.knows_caller() {
        return Decision::of_nobody(verdict, NOW);
    }
    let caller = caller(policy, plan);
    let balance = if verdict == Verdict::NoBalance { 0 } else { BALANCE };
    let counts = verdict > Verdict::WrongIp;
    let standings: SmallVec<[Standing; 4]> = match counts {
        true => caller
            .limits
            .iter()
            .enumerate()
            .map(|(at, limit)| standing(at, limit, ran_out == Some(&*limit.name), verdict.passes()))
            .collect(),
        false => SmallVec::new(),
    };
    let deciding = match ran_out {
        Some(name) => standings.iter().position(|standing| *caller.limits[standing.limit].name == *name),
        None => tightest(&standings, &caller),
    };
    let (cost, tokens) = if counts { (1, 0) } else { (0, 0) };
    Decision { caller: Some(caller), standings, deciding, balance: Some(balance), cost, tokens, ..Decision::of_nobody(verdict, NOW) }
}

/// The limit that leaves least.
fn tightest(standings: &[Standing], caller: &Caller) -> Option<usize> {
    let refusing = standings.iter().enumerate().filter(|(_, standing)| !caller.limits[standing.limit].observe);
    refusing.min_by_key(|(_, standing)| standing.remaining).map(|(at, _)| at)
}

/// How a limit stands: spent, or by one less than whole where a request has passed.
fn standing(at: usize, limit: &Limit, ran_out: bool, passed: bool) -> Standing {
    let span = limit.per.span();
    let part = |of: u64| NOW.plus(Span::from_millis((span.millis() / of.max(1)).max(1)));
    let (reset, opens) = match limit.shape {
        Shape::Fixed => (limit.per.fixed(NOW).1, limit.per.fixed(NOW).1),
        Shape::Sliding => (NOW.plus(span), part(4)),
        Shape::Rolling if ran_out => (NOW.plus(span), part(limit.requests)),
        Shape::Rolling => (part(limit.requests), NOW),
    };
    let remaining = if ran_out { 0 } else { limit.burst() - u64::from(passed) };
    Standing { limit: at, is_drawn_on: true, remaining, reset, exceeded: ran_out, opens: if ran_out { opens } else { NOW } }
}
