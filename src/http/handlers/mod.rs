//! What answers each path: read the request, call the service, build the response.

pub mod accounts;
pub mod audit;
pub mod backup;
pub mod balance;
pub mod check;
pub mod export;
pub mod gate;
pub mod health;
pub mod import;
pub mod jwks;
pub mod keys;
pub mod mails;
pub mod me;
pub mod metrics;
pub mod openapi;
pub mod pass_on;
pub mod plans;
pub mod probe;
pub mod sign_in;
pub mod state;
pub mod tokens;
pub mod usage;
pub mod users;
pub mod verify;
pub mod webhooks;
