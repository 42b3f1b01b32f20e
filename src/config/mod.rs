//! `auth.toml`: defaults, file and environment, read into a checked [`Policy`]. Every fault that can be found is found at once.

pub mod address;
pub mod brand;
pub mod certificates;
pub mod cors;
mod dashboard;
pub mod docs;
pub mod fault;
mod history;
pub mod keys;
mod letters;
pub mod log;
pub mod mail;
pub mod passwords;
mod plans;
pub mod policy;
pub mod providers;
mod reader;
mod retries;
mod routes;
pub mod secret;
mod server;
pub mod sign_in;
pub mod sms;
pub mod source;
mod style;

pub mod throttle;
pub mod upstream;
pub mod webhooks;

pub use fault::Fault;
pub use policy::Policy;

/// The default configuration: the repository's own `auth.toml`.
pub const DEFAULT: &str = include_str!("../../auth.toml");
