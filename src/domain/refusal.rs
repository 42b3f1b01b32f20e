//! A refusal on the way in: which verdict, when to try again, and which fields are wrong. The style tells it.

use super::error::FieldFault;
use super::time::Timestamp;
use super::verdict::Verdict;

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is told as.
    pub verdict: Verdict,
    /// When to try again, where waiting helps.
    pub retry_at: Option<Timestamp>,
    /// The wrong fields, all of them.
    pub errors: Vec<FieldFault>,
}

impl Refusal {
    /// With nothing more to say.
    pub const fn of(verdict: Verdict) -> Self {
        Self { verdict, retry_at: None, errors: Vec::new() }
    }

    /// Too many tries.
    pub const fn until(retry_at: Timestamp) -> Self {
        Self { verdict: Verdict::TooManyTries, retry_at: Some(retry_at), errors: Vec::new() }
    }

    /// Wrong fields.
    pub const fn fields(errors: Vec<FieldFault>) -> Self {
        Self { verdict: Verdict::BadRequest, retry_at: None, errors }
    }

    /// Whole seconds until it is worth a try, rounded up, at least 1.
    pub fn retry_after(&self, now: Timestamp) -> Option<u64> {
        self.retry_at.map(|at| at.millis_since(now).div_ceil(1000).max(1))
    }

    /// All faults as one sentence.
    pub fn detail(&self) -> String {
        self.errors.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect::<Vec<_>>().join("; ")
    }
}
