//! Second factors: a secret that is sealed, the last step that was used, and the hashes of recovery codes.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{instant, maybe_instant};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// A second factor as stored.
#[derive(Clone, Debug)]
pub struct SecondFactor {
    /// Sealed.
    pub secret: Vec<u8>,
    /// From when on it is asked for; none: it was begun.
    pub confirmed_at: Option<Timestamp>,
    /// The last time step that was used.
    pub last_step: i64,
    /// When it was begun.
    pub created_at: Timestamp,
}

/// A user's, if they have one or have begun one.
pub fn find(connection: &Connection, user: i64) -> Result<Option<SecondFactor>> {
    let sql = "SELECT secret, confirmed_at, last_step, created_at FROM second_factors WHERE user = ?1";
    let found = connection.prepare_cached(sql)?.query_row([user], |row| {
        Ok(SecondFactor {
            secret: row.get("secret")?,
            confirmed_at: maybe_instant(row, "confirmed_at")?,
            last_step: row.get("last_step")?,
            created_at: instant(row, "created_at")?,
        })
    });
    Ok(found.optional()?)
}

/// Begins one, in the place of any that was begun.
pub fn begin(connection: &Connection, user: i64, secret: &[u8], at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO second_factors (user, secret, last_step, created_at) VALUES (?1, ?2, -1, ?3)
             ON CONFLICT (user) DO UPDATE SET secret = excluded.secret, confirmed_at = NULL, last_step = -1, created_at = excluded.created_at",
        )?
        .execute(params![user, secret, at.millis()])?;
    Ok(())
}

/// From now on it is asked for.
pub fn confirm(connection: &Connection, user: i64, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE second_factors SET confirmed_at = coalesce(confirmed_at, ?2) WHERE user = ?1")?
        .execute(params![user, at.millis()])?;
    Ok(())
}

/// Uses a step up, and all before it; answers whether it was still to be used.
pub fn use_step(connection: &Connection, user: i64, step: i64) -> Result<bool> {
    let sql = "UPDATE second_factors SET last_step = ?2 WHERE user = ?1 AND last_step < ?2";
    Ok(connection.prepare_cached(sql)?.execute(params![user, step])? == 1)
}

/// Uses a recovery code up; answers whether it was still to be used.
pub fn use_recovery_code(connection: &Connection, user: i64, hash: &[u8; 32], at: Timestamp) -> Result<bool> {
    let sql = "UPDATE recovery_codes SET used_at = ?3 WHERE user = ?1 AND hash = ?2 AND used_at IS NULL";
    Ok(connection.prepare_cached(sql)?.execute(params![user, hash.as_slice(), at.millis()])? == 1)
}

/// How many recovery codes are left.
pub fn recovery_codes_left(connection: &Connection, user: i64) -> Result<u64> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user = ?1 AND used_at IS NULL";
    Ok(connection.prepare_cached(sql)?.query_row([user], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// Puts new recovery codes in the place of all that there were.
pub fn set_recovery_codes(connection: &Connection, user: i64, hashes: &[[u8; 32]]) -> Result<()> {
    connection.prepare_cached("DELETE FROM recovery_codes WHERE user = ?1")?.execute([user])?;
    let mut insert = connection.prepare_cached("INSERT INTO recovery_codes (user, hash) VALUES (?1, ?2)")?;
    for hash in hashes {
        insert.execute(params![user, hash.as_slice()])?;
    }
    Ok(())
}
