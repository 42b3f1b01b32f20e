//! `auth.toml`: defaults, file and environment, read into a checked [`Policy`]. Every fault that can be found is found at once.

pub mod certificates;
pub mod cors;
pub mod fault;
mod history;
mod keys;
pub mod log;
#[allow(dead_code)]
pub mod passwords;
mod plans;
pub mod policy;
mod reader;
mod routes;
pub mod secret;
mod server;
pub mod source;
mod style;
#[allow(dead_code)]
pub mod throttle;
pub mod upstream;
pub mod webhooks;

pub use fault::Fault;
pub use policy::Policy;

/// The default configuration: the repository's own `auth.toml`.
pub const DEFAULT: &str = include_str!("../../auth.toml");
