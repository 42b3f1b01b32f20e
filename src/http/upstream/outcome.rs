//! What became of requests to the app, counted.

use super::trouble::{Kind, Trouble};
use crate::http::response::Response;
use crate::measure::{Counter, Crowd, Histogram};

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What became of a request to the app.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Outcome { $($(#[$doc])* $variant,)* }

        impl Outcome {
            /// Every outcome.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its one name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

outcomes! {
    /// It answered below 500.
    Answered = "answered",
    /// It answered 500 or above.
    Failed = "failed",
    /// No connection came about.
    Unreached = "unreached",
    /// It gave no answer that can be read.
    NoAnswer = "no_answer",
    /// It took too long.
    TooSlow = "too_slow",
    /// The client gave up, or its request was too large or not whole.
    Client = "client",
    /// A fault of tollgate's own.
    Internal = "internal",
}

impl Outcome {
    fn of(answer: &Result<Response, Trouble>) -> Self {
        match answer {
            Ok(response) if response.status().is_server_error() => Self::Failed,
            Ok(_) => Self::Answered,
            Err(trouble) => match trouble.kind {
                Kind::Unreached | Kind::UnreachedInTime => Self::Unreached,
                Kind::DeadConnection | Kind::NoAnswer => Self::NoAnswer,
                Kind::TooSlow => Self::TooSlow,
                Kind::TooLarge | Kind::ClientStalled | Kind::ClientGone => Self::Client,
                Kind::Internal => Self::Internal,
            },
        }
    }
}

/// What is counted of the app.
#[derive(Debug, Default)]
pub struct Figures {
    outcomes: [Counter; Outcome::ALL.len()],
    /// How long it took until its answer began, or until there was none.
    pub waits: Histogram,
    /// Connections to it, used and kept.
    pub connections: Crowd,
}

impl Figures {
    /// How many requests ended so.
    pub fn ended(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].get()
    }

    /// Counts one answer, or its absence.
    pub async fn counted(&self, asking: impl Future<Output = Result<Response, Trouble>>) -> Result<Response, Trouble> {
        let _timer = self.waits.start();
        // Whoever does not wait to the end is a client that has gone.
        let mut ending = Ending { figures: self, outcome: Outcome::Client };
        let answer = asking.await;
        ending.outcome = Outcome::of(&answer);
        answer
    }
}

struct Ending<'f> {
    figures: &'f Figures,
    outcome: Outcome,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.figures.outcomes[self.outcome as usize].count();
    }
}
