//! Sessions and their refresh tokens.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ROUND;
use super::columns::{instant, maybe_instant};
use crate::domain::error::Result;
use crate::domain::key::KeyHash;
use crate::domain::session::SessionRecord;
use crate::domain::time::Timestamp;

const COLUMNS: &str = "id, user, account, method, origin, agent, created_at, used_at, expires_at, ended_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    Ok(SessionRecord {
        id: row.get("id")?,
        user: row.get("user")?,
        account: row.get("account")?,
        method: row.get("method")?,
        origin: row.get("origin")?,
        agent: row.get("agent")?,
        created_at: instant(row, "created_at")?,
        used_at: instant(row, "used_at")?,
        expires_at: instant(row, "expires_at")?,
        ended_at: maybe_instant(row, "ended_at")?,
    })
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<SessionRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// The session of a refresh token, and when the token was replaced.
pub fn by_token(connection: &Connection, hash: &KeyHash) -> Result<Option<(SessionRecord, Option<Timestamp>)>> {
    let mut statement = connection.prepare_cached("SELECT session, replaced_at FROM refresh_tokens WHERE hash = ?1")?;
    let found: Option<(String, Option<Timestamp>)> =
        statement.query_row([hash.as_bytes()], |row| Ok((row.get("session")?, maybe_instant(row, "replaced_at")?))).optional()?;
    let Some((session, replaced_at)) = found else { return Ok(None) };
    Ok(by_id(connection, &session)?.map(|session| (session, replaced_at)))
}

/// Those of a user that last, the newest first.
pub fn of_user(connection: &Connection, user: i64, now: Timestamp) -> Result<Vec<SessionRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM sessions WHERE user = ?1 AND ended_at IS NULL AND expires_at > ?2 ORDER BY id DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map(params![user, now.millis()], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// From where a user was signed in, in sessions that are still remembered.
pub fn origins(connection: &Connection, user: i64) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT origin FROM sessions WHERE user = ?1 LIMIT 1000")?;
    Ok(statement.query_map([user], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Adds one.
pub fn insert(connection: &Connection, session: &SessionRecord) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (id, user, account, method, origin, agent, created_at, used_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            session.id,
            session.user,
            session.account,
            session.method,
            session.origin,
            session.agent,
            session.created_at.millis(),
            session.used_at.millis(),
            session.expires_at.millis(),
        ])?;
    Ok(())
}

/// Notes that it was used, by whom, and for which account from here on.
pub fn touch(connection: &Connection, session: &SessionRecord) -> Result<()> {
    connection
        .prepare_cached("UPDATE sessions SET account = ?2, origin = ?3, agent = ?4, used_at = ?5, expires_at = ?6 WHERE id = ?1")?
        .execute(params![
            session.id,
            session.account,
            session.origin,
            session.agent,
            session.used_at.millis(),
            session.expires_at.millis()
        ])?;
    Ok(())
}

/// Ends one; the first time stays.
pub fn end(connection: &Connection, id: &str, why: &str, at: Timestamp) -> Result<()> {
    connection.prepare_cached("UPDATE sessions SET ended_at = ?2, ended_by = ?3 WHERE id = ?1 AND ended_at IS NULL")?.execute(params![
        id,
        at.millis(),
        why
    ])?;
    Ok(())
}

/// Forgets those of a user, with their tokens.
pub fn remove_all(connection: &Connection, user: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM sessions WHERE user = ?1")?.execute([user])?;
    Ok(())
}

/// Moves those that are for an account of which their user is no member any more to the user's personal one.
pub fn leave_account(connection: &Connection, user: i64, account: &str, personal: &str) -> Result<()> {
    let sql = "UPDATE sessions SET account = ?3 WHERE user = ?1 AND account = ?2 AND ended_at IS NULL";
    connection.prepare_cached(sql)?.execute(params![user, account, personal])?;
    Ok(())
}

/// Adds a refresh token.
pub fn add_token(connection: &Connection, hash: &KeyHash, session: &str, at: Timestamp) -> Result<()> {
    connection.prepare_cached("INSERT INTO refresh_tokens (hash, session, created_at) VALUES (?1, ?2, ?3)")?.execute(params![
        hash.as_bytes(),
        session,
        at.millis()
    ])?;
    Ok(())
}

/// How many refresh tokens of a session are in use.
pub fn tokens_in_use(connection: &Connection, session: &str) -> Result<u64> {
    let sql = "SELECT count(*) FROM refresh_tokens WHERE session = ?1 AND replaced_at IS NULL";
    Ok(connection.prepare_cached(sql)?.query_row([session], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// How many it has, used ones included.
pub fn tokens(connection: &Connection, session: &str) -> Result<u64> {
    let sql = "SELECT count(*) FROM refresh_tokens WHERE session = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([session], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// Forgets those of a session that were replaced before `before`.
pub fn forget_replaced(connection: &Connection, session: &str, before: Timestamp) -> Result<()> {
    let sql = "DELETE FROM refresh_tokens WHERE session = ?1 AND replaced_at < ?2";
    connection.prepare_cached(sql)?.execute(params![session, before.millis()])?;
    Ok(())
}

/// Notes that a refresh token was replaced; the first time stays.
pub fn replace_token(connection: &Connection, hash: &KeyHash, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE refresh_tokens SET replaced_at = coalesce(replaced_at, ?2) WHERE hash = ?1")?
        .execute(params![hash.as_bytes(), at.millis()])?;
    Ok(())
}

/// Notes that all refresh tokens of a session were replaced.
pub fn replace_tokens(connection: &Connection, session: &str, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE refresh_tokens SET replaced_at = ?2 WHERE session = ?1 AND replaced_at IS NULL")?
        .execute(params![session, at.millis()])?;
    Ok(())
}

/// Forgets a bounded number of sessions that have ended, or would have by themselves, before `before`, with their tokens; answers
/// whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let sql =
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE min(expires_at, coalesce(ended_at, expires_at)) < ?1 LIMIT ?2)";
    let forgotten = connection.prepare_cached(sql)?.execute(params![before.millis(), ROUND])?;
    Ok(forgotten as i64 == ROUND)
}
