//! How balances came to be what they are.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{instant, word};
use crate::domain::balance::Movement;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// One entry of a balance's history.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `bal_…`.
    pub id: String,
    /// Whose balance.
    pub account: String,
    /// When; of [`Movement::Used`]: the start of the hour.
    pub at: Timestamp,
    /// What kind of movement.
    pub kind: Movement,
    /// What came (positive) or went (negative).
    pub tokens: i64,
    /// The whole of it afterwards.
    pub balance: i64,
    /// As given; may be empty.
    pub reason: String,
    /// Who did it, as the audit calls it.
    pub actor: String,
    /// Under which request.
    pub request_id: String,
}

const COLUMNS: &str = "id, account, at, kind, tokens, balance, reason, actor, request_id";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get("id")?,
        account: row.get("account")?,
        at: instant(row, "at")?,
        kind: word(row, "kind", Movement::from_name)?,
        tokens: row.get("tokens")?,
        balance: row.get("balance")?,
        reason: row.get("reason")?,
        actor: row.get("actor")?,
        request_id: row.get("request_id")?,
    })
}

/// Adds an entry; what requests used within one hour is summed up in one, for as long as nothing else moves the balance: each
/// entry's balance follows from the one before it.
pub fn insert(connection: &Connection, entry: &Entry) -> Result<()> {
    if entry.kind == Movement::Used && add_to_newest(connection, entry)? {
        return Ok(());
    }
    connection.prepare_cached(&format!("INSERT INTO balance_history ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"))?.execute(
        params![
            entry.id,
            entry.account,
            entry.at.millis(),
            entry.kind.name(),
            entry.tokens,
            entry.balance,
            entry.reason,
            entry.actor,
            entry.request_id,
        ],
    )?;
    Ok(())
}

/// Adds to the account's newest entry, where that is of the same kind and hour; answers whether it is.
fn add_to_newest(connection: &Connection, entry: &Entry) -> Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE balance_history SET tokens = tokens + ?4, balance = ?5
             WHERE id = (SELECT max(id) FROM balance_history WHERE account = ?1) AND kind = ?2 AND at = ?3",
        )?
        .execute(params![entry.account, entry.kind.name(), entry.at.millis(), entry.tokens, entry.balance])?;
    Ok(changed == 1)
}

/// Up to `limit` entries of an account, newest first, older than the one named.
pub fn list(connection: &Connection, account: &str, cursor: &str, limit: usize) -> Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM balance_history WHERE account = ?1 AND (?2 = '' OR id < ?2) ORDER BY id DESC LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![account, cursor, limit as i64], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One entry of an account.
pub fn one(connection: &Connection, account: &str, id: &str) -> Result<Option<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM balance_history WHERE id = ?1 AND account = ?2");
    Ok(connection.prepare_cached(&sql)?.query_row([id, account], from_row).optional()?)
}

/// Forgets a bounded number of entries from before `before`; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached("DELETE FROM balance_history WHERE id IN (SELECT id FROM balance_history WHERE at < ?1 LIMIT ?2)")?
        .execute(params![before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}
