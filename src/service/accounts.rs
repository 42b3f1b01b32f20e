//! Accounts: made, changed, shown.

use std::sync::Arc;

use serde_json::Value;

use super::balance::Cause;
use super::journal::Change;
use super::limits::{self, OverrideChanges};
use super::{Page, PageAsk, Services, check_common, check_future, developers, require_name, views};
use crate::config::Policy;
use crate::domain::act::Act;
use crate::domain::balance::{self, Balance, Movement};
use crate::domain::caller::{AccountRecord, Kind, Overrides};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::domain::user::Role;
use crate::store::Connection;
use crate::store::accounts::{self, StoredAccount};
use crate::store::idempotency::{self, Once};

/// What can be said of an account. What is not said stays, or is as for any new account.
#[derive(Clone, Debug, Default)]
pub struct AccountInput {
    /// Its name.
    pub name: Option<String>,
    /// Whom it stands for.
    pub kind: Option<Kind>,
    /// Its plan.
    pub plan: Option<String>,
    /// When its plan ends; `Some(None)`: never.
    pub plan_until: Option<Option<Timestamp>>,
    /// The whole balance.
    pub balance: Option<i64>,
    /// Overrides.
    pub limits: OverrideChanges,
    /// Switched off.
    pub disabled: Option<bool>,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

impl AccountInput {
    pub(super) fn check(&self, policy: &Policy, now: Timestamp) -> Vec<FieldFault> {
        let mut faults = self.faults.clone();
        faults.extend(check_common(policy, self.name.as_deref(), self.plan.as_deref(), &self.limits));
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        if let Some(Err(message)) = self.plan_until.flatten().map(|until| check_future(until, now)) {
            fault("plan_until", message);
        }
        if self.balance.is_some_and(|tokens| !(-balance::MOST..=balance::MOST).contains(&tokens)) {
            fault("balance", format!("must be from -{0} to {0}", balance::MOST));
        }
        faults
    }

    pub(super) fn apply(self, account: &mut StoredAccount, policy: &Policy, now: Timestamp) {
        let record = &mut account.record;
        record.name = self.name.unwrap_or_else(|| std::mem::take(&mut record.name));
        record.kind = self.kind.unwrap_or(record.kind);
        let before = record.plan_at(&policy.plans, now).name.clone();
        record.plan = self.plan.unwrap_or_else(|| std::mem::take(&mut record.plan));
        record.plan_until = self.plan_until.unwrap_or(record.plan_until);
        // One that had ended and is renewed is another plan than the one it fell back to.
        let plan = record.plan_at(&policy.plans, now);
        if plan.name != before {
            account.balance = account.balance.under_plan(plan.monthly_tokens);
        }
        limits::apply(&mut record.limits, self.limits);
        record.disabled = self.disabled.unwrap_or(record.disabled);
        if let Some(total) = self.balance {
            account.balance = account.balance.set_to(total);
        }
    }

    /// What it does to the balance.
    const fn movement(&self) -> Movement {
        if self.balance.is_some() { Movement::Set } else { Movement::Plan }
    }
}

/// A new account as it is where nobody says anything of it; its id is still to come.
pub(super) fn new_account(policy: &Policy, now: Timestamp) -> StoredAccount {
    let plan = policy.plans.default();
    let record = AccountRecord {
        id: String::new(),
        name: String::new(),
        kind: Kind::Personal,
        plan: plan.name.clone(),
        plan_until: None,
        limits: Overrides::new(),
        disabled: false,
        created_at: now,
        revision: 1,
    };
    StoredAccount { balance: Balance::opening(now, plan.monthly_tokens), record, version: 1 }
}

impl Services {
    /// Makes an account, once for each [`Once`].
    pub async fn create_account(self: &Arc<Self>, input: AccountInput, once: Option<Once>, act: &Act) -> Result<StoredAccount> {
        if act.developer().is_some() {
            return self.create_organization(input, once, act).await;
        }
        if act.bound_to().is_some() {
            return Err(Error::Forbidden("This service token is bound to one account, and makes no others.".into()));
        }
        let mut faults = input.check(&self.policy, act.at);
        require_name(input.name.as_deref(), &mut faults);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            if let Some(id) = idempotency::done(connection, once.as_ref(), act.at)? {
                return found(connection, &id);
            }
            let account = services.opened(connection, input, &act)?;
            accounts::insert(connection, &account)?;
            let (id, after) = (account.record.id.as_str(), views::account(&account));
            services.journal(
                connection,
                &act,
                Change { event: Event::AccountCreated, target: id, account: Some(id), before: Value::Null, after },
            )?;
            idempotency::remember(connection, once.as_ref(), id, act.at)?;
            Ok(account)
        };
        self.store.write(job, |_| ()).await
    }

