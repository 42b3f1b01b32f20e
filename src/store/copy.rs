//! Copies of a database: made while a server works on it, and looked through.
//!
//! The copy is SQLite's own (its backup interface), page by page within one reading of the source. In WAL mode a reading stops no
//! writer, and what it sees stays as it was when it began; so nothing has to begin anew because something changed. VACUUM INTO
//! would hold such a reading for several times as long, because it builds every table and index again, and would sync nothing.
//! The one price is that the log of changes (`-wal`) cannot be folded in meanwhile: where it grows too long, the copy is given up,
//! and in the end it is folded in here, so that no commit of the server's has to.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::audit::{self, Entry};
use super::side::{LOG, beside};
use super::{fault, import, open, state};
use crate::domain::id::{self, Ids};
use crate::domain::time::Timestamp;

/// How many pages are copied before they are synced: at once all of them would hold up the commits of everybody on the disk.
const PAGES: i32 = 2048;
/// How long to wait where something is locked for a moment.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an import may stand still while a copy waits for it.
const STALLED: Duration = Duration::from_secs(5);
/// How much longer the log of changes may grow meanwhile: so many bytes, or as many as the database has.
const MOST_LOG: u64 = 1 << 30;

/// What is in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The version of its schema.
    pub schema: i64,
    /// How large it is.
    pub bytes: i64,
    /// The newest time that stands in it, as far as an index tells.
    pub newest: Option<Timestamp>,
    /// How many rows each table has.
    pub rows: Vec<(String, i64)>,
}

impl Content {
    /// How many rows a table has.
    pub fn rows_of(&self, table: &str) -> i64 {
        self.rows.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows)
    }
}

/// How far a copy is: pages done, and pages in all.
pub type Progress = (u64, u64);

/// Copies a database into an empty file; answers what was in it when the copy began. `watch` is told how far it is, and ends it with a reason.
pub fn copy(from: &Path, into: &Path, mut watch: impl FnMut(Progress) -> Result<(), String>) -> Result<Content, String> {
    let told = |error: rusqlite::Error| fault::sentence(&error);
    let source = open_source(from)?;
    begin_reading(&source, || watch((0, 1)))?;
    let content = content(&source).map_err(told)?;
    let file = File::options().write(true).open(into).map_err(|error| cannot("written", &error))?;
    let log_at_first = log_of(from);
    let most_log = MOST_LOG.max(content.bytes.unsigned_abs());
    let mut copy = open_at(into, "mode=rw").map_err(told)?;
    // Nobody else knows the file yet, and a half one is thrown away.
    copy.execute_batch("PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA locking_mode = exclusive;").map_err(told)?;
    let backup = Backup::new(&source, &mut copy).map_err(told)?;
    loop {
        let step = backup.step(PAGES).map_err(told)?;
        let (left, all) = (backup.progress().remaining, backup.progress().pagecount);
        watch(((all - left).unsigned_abs().into(), all.unsigned_abs().into()))?;
        match step {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => std::thread::sleep(PAUSE),
            _ => file.sync_data().map_err(|error| cannot("written", &error))?,
        }
        if log_of(from).saturating_sub(log_at_first) > most_log {
            return Err("it was given up: so much was changed meanwhile that the log of changes grew too long; \
                        make the copy on a faster disk, or when there is less traffic"
                .into());
        }
    }
    drop(backup);
    // The copy stands, folded in or not.
    let _ = fold_in(source);
    // One plain file, which can be read where nothing can be written; the server brings its log back by itself.
    copy.execute_batch("PRAGMA journal_mode = delete").map_err(told)?;
    copy.close().map_err(|(_, error)| told(error))?;
    file.sync_all().map_err(|error| cannot("written", &error))?;
    Ok(content)
}

