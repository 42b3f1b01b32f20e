//! What can be said to `tollgate key`.

use clap::{Args as ClapArgs, Subcommand};

use super::{ExportArgs, ImportArgs};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key; it is shown this once
    #[command(
        after_help = "Example:\n  tollgate key create --account acc_… --name production --scope sets:read --ip 192.0.2.0/24 --expires 90d"
    )]
    Create {
        /// Whose it is
        #[arg(long, value_name = "ID")]
        account: String,
        /// What people call it
        #[arg(long)]
        name: String,
        /// Which kind of key
        #[arg(long)]
        environment: Option<String>,
        #[command(flatten)]
        settings: KeySettings,
        /// Print the raw key alone
        #[arg(short, long)]
        quiet: bool,
    },
    /// List keys
    List {
        /// Only this account's
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// Only those whose id or account it is, or whose prefix, name or account's name holds it; a whole key finds its record
        #[arg(long)]
        search: Option<String>,
    },
    /// Show one key, without the raw key
    Show {
        /// key_…
        id: String,
    },
    /// Change a key; what is not named stays, what is given empty is taken away
    #[command(
        after_help = "Examples:\n  tollgate key set key_… --limit minute=100 --scope sets:read\n  tollgate key set key_… --expires ''             (never expires)"
    )]
    Set {
        /// key_…
        id: String,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: KeySettings,
    },
    /// Revoke a key: from the very next request on it is refused
    Revoke {
        /// key_…
        id: String,
    },
    /// Make a new key with every setting of an old one, which lives on for the grace
    Rotate {
        /// key_…
        id: String,
        /// How long the old one lives on; 0s: not at all
        #[arg(long, value_name = "LENGTH", default_value = "7d")]
        grace: String,
        /// Print the raw key alone
        #[arg(short, long)]
        quiet: bool,
    },
    /// Bring keys along from elsewhere, all or nothing: JSON lines or CSV; docs/import.md says how
    #[command(after_help = "Examples:\n  tollgate key import keys.csv\n  psql -At -c \"…\" | tollgate key import - --format jsonl")]
    Import(ImportArgs),
    /// Write keys out, so that they can be imported again
    #[command(after_help = "Example:\n  tollgate key export --output keys.jsonl")]
    Export(ExportArgs),
    /// Say what the gate would make of a key, read from stdin; charges nothing
    #[command(after_help = "Example:\n  printf %s \"$KEY\" | tollgate key verify - --path /v1/sets")]
    Verify {
        /// A dash: the key is read from stdin, so that no history keeps it
        stdin: String,
        /// The path of the request
        #[arg(long)]
        path: Option<String>,
        /// Its method
        #[arg(long)]
        method: Option<String>,
        /// The client's address
        #[arg(long)]
        ip: Option<String>,
    },
}

/// What can be set of a key.
#[derive(Debug, ClapArgs)]
pub struct KeySettings {
    /// Its own plan, instead of its account's
    #[arg(long)]
    pub plan: Option<String>,
    /// Override a limit; without a number, take its override away
    #[arg(long = "limit", value_name = "NAME=N")]
    pub limits: Vec<String>,
    /// What it may do
    #[arg(long = "scope", value_name = "S")]
    pub scopes: Vec<String>,
    /// From where it may be used
    #[arg(long = "ip", value_name = "CIDR")]
    pub ips: Vec<String>,
    /// When it expires: a length from now (30d) or a time
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Anything you keep with it: a JSON object
    #[arg(long, value_name = "JSON")]
    pub metadata: Option<String>,
    /// Switch it off
    #[arg(long, conflicts_with = "enable")]
    pub disable: bool,
    /// Switch it on again
    #[arg(long)]
    pub enable: bool,
}
