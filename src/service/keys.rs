//! Keys: made, shown once, changed, rotated, revoked.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::Value;

use super::journal::Change;
use super::limits::{self, OverrideChanges};
use super::{Page, PageAsk, Services, check_common, check_discreet, check_future, developers, require_name, views};
use crate::config::Policy;
use crate::domain::act::Act;
use crate::domain::caller::KeyRecord;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::key::{Environment, KeyHash, Looks, PlainKey};
use crate::domain::scope;
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::Role;
use crate::store::Connection;
use crate::store::accounts;
use crate::store::idempotency::{self, Once};
use crate::store::keys::{self, Filter, StoredKey};

/// How much metadata a key may carry, in bytes of JSON.
const MOST_METADATA: usize = 4096;

/// How deep it may be nested.
const DEEPEST_METADATA: usize = 16;

/// How many scopes or ranges a key may have.
const MOST_ITEMS: usize = 100;

/// What can be said of a key. What is not said stays, or is as for any new key.
#[derive(Clone, Debug, Default)]
pub struct KeyInput {
    /// Its name.
    pub name: Option<String>,
    /// Its environment; only when it is made.
    pub environment: Option<String>,
    /// Its own plan; `Some(None)`: its account's.
    pub plan: Option<Option<String>>,
    /// Overrides.
    pub limits: OverrideChanges,
    /// Its scopes.
    pub scopes: Option<Vec<String>>,
    /// From where it may be used.
    pub ips: Option<Vec<IpNet>>,
    /// When it expires; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Switched off.
    pub disabled: Option<bool>,
    /// What the operator keeps with it.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

/// A key that was just made. The raw key is there this once; it is not there where the same request was asked before.
#[derive(Debug)]
pub struct NewKey {
    /// The key as stored.
    pub record: KeyRecord,
    /// The raw key.
    pub plain: Option<PlainKey>,
}

impl KeyInput {
    pub(super) fn check(&self, policy: &Policy, now: Timestamp) -> Vec<FieldFault> {
        let mut faults = self.faults.clone();
        faults.extend(check_common(policy, self.name.as_deref(), self.plan.iter().flatten().next().map(String::as_str), &self.limits));
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        for scope in self.scopes.iter().flatten() {
            if let Err(message) = check_scope(policy, scope) {
                fault("scopes", message);
            }
        }
        for (field, count) in [("scopes", self.scopes.as_ref().map_or(0, Vec::len)), ("ips", self.ips.as_ref().map_or(0, Vec::len))] {
            if count > MOST_ITEMS {
                fault(field, format!("must be at most {MOST_ITEMS}"));
            }
        }
        if let Some(Err(message)) = self.expires_at.flatten().map(|at| check_future(at, now)) {
            fault("expires_at", message);
        }
        let metadata = self.metadata.as_ref().and_then(|metadata| serde_json::to_string(metadata).ok()).unwrap_or_default();
        if let Err(message) = check_discreet(policy, &metadata) {
            fault("metadata", message);
        }
        let size = metadata.len();
        if self.metadata.iter().flat_map(serde_json::Map::values).any(|value| depth(value) >= DEEPEST_METADATA) {
            fault("metadata", format!("must be at most {DEEPEST_METADATA} levels deep"));
        }
        if size > MOST_METADATA {
            fault("metadata", format!("must be at most {MOST_METADATA} bytes, and is {size}"));
        }
        faults
    }

