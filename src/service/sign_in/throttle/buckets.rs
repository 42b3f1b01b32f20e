//! Counts by a hash of what they are of: whatever somebody sends as an address, it takes as little room. Bounded.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::domain::limit::Shape;
use crate::domain::rate::Rate;
use crate::domain::time::{Span, Timestamp};
use crate::domain::window::{Fit, Window};

/// How many counts there may be: some 10 MB.
pub(super) const MOST: usize = 100_000;

/// What rounding may add to the length of a window.
const ROUNDING: Span = Span::from_secs(1);

/// Which count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bucket([u8; 16]);

impl Bucket {
    /// Of these parts; no two lists of parts are one.
    pub fn of(name: &str, kind: u8, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in [name.as_bytes(), &[kind]].iter().chain(parts) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Self(short)
    }
}

/// What was counted, and in which time it is full again at the latest.
#[derive(Debug)]
struct Counted {
    window: Window,
    per: Span,
}

impl Counted {
    /// How much of it is used up, in millionths.
    fn used(&self, now: Timestamp) -> u64 {
        self.window.full_at().millis_since(now).saturating_mul(1_000_000) / self.per.millis().max(1)
    }
}

/// All counts.
#[derive(Debug, Default)]
pub(super) struct Buckets(HashMap<Bucket, Counted>);

impl Buckets {
    /// When one more fits, where it does not now.
    pub fn look(&mut self, bucket: &Bucket, rate: &Rate, now: Timestamp) -> Option<Timestamp> {
        let window = &mut self.0.get_mut(bucket)?.window;
        // Further ahead than it can be: the clock was set back since. Nobody waits for that.
        if window.full_at() > now.plus(rate.per()).plus(ROUNDING) {
            self.0.remove(bucket);
            return None;
        }
        match window.look(rate.limit(), 1, now).fit {
            Fit::Fits => None,
            Fit::From(at) => Some(at),
            // A rolling window needs no lease, and a rate allows at least one.
            Fit::NeedsLease | Fit::Never => Some(now.plus(rate.per())),
        }
    }

    /// Counts one, which a look just found to fit.
    pub fn charge(&mut self, bucket: &Bucket, rate: &Rate, now: Timestamp) {
        if !self.0.contains_key(bucket) {
            self.make_room(now);
        }
        let counted = self.0.entry(*bucket).or_insert_with(|| Counted { window: Window::new(Shape::Rolling), per: rate.per() });
        counted.per = rate.per();
        counted.window.charge(rate.limit(), 1, now);
    }

    /// Gives one back that was counted at `at`.
    pub fn give_back(&mut self, bucket: &Bucket, rate: &Rate, at: Timestamp) {
        if let Some(counted) = self.0.get_mut(bucket) {
            counted.window.give_back(rate.limit(), 1, at, at);
        }
    }

    /// Forgets what is full again.
    pub fn tidy(&mut self, now: Timestamp) {
        self.0.retain(|_, counted| counted.window.full_at() > now);
        if self.0.capacity() > 2 * self.0.len().max(1024) {
            self.0.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Where there is no room, first what is worth nothing goes, then the half that is used up least: whoever has guessed often, and
    /// whoever is guessed at, is remembered.
    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() < MOST {
            return;
        }
        self.tidy(now);
        if self.0.len() < MOST / 4 * 3 {
            return;
        }
        let mut shares: Vec<u64> = self.0.values().map(|counted| counted.used(now)).collect();
        let at = shares.len() - MOST / 2;
        let (_, border, above) = shares.select_nth_unstable(at);
        let border = *border;
        let mut ties = MOST / 2 - above.iter().filter(|share| **share > border).count();
        self.0.retain(|_, counted| {
            let used = counted.used(now);
            let is_tie = used == border && ties > 0;
            ties -= usize::from(is_tie);
            is_tie || used > border
        });
    }
}
