//! Signing in.

mod abuse;
mod browser;
mod change;
mod csrf;
mod door;
mod gate;
mod input;
mod joining;
mod login;
mod me;
mod pages;
mod phone;
mod post;
mod providers;
mod refused_callback;
mod register;
mod reset;
mod rivals;
pub mod second_factor;
mod second_factor_page;
mod sessions;
pub mod telegram;
mod timing;
mod tokens;
