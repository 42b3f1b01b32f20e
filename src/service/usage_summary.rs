//! Usage summed up for people: over a time of an account, or one key of it, by start, by verdict and by key, all from one reading.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Services;
use super::usage::{Counts, READING_OF_HOLDERS};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::usage::{After, Place, UsageAsk};
use crate::domain::verdict::Verdict;
use crate::store::{Connection, usage, usage_totals};

/// How many keys are told apart.
const MOST_KEYS: usize = 10_000;

/// How long it may take in all, and after how many keys the time is looked at.
const LONGEST: Duration = Duration::from_secs(3);
const KEYS_BETWEEN: u32 = 256;

/// How many requests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Passed, and were answered.
    pub passed: u64,
    /// Refused.
    pub refused: u64,
    /// Passed, and then something failed.
    pub failed: u64,
}

impl Ends {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.passed.saturating_add(self.refused).saturating_add(self.failed)
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        let Self { passed, refused, failed } = other;
        Self {
            passed: self.passed.saturating_add(passed),
            refused: self.refused.saturating_add(refused),
            failed: self.failed.saturating_add(failed),
        }
    }

    /// Adds requests with a verdict.
    pub fn add(&mut self, verdict: &str, count: u64) {
        let of = match Verdict::from_name(verdict) {
            Some(verdict) if verdict.passes() => &mut self.passed,
            Some(verdict) if verdict.has_passed() => &mut self.failed,
            _ => &mut self.refused,
        };
        *of = of.saturating_add(count);
    }
}

/// Usage, summed up.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// All of it.
    pub all: Ends,
    /// Each start of the time, also where there was nothing.
    pub starts: Vec<(Timestamp, Ends)>,
    /// Verdicts, the most frequent first.
    pub verdicts: Counts,
    /// Keys and users, the busiest first; none where there are too many to be told apart.
    pub keys: Option<Vec<(String, Ends)>>,
    /// Whether all was read: there may be too much of it.
    pub is_whole: bool,
}

/// While it is read.
struct Adding {
    starts: BTreeMap<Timestamp, Ends>,
    verdicts: Counts,
    /// None once there are too many.
    keys: Option<HashMap<Box<str>, Ends>>,
}

impl Adding {
    fn new(tells_keys: bool) -> Self {
        Self { starts: BTreeMap::new(), verdicts: Vec::new(), keys: tells_keys.then(HashMap::new) }
    }

    fn add(&mut self, start: Timestamp, key: &str, verdict: &str, count: u64) {
        let mut ends = Ends::default();
        ends.add(verdict, count);
        let of_start = self.starts.entry(start).or_default();
        *of_start = of_start.and(ends);
        match self.verdicts.iter_mut().find(|(known, _)| known == verdict) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => self.verdicts.push((verdict.to_owned(), count)),
        }
        let Some(keys) = &mut self.keys else { return };
        if let Some(of_key) = keys.get_mut(key) {
            *of_key = of_key.and(ends);
        } else if keys.len() < MOST_KEYS {
            keys.insert(key.into(), ends);
        } else {
            self.keys = None;
        }
    }

    fn finish(self, ask: &UsageAsk, is_whole: bool) -> Summary {
        let all = self.starts.values().copied().fold(Ends::default(), Ends::and);
        let mut starts = Vec::new();
        let mut start = ask.from;
        while start < ask.to {
            starts.push((start, self.starts.get(&start).copied().unwrap_or_default()));
            start = start.plus(ask.by.length());
        }
        let mut verdicts = self.verdicts;
        verdicts.sort_unstable_by(|(name, count), (other, of_other)| of_other.cmp(count).then_with(|| name.cmp(other)));
        let keys = self.keys.map(|keys| {
            let mut keys: Vec<_> = keys.into_iter().map(|(key, ends)| (key.into_string(), ends)).collect();
            keys.sort_unstable_by(|(key, ends), (other, of_other)| of_other.total().cmp(&ends.total()).then_with(|| key.cmp(other)));
            keys
        });
        Summary { all, starts, verdicts, keys, is_whole }
    }
}

impl Summary {
    /// Of the whole server, from its totals.
    pub(super) fn of_totals(connection: &Connection, ask: &UsageAsk) -> Result<Self> {
        let mut adding = Adding::new(false);
        usage_totals::read(connection, ask.by, ask.from, ask.to, |start, verdict, count| adding.add(start, "", verdict, count))?;
        Ok(adding.finish(ask, true))
    }
}

impl Services {
    /// Sums up what is asked for of an account, whose time must be bounded: every start of it is told. Read in turns, as all that
    /// holders of keys ask for.
    pub async fn usage_summary(&self, ask: UsageAsk) -> Result<Summary> {
        let (began, ask, mut adding) = (Instant::now(), Arc::new(ask), Adding::new(true));
        let mut place = Some(Place::at(ask.from));
        while let Some(from) = place {
            if began.elapsed() > LONGEST {
                return Ok(adding.finish(&ask, false));
            }
            let turn = self.turns.of(ask.account.as_deref().unwrap_or_default()).await;
            let asked = ask.clone();
            let job = move |connection: &Connection| {
                // Kept until it is read, also where nobody waits for it any more.
                let _turn = turn;
                let next = read(connection, &asked, from, &mut adding)?;
                Ok((adding, next))
            };
            (adding, place) = self.store.read_for_holder(job).await?;
        }
        Ok(adding.finish(&ask, true))
    }
}

/// One reading: adds up from a place on until the time is up; answers where the next one goes on.
fn read(connection: &Connection, ask: &UsageAsk, mut place: Place, adding: &mut Adding) -> Result<Option<Place>> {
    let (began, mut keys) = (Instant::now(), 0u32);
    let is_up = || began.elapsed() > READING_OF_HOLDERS;
    while let Some(start) = usage::next_start(connection, ask.by, place.start, ask.to)? {
        if start != place.start {
            place = Place::at(start);
        }
        let (mut last, mut next) = (String::new(), None);
        usage::rows_of(connection, ask, &place, |account, key, verdict, count| {
            // It ends between two keys, so that none is added twice.
            if key != last {
                keys = keys.wrapping_add(1);
                if keys.is_multiple_of(KEYS_BETWEEN) && is_up() {
                    next = Some(After { account: account.into(), key: key.into(), verdict: String::new() });
                    return Ok(false);
                }
                key.clone_into(&mut last);
            }
            adding.add(start, key, verdict, count);
            Ok(true)
        })?;
        if next.is_some() {
            return Ok(Some(Place { start, after: next }));
        }
        place = Place::at(start.plus(ask.by.length()));
        if is_up() {
            return Ok(Some(place));
        }
    }
    Ok(None)
}
