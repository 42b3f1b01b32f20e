//! The log: to stderr, in colour only on a terminal.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;

use super::Failure;

/// The variable that names the level.
const VARIABLE: &str = "TOLLGATE_LOG";

/// Starts logging at the level that the environment names; `info` where it names none.
pub fn start() -> Result<(), Failure> {
    let level = match std::env::var(VARIABLE) {
        Ok(name) if !name.is_empty() => {
            name.parse().map_err(|_| Failure::Use(format!("{VARIABLE} is '{name}': it must be off, error, warn, info, debug or trace")))?
        }
        _ => LevelFilter::INFO,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}
