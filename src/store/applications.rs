//! Who asks for a plan that is granted by review.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::columns::{instant, maybe_instant, word};
use crate::domain::application::{ApplicationRecord, ApplicationState};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

const COLUMNS: &str = "id, account, user, plan, use_case, volume, created_at, state, decided_at, decided_by, note";

fn from_row(row: &Row<'_>) -> rusqlite::Result<ApplicationRecord> {
    Ok(ApplicationRecord {
        id: row.get("id")?,
        account: row.get("account")?,
        user: row.get("user")?,
        plan: row.get("plan")?,
        use_case: row.get("use_case")?,
        volume: row.get("volume")?,
        created_at: instant(row, "created_at")?,
        state: word(row, "state", ApplicationState::from_name)?,
        decided_at: maybe_instant(row, "decided_at")?,
        decided_by: row.get("decided_by")?,
        note: row.get("note")?,
    })
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<ApplicationRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM applications WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Whether an account has one for a plan that is open.
pub fn has_open(connection: &Connection, account: &str, plan: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM applications WHERE account = ?1 AND plan = ?2 AND state = 'open')";
    Ok(connection.prepare_cached(sql)?.query_row([account, plan], |row| row.get(0))?)
}

/// How many an account made since then.
pub fn count_since(connection: &Connection, account: &str, since: Timestamp) -> Result<i64> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM applications WHERE account = ?1 AND created_at > ?2")?;
    Ok(statement.query_row(params![account, since.millis()], |row| row.get(0))?)
}

/// Which ones a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this account's.
    pub account: Option<String>,
    /// Only those that stand so.
    pub state: Option<ApplicationState>,
    /// Only those after this id; empty: from the first.
    pub after: String,
    /// The newest first.
    pub is_newest_first: bool,
    /// So many at the most.
    pub limit: usize,
}

/// Applications in the order of their ids, or the other way round.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<ApplicationRecord>> {
    // Only what is asked for stands in the text, so that an index serves it.
    let of_account = if filter.account.is_some() { "account = :account" } else { ":account IS NULL" };
    let in_state = if filter.state.is_some() { "state = :state" } else { ":state IS NULL" };
    let order = if filter.is_newest_first { "(:after = '' OR id < :after) ORDER BY id DESC" } else { "id > :after ORDER BY id" };
    let sql = format!("SELECT {COLUMNS} FROM applications WHERE {of_account} AND {in_state} AND {order} LIMIT :limit");
    let mut statement = connection.prepare_cached(&sql)?;
    let state = filter.state.map(ApplicationState::name);
    let wanted = named_params! { ":account": filter.account, ":state": state, ":after": filter.after, ":limit": filter.limit as i64 };
    Ok(statement.query_map(wanted, from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Adds one.
pub fn insert(connection: &Connection, application: &ApplicationRecord) -> Result<()> {
    connection
        .prepare_cached(&format!("INSERT INTO applications ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"))?
        .execute(params![
            application.id,
            application.account,
            application.user,
            application.plan,
            application.use_case,
            application.volume,
            application.created_at.millis(),
            application.state.name(),
            application.decided_at.map(Timestamp::millis),
            application.decided_by,
            application.note,
        ])?;
    Ok(())
}

/// Writes what became of one.
pub fn update(connection: &Connection, application: &ApplicationRecord) -> Result<()> {
    connection.prepare_cached("UPDATE applications SET state = ?2, decided_at = ?3, decided_by = ?4, note = ?5 WHERE id = ?1")?.execute(
        params![
            application.id,
            application.state.name(),
            application.decided_at.map(Timestamp::millis),
            application.decided_by,
            application.note,
        ],
    )?;
    Ok(())
}
