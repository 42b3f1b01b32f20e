//! What can be said to `tollgate account`.

use clap::{Args as ClapArgs, Subcommand};

use super::{ExportArgs, ImportArgs};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account
    #[command(after_help = "Example:\n  tollgate account create --name 'Ada' --plan pro --limit minute=1200 --balance 5000")]
    Create {
        /// What people call it; names may repeat
        #[arg(long)]
        name: String,
        /// It stands for several people
        #[arg(long)]
        organization: bool,
        #[command(flatten)]
        settings: AccountSettings,
        /// Print the id alone
        #[arg(short, long)]
        quiet: bool,
    },
    /// List accounts
    List {
        /// Only those whose id it is, or whose name holds it
        #[arg(long)]
        search: Option<String>,
    },
    /// Show one account
    Show {
        /// acc_…
        id: String,
    },
    /// Show how its balance came to be what it is, newest first
    History {
        /// acc_…
        id: String,
        /// How many entries; 0: all
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Change an account; what is not named stays
    #[command(
        after_help = "Examples:\n  tollgate account set acc_… --plan pro --plan-until 2027-01-01\n  tollgate account set acc_… --limit minute=      (takes the override away)"
    )]
    Set {
        /// acc_…
        id: String,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: AccountSettings,
    },
    /// Bring accounts along from elsewhere, all or nothing: JSON lines or CSV; docs/import.md says how
    #[command(
        after_help = "Examples:\n  tollgate account import accounts.jsonl\n  tollgate account export --format csv | tollgate --config other.toml account import -"
    )]
    Import(ImportArgs),
    /// Write accounts out, so that they can be imported again
    #[command(after_help = "Example:\n  tollgate account export --output accounts.jsonl")]
    Export(ExportArgs),
}

/// What can be set of an account.
#[derive(Debug, ClapArgs)]
pub struct AccountSettings {
    /// Its plan
    #[arg(long)]
    pub plan: Option<String>,
    /// When the plan ends and the default one takes its place; empty: never
    #[arg(long, value_name = "DATE")]
    pub plan_until: Option<String>,
    /// Make the whole balance exactly this many tokens
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub balance: Option<i64>,
    /// Override a limit; without a number, take its override away
    #[arg(long = "limit", value_name = "NAME=N")]
    pub limits: Vec<String>,
    /// Switch it off
    #[arg(long, conflicts_with = "enable")]
    pub disable: bool,
    /// Switch it on again
    #[arg(long)]
    pub enable: bool,
}
