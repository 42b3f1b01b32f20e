//! Which accounts and keys are busiest: read row by row in turns, with no more in memory than is bounded.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::error::{Error, Result};
use crate::domain::time::Timestamp;
use crate::domain::usage::{By, UsageAsk};
use crate::domain::user::number_of;
use crate::service::Services;
use crate::service::usage_summary::Ends;
use crate::store::usage::{Spot, walk};
use crate::store::{Connection, accounts, keys, users};

/// How many are told.
const TOLD: usize = 10;

/// How many are told apart while they are counted. Where there are more, those with the least so far are dropped, half of them at once.
const MOST: usize = 20_000;

/// How long one turn of reading lasts, after how many rows the time is looked at, and how long all turns may take together.
const TURN: Duration = Duration::from_millis(50);
const ROWS_BETWEEN: u32 = 1024;
const LONGEST: Duration = Duration::from_secs(30);

/// Who is busiest.
#[derive(Clone, Debug, Default)]
pub struct Busiest {
    /// Accounts, the busiest first.
    pub accounts: Vec<Busy>,
    /// Keys and users, the busiest first.
    pub keys: Vec<Busy>,
    /// By how much a count may be too small at the most: 0 where all could be told apart.
    pub missing: u64,
    /// Whether all was read: there may be too much of it.
    pub is_whole: bool,
}

/// An account, a key or a user.
#[derive(Clone, Debug, Default)]
pub struct Busy {
    /// `acc_…`, `key_…` or `user_42`.
    pub id: String,
    /// What it is called; the id where it is no more.
    pub name: String,
    /// Of a key: what its account is called.
    pub account: Option<String>,
    /// How its requests ended.
    pub ends: Ends,
}

/// While it is counted. Rows of one account, and of one key, lie together: their sum is added once.
#[derive(Default)]
struct Adding {
    accounts: Leaders,
    keys: Leaders,
    account: (String, Ends),
    key: (String, Ends),
}

impl Adding {
    fn add(&mut self, account: &str, key: &str, verdict: &str, count: u64) {
        if self.key.0 != key || self.account.0 != account {
            self.keys.take(&mut self.key, key);
        }
        if self.account.0 != account {
            self.accounts.take(&mut self.account, account);
        }
        self.key.1.add(verdict, count);
        self.account.1.add(verdict, count);
    }

    fn finish(mut self) -> (Leaders, Leaders) {
        self.keys.take(&mut self.key, "");
        self.accounts.take(&mut self.account, "");
        (self.accounts, self.keys)
    }
}

/// Those with the most so far.
#[derive(Default)]
struct Leaders {
    counts: HashMap<Box<str>, Ends>,
    /// The most that one had who was dropped, for each time that some were.
    missing: u64,
}

impl Leaders {
    /// Adds what was summed up of one, and begins with the next. Nobody is not busy.
    fn take(&mut self, (id, ends): &mut (String, Ends), next: &str) {
        if !id.is_empty() {
            self.add(id, *ends);
        }
        id.clear();
        id.push_str(next);
        *ends = Ends::default();
    }

    fn add(&mut self, id: &str, more: Ends) {
        if let Some(ends) = self.counts.get_mut(id) {
            *ends = ends.and(more);
            return;
        }
        if self.counts.len() >= MOST {
            self.drop_half();
        }
        self.counts.insert(id.into(), more);
    }

    fn drop_half(&mut self) {
        let mut totals: Vec<u64> = self.counts.values().map(Ends::total).collect();
        let middle = totals.len() / 2;
        let (_, median, _) = totals.select_nth_unstable(middle);
        let bound = *median;
        self.missing = self.missing.saturating_add(bound);
        self.counts.retain(|_, ends| ends.total() > bound);
    }

    /// The first ones; of equals the one whose id is first.
    fn first(self) -> Vec<(Box<str>, Ends)> {
        let mut all: Vec<_> = self.counts.into_iter().collect();
        all.sort_unstable_by(|(id, ends), (other_id, other)| other.total().cmp(&ends.total()).then_with(|| id.cmp(other_id)));
        all.truncate(TOLD);
        all
    }
}

