//! Signing in.

mod abuse;
mod change;
mod csrf;
mod door;
mod gate;
mod identities;
mod input;
mod leaving;
mod login;
mod me;
mod pages;
mod phone;
mod post;
mod providers;
mod register;
mod reset;
pub mod second_factor;
mod sessions;
pub mod telegram;
mod tidying;
mod timing;
mod tokens;
mod told;
mod ways;
mod words;
