//! Balances: committed before they are answered.

use std::sync::{Arc, OnceLock};

use super::Services;
use super::notices::Moved;
use crate::domain::balance::{Balance, MOST, Paid};
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::store::Connection;
use crate::store::accounts::{self, StoredAccount};
use crate::store::idempotency::{self, Once};

impl Services {
    /// Takes tokens of an account, all or none. Answers what is left, and what was taken from where.
    pub(super) async fn take_tokens(&self, account: &str, tokens: i64, now: Timestamp) -> Result<(Balance, Paid)> {
        let before = Arc::new(OnceLock::new());
        let seen = before.clone();
        let change = move |balance: Balance| {
            let _ = seen.set(balance);
            balance.charged(tokens).ok_or(Error::NoBalance)
        };
        let account = self.change_balance(account, None, now, false, change).await?;
        let before = before.get().copied().unwrap_or(account.balance);
        Ok((account.balance, account.balance.paid_from(before)))
    }

    /// Puts tokens back where they were taken from.
    pub(super) async fn put_back_tokens(&self, account: &str, paid: Paid, now: Timestamp) -> Result<Balance> {
        self.change_balance(account, None, now, true, move |balance| Ok(balance.refunded(paid))).await.map(|account| account.balance)
    }

    /// Charges (negative) or credits (positive) an account, once for each [`Once`].
    pub async fn move_tokens(&self, id: &str, tokens: i64, once: Option<Once>, now: Timestamp) -> Result<StoredAccount> {
        let too_much = || Error::field("tokens", format!("would make the balance more than {MOST}"));
        let once = once.map(|once| (once, tokens.to_string()));
        let change = move |balance: Balance| match tokens {
            ..0 => balance.charged(-tokens).ok_or(Error::NoBalance),
            _ => balance.credited(tokens).ok_or_else(too_much),
        };
        self.change_balance(id, once, now, false, change).await
    }

    /// Changes a balance as it stands now, once for each [`Once`], with which what was done is remembered.
    async fn change_balance(
        &self,
        id: &str,
        once: Option<(Once, String)>,
        now: Timestamp,
        is_refund: bool,
        change: impl FnOnce(Balance) -> Result<Balance> + Send + 'static,
    ) -> Result<StoredAccount> {
        let (id, plans) = (id.to_owned(), self.policy.clone());
        let (meter, announcer) = (self.meter.clone(), self.announcer.clone());
        let job = move |connection: &Connection| {
            let mut account = accounts::by_id(connection, &id)?.ok_or_else(|| Error::no_such("account", id::ACCOUNT, &id))?;
            let stored = account.balance.total();
            account.balance = account.balance_at(now, account.record.plan_at(&plans.plans, now).monthly_tokens);
            if let Some((once, _)) = &once
                && idempotency::done(connection, once, now)?.is_some()
            {
                return Ok(account);
            }
            let moved = Moved { stored, before: account.balance.total(), is_refund };
            account.balance = change(account.balance)?;
            account.version += 1;
            accounts::update(connection, &account)?;
            announcer.balance_moved(connection, &account, moved, now)?;
            if let Some((once, done)) = &once {
                idempotency::remember(connection, once, done, now)?;
            }
            Ok(account)
        };
        self.store.write(job, move |account| meter.balance_changed(account)).await
    }
}
