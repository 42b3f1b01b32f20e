//! Usage: how many requests got which verdict, how it is asked for, and how rows are summed up.

use std::collections::BTreeMap;

use super::id;
use super::time::{Span, Timestamp};
use super::verdict::Verdict;

/// An hour.
pub const HOUR: Span = Span::from_secs(3600);
/// A day, UTC.
pub const DAY: Span = Span::from_secs(86_400);

/// How long one row of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

impl By {
    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            _ => None,
        }
    }

    /// Its length.
    pub const fn length(self) -> Span {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// How many of them are told where nobody says since when.
    pub const fn usual(self) -> i64 {
        match self {
            Self::Hour => 48,
            Self::Day => 30,
        }
    }

    /// The first start that is no earlier than an instant.
    pub fn first_from(self, at: Timestamp) -> Timestamp {
        let floor = at.floor_to(self.length());
        if floor < at { floor.plus(self.length()) } else { floor }
    }
}

/// Whom the rows of an answer tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Keys.
    Key,
    /// Accounts.
    Account,
    /// Nobody: one sum.
    All,
}

impl Of {
    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "key" => Some(Self::Key),
            "account" => Some(Self::Account),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// What is asked for: rows whose start is `from` or later, and before `to`; both are starts themselves.
#[derive(Clone, Debug)]
pub struct UsageAsk {
    /// Only this account's.
    pub account: Option<String>,
    /// Only this key's; then the account is named, too.
    pub key: Option<String>,
    /// Only this verdict.
    pub verdict: Option<Verdict>,
    /// From then on.
    pub from: Timestamp,
    /// Until then.
    pub to: Timestamp,
    /// How long one row is.
    pub by: By,
    /// Whom rows tell apart.
    pub of: Of,
}

/// One row of an answer. What rows do not tell apart is empty, and so is whoever was not recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The start of its hour or day.
    pub start: Timestamp,
    /// Whose.
    pub account: String,
    /// Of which key.
    pub key: String,
    /// The verdict's name.
    pub verdict: String,
    /// How many requests.
    pub count: u64,
}

/// Where an answer goes on: rows come in the order of start, account, key and verdict, whatever their counts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// With the rows of this start,
    pub start: Timestamp,
    /// after this one of them; none: from the first.
    pub after: Option<After>,
}

/// A row within its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Its account.
    pub account: String,
    /// Its key.
    pub key: String,
    /// Its verdict.
    pub verdict: String,
}

impl Place {
    /// The beginning of a start.
    pub fn at(start: Timestamp) -> Self {
        Self { start, after: None }
    }

    /// After a row.
    pub fn after(row: &Counted) -> Self {
        let after = After { account: row.account.clone(), key: row.key.clone(), verdict: row.verdict.clone() };
        Self { start: row.start, after: Some(after) }
    }

    /// As a cursor: `1763712000000`, or `1763712000000.acc_….key_….ok`.
    pub fn to_cursor(&self) -> String {
        let start = self.start.millis();
        match &self.after {
            None => start.to_string(),
            Some(After { account, key, verdict }) => format!("{start}.{account}.{key}.{verdict}"),
        }
    }

    /// Reads a cursor.
    pub fn from_cursor(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let start = Timestamp::from_millis(parts.next()?.parse().ok()?);
        let Some(account) = parts.next() else { return Some(Self::at(start)) };
        let (key, verdict, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
        let sound = (account.is_empty() || id::is(id::ACCOUNT, account)) && (key.is_empty() || id::is(id::KEY, key));
        let after = After { account: account.into(), key: key.into(), verdict: Verdict::from_name(verdict)?.name().into() };
        sound.then_some(Self { start, after: Some(after) })
    }
}

/// Sums up the rows of one start. They must come in the order of account and key; what is done with them comes out in the order
/// of account, key and verdict.
pub struct Sums<'a> {
    of: Of,
    start: Timestamp,
    after: Option<&'a After>,
    group: Option<(String, String)>,
    counts: BTreeMap<String, u64>,
}

impl<'a> Sums<'a> {
    /// For rows of this start; those up to `after` were told before.
    pub fn new(of: Of, start: Timestamp, after: Option<&'a After>) -> Self {
        Self { of, start, after, group: None, counts: BTreeMap::new() }
    }

