//! Who accepted which version of the agreement.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// Notes that a user accepted a version; the first time stays. Answers whether this is it.
pub fn accept(connection: &Connection, user: i64, version: &str, at: Timestamp, origin: &str) -> Result<bool> {
    let sql = "INSERT INTO agreements (user, version, at, origin) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    Ok(connection.prepare_cached(sql)?.execute(params![user, version, at.millis(), origin])? == 1)
}

/// When a user accepted a version, where that is known.
pub fn accepted_at(connection: &Connection, user: i64, version: &str) -> Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached("SELECT at FROM agreements WHERE user = ?1 AND version = ?2")?;
    Ok(statement.query_row(params![user, version], |row| row.get(0)).optional()?.map(Timestamp::from_millis))
}

/// Forgets from where a user accepted; that they did stays.
pub fn forget_origins(connection: &Connection, user: i64) -> Result<()> {
    connection.prepare_cached("UPDATE agreements SET origin = '' WHERE user = ?1")?.execute([user])?;
    Ok(())
}
