//! A refusal on the way in: which verdict, what somebody wanted to be let in by, when to try again, and what is wrong. The style
//! tells it.

use super::error::FieldFault;
use super::time::Timestamp;
use super::verdict::Verdict;

/// What somebody wanted to be let in by: a style may tell each in words of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A password.
    Password,
    /// A link or a code that was sent.
    Proof,
    /// The word of another provider.
    Provider,
    /// The code of the second factor.
    SecondFactor,
    /// A sign-in of before: an access token or the refresh cookie.
    Session,
}

impl By {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("password", Self::Password),
        ("proof", Self::Proof),
        ("provider", Self::Provider),
        ("second_factor", Self::SecondFactor),
        ("session", Self::Session),
    ];
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is told as.
    pub verdict: Verdict,
    /// What they wanted to be let in by, where that is known.
    pub by: Option<By>,
    /// Of `bad_request`: the status, where it is another than that of wrong fields.
    pub status: Option<u16>,
    /// When to try again, where waiting helps.
    pub retry_at: Option<Timestamp>,
    /// The wrong fields, all of them.
    pub errors: Vec<FieldFault>,
    /// What is wrong, where it is no field.
    sentence: String,
}

impl Refusal {
    /// With nothing more to say.
    pub const fn of(verdict: Verdict) -> Self {
        Self { verdict, by: None, status: None, retry_at: None, errors: Vec::new(), sentence: String::new() }
    }

    /// Too many tries.
    pub fn until(retry_at: Timestamp) -> Self {
        Self { retry_at: Some(retry_at), ..Self::of(Verdict::TooManyTries) }
    }

    /// Wrong fields.
    pub fn fields(errors: Vec<FieldFault>) -> Self {
        Self { errors, ..Self::of(Verdict::BadRequest) }
    }

    /// A request that is wrong in another way than in its fields, with the status that says which.
    pub fn request(status: u16, sentence: impl Into<String>) -> Self {
        Self { status: Some(status), sentence: sentence.into(), ..Self::of(Verdict::BadRequest) }
    }

    /// The same of somebody who wanted to be let in by this.
    pub fn by(self, by: By) -> Self {
        Self { by: Some(by), ..self }
    }

    /// Whole seconds until it is worth a try, rounded up, at least 1.
    pub fn retry_after(&self, now: Timestamp) -> Option<u64> {
        self.retry_at.map(|at| at.millis_since(now).div_ceil(1000).max(1))
    }

    /// All that is wrong, as one sentence.
    pub fn detail(&self) -> String {
        let fields = self.errors.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect::<Vec<_>>();
        if fields.is_empty() { self.sentence.clone() } else { fields.join("; ") }
    }
}
