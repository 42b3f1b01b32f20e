//! Usage summed up for people: over a time of an account, or one key of it, by start, by verdict and by key, all from one reading.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Services;
use super::usage::{Asker, Counts};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::usage::{Counted, Of, UsageAsk};
use crate::domain::verdict::Verdict;

/// How many rows are read at a time, and how often: of an account with so many keys that this is not enough, keys are not told apart.
const ROWS_AT_A_TIME: usize = 1000;
const MOST_PAGES: usize = 100;
/// The same in time.
const LONGEST: Duration = Duration::from_secs(3);

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

    fn add(&mut self, verdict: &str, count: u64) {
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
#[derive(Default)]
struct Adding {
    starts: BTreeMap<Timestamp, Ends>,
    verdicts: BTreeMap<String, u64>,
    keys: BTreeMap<String, Ends>,
}

impl Adding {
    fn add(&mut self, row: Counted) {
        self.starts.entry(row.start).or_default().add(&row.verdict, row.count);
        self.keys.entry(row.key).or_default().add(&row.verdict, row.count);
        let of_verdict = self.verdicts.entry(row.verdict).or_default();
        *of_verdict = of_verdict.saturating_add(row.count);
    }

    fn finish(self, ask: &UsageAsk, tells_keys: bool, is_whole: bool) -> Summary {
        let mut starts = Vec::new();
        let mut start = ask.from;
        while start < ask.to {
            starts.push((start, self.starts.get(&start).copied().unwrap_or_default()));
            start = start.plus(ask.by.length());
        }
        let mut all = Ends::default();
        self.verdicts.iter().for_each(|(verdict, count)| all.add(verdict, *count));
        let (mut verdicts, mut keys): (Counts, Vec<_>) = (self.verdicts.into_iter().collect(), self.keys.into_iter().collect());
        verdicts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        keys.sort_by_key(|(_, ends)| std::cmp::Reverse(ends.total()));
        Summary { all, starts, verdicts, keys: tells_keys.then_some(keys), is_whole }
    }
}

impl Services {
    /// Sums up what is asked for, whose time must be bounded: every start of it is told.
    pub async fn usage_summary(&self, ask: UsageAsk) -> Result<Summary> {
        if let (adding, true) = self.add_up(UsageAsk { of: Of::Key, ..ask.clone() }).await? {
            return Ok(adding.finish(&ask, true, true));
        }
        let (adding, is_whole) = self.add_up(UsageAsk { of: Of::All, ..ask.clone() }).await?;
        Ok(adding.finish(&ask, false, is_whole))
    }

    /// Reads as much as there is; answers whether that was all.
    async fn add_up(&self, ask: UsageAsk) -> Result<(Adding, bool)> {
        let (began, ask, mut adding, mut place) = (Instant::now(), Arc::new(ask), Adding::default(), None);
        for _ in 0..MOST_PAGES {
            let page = self.usage(&ask, place, ROWS_AT_A_TIME, Asker::Holder).await?;
            page.rows.into_iter().for_each(|row| adding.add(row));
            place = page.next;
            if place.is_none() {
                return Ok((adding, true));
            }
            if began.elapsed() > LONGEST {
                break;
            }
        }
        Ok((adding, false))
    }
}
