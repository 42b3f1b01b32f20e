//! What is counted and timed while the program runs: relaxed atomics, without a lock and without an allocation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The upper ends of a histogram's buckets, in microseconds; what took longer is in one more. A decision from memory takes less than
/// the first, an app behind the gate up to the last.
pub const BUCKETS: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// At nothing.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number as it was last counted.
#[derive(Debug, Default)]
pub struct Latest(OnceLock<AtomicU64>);

impl Latest {
    /// It is this one now.
    pub fn set(&self, number: u64) {
        self.0.get_or_init(AtomicU64::default).store(number, Ordering::Relaxed);
    }

    /// Which it was; `None` where it was never counted.
    pub fn get(&self) -> Option<u64> {
        self.0.get().map(|number| number.load(Ordering::Relaxed))
    }
}

/// How many there are at once: each as long as its [`Present`] lives.
#[derive(Debug, Default)]
pub struct Crowd(Arc<AtomicU64>);

impl Crowd {
    /// One more, while what is answered lives.
    pub fn join(&self) -> Present {
        self.0.fetch_add(1, Ordering::Relaxed);
        Present(self.0.clone())
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of a [`Crowd`].
#[derive(Debug)]
pub struct Present(Arc<AtomicU64>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long something took, by [`BUCKETS`].
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Times from now until what is answered goes, also where whoever waits gives up.
    pub fn start(&self) -> Timer<'_> {
        Timer { histogram: self, began: Instant::now() }
    }

    /// Takes one time.
    pub fn observe(&self, took: Duration) {
        let micros = took.as_nanos().div_ceil(1000);
        let bucket = BUCKETS.iter().position(|end| micros <= u128::from(*end)).unwrap_or(BUCKETS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many took how long: each bucket with all before it, the last with everything; and all times together.
    pub fn read(&self) -> ([u64; BUCKETS.len() + 1], Duration) {
        let mut sum = 0;
        let counts = self.buckets.each_ref().map(|bucket| {
            sum += bucket.load(Ordering::Relaxed);
            sum
        });
        (counts, Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)))
    }
}

/// What so many of a hundred took at the most, as far as buckets tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// No longer than this.
    Time(Duration),
    /// Longer than the last bucket reaches.
    Longer,
}

impl Histogram {
    /// How many there were, and what this many of a hundred of them took at the most: the end of the bucket in which that one is. `None`
    /// where there were none.
    pub fn within<const N: usize>(&self, percents: [u64; N]) -> Option<(u64, [Within; N])> {
        let (counts, _) = self.read();
        let all = counts.last().copied().filter(|all| *all > 0)?;
        Some((all, percents.map(|percent| within(&counts, all, percent))))
    }
}

fn within(counts: &[u64], all: u64, percent: u64) -> Within {
    // The one at this place when they stand in a row, the quickest first.
    let place = (u128::from(all) * u128::from(percent)).div_ceil(100).max(1);
    let bucket = counts.iter().position(|count| u128::from(*count) >= place).unwrap_or(BUCKETS.len());
    BUCKETS.get(bucket).map_or(Within::Longer, |micros| Within::Time(Duration::from_micros(*micros)))
}

/// Something that is being timed.
#[derive(Debug)]
pub struct Timer<'h> {
    histogram: &'h Histogram,
    began: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.histogram.observe(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_its_bucket_and_in_all_above() {
        let histogram = Histogram::default();
        for nanos in [0, 50_000, 50_001, 999_999_999, 10_000_000_000, 10_000_000_001] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let (counts, sum) = histogram.read();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 6]);
        assert_eq!(sum, Duration::from_nanos(21_000_100_001));
    }

    #[test]
    fn a_share_of_times_ends_with_a_bucket() {
        let histogram = Histogram::default();
        assert_eq!(histogram.within([50]), None);
        let time = |micros| Within::Time(Duration::from_micros(micros));
        histogram.observe(Duration::from_micros(80));
        assert_eq!(histogram.within([1, 50, 100]), Some((1, [time(100); 3])));
        (0..98).for_each(|_| histogram.observe(Duration::from_micros(10)));
        histogram.observe(Duration::from_secs(11));
        assert_eq!(histogram.within([50, 98, 99, 100]), Some((100, [time(50), time(50), time(100), Within::Longer])));
    }

    #[test]
    fn a_timer_counts_however_it_ends() {
        let histogram = Histogram::default();
        drop(histogram.start());
        assert_eq!(histogram.read().0[BUCKETS.len()], 1);
    }

    #[test]
    fn who_is_there_is_counted_as_long_as_it_lives() {
        let crowd = Crowd::default();
        let (one, other) = (crowd.join(), crowd.join());
        assert_eq!(crowd.get(), 2);
        drop(one);
        assert_eq!(crowd.get(), 1);
        drop(other);
        assert_eq!(crowd.get(), 0);
    }
}
