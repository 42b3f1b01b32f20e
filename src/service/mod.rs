//! What tollgate does: the gate and what it counts with, and the management of accounts, keys and tokens.

pub mod accounts;
mod agreement;
pub mod applications;
pub mod ask;
pub mod balance;
pub mod cache;
mod configured;
mod developers;
pub mod expiring;
pub mod export;
pub mod gate;
mod history;
pub mod import;
pub mod invitations;
mod journal;
pub mod keys;
pub mod limits;
pub mod mails;
pub mod members;
pub mod meter;
pub mod metrics;
pub mod notices;
pub mod passed;
mod refund;
pub mod sign_in;
pub mod standing;
pub mod tokens;
pub mod usage;
pub mod usage_summary;
pub mod users;
pub mod views;
pub mod webhooks;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::config::Policy;
use crate::domain::error::{FieldFault, Result};
use crate::domain::id::Ids;
use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::lock::Lock;
use cache::{Generations, Lookup};
use gate::Known;
use limits::OverrideChanges;
use meter::Meter;
use metrics::Metrics;
use sign_in::SignIn;
use webhooks::Announcer;

/// Everything that the services share, under one configuration. A handle: several may be there over the same database, and what
/// one of them changes holds for all ([`Services::under`]).
#[derive(Clone, Debug)]
pub struct Services {
    /// The configuration.
    pub policy: Arc<Policy>,
    /// Tells this configuration from those before it: what was worked out under another counts no more.
    pub(crate) epoch: u64,
    /// Since when it is in force.
    pub configured_at: Timestamp,
    /// The database.
    pub store: Arc<Store>,
    /// What limits remember, and what is counted.
    pub meter: Arc<Meter>,
    /// What is counted of its work.
    pub metrics: Arc<Metrics>,
    /// The keys that are in use.
    pub(crate) keys: Arc<Lookup<Arc<Known>>>,
    /// The service tokens that are in use.
    pub(crate) tokens: Arc<Lookup<Arc<crate::domain::token::TokenRecord>>>,
    /// The sessions that are in use.
    pub(crate) signed_in: Arc<Lookup<Arc<sign_in::caller::Signed>>>,
    /// What the flows of sign-in share.
    pub(crate) sign_in: Arc<sign_in::SignIn>,
    /// Counts the changes of users, their sessions and memberships.
    pub(crate) users: Arc<Generations>,
    /// Counts the changes of accounts.
    pub(crate) accounts: Arc<Generations>,
    /// Ids of what is made.
    pub(crate) ids: Arc<Ids>,
    /// Tells of what happens.
    pub(crate) announcer: Arc<Announcer>,
    /// Wakes what sends mails and SMS.
    pub(crate) postbox: Arc<mails::Postbox>,
    /// Set when a key was changed: it may end at another time.
    pub(crate) ends_changed: Arc<AtomicBool>,
    /// Which accounts read about themselves.
    pub(crate) turns: Arc<usage::Turns>,
    /// The import that may be under way.
    pub(crate) imports: Arc<import::Imports>,
    /// The exports that may be under way.
    pub(crate) exports: export::Exports,
    /// Set when it closes: from then on nothing passes.
    pub(crate) closed: Arc<AtomicBool>,
    /// Who has the database: kept until the last user of it is gone.
    lock: Arc<Mutex<Option<Lock>>>,
    /// Where it serves, once it does.
    pub serving: Arc<OnceLock<Serving>>,
}

/// Where a server is reached, and since when.
#[derive(Clone, Debug)]
pub struct Serving {
    /// `http://127.0.0.1:8080`, or `unix:PATH`.
    pub address: String,
    /// Since when.
    pub since: Timestamp,
}

/// How many service tokens are held: no installation has more in use.
const HELD_TOKENS: usize = 1024;

/// How many sessions are held, the often used ones first.
const HELD_SESSIONS: usize = 10_000;

impl Services {
    /// Over an open database.
    pub fn new(policy: Arc<Policy>, store: Arc<Store>, lock: Lock, sign_in: SignIn) -> Self {
        let ids: Arc<Ids> = Arc::default();
        let announcer = Arc::new(Announcer::new(policy.clone(), ids.clone()));
        let meter = Arc::new(Meter::new(store.clone(), announcer.clone(), policy.server.held_windows));
        Self {
            metrics: Arc::new(Metrics::new(Timestamp::now())),
            keys: Arc::new(Lookup::new(policy.server.cached_keys)),
            tokens: Arc::new(Lookup::new(HELD_TOKENS)),
            signed_in: Arc::new(Lookup::new(HELD_SESSIONS)),
            sign_in: Arc::new(sign_in),
            users: Arc::default(),
            accounts: Arc::default(),
            ids,
            announcer,
            postbox: Arc::default(),
            ends_changed: Arc::default(),
            turns: Arc::default(),
            imports: Arc::default(),
            exports: export::Exports::default(),
            closed: Arc::default(),
            lock: Arc::new(Mutex::new(Some(lock))),
            serving: Arc::default(),
            epoch: 0,
            configured_at: Timestamp::now(),
            policy,
            store,
            meter,
        }
    }

