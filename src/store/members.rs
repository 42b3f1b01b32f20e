//! Who belongs to which account, and as what.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{instant, word};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::user::Role;

/// A membership.
#[derive(Clone, Debug)]
pub struct Member {
    /// The account.
    pub account: String,
    /// The user.
    pub user: i64,
    /// What they are to it.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        account: row.get("account")?,
        user: row.get("user")?,
        role: word(row, "role", Role::from_name)?,
        joined_at: instant(row, "joined_at")?,
    })
}

/// What a user is to an account, if anything.
pub fn find(connection: &Connection, account: &str, user: i64) -> Result<Option<Member>> {
    let mut statement = connection.prepare_cached("SELECT * FROM members WHERE account = ?1 AND user = ?2")?;
    Ok(statement.query_row(params![account, user], from_row).optional()?)
}

/// Everybody who belongs to an account, those who have it first.
pub fn of_account(connection: &Connection, account: &str) -> Result<Vec<Member>> {
    let order = "CASE role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 ELSE 2 END, joined_at, user";
    let mut statement = connection.prepare_cached(&format!("SELECT * FROM members WHERE account = ?1 ORDER BY {order}"))?;
    Ok(statement.query_map([account], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Up to `limit` of them after a user, in the order of their ids.
pub fn list(connection: &Connection, account: &str, after: i64, limit: usize) -> Result<Vec<Member>> {
    let mut statement = connection.prepare_cached("SELECT * FROM members WHERE account = ?1 AND user > ?2 ORDER BY user LIMIT ?3")?;
    Ok(statement.query_map(params![account, after, limit as i64], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// How many owners an account has beside one of them, but for those who are switched off.
pub fn other_owners(connection: &Connection, account: &str, user: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM members m JOIN users u ON u.id = m.user
         WHERE m.account = ?1 AND m.role = 'owner' AND m.user <> ?2 AND u.disabled = 0";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(params![account, user], |row| row.get(0))?)
}

/// Whether an account to which others belong would be left without an owner by a member who goes.
pub fn is_needed(connection: &Connection, member: &Member) -> Result<bool> {
    let is_only_owner = member.role == Role::Owner && other_owners(connection, &member.account, member.user)? == 0;
    Ok(is_only_owner && others(connection, &member.account, member.user)? > 0)
}

/// How many belong to an account beside one of them, whatever they are to it.
pub fn others(connection: &Connection, account: &str, user: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM members WHERE account = ?1 AND user <> ?2";
    Ok(connection.prepare_cached(sql)?.query_row(params![account, user], |row| row.get(0))?)
}

/// How many organizations a user owns.
pub fn owned(connection: &Connection, user: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM members m JOIN accounts a ON a.id = m.account
         WHERE m.user = ?1 AND m.role = 'owner' AND a.kind = 'organization'";
    Ok(connection.prepare_cached(sql)?.query_row([user], |row| row.get(0))?)
}

/// Everything that a user belongs to, the oldest first.
pub fn of_user(connection: &Connection, user: i64) -> Result<Vec<Member>> {
    let mut statement = connection.prepare_cached("SELECT * FROM members WHERE user = ?1 ORDER BY joined_at, account")?;
    Ok(statement.query_map([user], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Adds one, or gives them another role.
pub fn put(connection: &Connection, member: &Member) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO members (account, user, role, joined_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, user) DO UPDATE SET role = excluded.role",
        )?
        .execute(params![member.account, member.user, member.role.name(), member.joined_at.millis()])?;
    Ok(())
}

/// Takes one out.
pub fn remove(connection: &Connection, account: &str, user: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM members WHERE account = ?1 AND user = ?2")?.execute(params![account, user])?;
    Ok(())
}
