//! The audit: who did what to whom. Only ever added to, and read newest first.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::columns::{from_json, instant, json};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `aud_…`.
    pub id: String,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it: `operator`, `tok_…`, `tollgate`.
    pub actor: String,
    /// From where.
    pub origin: String,
    /// Under which request.
    pub request_id: String,
    /// What was done: `key.revoked`.
    pub action: String,
    /// To what; empty where it is the whole server.
    pub target: String,
    /// Whose it is.
    pub account: Option<String>,
    /// What was changed, as it was.
    pub before: serde_json::Value,
    /// What was changed, as it is now.
    pub after: serde_json::Value,
}

const COLUMNS: &str = "id, at, actor, origin, request_id, action, target, account, before, after";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get("id")?,
        at: instant(row, "at")?,
        actor: row.get("actor")?,
        origin: row.get("origin")?,
        request_id: row.get("request_id")?,
        action: row.get("action")?,
        target: row.get("target")?,
        account: row.get("account")?,
        before: from_json(row, "before")?,
        after: from_json(row, "after")?,
    })
}

/// Adds an entry.
pub fn insert(connection: &Connection, entry: &Entry) -> Result<()> {
    connection.prepare_cached(&format!("INSERT INTO audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"))?.execute(
        params![
            entry.id,
            entry.at.millis(),
            entry.actor,
            entry.origin,
            entry.request_id,
            entry.action,
            entry.target,
            entry.account,
            json(&entry.before)?,
            json(&entry.after)?,
        ],
    )?;
    Ok(())
}

/// The newest id that was given, without its kind. Accounts and keys may have been imported with ids of any time: those from
/// `bound` on were not given here.
pub fn newest(connection: &Connection, bound: &str) -> Result<Option<String>> {
    let sql = "SELECT max(substr(id, 5)) FROM (SELECT max(id) AS id FROM audit UNION ALL SELECT max(id) FROM balance_history
         UNION ALL SELECT max(id) FROM outbox UNION ALL SELECT max(id) FROM tokens
         UNION ALL SELECT max(id) FROM accounts WHERE id < 'acc_' || ?1 UNION ALL SELECT max(id) FROM keys WHERE id < 'key_' || ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([bound], |row| row.get(0))?)
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<Entry>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM audit WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Which entries a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what belongs to this account.
    pub account: Option<String>,
    /// Only what was done to this.
    pub target: Option<String>,
    /// Only what this one did.
    pub actor: Option<String>,
    /// Only this.
    pub action: Option<String>,
    /// Only from then on.
    pub from: Option<Timestamp>,
    /// Only before then.
    pub to: Option<Timestamp>,
    /// Only those older than this id; empty: all.
    pub cursor: String,
    /// So many at the most.
    pub limit: usize,
}

/// Entries, newest first.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Entry>> {
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    let instant = |at: Option<Timestamp>| at.map(|at| Value::Integer(at.millis()));
    let cursor = Some(filter.cursor.clone()).filter(|cursor| !cursor.is_empty());
    let wanted = [
        ("account =", text(&filter.account)),
        ("target =", text(&filter.target)),
        ("actor =", text(&filter.actor)),
        ("action =", text(&filter.action)),
        ("at >=", instant(filter.from)),
        ("at <", instant(filter.to)),
        ("id <", text(&cursor)),
    ];
    // Only what is asked for stands in the text, so that an index serves it.
    let (mut sql, mut values) = (format!("SELECT {COLUMNS} FROM audit WHERE 1"), Vec::new());
    for (comparison, value) in wanted {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {comparison} ?{}", values.len()));
        }
    }
    values.push(Value::Integer(filter.limit as i64));
    sql.push_str(&format!(" ORDER BY id DESC LIMIT ?{}", values.len()));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets a bounded number of entries from before `before`; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    // Ids sort by time: the oldest are found without an index of their own.
    let forgotten = connection
        .prepare_cached("DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?2) AND at < ?1")?
        .execute(params![before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}
