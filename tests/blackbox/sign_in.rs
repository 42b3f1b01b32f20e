//! Signing in.

mod abuse;
mod change;
mod csrf;
mod door;
mod gate;
mod input;
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
mod timing;
mod tokens;
mod words;
