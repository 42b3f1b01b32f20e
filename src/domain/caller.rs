//! Who calls: a key and its account, as stored and as they hold for a check.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::address::within;
use super::limit::{Count, Limit};
use super::plan::{Plan, Plans};
use super::time::Timestamp;
use super::user::UserFacts;
use super::verdict::Verdict;

/// Overrides of limits: name to count.
pub type Overrides = BTreeMap<String, u64>;

/// Whom an account stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// One person.
    Personal,
    /// Several.
    Organization,
}

impl Kind {
    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Organization => "organization",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Personal, Self::Organization].into_iter().find(|kind| kind.name() == name)
    }
}

/// An account as stored, without its balance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountRecord {
    /// `acc_…`.
    pub id: String,
    /// May repeat.
    pub name: String,
    /// Whom it stands for.
    pub kind: Kind,
    /// Its plan, by name.
    pub plan: String,
    /// When the plan ends and the default one takes its place.
    pub plan_until: Option<Timestamp>,
    /// Overrides of limits.
    pub limits: Overrides,
    /// Switched off.
    pub disabled: bool,
    /// When it was made; its billing day.
    pub created_at: Timestamp,
    /// Counts changes of what can be set.
    pub revision: i64,
}

impl AccountRecord {
    /// The plan that holds at `now`. One that the config no longer has counts as ended.
    pub fn plan_at<'a>(&self, plans: &'a Plans, now: Timestamp) -> &'a Arc<Plan> {
        let lasts = self.plan_until.is_none_or(|until| now < until);
        plans.named(&self.plan).filter(|_| lasts).unwrap_or_else(|| plans.default())
    }

    /// The limits of that plan, its own overrides applied; none where the plan is unlimited.
    pub fn limits_at(&self, plans: &Plans, now: Timestamp) -> Vec<Limit> {
        effective(self.plan_at(plans, now), &self.limits, &Overrides::new())
    }
}

/// A key as stored, without its hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyRecord {
    /// `key_…`.
    pub id: String,
    /// Whose it is.
    pub account: String,
    /// What people call it.
    pub name: String,
    /// Which environment it was made in.
    pub environment: String,
    /// The prefix and the four characters after it.
    pub prefix: String,
    /// Its own plan.
    pub plan: Option<String>,
    /// Its own overrides of limits.
    pub limits: Overrides,
    /// What it may do.
    pub scopes: Vec<String>,
    /// From where it may be used; none given: from anywhere.
    pub ips: Vec<IpNet>,
    /// Anything the operator keeps with it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Switched off.
    pub disabled: bool,
    /// The last request it passed with, to the second.
    pub last_used_at: Option<Timestamp>,
    /// The key that took its place.
    pub replaced_by: Option<String>,
    /// Counts changes of what can be set.
    pub revision: i64,
}

impl KeyRecord {
    /// Why it may not be used at all: revoked, expired or switched off, in this order.
    pub fn refused_by_state(&self, now: Timestamp) -> Option<Verdict> {
        if self.revoked_at.is_some() {
            Some(Verdict::Revoked)
        } else if self.expires_at.is_some_and(|at| at <= now) {
            Some(Verdict::Expired)
        } else {
            self.disabled.then_some(Verdict::Disabled)
        }
    }

    /// One of which nobody has said anything yet; its id, its name and what is shown of it are still to come.
    pub fn new(account: &str, environment: &str, scopes: Vec<String>, limits: Overrides, created_at: Timestamp) -> Self {
        Self {
            id: String::new(),
            account: account.to_owned(),
            name: String::new(),
            environment: environment.to_owned(),
            prefix: String::new(),
            plan: None,
            limits,
            scopes,
            ips: Vec::new(),
            metadata: serde_json::Map::new(),
            created_at,
            expires_at: None,
            revoked_at: None,
            disabled: false,
            last_used_at: None,
            replaced_by: None,
            revision: 1,
        }
    }
}

/// A caller, with everything worked out that a check can have worked out before it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key; anonymous callers have none.
    pub key: Option<KeyRecord>,
    /// The user, where they came with an access token instead of a key.
    pub user: Option<UserFacts>,
    /// The account; anonymous callers have none.
    pub account: Option<AccountRecord>,
    /// The scopes, as a header carries them.
    pub scopes: String,
    /// What the account gets each billing month, by its own plan.
    pub monthly_tokens: i64,
    /// The plan that holds until [`Caller::valid_until`].
    pub plan: Arc<Plan>,
    /// The plan's limits with every override applied; none where the plan is unlimited.
    pub limits: Vec<Limit>,
    /// From when on this must be worked out anew: the end of the account's plan.
    pub valid_until: Timestamp,
}

