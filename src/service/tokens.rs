//! Service tokens: made, shown once, revoked, recognised.

use std::sync::Arc;

use serde_json::Value;

use super::journal::Change;
use super::{Page, PageAsk, Services, check_discreet, check_future, check_name, views};
use crate::domain::act::Act;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::key::{KeyHash, Looks, PlainKey};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenRecord, TokenScope};
use crate::store::Connection;
use crate::store::idempotency::{self, Once};
use crate::store::{accounts, tokens};

/// What can be said of a new service token.
#[derive(Clone, Debug, Default)]
pub struct TokenInput {
    /// What people call it.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Vec<TokenScope>,
    /// The one account that it reaches; none: all of them.
    pub account: Option<String>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

impl Services {
    /// Makes a service token, once for each [`Once`]. The raw token is there this once.
    pub async fn create_token(
        self: &Arc<Self>,
        mut input: TokenInput,
        once: Option<Once>,
        act: &Act,
    ) -> Result<(TokenRecord, Option<PlainKey>)> {
        // Who is bound to an account, or to a time, can give no more than that.
        input.account = input.account.or_else(|| act.bound_to().map(str::to_owned));
        input.expires_at = input.expires_at.or(act.ends_at());
        let faults = self.check_token(&input, act);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let shape = self.policy.tokens.default().ok_or_else(|| Error::Internal("service tokens have no shape".into()))?;
        let plain = shape.generate();
        let (hash, services, act) = (plain.hash(), self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            if let Some(id) = idempotency::done(connection, once.as_ref(), act.at)? {
                return Ok((found(connection, &id, &act)?.1, false));
            }
            if let Some(account) = &input.account
                && (!act.reaches(account) || accounts::by_id(connection, account)?.is_none())
            {
                return Err(super::accounts::no_such(account));
            }
            let record = TokenRecord {
                id: services.next_id(connection, id::TOKEN, act.at)?,
                name: input.name.unwrap_or_default(),
                scopes: input.scopes,
                account: input.account,
                created_at: act.at,
                expires_at: input.expires_at,
                revoked_at: None,
            };
            tokens::insert(connection, &hash, &record)?;
            services.journal_token(connection, &act, Event::TokenCreated, Value::Null, &record)?;
            idempotency::remember(connection, once.as_ref(), &record.id, act.at)?;
            Ok((record, true))
        };
        let services = self.clone();
        let (record, is_new) = self.store.write(job, move |_| services.tokens.forget(&hash)).await?;
        Ok((record, is_new.then_some(plain)))
    }

    fn check_token(&self, input: &TokenInput, act: &Act) -> Vec<FieldFault> {
        let mut faults = input.faults.clone();
        let is_told = |faults: &[FieldFault], field: &str| faults.iter().any(|fault| fault.field == field);
        let fault = |field: &str, message: &str| FieldFault { field: field.into(), message: message.into() };
        if input.scopes.is_empty() && !is_told(&faults, "scopes") {
            faults.push(fault("scopes", "must name at least one of verify, admin, metrics"));
        }
        if input.account.is_some() && input.scopes.contains(&TokenScope::Metrics) {
            faults.push(fault("scopes", "metrics are of the whole server: not for a token that is bound to one account"));
        }
        let name = input.name.as_deref().map(|name| check_name(name).and_then(|()| check_discreet(&self.policy, name)));
        if let Some(Err(message)) = name {
            faults.push(fault("name", &message));
        }
        if let Some(Err(message)) = input.expires_at.map(|at| check_future(at, act.at)) {
            faults.push(fault("expires_at", &message));
        }
        if let (Some(at), Some(end)) = (input.expires_at, act.ends_at())
            && at > end
        {
            faults.push(fault("expires_at", &format!("is after {}, when the token that makes it ends", end.rfc3339())));
        }
        faults
    }

    /// A page of tokens, oldest first. Who is bound to an account sees those that are bound to it too.
    pub async fn tokens(&self, ask: PageAsk, act: &Act) -> Result<Page<TokenRecord>> {
        let (wanted, account) = (ask.clone(), act.bound_to().map(str::to_owned));
        let search = wanted.search.unwrap_or_default();
        let job = move |connection: &Connection| tokens::list(connection, account.as_deref(), &search, &wanted.cursor, wanted.limit + 1);
        let rows = self.store.list(job).await?;
        Ok(ask.page(rows, |record| record.id.clone()))
    }

    /// One token, without the raw one.
    pub async fn service_token(&self, id: &str, act: &Act) -> Result<TokenRecord> {
        let (id, act) = (id.to_owned(), act.clone());
        self.store.read(move |connection| found(connection, &id, &act)).await.map(|(_, record)| record)
    }

    /// Revokes a token, from the very next request on.
    pub async fn revoke_token(self: &Arc<Self>, id: &str, act: &Act) -> Result<()> {
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            let (hash, record) = found(connection, &id, &act)?;
            if record.revoked_at.is_none() {
                services.revoke_one(connection, &hash, record, &act)?;
            }
            Ok(hash)
        };
        let services = self.clone();
        self.store.write(job, move |hash| services.tokens.forget(hash)).await.map(|_| ())
    }

    /// Revokes every token that is bound to an account. Whoever commits it makes [`Services::tokens`] forget those answered.
    pub(crate) fn revoke_tokens_of(&self, connection: &Connection, account: &str, act: &Act) -> Result<Vec<KeyHash>> {
        let lasting = tokens::lasting_of_account(connection, account)?;
        lasting.into_iter().map(|(hash, record)| self.revoke_one(connection, &hash, record, act).map(|()| hash)).collect()
    }

    fn revoke_one(&self, connection: &Connection, hash: &KeyHash, mut record: TokenRecord, act: &Act) -> Result<()> {
        let before = views::token(&record);
        record.revoked_at = Some(act.at);
        tokens::revoke(connection, hash, act.at)?;
        self.journal_token(connection, act, Event::TokenRevoked, before, &record)
    }

    fn journal_token(&self, connection: &Connection, act: &Act, event: Event, before: Value, token: &TokenRecord) -> Result<()> {
        let after = views::token(token);
        self.journal(connection, act, Change { event, target: &token.id, account: token.account.as_deref(), before, after })
    }

    /// Whose token this is, if it is one that counts.
    pub async fn token(&self, raw: &str, now: Timestamp) -> Result<Option<Arc<TokenRecord>>> {
        if self.policy.tokens.looks(raw) != Looks::Plausible {
            return Ok(None);
        }
        let hash = KeyHash::of(raw);
        let load = || async { self.store.read(move |connection| Ok(tokens::by_hash(connection, &hash)?.map(Arc::new))).await };
        let found = self.tokens.get(&hash, now, |_| true, load).await?;
        Ok(found.filter(|record| record.counts_at(now)))
    }
}

/// A token, where whoever asks may know of it.
fn found(connection: &Connection, id: &str, act: &Act) -> Result<(KeyHash, TokenRecord)> {
    let reaches = |record: &TokenRecord| match (act.bound_to(), &record.account) {
        (None, _) => true,
        (Some(own), account) => account.as_deref() == Some(own),
    };
    tokens::by_id(connection, id)?.filter(|(_, record)| reaches(record)).ok_or_else(|| Error::no_such("token", id::TOKEN, id))
}
