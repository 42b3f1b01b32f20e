//! Webhooks on their way.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::columns::{instant, maybe_instant, on_its_way};
use crate::domain::delivery::MessageState;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// A message as stored.
#[derive(Clone, Debug)]
pub struct Message {
    /// `msg_…`: `webhook-id`.
    pub id: String,
    /// Whom it is for.
    pub endpoint: String,
    /// What it tells of.
    pub event: String,
    /// JSON, as it is signed.
    pub body: String,
    /// When that happened.
    pub created_at: Timestamp,
    /// When it is tried next; `None`: taken, or given up.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
    /// What went wrong the last time.
    pub fault: Option<String>,
    /// When it was taken.
    pub taken_at: Option<Timestamp>,
}

impl Message {
    /// Where it is on its way.
    pub fn state(&self) -> MessageState {
        MessageState::of(self.due_at, self.taken_at)
    }
}

const COLUMNS: &str = "id, endpoint, event, body, created_at, due_at, tries, fault, taken_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get("id")?,
        endpoint: row.get("endpoint")?,
        event: row.get("event")?,
        body: row.get("body")?,
        created_at: instant(row, "created_at")?,
        due_at: maybe_instant(row, "due_at")?,
        tries: row.get("tries")?,
        fault: row.get("fault")?,
        taken_at: maybe_instant(row, "taken_at")?,
    })
}

/// Adds one.
pub fn insert(connection: &Connection, message: &Message) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO outbox (id, endpoint, event, body, created_at, due_at, tries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            message.id,
            message.endpoint,
            message.event,
            message.body,
            message.created_at.millis(),
            message.due_at.map(Timestamp::millis),
            message.tries,
        ])?;
    Ok(())
}

/// Up to `limit` messages of an endpoint that are due, those first that waited longest.
pub fn due(connection: &Connection, endpoint: &str, now: Timestamp, limit: usize) -> Result<Vec<Message>> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE endpoint = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?3"))?;
    let rows = statement.query_map(params![endpoint, now.millis(), limit as i64], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When the next message of an endpoint is due, after `now`.
pub fn next_due(connection: &Connection, endpoint: &str, now: Timestamp) -> Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached("SELECT min(due_at) FROM outbox WHERE endpoint = ?1 AND due_at > ?2")?;
    Ok(statement.query_row(params![endpoint, now.millis()], |row| row.get::<_, Option<i64>>(0))?.map(Timestamp::from_millis))
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<Message>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Writes what became of a try.
pub fn update(connection: &Connection, message: &Message) -> Result<()> {
    connection.prepare_cached("UPDATE outbox SET due_at = ?2, tries = ?3, fault = ?4, taken_at = ?5 WHERE id = ?1")?.execute(params![
        message.id,
        message.due_at.map(Timestamp::millis),
        message.tries,
        message.fault,
        message.taken_at.map(Timestamp::millis),
    ])?;
    Ok(())
}

/// Which messages a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this endpoint's.
    pub endpoint: Option<String>,
    /// Only those in this state.
    pub state: Option<MessageState>,
    /// Only those after this id.
    pub after: String,
    /// So many at the most.
    pub limit: usize,
}

/// Messages in the order of their ids.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Message>> {
    let state = on_its_way(filter.state);
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE id > :after AND (:endpoint IS NULL OR endpoint = :endpoint) {state} ORDER BY id LIMIT :limit"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(named_params! { ":after": filter.after, ":endpoint": filter.endpoint, ":limit": filter.limit as i64 }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many messages of an endpoint there are that are not done.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// Whose.
    pub endpoint: String,
    /// How many wait.
    pub waiting: u64,
    /// How many were given up.
    pub given_up: u64,
}

/// How many are still to be sent.
pub fn waiting(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM outbox WHERE due_at IS NOT NULL")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Of every endpoint that has such messages, also of those that the configuration no longer has.
pub fn counts(connection: &Connection) -> Result<Vec<Count>> {
    let mut statement = connection.prepare_cached(
        "SELECT endpoint, sum(waiting), sum(given_up) FROM (
             SELECT endpoint, count(*) AS waiting, 0 AS given_up FROM outbox WHERE due_at IS NOT NULL GROUP BY endpoint
             UNION ALL
             SELECT endpoint, 0, count(*) FROM outbox WHERE due_at IS NULL AND taken_at IS NULL GROUP BY endpoint
         ) GROUP BY endpoint",
    )?;
    let rows = statement.query_map([], |row| {
        let count = |at| row.get::<_, i64>(at).map(|count| count.unsigned_abs());
        Ok(Count { endpoint: row.get(0)?, waiting: count(1)?, given_up: count(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets a bounded number of messages from before `before` that are done; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached("DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE due_at IS NULL AND created_at < ?1 LIMIT ?2)")?
        .execute([before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}

/// A bounded number of messages that wait for an endpoint since before `before`, the oldest first: their ids.
pub fn oldest_waiting(connection: &Connection, endpoint: &str, before: Timestamp, most: u64) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM outbox WHERE endpoint = ?1 AND due_at IS NOT NULL AND created_at < ?2 ORDER BY id LIMIT ?3")?;
    let most = i64::try_from(most).unwrap_or(i64::MAX).min(super::ROUND);
    let rows = statement.query_map(params![endpoint, before.millis(), most], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Gives up those of these messages that still wait; answers how many.
pub fn give_up(connection: &Connection, ids: &[String], fault: &str) -> Result<u64> {
    let mut statement = connection.prepare_cached("UPDATE outbox SET due_at = NULL, fault = ?2 WHERE id = ?1 AND due_at IS NOT NULL")?;
    let mut given_up = 0;
    for id in ids {
        given_up += statement.execute(params![id, fault])? as u64;
    }
    Ok(given_up)
}
