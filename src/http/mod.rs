//! HTTP: the accept loop with its bounds, the routes as a table, and handlers as thin as they can be.

mod cookies;
mod cors;
mod current;
pub mod endpoints;
mod exposition;
pub mod feed;
mod fields;
pub mod forwarded;
mod front;
mod handlers;
mod json;
mod linger;
pub mod mailer;
pub mod note;
pub mod openapi;
pub mod outgoing;
mod pages;
pub mod peer;
mod process;
pub mod provider;
mod query;
pub mod request;
pub mod response;
mod route;
pub mod rows;
pub mod sender;
pub mod server;
pub mod strict;
pub mod tls;
mod upstream;
pub mod views;

pub use current::Current;
pub use front::Front;
pub use handlers::gate::ask_about;
pub use handlers::probe;
pub use route::{handle, owns};
