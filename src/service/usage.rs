//! Usage: read page by page in bounded pieces, and aged: old hours go, and old days.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::passed::Passed;
use super::{Services, slot_of};
use crate::domain::act::Act;
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::domain::usage::{By, Counted, HOUR, Place, Sums, UsageAsk};
use crate::domain::user::number_of;
use crate::store::{Connection, accounts, keys, usage, usage_totals};

/// How long one reading goes on from start to start. Other lists get their turn between two readings.
const READING: Duration = Duration::from_millis(200);
/// The same for holders of keys, who all share one thread.
pub(super) const READING_OF_HOLDERS: Duration = Duration::from_millis(50);
/// After so long a page is told as far as it came; the next one goes on from there.
const PAGE: Duration = Duration::from_secs(5);
/// A single start that takes longer to sum up is refused.
const LONGEST_START: Duration = Duration::from_secs(5);
/// After how many rows the time is looked at.
const ROWS_BETWEEN: u32 = 4096;

/// How often usage is aged, from the start on.
const AGE_EVERY: Duration = Duration::from_secs(60);

/// A page of usage.
#[derive(Clone, Debug)]
pub struct UsagePage {
    /// Its rows.
    pub rows: Vec<Counted>,
    /// Where the next page begins. It may begin before this one is full.
    pub next: Option<Place>,
}

/// Verdicts and their counts, in the order of their names.
pub type Counts = Vec<(String, u64)>;

/// What a key was told lately.
#[derive(Clone, Debug)]
pub struct Lately {
    /// In this hour.
    pub hour: Counts,
    /// Today, UTC.
    pub day: Counts,
    /// In this month, UTC.
    pub month: Counts,
}

/// Who asks: holders of keys have a thread of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Whoever administrates.
    Operator,
    /// The holder of a key.
    Holder,
}

/// How many accounts read about themselves at once, at the most; where more do, some wait for each other.
const TURNS: usize = 64;

/// Whose turn it is: of all keys of an account one reads at a time, so that however much it asks for, others wait for one reading
/// of it, and no more.
#[derive(Debug)]
pub struct Turns([Arc<Mutex<()>>; TURNS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }
}

impl Turns {
    /// Waits for an account's turn, which lasts as long as what is answered.
    pub(super) async fn of(&self, account: &str) -> OwnedMutexGuard<()> {
        self.0[slot_of(account) % TURNS].clone().lock_owned().await
    }
}

impl Services {
    /// The account and key that usage is asked for. Where the asker reaches one account only, all else does not exist.
    pub async fn usage_whose(&self, account: Option<String>, key: Option<String>, act: &Act) -> Result<(Option<String>, Option<String>)> {
        let actor = act.actor.clone();
        let job = move |connection: &Connection| {
            if let Some(account) = account.as_deref()
                && !(actor.reaches(account) && accounts::by_id(connection, account)?.is_some())
            {
                return Err(Error::no_such("account", id::ACCOUNT, account));
            }
            let bound = || account.clone().or(actor.bound_to().map(str::to_owned));
            let Some(key) = key else { return Ok((bound(), None)) };
            if number_of(&key).is_some() {
                let for_whom = bound().ok_or_else(|| Error::field("account", "must be given: a user may call for several"))?;
                return Ok((Some(for_whom), Some(key)));
            }
            let owner = keys::by_id(connection, &key)?.map(|key| key.record.account);
            match owner.filter(|owner| actor.reaches(owner) && account.as_ref().is_none_or(|account| account == owner)) {
                Some(owner) => Ok((Some(owner), Some(key))),
                None => Err(Error::no_such("key", id::KEY, &key)),
            }
        };
        self.store.list(job).await
    }

    /// A page of usage: up to `limit` rows from a place on. What was counted is there within a second.
    pub async fn usage(&self, ask: &Arc<UsageAsk>, from: Option<Place>, limit: usize, asker: Asker) -> Result<UsagePage> {
        let began = Instant::now();
        let (mut rows, mut next) = (Vec::new(), Some(from.unwrap_or_else(|| Place::at(ask.from))));
        while let Some(place) = next {
            let (ask, wanted) = (ask.clone(), limit + 1 - rows.len());
            let piece = match asker {
                Asker::Operator => self.store.list(move |connection| read(connection, &ask, place, wanted, READING)).await?,
                Asker::Holder => {
                    let turn = self.turns.of(ask.account.as_deref().unwrap_or_default()).await;
                    let job = move |connection: &Connection| {
                        // Kept until it is read, also where nobody waits for it any more.
                        let _turn = turn;
                        read(connection, &ask, place, wanted, READING_OF_HOLDERS)
                    };
                    self.store.read_for_holder(job).await?
                }
            };
            rows.extend(piece.rows);
            next = piece.next;
            if rows.len() > limit {
                return Ok(cut(rows, limit));
            }
            if began.elapsed() > PAGE {
                break;
            }
        }
        Ok(UsagePage { rows, next })
    }

