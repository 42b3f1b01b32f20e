//! A rolling window: governor's GCRA over one number of ours.
//!
//! The exact bound: in any stretch of time `w`, at most `burst + w · requests / per` pass. A window that was left alone
//! lets `burst` through at once, and then one every `per / requests`.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::{Fit, Look};
use crate::domain::limit::Limit;
use crate::domain::time::Timestamp;

const NANOS_A_MILLI: u64 = 1_000_000;

/// GCRA's "theoretical arrival time", in nanoseconds since the Unix epoch, and the interval it was reckoned with; both 0 where
/// nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rolling {
    arrival: u64,
    interval: u64,
    /// When a charge last found it full; not saved.
    full_before: Option<Timestamp>,
}

impl Rolling {
    /// As saved: the two numbers, little endian. Bytes that are none of ours are refused.
    pub fn from_saved(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        match (numbers, rest) {
            ([arrival, interval], []) => {
                Some(Self { arrival: u64::from_le_bytes(*arrival), interval: u64::from_le_bytes(*interval), full_before: None })
            }
            _ => None,
        }
    }

    /// For saving.
    pub fn to_saved(self) -> Vec<u8> {
        [self.arrival, self.interval].iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    pub(super) fn look(&self, limit: &Limit, price: u64, now: Timestamp) -> Look {
        let mut trial = self.under(limit, now);
        Look { remaining: trial.remaining(limit, now), reset: trial.full_at().max(now), fit: trial.draw(limit, price, now) }
    }

    pub(super) fn charge(&mut self, limit: &Limit, price: u64, now: Timestamp) {
        *self = self.under(limit, now);
        if self.arrival <= nanos(now) {
            self.full_before = Some(now);
        }
        self.draw(limit, price, now);
    }

    /// One that was full again since has forgotten the charge made at `at`.
    pub(super) fn give_back(&mut self, limit: &Limit, price: u64, at: Timestamp) {
        if self.full_before.is_some_and(|full| full <= at) {
            self.arrival = self.arrival.saturating_sub(interval(limit).saturating_mul(price));
        }
    }

    pub(super) fn full_at(&self) -> Timestamp {
        millis_up(self.arrival)
    }

    /// The same history under a limit that may have changed since: as many requests count as before, but never more than a burst.
    fn under(self, limit: &Limit, now: Timestamp) -> Self {
        let (interval, now) = (interval(limit), nanos(now));
        if self.interval == interval || self.interval == 0 || self.arrival <= now {
            return Self { interval, ..self };
        }
        let ahead = u128::from(self.arrival - now) * u128::from(interval) / u128::from(self.interval);
        let most = u128::from(interval) * u128::from(limit.burst());
        Self { arrival: now.saturating_add(u64::try_from(ahead.min(most)).unwrap_or(u64::MAX)), interval, ..self }
    }

    fn remaining(&self, limit: &Limit, now: Timestamp) -> u64 {
        let spent = self.arrival.saturating_sub(nanos(now)).div_ceil(interval(limit));
        limit.burst().saturating_sub(spent)
    }

    /// Asks governor for `price` cells at once; what it answers is charged.
    fn draw(&mut self, limit: &Limit, price: u64, now: Timestamp) -> Fit {
        let Some(cells) = u32::try_from(price).ok().and_then(NonZeroU32::new) else {
            return if price == 0 { Fit::Fits } else { Fit::Never };
        };
        let Some(quota) = quota(limit) else { return Fit::Never };
        let state = Arrival(Cell::new(self.arrival));
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Duration>> = RateLimiter::new(quota, state, Handed::at(now));
        match limiter.check_n(cells) {
            Ok(Ok(())) => {
                self.arrival = limiter.into_state_store().0.get();
                Fit::Fits
            }
            Ok(Err(not_until)) => {
                let at = not_until.earliest_possible().as_nanos();
                Fit::From(millis_up(u64::try_from(at).unwrap_or(u64::MAX)))
            }
            Err(_more_than_a_burst) => Fit::Never,
        }
    }
}

/// Nanoseconds between two requests at the steady rate, rounded up so that rounding never lets more through.
fn interval(limit: &Limit) -> u64 {
    (limit.per.span().millis() * NANOS_A_MILLI).div_ceil(limit.requests.max(1)).max(1)
}

fn quota(limit: &Limit) -> Option<Quota> {
    // An override may ask for more than the numbers hold: then nothing fits.
    let burst = NonZeroU32::new(u32::try_from(limit.burst()).ok().filter(|_| limit.is_reckonable())?)?;
    Some(Quota::with_period(Duration::from_nanos(interval(limit)))?.allow_burst(burst))
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0).saturating_mul(NANOS_A_MILLI)
}

fn millis_up(nanos: u64) -> Timestamp {
    Timestamp::from_millis(nanos.div_ceil(NANOS_A_MILLI) as i64)
}

/// governor's state, as a number that can be looked at, put back and saved.
struct Arrival(Cell<u64>);

impl StateStore for Arrival {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let before = Some(self.0.get()).filter(|arrival| *arrival > 0).map(Nanos::from);
        let (answer, after) = f(before)?;
        self.0.set(after.as_u64());
        Ok(answer)
    }
}

/// The instant that was handed in. governor reads the clock once when a limiter is made, to count from, and once a check:
/// the first reading is the Unix epoch, so that the state means the same in every run.
struct Handed {
    next: Cell<Duration>,
    now: Duration,
}

impl Handed {
    fn at(now: Timestamp) -> Self {
        Self { next: Cell::new(Duration::ZERO), now: Duration::from_nanos(nanos(now)) }
    }
}

impl Clock for Handed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.next.replace(self.now)
    }
}
