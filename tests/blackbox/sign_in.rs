//! Signing in.

mod providers;
mod telegram;
