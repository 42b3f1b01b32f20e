//! What is wrong with a configuration.

use std::cell::RefCell;
use std::fmt;

/// One fault: which key, where it came from, what is wrong and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// `plans[0].limits[1].burst`.
    pub key: String,
    /// The file or the environment variable.
    pub source: String,
    /// What is wrong, and how to mend it.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.key, &*self.source) {
            ("", source) => write!(f, "{source}: {}", self.message),
            (key, source) => write!(f, "{key} ({source}): {}", self.message),
        }
    }
}

/// Where faults are gathered while a configuration is read.
#[derive(Debug, Default)]
pub struct Faults {
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<Fault>>,
}

impl Faults {
    /// Adds one.
    pub fn push(&self, key: impl Into<String>, source: impl Into<String>, message: impl Into<String>) {
        self.faults.borrow_mut().push(Fault { key: key.into(), source: source.into(), message: message.into() });
    }

    /// Adds what is no fault and should be known.
    pub fn warn(&self, key: impl Into<String>, source: impl Into<String>, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Fault { key: key.into(), source: source.into(), message: message.into() });
    }

    /// What was warned of so far.
    pub fn warnings(&self) -> Vec<Fault> {
        self.warnings.borrow().clone()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// All of them.
    pub fn into_inner(self) -> Vec<Fault> {
        self.faults.into_inner()
    }
}
