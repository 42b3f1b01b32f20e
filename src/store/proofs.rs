//! What was sent to prove an address, as a hash, and what it is good for.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::ROUND;
use super::columns::{from_json, instant, json, maybe_instant, word};
use crate::domain::error::Result;
use crate::domain::key::KeyHash;
use crate::domain::proof::{Channel, ProofRecord, Purpose};
use crate::domain::time::Timestamp;

const COLUMNS: &str = "id, hash, purpose, channel, address, user, payload, origin, tries, tries_elsewhere, created_at, expires_at, used_at";

/// What is left of one that counts no more.
const WIPED: &str = "address = '', origin = '', payload = '{}'";

fn from_row(row: &Row<'_>) -> rusqlite::Result<ProofRecord> {
    Ok(ProofRecord {
        id: row.get("id")?,
        hash: KeyHash::from_bytes(row.get("hash")?),
        purpose: word(row, "purpose", Purpose::from_name)?,
        channel: word(row, "channel", Channel::from_name)?,
        address: row.get("address")?,
        user: row.get("user")?,
        payload: from_json::<Value>(row, "payload")?,
        origin: row.get("origin")?,
        tries: row.get("tries")?,
        tries_elsewhere: row.get("tries_elsewhere")?,
        created_at: instant(row, "created_at")?,
        expires_at: instant(row, "expires_at")?,
        used_at: maybe_instant(row, "used_at")?,
    })
}

/// By the hash of what was sent.
pub fn by_hash(connection: &Connection, hash: &KeyHash) -> Result<Option<ProofRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM proofs WHERE hash = ?1"))?;
    Ok(statement.query_row([hash.as_bytes()], from_row).optional()?)
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<ProofRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM proofs WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Those that were sent to an address for a purpose and still count, the newest first.
pub fn open(connection: &Connection, address: &str, purpose: Purpose, now: Timestamp) -> Result<Vec<ProofRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM proofs WHERE address = ?1 AND purpose = ?2 AND used_at IS NULL AND expires_at > ?3 ORDER BY id DESC LIMIT 20"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![address, purpose.name(), now.millis()], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Those by which a user is to have a new address and that still count, the newest first.
pub fn changes_of(connection: &Connection, user: i64, now: Timestamp) -> Result<Vec<ProofRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM proofs WHERE user = ?1 AND purpose = ?2 AND used_at IS NULL AND expires_at > ?3 ORDER BY id DESC LIMIT 20"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![user, Purpose::Change.name(), now.millis()], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds one.
pub fn insert(connection: &Connection, proof: &ProofRecord) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO proofs (id, hash, purpose, channel, address, user, payload, origin, tries, tries_elsewhere, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            proof.id,
            proof.hash.as_bytes(),
            proof.purpose.name(),
            proof.channel.name(),
            proof.address,
            proof.user,
            json(&proof.payload)?,
            proof.origin,
            proof.tries,
            proof.tries_elsewhere,
            proof.created_at.millis(),
            proof.expires_at.millis(),
        ])?;
    Ok(())
}

/// Uses one up; answers whether it was there to be used. Of one that counts no more, however it came to that, only what it was is
/// kept: no address, and nothing of whom it was for.
pub fn spend(connection: &Connection, id: &str, at: Timestamp) -> Result<bool> {
    let sql = format!("UPDATE proofs SET used_at = ?2, {WIPED} WHERE id = ?1 AND used_at IS NULL AND expires_at > ?2");
    Ok(connection.prepare_cached(&sql)?.execute(params![id, at.millis()])? == 1)
}

/// Counts a wrong code.
pub fn count_try(connection: &Connection, id: &str) -> Result<()> {
    connection.prepare_cached("UPDATE proofs SET tries = tries + 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Counts a wrong code that came from elsewhere than it was asked for.
pub fn count_try_elsewhere(connection: &Connection, id: &str) -> Result<()> {
    connection.prepare_cached("UPDATE proofs SET tries_elsewhere = tries_elsewhere + 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Those for an address count no more.
pub fn end_of_address(connection: &Connection, address: &str, at: Timestamp) -> Result<()> {
    let sql = format!("UPDATE proofs SET used_at = ?2, {WIPED} WHERE address = ?1 AND used_at IS NULL");
    connection.prepare_cached(&sql)?.execute(params![address, at.millis()])?;
    Ok(())
}

/// Those of a user count no more.
pub fn end_of_user(connection: &Connection, user: i64, at: Timestamp) -> Result<()> {
    let sql = format!("UPDATE proofs SET used_at = ?2, {WIPED} WHERE user = ?1 AND used_at IS NULL AND expires_at > ?2");
    connection.prepare_cached(&sql)?.execute(params![user, at.millis()])?;
    Ok(())
}

/// Those of a user count no more, but for those that prove an address that goes by another channel.
pub fn end_of_user_by(connection: &Connection, user: i64, channel: Channel, at: Timestamp) -> Result<()> {
    let sql = format!(
        "UPDATE proofs SET used_at = ?2, {WIPED}
               WHERE user = ?1 AND used_at IS NULL AND expires_at > ?2 AND (channel = ?3 OR purpose NOT IN ('verify', 'change'))"
    );
    connection.prepare_cached(&sql)?.execute(params![user, at.millis(), channel.name()])?;
    Ok(())
}

/// Wipes a bounded number of those that have expired; answers whether there may be more.
pub fn wipe(connection: &Connection, now: Timestamp) -> Result<bool> {
    let sql = format!(
        "UPDATE proofs SET {WIPED}
               WHERE id IN (SELECT id FROM proofs WHERE address <> '' AND expires_at <= ?1 LIMIT ?2)"
    );
    let wiped = connection.prepare_cached(&sql)?.execute(params![now.millis(), ROUND])?;
    Ok(wiped as i64 == ROUND)
}

/// Forgets a bounded number of those that have expired and said who waits for a second factor: nothing refers to them any more. Answers
/// whether there may be more.
pub fn tidy_waits(connection: &Connection, now: Timestamp) -> Result<bool> {
    let forgotten = connection.prepare_cached(&format!("DELETE FROM proofs {WAITED}"))?.execute(params![now.millis(), ROUND])?;
    Ok(forgotten as i64 == ROUND)
}

/// What [`tidy_waits`] looks for: none of what is kept beside it.
const WAITED: &str = "WHERE id IN (SELECT id FROM proofs WHERE purpose = 'second_factor' AND expires_at <= ?1 LIMIT ?2)";

/// Forgets a bounded number of those that expired before `before`; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let sql = "DELETE FROM proofs WHERE id IN (SELECT id FROM proofs WHERE expires_at < ?1 LIMIT ?2)";
    let forgotten = connection.prepare_cached(sql)?.execute(params![before.millis(), ROUND])?;
    Ok(forgotten as i64 == ROUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{opened, plan};

    #[test]
    fn of_waits_none_is_read_that_goes_on() {
        let lines = plan(&opened(), &format!("DELETE FROM proofs {WAITED}"));
        assert!(lines.iter().any(|line| line == "SEARCH proofs USING COVERING INDEX proofs_of_waits (expires_at<?)"), "{lines:?}");
    }
}
