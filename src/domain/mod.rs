//! What the product talks about: keys, accounts, plans, limits, verdicts. Pure: no file, no socket, no clock;
//! `now` is handed in.

pub mod act;
pub mod address;
pub mod application;
pub mod balance;
pub mod caller;
pub mod carrier;
pub mod decision;
pub mod email;
pub mod error;
pub mod event;
pub mod id;
pub mod identity;
pub mod invitation;
pub mod jwt;
pub mod key;
pub mod letter;
pub mod limit;
pub mod nearest;
pub mod password;
pub mod path;
#[allow(dead_code)]
pub mod phone;
pub mod plan;
pub mod proof;
pub mod rate;
pub mod reach;
pub mod refusal;
pub mod route;
pub mod scope;
pub mod session;
pub mod signing;
pub mod telegram;
pub mod time;
pub mod token;
#[allow(dead_code)]
pub mod totp;
pub mod usage;
pub mod user;
pub mod verdict;
pub mod webhook;
pub mod window;
