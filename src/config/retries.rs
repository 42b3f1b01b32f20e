//! `retries`: how long after a failed try to send something the next one is.

use super::reader::Table;
use crate::domain::time::Span;

/// How often something may be tried again, and how soon and how late.
const MOST: usize = 20;
const SOONEST: Span = Span::from_millis(100);
const LATEST: Span = Span::from_secs(7 * 86_400);

/// Reads the list of a table.
pub(super) fn read(table: &Table<'_>) -> Option<Vec<Span>> {
    let retries = table.all_parsed("retries", delay)?;
    if retries.len() > MOST {
        table.fault("retries", format!("must be at most {MOST}"));
        return None;
    }
    Some(retries)
}

fn delay(text: &str) -> Result<Span, String> {
    let span = Span::parse(text)?;
    if (SOONEST..=LATEST).contains(&span) { Ok(span) } else { Err(format!("must be from {SOONEST} to {LATEST}, and is {span}")) }
}