    pub(super) fn apply(self, record: &mut KeyRecord) {
        record.name = self.name.unwrap_or_else(|| std::mem::take(&mut record.name));
        record.plan = self.plan.unwrap_or_else(|| record.plan.take());
        limits::apply(&mut record.limits, self.limits);
        record.scopes = self.scopes.unwrap_or_else(|| std::mem::take(&mut record.scopes));
        record.ips = self.ips.unwrap_or_else(|| std::mem::take(&mut record.ips));
        record.expires_at = self.expires_at.unwrap_or(record.expires_at);
        record.disabled = self.disabled.unwrap_or(record.disabled);
        record.metadata = self.metadata.unwrap_or_else(|| std::mem::take(&mut record.metadata));
    }
}

fn check_scope(policy: &Policy, scope: &str) -> Result<(), String> {
    check_discreet(policy, scope)?;
    if scope::is_valid(scope) { Ok(()) } else { Err(format!("'{scope}' is no scope")) }
}

/// How deep a value is nested; what JSON was read has a bounded depth.
fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The environment that somebody named, or the default one; where there is none, that is a fault.
pub(super) fn named_environment<'p>(policy: &'p Policy, name: Option<&str>, faults: &mut Vec<FieldFault>) -> Option<&'p Environment> {
    let environments = &policy.keys.environments;
    let environment = name.map_or_else(|| environments.default(), |name| environments.named(name));
    if environment.is_none() && faults.iter().all(|fault| fault.field != "environment") {
        let known: Vec<&str> = environments.all().iter().map(|environment| environment.name.as_str()).collect();
        faults.push(FieldFault { field: "environment".into(), message: format!("must be one of {}", known.join(", ")) });
    }
    environment
}

/// A new key as it is where nobody says anything of it; its id, and what is shown of it, are still to come.
pub(super) fn new_record(policy: &Policy, account: &str, environment: &Environment, now: Timestamp) -> KeyRecord {
    KeyRecord::new(account, &environment.name, policy.keys.default_scopes.clone(), limits::defaults(policy), now)
}

impl Services {
    /// Makes a key for an account, whatever its plan; once for each [`Once`]. Developers accept the agreement first.
    pub async fn create_key(self: &Arc<Self>, account: &str, input: KeyInput, once: Option<Once>, act: &Act) -> Result<NewKey> {
        let mut faults = input.check(&self.policy, act.at);
        require_name(input.name.as_deref(), &mut faults);
        let environment = named_environment(&self.policy, input.environment.as_deref(), &mut faults);
        if act.developer().is_some() {
            faults.extend(developers::key_faults(&self.policy, &input, environment, None));
        }
        let Some(environment) = environment.filter(|_| faults.is_empty()) else { return Err(Error::Invalid(faults)) };
        self.check_reach(account, act).await?;
        let plain = environment.generate();
        let mut record = new_record(&self.policy, account, environment, act.at);
        record.prefix = environment.shown(&plain);
        input.apply(&mut record);
        let (mut stored, services, act) = (StoredKey { hash: plain.hash(), record }, self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_holder(connection, &stored.record.account, &act)?;
            if let Some(id) = idempotency::done(connection, once.as_ref(), act.at)? {
                return Ok((found(connection, &id, &act)?, false));
            }
            services.check_agreement(connection, &act)?;
            services.check_room(connection, &stored.record.account, false, &act)?;
            if accounts::by_id(connection, &stored.record.account)?.is_none() {
                return Err(super::accounts::no_such(&stored.record.account));
            }
            stored.record.id = services.next_id(connection, id::KEY, act.at)?;
            keys::insert(connection, &stored)?;
            services.journal_key(connection, &act, Event::KeyCreated, Value::Null, &stored.record)?;
            idempotency::remember(connection, once.as_ref(), &stored.record.id, act.at)?;
            Ok((stored, true))
        };
        // Somebody may have tried the key's hash before it was made.
        let services = self.clone();
        let (stored, is_new) = self.store.write(job, move |(stored, _)| services.key_changed(&stored.hash)).await?;
        Ok(NewKey { record: stored.record, plain: is_new.then_some(plain) })
    }

    /// What keys of an account are called, of these ids; those that are none of it are left out.
    pub async fn key_names(&self, account: &str, ids: Vec<String>, act: &Act) -> Result<BTreeMap<String, String>> {
        self.check_reach(account, act).await?;
        let account = account.to_owned();
        let job = move |connection: &Connection| {
            let mut names = BTreeMap::new();
            for id in ids {
                let stored = keys::by_id(connection, &id)?.filter(|stored| stored.record.account == account);
                names.extend(stored.map(|stored| (id, stored.record.name)));
            }
            Ok(names)
        };
        self.store.list(job).await
    }

