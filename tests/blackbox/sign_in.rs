//! Signing in.

mod csrf;
mod door;
mod gate;
mod me;
mod providers;
mod second_factor;
mod sessions;
mod telegram;
mod tokens;
