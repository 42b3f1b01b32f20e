//! Opens a database: makes a new one whole, and touches none that is not ours.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault;

/// The current schema, and its version.
const SCHEMA: &str = include_str!("../../schema.sql");
const VERSION: i64 = 1;

/// Marks a database as tollgate's: "toll".
const APPLICATION: i64 = 0x746f_6c6c;

/// How long to wait for another program's lock.
const BUSY: Duration = Duration::from_secs(4);

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why a database could not be opened: one clear sentence.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    reason: String,
}

impl OpenError {
    /// Why, without which database.
    pub(super) fn into_reason(self) -> String {
        self.reason
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database {} cannot be used: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for OpenError {}

/// A thread could not be started.
pub(super) fn no_thread(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError { path: path.into(), reason: format!("a thread for it cannot be started: {error}") }
}

pub(super) struct Opened {
    pub connection: Connection,
    pub is_new: bool,
}

/// Opens the writer's connection.
pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    let told = |reason: String| OpenError { path: path.into(), reason };
    let sqlite = |error: rusqlite::Error| told(fault::sentence(&error));
    let is_empty = look_at_file(path).map_err(told)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY).map_err(sqlite)?;
    // Nothing is written before it is known to be ours.
    if connection.is_readonly("main").map_err(sqlite)? {
        return Err(told("it cannot be written: make the file and its folder writable for this user".into()));
    }
    let is_new = is_empty || check_ours(&connection).map_err(sqlite)?.map_err(told)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).map_err(sqlite)?;
    configure(&connection).map_err(sqlite)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(sqlite)?;
    if is_new {
        transaction.execute_batch(SCHEMA).map_err(sqlite)?;
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(sqlite)?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(sqlite)?;
    }
    transaction.commit().map_err(sqlite)?;
    Ok(Opened { connection, is_new })
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        configure(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|error| OpenError { path: path.into(), reason: fault::sentence(&error) })
}

/// A write that changes nothing, and needs all that a write needs.
pub(super) fn touch(connection: &Connection) -> crate::domain::error::Result<()> {
    Ok(connection.pragma_update(None, "user_version", VERSION)?)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    // An acknowledged write survives power loss.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(())
}

/// Makes the file, for its owner alone, or looks at what it begins with. Answers whether it is empty.
fn look_at_file(path: &Path) -> Result<bool, String> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err("its folder does not exist: make it, or name another file in [server] database".into());
        }
        Err(error) => return Err(format!("it cannot be made: {error}")),
    }
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Err("it is not a file: name another one in [server] database".into());
    }
    if head_of(path)?.is_empty() { Ok(true) } else { begins_as_sqlite(path).map(|()| false) }
}

/// Whether a file begins as every SQLite database does.
pub(super) fn begins_as_sqlite(path: &Path) -> Result<(), String> {
    match head_of(path)?.as_slice() {
        head if head == MAGIC => Ok(()),
        [] => Err("there is nothing in it".into()),
        _ => Err("it is not an SQLite database: name another file in [server] database".into()),
    }
}

/// What a file begins with.
fn head_of(path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut head = Vec::new();
    std::fs::File::open(path).map_err(told)?.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(told)?;
    Ok(head)
}

/// Whether it is marked as ours.
pub(super) fn is_marked(connection: &Connection) -> rusqlite::Result<bool> {
    connection.pragma_query_value(None, "application_id", |row| row.get::<_, i64>(0)).map(|mark| mark == APPLICATION)
}

/// What of a schema is not as we make it: a trigger could undo what is written. Tables and indices beside ours do no harm.
fn alteration(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let objects = |connection: &Connection| -> rusqlite::Result<BTreeMap<(String, String), String>> {
        let mut statement = connection.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
        statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?.collect()
    };
    let ours = Connection::open_in_memory()?;
    ours.execute_batch(SCHEMA)?;
    let (wanted, found) = (objects(&ours)?, objects(connection)?);
    let changed = wanted.iter().find(|(name, sql)| found.get(*name) != Some(*sql)).map(|(name, _)| name);
    let added = found.keys().find(|name| ["trigger", "view"].contains(&name.0.as_str()) && !wanted.contains_key(*name));
    Ok(changed.or(added).map(|(kind, name)| format!("{kind} {name}")))
}

/// Whether a database without a mark is empty; whose it is, and which version, where it has one.
pub(super) fn check_ours(connection: &Connection) -> rusqlite::Result<Result<bool, String>> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (pragma("application_id")?, pragma("user_version")?) {
        (0, 0) if tables == 0 => Ok(true),
        (APPLICATION, VERSION) => match alteration(connection)? {
            None => Ok(false),
            Some(what) => Err(format!("its schema is not as tollgate makes it ({what}): restore a backup that nobody has altered")),
        },
        (APPLICATION, newer) if newer > VERSION => Err(format!(
            "it was made by a newer tollgate (schema {newer}, and this one knows {VERSION}): install that version or a later one"
        )),
        (APPLICATION, version) => Err(format!("its schema {version} is none that this tollgate knows")),
        _ => Err("it is the SQLite database of another program: name another file in [server] database".into()),
    })
}
