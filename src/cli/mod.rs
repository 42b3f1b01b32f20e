//! The command line. Whatever shows or changes records is a request to the admin API: of the running server, over its control
//! socket, or of the same code in this process where none runs. So the two can never differ.

mod account;
mod application;
mod args;
mod audit;
mod backup;
mod client;
mod docs;
mod doctor;
mod export;
mod health;
mod import;
mod key;
mod landing;
mod log;
mod mail;
mod openapi;
mod output;
mod proxy;
mod restore;
mod secret;
mod serve;
mod signals;
mod systemd;
mod token;
mod usage;
mod user;
mod validate;
mod webhook;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::app::{StartError, connect};
use crate::config::log::{Format, LogSettings};
use crate::config::{Fault, Policy, source};
use args::{Args, Command};
use output::Output;

/// Why a command ended without having done its work.
#[derive(Debug)]
pub enum Failure {
    /// Wrong use: exit code 2.
    Use(String),
    /// A wrong configuration, told already: exit code 2.
    Config,
    /// It failed: exit code 1.
    Failed(String),
    /// The server refused, in its own words: exit code 2 for wrong input, else 1.
    Refused(u16, serde_json::Value),
    /// It was done, and the answer is no: exit code 1.
    No,
}

impl Failure {
    /// Why, in a sentence.
    fn reason(&self) -> String {
        match self {
            Self::Use(reason) | Self::Failed(reason) => reason.clone(),
            Self::Refused(_, problem) => problem["detail"].as_str().unwrap_or("it was refused").to_owned(),
            Self::Config | Self::No => "it was refused".to_owned(),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Failed(error.0)
    }
}

/// Runs the program; answers its exit code.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return wrong_use(&error),
    };
    let output = Output::new(args.json);
    match dispatch(args, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(output.failure(&failure)),
    }
}

/// Help and version are what was asked for; anything else is wrong use, as JSON too where that was asked for.
fn wrong_use(error: &clap::Error) -> ExitCode {
    let is_wrong = error.use_stderr();
    if is_wrong && std::env::args().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let detail = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Output::new(true).print(&serde_json::json!({ "error": { "detail": detail } }).to_string());
    }
    // Whoever closed the pipe has read enough.
    let _ = error.print();
    if is_wrong { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn dispatch(args: Args, output: &Output) -> Result<(), Failure> {
    let runtime = |multi: bool| {
        let mut builder = if multi { tokio::runtime::Builder::new_multi_thread() } else { tokio::runtime::Builder::new_current_thread() };
        builder.enable_all().build().map_err(|error| Failure::Failed(format!("the runtime cannot be started: {error}")))
    };
    let file = source::file(args.config.as_deref());
    let command = args.command.unwrap_or(Command::Serve);
    if let Command::Validate = command {
        return validate::run(file.as_deref(), output);
    }
    if let Command::Serve = command {
        return runtime(true)?.block_on(serve::run(args.config.as_deref(), output));
    }
    if let Command::Health = command {
        return runtime(false)?.block_on(health::run(&source::database(file.as_deref()), output));
    }
    let level = log::level()?;
    let loaded = match command {
        Command::Doctor(_) => Policy::load(file.as_deref()),
        _ => Policy::load_for_command(file.as_deref()),
    };
    let mut policy = match loaded {
        Err(faults) if command.only_asks() => runtime(false)?.block_on(without_config(file.as_deref(), &faults, output))?,
        loaded => loaded.map_err(|faults| output.faults(&faults))?,
    };
    // Whoever runs a command reads its log, whatever the server's is for.
    policy.log = LogSettings { format: Format::Text, requests: false };
    log::start(level, &policy.log);
    let policy = Arc::new(policy);
    match command {
        Command::Validate | Command::Serve | Command::Health => Ok(()),
        Command::Proxy(args) => proxy::run(&args, &policy, output),
        Command::Openapi => {
            openapi::run(&policy, output);
            Ok(())
        }
        Command::Docs(args) => {
            docs::run(&args, &policy, output);
            Ok(())
        }
        Command::Doctor(args) => runtime(true)?.block_on(doctor::run(args, file.as_deref(), policy, output)),
        Command::Account(command) => runtime(false)?.block_on(account::run(command, policy, output)),
        Command::Application(command) => runtime(false)?.block_on(application::run(command, policy, output)),
        Command::Audit(args) => runtime(false)?.block_on(audit::run(args, policy, output)),
        Command::Key(command) => runtime(false)?.block_on(key::run(command, policy, output)),
        Command::Backup(args) => runtime(false)?.block_on(backup::run(args, policy, output)),
        Command::Restore(args) => runtime(false)?.block_on(restore::run(args, policy, output)),
        Command::Usage(args) => runtime(false)?.block_on(usage::run(args, policy, output)),
        Command::Token(command) => runtime(false)?.block_on(token::run(command, policy, output)),
        Command::Mail(command) => runtime(false)?.block_on(mail::run(command, policy, output)),
        Command::User(command) => runtime(false)?.block_on(user::run(command, policy, output)),
        Command::Webhook(command) => runtime(false)?.block_on(webhook::run(command, policy, output)),
    }
}

/// What a command works with that asks the running server: that one goes on by the configuration that it took. Where none runs,
/// the faults are what there is to say.
async fn without_config(file: Option<&Path>, faults: &[Fault], output: &Output) -> Result<Policy, Failure> {
    let database = source::database(file);
    let (Ok(Some(_)), Ok(mut policy)) = (connect(&database).await, Policy::load_for_command(None)) else {
        return Err(output.faults(faults));
    };
    eprintln!("The configuration has faults, as `tollgate validate` tells; the running server goes on by the one that it took.");
    policy.server.database = database;
    Ok(policy)
}