    /// A new account, not stored yet; its opening balance is.
    pub(super) fn opened(&self, connection: &Connection, input: AccountInput, act: &Act) -> Result<StoredAccount> {
        let mut account = new_account(&self.policy, act.at);
        account.record.id = self.next_id(connection, id::ACCOUNT, act.at)?;
        let movement = input.movement();
        input.apply(&mut account, &self.policy, act.at);
        self.moved(connection, &account, 0, movement, Cause::Act { act, reason: "" })?;
        Ok(account)
    }

    /// Changes an account. It holds from the very next request.
    pub async fn set_account(self: &Arc<Self>, id: &str, input: AccountInput, act: &Act) -> Result<StoredAccount> {
        let mut faults = input.check(&self.policy, act.at);
        if act.developer().is_some() {
            faults.extend(developers::account_faults(&input));
        }
        self.check_reach(id, act).await?;
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            if act.actor.user().is_some() {
                services.check_role(connection, &act, &id, Role::Admin)?;
            }
            services.change_account(connection, &id, input, &act)
        };
        let services = self.clone();
        self.store.write(job, move |account| services.account_changed(account)).await
    }

    /// Changes one with what was checked, inside a transaction. Whoever commits it calls [`Services::account_changed`] afterwards.
    pub(super) fn change_account(&self, connection: &Connection, id: &str, input: AccountInput, act: &Act) -> Result<StoredAccount> {
        let mut account = found(connection, id)?;
        if account.record.disabled && act.bound_to().is_some() {
            return Err(Error::Forbidden("This account is switched off, and the operator's to switch on again.".into()));
        }
        act.check_revision(account.record.revision)?;
        let period = account.balance.period;
        self.refill(connection, &mut account, act.at)?;
        let is_refilled = account.balance.period != period;
        let (before, held, movement) = (views::account(&account), account.balance.total(), input.movement());
        input.apply(&mut account, &self.policy, act.at);
        let after = views::account(&account);
        let is_changed = after != before;
        account.version += i64::from(is_changed || is_refilled);
        account.record.revision += i64::from(is_changed);
        accounts::update(connection, &account)?;
        // Where that changes nothing, there is nothing to tell.
        if is_changed {
            self.moved(connection, &account, held, movement, Cause::Act { act, reason: "" })?;
            let change = Change { event: Event::AccountChanged, target: id, account: Some(id), before, after };
            self.journal(connection, act, change)?;
        }
        Ok(account)
    }

    /// One account, its balance as it stands now.
    pub async fn account(&self, id: &str, act: &Act) -> Result<StoredAccount> {
        self.check_reach(id, act).await?;
        let id = id.to_owned();
        let account = self.store.read(move |connection| found(connection, &id)).await?;
        Ok(self.refilled(account, act.at))
    }

    /// A page of accounts, oldest first.
    pub async fn accounts(&self, ask: PageAsk, act: &Act) -> Result<Page<StoredAccount>> {
        // A user sees all that they belong to: that is what they choose from.
        let user = act.developer().map(|user| user.id);
        let filter = accounts::Filter {
            only: act.bound_to().filter(|_| user.is_none()).map(str::to_owned),
            user,
            search: ask.search.clone(),
            after: ask.cursor.clone(),
            limit: ask.limit + 1,
        };
        let rows = self.store.list(move |connection| accounts::list(connection, &filter)).await?;
        let rows = rows.into_iter().map(|account| self.refilled(account, act.at)).collect();
        Ok(ask.page(rows, |account| account.record.id.clone()))
    }

    /// Its balance as it stands now.
    pub(super) fn refilled(&self, mut account: StoredAccount, now: Timestamp) -> StoredAccount {
        account.balance = account.balance_at(now, account.record.plan_at(&self.policy.plans, now).monthly_tokens);
        account
    }
}

fn found(connection: &Connection, id: &str) -> Result<StoredAccount> {
    accounts::by_id(connection, id)?.ok_or_else(|| no_such(id))
}

/// There is no such account, or none that whoever asks may know of.
pub(super) fn no_such(id: &str) -> Error {
    Error::no_such("account", id::ACCOUNT, id)
}
