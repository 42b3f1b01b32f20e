//! How users sign in by others.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::instant;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// What a provider calls a user.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The issuer's URL; of the Login Widget: `telegram`.
    pub provider: String,
    /// What it calls them.
    pub subject: String,
    /// Who that is here.
    pub user: i64,
    /// For people: an address, a name.
    pub label: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Identity> {
    Ok(Identity {
        provider: row.get("provider")?,
        subject: row.get("subject")?,
        user: row.get("user")?,
        label: row.get("label")?,
        created_at: instant(row, "created_at")?,
        used_at: instant(row, "used_at")?,
    })
}

/// Whose it is, if anybody's.
pub fn find(connection: &Connection, provider: &str, subject: &str) -> Result<Option<Identity>> {
    let mut statement = connection.prepare_cached("SELECT * FROM identities WHERE provider = ?1 AND subject = ?2")?;
    Ok(statement.query_row([provider, subject], from_row).optional()?)
}

/// Those of a user, the oldest first.
pub fn of_user(connection: &Connection, user: i64) -> Result<Vec<Identity>> {
    let mut statement = connection.prepare_cached("SELECT * FROM identities WHERE user = ?1 ORDER BY created_at, provider, subject")?;
    Ok(statement.query_map([user], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Adds one, or notes that it was used.
pub fn put(connection: &Connection, identity: &Identity) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO identities (provider, subject, user, label, created_at, used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (provider, subject) DO UPDATE SET label = excluded.label, used_at = excluded.used_at",
        )?
        .execute(params![
            identity.provider,
            identity.subject,
            identity.user,
            identity.label,
            identity.created_at.millis(),
            identity.used_at.millis()
        ])?;
    Ok(())
}

/// Takes one away.
pub fn remove(connection: &Connection, provider: &str, subject: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM identities WHERE provider = ?1 AND subject = ?2")?.execute([provider, subject])?;
    Ok(())
}

/// Takes all of a user's away.
pub fn remove_all(connection: &Connection, user: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM identities WHERE user = ?1")?.execute(params![user])?;
    Ok(())
}
