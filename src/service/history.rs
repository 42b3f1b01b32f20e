//! What has happened: the audit and the movements of balances, read page by page, and forgotten in their time.

use std::sync::Arc;

use serde_json::Value;

use super::journal::Change;
use super::{Page, PageAsk, Services};
use crate::domain::act::Act;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::time::{Span, Timestamp};
use crate::store::{Connection, accounts, audit, balances, idempotency, windows};

/// A window is kept this long after it is full again, against clocks that step back.
const WINDOWS_KEPT: Span = Span::from_secs(3600);

impl Services {
    /// A page of the audit, newest first. Who is bound to an account sees what belongs to it.
    pub async fn audit(&self, mut filter: audit::Filter, ask: PageAsk, act: &Act) -> Result<Page<audit::Entry>> {
        if let Some(own) = act.bound_to() {
            if filter.account.as_deref().is_some_and(|account| account != own) {
                return Ok(Page { data: Vec::new(), next_cursor: None });
            }
            filter.account = Some(own.to_owned());
        }
        (filter.cursor, filter.limit) = (ask.cursor.clone(), ask.limit + 1);
        let rows = self.store.list(move |connection| audit::list(connection, &filter)).await?;
        Ok(ask.page(rows, |entry| entry.id.clone()))
    }

    /// A page of an account's movements, newest first.
    pub async fn movements(&self, account: &str, ask: PageAsk, act: &Act) -> Result<Page<balances::Entry>> {
        let no_such = Error::no_such("account", id::ACCOUNT, account);
        if !act.reaches(account) {
            return Err(no_such);
        }
        let (account, wanted) = (account.to_owned(), ask.clone());
        let read = move |connection: &Connection| {
            let is_there = accounts::by_id(connection, &account)?.is_some();
            is_there.then(|| balances::list(connection, &account, &wanted.cursor, wanted.limit + 1)).transpose()
        };
        let rows = self.store.list(read).await?.ok_or(no_such)?;
        Ok(ask.page(rows, |entry| entry.id.clone()))
    }

    /// Notes in the audit that the database was copied, and whereto.
    pub async fn note_backup(self: &Arc<Self>, copy: Value, act: &Act) -> Result<()> {
        let (services, act) = (self.clone(), act.clone());
        let change = move |connection: &Connection| {
            let change = Change { event: Event::DatabaseBackedUp, target: "", account: None, before: Value::Null, after: copy };
            services.journal(connection, &act, change)
        };
        self.store.write(change, |()| ()).await
    }

    /// Forgets what has had its time, round by round, so that no change waits long behind it.
    pub async fn tidy(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        let history = self.policy.history;
        self.rounds(idempotency::tidy, now).await?;
        self.rounds(windows::tidy, now.minus(WINDOWS_KEPT)).await?;
        self.rounds(audit::tidy, now.minus(history.audit)).await?;
        self.rounds(balances::tidy, now.minus(history.balance)).await
    }

    /// Runs one kind of tidying until nothing is left to forget.
    async fn rounds(&self, tidy: fn(&Connection, Timestamp) -> Result<bool>, before: Timestamp) -> Result<()> {
        while self.store.write(move |connection| tidy(connection, before), |_| ()).await? {}
        Ok(())
    }
}