    /// Changes a key. It holds from the very next request.
    pub async fn set_key(self: &Arc<Self>, id: &str, input: KeyInput, act: &Act) -> Result<KeyRecord> {
        let mut faults = input.check(&self.policy, act.at);
        if input.environment.is_some() {
            faults.push(FieldFault { field: "environment".into(), message: "cannot be changed: the key carries it".into() });
        }
        let is_developer = act.developer().is_some();
        if !faults.is_empty() && !is_developer {
            return Err(Error::Invalid(faults));
        }
        let policy = self.policy.clone();
        let change = move |record: &mut KeyRecord| {
            if is_developer {
                faults.extend(developers::key_faults(&policy, &input, None, Some(record)));
            }
            if !faults.is_empty() {
                return Err(Error::Invalid(faults));
            }
            input.apply(record);
            Ok(())
        };
        self.change_key(id, Event::KeyChanged, act, change).await
    }

    /// Revokes a key, from the very next request on; the first time it was revoked stays.
    pub async fn revoke_key(self: &Arc<Self>, id: &str, act: &Act) -> Result<KeyRecord> {
        let now = act.at;
        let revoke = move |record: &mut KeyRecord| {
            record.revoked_at = record.revoked_at.or(Some(now));
            Ok(())
        };
        self.change_key(id, Event::KeyRevoked, act, revoke).await
    }