impl Services {
    /// Reads all rows of a time, in turns: other lists get theirs between two.
    pub(super) async fn count_busiest(&self, ask: &UsageAsk) -> Result<Busiest> {
        let (began, by, to, mut adding, mut is_whole) = (Instant::now(), ask.by, ask.to, Adding::default(), true);
        let mut spot = Some(Spot::before(ask.from));
        while let Some(from) = spot {
            if began.elapsed() > LONGEST {
                is_whole = false;
                break;
            }
            (adding, spot) = self.store.list(move |connection| turn(connection, by, &from, to, adding)).await?;
        }
        let (accounts, keys) = adding.finish();
        let missing = accounts.missing.max(keys.missing);
        let (accounts, keys) = (accounts.first(), keys.first());
        self.store
            .list(move |connection| {
                let told =
                    |all: Vec<(Box<str>, Ends)>| all.into_iter().map(|(id, ends)| named(connection, &id, ends)).collect::<Result<_>>();
                Ok(Busiest { accounts: told(accounts)?, keys: told(keys)?, missing, is_whole })
            })
            .await
    }
}

/// One turn; answers where the next one begins, where there is one.
fn turn(connection: &Connection, by: By, from: &Spot, to: Timestamp, mut adding: Adding) -> Result<(Adding, Option<Spot>)> {
    let (began, mut rows) = (Instant::now(), 0u32);
    let next = walk(connection, by, from, to, |account, key, verdict, count| {
        adding.add(account, key, verdict, count);
        rows = rows.wrapping_add(1);
        !rows.is_multiple_of(ROWS_BETWEEN) || began.elapsed() < TURN
    })?;
    Ok((adding, next))
}

/// What it is called.
fn named(connection: &Connection, id: &str, ends: Ends) -> Result<Busy> {
    let name_of = |account: &str| Ok::<_, Error>(accounts::by_id(connection, account)?.map(|found| found.record.name));
    let (mut name, mut account) = (None, None);
    if let Some(user) = number_of(id) {
        name = users::find(connection, &users::By::Id(user))?.map(|user| user.name);
    } else if let Some(key) = keys::by_id(connection, id)? {
        (name, account) = (Some(key.record.name), name_of(&key.record.account)?);
    } else {
        name = name_of(id)?.or(name);
    }
    Ok(Busy { id: id.to_owned(), name: name.unwrap_or_else(|| id.to_owned()), account, ends })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_lie_together_are_one() {
        let mut adding = Adding::default();
        let rows = [
            ("", "", "missing", 9),
            ("a", "", "disabled", 1),
            ("a", "k", "ok", 3),
            ("a", "k", "rate_limited", 2),
            ("b", "l", "ok", 4),
            // The next hour, which may begin where the last one ended.
            ("b", "l", "ok", 4),
            ("a", "l2", "ok", 1),
        ];
        rows.into_iter().for_each(|(account, key, verdict, count)| adding.add(account, key, verdict, count));
        let told = |leaders: Leaders| {
            leaders.first().into_iter().map(|(id, ends)| (id.to_string(), ends.passed, ends.refused)).collect::<Vec<_>>()
        };
        let (accounts, keys) = adding.finish();
        assert_eq!(told(accounts), [("b".into(), 8, 0), ("a".into(), 4, 3)]);
        assert_eq!(told(keys), [("l".into(), 8, 0), ("k".into(), 3, 2), ("l2".into(), 1, 0)]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_missing_is_known() {
        let mut leaders = Leaders::default();
        for round in 0..3 {
            for number in 0..2 * MOST as u64 {
                let passed = if number % 10_000 == 7 { 1000 } else { 1 };
                leaders.add(&format!("key {number}"), Ends { passed, ..Ends::default() });
            }
            assert!(leaders.counts.len() <= MOST, "{round}");
        }
        let missing = leaders.missing;
        let first = leaders.first();
        let busy: Vec<_> = first.iter().filter(|(_, ends)| ends.total() >= 1000).collect();
        assert_eq!(busy.len(), 4, "{first:?}");
        assert!(missing > 0 && busy.iter().all(|(_, ends)| (3000 - missing..=3000).contains(&ends.total())), "{first:?} {missing}");
    }
}
