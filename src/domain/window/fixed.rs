//! A fixed window: an exact count, spent from leases.
//!
//! Memory hands out only what the database has already written off. `written` is what the row says, `used` what was
//! really handed out; a crash loses the difference to the caller and never over-spends.

use super::{Fit, Look};
use crate::domain::limit::Limit;
use crate::domain::time::Timestamp;

/// The count of one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    start: Timestamp,
    end: Timestamp,
    written: u64,
    used: u64,
    asked: bool,
}

/// What the database is asked to write off: the whole count of a window, so that writing it twice does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The window's start.
    pub start: Timestamp,
    /// The window's end.
    pub end: Timestamp,
    /// How much of it is written off from then on.
    pub written: u64,
}

impl Fixed {
    /// As the database has it: all that was written off counts as used.
    pub const fn from_saved(start: Timestamp, end: Timestamp, written: u64) -> Self {
        Self { start, end, written, used: written, asked: false }
    }

    /// The window's start and end, and how much of it was handed out.
    pub const fn standing(&self) -> (Timestamp, Timestamp, u64) {
        (self.start, self.end, self.used)
    }

    pub(super) const fn end(&self) -> Timestamp {
        self.end
    }

    pub(super) fn look(&mut self, limit: &Limit, price: u64, now: Timestamp) -> Look {
        self.turn(limit, now);
        let remaining = limit.requests.saturating_sub(self.used);
        let fit = if price == 0 {
            Fit::Fits
        } else if price > limit.requests {
            Fit::Never
        } else if price > remaining {
            Fit::From(self.end)
        } else if self.used + price > self.written {
            Fit::NeedsLease
        } else {
            Fit::Fits
        };
        Look { remaining, reset: self.end, fit }
    }

    pub(super) fn charge(&mut self, price: u64) {
        self.used += price;
    }

    pub(super) fn give_back(&mut self, price: u64, reset: Timestamp) {
        if self.end == reset {
            self.used = self.used.saturating_sub(price);
        }
    }

    /// What to ask the database for next, if anything: `price` more now, or the next lease before this one is empty.
    /// Whoever gets an answer must ask, and say [`Fixed::granted`] or [`Fixed::denied`] afterwards.
    pub fn wants(&mut self, limit: &Limit, price: u64) -> Option<Lease> {
        let lease = limit.lease();
        let open = self.written.saturating_sub(self.used);
        let enough = price <= open && (open > lease / 2 || self.written >= limit.requests);
        if self.asked || enough {
            return None;
        }
        let written = (self.used + price.max(lease)).min(limit.requests);
        if written <= self.written {
            return None;
        }
        self.asked = true;
        Some(Lease { start: self.start, end: self.end, written })
    }

    /// Whether the database is being asked just now.
    pub const fn is_asking(&self) -> bool {
        self.asked
    }

    /// Whether more is written off than was handed out.
    pub const fn is_open(&self) -> bool {
        self.written > self.used
    }

    /// The database has written it off.
    pub fn granted(&mut self, lease: Lease) {
        self.asked = false;
        if lease.start == self.start {
            self.written = self.written.max(lease.written);
        }
    }

    /// The database has not.
    pub fn denied(&mut self) {
        self.asked = false;
    }

    /// Gives the open lease back: what the database should say instead. `None` where nothing is open, or still asked for.
    /// As with [`Fixed::wants`], nothing else is asked for until it is said what came of it: the counts are absolute, so they
    /// must reach the database in order.
    pub fn settle(&mut self) -> Option<Lease> {
        if self.asked || self.written <= self.used {
            return None;
        }
        self.asked = true;
        self.written = self.used;
        Some(Lease { start: self.start, end: self.end, written: self.used })
    }

    /// Turns to the window that holds `now`. A clock that stepped back stays in the later window: counted, not forgotten.
    fn turn(&mut self, limit: &Limit, now: Timestamp) {
        if now >= self.end {
            let (start, end) = limit.per.fixed(now);
            *self = Self { start, end, written: 0, used: 0, asked: self.asked };
        }
    }
}
