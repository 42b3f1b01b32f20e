//! `auth.toml`: defaults, file and environment, read into a checked [`Policy`]. Every fault that can be found is found at once.

pub mod cors;
pub mod fault;
mod history;
mod keys;
pub mod log;
mod plans;
pub mod policy;
mod reader;
mod routes;
mod server;
pub mod source;
mod style;
pub mod upstream;

pub use fault::Fault;
pub use policy::Policy;

/// The default configuration: the repository's own `auth.toml`.
pub const DEFAULT: &str = include_str!("../../auth.toml");
