//! The server that is looked at: the running one, or one booted in this process on the same database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::machine::{folder, millis, open_files, owner};
use super::report::{Check, Findings};
use super::wire::Wire;
use crate::app::{App, Claim, Sockets, connect, control_socket};
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::config::Policy;
use crate::config::policy::Listen;
use crate::domain::size::spoken_bytes;
use crate::domain::time::Timestamp;
use crate::store::state;

/// How long one call over the control socket may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The check of the database.
pub const DATABASE: &str = "database";

/// What `synchronous=FULL` reads as.
const FULL: u64 = 2;

/// A server, and what it says of itself.
pub struct Server {
    database: PathBuf,
    booted: Option<Booted>,
    /// Whether there was no database before.
    is_new: bool,
    /// What `GET /v1/state` answered.
    state: Value,
    /// Its public listener; an embedded gate has none.
    pub wire: Option<Wire>,
    /// Below this lie its own paths.
    pub prefix: String,
}

/// A server in this process.
struct Booted {
    app: App,
    serving: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Finds the running server, or boots one: where a proxy will look for it, or else on a free port.
    /// Answers the check that failed where there is none.
    pub async fn find(policy: &Arc<Policy>, for_a_proxy: bool) -> Result<Self, Check> {
        const FIRST: &str = "mend that first: without it there is no server to look at";
        let no_database = |error: String| Check::failed(DATABASE, error, FIRST);
        let no_server = |error: String| Check::failed("server", error, FIRST);
        let database = &policy.server.database;
        let is_new = !database.exists();
        may_boot(database).await.map_err(no_database)?;
        let booted = match App::claim(database).await.map_err(|error| no_database(error.0))? {
            Claim::Served(_) => None,
            Claim::Ours(lock) => {
                // Where `serve` could not begin, a boot elsewhere proves nothing.
                Sockets::bind(policy).await.map_err(|error| no_server(error.0))?;
                let mut policy = Policy::clone(policy);
                if !for_a_proxy {
                    policy.server.listen = Listen::Tcp("127.0.0.1:0".into());
                }
                let policy = Arc::new(policy);
                let app = App::open(policy.clone(), lock).await.map_err(|error| no_database(error.0))?;
                Some(boot(&policy, app).await.map_err(no_server)?)
            }
        };
        match Self::ask_state(database).await {
            Ok((state, wire, prefix)) => Ok(Self { database: database.clone(), booted, is_new, state, wire, prefix }),
            Err(error) => {
                if let Some(booted) = booted {
                    booted.close().await;
                }
                Err(no_server(error))
            }
        }
    }

    async fn ask_state(database: &Path) -> Result<(Value, Option<Wire>, String), String> {
        let state = match call(database, Method::GET, "/state", None).await {
            Ok(state) => state,
            Err(Failure::Refused(404, _)) => return Err("the running server is another version: restart it".into()),
            Err(failure) => return Err(sentence(failure)),
        };
        let listening = state["listening"].as_str().ok_or("the running server does not accept yet: try again")?;
        let wire = if listening.is_empty() { None } else { Some(Wire::to_server(listening)?) };
        let prefix = state["prefix"].as_str().unwrap_or_default().to_owned();
        Ok((state, wire, prefix))
    }

