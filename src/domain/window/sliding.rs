//! A sliding window: never more than `requests` in any window, wherever it starts.
//!
//! It remembers what passed and when, in at most [`SLOTS`] entries. Up to that many requests the log is exact to the
//! millisecond; above, requests share an entry of a thousandth of the window and leave with its end: a little late, never early.

use std::collections::VecDeque;

use super::{Fit, Look};
use crate::domain::limit::Limit;
use crate::domain::time::Timestamp;

/// How many entries a window is cut into at the most.
pub const SLOTS: u64 = 1024;

/// What passed in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// The slot's last millisecond.
    end: Timestamp,
    /// From when on the slot lies outside the window.
    leaves: Timestamp,
    count: u64,
}

/// What passed, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sliding {
    entries: VecDeque<Entry>,
    total: u64,
}

impl Sliding {
    pub(super) fn look(&mut self, limit: &Limit, price: u64, now: Timestamp) -> Look {
        self.tidy(now);
        let remaining = limit.requests.saturating_sub(self.total);
        let fit = if price == 0 || price <= remaining {
            Fit::Fits
        } else if price > limit.requests {
            Fit::Never
        } else {
            Fit::From(self.opens_for(price, limit.requests).unwrap_or(now))
        };
        Look { remaining, reset: self.full_at().max(now), fit }
    }

    pub(super) fn charge(&mut self, limit: &Limit, price: u64, now: Timestamp) {
        if price == 0 {
            return;
        }
        self.tidy(now);
        let end = end_of_slot(limit, now);
        let leaves = end.plus(limit.per.span());
        self.total += price;
        match self.entries.back_mut() {
            // A clock that stepped back adds to the newest slot, so that the log stays in order.
            Some(last) if last.end >= end => last.count += price,
            _ => self.entries.push_back(Entry { end, leaves, count: price }),
        }
    }

    /// Takes a charge back from the slot that it was counted in, which leaves at `reset`: another's would open too early. One
    /// that has left already gives nothing back.
    pub(super) fn give_back(&mut self, price: u64, reset: Timestamp) {
        if let Some(place) = self.entries.iter().position(|entry| entry.leaves == reset) {
            let part = self.entries[place].count.min(price);
            self.entries[place].count -= part;
            self.total -= part;
            if self.entries[place].count == 0 {
                self.entries.remove(place);
            }
        }
    }

    pub(super) fn full_at(&self) -> Timestamp {
        self.entries.back().map_or(Timestamp::default(), |entry| entry.leaves)
    }

    fn tidy(&mut self, now: Timestamp) {
        while let Some(first) = self.entries.front()
            && first.leaves <= now
        {
            self.total -= first.count;
            self.entries.pop_front();
        }
    }

    /// When enough has left for `price` more.
    fn opens_for(&self, price: u64, requests: u64) -> Option<Timestamp> {
        let mut total = self.total;
        self.entries.iter().find_map(|entry| {
            total -= entry.count;
            (total + price <= requests).then_some(entry.leaves)
        })
    }

    /// For saving: end, leaves, count of each entry, little endian.
    pub fn to_saved(&self) -> Vec<u8> {
        let numbers = self.entries.iter().flat_map(|entry| [entry.end.millis() as u64, entry.leaves.millis() as u64, entry.count]);
        numbers.flat_map(u64::to_le_bytes).collect()
    }

    /// As saved; bytes that are none of ours are refused.
    pub fn from_saved(bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<24>();
        if !rest.is_empty() {
            return None;
        }
        let entries: VecDeque<Entry> = entries
            .iter()
            .map(|entry| {
                let (numbers, _) = entry.as_chunks::<8>();
                let [end, leaves, count] = [0, 1, 2].map(|i| u64::from_le_bytes(numbers[i]));
                Entry { end: Timestamp::from_millis(end as i64), leaves: Timestamp::from_millis(leaves as i64), count }
            })
            .collect();
        let total = entries.iter().try_fold(0u64, |sum, entry| sum.checked_add(entry.count))?;
        Some(Self { entries, total })
    }
}

/// The last millisecond of the slot that holds an instant: nothing in it happened later.
fn end_of_slot(limit: &Limit, at: Timestamp) -> Timestamp {
    let slot = if limit.requests <= SLOTS { 1 } else { limit.per.span().millis().div_ceil(SLOTS) } as i64;
    Timestamp::from_millis((at.millis().div_euclid(slot) + 1) * slot - 1)
}
