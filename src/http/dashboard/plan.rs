//! The plan: what each one gives, which the account has, and its balance with how that came to be.

use std::sync::Arc;

use askama::Template;
use http::StatusCode;

use super::keys::account;
use super::shell::Shell;
use super::show::page;
use crate::domain::application::ApplicationRecord;
use crate::domain::balance::{Balance, Movement};
use crate::domain::id;
use crate::domain::plan::Plan;
use crate::domain::time::Timestamp;
use crate::domain::user::Role;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;
use crate::store::balances::Entry;

/// How many applications, and how many movements, are on one page.
const LATEST: usize = 5;
pub(super) const ROWS: usize = 25;

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage<'a> {
    s: Shell,
    plans: &'a [Arc<Plan>],
    /// The account's, and until when.
    current: &'a Plan,
    until: Option<Timestamp>,
    /// What it falls back to then.
    default: &'a Plan,
    /// The account's limits, its own overrides applied.
    limits: Vec<String>,
    most_keys: u64,
    balance: Option<Balance>,
    billing_url: Option<&'a str>,
    is_reviewed: bool,
    may_apply: bool,
    applications: Vec<ApplicationRecord>,
    has_more: bool,
}

/// `GET PREFIX/plan`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let (services, act, account) = (&call.front.services, call.act()?, account(&call)?);
    let policy = &services.policy;
    let held = services.account(&account, &act).await?;
    let latest = PageAsk { limit: LATEST, ..PageAsk::default() };
    let applications = services.own_applications(&account, latest, &act).await?;
    let s = Shell::of(&call, "plan");
    let (current, default) = (held.record.plan_at(&policy.plans, call.now), policy.plans.default());
    // The default one has no end, and one whose end has come is not held any more.
    let ends = held.record.plan == current.name && current.name != default.name;
    let shown = PlanPage {
        plans: policy.plans.all(),
        current,
        until: held.record.plan_until.filter(|_| ends),
        default,
        limits: held.record.limits_at(&policy.plans, call.now).iter().map(|limit| s.limit(limit)).collect(),
        most_keys: policy.sign_in.keys,
        balance: (policy.counts_tokens() || held.balance.total() != 0).then_some(held.balance),
        billing_url: policy.dashboard.billing_url.as_deref(),
        is_reviewed: policy.plans.all().iter().any(|plan| plan.review && plan.name != current.name),
        may_apply: call.actor.is_at_least(Role::Admin),
        has_more: applications.next_cursor.is_some(),
        applications: applications.data,
        s,
    };
    page(StatusCode::OK, &shown)
}

impl PlanPage<'_> {
    /// What a plan gives, in words; of the account's own, with its own limits.
    fn gives(&self, plan: &Plan) -> Vec<String> {
        let s = &self.s;
        let mut gives = match plan.name == self.current.name {
            true => self.limits.clone(),
            false if plan.unlimited => Vec::new(),
            false => plan.limits.iter().map(|limit| s.limit(limit)).collect(),
        };
        if gives.is_empty() {
            gives.push(s.t("plan.unlimited").to_owned());
        }
        if plan.monthly_tokens > 0 {
            gives.push(s.with("plan.tokens", s.number(plan.monthly_tokens)));
        }
        let more = [(plan.needs_balance, s.t("plan.needs_balance")), (!plan.api, s.t("plan.no_api")), (plan.review, s.t("plan.reviewed"))];
        gives.extend(more.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned()));
        gives
    }
}

/// What a plan is called, also one that is there no more.
pub fn title<'p>(plans: &'p [Arc<Plan>], name: &'p str) -> &'p str {
    plans.iter().find(|plan| plan.name == name).map_or(name, |plan| &plan.title)
}

#[derive(Template)]
#[template(path = "balance.html")]
struct BalancePage {
    s: Shell,
    balance: Balance,
    movements: Vec<Entry>,
    next: Option<String>,
}

/// `GET PREFIX/plan/balance`.
pub async fn balance(call: Call) -> Result<Response, Unreadable> {
    let ask = PageAsk { limit: ROWS, ..call.page(id::BALANCE, &["done"])? };
    let (services, act, account) = (&call.front.services, call.act()?, account(&call)?);
    let found = services.movements(&account, ask, &act).await?;
    let balance = services.account(&account, &act).await?.balance;
    let s = Shell::of(&call, "plan");
    page(StatusCode::OK, &BalancePage { s, balance, movements: found.data, next: found.next_cursor })
}

#[derive(Template)]
#[template(path = "movement.html")]
struct MovementPage {
    s: Shell,
    entry: Entry,
}

/// `GET PREFIX/plan/balance/{id}`: one of them, with the whole of its reason.
pub async fn movement(call: Call) -> Result<Response, Unreadable> {
    let entry = call.front.services.movement(&account(&call)?, &call.id, &call.act()?).await?;
    page(StatusCode::OK, &MovementPage { s: Shell::of(&call, "plan"), entry })
}

impl Shell {
    fn movement(&self, kind: &Movement) -> &str {
        match kind {
            Movement::Charged => self.t("balance.charged"),
            Movement::Credited => self.t("balance.credited"),
            Movement::Set => self.t("balance.set"),
            Movement::Plan => self.t("balance.plan"),
            Movement::Refilled => self.t("balance.refilled"),
            Movement::Used => self.t("balance.used"),
        }
    }
}