/// Ends the reading, and folds in what was changed meanwhile. Where nobody does, the next commit would, with everybody waiting behind
/// it. No writer waits for this; one that commits meanwhile leaves it to us.
fn fold_in(source: Connection) -> rusqlite::Result<()> {
    source.execute_batch("COMMIT")?;
    source.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Begins the one reading that a copy is made of. While rows of an import move, it waits: half of them are of no use to anybody.
fn begin_reading(source: &Connection, mut go_on: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let told = |error: rusqlite::Error| fault::sentence(&error);
    let (mut seen, mut since) = (None, Instant::now());
    loop {
        source.execute_batch("BEGIN").map_err(told)?;
        let imports = import::known(source).map_err(|error| error.to_string())?;
        let Some((_, unfinished)) = imports.into_iter().find(|(_, progress)| !progress.is_done) else { return Ok(()) };
        source.execute_batch("ROLLBACK").map_err(told)?;
        let import::Progress { moved, rows, .. } = unfinished;
        if seen.replace(moved) != Some(moved) {
            since = Instant::now();
        } else if since.elapsed() > STALLED {
            return Err(format!(
                "{moved} of {rows} rows of an import are in, and the others do not move: start tollgate, which finishes it, or see in its \
                 log why it waits, and try again"
            ));
        }
        go_on()?;
        std::thread::sleep(PAUSE);
    }
}

/// Looks a copy through, all of it: whether it is ours, sound, and what is in it. Nothing is written, not even beside it.
pub fn look_through(path: &Path) -> Result<Content, String> {
    check_file(path).map_err(|reason| of_a_copy(&reason))?;
    for side in ["-wal", "-journal"] {
        if beside(path, side).metadata().is_ok_and(|side| side.len() > 0) {
            return Err(format!(
                "there is a {side} file beside it: it is a database in use, and no copy; make one with: tollgate backup FILE"
            ));
        }
    }
    let look = || -> rusqlite::Result<Result<Content, String>> {
        let connection = open_at(path, "mode=ro&immutable=1")?;
        if let Err(reason) = check_ours(&connection)? {
            return Ok(Err(of_a_copy(&reason)));
        }
        let damages = integrity(&connection)?;
        if let Some(damage) = damages.first() {
            return Ok(Err(format!("it is damaged ({damage}): use another copy")));
        }
        content(&connection).map(Ok)
    };
    look().map_err(|error| of_a_copy(&fault::sentence(&error)))?
}

/// Whether a file is a tollgate database, of whichever version.
pub fn is_ours(path: &Path) -> bool {
    let is_marked = || -> rusqlite::Result<bool> { open::is_marked(&open_at(path, "mode=ro&immutable=1")?) };
    check_file(path).is_ok() && is_marked().unwrap_or(false)
}

/// Adds an entry to a copy's audit, the newest of all.
pub fn note(path: &Path, mut entry: Entry) -> Result<(), String> {
    let told = |error: rusqlite::Error| fault::sentence(&error);
    let connection = open_at(path, "mode=rw").map_err(told)?;
    let id = Ids::default().next(id::AUDIT, entry.at, |bound| audit::newest(&connection, bound));
    id.and_then(|id| {
        entry.id = id;
        audit::insert(&connection, &entry)
    })
    .map_err(|error| error.to_string())?;
    connection.close().map_err(|(_, error)| told(error))
}

/// What is said of a database, as it is said of a copy.
fn of_a_copy(reason: &str) -> String {
    reason.replace(fault::ELSEWHERE, "").replace(": restore a backup", ": use another copy")
}

/// What is damaged; nothing where all is sound.
fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(5)")?;
    let told = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut damages: Vec<String> = told.into_iter().filter(|line| line != "ok").collect();
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    if let Some(row) = rows.next()? {
        damages.push(format!("a row of {} belongs to none of {}", row.get::<_, String>(0)?, row.get::<_, String>(2)?));
    }
    Ok(damages)
}

/// Looks at a file before anything opens it: what is no file would wait for ever, or be made.
fn check_file(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot("read", &error))?;
    if !metadata.is_file() {
        return Err("it is not a file".into());
    }
    open::begins_as_sqlite(path)
}

fn open_source(path: &Path) -> Result<Connection, String> {
    check_file(path)?;
    let connection = open::open_reader(path).map_err(open::OpenError::into_reason)?;
    check_ours(&connection).map_err(|error| fault::sentence(&error))??;
    Ok(connection)
}

/// Whether it is a database of ours, and not an empty one.
fn check_ours(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    Ok(match open::check_ours(connection)? {
        Ok(true) => Err("there is nothing in it".into()),
        Ok(false) => Ok(()),
        Err(reason) => Err(reason),
    })
}

fn content(connection: &Connection) -> rusqlite::Result<Content> {
    let state = state::of(connection)?;
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let count = |name: String| {
        let rows = connection.query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |row| row.get(0))?;
        Ok((name, rows))
    };
    let rows = names.into_iter().map(count).collect::<rusqlite::Result<_>>()?;
    Ok(Content { schema: state.schema, bytes: state.bytes, newest: state.newest, rows })
}

/// Opens a file by its URI; any name is one.
fn open_at(path: &Path, parameters: &str) -> rusqlite::Result<Connection> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let escaped: String = percent_encode(absolute.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{escaped}?{parameters}"), flags)
}

fn log_of(database: &Path) -> u64 {
    beside(database, LOG).metadata().map_or(0, |log| log.len())
}

fn cannot(what: &str, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::StorageFull => "the disk is full: free some space and try again".into(),
        _ => format!("it cannot be {what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_meanwhile_is_folded_in_by_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (database, into) = (folder.path().join("tollgate.db"), folder.path().join("copy.db"));
        let writer = open::open(&database).unwrap().connection;
        // Nobody else does.
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        File::create_new(&into).unwrap();
        let size = || std::fs::metadata(&database).unwrap().len();
        let before = size();
        let mut rows = 0;
        let change = |_: Progress| {
            rows += 1;
            let sql = "INSERT INTO plans (name, title, definition) VALUES (?1, hex(zeroblob(200000)), '{}')";
            writer.execute(sql, [rows.to_string()]).map(|_| ()).map_err(|error| error.to_string())
        };
        let content = copy(&database, &into, change).unwrap();
        assert_eq!(content.rows_of("plans"), 0, "the copy is as all was when it began");
        assert!(size() >= before + 400_000, "{before} bytes, and {} after it", size());
    }
}