    /// Changes a key; where that changes nothing, nothing is written.
    async fn change_key(
        self: &Arc<Self>,
        id: &str,
        event: Event,
        act: &Act,
        change: impl FnOnce(&mut KeyRecord) -> Result<()> + Send + 'static,
    ) -> Result<KeyRecord> {
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let mut stored = found(connection, &id, &act)?;
            services.check_holder(connection, &stored.record.account, &act)?;
            act.check_revision(stored.record.revision)?;
            let before = views::key(&stored.record);
            change(&mut stored.record)?;
            if views::key(&stored.record) != before {
                stored.record.revision += 1;
                keys::update(connection, &stored)?;
                services.journal_key(connection, &act, event, before, &stored.record)?;
            }
            Ok(stored)
        };
        let services = self.clone();
        self.store.write(job, move |stored| services.key_changed(&stored.hash)).await.map(|stored| stored.record)
    }

    /// Makes a new key with every setting of an old one, which lives on for the grace; once for each [`Once`].
    pub async fn rotate_key(self: &Arc<Self>, id: &str, grace: Span, once: Option<Once>, act: &Act) -> Result<NewKey> {
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            if let Some(id) = idempotency::done(connection, once.as_ref(), act.at)? {
                let made = found(connection, &id, &act)?;
                services.check_holder(connection, &made.record.account, &act)?;
                return Ok((made.hash, made, None));
            }
            let mut old = found(connection, &id, &act)?;
            services.check_holder(connection, &old.record.account, &act)?;
            services.check_agreement(connection, &act)?;
            act.check_revision(old.record.revision)?;
            let (new, plain) = services.successor(connection, &old.record, &act)?;
            if grace.millis() > 0 {
                services.check_room(connection, &old.record.account, true, &act)?;
            }
            keys::insert(connection, &new)?;
            let before = views::key(&old.record);
            retire(&mut old.record, &new.record.id, grace, act.at);
            keys::update(connection, &old)?;
            services.journal_key(connection, &act, Event::KeyRotated, before, &old.record)?;
            services.journal_key(connection, &act, Event::KeyCreated, Value::Null, &new.record)?;
            idempotency::remember(connection, once.as_ref(), &new.record.id, act.at)?;
            Ok((old.hash, new, Some(plain)))
        };
        let services = self.clone();
        let after = move |(old, new, _): &(KeyHash, StoredKey, Option<PlainKey>)| {
            services.key_changed(old);
            services.key_changed(&new.hash);
        };
        let (_, new, plain) = self.store.write(job, after).await?;
        Ok(NewKey { record: new.record, plain })
    }

    /// Fails where a user who was let in may not any more.
    fn check_holder(&self, connection: &Connection, account: &str, act: &Act) -> Result<()> {
        if act.actor.user().is_none() { Ok(()) } else { self.check_role(connection, act, account, Role::Member).map(|_| ()) }
    }

    /// Fails where an account has so many keys, whoever made them, that its users make no others. A rotation makes no new one, but the
    /// old one lives on for a while: those have a bound of their own.
    fn check_room(&self, connection: &Connection, account: &str, is_replaced: bool, act: &Act) -> Result<()> {
        let most = self.policy.sign_in.keys;
        if act.developer().is_none() || keys::count_lasting(connection, account, is_replaced, act.at, most)? < most {
            return Ok(());
        }
        let what = if is_replaced { "rotated keys or more that still count" } else { "keys or more" };
        Err(Error::Conflict(format!("This account has {most} {what}, and its users make no others: revoke one that nobody uses any more.")))
    }

    /// The key that takes an old one's place, not stored yet.
    fn successor(&self, connection: &Connection, old: &KeyRecord, act: &Act) -> Result<(StoredKey, PlainKey)> {
        if old.revoked_at.is_some() || old.expires_at.is_some_and(|at| at <= act.at) {
            return Err(Error::Conflict("A key that is revoked or expired cannot be rotated: make a new one.".into()));
        }
        if let Some(next) = &old.replaced_by {
            return Err(Error::Conflict(format!("This key was rotated already: {next} took its place.")));
        }
        let environment = self.policy.keys.environments.named(&old.environment);
        let environment =
            environment.ok_or_else(|| Error::Conflict(format!("The environment '{}' makes no keys any more.", old.environment)))?;
        let plain = environment.generate();
        let record = KeyRecord {
            id: self.next_id(connection, id::KEY, act.at)?,
            prefix: environment.shown(&plain),
            created_at: act.at,
            last_used_at: None,
            replaced_by: None,
            revision: 1,
            ..old.clone()
        };
        Ok((StoredKey { hash: plain.hash(), record }, plain))
    }

    fn journal_key(&self, connection: &Connection, act: &Act, event: Event, before: Value, key: &KeyRecord) -> Result<()> {
        let after = views::key(key);
        self.journal(connection, act, Change { event, target: &key.id, account: Some(&key.account), before, after })
    }

    /// One key.
    pub async fn key(&self, id: &str, act: &Act) -> Result<KeyRecord> {
        let (id, act) = (id.to_owned(), act.clone());
        self.store.read(move |connection| found(connection, &id, &act)).await.map(|stored| stored.record)
    }

    /// A page of keys, oldest first; of one account where that is given.
    pub async fn keys(&self, account: Option<String>, ask: PageAsk, act: &Act) -> Result<Page<KeyRecord>> {
        if account.as_ref().is_some_and(|account| !act.reaches(account)) {
            return Ok(Page { data: Vec::new(), next_cursor: None });
        }
        let account = account.or_else(|| act.bound_to().map(str::to_owned));
        // A whole key is told by its hash: what only begins alike is another.
        let whole = ask.search.as_deref().filter(|search| self.policy.keys.environments.looks(search) == Looks::Plausible);
        if let Some(hash) = whole.map(KeyHash::of) {
            let found = self.store.read(move |connection| keys::by_hash(connection, &hash)).await?;
            let found = found.filter(|stored| account.as_ref().is_none_or(|account| *account == stored.record.account));
            if let Some(stored) = found {
                return Ok(Page { data: vec![stored.record], next_cursor: None });
            }
        }
        let filter = Filter { account, search: ask.search.clone(), after: ask.cursor.clone(), limit: ask.limit + 1 };
        let rows = self.store.list(move |connection| keys::list(connection, &filter)).await?;
        Ok(ask.page(rows.into_iter().map(|stored| stored.record).collect(), |record| record.id.clone()))
    }
}

/// There is no such key, or none that whoever asks may know of.
fn no_such(id: &str) -> Error {
    Error::no_such("key", id::KEY, id)
}

fn found(connection: &Connection, id: &str, act: &Act) -> Result<StoredKey> {
    keys::by_id(connection, id)?.filter(|stored| act.reaches(&stored.record.account)).ok_or_else(|| no_such(id))
}

/// Another key took its place: it lives on for the grace, and no longer than it would have.
fn retire(old: &mut KeyRecord, next: &str, grace: Span, now: Timestamp) {
    old.replaced_by = Some(next.to_owned());
    old.revision += 1;
    if grace.millis() == 0 {
        old.revoked_at = Some(now);
    } else {
        let ends = now.plus(grace);
        old.expires_at = Some(old.expires_at.map_or(ends, |at| at.min(ends)));
    }
}
