//! The arguments.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

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
    /// Show webhooks and their messages, send one again, try one
    #[command(subcommand)]
    Webhook(WebhookCommand),
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
        matches!(self, Self::Account(_) | Self::Audit(_) | Self::Key(_) | Self::Token(_) | Self::Usage(_) | Self::Webhook(_))
    }
}

/// What the configuration of a proxy is made for.
#[derive(Debug, ClapArgs)]
pub struct ProxyArgs {
    /// Which proxy
    pub proxy: ProxyKind,
    /// Where the app is, for a proxy that asks: http://HOST:PORT or unix:PATH [default, without upstream.url: http://127.0.0.1:3000]
    #[arg(long, value_name = "URL")]
    pub app: Option<String>,
    /// Where the proxy listens, in plain HTTP: HOST:PORT or :PORT [default: :80; Caddy, where it knows a name: HTTPS]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The name that clients call [default: the host of server.public_url]
    #[arg(long, value_name = "HOST")]
    pub name: Option<String>,
}

/// A proxy.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProxyKind {
    /// auth_request
    Nginx,
    /// reverse_proxy with handle_response
    Caddy,
}

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

/// What is imported.
#[derive(Debug, ClapArgs)]
pub struct ImportArgs {
    /// The file; a dash: stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How its rows are written [default: by the file's name, else by its first byte]
    #[arg(long)]
    pub format: Option<RowFormat>,
}

/// What is exported, and where to.
#[derive(Debug, ClapArgs)]
pub struct ExportArgs {
    /// Only this account, or what is of it
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// How rows are written [default: by the name of --output, else jsonl]
    #[arg(long)]
    pub format: Option<RowFormat>,
    /// A new file, for its owner alone; without it: stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// A JSON object a line
    Jsonl,
    /// A table, the first row naming the fields
    Csv,
}

impl RowFormat {
    /// By the name of a file.
    pub fn of_file(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// As the admin API calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

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

/// Where a copy goes.
#[derive(Debug, ClapArgs)]
pub struct BackupArgs {
    /// The copy; a file of that name stays as it is
    pub file: PathBuf,
    /// Replace an older copy of that name
    #[arg(long)]
    pub force: bool,
}

/// Where a copy comes from.
#[derive(Debug, ClapArgs)]
pub struct RestoreArgs {
    /// The copy
    pub file: PathBuf,
}

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

/// How far the doctor looks.
#[derive(Debug, ClapArgs)]
pub struct DoctorArgs {
    /// Call by way of the real proxy, and prove what must come out right there
    #[arg(long, value_name = "URL")]
    pub through: Option<String>,
    /// Certificates of a private authority, PEM, for an https:// URL
    #[arg(long, value_name = "FILE", requires = "through")]
    pub ca: Option<PathBuf>,
    /// This machine's address as the proxy sees it, where it is behind NAT
    #[arg(long, value_name = "IP", requires = "through")]
    pub address: Option<IpAddr>,
    /// A path of the app to call; one that shows the headers it gets proves the most [default: /]
    #[arg(long, value_name = "PATH", requires = "through")]
    pub path: Option<String>,
}
