//! What a database says of itself, for whoever asks whether it is sound.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::fault;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// How many damages are told.
const MOST_DAMAGES: i64 = 5;

/// What a connection says of its database.
#[derive(Clone, Debug)]
pub struct State {
    /// The version of its schema.
    pub schema: i64,
    /// How it keeps changes: `wal`.
    pub journal_mode: String,
    /// How surely: 2 is `full`.
    pub synchronous: i64,
    /// How large it is.
    pub bytes: i64,
    /// How much of that holds nothing, and is used again.
    pub free_bytes: i64,
    /// The newest time that stands in it, as far as an index tells.
    pub newest: Option<Timestamp>,
}

/// Asks a connection.
pub fn read(connection: &Connection) -> Result<State> {
    Ok(of(connection)?)
}

/// The same, with SQLite's own faults.
pub(super) fn of(connection: &Connection) -> rusqlite::Result<State> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // Ids sort by creation, so the newest rows are found by an index.
    let newest = "SELECT max(at) FROM (
        SELECT (SELECT created_at FROM accounts ORDER BY id DESC LIMIT 1) AS at
        UNION ALL SELECT (SELECT created_at FROM keys ORDER BY id DESC LIMIT 1)
        UNION ALL SELECT (SELECT created_at FROM tokens ORDER BY id DESC LIMIT 1)
        UNION ALL SELECT max(hour) FROM usage)";
    Ok(State {
        schema: number("user_version")?,
        journal_mode: connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?,
        synchronous: number("synchronous")?,
        bytes: number("page_count")? * number("page_size")?,
        free_bytes: number("freelist_count")? * number("page_size")?,
        newest: connection.query_row(newest, [], |row| row.get::<_, Option<i64>>(0))?.map(Timestamp::from_millis),
    })
}

/// What is damaged; nothing where the database is sound. Reads all of it, over a connection of its own, also while a server
/// works on it.
pub fn damages(path: &Path) -> std::result::Result<Vec<String>, String> {
    let look = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.pragma_update(None, "query_only", true)?;
        let mut statement = connection.prepare(&format!("PRAGMA quick_check({MOST_DAMAGES})"))?;
        let told = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(told.into_iter().filter(|line| line != "ok").collect())
    };
    look().map_err(|error| fault::sentence(&error))
}
