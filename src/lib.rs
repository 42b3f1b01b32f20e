//! tollgate: the machine behind a public API's authentication page. One binary, one SQLite file, one `auth.toml`.
//!
//! # The map
//!
//! Imports run one way only; `tests/architecture.rs` holds this.
//!
//! ```text
//! cli ─ app ─ http ─ service ─┬─ config ─ style ─ domain
//!                             └─ store ───────────┘
//! ```
//!
//! - [`domain`]: keys, accounts, plans, limits, verdicts. Pure: no file, no socket, no clock; `now` is handed in.
//! - [`style`]: verdict → status, headers, body; templates compiled once at start.
//! - [`config`]: `auth.toml` → a checked [`config::Policy`]; every fault at once.
//! - [`store`]: all SQL. One writer that commits in groups, readers for what is not in memory.
//! - [`service`]: what tollgate does. [`service::gate`] is the hot path: read it first.
//! - [`http`]: connections, bounds, the table of paths, thin handlers.
//! - [`app`]: wires it all; the way up and the way down.
//! - [`cli`]: the command line, a client of the same admin API.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod service;
pub mod store;
pub mod style;
