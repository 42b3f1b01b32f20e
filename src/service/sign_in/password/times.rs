//! How long password hashes take to check, one kind beside the other: what a failed check has to last, so that nobody sees of which
//! kind a user's is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// So many checks of a kind, and as many before them, are remembered: a moment of much load is forgotten after them.
const REMEMBERED: u32 = 64;

/// So many kinds are told apart. More are as good as none: each is another program's, or another choice of parameters.
const MOST_KINDS: usize = 64;

/// What is known of each kind that was met.
#[derive(Debug, Default)]
pub struct Times(Mutex<BTreeMap<String, Kind>>);

/// Of one kind.
#[derive(Debug, Default)]
struct Kind {
    /// Whether it is as a new hash would be.
    is_current: bool,
    /// The slowest of those that are remembered, of those before them, and how many the first are.
    slowest: Duration,
    slowest_before: Duration,
    count: u32,
}

impl Times {
    /// Notes how long one took.
    pub fn note(&self, kind: String, is_current: bool, took: Duration) {
        let mut kinds = self.lock();
        if kinds.len() >= MOST_KINDS && !kinds.contains_key(&kind) {
            return;
        }
        let known = kinds.entry(kind).or_default();
        if known.count == REMEMBERED {
            (known.slowest_before, known.slowest, known.count) = (known.slowest, Duration::ZERO, 0);
        }
        (known.is_current, known.slowest, known.count) = (is_current, known.slowest.max(took), known.count + 1);
    }

    /// How long a failed check has to last: as the slowest of every kind lately. Where all are of the current one, they are alike.
    pub fn least(&self) -> Duration {
        let kinds = self.lock();
        if kinds.values().all(|kind| kind.is_current) {
            return Duration::ZERO;
        }
        kinds.values().map(|kind| kind.slowest.max(kind.slowest_before)).max().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kind>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn as_the_slowest_of_every_kind_lately() {
        let times = Times::default();
        times.note("new".into(), true, millis(80));
        assert_eq!(times.least(), Duration::ZERO, "all are alike");
        times.note("old".into(), false, millis(30));
        assert_eq!(times.least(), millis(80), "the older is quicker");
        times.note("bcrypt".into(), false, millis(200));
        assert_eq!(times.least(), millis(200));
        // What one kind takes is not forgotten for many of another.
        for _ in 0..10 * REMEMBERED {
            times.note("new".into(), true, millis(81));
        }
        assert_eq!(times.least(), millis(200));
        // A moment of much load is.
        times.note("new".into(), true, millis(3000));
        assert_eq!(times.least(), millis(3000));
        for _ in 0..2 * REMEMBERED {
            times.note("new".into(), true, millis(81));
        }
        assert_eq!(times.least(), millis(200));
    }

    #[test]
    fn no_more_kinds_than_are_told_apart() {
        let times = Times::default();
        for kind in 0..1000 {
            times.note(kind.to_string(), false, millis(1));
        }
        assert_eq!(times.lock().len(), MOST_KINDS);
        times.note("0".into(), false, millis(9));
        assert_eq!(times.least(), millis(9));
    }
}
