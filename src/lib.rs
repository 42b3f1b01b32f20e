//! tollgate: the machine behind a public API's authentication page. One binary, one SQLite file, one `auth.toml`.
//!
//! # Inside your own server
//!
//! [`Gate`] is the gate without the HTTP hop: it opens the database of an `auth.toml` and checks requests in this process.
//!
//! ```no_run
//! # async fn example(request: http::Request<()>, peer: std::net::SocketAddr) -> Result<(), tollgate::OpenError> {
//! use tollgate::{Gate, Outcome};
//!
//! let gate = Gate::open(None).await?;
//! match gate.check(&request, Some(peer)).await {
//!     Outcome::Pass(pass) => println!("{} calls, on the plan {}", pass.account, pass.plan),
//!     Outcome::Refusal(answer) => println!("the caller is told {}", answer.status()),
//! }
//! gate.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` is a whole server of few lines. A binary of your own may set a faster allocator, as ours does.
//!
//! **What is stable:** the items on this page, `auth.toml`, the HTTP paths and the database's content, across all versions of one
//! number before the first dot (before 1.0: before the second). Everything else is private.
//!
//! # The map
//!
//! For those who read the source. Imports run one way only; `tests/architecture.rs` holds this.
//!
//! ```text
//! cli ──┐              ┌─ docs ─┐
//! embed ┴ app ─ http ──┴ service ┴┬─ config ─ style ─ domain
//!                                 └─ store ───────────┘
//! ```
//!
//! - `domain`: keys, accounts, plans, limits, verdicts. Pure: no file, no socket, no clock; `now` is handed in.
//! - `style`: verdict → status, headers, body; templates compiled once at start.
//! - `config`: `auth.toml` → a checked `Policy`; every fault at once.
//! - `docs`: the authentication page: a `Policy` becomes Markdown, and that HTML. Pure; `http` and `cli` show it.
//! - `store`: all SQL. One writer that commits in groups, readers for what is not in memory.
//! - `service`: what tollgate does. `service/gate.rs` is the hot path: read it first.
//! - `http`: connections, bounds, the table of paths, thin handlers; `http/upstream` passes on what passed.
//! - `app`: wires it all; the way up and the way down.
//! - `embed`: the gate for somebody's own server.
//! - `cli`: the command line, a client of the same admin API.
//! - `measure`: counters and histograms; beside the layers, and sees none of them.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod app;
#[doc(hidden)]
pub mod cli;
mod config;
mod docs;
mod domain;
mod embed;
mod http;
mod measure;
mod service;
mod store;
mod style;

/// What the fuzz targets read requests with.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::{domain, http};
}

pub use embed::{BodyFault, Gate, OpenError, Outcome, Pass, ResponseBody};
