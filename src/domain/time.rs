//! Instants and lengths. An instant is Unix milliseconds, UTC; a length is milliseconds, written `1s`, `10m`, `30d`.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The end of time: what "never" compares as.
    pub const MAX: Self = Self(i64::MAX);

    /// The wall clock. Only the edges of the program call this; everything else is handed the instant.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From Unix milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Unix milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Unix seconds, rounded up: a caller who waits until then has waited long enough.
    pub const fn seconds_up(self) -> i64 {
        self.0.div_euclid(1000) + (self.0.rem_euclid(1000) != 0) as i64
    }

    /// Milliseconds from `earlier` to here; 0 where `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        let gap = self.0.saturating_sub(earlier.0);
        if gap < 0 { 0 } else { gap as u64 }
    }

    /// This instant and a length.
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }

    /// So much earlier.
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }

    /// The start of the UTC window of `length` that holds this instant, counted from the Unix epoch.
    pub const fn floor_to(self, length: Span) -> Self {
        let length = length.0 as i64;
        Self(self.0.div_euclid(length) * length)
    }

    /// Midnight, UTC, of the first day of this instant's month, and of the next month.
    pub fn month(self) -> (Self, Self) {
        let first = self.date().first_of_month();
        (Self::midnight(first), Self::midnight(first.saturating_add(jiff::Span::new().months(1))))
    }

    /// The UTC calendar date.
    pub fn date(self) -> jiff::civil::Date {
        self.zoned().date()
    }

    /// Midnight, UTC, at the start of a date.
    pub fn midnight(date: jiff::civil::Date) -> Self {
        let zoned = date.to_zoned(TimeZone::UTC);
        zoned.map_or(Self::MAX, |at| Self(at.timestamp().as_millisecond()))
    }

    /// `2026-04-01T00:00:00Z`, seconds.
    pub fn rfc3339(self) -> String {
        self.zoned().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// `2026-04-01T00:00:00.123Z`.
    pub fn rfc3339_millis(self) -> String {
        self.zoned().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// `Wed, 01 Apr 2026 00:00:00 GMT` (RFC 9110, 5.6.7), rounded up to the second.
    pub fn http_date(self) -> String {
        Self(self.seconds_up().saturating_mul(1000)).zoned().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Reads RFC 3339, or a date alone (midnight, UTC).
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(at.as_millisecond()));
        }
        // Only the plain form counts as a date: jiff would take a longer text by its first part.
        match text.parse::<jiff::civil::Date>() {
            Ok(date) if text.len() == 10 => Ok(Self::midnight(date)),
            _ => Err(format!("'{text}' is not a time: write it as 2026-12-31T23:59:59Z or 2026-12-31")),
        }
    }

    /// Reads `Wed, 01 Apr 2026 00:00:00 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(|at| Self(at.as_millisecond()))
    }

    fn zoned(self) -> jiff::Zoned {
        let clamped = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        clamped.to_zoned(TimeZone::UTC)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339_millis())
    }
}

/// A length of time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// The units a length is written in, largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// No length is longer than a hundred years: beyond that a digit slipped.
const LONGEST: u64 = 36_525 * 86_400_000;

impl Span {
    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// Milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded up.
    pub const fn seconds_up(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// For the standard library's timers.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Reads `500ms`, `1s`, `10m`, `2h`, `30d`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a length: write it as 500ms, 10s, 10m, 2h or 30d");
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let span = number.checked_mul(*millis).filter(|millis| *millis <= LONGEST);
        span.map(Self).ok_or_else(|| format!("'{text}' is longer than a hundred years"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, millis): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*millis);
        let (unit, millis) = UNITS.iter().find(fits).unwrap_or(&UNITS[3]);
        write!(f, "{}{unit}", self.0 / millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc() {
        let at = Timestamp::from_millis(1_775_001_600_123);
        assert_eq!(at.rfc3339(), "2026-04-01T00:00:00Z");
        assert_eq!(at.rfc3339_millis(), "2026-04-01T00:00:00.123Z");
        assert_eq!(at.http_date(), "Wed, 01 Apr 2026 00:00:01 GMT");
        assert_eq!(at.seconds_up(), 1_775_001_601);
        assert_eq!(Timestamp::parse_http_date(&at.http_date()), Some(Timestamp::from_millis(1_775_001_601_000)));
        assert_eq!(Timestamp::parse_http_date("tomorrow"), None);
    }

    #[test]
    fn months_turn_on_the_first() {
        let (start, end) = Timestamp::parse("2026-12-31T23:59:59Z").unwrap().month();
        assert_eq!(start.rfc3339(), "2026-12-01T00:00:00Z");
        assert_eq!(end.rfc3339(), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn times_read_back() {
        assert_eq!(Timestamp::parse("2026-04-01").unwrap().rfc3339(), "2026-04-01T00:00:00Z");
        assert_eq!(Timestamp::parse("2026-04-01T02:00:00+02:00").unwrap().rfc3339(), "2026-04-01T00:00:00Z");
        for wrong in ["", "tomorrow", "2026-13-01", "1775001600", "2026-04-01T00:00:00"] {
            assert!(Timestamp::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_read_and_write() {
        for text in ["500ms", "1s", "10m", "2h", "30d"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "10", "m", "-1s", "1.5h", "1y", "99999999999999999999s", "9999999d"] {
            assert!(Span::parse(wrong).is_err(), "{wrong}");
        }
    }
}
