//! What is remembered of one limit for one subject, in three shapes. All of them can be looked at without charging,
//! charged, and given back; none of them reads a clock.

pub mod fixed;
pub mod rolling;
pub mod sliding;

#[cfg(test)]
mod tests;

use super::limit::{Limit, Shape};
use super::time::Timestamp;
use fixed::Fixed;
use rolling::Rolling;
use sliding::Sliding;

/// What a look at a window found, nothing charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How much is left now, before the charge that was asked about.
    pub remaining: u64,
    /// When nothing is counted any more.
    pub reset: Timestamp,
    /// Whether the charge fits, and if not, when it would.
    pub fit: Fit,
}

/// Whether a charge fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Fits,
    /// It would, once the store has written it off.
    NeedsLease,
    /// Not before this instant.
    From(Timestamp),
    /// Never: more than the window ever holds.
    Never,
}

/// One window.
#[derive(Clone, Debug)]
pub enum Window {
    /// By governor.
    Rolling(Rolling),
    /// An exact log.
    Sliding(Sliding),
    /// A leased counter.
    Fixed(Fixed),
}

impl Window {
    /// A window in which nothing was counted yet.
    pub fn new(shape: Shape) -> Self {
        match shape {
            Shape::Rolling => Self::Rolling(Rolling::default()),
            Shape::Sliding => Self::Sliding(Sliding::default()),
            Shape::Fixed => Self::Fixed(Fixed::default()),
        }
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Rolling(_) => Shape::Rolling,
            Self::Sliding(_) => Shape::Sliding,
            Self::Fixed(_) => Shape::Fixed,
        }
    }

    /// What is left, and whether `price` fits. Only what has long gone by is tidied away.
    pub fn look(&mut self, limit: &Limit, price: u64, now: Timestamp) -> Look {
        match self {
            Self::Rolling(window) => window.look(limit, price, now),
            Self::Sliding(window) => window.look(limit, price, now),
            Self::Fixed(window) => window.look(limit, price, now),
        }
    }

    /// Counts `price`, which a look just found to fit.
    pub fn charge(&mut self, limit: &Limit, price: u64, now: Timestamp) {
        match self {
            Self::Rolling(window) => window.charge(limit, price, now),
            Self::Sliding(window) => window.charge(limit, price, now),
            Self::Fixed(window) => window.charge(price),
        }
    }

    /// Gives a charge made at `at` back: `reset` is what was told right after it, and says which window or slot it was counted in.
    /// What was full again since gives nothing back.
    pub fn give_back(&mut self, limit: &Limit, price: u64, at: Timestamp, reset: Timestamp) {
        match self {
            Self::Rolling(window) => window.give_back(limit, price, at),
            Self::Sliding(window) => window.give_back(price, reset),
            Self::Fixed(window) => window.give_back(price, reset),
        }
    }

    /// From when on it holds nothing worth remembering.
    pub fn full_at(&self) -> Timestamp {
        match self {
            Self::Rolling(window) => window.full_at(),
            Self::Sliding(window) => window.full_at(),
            Self::Fixed(window) => window.end(),
        }
    }
}