    /// What a key was told in this hour, today and in this month.
    pub async fn usage_lately(&self, account: &str, key: &str, now: Timestamp) -> Result<Lately> {
        let since = [now.floor_to(HOUR), now.floor_to(By::Day.length()), now.month().0];
        let (account, key) = (account.to_owned(), key.to_owned());
        let rows = self.store.read_for_holder(move |connection| usage::of_key_since(connection, &account, &key, since)).await?;
        let since = |which: usize| {
            rows.iter().map(|(verdict, counts)| (verdict.clone(), counts[which])).filter(|(_, count)| *count > 0).collect::<Counts>()
        };
        Ok(Lately { hour: since(0), day: since(1), month: since(2) })
    }

    /// Round by round, so that no change waits long behind it.
    async fn age(&self, now: Timestamp) -> Result<()> {
        let history = self.policy.history;
        let hours = now.minus(history.usage_by_hour).floor_to(HOUR);
        let days = now.minus(history.usage_by_day).floor_to(By::Day.length());
        for (by, before) in [(By::Hour, hours), (By::Day, days)] {
            while self.store.write(move |connection| usage::forget(connection, by, before), |_| ()).await? {}
            while self.store.write(move |connection| usage_totals::forget(connection, by, before), |_| ()).await? {}
        }
        Ok(())
    }
}

/// Ages usage for as long as the program runs, each time as the services of that time say. A clock that is set forward meanwhile
/// takes no day away: days go by the time that has really passed since the start.
pub async fn age(services: impl Fn() -> Arc<Services>) {
    let passed = Passed::since(Timestamp::now());
    let mut turn = tokio::time::interval(AGE_EVERY);
    loop {
        turn.tick().await;
        let now = Timestamp::now();
        if let Err(error) = services().age(passed.surely(now)).await {
            tracing::warn!("usage could not be aged: {error}");
        }
    }
}

/// Reads from start to start until there are rows enough, or the time is up.
fn read(connection: &Connection, ask: &UsageAsk, mut place: Place, wanted: usize, reading: Duration) -> Result<UsagePage> {
    let (began, mut rows) = (Instant::now(), Vec::new());
    loop {
        let Some(start) = usage::next_start(connection, ask.by, place.start, ask.to)? else { return Ok(UsagePage { rows, next: None }) };
        if start != place.start {
            place = Place::at(start);
        }
        sum_up(connection, ask, &place, wanted, &mut rows)?;
        if let (true, Some(last)) = (rows.len() >= wanted, rows.last()) {
            return Ok(UsagePage { next: Some(Place::after(last)), rows });
        }
        place = Place::at(start.plus(ask.by.length()));
        if began.elapsed() > reading {
            return Ok(UsagePage { rows, next: Some(place) });
        }
    }
}

/// Sums up one start, as far as rows are wanted.
fn sum_up(connection: &Connection, ask: &UsageAsk, place: &Place, wanted: usize, rows: &mut Vec<Counted>) -> Result<()> {
    let (began, mut read) = (Instant::now(), 0u32);
    let mut sums = Sums::new(ask.of, place.start, place.after.as_ref());
    usage::rows_of(connection, ask, place, |account, key, verdict, count| {
        sums.add(account, key, verdict, count, rows);
        read = read.wrapping_add(1);
        if read.is_multiple_of(ROWS_BETWEEN) && began.elapsed() > LONGEST_START {
            return Err(too_much(ask.by));
        }
        Ok(rows.len() < wanted)
    })?;
    if rows.len() < wanted {
        sums.finish(rows);
        rows.truncate(wanted);
    }
    Ok(())
}

fn too_much(by: By) -> Error {
    match by {
        By::Day => Error::field("by", "one day of so many keys takes too long to sum up: ask by hour, or for one account or key"),
        By::Hour => Error::field("of", "one hour of so many keys takes too long to sum up: ask of=key, or for one account or key"),
    }
}

/// The first `limit` of more rows. Where the next one begins its start, nothing of that start has to be read again.
fn cut(mut rows: Vec<Counted>, limit: usize) -> UsagePage {
    let next = match (rows.get(limit.wrapping_sub(1)), rows.get(limit)) {
        (Some(last), Some(next)) if last.start == next.start => Some(Place::after(last)),
        (_, Some(next)) => Some(Place::at(next.start)),
        _ => None,
    };
    rows.truncate(limit);
    UsagePage { rows, next }
}