    /// Which it is.
    pub fn kind(&self) -> &'static str {
        match (&self.booted, &self.wire) {
            (Some(_), _) => "booted",
            (None, Some(_)) => "running",
            (None, None) => "embedded",
        }
    }

    /// Where it listens.
    pub fn listening(&self) -> &str {
        self.state["listening"].as_str().unwrap_or_default()
    }

    /// One call of the admin API, over the control socket. A connection each, because an idle one is closed.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        call(&self.database, method, path, body).await.map_err(sentence)
    }

    /// The user that it runs as: whose its control socket is.
    pub fn user(&self) -> Option<u32> {
        owner(&control_socket(&self.database))
    }

    /// The newest time that stands in its database.
    pub fn newest(&self) -> Option<Timestamp> {
        Timestamp::parse(self.state["database"]["newest"].as_str()?).ok()
    }

    /// Whether its files may be so many; an embedded gate has no connections of its own.
    pub fn open_files(&self) -> Option<Check> {
        self.wire.as_ref()?;
        let number = |name: &str| self.state[name].as_u64();
        // A booted one has what this shell has, and a service may have another.
        let who = if self.booted.is_some() { "a process of this shell" } else { "this process" };
        Some(open_files(number("max_connections").unwrap_or_default(), number("files_each").unwrap_or(1), number("open_files"), who))
    }

    /// The running server may have been started with another file, another environment, or before a change.
    pub fn other_configuration(&self, file: Option<&Path>, policy: &Policy) -> Option<Check> {
        let theirs = self.state["configuration"].as_object()?;
        let mut sections: Vec<&String> = policy.digests.keys().chain(theirs.keys()).collect();
        sections.sort();
        sections.dedup();
        sections.retain(|name| theirs.get(*name).and_then(Value::as_str) != policy.digests.get(*name).map(String::as_str));
        if sections.is_empty() {
            return None;
        }
        let told: Vec<String> = sections.iter().map(|name| format!("[{name}]")).collect();
        let (shown, differs) = (file.map_or("the defaults".into(), |file| file.display().to_string()), told.join(", "));
        let detail = if file.is_some_and(|file| self.is_older_than(file)) {
            format!("{shown} was changed after the server took its configuration, which differs in {differs}")
        } else {
            format!("the running server has another configuration than {shown}: it differs in {differs}")
        };
        let fix =
            "reload the server (SIGHUP), so that both have the same; or run the doctor with the server's own --config and environment";
        Some(Check::warning("server_config", detail, fix))
    }

    /// What the server has read, and can only take when it starts.
    pub fn waiting(&self) -> Option<Check> {
        let waits: Vec<&str> = self.state["waits_for_restart"].as_array()?.iter().filter_map(Value::as_str).collect();
        let detail = || format!("the running server keeps the old value of {} until it is restarted", waits.join(", "));
        (!waits.is_empty()).then(|| Check::warning("server_config", detail(), "restart the server"))
    }

    /// Whether the database is as tollgate leaves it, by a connection of the server's own and by reading all of it.
    pub async fn database(&self) -> Check {
        const OPENED_SO: &str = "restart tollgate, which opens it so; if that does not help, let no other program change its settings";
        let told = &self.state["database"];
        let mut findings = Findings::default();
        let (mode, synchronous) = (told["journal_mode"].as_str().unwrap_or_default(), told["synchronous"].as_u64());
        if !mode.eq_ignore_ascii_case("wal") {
            findings.failed(format!("its journal is '{mode}' and not WAL"), OPENED_SO);
        }
        if synchronous.is_none_or(|level| level < FULL) {
            findings.failed("synchronous is not FULL: an acknowledged change may be lost with the power", OPENED_SO);
        }
        let took = read_whole(&self.database, &mut findings).await;
        let (schema, bytes) = (told["schema"].as_u64().unwrap_or_default(), told["bytes"].as_u64().unwrap_or_default());
        let shown = self.database.display();
        if self.is_new {
            findings.warning(
                format!("{shown} was made just now: there was none"),
                "where one was expected, run this in its folder, or name it in [server] database; else all is well",
            );
        }
        let (size, took) = (spoken_bytes(bytes), millis(took));
        findings.check(DATABASE, format!("{shown}: schema {schema}, {size}, WAL, synchronous FULL, sound (read in {took})"))
    }

    /// Whether it answers where clients reach it.
    pub async fn answers(&self) -> Check {
        const NAME: &str = "server";
        let Some(wire) = &self.wire else {
            return Check::ok(NAME, "the gate is embedded in another program, which listens itself: that is looked at with --through URL");
        };
        let began = Instant::now();
        for path in ["health", "ready"] {
            let target = format!("{}/v1/{path}", self.prefix);
            let fix = "read the log of tollgate; stop what else listens there, and restart it";
            match wire.send(Method::GET, &target, &[]).await {
                Ok(answer) if answer.status.is_success() && answer.body.contains("\"ok\"") => {}
                Ok(answer) => return Check::failed(NAME, format!("{target} answers {}", answer.status.as_u16()), fix),
                Err(error) => return Check::failed(NAME, format!("{target} does not answer: {error}"), fix),
            }
        }
        let took = millis(began.elapsed());
        let (version, listening) = (self.state["version"].as_str().unwrap_or_default(), self.listening());
        let mut findings = Findings::default();
        if version != env!("CARGO_PKG_VERSION") {
            findings.warning(format!("the running server is {version}, and this is {}", env!("CARGO_PKG_VERSION")), "restart the server");
        }
        findings.check(NAME, format!("{version}, {} at {listening}, health and ready after {took}", self.kind()))
    }

    fn is_older_than(&self, file: &Path) -> bool {
        let since = self.state["configured_at"].as_str().and_then(|text| Timestamp::parse(text).ok());
        let changed = std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        let changed =
            changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).and_then(|since| i64::try_from(since.as_millis()).ok());
        since.zip(changed).is_some_and(|(since, changed)| changed > since.millis())
    }

    /// Ends a server of our own; leaves a running one alone.
    pub async fn close(self) {
        if let Some(booted) = self.booted {
            booted.close().await;
        }
    }
}

