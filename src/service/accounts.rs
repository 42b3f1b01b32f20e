//! Accounts: made, changed, shown.

use super::limits::{self, OverrideChanges};
use super::notices::Moved;
use super::{Page, PageAsk, Services, check_common, check_future, require_name};
use crate::config::Policy;
use crate::domain::balance::{self, Balance};
use crate::domain::caller::{AccountRecord, Kind, Overrides};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::store::Connection;
use crate::store::accounts::{self, StoredAccount};

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
    fn check(&self, policy: &Policy, now: Timestamp) -> Vec<FieldFault> {
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

    fn apply(self, account: &mut StoredAccount, policy: &Policy, now: Timestamp) {
        let monthly = |record: &AccountRecord| record.plan_at(&policy.plans, now).monthly_tokens;
        let record = &mut account.record;
        account.balance = account.balance.at(now, record.created_at, monthly(record));
        record.name = self.name.unwrap_or_else(|| std::mem::take(&mut record.name));
        record.kind = self.kind.unwrap_or(record.kind);
        let before = record.plan_at(&policy.plans, now).name.clone();
        record.plan = self.plan.unwrap_or_else(|| std::mem::take(&mut record.plan));
        record.plan_until = self.plan_until.unwrap_or(record.plan_until);
        // One that had ended and is renewed is another plan than the one it fell back to.
        if record.plan_at(&policy.plans, now).name != before {
            account.balance = account.balance.under_plan(monthly(record));
        }
        limits::apply(&mut record.limits, self.limits);
        record.disabled = self.disabled.unwrap_or(record.disabled);
        if let Some(total) = self.balance {
            account.balance = account.balance.set_to(total);
        }
    }
}

impl Services {
    /// Makes an account.
    pub async fn create_account(&self, input: AccountInput, now: Timestamp) -> Result<StoredAccount> {
        let mut faults = input.check(&self.policy, now);
        require_name(input.name.as_deref(), &mut faults);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let plan = self.policy.plans.default();
        let record = AccountRecord {
            id: id::new(id::ACCOUNT, now),
            name: String::new(),
            kind: Kind::Personal,
            plan: plan.name.clone(),
            plan_until: None,
            limits: Overrides::new(),
            disabled: false,
            created_at: now,
            revision: 1,
        };
        let mut account = StoredAccount { balance: Balance::opening(now, plan.monthly_tokens), record, version: 1 };
        input.apply(&mut account, &self.policy, now);
        let stored = account.clone();
        self.store.write(move |connection| accounts::insert(connection, &stored), |()| ()).await?;
        Ok(account)
    }

    /// Changes an account. It holds from the very next request.
    pub async fn set_account(self: &std::sync::Arc<Self>, id: &str, input: AccountInput, now: Timestamp) -> Result<StoredAccount> {
        let faults = input.check(&self.policy, now);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let (id, policy, services, announcer) = (id.to_owned(), self.policy.clone(), self.clone(), self.announcer.clone());
        let change = move |connection: &Connection| {
            let mut account = accounts::by_id(connection, &id)?.ok_or_else(|| Error::no_such("account", id::ACCOUNT, &id))?;
            let before = account.balance_at(now, account.record.plan_at(&policy.plans, now).monthly_tokens).total();
            let moved = Moved { stored: account.balance.total(), before, is_refund: false };
            input.apply(&mut account, &policy, now);
            account.version += 1;
            account.record.revision += 1;
            accounts::update(connection, &account)?;
            announcer.balance_moved(connection, &account, moved, now)?;
            Ok(account)
        };
        self.store.write(change, move |account| services.account_changed(account)).await
    }

    /// One account, its balance as it stands now.
    pub async fn account(&self, id: &str, now: Timestamp) -> Result<StoredAccount> {
        let id = id.to_owned();
        let found =
            self.store.read(move |connection| accounts::by_id(connection, &id)?.ok_or_else(|| Error::no_such("account", id::ACCOUNT, &id)));
        found.await.map(|account| self.refilled(account, now))
    }

    /// A page of accounts, oldest first.
    pub async fn accounts(&self, ask: PageAsk, now: Timestamp) -> Result<Page<StoredAccount>> {
        let wanted = ask.clone();
        let rows = self
            .store
            .list(move |connection| accounts::list(connection, wanted.search.as_deref(), &wanted.cursor, wanted.limit + 1))
            .await?;
        let rows = rows.into_iter().map(|account| self.refilled(account, now)).collect();
        Ok(ask.page(rows, |account| account.record.id.clone()))
    }

    fn refilled(&self, mut account: StoredAccount, now: Timestamp) -> StoredAccount {
        account.balance = account.balance_at(now, account.record.plan_at(&self.policy.plans, now).monthly_tokens);
        account
    }
}
