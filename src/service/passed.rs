//! A clock that nobody sets forward: what is forgotten for good is forgotten by it.

use std::time::Instant;

use crate::domain::time::{Span, Timestamp};

/// How much time has really passed, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    since: Instant,
    since_at: Timestamp,
}

impl Passed {
    /// From now on.
    pub fn since(now: Timestamp) -> Self {
        Self { since: Instant::now(), since_at: now }
    }

    /// The time that it surely is: what the clock says, and no more than has passed since then.
    pub fn surely(&self, now: Timestamp) -> Timestamp {
        self.since_at.plus(Span::from_secs(self.since.elapsed().as_secs())).min(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_forward_takes_nothing_away() {
        let now = Timestamp::parse("2026-04-01T00:00:00Z").unwrap();
        let passed = Passed::since(now);
        let years = Span::from_secs(3650 * 86_400);
        assert!(passed.surely(now.plus(years)) < now.plus(Span::from_secs(3600)), "ten years have not passed");
        assert_eq!(passed.surely(now.minus(years)), now.minus(years), "what is younger than thought is kept longer");
        assert_eq!(passed.surely(now), now);
    }
}
