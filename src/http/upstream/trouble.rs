//! Why there is no answer of the app's.

use std::error::Error;
use std::{fmt, io};

use hyper_util::client::legacy;
use tokio::time::Instant;

use super::connect::Served;
use super::progress::{Broken, Progress};
use crate::config::upstream::Refund;
use crate::domain::verdict::Verdict;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No connection came about.
    Unreached,
    /// None came about in time.
    UnreachedInTime,
    /// A connection that was kept from an earlier request had ended.
    DeadConnection,
    /// The app answered nothing, or nothing that can be read.
    NoAnswer,
    /// It took too long.
    TooSlow,
    /// The request's body is over the bound.
    TooLarge,
    /// The client stopped sending.
    ClientStalled,
    /// The client's connection ended.
    ClientGone,
    /// A fault of tollgate's own.
    Internal,
}

/// Why there is no answer, with what the log should say.
#[derive(Debug)]
pub struct Trouble {
    /// What went wrong.
    pub kind: Kind,
    /// For the log.
    pub detail: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreached | Self::UnreachedInTime => "the app cannot be reached",
            Self::DeadConnection | Self::NoAnswer => "the app gave no answer",
            Self::TooSlow => "the app took too long",
            Self::TooLarge => "the request's body was too large",
            Self::ClientStalled | Self::ClientGone => "the request's body did not come whole",
            Self::Internal => "the request could not be passed on",
        })
    }
}

impl Kind {
    /// What the caller is told; `None`: that it is the caller's own connection.
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Unreached | Self::DeadConnection | Self::NoAnswer => Some(Verdict::UpstreamDown),
            Self::UnreachedInTime | Self::TooSlow => Some(Verdict::UpstreamTimeout),
            Self::TooLarge => Some(Verdict::TooLarge),
            Self::Internal => Some(Verdict::Internal),
            Self::ClientStalled | Self::ClientGone => None,
        }
    }

    /// From which setting on the charge is given back; `None`: the client's own doing is charged.
    pub const fn refunded_from(self) -> Option<Refund> {
        match self {
            Self::Unreached | Self::UnreachedInTime | Self::Internal => Some(Refund::Unreached),
            Self::DeadConnection | Self::NoAnswer | Self::TooSlow => Some(Refund::Failed),
            Self::TooLarge | Self::ClientStalled | Self::ClientGone => None,
        }
    }
}

impl Trouble {
    /// The app's answer is none.
    pub fn no_answer(detail: &str) -> Self {
        Self { kind: Kind::NoAnswer, detail: detail.into() }
    }

    /// Tells the operator, as far as it is not the client's own doing.
    pub fn log(&self, request_id: &str) {
        let Self { kind, detail } = self;
        match kind {
            Kind::TooLarge | Kind::ClientStalled | Kind::ClientGone => tracing::info!(request_id, "{kind}: {detail}"),
            _ => tracing::error!(request_id, "{kind}: {detail}"),
        }
    }

    /// From an error of the exchange.
    pub fn of(error: &legacy::Error, progress: &Progress) -> Self {
        let kind = match progress.broken() {
            Some(Broken::TooLarge) => Kind::TooLarge,
            Some(Broken::Stalled) => Kind::ClientStalled,
            Some(Broken::Gone) => Kind::ClientGone,
            None if error.is_connect() && is_io(error, &[io::ErrorKind::TimedOut]) => Kind::UnreachedInTime,
            None if error.is_connect() => Kind::Unreached,
            None if is_io(error, &[io::ErrorKind::TimedOut]) => Kind::TooSlow,
            None if was_dead(error, progress.began()) && has_ended(error) => Kind::DeadConnection,
            None => Kind::NoAnswer,
        };
        Self { kind, detail: told(error) }
    }
}

fn was_dead(error: &legacy::Error, began: Instant) -> bool {
    let mut extras = http::Extensions::new();
    if let Some(info) = error.connect_info() {
        info.get_extras(&mut extras);
    }
    extras.get::<Served>().is_some_and(|served| served.was_dead(began))
}

/// Whether the connection ended, rather than that something unreadable came over it.
fn has_ended(error: &legacy::Error) -> bool {
    let of_hyper = |error: &hyper::Error| error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(of_hyper))
        || is_io(error, &[io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted, io::ErrorKind::BrokenPipe])
}

fn is_io(error: &legacy::Error, kinds: &[io::ErrorKind]) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| kinds.contains(&error.kind())))
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

/// An error with all its causes, each once.
pub fn told(error: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in causes(error).map(ToString::to_string) {
        if told.last().is_none_or(|before| !before.contains(&cause)) {
            told.push(cause);
        }
    }
    told.join(": ")
}
