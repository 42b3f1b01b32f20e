//! What can be said to `tollgate application`.

use clap::Subcommand;

/// What to do with applications for plans that are granted by review.
#[derive(Debug, Subcommand)]
pub enum ApplicationCommand {
    /// List applications
    List {
        /// Only those that are open, approved, rejected or withdrawn
        #[arg(long)]
        state: Option<String>,
        /// Only this account's
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// Show one application
    Show {
        /// app_…
        id: String,
    },
    /// Approve one: the account has the plan from the very next request on
    #[command(after_help = "Example:\n  tollgate application approve app_… --plan-until 2027-12-31 --note 'Welcome.'")]
    Approve {
        /// app_…
        id: String,
        /// What the applicant is told
        #[arg(long)]
        note: Option<String>,
        /// When the plan ends and the default one takes its place
        #[arg(long, value_name = "DATE")]
        plan_until: Option<String>,
    },
    /// Reject one
    #[command(after_help = "Example:\n  tollgate application reject app_… --note 'The free plan is enough for this.'")]
    Reject {
        /// app_…
        id: String,
        /// What the applicant is told
        #[arg(long)]
        note: String,
    },
}
