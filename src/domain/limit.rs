//! Limits: so many requests, or tokens, a window, counted per key, account or address.

use std::fmt;
use std::sync::Arc;

use super::time::{Span, Timestamp};

const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_secs(3600);
const DAY: Span = Span::from_secs(86_400);
/// What a month is told as where a length in seconds is asked for; the window itself is the calendar's.
const MONTH: Span = Span::from_secs(30 * 86_400);

/// The largest count: governor's quotas are 32 bits wide.
pub const MOST: u64 = u32::MAX as u64;

/// The length of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// One second.
    Second,
    /// Sixty seconds.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
    /// Any other length.
    Length(Span),
}

impl Per {
    /// Reads `minute`, `month`, `10s`.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "month" => Self::Month,
            other => match Span::parse(other) {
                Ok(span) if span.millis() > 0 => Self::Length(span),
                _ => return Err(format!("'{other}' is no window: write second, minute, hour, day, month or a length such as 10s or 10m")),
            },
        })
    }

    /// How long the window lasts; a month is told as 30 days.
    pub const fn span(self) -> Span {
        match self {
            Self::Second => Span::from_secs(1),
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Month => MONTH,
            Self::Length(span) => span,
        }
    }

    /// The fixed window that holds `now`: start and end, aligned in UTC.
    pub fn fixed(self, now: Timestamp) -> (Timestamp, Timestamp) {
        match self {
            Self::Month => now.month(),
            _ => {
                let start = now.floor_to(self.span());
                (start, start.plus(self.span()))
            }
        }
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Second => f.write_str("second"),
            Self::Minute => f.write_str("minute"),
            Self::Hour => f.write_str("hour"),
            Self::Day => f.write_str("day"),
            Self::Month => f.write_str("month"),
            Self::Length(span) => span.fmt(f),
        }
    }
}

/// How a window moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// GCRA: a burst at once, and so many a window steadily.
    Rolling,
    /// Never more in any window, wherever it starts.
    Sliding,
    /// An exact count in a window aligned in UTC.
    Fixed,
}

impl Shape {
    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Sliding => "sliding",
            Self::Fixed => "fixed",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rolling, Self::Sliding, Self::Fixed].into_iter().find(|known| known.name() == name)
    }

    /// Rolling below an hour, fixed from there up.
    pub fn default_for(per: Per) -> Self {
        if per.span() < HOUR { Self::Rolling } else { Self::Fixed }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// One key's.
    Key,
    /// All of an account's keys'.
    Account,
    /// A client address's.
    Address,
}

impl Count {
    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Account => "account",
            Self::Address => "address",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Key, Self::Account, Self::Address].into_iter().find(|known| known.name() == name)
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests: each costs 1, or what its route says.
    Requests,
    /// Tokens: what the route or the ask says.
    Tokens,
}

impl Unit {
    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Requests, Self::Tokens].into_iter().find(|known| known.name() == name)
    }
}

/// One limit as it holds for somebody: a plan's, with overrides applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What overrides, routes, placeholders and answers call it.
    pub name: Arc<str>,
    /// What its counts are kept under ([`Limit::slot_of`]): where two plans count one name in different ways, each keeps its own.
    pub slot: Arc<str>,
    /// So many a window, 1 to [`MOST`].
    pub requests: u64,
    /// The window.
    pub per: Per,
    /// How it moves.
    pub shape: Shape,
    /// Whose requests count.
    pub count: Count,
    /// What counts.
    pub unit: Unit,
    /// How many at once, for a rolling window; `requests` where nobody says.
    pub burst: Option<u64>,
    /// Counted and logged, never refused.
    pub observe: bool,
}

impl Limit {
    /// The most that can pass at one instant.
    pub fn burst(&self) -> u64 {
        match self.shape {
            Shape::Rolling => self.burst.unwrap_or(self.requests),
            Shape::Sliding | Shape::Fixed => self.requests,
        }
    }

    /// The name and all in which two limits of that name may differ, but for how much they let through.
    pub fn slot_of(name: &str, per: Per, shape: Shape, unit: Unit) -> Arc<str> {
        format!("{name}/{per}/{}/{}", shape.name(), unit.name()).into()
    }

    /// What one request draws from it.
    pub fn price(&self, cost: u64, tokens: u64) -> u64 {
        match self.unit {
            Unit::Requests => cost,
            Unit::Tokens => tokens,
        }
    }

    /// The same limit with another count.
    pub fn with_requests(&self, requests: u64) -> Self {
        Self { requests, ..self.clone() }
    }

    /// A fixed window of a day or longer: running out of it is `quota_exceeded`.
    pub fn is_quota(&self) -> bool {
        self.shape == Shape::Fixed && self.per.span() >= DAY
    }

    /// Whether a rolling window of that burst can be reckoned with in 64 bits of nanoseconds.
    pub fn is_reckonable(&self) -> bool {
        let interval = u128::from(self.per.span().millis()) * 1_000_000 / u128::from(self.requests.max(1)) + 1;
        interval * u128::from(self.burst()) < u128::from(u64::MAX / 4)
    }

    /// How much of a fixed window is written off ahead: half a percent, at least 1.
    /// What a crash can cost is this, and what was under way.
    pub fn lease(&self) -> u64 {
        (self.requests / 200).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_windows_are_aligned_in_utc() {
        let now = Timestamp::parse("2026-03-31T13:37:11Z").unwrap();
        for (per, start, end) in [
            ("hour", "2026-03-31T13:00:00Z", "2026-03-31T14:00:00Z"),
            ("day", "2026-03-31T00:00:00Z", "2026-04-01T00:00:00Z"),
            ("month", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            ("10s", "2026-03-31T13:37:10Z", "2026-03-31T13:37:20Z"),
            ("10m", "2026-03-31T13:30:00Z", "2026-03-31T13:40:00Z"),
        ] {
            let (from, to) = Per::parse(per).unwrap().fixed(now);
            assert_eq!((from.rfc3339().as_str(), to.rfc3339().as_str()), (start, end), "{per}");
        }
    }

    #[test]
    fn the_shape_follows_the_length() {
        for (per, shape) in
            [("minute", Shape::Rolling), ("59m", Shape::Rolling), ("hour", Shape::Fixed), ("60m", Shape::Fixed), ("month", Shape::Fixed)]
        {
            assert_eq!(Shape::default_for(Per::parse(per).unwrap()), shape, "{per}");
        }
    }
}
