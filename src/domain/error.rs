//! The few ways in which an operation fails. The outer message is for the caller; what is inner goes to the log.

use std::fmt;

use super::refusal::Refusal;
use super::verdict::Verdict;

/// One wrong field of an input: its name, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field as the caller wrote it, `limits.minute`.
    pub field: String,
    /// What is wrong with it, and how to mend it.
    pub message: String,
}

impl FieldFault {
    /// As answers show it.
    pub fn as_json(&self) -> serde_json::Value {
        serde_json::json!({ "field": self.field, "message": self.message })
    }
}

/// Why an operation was not done.
#[derive(Debug)]
pub enum Error {
    /// There is no such thing.
    NotFound(String),
    /// The input is wrong; every wrong field at once.
    Invalid(Vec<FieldFault>),
    /// It does not go with what is there.
    Conflict(String),
    /// It was changed since it was looked at.
    Stale,
    /// Whoever asks may not.
    Forbidden(String),
    /// Somebody is not let in; the style says how that is told.
    Refused(Box<Refusal>),
    /// The balance does not cover it.
    NoBalance,
    /// The store cannot do it now. The text is inner: it never reaches a caller.
    Unavailable(String),
    /// A fault of our own. The text is inner: it never reaches a caller.
    Internal(String),
}

impl Error {
    /// There is no such account, key, token. What could not be an id is not repeated: it may be a secret in the wrong place.
    pub fn no_such(what: &str, kind: &str, id: &str) -> Self {
        Self::NotFound(if super::id::is(kind, id) { format!("{what} {id}") } else { format!("such {what}") })
    }

    /// One wrong field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldFault { field: field.into(), message: message.into() }])
    }

    /// A refusal with nothing more to say.
    pub fn refused(verdict: Verdict) -> Self {
        Refusal::of(verdict).into()
    }

    /// What the caller may be told.
    pub fn outer(&self) -> String {
        match self {
            Self::NotFound(what) => format!("There is no {what}."),
            Self::Invalid(faults) => {
                faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect::<Vec<_>>().join("; ")
            }
            Self::Conflict(message) => message.clone(),
            Self::Stale => "It was changed since you read it: read it again, and decide anew.".into(),
            Self::Forbidden(message) => message.clone(),
            Self::Refused(refusal) => match refusal.verdict {
                Verdict::BadRequest => refusal.detail(),
                verdict => format!("Refused: {verdict}."),
            },
            Self::NoBalance => "The balance does not cover it.".into(),
            Self::Unavailable(_) => "The database cannot be used right now; nothing was changed. The log says why.".into(),
            Self::Internal(_) => "Something went wrong here; the log says what, under this request id.".into(),
        }
    }
}

/// The whole of it, for the log.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(inner) | Self::Internal(inner) => write!(f, "{} ({inner})", self.outer()),
            _ => f.write_str(&self.outer()),
        }
    }
}

impl std::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;
