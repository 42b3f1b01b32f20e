//! What can be said to `tollgate token`.

use clap::Subcommand;

/// What to do with service tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a service token; it is shown this once
    #[command(
        after_help = "Examples:\n  tollgate token create --scope verify --name app\n  tollgate token create --scope admin --account acc_… --expires 90d"
    )]
    Create {
        /// What it may do: verify, admin, metrics
        #[arg(long = "scope", value_name = "S", required = true)]
        scopes: Vec<String>,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// Bind it to one account: of all others it knows nothing
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// When it expires: a length from now (90d) or a time
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// Print the raw token alone
        #[arg(short, long)]
        quiet: bool,
    },
    /// List service tokens
    List,
    /// Revoke a service token: from the very next request on it is refused
    Revoke {
        /// tok_…
        id: String,
    },
}
