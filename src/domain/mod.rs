//! What the product talks about: keys, accounts, plans, limits, verdicts. Pure: no file, no socket, no clock;
//! `now` is handed in.

pub mod act;
pub mod address;
pub mod balance;
pub mod caller;
pub mod carrier;
pub mod decision;
pub mod error;
pub mod event;
pub mod id;
pub mod key;
pub mod limit;
pub mod nearest;
#[allow(dead_code)]
pub mod password;
pub mod path;
#[allow(dead_code)]
pub mod phone;
pub mod plan;
#[allow(dead_code)]
pub mod rate;
pub mod reach;
pub mod route;
pub mod scope;
pub mod time;
pub mod token;
#[allow(dead_code)]
pub mod totp;
pub mod usage;
pub mod verdict;
pub mod webhook;
pub mod window;
