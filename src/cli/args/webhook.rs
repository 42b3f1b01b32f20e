//! What can be said to `tollgate webhook`.

use clap::Subcommand;

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// List the endpoints of auth.toml, and how many messages wait for each or were given up
    List,
    /// List messages, oldest first
    #[command(after_help = "Example:\n  tollgate webhook messages --endpoint billing --state given_up")]
    Messages {
        /// Only this endpoint's
        #[arg(long, value_name = "NAME")]
        endpoint: Option<String>,
        /// Only those that are waiting, taken or given_up
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Send a message again, whatever became of it
    Retry {
        /// msg_…
        id: String,
    },
    /// Send an endpoint a webhook.test
    Test {
        /// [webhooks.NAME]
        name: String,
    },
}
