//! What was done under an `Idempotency-Key`, so that it is done once.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::error::{Error, Result};
use crate::domain::time::{Span, Timestamp};

/// How long a key is remembered: longer than payment providers repeat a webhook.
const KEPT: Span = Span::from_secs(7 * 86_400);

/// An operation that is to be done once.
#[derive(Clone, Debug)]
pub struct Once {
    /// Which operation.
    pub operation: &'static str,
    /// The `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of the request.
    pub request: [u8; 32],
}

/// What came of it the first time, if there was one.
pub fn done(connection: &Connection, once: Option<&Once>, now: Timestamp) -> Result<Option<String>> {
    let Some(once) = once else { return Ok(None) };
    let oldest = now.minus(KEPT).millis();
    connection.prepare_cached("DELETE FROM idempotency WHERE operation = ?1 AND key = ?2 AND created_at < ?3")?.execute(params![
        once.operation,
        once.key,
        oldest
    ])?;
    let mut statement = connection.prepare_cached("SELECT request, result FROM idempotency WHERE operation = ?1 AND key = ?2")?;
    let row: Option<([u8; 32], String)> =
        statement.query_row(params![once.operation, once.key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match row {
        Some((request, _)) if request != once.request => Err(Error::Conflict("This Idempotency-Key was used with another request.".into())),
        row => Ok(row.map(|(_, result)| result)),
    }
}

/// Remembers what came of it.
pub fn remember(connection: &Connection, once: Option<&Once>, result: &str, now: Timestamp) -> Result<()> {
    let Some(once) = once else { return Ok(()) };
    connection
        .prepare_cached("INSERT INTO idempotency (operation, key, request, result, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![once.operation, once.key, once.request, result, now.millis()])?;
    Ok(())
}

/// Forgets a bounded number of keys that have had their time; answers whether there may be more.
pub fn tidy(connection: &Connection, now: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE (operation, key) IN (SELECT operation, key FROM idempotency WHERE created_at < ?1 LIMIT ?2)",
        )?
        .execute(params![now.minus(KEPT).millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}
