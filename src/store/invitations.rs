//! Who was asked to join an account.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ROUND;
use super::columns::{instant, maybe_instant, word};
use crate::domain::error::Result;
use crate::domain::invitation::InvitationRecord;
use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;
use crate::domain::user::Role;

const COLUMNS: &str = "id, hash, account, email, role, invited_by, created_at, expires_at, accepted_at, ended_at";

/// What is open at `?2`.
const OPEN: &str = "accepted_at IS NULL AND ended_at IS NULL AND expires_at > ?2";

fn from_row(row: &Row<'_>) -> rusqlite::Result<InvitationRecord> {
    Ok(InvitationRecord {
        id: row.get("id")?,
        hash: KeyHash::from_bytes(row.get("hash")?),
        account: row.get("account")?,
        email: row.get("email")?,
        role: word(row, "role", Role::from_name)?,
        invited_by: row.get("invited_by")?,
        created_at: instant(row, "created_at")?,
        expires_at: instant(row, "expires_at")?,
        accepted_at: maybe_instant(row, "accepted_at")?,
        ended_at: maybe_instant(row, "ended_at")?,
    })
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<InvitationRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM invitations WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// By the hash of the token in the mail.
pub fn by_hash(connection: &Connection, hash: &KeyHash) -> Result<Option<InvitationRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM invitations WHERE hash = ?1"))?;
    Ok(statement.query_row([hash.as_bytes()], from_row).optional()?)
}

/// Up to `limit` of an account after the one named, in the order of their ids.
pub fn list(connection: &Connection, account: &str, after: &str, limit: usize) -> Result<Vec<InvitationRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM invitations WHERE account = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map(params![account, after, limit as i64], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Those of an account that are open, the oldest first.
pub fn open_of(connection: &Connection, account: &str, now: Timestamp) -> Result<Vec<InvitationRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM invitations WHERE account = ?1 AND {OPEN} ORDER BY id LIMIT 1000");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map(params![account, now.millis()], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Those that are open for an address, the oldest first.
pub fn open_for(connection: &Connection, email: &str, now: Timestamp) -> Result<Vec<InvitationRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM invitations WHERE email = ?1 AND {OPEN} ORDER BY id LIMIT 1000");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map(params![email, now.millis()], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// How many of an account are open.
pub fn count_open(connection: &Connection, account: &str, now: Timestamp) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM invitations WHERE account = ?1 AND {OPEN}");
    Ok(connection.prepare_cached(&sql)?.query_row(params![account, now.millis()], |row| row.get(0))?)
}

/// How many of an account were made since then, whatever became of them.
pub fn count_since(connection: &Connection, account: &str, since: Timestamp) -> Result<i64> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM invitations WHERE account = ?1 AND created_at > ?2")?;
    Ok(statement.query_row(params![account, since.millis()], |row| row.get(0))?)
}

/// Adds one.
pub fn insert(connection: &Connection, invitation: &InvitationRecord) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO invitations (id, hash, account, email, role, invited_by, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            invitation.id,
            invitation.hash.as_bytes(),
            invitation.account,
            invitation.email,
            invitation.role.name(),
            invitation.invited_by,
            invitation.created_at.millis(),
            invitation.expires_at.millis(),
        ])?;
    Ok(())
}

/// Accepts one; answers whether it was open.
pub fn accept(connection: &Connection, id: &str, now: Timestamp) -> Result<bool> {
    let sql = format!("UPDATE invitations SET accepted_at = ?2 WHERE id = ?1 AND {OPEN}");
    Ok(connection.prepare_cached(&sql)?.execute(params![id, now.millis()])? == 1)
}

/// Takes one back; answers whether it was open.
pub fn end(connection: &Connection, id: &str, now: Timestamp) -> Result<bool> {
    let sql = format!("UPDATE invitations SET ended_at = ?2 WHERE id = ?1 AND {OPEN}");
    Ok(connection.prepare_cached(&sql)?.execute(params![id, now.millis()])? == 1)
}

/// Takes those back that are open for an address, to an account.
pub fn end_of_email(connection: &Connection, account: &str, email: &str, now: Timestamp) -> Result<()> {
    let sql = format!("UPDATE invitations SET ended_at = ?2 WHERE account = ?1 AND email = ?3 AND {OPEN}");
    connection.prepare_cached(&sql)?.execute(params![account, now.millis(), email])?;
    Ok(())
}

/// Forgets a bounded number of those that expired before `before`; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let sql = "DELETE FROM invitations WHERE id IN (SELECT id FROM invitations WHERE expires_at < ?1 LIMIT ?2)";
    let forgotten = connection.prepare_cached(sql)?.execute(params![before.millis(), ROUND])?;
    Ok(forgotten as i64 == ROUND)
}
