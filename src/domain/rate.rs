//! A rate, written `20/1h`: so many at once, and so many an hour steadily (GCRA, as a rolling limit has it).

use std::fmt;
use std::sync::Arc;

use super::limit::{Count, Limit, Per, Shape, Unit};
use super::time::Span;

/// The most that a rate may allow.
const MOST: u64 = 1_000_000;

/// Its window.
const SHORTEST: Span = Span::from_secs(1);
const LONGEST: Span = Span::from_secs(31 * 86_400);

/// A rate. Cloning it copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate(Arc<Limit>);

impl Rate {
    /// Reads `20/1h`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no rate: write it as 20/1h, so many at once and so many in that time");
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let requests: u64 = count.parse().ok().filter(|_| count.bytes().all(|b| b.is_ascii_digit())).ok_or_else(wrong)?;
        let per = Span::parse(per).map_err(|_| wrong())?;
        if !(1..=MOST).contains(&requests) {
            return Err(format!("allows {requests}: it must be from 1 to {MOST}"));
        }
        if !(SHORTEST..=LONGEST).contains(&per) {
            return Err(format!("is for {per}: it must be from {SHORTEST} to {LONGEST}"));
        }
        let (name, slot) = (Arc::from(text), Arc::from(text));
        let (shape, count, unit) = (Shape::Rolling, Count::Address, Unit::Requests);
        Ok(Self(Arc::new(Limit { name, slot, requests, per: Per::Length(per), shape, count, unit, burst: None, observe: false })))
    }

    /// As a rolling window counts it.
    pub fn limit(&self) -> &Limit {
        &self.0
    }

    /// In which time: after it, all of it is there again.
    pub fn per(&self) -> Span {
        self.0.per.span()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.requests, self.per())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_and_write() {
        for text in ["20/1h", "1/1s", "1000000/31d", "3/10m"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        for wrong in
            ["", "20", "20/", "/1h", "0/1h", "1000001/1h", "+2/1h", "-1/1h", "1.5/1h", "20/0s", "20/500ms", "20/32d", "20/1h/2", "20/hour"]
        {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
    }
}
