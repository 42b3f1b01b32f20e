//! What may go wrong: the process is killed, the disk is full, the database is somebody else's, clients are slow. tollgate fails
//! closed, loses nothing that it acknowledged, and says in one sentence what is the matter.

mod connections;
mod crash;
mod database;
mod revocation;

use std::process::Command;

/// How often the process is killed in each test that kills it.
fn rounds() -> usize {
    std::env::var("SOAK_ROUNDS").map_or(12, |rounds| rounds.parse().expect("SOAK_ROUNDS is a number"))
}

/// A command run by another one, which gets it as its last arguments.
fn run_by(wrapper: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(wrapper[0]);
    wrapped.args(&wrapper[1..]).arg(command.get_program()).args(command.get_args());
    wrapped.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}
