//! Users.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::columns::{holding, instant, maybe_instant};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRecord;

const COLUMNS: &str = "id, name, email, email_verified_at, phone, phone_verified_at, proven_at, password, picture, account, is_admin, disabled, agreement, created_at, revision";

fn from_row(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    Ok(UserRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        email: row.get("email")?,
        email_verified_at: maybe_instant(row, "email_verified_at")?,
        phone: row.get("phone")?,
        phone_verified_at: maybe_instant(row, "phone_verified_at")?,
        proven_at: maybe_instant(row, "proven_at")?,
        password: row.get("password")?,
        picture: row.get("picture")?,
        account: row.get("account")?,
        is_admin: row.get("is_admin")?,
        disabled: row.get("disabled")?,
        agreement: row.get("agreement")?,
        created_at: instant(row, "created_at")?,
        revision: row.get("revision")?,
    })
}

/// By what a user is found.
#[derive(Clone, Debug)]
pub enum By {
    /// Their id.
    Id(i64),
    /// Their address, in lower case.
    Email(String),
    /// Their number, E.164.
    Phone(String),
}

/// Finds one. Whoever was deleted is nobody.
pub fn find(connection: &Connection, by: &By) -> Result<Option<UserRecord>> {
    let one = |column: &str, value: &dyn rusqlite::ToSql| -> rusqlite::Result<Option<UserRecord>> {
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {column} = ?1 AND deleted_at IS NULL"))?;
        statement.query_row([value], from_row).optional()
    };
    Ok(match by {
        By::Id(id) => one("id", id)?,
        By::Email(email) => one("email", email)?,
        By::Phone(phone) => one("phone", phone)?,
    })
}

/// Whether anybody may administrate the whole server, switched off or not.
pub fn has_administrator(connection: &Connection) -> Result<bool> {
    Ok(connection.prepare_cached(ADMINISTRATOR)?.exists([])?)
}

/// Whoever may but one, and is not switched off.
pub fn other_administrators(connection: &Connection, id: i64) -> Result<Vec<UserRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE is_admin = 1 AND id <> ?1 AND disabled = 0 AND deleted_at IS NULL");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map([id], from_row)?.collect::<rusqlite::Result<_>>()?)
}

const ADMINISTRATOR: &str = "SELECT 1 FROM users WHERE is_admin = 1 LIMIT 1";

/// Which users a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those whose id, name, address or number holds it.
    pub search: Option<String>,
    /// Only those after this id.
    pub after: i64,
    /// So many at the most.
    pub limit: usize,
}

/// Users in the order of their ids.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<UserRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM users WHERE id > :after AND deleted_at IS NULL AND (:search IS NULL OR id = :search OR name LIKE :holds ESCAPE '\\'
         OR email LIKE :holds ESCAPE '\\' OR phone LIKE :holds ESCAPE '\\') ORDER BY id LIMIT :limit"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let holds = filter.search.as_deref().map(holding);
    let wanted = named_params! { ":after": filter.after, ":search": filter.search, ":holds": holds, ":limit": filter.limit as i64 };
    let rows = statement.query_map(wanted, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds one; its id is the database's to give. Answers it.
pub fn insert(connection: &Connection, user: &UserRecord) -> Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO users (name, email, email_verified_at, phone, phone_verified_at, password, picture, account, is_admin, disabled, agreement, created_at, revision, proven_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            user.name,
            user.email,
            user.email_verified_at.map(Timestamp::millis),
            user.phone,
            user.phone_verified_at.map(Timestamp::millis),
            user.password,
            user.picture,
            user.account,
            user.is_admin,
            user.disabled,
            user.agreement,
            user.created_at.millis(),
            user.revision,
            proven_at(user),
        ])?;
    Ok(connection.last_insert_rowid())
}

/// Writes what can change; the revision has been raised by the caller. Who has proven once who they are stays one who has.
pub fn update(connection: &Connection, user: &UserRecord) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE users SET name = ?2, email = ?3, email_verified_at = ?4, phone = ?5, phone_verified_at = ?6, password = ?7, picture = ?8,
             is_admin = ?9, disabled = ?10, agreement = ?11, revision = ?12, proven_at = coalesce(proven_at, ?13) WHERE id = ?1",
        )?
        .execute(params![
            user.id,
            user.name,
            user.email,
            user.email_verified_at.map(Timestamp::millis),
            user.phone,
            user.phone_verified_at.map(Timestamp::millis),
            user.password,
            user.picture,
            user.is_admin,
            user.disabled,
            user.agreement,
            user.revision,
            proven_at(user),
        ])?;
    Ok(())
}

/// Notes that others vouch for a user: they have proven who they are.
pub fn vouched(connection: &Connection, id: i64, at: Timestamp) -> Result<()> {
    let sql = "UPDATE users SET proven_at = coalesce(proven_at, ?2) WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, at.millis()])?;
    Ok(())
}

/// Since when it is proven who somebody is, as far as their record tells.
fn proven_at(user: &UserRecord) -> Option<i64> {
    let by_address = user.email_verified_at.into_iter().chain(user.phone_verified_at).min();
    user.proven_at.or(by_address).map(Timestamp::millis)
}

/// Takes all that is personal from one, who is nobody from then on; the id stays.
pub fn delete(connection: &Connection, id: i64, at: Timestamp) -> Result<()> {
    let sql = "UPDATE users SET name = '', email = NULL, email_verified_at = NULL, phone = NULL, phone_verified_at = NULL, proven_at = NULL, password = NULL,
         picture = NULL, is_admin = 0, disabled = 1, agreement = NULL, deleted_at = ?2, revision = revision + 1 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, at.millis()])?;
    Ok(())
}

/// A password hash of each kind that is stored: of Argon2id one for each choice of parameters.
pub fn kinds_of_hashes(connection: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT max(password) FROM users WHERE password IS NOT NULL GROUP BY CASE
         WHEN password LIKE '$argon2id$v=19$%' THEN substr(password, 1, 15 + instr(substr(password, 16), '$')) ELSE substr(password, 1, 7) END LIMIT 32";
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}
