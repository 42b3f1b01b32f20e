//! An account's balance: plan tokens, refilled on its billing day and not carried over, and bonus tokens, which stay
//! and are used after them.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The largest amount of tokens: what every JSON reader still reads exactly.
pub const MOST: i64 = (1 << 53) - 1;

/// A balance as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Left of the plan's tokens of the billing month that `period` starts.
    pub plan_tokens: i64,
    /// Left of the bonus tokens; below 0 where the operator set the whole balance so.
    pub bonus_tokens: i64,
    /// The start of the billing month that `plan_tokens` belongs to.
    pub period: Timestamp,
}

/// What a charge took, so that it can be put back where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Of the plan's tokens.
    pub plan_tokens: i64,
    /// Of the bonus tokens.
    pub bonus_tokens: i64,
    /// The billing month of those plan tokens.
    pub period: Timestamp,
}

/// A kind of movement of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// The app took tokens.
    Charged,
    /// Tokens were added.
    Credited,
    /// The whole of it was set.
    Set,
    /// Another plan's tokens took the place of the old one's, or the first plan's came.
    Plan,
    /// A billing month began.
    Refilled,
    /// Requests at the gate took tokens.
    Used,
}

impl Movement {
    const ALL: [Self; 6] = [Self::Charged, Self::Credited, Self::Set, Self::Plan, Self::Refilled, Self::Used];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charged => "charged",
            Self::Credited => "credited",
            Self::Set => "set",
            Self::Plan => "plan",
            Self::Refilled => "refilled",
            Self::Used => "used",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Balance {
    /// A new account's.
    pub const fn opening(now: Timestamp, monthly_tokens: i64) -> Self {
        Self { plan_tokens: monthly_tokens, bonus_tokens: 0, period: now }
    }

    /// The whole of it.
    pub const fn total(self) -> i64 {
        self.plan_tokens.saturating_add(self.bonus_tokens)
    }

    /// As it stands at `now`: refilled where a billing day went by since.
    #[must_use]
    pub fn at(self, now: Timestamp, opened: Timestamp, monthly_tokens: i64) -> Self {
        let period = billing_month(opened, now);
        if period > self.period { Self { plan_tokens: monthly_tokens, period, ..self } } else { self }
    }

    /// Less by `tokens`, plan tokens first. `None` where it does not cover that.
    #[must_use]
    pub fn charged(self, tokens: i64) -> Option<Self> {
        if tokens < 0 || self.total() < tokens {
            return None;
        }
        let from_plan = tokens.min(self.plan_tokens.max(0));
        Some(Self { plan_tokens: self.plan_tokens - from_plan, bonus_tokens: self.bonus_tokens - (tokens - from_plan), ..self })
    }

    /// More by `tokens`, as bonus. `None` where the whole of it would be beyond [`MOST`].
    #[must_use]
    pub fn credited(self, tokens: i64) -> Option<Self> {
        let bonus_tokens = self.bonus_tokens.checked_add(tokens)?;
        Some(Self { bonus_tokens, ..self }).filter(|balance| balance.total() <= MOST)
    }

    /// With what a charge took put back. Plan tokens of a month that is over are not: they do not carry over.
    #[must_use]
    pub fn refunded(self, paid: Paid) -> Self {
        let plan_tokens = if paid.period == self.period { self.plan_tokens.saturating_add(paid.plan_tokens) } else { self.plan_tokens };
        Self { plan_tokens, bonus_tokens: self.bonus_tokens.saturating_add(paid.bonus_tokens), ..self }
    }

    /// What a charge took that made this of `before`.
    pub const fn paid_from(self, before: Self) -> Paid {
        Paid {
            plan_tokens: before.plan_tokens - self.plan_tokens,
            bonus_tokens: before.bonus_tokens - self.bonus_tokens,
            period: self.period,
        }
    }

    /// The whole of it made exactly `total`: plan tokens stay as far as they fit.
    #[must_use]
    pub fn set_to(self, total: i64) -> Self {
        let plan_tokens = self.plan_tokens.clamp(0, total.max(0));
        Self { plan_tokens, bonus_tokens: total - plan_tokens, ..self }
    }

    /// Under another plan: its tokens for this month instead of what was left of the old plan's.
    #[must_use]
    pub const fn under_plan(self, monthly_tokens: i64) -> Self {
        Self { plan_tokens: monthly_tokens, ..self }
    }
}

/// The start of the billing month that holds `now`: midnight, UTC, of the day of the month on which the account was
/// opened, or of the month's last day where it has no such day. The first month starts when the account was opened.
fn billing_month(opened: Timestamp, now: Timestamp) -> Timestamp {
    let (day, today) = (opened.date().day(), now.date());
    let on = |month: jiff::civil::Date| {
        let last = month.days_in_month();
        Timestamp::midnight(month.with().day(day.min(last)).build().unwrap_or(month))
    };
    let this = on(today);
    let start = if this <= now { this } else { on(today.first_of_month().saturating_sub(jiff::Span::new().days(1))) };
    start.max(opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_billing_day_is_the_day_it_was_opened() {
        let opened = at("2026-01-31T15:00:00Z");
        for (now, month) in [
            ("2026-01-31T16:00:00Z", "2026-01-31T15:00:00Z"),
            ("2026-02-27T23:59:59Z", "2026-01-31T15:00:00Z"),
            ("2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z"),
            ("2026-03-30T12:00:00Z", "2026-02-28T00:00:00Z"),
            ("2026-03-31T00:00:00Z", "2026-03-31T00:00:00Z"),
            ("2027-01-01T00:00:00Z", "2026-12-31T00:00:00Z"),
        ] {
            assert_eq!(billing_month(opened, at(now)).rfc3339(), month, "{now}");
        }
    }

    #[test]
    fn plan_tokens_are_refilled_and_bonus_tokens_stay() {
        let opened = at("2026-01-15");
        let start = Balance::opening(opened, 100).credited(50).unwrap();
        let spent = start.charged(120).unwrap();
        assert_eq!((spent.plan_tokens, spent.bonus_tokens), (0, 30));
        let later = spent.at(at("2026-02-15"), opened, 100);
        assert_eq!((later.plan_tokens, later.bonus_tokens), (100, 30));
        let rested = later.at(at("2026-04-15"), opened, 100);
        assert_eq!((rested.plan_tokens, rested.bonus_tokens), (100, 30), "nothing carries over");
    }

    proptest! {
        #[test]
        fn a_charge_takes_exactly_its_tokens_or_nothing(plan in 0i64..100, bonus in -20i64..100, tokens in 0i64..300) {
            let balance = Balance { plan_tokens: plan, bonus_tokens: bonus, period: Timestamp::default() };
            match balance.charged(tokens) {
                Some(after) => {
                    prop_assert_eq!(after.total(), balance.total() - tokens);
                    prop_assert!(after.plan_tokens >= 0);
                }
                None => prop_assert!(balance.total() < tokens),
            }
        }

        #[test]
        fn setting_it_makes_it_exactly_that(plan in 0i64..100, bonus in -20i64..100, total in -50i64..300) {
            let set = Balance { plan_tokens: plan, bonus_tokens: bonus, period: Timestamp::default() }.set_to(total);
            prop_assert_eq!(set.total(), total);
            prop_assert!(set.plan_tokens >= 0);
        }
    }
}