/// Whether a database is sound that no server could be asked about.
pub async fn unserved_database(database: &Path) -> Check {
    if !database.exists() {
        let detail = format!("{} is not there, and was not made", database.display());
        return Check::not_proven(DATABASE, detail, "mend the rest; the first start makes it");
    }
    let mut findings = Findings::default();
    let took = read_whole(database, &mut findings).await;
    findings.check(DATABASE, format!("{}: sound (read in {})", database.display(), millis(took)))
}

/// Reads all of a database; how long that took.
async fn read_whole(database: &Path, findings: &mut Findings) -> Duration {
    let (path, began) = (database.to_owned(), Instant::now());
    let damages = tokio::task::spawn_blocking(move || state::damages(&path)).await.unwrap_or_else(|error| Err(error.to_string()));
    let restore = || format!("stop tollgate, keep a copy of {0}, {0}-wal and {0}-shm, and restore a backup", database.display());
    match damages {
        Ok(damages) if damages.is_empty() => {}
        Ok(damages) => findings.failed(format!("it is damaged: {}", damages.join("; ")), restore()),
        Err(error) => findings.failed(format!("it cannot be read whole: {error}"), restore()),
    }
    began.elapsed()
}

async fn boot(policy: &Policy, app: App) -> Result<Booted, String> {
    let sockets = match Sockets::bind(policy).await {
        Ok(sockets) => sockets,
        Err(error) => {
            app.close().await;
            return Err(error.0);
        }
    };
    let (stop, stopping) = watch::channel(false);
    let current = app.current.clone();
    let serving = tokio::spawn(async move { sockets.run(&current, stopping).await });
    Ok(Booted { app, serving, stop })
}

impl Booted {
    async fn close(self) {
        // It has ended by itself only where it panicked, and then there is nothing to stop.
        let _ = self.stop.send(true);
        if self.serving.await.is_err() {
            tracing::error!("the booted server ended in a panic");
        }
        self.app.close().await;
    }
}

/// Whom the files beside a database should belong to, where no server runs: not root, where root only looks after somebody else's.
pub fn rightful_owner(database: &Path, own: Option<u32>) -> Option<u32> {
    let theirs = [owner(database), owner(folder(database))].into_iter().flatten().find(|user| *user != 0);
    if own == Some(0) { theirs.or(own) } else { own }
}

/// Root must not make files that the user who serves could not open.
async fn may_boot(database: &Path) -> Result<(), String> {
    let whose = owner(database).or_else(|| owner(folder(database)));
    match (owner(Path::new("/proc/self")), whose) {
        (Some(0), Some(user)) if user != 0 && !matches!(connect(database).await, Ok(Some(_))) => Err(format!(
            "no server runs, and the database's place belongs to user {user}: run this as that user, sudo -u '#{user}' tollgate doctor"
        )),
        _ => Ok(()),
    }
}

async fn call(database: &Path, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
    let late = |_| Failure::Failed(format!("the running server did not answer within {} s", PATIENCE.as_secs()));
    let calling = async {
        let stream = connect(database).await?.ok_or_else(|| Failure::Failed("the running server does not answer".into()))?;
        Client::over(stream).await?.call(method, path, body).await
    };
    tokio::time::timeout(PATIENCE, calling).await.map_err(late)?
}

/// What went wrong with a call.
fn sentence(failure: Failure) -> String {
    match failure {
        Failure::Failed(text) | Failure::Use(text) => text,
        Failure::Refused(status, problem) => {
            problem["detail"].as_str().map_or_else(|| format!("it was refused with {status}"), str::to_owned)
        }
        Failure::Config | Failure::No => "it was refused".into(),
    }
}
