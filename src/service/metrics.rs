//! What the services count of their own work, beside what the meter, the caches and the store count of theirs. On the hot path
//! these are relaxed atomics alone.

use std::sync::OnceLock;

use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::measure::{Counter, Crowd, Histogram, Latest, Timer};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What kind of request it was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its one name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// To the gate: every path that is not tollgate's own.
    Gate = "gate",
    /// A proxy that asks.
    Check = "check",
    /// An app that asks.
    Verify = "verify",
    /// Of the admin API, the balance among it.
    Admin = "admin",
    /// Whatever else lies under the prefix: health, metrics, a path that is not there.
    Other = "other",
}

/// What the services count.
#[derive(Debug)]
pub struct Metrics {
    /// When this began.
    pub since: Timestamp,
    /// How long decisions took, one each ask.
    pub decisions: Histogram,
    requests: [Histogram; Kind::ALL.len()],
    /// Connections of clients that are open.
    pub connections: Crowd,
    /// How many may be.
    pub most_connections: OnceLock<u64>,
    /// Times that tokens were taken from a balance.
    pub charges: Counter,
    /// How many tokens that was.
    pub charged_tokens: Counter,
    /// Sign-ins, by what became of them.
    sign_ins: [Counter; Verdict::COUNT],
    /// Webhooks that were given up because too many waited.
    pub webhooks_overflowed: Counter,
    /// Webhooks that wait, as last counted.
    pub webhooks_waiting: Latest,
    /// Mails and SMS that were given up.
    pub mails_given_up: Counter,
    /// Mails and SMS that wait, as last counted.
    pub mails_waiting: Latest,
    /// Applications that wait for a decision, as last counted.
    pub applications_open: Latest,
}

impl Metrics {
    /// At nothing.
    pub fn new(since: Timestamp) -> Self {
        Self {
            since,
            decisions: Histogram::default(),
            requests: Default::default(),
            connections: Crowd::default(),
            most_connections: OnceLock::new(),
            charges: Counter::new(),
            charged_tokens: Counter::new(),
            sign_ins: [const { Counter::new() }; Verdict::COUNT],
            webhooks_overflowed: Counter::new(),
            webhooks_waiting: Latest::default(),
            mails_given_up: Counter::new(),
            mails_waiting: Latest::default(),
            applications_open: Latest::default(),
        }
    }

    /// Counts tokens that were taken from a balance; what gives some is no charge.
    pub fn charged(&self, tokens: i64) {
        if let Ok(tokens @ 1..) = u64::try_from(tokens) {
            self.charges.count();
            self.charged_tokens.add(tokens);
        }
    }

    /// Counts somebody who came to sign in.
    pub fn signed_in(&self, verdict: Verdict) {
        self.sign_ins[verdict as usize].count();
    }

    /// How many were told so.
    pub fn sign_ins(&self, verdict: Verdict) -> u64 {
        self.sign_ins[verdict as usize].get()
    }

    /// How long requests of a kind took.
    pub fn requests(&self, kind: Kind) -> &Histogram {
        &self.requests[kind as usize]
    }

    /// Times a request from now on.
    pub fn time(&self, kind: Kind) -> Timer<'_> {
        self.requests(kind).start()
    }
}
