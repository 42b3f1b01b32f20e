//! What the log last said that somebody should look at, kept for the page that shows it: bounded, and gone with the process.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::domain::time::Timestamp;
use crate::measure::Counter;

/// How many are kept, and how many characters of each.
const KEPT: usize = 20;
const LONGEST: usize = 300;

/// A line of the log that tells of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at: Timestamp,
    /// Whether it is an error; else it is a warning.
    pub is_error: bool,
    /// The line, as it stands in the log after time and level.
    pub text: String,
    /// The request that it is about.
    pub request_id: Option<String>,
}

/// Faults, the newest first.
#[derive(Debug)]
pub struct Latest {
    kept: Mutex<VecDeque<Fault>>,
    errors: Counter,
    warnings: Counter,
}

/// Those of this process.
pub static LATEST: Latest = Latest::new();

impl Latest {
    const fn new() -> Self {
        Self { kept: Mutex::new(VecDeque::new()), errors: Counter::new(), warnings: Counter::new() }
    }

    /// Keeps one; the oldest goes where there are too many.
    pub fn keep(&self, mut fault: Fault) {
        if fault.is_error { &self.errors } else { &self.warnings }.count();
        if let Some((end, _)) = fault.text.char_indices().nth(LONGEST) {
            fault.text.truncate(end);
            fault.text.push('…');
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front(fault);
    }

    /// What is kept, the newest first.
    pub fn all(&self) -> Vec<Fault> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// How many errors and warnings there were, those that are not kept any more included.
    pub fn counts(&self) -> (u64, u64) {
        (self.errors.get(), self.warnings.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_cut_short() {
        let latest = Latest::new();
        let fault = |number: usize, text: String| Fault {
            at: Timestamp::from_millis(number as i64),
            is_error: number.is_multiple_of(3),
            text,
            request_id: None,
        };
        (0..KEPT + 10).for_each(|number| latest.keep(fault(number, format!("fault {number}"))));
        let all = latest.all();
        assert_eq!((all.len(), all[0].text.as_str(), all[KEPT - 1].text.as_str()), (KEPT, "fault 29", "fault 10"));
        assert_eq!(latest.counts(), (10, 20));
        latest.keep(fault(60, "ö".repeat(LONGEST + 1)));
        assert_eq!(latest.all()[0].text, format!("{}…", "ö".repeat(LONGEST)));
        latest.keep(fault(61, "ö".repeat(LONGEST)));
        assert_eq!(latest.all()[0].text, "ö".repeat(LONGEST));
    }
}
