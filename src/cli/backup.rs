//! `tollgate backup FILE`: a checked copy of the database, also while a server works on it, and of the secret beside it.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::args::BackupArgs;
use super::client::Client;
use super::landing::Landing;
use super::output::Output;
use super::secret::{self, Taken};
use crate::config::Policy;
use crate::domain::time::Timestamp;
use crate::store::copy::{self, Content, Progress};
use crate::store::side;

pub async fn run(args: BackupArgs, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let BackupArgs { file, force } = args;
    let failed = |reason: String| Failure::Failed(format!("the backup {} was not made: {reason}", file.display()));
    let database = policy.server.database.clone();
    check(&database, &file, force).map_err(failed)?;
    let stop = stopper()?;
    let (from, into) = (database.clone(), file.clone());
    let copying = tokio::task::spawn_blocking(move || make(&from, &into, force, &stop));
    let (content, has_secret) = copying.await.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    let absolute = std::path::absolute(&file).unwrap_or(file);
    let mut document = described(&content, ("file", &absolute));
    document["secret"] = has_secret.then(|| side::beside(&absolute, side::SECRET).display().to_string()).into();
    if let Err(failure) = note(policy, &document).await {
        eprintln!("The copy is whole and sound, but no entry of the audit tells of it: {}", failure.reason());
    }
    output.result(&document, || {
        format!(
            "{} is a copy of {}, whole and checked: {}.\n{}Keep one on another machine, too. tollgate restore makes a database of it.",
            absolute.display(),
            database.display(),
            summary(&content),
            if has_secret { "Beside it, in FILE.secret, is the secret of sign-in, which belongs to it.\n" } else { "" }
        )
    });
    Ok(())
}

/// What can be told before anything is made.
fn check(database: &Path, file: &Path, force: bool) -> Result<(), String> {
    let source =
        database.metadata().map_err(|_| format!("there is no database {} to copy; [server] database names it", database.display()))?;
    if side::is_one_of(database, file) {
        return Err("that is the name of one of the database's own files: name another one".into());
    }
    let secret = secret::compare(database, file)?;
    if secret == Taken::Alone || (secret == Taken::Other && !force) {
        let name = side::beside(file, side::SECRET);
        return Err(format!("{} is there already, and is not this database's: name another file", name.display()));
    }
    let Ok(there) = file.symlink_metadata() else { return Ok(()) };
    let same = file.metadata().is_ok_and(|file| (file.dev(), file.ino()) == (source.dev(), source.ino()));
    match force {
        _ if same => Err("it is the database itself: name another file".into()),
        _ if there.is_dir() => Err("it is a folder: name a file in it".into()),
        false => {
            Err("there is a file of that name already: name another one, such as tollgate-$(date +%F).db, or replace it with --force"
                .into())
        }
        // What is no copy of a tollgate database was not meant to be replaced by one.
        true if there.is_file() && copy::is_ours(file) => Ok(()),
        true => Err("what is there is no tollgate database, so it is not replaced, not with --force either".into()),
    }
}

/// Copies, checks the copy by opening it, and gives it its name; answers whether a secret lies beside it.
fn make(database: &Path, file: &Path, force: bool, stop: &AtomicBool) -> Result<(Content, bool), String> {
    let landing = Landing::begin(file)?;
    let go_on = || if stop.load(Ordering::Relaxed) { Err("it was stopped".to_owned()) } else { Ok(()) };
    let mut shown = Shown::default();
    let content = copy::copy(database, landing.part(), |progress| {
        shown.show(progress);
        go_on()
    });
    shown.end();
    let content = content?;
    let found = copy::look_through(landing.part()).map_err(|reason| format!("the copy is not sound: {reason}"))?;
    if found.rows != content.rows {
        return Err(format!("the copy is not whole: it should hold {:?}, and holds {:?}", content.rows, found.rows));
    }
    go_on()?;
    // Before the copy has its name: one that is there is whole.
    let has_secret = matches!(secret::take_along(database, file, force)?, Taken::Yes | Taken::Same);
    landing.land(force)?;
    Ok((found, has_secret))
}

/// Raised by SIGINT and SIGTERM: the copy ends, and nothing of it stays.
fn stopper() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut caught = signal(kind).map_err(|error| Failure::Failed(format!("signals cannot be caught: {error}")))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            caught.recv().await;
            stop.store(true, Ordering::Relaxed);
        });
    }
    Ok(stop)
}

/// Tells the audit, by way of the admin API.
async fn note(policy: Arc<Policy>, document: &Value) -> Result<(), Failure> {
    let mut client = Client::open(policy).await?;
    let noted = client.call(Method::POST, "/backup", Some(json!({ "file": document["file"], "bytes": document["bytes"] }))).await;
    client.close().await;
    noted.map(|_| ())
}

/// A copy as JSON.
pub fn described(content: &Content, (name, path): (&str, &Path)) -> Value {
    let rows: Map<String, Value> = content.rows.iter().map(|(table, rows)| (table.clone(), (*rows).into())).collect();
    json!({
        name: path.display().to_string(),
        "bytes": content.bytes,
        "schema": content.schema,
        "newest": content.newest.map(Timestamp::rfc3339),
        "rows": rows,
    })
}

/// A copy in a few words.
pub fn summary(content: &Content) -> String {
    let [accounts, keys] = ["accounts", "keys"].map(|table| content.rows_of(table));
    format!("{accounts} accounts, {keys} keys, {} bytes", content.bytes)
}

/// How far it is, on a terminal.
#[derive(Default)]
struct Shown {
    percent: Option<u64>,
}

impl Shown {
    fn show(&mut self, (done, all): Progress) {
        let percent = done * 100 / all.max(1);
        if self.percent != Some(percent) && std::io::stderr().is_terminal() {
            self.percent = Some(percent);
            // Whoever closed the terminal does not look.
            let _ = write!(std::io::stderr(), "\rcopied {percent} %{}", if percent == 100 { ", checking it …" } else { "" });
        }
    }

    fn end(&self) {
        if self.percent.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
