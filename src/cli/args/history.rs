//! Which usage, and which entries of the audit, are asked for.

use clap::Args as ClapArgs;

/// Which entries of the audit to show.
#[derive(Debug, ClapArgs)]
pub struct AuditArgs {
    /// Only what belongs to this account
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Only what was done to this: acc_…, key_…, tok_…
    #[arg(long, value_name = "ID")]
    pub target: Option<String>,
    /// Only what this one did: operator, tok_…, tollgate
    #[arg(long, value_name = "WHO")]
    pub actor: Option<String>,
    /// Only this: key.created, key.revoked, account.changed, …
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,
    /// Only from then on: a date or a time
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Only before then
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
    /// How many entries; 0: all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

/// Which usage is shown.
#[derive(Debug, ClapArgs)]
pub struct UsageArgs {
    /// Only this account's
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Only this key's
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// A row each hour or each day [default: day]
    #[arg(long, value_name = "hour|day")]
    pub by: Option<String>,
    /// Whom rows tell apart [default: all]
    #[arg(long, value_name = "key|account|all")]
    pub of: Option<String>,
    /// From then on: a time or a date [default: the last 30 days, or 48 hours]
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Until then
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
    /// Only this verdict
    #[arg(long, value_name = "V")]
    pub verdict: Option<String>,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}
