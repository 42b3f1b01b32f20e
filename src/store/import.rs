//! The side file of an import: rows are gathered in it beside the database, and move into it only when all of them are sound.
//!
//! While it is gathered it is `DATABASE.import.new`, and nothing of it counts. Sealed it is `DATABASE.import`: from then on the
//! import is finished, if not now then at the next start.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::columns::json;
use super::open;
use super::side::{GATHERING, IMPORT, beside};
use crate::domain::error::{Error, Result};

/// What the side file holds. Its rows are found by their place: of keys the hash, of accounts and users the line. What else must be
/// one row's own, as the address of a user, is `taken`.
const SCHEMA: &str = "
    CREATE TABLE about (json TEXT NOT NULL) STRICT;
    CREATE TABLE staged (
      line   INTEGER PRIMARY KEY,
      place  BLOB NOT NULL UNIQUE,
      id     TEXT UNIQUE,
      record TEXT NOT NULL
    ) STRICT;
    CREATE TABLE taken (
      what TEXT PRIMARY KEY,
      line INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// How much memory finding what stands twice may take, in KiB; what is more goes by way of the file.
const CACHE: i64 = 32 * 1024;

/// How much of the disk is left to all else, and after how many rows to look at it again.
const RESERVE: u64 = 64 << 20;
const LOOK_EVERY: u64 = 1000;

/// The mark under which the database says how far an import has come.
const OPERATION: &str = "import";

fn gathered_in(database: &Path) -> PathBuf {
    beside(database, GATHERING)
}

/// Where a sealed import lies.
pub fn sealed_in(database: &Path) -> PathBuf {
    beside(database, IMPORT)
}

/// Throws away what was gathered and never sealed.
pub fn clear(database: &Path) -> Result<()> {
    remove(&gathered_in(database))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(trouble(path, &error)),
        _ => Ok(()),
    }
}

/// Whether an import is sealed and not finished.
pub fn is_sealed(database: &Path) -> bool {
    sealed_in(database).symlink_metadata().is_ok()
}

/// Whether the disk has room for all of it: it is to stand in the database, and for a while in its log of changes, too.
fn check_room(gathered: &Path) -> Result<()> {
    let size = std::fs::metadata(gathered).map_err(|error| trouble(gathered, &error))?.len();
    let disk = rustix::fs::statvfs(gathered).map_err(|error| trouble(gathered, &error.into()))?;
    if has_room(size, disk.f_bavail.saturating_mul(disk.f_frsize)) {
        return Ok(());
    }
    Err(Error::Unavailable(format!("the disk has not enough room for the import: it needs twice {size} bytes and {RESERVE} beside them")))
}

fn has_room(size: u64, free: u64) -> bool {
    free >= size.saturating_mul(2).saturating_add(RESERVE)
}

/// Makes sure that what was named, or taken away, in a folder stays so.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

fn trouble(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("{}: {error}", path.display()))
}

/// An import that is gathered. Dropped before it is sealed, it is gone.
#[derive(Debug)]
pub struct Gathering {
    connection: Option<Connection>,
    database: PathBuf,
    rows: u64,
}

/// A row that cannot be added, because another has what must be its own.
#[derive(Debug)]
pub struct Twice {
    /// The line of the other.
    pub line: u64,
    /// Whether it is the id; else it is the place.
    pub is_id: bool,
}