impl Caller {
    /// Works out a key's plan and limits.
    pub fn of_key(key: KeyRecord, account: AccountRecord, plans: &Plans, now: Timestamp) -> Self {
        let account_plan = account.plan_at(plans, now);
        let monthly_tokens = account_plan.monthly_tokens;
        let own = key.plan.as_deref().and_then(|name| plans.named(name));
        let plan = own.unwrap_or(account_plan).clone();
        let limits = effective(&plan, &account.limits, &key.limits);
        let valid_until = account.plan_until.filter(|until| now < *until).unwrap_or(Timestamp::MAX);
        Self { scopes: key.scopes.join(" "), key: Some(key), user: None, account: Some(account), monthly_tokens, plan, limits, valid_until }
    }

    /// Works out the plan and limits of a user who acts for an account, in a session that lasts until `until`.
    pub fn of_user(user: UserFacts, until: Timestamp, account: AccountRecord, plans: &Plans, now: Timestamp) -> Self {
        let plan = account.plan_at(plans, now).clone();
        let limits = account.limits_at(plans, now);
        let plan_until = account.plan_until.filter(|until| now < *until).unwrap_or(Timestamp::MAX);
        Self {
            scopes: user.scopes.join(" "),
            key: None,
            user: Some(user),
            account: Some(account),
            monthly_tokens: plan.monthly_tokens,
            plan,
            limits,
            valid_until: plan_until.min(until),
        }
    }

    /// Somebody without a credential, under the plan for such.
    pub fn anonymous(plan: Arc<Plan>) -> Self {
        let limits = effective(&plan, &Overrides::new(), &Overrides::new());
        Self { key: None, user: None, account: None, scopes: String::new(), monthly_tokens: 0, plan, limits, valid_until: Timestamp::MAX }
    }

    /// What they may do.
    pub fn granted(&self) -> &[String] {
        let of_user = || self.user.as_ref().map(|user| user.scopes.as_slice());
        self.key.as_ref().map(|key| key.scopes.as_slice()).or_else(of_user).unwrap_or_default()
    }

    /// The account that they are counted for, and as what: a key's id, or a user's name in statistics.
    pub fn counted_as(&self) -> Option<(&str, &str)> {
        let account = self.account.as_ref()?;
        let own = self.key.as_ref().map(|key| &key.id).or(self.user.as_ref().map(|user| &user.handle))?;
        Some((&account.id, own))
    }

    /// Whether it is a key of that account.
    pub fn belongs_to(&self, account: &str) -> bool {
        self.account.as_ref().is_some_and(|own| own.id == account)
    }

    /// Why it may not be used at all: the key's own state, or the account switched off, in this order.
    pub fn refused_by_state(&self, now: Timestamp) -> Option<Verdict> {
        let of_key = self.key.as_ref().and_then(|key| key.refused_by_state(now));
        of_key.or_else(|| self.account.as_ref().is_some_and(|account| account.disabled).then_some(Verdict::Disabled))
    }

    /// Whether the key may not be used from there. An address that nobody told is in no range.
    pub fn refused_by_address(&self, client: Option<IpAddr>) -> Option<Verdict> {
        let key = self.key.as_ref().filter(|key| !key.ips.is_empty())?;
        (!within(&key.ips, client)).then_some(Verdict::WrongIp)
    }

    /// Whether any limit counts that way.
    pub fn counts_by(&self, count: Count) -> bool {
        self.limits.iter().any(|limit| limit.count == count)
    }
}

/// A key's override goes before its account's, and that before the plan.
fn effective(plan: &Plan, account: &Overrides, key: &Overrides) -> Vec<Limit> {
    if plan.unlimited {
        return Vec::new();
    }
    let overridden =
        |limit: &Limit| key.get(&*limit.name).or_else(|| account.get(&*limit.name)).map(|requests| limit.with_requests(*requests));
    plan.limits.iter().map(|limit| overridden(limit).unwrap_or_else(|| limit.clone())).collect()
}