    /// Another handle over the same database and all that is remembered of it, under the next configuration.
    pub fn under(&self, policy: Arc<Policy>) -> Result<Self> {
        let sign_in = Arc::new(self.sign_in.under(&policy)?);
        Ok(Self { policy, sign_in, epoch: self.epoch + 1, configured_at: Timestamp::now(), ..self.clone() })
    }

    /// What lives as long as the program, and is not asked by a request, follows this configuration from here on.
    pub fn lead(&self) {
        self.announcer.follow(self.policy.clone());
        self.postbox.wake();
    }

    /// From here on nothing passes any more.
    pub fn refuse_all(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Saves everything, gives open leases back, closes the database and lets go of it.
    pub fn close(&self, now: Timestamp) {
        self.imports.wait();
        self.meter.close(now);
        self.store.close();
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Mirrors the plans into the database.
    pub async fn mirror_plans(&self) -> crate::domain::error::Result<()> {
        let plans: Vec<_> = self.policy.plans.all().iter().map(|plan| mirrored(plan)).collect();
        self.store.write(move |connection| crate::store::plans::mirror(connection, &plans), |()| ()).await
    }

    /// A key was changed or made: what is remembered of its hash counts no more.
    pub(crate) fn key_changed(&self, hash: &KeyHash) {
        self.keys.forget(hash);
        self.ends_changed.store(true, Ordering::Release);
    }

    /// An account was changed: what is remembered of its keys counts no more.
    pub(crate) fn account_changed(&self, account: &crate::store::accounts::StoredAccount) {
        self.accounts.raise(slot_of(&account.record.id));
        self.meter.balance_changed(account);
    }
}

/// Spreads account ids over slots.
pub(crate) fn slot_of(id: &str) -> usize {
    crc32fast::hash(id.as_bytes()) as usize
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Where the next one starts, if there is one.
    pub next_cursor: Option<String>,
}

/// How a list is asked for.
#[derive(Clone, Debug, Default)]
pub struct PageAsk {
    /// Which are shown.
    pub search: Option<String>,
    /// The id after which it starts.
    pub cursor: String,
    /// How many, 1 to [`PageAsk::MOST`].
    pub limit: usize,
}

impl PageAsk {
    /// The largest page.
    pub const MOST: usize = 1000;
    /// The page where nobody says.
    pub const USUAL: usize = 100;

    /// Cuts the page from rows that were asked for with one more than fits.
    pub fn page<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> String) -> Page<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        Page { next_cursor: rows.last().filter(|_| more).map(id), data: rows }
    }
}

fn mirrored(plan: &crate::domain::plan::Plan) -> crate::store::plans::MirroredPlan {
    crate::store::plans::MirroredPlan {
        name: plan.name.clone(),
        title: plan.title.clone(),
        definition: limits::plan_json(plan).to_string(),
    }
}

/// How long a name may be.
const LONGEST_NAME: usize = 200;

/// A name that people gave: not empty, no control characters, not endless.
fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("must not be empty".into());
    }
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!("must have at most {LONGEST_NAME} characters, and no control characters"));
    }
    Ok(())
}

/// What accounts and keys have in common: a name, a plan, overrides.
fn check_common(policy: &Policy, name: Option<&str>, plan: Option<&str>, limits: &OverrideChanges) -> Vec<FieldFault> {
    let mut faults = limits::check(policy, limits);
    if let Some(Err(message)) = name.map(|name| check_name(name).and_then(|()| check_discreet(policy, name))) {
        faults.push(FieldFault { field: "name".into(), message });
    }
    if let Some(plan) = plan.filter(|plan| policy.plans.named(plan).is_none()) {
        let known: Vec<&str> = policy.plans.all().iter().map(|plan| plan.name.as_str()).collect();
        faults.push(FieldFault { field: "plan".into(), message: format!("there is no plan '{plan}'; there are {}", known.join(", ")) });
    }
    faults
}

/// A secret that somebody wrote where everybody may read it.
fn check_discreet(policy: &Policy, text: &str) -> Result<(), String> {
    if policy.holds_secret(text) { Err("holds a raw key or token, which is kept nowhere".into()) } else { Ok(()) }
}

/// What is made anew needs a name; one that was given and is wrong was told already.
fn require_name(name: Option<&str>, faults: &mut Vec<FieldFault>) {
    if name.is_none() && faults.iter().all(|fault| fault.field != "name") {
        faults.push(FieldFault { field: "name".into(), message: "must be given".into() });
    }
}

/// An instant in the future of a change, within what a database can hold.
fn check_future(at: Timestamp, now: Timestamp) -> Result<(), String> {
    if at > now { Ok(()) } else { Err("lies in the past".into()) }
}