impl Gathering {
    /// Makes the file, for its owner alone.
    pub fn start(database: &Path) -> Result<Self> {
        clear(database)?;
        let path = gathered_in(database);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|error| trouble(&path, &error))?;
        let mut gathering = Self { connection: None, database: database.into(), rows: 0 };
        let connection = open_side(&path)?;
        // Until it is sealed there is nothing that a crash could take away.
        connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "off")?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch("BEGIN")?;
        gathering.connection = Some(connection);
        Ok(gathering)
    }

    fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| Error::Internal("an import was sealed already".into()))
    }

    /// Adds a row.
    pub fn add<T: Serialize>(&mut self, line: u64, place: &[u8], id: Option<&str>, record: &T) -> Result<Option<Twice>> {
        if self.rows.is_multiple_of(LOOK_EVERY) {
            check_room(&gathered_in(&self.database))?;
        }
        self.rows += 1;
        let connection = self.connection()?;
        let added = connection
            .prepare_cached("INSERT INTO staged (line, place, id, record) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
            .execute(params![line as i64, place, id, json(record)?])?;
        if added == 1 {
            return Ok(None);
        }
        let line_of = |column: &str, value: &dyn rusqlite::ToSql| -> rusqlite::Result<Option<i64>> {
            connection
                .prepare_cached(&format!("SELECT line FROM staged WHERE {column} = ?1"))?
                .query_row([value], |row| row.get(0))
                .optional()
        };
        let of_id = id.map(|id| line_of("id", &id)).transpose()?.flatten();
        let other = of_id.map_or_else(|| line_of("place", &place), |line| Ok(Some(line)))?;
        Ok(Some(Twice { line: other.unwrap_or_default() as u64, is_id: of_id.is_some() }))
    }

    /// Takes what must be one row's own; the line of the row that has it already, where there is one.
    pub fn claim(&mut self, line: u64, what: &str) -> Result<Option<u64>> {
        let connection = self.connection()?;
        let sql = "INSERT INTO taken (what, line) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        if connection.prepare_cached(sql)?.execute(params![what, line as i64])? == 1 {
            return Ok(None);
        }
        let holder: i64 = connection.prepare_cached("SELECT line FROM taken WHERE what = ?1")?.query_row([what], |row| row.get(0))?;
        Ok(Some(holder as u64))
    }

    /// Makes it count, whatever comes: on the disk, and under its other name. After that nothing can go wrong with it any more.
    pub fn seal<A: Serialize>(mut self, about: &A) -> Result<Sealed> {
        let connection = self.connection.take().ok_or_else(|| Error::Internal("an import was sealed already".into()))?;
        connection.execute("INSERT INTO about (json) VALUES (?1)", [json(about)?])?;
        connection.execute_batch("COMMIT")?;
        let (gathered, sealed) = (gathered_in(&self.database), sealed_in(&self.database));
        check_room(&gathered)?;
        if is_sealed(&self.database) {
            return Err(Error::Internal(format!("{} is of another import, which is not finished", sealed.display())));
        }
        let name = || std::fs::File::open(&gathered)?.sync_all().and_then(|()| std::fs::rename(&gathered, &sealed));
        name().map_err(|error| trouble(&sealed, &error))?;
        sync_folder(&sealed).map_err(|error| {
            // Whoever is told that nothing was changed must be right.
            let _ = std::fs::remove_file(&sealed);
            trouble(&sealed, &error)
        })?;
        Ok(Sealed { connection, database: self.database.clone() })
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        drop(self.connection.take());
        if let Err(error) = clear(&self.database) {
            tracing::warn!("the side file of an import could not be taken away: {error}");
        }
    }
}

fn open_side(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    Ok(connection)
}

/// A row on its way.
#[derive(Debug)]
pub struct Staged<T> {
    /// Where it stands among the others.
    pub place: Vec<u8>,
    /// The id that it brings; without one it gets a new one.
    pub id: Option<String>,
    /// The row itself.
    pub record: T,
}

/// A sealed import.
#[derive(Debug)]
pub struct Sealed {
    connection: Connection,
    database: PathBuf,
}

impl Sealed {
    /// The one that there is, if there is one.
    pub fn open(database: &Path) -> Result<Option<Self>> {
        if !is_sealed(database) {
            return Ok(None);
        }
        Ok(Some(Self { connection: open_side(&sealed_in(database))?, database: database.into() }))
    }

    /// What was sealed with it.
    pub fn about<A: DeserializeOwned>(&self) -> Result<A> {
        let text: String = self.connection.query_row("SELECT json FROM about", [], |row| row.get(0))?;
        serde_json::from_str(&text).map_err(|error| damaged(&error))
    }

    /// The next rows after a place.
    pub fn after<T: DeserializeOwned>(&self, place: &[u8], limit: usize) -> Result<Vec<Staged<T>>> {
        let mut statement =
            self.connection.prepare_cached("SELECT place, id, record FROM staged WHERE place > ?1 ORDER BY place LIMIT ?2")?;
        let rows = statement.query_map(params![place, limit as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
        rows.map(|row| {
            let (place, id, record) = row?;
            let record = serde_json::from_str(&record).map_err(|error| damaged(&error))?;
            Ok(Staged { place, id, record })
        })
        .collect()
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        sealed_in(&self.database)
    }

    /// Takes the file away, for good: all of it stands in the database.
    pub fn remove(self) -> Result<()> {
        let path = self.path();
        drop(self.connection);
        remove(&path)?;
        sync_folder(&path).map_err(|error| trouble(&path, &error))
    }
}

fn damaged(error: &serde_json::Error) -> Error {
    Error::Internal(format!("the side file of an import is damaged: {error}"))
}

/// How far an import has come. Written with each round, so that no row moves twice, whatever happens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The place of the last row that moved.
    pub place: Vec<u8>,
    /// How many have moved, those among them that were left out.
    pub moved: u64,
    /// How many were left out: what must be their own was somebody else's by then.
    #[serde(default)]
    pub left_out: u64,
    /// Of how many.
    pub rows: u64,
    /// The smallest and the largest of their ids.
    pub ids: Option<(String, String)>,
    /// Whether that was all of it.
    pub is_done: bool,
}

impl Progress {
    /// One more has moved, from this place, and has this id now; without one it was left out.
    pub fn add(&mut self, place: Vec<u8>, id: Option<String>) {
        self.place = place;
        self.moved += 1;
        let Some(id) = id else {
            self.left_out += 1;
            return;
        };
        // Ids that end in a number grow longer.
        let is_before = |one: &str, other: &str| (one.len(), one) < (other.len(), other);
        self.ids = Some(match self.ids.take() {
            None => (id.clone(), id),
            Some((first, last)) if is_before(&id, &first) => (id, last),
            Some((first, last)) if is_before(&last, &id) => (first, id),
            Some(between) => between,
        });
    }

