//! What was told of already, so that it is told once.

use rusqlite::{Connection, params};

use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// Something to be told once.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// Of whom: `key_…` or `acc_…`.
    pub subject: &'a str,
    /// What.
    pub notice: &'a str,
    /// Which window, or which end.
    pub about: Timestamp,
    /// From then on there is no need to remember it.
    pub until: Timestamp,
}

/// Remembers it; answers whether it was not known yet.
pub fn remember(connection: &Connection, notice: &Notice<'_>) -> Result<bool> {
    let added = connection
        .prepare_cached("INSERT OR IGNORE INTO notices (subject, notice, about, until) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![notice.subject, notice.notice, notice.about.millis(), notice.until.millis()])?;
    Ok(added == 1)
}

/// Whether it was told of.
pub fn is_known(connection: &Connection, subject: &str, notice: &str, about: Timestamp) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM notices WHERE subject = ?1 AND notice = ?2 AND about = ?3")?;
    Ok(statement.exists(params![subject, notice, about.millis()])?)
}

/// Forgets it, so that it may be told anew.
pub fn forget(connection: &Connection, subject: &str, notice: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM notices WHERE subject = ?1 AND notice = ?2")?.execute([subject, notice])?;
    Ok(())
}

/// Forgets a bounded number of notices that nobody needs since before `before`; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached(
            "DELETE FROM notices WHERE (subject, notice, about) IN (SELECT subject, notice, about FROM notices WHERE until < ?1 LIMIT ?2)",
        )?
        .execute([before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}
