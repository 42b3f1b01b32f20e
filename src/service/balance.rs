//! Balances: committed before they are answered.

use super::Services;
use crate::domain::balance::{Balance, MOST};
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::store::Connection;
use crate::store::accounts::{self, StoredAccount};
use crate::store::idempotency::{self, Once};

impl Services {
    /// Takes tokens of an account, all or none.
    pub(super) async fn take_tokens(&self, account: &str, tokens: i64, now: Timestamp) -> Result<Balance> {
        self.move_tokens(account, -tokens, None, now).await.map(|account| account.balance)
    }

    /// Charges (negative) or credits (positive) an account, once for each [`Once`].
    pub async fn move_tokens(&self, id: &str, tokens: i64, once: Option<Once>, now: Timestamp) -> Result<StoredAccount> {
        let (id, plans) = (id.to_owned(), self.policy.clone());
        let meter = self.meter.clone();
        let job = move |connection: &Connection| {
            let mut account = accounts::by_id(connection, &id)?.ok_or_else(|| Error::no_such("account", id::ACCOUNT, &id))?;
            account.balance = account.balance_at(now, account.record.plan_at(&plans.plans, now).monthly_tokens);
            if let Some(once) = &once
                && idempotency::done(connection, once, now)?.is_some()
            {
                return Ok(account);
            }
            account.balance = if tokens < 0 {
                account.balance.charged(-tokens).ok_or(Error::NoBalance)?
            } else {
                let too_much = || Error::field("tokens", format!("would make the balance more than {MOST}"));
                account.balance.credited(tokens).ok_or_else(too_much)?
            };
            account.version += 1;
            accounts::update(connection, &account)?;
            if let Some(once) = &once {
                idempotency::remember(connection, once, &tokens.to_string(), now)?;
            }
            Ok(account)
        };
        self.store.write(job, move |account| meter.balance_changed(account)).await
    }
}