    /// How many are there now.
    pub const fn imported(&self) -> u64 {
        self.moved - self.left_out
    }
}

/// How far the import of this name has come.
pub fn progress(connection: &Connection, name: &str) -> Result<Progress> {
    let mut statement = connection.prepare_cached("SELECT result FROM idempotency WHERE operation = ?1 AND key = ?2")?;
    let text: Option<String> = statement.query_row([OPERATION, name], |row| row.get(0)).optional()?;
    text.map_or_else(|| Ok(Progress::default()), |text| serde_json::from_str(&text).map_err(|error| damaged(&error)))
}

/// Notes how far it has come. No tidying takes that away: it is forgotten when the side file is gone, and never before.
pub fn note(connection: &Connection, name: &str, progress: &Progress) -> Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO idempotency (operation, key, request, result, created_at) VALUES (?1, ?2, x'', ?3, ?4)")?
        .execute(params![OPERATION, name, json(progress)?, i64::MAX])?;
    Ok(())
}

/// Forgets how far it has come: its side file is gone.
pub fn forget(connection: &Connection, name: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM idempotency WHERE operation = ?1 AND key = ?2")?.execute([OPERATION, name])?;
    Ok(())
}

/// Every import that the database knows of, by its name.
pub fn known(connection: &Connection) -> Result<Vec<(String, Progress)>> {
    let mut statement = connection.prepare_cached("SELECT key, result FROM idempotency WHERE operation = ?1")?;
    let rows = statement.query_map([OPERATION], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (name, text) = row?;
        Ok((name, serde_json::from_str(&text).map_err(|error| damaged(&error))?))
    })
    .collect()
}

/// Looks into the database for what an import would meet there; each look stands for itself, and holds nothing up.
#[derive(Debug)]
pub struct Present(Connection);

impl Present {
    /// Opens the database to look into it.
    pub fn open(database: &Path) -> Result<Self> {
        open::open_reader(database).map(Self).map_err(|error| Error::Unavailable(error.to_string()))
    }

    fn has(&self, sql: &str, value: impl rusqlite::ToSql) -> Result<bool> {
        Ok(self.0.prepare_cached(sql)?.exists([value])?)
    }

    /// Whether there is such an account.
    pub fn has_account(&self, id: &str) -> Result<bool> {
        self.has("SELECT 1 FROM accounts WHERE id = ?1", id)
    }

    /// Whether there is a key of this id.
    pub fn has_key(&self, id: &str) -> Result<bool> {
        self.has("SELECT 1 FROM keys WHERE id = ?1", id)
    }

    /// Whether there is a key of this hash.
    pub fn has_hash(&self, hash: &[u8; 32]) -> Result<bool> {
        self.has("SELECT 1 FROM keys WHERE hash = ?1", hash)
    }

    /// Whether a user has this address.
    pub fn has_email(&self, email: &str) -> Result<bool> {
        self.has("SELECT 1 FROM users WHERE email = ?1", email)
    }

    /// Whether a user has this number.
    pub fn has_phone(&self, phone: &str) -> Result<bool> {
        self.has("SELECT 1 FROM users WHERE phone = ?1", phone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::store::idempotency;

    #[test]
    fn an_import_leaves_room_on_the_disk() {
        for (size, free, has) in [
            (0, RESERVE, true),
            (0, RESERVE - 1, false),
            (1000, RESERVE + 1999, false),
            (1000, RESERVE + 2000, true),
            (u64::MAX, u64::MAX, true),
        ] {
            assert_eq!(has_room(size, free), has, "{size} of {free}");
        }
    }

    #[test]
    fn how_far_it_has_come_is_forgotten_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open::open(&folder.path().join("t.db")).unwrap().connection;
        let mut done = Progress { is_done: true, ..Progress::default() };
        for id in ["b", "a", "c"] {
            done.add(vec![1], Some(id.into()));
        }
        assert_eq!((done.moved, &done.ids), (3, &Some(("a".into(), "c".into()))));
        done.add(vec![2], None);
        assert_eq!((done.moved, done.imported()), (4, 3));
        done.add(vec![3], Some("10".into()));
        assert_eq!(done.ids, Some(("a".into(), "10".into())), "a longer number is a later one");
        note(&connection, "one", &done).unwrap();
        // However long its side file cannot be taken away, and whatever the clock says.
        idempotency::tidy(&connection, Timestamp::from_millis(i64::MAX)).unwrap();
        assert!(progress(&connection, "one").unwrap().is_done);
        assert_eq!(known(&connection).unwrap().len(), 1);
        forget(&connection, "one").unwrap();
        assert!(known(&connection).unwrap().is_empty());
    }
}
