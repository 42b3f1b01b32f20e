//! How a time is written: `{limit.reset:http_date}`.

use serde_json::Value;

use crate::domain::time::Timestamp;

/// A format of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Unix seconds, rounded up.
    #[default]
    Unix,
    /// Unix milliseconds.
    UnixMs,
    /// Unix seconds with three decimals.
    UnixFloat,
    /// `2026-04-01T00:00:00Z`.
    Rfc3339,
    /// `2026-04-01T00:00:00.123Z`.
    Rfc3339Ms,
    /// `Wed, 01 Apr 2026 00:00:00 GMT`.
    HttpDate,
    /// Seconds left, rounded up.
    After,
    /// Milliseconds left.
    AfterMs,
    /// Time left, as `6m0s`, `8.64s`, `12ms`.
    Duration,
}

/// Every format by its name.
pub const NAMES: [(&str, Format); 9] = [
    ("unix", Format::Unix),
    ("unix_ms", Format::UnixMs),
    ("unix_float", Format::UnixFloat),
    ("rfc3339", Format::Rfc3339),
    ("rfc3339_ms", Format::Rfc3339Ms),
    ("http_date", Format::HttpDate),
    ("after", Format::After),
    ("after_ms", Format::AfterMs),
    ("duration", Format::Duration),
];

impl Format {
    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// An instant as a JSON number or string.
    pub fn value(self, at: Timestamp, now: Timestamp) -> Value {
        match self {
            Self::Unix => at.seconds_up().into(),
            Self::UnixMs => at.millis().into(),
            Self::UnixFloat => (at.millis() as f64 / 1000.0).into(),
            Self::Rfc3339 => at.rfc3339().into(),
            Self::Rfc3339Ms => at.rfc3339_millis().into(),
            Self::HttpDate => at.http_date().into(),
            Self::After => at.millis_since(now).div_ceil(1000).into(),
            Self::AfterMs => at.millis_since(now).into(),
            Self::Duration => duration(at.millis_since(now)).into(),
        }
    }
}

/// As Go's `time.Duration` prints it, to the millisecond.
fn duration(millis: u64) -> String {
    if millis < 1000 {
        return if millis == 0 { "0s".into() } else { format!("{millis}ms") };
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, rest) = (millis / 1000 % 60, millis % 1000);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:03}").trim_end_matches('0').to_owned() };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_says_what_it_should() {
        let now = Timestamp::from_millis(1_775_001_600_000);
        let at = Timestamp::from_millis(1_775_001_960_250);
        for (name, expected) in [
            ("unix", "1775001961"),
            ("unix_ms", "1775001960250"),
            ("unix_float", "1775001960.25"),
            ("rfc3339", "\"2026-04-01T00:06:00Z\""),
            ("rfc3339_ms", "\"2026-04-01T00:06:00.250Z\""),
            ("http_date", "\"Wed, 01 Apr 2026 00:06:01 GMT\""),
            ("after", "361"),
            ("after_ms", "360250"),
            ("duration", "\"6m0.25s\""),
        ] {
            assert_eq!(Format::from_name(name).unwrap().value(at, now).to_string(), expected, "{name}");
        }
        assert_eq!(Format::from_name("iso"), None);
    }

    #[test]
    fn lengths_are_written_as_go_does() {
        for (millis, text) in
            [(0, "0s"), (12, "12ms"), (1000, "1s"), (8640, "8.64s"), (360_000, "6m0s"), (3_600_000, "1h0m0s"), (90_061_000, "25h1m1s")]
        {
            assert_eq!(duration(millis), text);
        }
    }
}
