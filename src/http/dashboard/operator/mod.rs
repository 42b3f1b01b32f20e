//! What whoever administrates the whole server does in a browser: lists of all there is, each with its export, and a page for each
//! account, user, key, application, service token and entry of the audit.

pub mod accounts;
pub mod applications;
pub mod audit;
pub mod balance;
mod export;
mod forms;
pub mod key_settings;
pub mod keys;
mod listing;
pub mod outbox;
pub mod plans;
pub mod tokens;
pub mod users;
