//! Balances: committed before they are answered, each movement with its reason.

use std::sync::{Arc, OnceLock};

use serde_json::json;

use super::journal::Change;
use super::{Services, accounts::no_such};
use crate::domain::act::{Act, Actor};
use crate::domain::balance::{Balance, MOST, Movement, Paid};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::time::{Span, Timestamp};
use crate::store::Connection;
use crate::store::accounts::{self, StoredAccount};
use crate::store::balances::{self, Entry};
use crate::store::idempotency::{self, Once};

/// What requests use is summed up by the hour.
const USE: Span = Span::from_secs(3600);

/// Why a balance moves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// Requests at the gate, within the hour of this one.
    Requests(Timestamp),
    /// A billing month began then.
    Month(Timestamp),
    /// Somebody moved it.
    Act {
        /// Who, and when.
        act: &'a Act,
        /// Why, as they say.
        reason: &'a str,
    },
}

/// Tokens that are charged (negative) or credited (positive).
#[derive(Clone, Debug)]
pub struct Move {
    /// Whose balance.
    pub account: String,
    /// How many.
    pub tokens: i64,
    /// Why; may be empty.
    pub reason: String,
}

impl Services {
    /// Takes tokens of an account, all or none. Answers what is left, and what was taken from where.
    pub(super) async fn take_tokens(self: &Arc<Self>, account: &str, tokens: i64, now: Timestamp) -> Result<(Balance, Paid)> {
        let before = Arc::new(OnceLock::new());
        let seen = before.clone();
        let change = move |balance: Balance| {
            let _ = seen.set(balance);
            balance.charged(tokens).ok_or(Error::NoBalance)
        };
        let account = self.use_balance(account, now, tokens, change).await?;
        let before = before.get().copied().unwrap_or(account.balance);
        Ok((account.balance, account.balance.paid_from(before)))
    }

    /// Puts tokens back where they were taken from.
    pub(super) async fn put_back_tokens(self: &Arc<Self>, account: &str, paid: Paid, now: Timestamp) -> Result<Balance> {
        self.use_balance(account, now, 0, move |balance| Ok(balance.refunded(paid))).await.map(|account| account.balance)
    }

    /// Writes down that a billing month has begun: it counts from its first moment on, and is written with what comes next.
    pub(super) async fn begin_month(self: &Arc<Self>, account: &str, now: Timestamp) -> Result<()> {
        self.use_balance(account, now, 0, Ok).await.map(|_| ())
    }

    /// Changes a balance for a request at the gate, which is charged so many tokens, if any.
    async fn use_balance(
        self: &Arc<Self>,
        id: &str,
        now: Timestamp,
        tokens: i64,
        change: impl FnOnce(Balance) -> Result<Balance> + Send + 'static,
    ) -> Result<StoredAccount> {
        let (id, services) = (id.to_owned(), self.clone());
        let job = move |connection: &Connection| services.change_balance(connection, &id, change, Movement::Used, Cause::Requests(now));
        let services = self.clone();
        let after = move |account: &StoredAccount| {
            services.meter.balance_changed(account);
            services.metrics.charged(tokens);
        };
        self.store.write(job, after).await
    }

