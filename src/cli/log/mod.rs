//! The log: to stderr, a line each, for people or for programs.

mod line;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::atomic::Ordering;

use tracing::level_filters::LevelFilter;

use super::Failure;
use crate::config::log::{Format, LogSettings};
use line::{IS_JSON, Lines};

/// The variable that names the level.
const VARIABLE: &str = "TOLLGATE_LOG";

/// The level that the environment names; `info` where it names none.
pub fn level() -> Result<LevelFilter, Failure> {
    match std::env::var(VARIABLE) {
        Ok(name) if !name.is_empty() => {
            name.parse().map_err(|_| Failure::Use(format!("{VARIABLE} is '{name}': it must be off, error, warn, info, debug or trace")))
        }
        _ => Ok(LevelFilter::INFO),
    }
}

/// Starts logging.
pub fn start(level: LevelFilter, settings: &LogSettings) {
    follow(settings);
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .event_format(Lines)
        .init();
    if level != LevelFilter::OFF {
        std::panic::set_hook(Box::new(tell_panic));
    }
}

/// Writes lines as these settings say, from the next one on.
pub fn follow(settings: &LogSettings) {
    IS_JSON.store(settings.format == Format::Json, Ordering::Relaxed);
}

/// A panic is a line of the log as any other.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let backtrace = std::backtrace::Backtrace::capture();
    let backtrace = (backtrace.status() == std::backtrace::BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(place, backtrace, "panicked, please report it: {}", panic.payload_as_str().unwrap_or("no reason given"));
}
