//! tollgate: the machine behind a public API's authentication page.

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
