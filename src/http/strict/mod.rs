//! A strict second reading of what comes in over the wire, so that no request can be smuggled through the gate to the app
//! behind it, or past a proxy in front of it.
//!
//! hyper reads generously: it drops a `Content-Length` beside a `Transfer-Encoding`, takes a bare LF for the end of a line and
//! several `Host`s, and cuts a fragment off the target. Another reader may take the same bytes for another request. So [`Strict`]
//! stands between the socket and hyper and lets `Reading` follow the same bytes first: what can be read in two ways never gets
//! as far as hyper, let alone the app.
//!
//! What holds it together: a line is checked whole before its LF is handed on, and hyper takes no step beyond a line without one.

mod chars;
mod chunk;
mod head;
mod reading;
mod reason;
mod stream;
#[cfg(test)]
mod tests;

pub use chars::folds_to;
pub use chunk::is_never_trailer;
#[cfg(any(test, fuzzing))]
pub use reading::{Place, Reading, Refusal};
#[cfg(any(test, fuzzing))]
pub use reason::Reason;
pub use stream::{Strict, TunnelSwitch};
