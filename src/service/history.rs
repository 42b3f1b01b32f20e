//! What has happened: the audit and the movements of balances, read page by page, and forgotten in their time.

use std::sync::Arc;

use serde_json::Value;

use super::journal::Change;
use super::{Page, PageAsk, Services};
use crate::domain::act::{Act, Actor};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::handle;
use crate::store::{
    Connection, accounts, audit, balances, idempotency, invitations, mails, members, notices, outbox, proofs, sessions, spent, windows,
};

/// A window is kept this long after it is full again, against clocks that step back.
const WINDOWS_KEPT: Span = Span::from_secs(3600);

/// Sessions and proofs are kept this long after their end: from where somebody signed in lately is familiar. Of a proof only that it
/// was.
const SIGN_IN_KEPT: Span = Span::from_secs(30 * 86_400);

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
        // Who looks after an account knows its people.
        let own = act.developer().and(act.bound_to()).map(str::to_owned);
        let job = move |connection: &Connection| {
            let people = own.map(|own| members::of_account(connection, &own)).transpose()?.unwrap_or_default();
            let people: Vec<String> = people.into_iter().map(|member| handle(member.user)).collect();
            Ok((audit::list(connection, &filter)?, people))
        };
        let (mut rows, people) = self.store.list(job).await?;
        for entry in rows.iter_mut().filter(|entry| is_anothers(&entry.actor, act) && !people.contains(&entry.actor)) {
            (entry.actor, entry.origin, entry.request_id) = (known_as(&entry.actor, act), String::new(), String::new());
        }
        Ok(ask.page(rows, |entry| entry.id.clone()))
    }

    /// One entry of the audit, for whoever is bound to no account.
    pub async fn audit_entry(&self, id: &str, act: &Act) -> Result<audit::Entry> {
        let no_such = Error::no_such("entry", id::AUDIT, id);
        if act.bound_to().is_some() {
            return Err(no_such);
        }
        let id = id.to_owned();
        self.store.read(move |connection| audit::by_id(connection, &id)).await?.ok_or(no_such)
    }

    /// A page of an account's movements, newest first. A billing month that has begun counts, and so stands there too.
    pub async fn movements(self: &Arc<Self>, account: &str, ask: PageAsk, act: &Act) -> Result<Page<balances::Entry>> {
        let found = self.store.read({
            let account = account.to_owned();
            move |connection| accounts::by_id(connection, &account)
        });
        self.check_reach(account, act).await?;
        let found = found.await?.ok_or_else(|| Error::no_such("account", id::ACCOUNT, account))?;
        let period = found.balance.period;
        if self.refilled(found, act.at).balance.period != period {
            self.begin_month(account, act.at).await?;
        }
        let (account, wanted) = (account.to_owned(), ask.clone());
        let mut rows = self.store.list(move |connection| balances::list(connection, &account, &wanted.cursor, wanted.limit + 1)).await?;
        rows.iter_mut().for_each(|entry| keep_to(entry, act));
        Ok(ask.page(rows, |entry| entry.id.clone()))
    }

    /// One of an account's movements.
    pub async fn movement(&self, account: &str, id: &str, act: &Act) -> Result<balances::Entry> {
        self.check_reach(account, act).await?;
        let (account, wanted) = (account.to_owned(), id.to_owned());
        let found = self.store.read(move |connection| balances::one(connection, &account, &wanted)).await?;
        let mut entry = found.ok_or_else(|| Error::no_such("movement", id::BALANCE, id))?;
        keep_to(&mut entry, act);
        Ok(entry)
    }

    /// Notes in the audit what happened to the whole server.
    pub async fn note(self: &Arc<Self>, event: Event, after: Value, act: &Act) -> Result<()> {
        let (services, act) = (self.clone(), act.clone());
        let change = move |connection: &Connection| {
            let change = Change { event, target: "", account: None, before: Value::Null, after };
            services.journal(connection, &act, change)
        };
        self.store.write(change, |()| ()).await
    }

    /// Forgets what has had its time, round by round, so that no change waits long behind it. `now` is a time that it surely is.
    pub async fn tidy(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        let history = self.policy.history;
        self.rounds(idempotency::tidy, now).await?;
        self.rounds(spent::tidy, now).await?;
        self.rounds(proofs::wipe, now).await?;
        self.rounds(proofs::tidy_waits, now).await?;
        self.rounds(proofs::tidy, now.minus(SIGN_IN_KEPT)).await?;
        self.rounds(sessions::tidy, now.minus(SIGN_IN_KEPT)).await?;
        self.rounds(windows::tidy, now.minus(WINDOWS_KEPT)).await?;
        self.rounds(audit::tidy, now.minus(history.audit)).await?;
        self.rounds(balances::tidy, now.minus(history.balance)).await?;
        self.rounds(notices::tidy, now.minus(WINDOWS_KEPT)).await?;
        self.rounds(invitations::tidy, now.minus(history.audit)).await?;
        self.give_up_waiting(now.minus(history.webhooks)).await?;
        self.rounds(outbox::tidy, now.minus(history.webhooks)).await?;
        self.rounds(mails::tidy, now.minus(history.mails)).await
    }

    /// Runs one kind of tidying until nothing is left to forget.
    async fn rounds(&self, tidy: fn(&Connection, Timestamp) -> Result<bool>, before: Timestamp) -> Result<()> {
        while self.store.write(move |connection| tidy(connection, before), |_| ()).await? {}
        Ok(())
    }
}

/// Leaves out of an entry what whoever asks is not told.
fn keep_to(entry: &mut balances::Entry, act: &Act) {
    if is_anothers(&entry.actor, act) {
        (entry.actor, entry.request_id) = (known_as(&entry.actor, act), String::new());
    }
}

/// What whoever is bound to an account is told of somebody else: users know each other, also of those who have left; the rest is the
/// operator.
fn known_as(actor: &str, act: &Act) -> String {
    let is_user = actor.starts_with("user_") && act.actor.user().is_some();
    if is_user { actor.to_owned() } else { Actor::Operator.name().to_owned() }
}

/// Whether somebody else did it, of whom who is bound to an account is not told: to them that is the operator.
fn is_anothers(actor: &str, act: &Act) -> bool {
    act.bound_to().is_some() && actor != act.actor.name() && actor != Actor::Tollgate.name()
}