    /// Charges or credits an account, once for each [`Once`].
    pub async fn move_tokens(self: &Arc<Self>, wanted: Move, once: Option<Once>, act: &Act) -> Result<StoredAccount> {
        if !act.reaches(&wanted.account) {
            return Err(no_such(&wanted.account));
        }
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            if idempotency::done(connection, once.as_ref(), act.at)?.is_some() {
                let account = accounts::by_id(connection, &wanted.account)?.ok_or_else(|| no_such(&wanted.account))?;
                return Ok((services.refilled(account, act.at), 0));
            }
            let account = services.move_now(connection, &wanted, &act)?;
            idempotency::remember(connection, once.as_ref(), &wanted.tokens.to_string(), act.at)?;
            Ok((account, -wanted.tokens))
        };
        let services = self.clone();
        let after = move |(account, tokens): &(StoredAccount, i64)| {
            services.meter.balance_changed(account);
            services.metrics.charged(*tokens);
        };
        self.store.write(job, after).await.map(|(account, _)| account)
    }

    fn move_now(&self, connection: &Connection, wanted: &Move, act: &Act) -> Result<StoredAccount> {
        let tokens = wanted.tokens;
        let change = |balance: Balance| match tokens {
            ..0 => balance.charged(-tokens).ok_or(Error::NoBalance),
            _ => balance.credited(tokens).ok_or_else(|| Error::field("tokens", format!("would make the balance more than {MOST}"))),
        };
        let (movement, event) =
            if tokens < 0 { (Movement::Charged, Event::BalanceCharged) } else { (Movement::Credited, Event::BalanceCredited) };
        let cause = Cause::Act { act, reason: &wanted.reason };
        let account = self.change_balance(connection, &wanted.account, change, movement, cause)?;
        let held = account.balance.total();
        let (id, before) = (wanted.account.as_str(), json!({ "balance": held - tokens }));
        let after = json!({ "balance": held, "reason": wanted.reason });
        self.journal(connection, act, Change { event, target: id, account: Some(id), before, after })?;
        Ok(account)
    }

    /// Changes a balance as it stands now.
    fn change_balance(
        &self,
        connection: &Connection,
        id: &str,
        change: impl FnOnce(Balance) -> Result<Balance>,
        movement: Movement,
        cause: Cause<'_>,
    ) -> Result<StoredAccount> {
        let mut account = accounts::by_id(connection, id)?.ok_or_else(|| no_such(id))?;
        self.refill(connection, &mut account, cause.at())?;
        let held = account.balance.total();
        account.balance = change(account.balance)?;
        account.version += 1;
        accounts::update(connection, &account)?;
        self.moved(connection, &account, held, movement, cause)?;
        Ok(account)
    }

    /// Gives an account the tokens of the billing month, where one has begun; they are stored with the change that follows.
    pub(super) fn refill(&self, connection: &Connection, account: &mut StoredAccount, now: Timestamp) -> Result<()> {
        let (period, held) = (account.balance.period, account.balance.total());
        account.balance = account.balance_at(now, account.record.plan_at(&self.policy.plans, now).monthly_tokens);
        let month = account.balance.period;
        if month == period { Ok(()) } else { self.moved(connection, account, held, Movement::Refilled, Cause::Month(month)) }
    }

    /// Writes down how a balance moved that held `held` before.
    pub(super) fn moved(
        &self,
        connection: &Connection,
        account: &StoredAccount,
        held: i64,
        kind: Movement,
        cause: Cause<'_>,
    ) -> Result<()> {
        let balance = account.balance.total();
        if balance == held {
            return Ok(());
        }
        let (at, actor, request_id, reason) = match cause {
            Cause::Requests(now) => (now.floor_to(USE), Actor::Tollgate.name(), "", ""),
            Cause::Month(start) => (start, Actor::Tollgate.name(), "", ""),
            Cause::Act { act, reason } => (act.at, act.actor.name(), act.request_id.as_str(), reason),
        };
        let entry = Entry {
            id: self.next_id(connection, id::BALANCE, cause.at())?,
            account: account.record.id.clone(),
            at,
            kind,
            tokens: balance - held,
            balance,
            reason: reason.to_owned(),
            actor: actor.to_owned(),
            request_id: request_id.to_owned(),
        };
        balances::insert(connection, &entry)?;
        let is_refund = kind == Movement::Used && balance > held;
        self.announcer.balance_moved(connection, account, held, is_refund, cause.at())
    }
}

impl Cause<'_> {
    const fn at(&self) -> Timestamp {
        match self {
            Self::Requests(at) | Self::Month(at) => *at,
            Self::Act { act, .. } => act.at,
        }
    }
}