    /// Adds a row. Where it begins another group, the one before it is done.
    pub fn add(&mut self, account: &str, key: &str, verdict: &str, count: u64, done: &mut Vec<Counted>) {
        let account = if self.of == Of::All { "" } else { account };
        let key = if self.of == Of::Key { key } else { "" };
        if self.group.as_ref().is_none_or(|(known, known_key)| (known.as_str(), known_key.as_str()) != (account, key)) {
            self.finish(done);
            self.group = Some((account.to_owned(), key.to_owned()));
        }
        match self.counts.get_mut(verdict) {
            Some(sum) => *sum = sum.saturating_add(count),
            None => drop(self.counts.insert(verdict.to_owned(), count)),
        }
    }

    /// The last group is done.
    pub fn finish(&mut self, done: &mut Vec<Counted>) {
        let Some((account, key)) = self.group.take() else { return };
        let told = self.after.filter(|after| (&after.account, &after.key) == (&account, &key)).map(|after| &after.verdict);
        let rest = std::mem::take(&mut self.counts).into_iter().filter(|(verdict, _)| told.is_none_or(|told| verdict > told));
        done.extend(rest.map(|(verdict, count)| Counted { start: self.start, account: account.clone(), key: key.clone(), verdict, count }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [(&str, &str, &str, u64); 6] = [
        ("", "", "missing", 7),
        ("a", "k", "ok", 1),
        ("a", "k", "expired", 2),
        ("a", "k", "ok", 4),
        ("a", "l", "ok", 8),
        ("b", "m", "ok", 16),
    ];

    fn summed(of: Of, after: Option<&After>) -> Vec<(String, String, String, u64)> {
        let (mut sums, mut done) = (Sums::new(of, Timestamp::default(), after), Vec::new());
        ROWS.iter().for_each(|(account, key, verdict, count)| sums.add(account, key, verdict, *count, &mut done));
        sums.finish(&mut done);
        done.into_iter().map(|row| (row.account, row.key, row.verdict, row.count)).collect()
    }

    fn expected(rows: &[(&str, &str, &str, u64)]) -> Vec<(String, String, String, u64)> {
        rows.iter().map(|(account, key, verdict, count)| ((*account).into(), (*key).into(), (*verdict).into(), *count)).collect()
    }

    #[test]
    fn rows_are_summed_up_by_whom_they_tell_apart() {
        let keys = [("", "", "missing", 7), ("a", "k", "expired", 2), ("a", "k", "ok", 5), ("a", "l", "ok", 8), ("b", "m", "ok", 16)];
        assert_eq!(summed(Of::Key, None), expected(&keys));
        let accounts = [("", "", "missing", 7), ("a", "", "expired", 2), ("a", "", "ok", 13), ("b", "", "ok", 16)];
        assert_eq!(summed(Of::Account, None), expected(&accounts));
        assert_eq!(summed(Of::All, None), expected(&[("", "", "expired", 2), ("", "", "missing", 7), ("", "", "ok", 29)]));
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let after = After { account: "a".into(), key: "".into(), verdict: "expired".into() };
        let rest = [("", "", "missing", 7), ("a", "", "ok", 13), ("b", "", "ok", 16)];
        assert_eq!(summed(Of::Account, Some(&after)), expected(&rest), "accounts before it are not read at all");
    }

    #[test]
    fn cursors_read_back() {
        let (account, key) = (id::new(id::ACCOUNT, Timestamp::default()), id::new(id::KEY, Timestamp::default()));
        let after = |account: &str, key: &str| Some(After { account: account.into(), key: key.into(), verdict: "ok".into() });
        for after in [None, after("", ""), after(&account, ""), after(&account, &key)] {
            let place = Place { start: Timestamp::from_millis(1_763_712_000_000), after };
            assert_eq!(Place::from_cursor(&place.to_cursor()), Some(place));
        }
        for wrong in ["", "x", "1.", "1.a.b.ok", "1...", "1...fine", "1...ok.", "99999999999999999999"] {
            assert_eq!(Place::from_cursor(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn starts_are_found() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(By::Day.first_from(at("2026-11-21T00:00:00Z")), at("2026-11-21"));
        assert_eq!(By::Day.first_from(at("2026-11-21T00:00:00.001Z")), at("2026-11-22"));
        assert_eq!(By::Hour.first_from(at("2026-11-21T10:30:00Z")), at("2026-11-21T11:00:00Z"));
    }
}
