//! The arguments: the commands, and below them, a file each, what can be said to them.

mod account;
mod application;
mod history;
mod key;
mod machine;
mod mail;
mod rows;
mod token;
mod user;
mod webhook;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use account::{AccountCommand, AccountSettings};
pub use application::ApplicationCommand;
pub use history::{AuditArgs, UsageArgs};
pub use key::{KeyCommand, KeySettings};
pub use machine::{BackupArgs, DocsArgs, DoctorArgs, ProxyArgs, ProxyKind, RestoreArgs};
pub use mail::MailCommand;
pub use rows::{ExportArgs, ImportArgs, RowFormat};
pub use token::TokenCommand;
pub use user::{UserCommand, UserSettings};
pub use webhook::WebhookCommand;

/// The gate in front of a public API: keys, limits, quotas and refusals, from one auth.toml.
#[derive(Debug, Parser)]
#[command(
    name = "tollgate",
    version,
    about,
    after_help = "\
Examples:
  tollgate                                            run the server, on auth.toml where there is one
  tollgate validate                                   say what is wrong with the configuration
  tollgate account create --name 'Ada' --plan pro     make an account
  tollgate key create --account acc_… --name laptop   make a key; it is shown this once
  tollgate key revoke key_…                           refuse it from the very next request on

Exit codes: 0 done, 1 failed, 2 wrong use or configuration."
)]
pub struct Args {
    /// The configuration file [default: auth.toml, where there is one]
    #[arg(long, global = true, env = "TOLLGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print exactly one JSON document on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; without it: serve
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve,
    /// Say what is wrong with the configuration, all of it at once
    Validate,
    /// Make, show and change accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Make, show, change, rotate, revoke and try keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make, show and revoke service tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make, show and change users: people who sign in
    #[command(subcommand)]
    User(UserCommand),
    /// Show and decide applications for plans that are granted by review
    #[command(subcommand)]
    Application(ApplicationCommand),
    /// Show who did what to whom, newest first
    #[command(after_help = "\
Examples:
  tollgate audit                                  the last 100 changes
  tollgate audit --target key_… --limit 0         all that was ever done to one key
  tollgate audit --action key.revoked --from 2026-11-01")]
    Audit(AuditArgs),
    /// Show how many requests got which verdict
    #[command(after_help = "\
Examples:
  tollgate usage                                         the last 30 days, all together
  tollgate usage --key key_… --by hour                   the last 48 hours of one key
  tollgate usage --of account --from 2026-11-01 --to 2026-12-01 --csv > november.csv

What was just counted is there within a second. Times are UTC; a row begins at --from or later, and before --to.")]
    Usage(UsageArgs),
    /// Ask the running server whether it is ready: exit code 0, or 1
    #[command(after_help = "\
Example:
  HEALTHCHECK CMD [\"/tollgate\", \"health\"]

It asks at the control socket beside the database, so it needs no address, and no more of the configuration than where that is.")]
    Health,
    /// Copy the database, also while the server runs
    #[command(after_help = "\
Example:
  tollgate backup /var/backups/tollgate-$(date +%F).db

The copy is checked by opening it, and takes its name only once it is whole and on the disk. The server goes on meanwhile.")]
    Backup(BackupArgs),
    /// Make a database of a copy, where there is none
    #[command(after_help = "\
Example:
  tollgate restore /var/backups/tollgate-2026-11-21.db

It replaces nothing. What happened since the copy is gone: keys that were revoked since pass again.")]
    Restore(RestoreArgs),
    /// Print the OpenAPI document of tollgate's own paths
    Openapi,
    /// Print the API's authentication page, as the server shows it at PREFIX/docs
    #[command(after_help = "\
Examples:
  tollgate docs > authentication.md
  tollgate docs --html > public/authentication.html
  tollgate docs --html --reference > public/reference.html

It is written from the configuration alone: no server needs to run. An HTML file has everything in it that belongs to it.")]
    Docs(DocsArgs),
    /// Show webhooks and their messages, send one again, try one
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Show mails and SMS, send one again, try whether one arrives
    #[command(subcommand)]
    Mail(MailCommand),
    /// Print the configuration of a proxy before tollgate, or of one that asks it, ready to paste
    #[command(after_help = "\
Examples:
  tollgate proxy nginx --name api.example.com > /etc/nginx/conf.d/tollgate.conf
  tollgate proxy caddy --name api.example.com --app http://127.0.0.1:3000 > /etc/caddy/Caddyfile

Two forms. Where auth.toml names an app in [upstream], tollgate stands before the app: the proxy ends TLS, and passes everything to
tollgate. Without it, or with --app, the proxy asks tollgate about each request, and passes on to the app itself.")]
    Proxy(ProxyArgs),
    /// Prove that this machine, the server and the proxy before it are fit
    #[command(after_help = "\
Examples:
  tollgate doctor                                        this machine, and the server on it
  tollgate doctor --through https://api.example.com      also what comes out right by way of the proxy

It makes an account 'tollgate doctor' and keys that live for ten minutes, and takes them back. What must be mended is told with
the line to change. Exit codes: 0 fit, 1 not fit, 2 wrong use or configuration.")]
    Doctor(DoctorArgs),
}

impl Command {
    /// Whether it only asks the running server, where one runs.
    pub fn only_asks(&self) -> bool {
        matches!(
            self,
            Self::Account(_)
                | Self::Application(_)
                | Self::Audit(_)
                | Self::Key(_)
                | Self::Mail(_)
                | Self::Token(_)
                | Self::Usage(_)
                | Self::User(_)
                | Self::Webhook(_)
        )
    }
}
