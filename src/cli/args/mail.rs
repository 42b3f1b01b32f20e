//! What can be said to `tollgate mail`.

use clap::Subcommand;

/// What to do with mails and SMS.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List mails and SMS, oldest first; not what stands in them
    #[command(after_help = "Example:\n  tollgate mail list --state given_up")]
    List {
        /// Only those to exactly this address or number
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        /// Only those by email, or by phone
        #[arg(long, value_name = "CHANNEL")]
        channel: Option<String>,
        /// Only those that are waiting, taken or given_up
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Send one again, unless what stands in it was used or has expired
    Retry {
        /// eml_…
        id: String,
    },
    /// Send an address something to try whether it arrives: a mail, or to a number beginning with + an SMS
    Test {
        /// ada@example.com, or +4915112345678
        address: String,
    },
}
