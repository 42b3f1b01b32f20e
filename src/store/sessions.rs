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

/// The session of a browser on the dashboard.
pub fn by_page(connection: &Connection, hash: &KeyHash) -> Result<Option<SessionRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions WHERE page = ?1"))?;
    Ok(statement.query_row([hash.as_bytes()], from_row).optional()?)
}

/// From here on the dashboard knows the browser of a session by this, and by nothing it had before.
pub fn set_page(connection: &Connection, id: &str, hash: &KeyHash) -> Result<()> {
    connection.prepare_cached("UPDATE sessions SET page = ?2 WHERE id = ?1")?.execute(params![id, hash.as_bytes()])?;
    Ok(())
}
/// What [`of_user`] reads: none of those that have ended, of which there may be any number.
const OF_USER: &str = "WHERE user = ?1 AND ended_at IS NULL AND expires_at > ?2 ORDER BY id DESC";

/// Those of a user that last, the newest first.
pub fn of_user(connection: &Connection, user: i64, now: Timestamp) -> Result<Vec<SessionRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions {OF_USER}"))?;
    Ok(statement.query_map(params![user, now.millis()], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// From one place to the next, each looked up once: DISTINCT would read every session there is.
const ORIGINS: &str = "WITH RECURSIVE known (origin) AS (
         SELECT min(origin) FROM sessions WHERE user = ?1
         UNION ALL SELECT (SELECT min(origin) FROM sessions WHERE user = ?1 AND origin > known.origin) FROM known WHERE known.origin IS NOT NULL)
     SELECT origin FROM known WHERE origin IS NOT NULL LIMIT 1000";

/// From where a user was signed in, in sessions that are still remembered.
pub fn origins(connection: &Connection, user: i64) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(ORIGINS)?;
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

/// Notes that it was used and from where, unless it has ended meanwhile; whose and for which account it is stays.
pub fn touch_lasting(connection: &Connection, session: &SessionRecord) -> Result<()> {
    let sql =
        "UPDATE sessions SET origin = ?2, agent = ?3, used_at = ?4, expires_at = ?5 WHERE id = ?1 AND ended_at IS NULL AND used_at < ?4";
    let (used_at, expires_at) = (session.used_at.millis(), session.expires_at.millis());
    connection.prepare_cached(sql)?.execute(params![session.id, session.origin, session.agent, used_at, expires_at])?;
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

/// Forgets a bounded number of a user's, with their tokens; answers whether there may be more.
pub fn remove_some(connection: &Connection, user: i64) -> Result<bool> {
    let sql = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user = ?1 LIMIT ?2)";
    let forgotten = connection.prepare_cached(sql)?.execute(params![user, ROUND])?;
    Ok(forgotten as i64 == ROUND)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{opened, plan};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    /// Sessions of user 7, each from one of five places; all but the last have ended.
    fn filled(sessions: u32) -> Connection {
        let connection = opened();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        for number in 0..sessions {
            let id = format!("ses_{number:05}");
            let session = SessionRecord {
                id: id.clone(),
                user: 7,
                account: "acc_1".into(),
                method: "password".into(),
                origin: format!("192.0.2.{}", number % 5),
                agent: String::new(),
                created_at: NOW,
                used_at: NOW,
                expires_at: Timestamp::MAX,
                ended_at: None,
            };
            insert(&connection, &session).unwrap();
            if number + 1 < sessions {
                end(&connection, &id, "too_many", NOW).unwrap();
            }
        }
        connection
    }

    #[test]
    fn what_lasts_is_found_and_where_somebody_was_whatever_has_ended() {
        let connection = filled(300);
        let lasting: Vec<String> = of_user(&connection, 7, NOW).unwrap().into_iter().map(|session| session.id).collect();
        assert_eq!(lasting, ["ses_00299"]);
        assert_eq!(origins(&connection, 7).unwrap(), ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
        assert!(of_user(&connection, 8, NOW).unwrap().is_empty() && origins(&connection, 8).unwrap().is_empty());
    }

    #[test]
    fn no_session_is_read_that_has_ended() {
        let connection = opened();
        let lines = plan(&connection, &format!("SELECT {COLUMNS} FROM sessions {OF_USER}"));
        assert_eq!(lines, ["SEARCH sessions USING INDEX sessions_lasting (user=?)"]);
        let lines = plan(&connection, ORIGINS);
        let searched: Vec<&String> = lines.iter().filter(|line| line.contains("sessions")).collect();
        let seeks =
            ["(user=?)", "(user=? AND origin>?)"].map(|seek| format!("SEARCH sessions USING COVERING INDEX sessions_of_origin {seek}"));
        assert_eq!(searched, seeks.each_ref(), "{lines:?}");
    }
}
