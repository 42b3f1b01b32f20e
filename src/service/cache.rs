//! The hot set: bounded, sharded, and never staler than an acknowledged change.
//!
//! Each remembered value carries the generation under which its reading began. A change raises the generation before it is
//! acknowledged, so whatever was read before it, even by a reading still under way, no longer counts.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::error::Result;
use crate::domain::key::KeyHash;
use crate::domain::time::{Span, Timestamp};
use crate::measure::Counter;

/// How long an unknown hash is remembered as unknown.
const UNKNOWN_FOR: Span = Span::from_secs(60);

/// How many counters changes are spread over: a change makes one in so many values be read again.
const SLOTS: usize = 4096;

/// Counters of changes.
pub struct Generations(Box<[AtomicU64]>);

impl Default for Generations {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl fmt::Debug for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Generations")
    }
}

impl Generations {
    /// The generation of a slot now.
    pub fn of(&self, slot: usize) -> u64 {
        self.0[slot % SLOTS].load(Ordering::Acquire)
    }

    /// A change of the slot: all that was read before counts no more.
    pub fn raise(&self, slot: usize) {
        self.0[slot % SLOTS].fetch_add(1, Ordering::AcqRel);
    }
}

#[derive(Clone)]
struct Remembered<V> {
    generation: u64,
    /// `None`: there is no such thing.
    value: Option<V>,
    read_at: Timestamp,
}

/// Values by hash.
pub struct Lookup<V> {
    held: quick_cache::sync::Cache<KeyHash, Remembered<V>>,
    generations: Generations,
    /// Those that were remembered.
    pub hits: Counter,
    /// Those that had to be read.
    pub misses: Counter,
}

impl<V> fmt::Debug for Lookup<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

impl<V: Clone> Lookup<V> {
    /// Holds so many.
    pub fn new(capacity: usize) -> Self {
        Self {
            held: quick_cache::sync::Cache::new(capacity),
            generations: Generations::default(),
            hits: Counter::new(),
            misses: Counter::new(),
        }
    }

    /// The value of a hash; `load` reads it where it is not remembered, or `fresh` says that it counts no more.
    /// Of several who ask for the same hash at once, one reads and the others wait for it.
    pub async fn get<L, F>(&self, hash: &KeyHash, now: Timestamp, fresh: impl Fn(&V) -> bool, load: L) -> Result<Option<V>>
    where
        L: Fn() -> F,
        F: Future<Output = Result<Option<V>>>,
    {
        if let Some(remembered) = self.remembered(hash, now, &fresh) {
            return Ok(remembered);
        }
        self.misses.count();
        let counts = |remembered: &Remembered<V>| self.counts(remembered, hash, now, &fresh);
        loop {
            let read = async {
                let generation = self.generations.of(hash.slot());
                load().await.map(|value| Remembered { generation, value, read_at: now })
            };
            // What somebody else has just read is taken as it is only where it still counts.
            self.held.remove_if(hash, |remembered| !counts(remembered));
            let remembered = self.held.get_or_insert_async(hash, read).await?;
            if counts(&remembered) {
                return Ok(remembered.value);
            }
        }
    }

    /// The same where it is remembered: the inner `None` is that there is no such thing.
    pub fn remembered(&self, hash: &KeyHash, now: Timestamp, fresh: &impl Fn(&V) -> bool) -> Option<Option<V>> {
        let remembered = self.held.get(hash).filter(|remembered| self.counts(remembered, hash, now, fresh))?;
        self.hits.count();
        Some(remembered.value)
    }

    fn counts(&self, remembered: &Remembered<V>, hash: &KeyHash, now: Timestamp, fresh: &impl Fn(&V) -> bool) -> bool {
        remembered.generation == self.generations.of(hash.slot())
            && remembered.value.as_ref().map_or_else(|| now < remembered.read_at.plus(UNKNOWN_FOR), fresh)
    }

    /// How many it holds, unknown ones included, and how many it may.
    pub fn size(&self) -> (u64, u64) {
        (self.held.len() as u64, self.held.capacity())
    }

    /// What is remembered of a hash counts no more.
    pub fn forget(&self, hash: &KeyHash) {
        self.generations.raise(hash.slot());
    }
}
