//! Keys: made, shown once, changed, rotated, revoked.

use std::sync::Arc;

use ipnet::IpNet;

use super::limits::{self, OverrideChanges};
use super::{Page, PageAsk, Services, check_common, check_future, require_name};
use crate::config::Policy;
use crate::domain::caller::KeyRecord;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::id;
use crate::domain::key::{KeyHash, Looks, PlainKey};
use crate::domain::scope;
use crate::domain::time::{Span, Timestamp};
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
    fn check(&self, policy: &Policy, now: Timestamp) -> Vec<FieldFault> {
        let mut faults = self.faults.clone();
        faults.extend(check_common(policy, self.name.as_deref(), self.plan.iter().flatten().next().map(String::as_str), &self.limits));
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        for scope in self.scopes.iter().flatten().filter(|scope| !scope::is_valid(scope)) {
            fault("scopes", format!("'{scope}' is no scope"));
        }
        for (field, count) in [("scopes", self.scopes.as_ref().map_or(0, Vec::len)), ("ips", self.ips.as_ref().map_or(0, Vec::len))] {
            if count > MOST_ITEMS {
                fault(field, format!("must be at most {MOST_ITEMS}"));
            }
        }
        if let Some(Err(message)) = self.expires_at.flatten().map(|at| check_future(at, now)) {
            fault("expires_at", message);
        }
        let size = self.metadata.as_ref().and_then(|metadata| serde_json::to_string(metadata).ok()).map_or(0, |text| text.len());
        if self.metadata.iter().flat_map(serde_json::Map::values).any(|value| depth(value) >= DEEPEST_METADATA) {
            fault("metadata", format!("must be at most {DEEPEST_METADATA} levels deep"));
        }
        if size > MOST_METADATA {
            fault("metadata", format!("must be at most {MOST_METADATA} bytes, and is {size}"));
        }
        faults
    }

    fn apply(self, record: &mut KeyRecord) {
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

/// How deep a value is nested; what JSON was read has a bounded depth.
fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

impl Services {
    /// Makes a key for an account, whatever its plan.
    pub async fn create_key(self: &Arc<Self>, account: &str, input: KeyInput, once: Option<Once>, now: Timestamp) -> Result<NewKey> {
        let mut faults = input.check(&self.policy, now);
        require_name(input.name.as_deref(), &mut faults);
        let environments = &self.policy.keys.environments;
        let environment = match &input.environment {
            Some(name) => environments.named(name),
            None => environments.default(),
        };
        let Some(environment) = environment.filter(|_| faults.is_empty()) else {
            if environment.is_none() && faults.iter().all(|fault| fault.field != "environment") {
                let known: Vec<&str> = environments.all().iter().map(|environment| environment.name.as_str()).collect();
                faults.push(FieldFault { field: "environment".into(), message: format!("must be one of {}", known.join(", ")) });
            }
            return Err(Error::Invalid(faults));
        };
        let plain = environment.generate();
        let mut record = KeyRecord {
            id: id::new(id::KEY, now),
            account: account.into(),
            name: String::new(),
            environment: environment.name.clone(),
            prefix: environment.shown(&plain),
            plan: None,
            limits: limits::defaults(&self.policy),
            scopes: self.policy.keys.default_scopes.clone(),
            ips: Vec::new(),
            metadata: serde_json::Map::new(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
            disabled: false,
            last_used_at: None,
            replaced_by: None,
            revision: 1,
        };
        input.apply(&mut record);
        let (stored, services) = (StoredKey { hash: plain.hash(), record }, self.clone());
        let job = move |connection: &Connection| {
            if let Some(once) = &once
                && let Some(id) = idempotency::done(connection, once, now)?
            {
                let made = keys::by_id(connection, &id)?.ok_or_else(|| Error::no_such("key", id::KEY, &id))?;
                return Ok((made, false));
            }
            if accounts::by_id(connection, &stored.record.account)?.is_none() {
                return Err(Error::no_such("account", id::ACCOUNT, &stored.record.account));
            }
            keys::insert(connection, &stored)?;
            if let Some(once) = &once {
                idempotency::remember(connection, once, &stored.record.id, now)?;
            }
            Ok((stored, true))
        };
        // Somebody may have tried the key's hash before it was made.
        let (stored, is_new) = self.store.write(job, move |(stored, _)| services.key_changed(&stored.hash)).await?;
        Ok(NewKey { record: stored.record, plain: is_new.then_some(plain) })
    }

    /// Changes a key. It holds from the very next request.
    pub async fn set_key(self: &Arc<Self>, id: &str, input: KeyInput, now: Timestamp) -> Result<KeyRecord> {
        let mut faults = input.check(&self.policy, now);
        if input.environment.is_some() {
            faults.push(FieldFault { field: "environment".into(), message: "cannot be changed: the key carries it".into() });
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        self.change_key(id, move |record| input.apply(record)).await
    }

    /// Revokes a key, from the very next request on; the first time it was revoked stays.
    pub async fn revoke_key(self: &Arc<Self>, id: &str, now: Timestamp) -> Result<KeyRecord> {
        self.change_key(id, move |record| record.revoked_at = record.revoked_at.or(Some(now))).await
    }

    async fn change_key(self: &Arc<Self>, id: &str, change: impl FnOnce(&mut KeyRecord) + Send + 'static) -> Result<KeyRecord> {
        let (id, services) = (id.to_owned(), self.clone());
        let job = move |connection: &Connection| {
            let mut stored = keys::by_id(connection, &id)?.ok_or_else(|| Error::no_such("key", id::KEY, &id))?;
            change(&mut stored.record);
            stored.record.revision += 1;
            keys::update(connection, &stored)?;
            Ok(stored)
        };
        self.store.write(job, move |stored| services.key_changed(&stored.hash)).await.map(|stored| stored.record)
    }

    /// Makes a new key with every setting of an old one, which lives on for the grace.
    pub async fn rotate_key(self: &Arc<Self>, id: &str, grace: Span, now: Timestamp) -> Result<NewKey> {
        let (id, policy, services) = (id.to_owned(), self.policy.clone(), self.clone());
        let job = move |connection: &Connection| {
            let mut old = keys::by_id(connection, &id)?.ok_or_else(|| Error::no_such("key", id::KEY, &id))?;
            if old.record.revoked_at.is_some() || old.record.expires_at.is_some_and(|at| at <= now) {
                return Err(Error::Conflict("A key that is revoked or expired cannot be rotated: make a new one.".into()));
            }
            if let Some(next) = &old.record.replaced_by {
                return Err(Error::Conflict(format!("This key was rotated already: {next} took its place.")));
            }
            let environment = policy.keys.environments.named(&old.record.environment);
            let environment = environment
                .ok_or_else(|| Error::Conflict(format!("The environment '{}' makes no keys any more.", old.record.environment)))?;
            let plain = environment.generate();
            let record = KeyRecord {
                id: id::new(id::KEY, now),
                prefix: environment.shown(&plain),
                created_at: now,
                last_used_at: None,
                replaced_by: None,
                revision: 1,
                ..old.record.clone()
            };
            let new = StoredKey { hash: plain.hash(), record };
            keys::insert(connection, &new)?;
            old.record.replaced_by = Some(new.record.id.clone());
            if grace.millis() == 0 {
                old.record.revoked_at = Some(now);
            } else {
                let ends = now.plus(grace);
                old.record.expires_at = Some(old.record.expires_at.map_or(ends, |at| at.min(ends)));
            }
            old.record.revision += 1;
            keys::update(connection, &old)?;
            Ok((old, new, plain))
        };
        let after = move |(old, new, _): &(StoredKey, StoredKey, PlainKey)| {
            services.key_changed(&old.hash);
            services.key_changed(&new.hash);
        };
        let (_, new, plain) = self.store.write(job, after).await?;
        Ok(NewKey { record: new.record, plain: Some(plain) })
    }

    /// One key.
    pub async fn key(&self, id: &str) -> Result<KeyRecord> {
        let id = id.to_owned();
        let found = self.store.read(move |connection| keys::by_id(connection, &id)?.ok_or_else(|| Error::no_such("key", id::KEY, &id)));
        found.await.map(|stored| stored.record)
    }

    /// A page of keys, oldest first; of one account where that is given.
    pub async fn keys(&self, account: Option<String>, ask: PageAsk) -> Result<Page<KeyRecord>> {
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
