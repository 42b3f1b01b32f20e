//! HTTP: the accept loop with its bounds, the routes as a table, and handlers as thin as they can be.

pub mod endpoints;
mod fields;
pub mod forwarded;
mod handlers;
pub mod peer;
pub mod request;
pub mod response;
pub mod server;
pub mod views;

pub use handlers::probe;
pub use server::handle;
