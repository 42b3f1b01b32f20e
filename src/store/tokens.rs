//! Service tokens.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{holding, instant, json, maybe_instant};
use crate::domain::error::Result;
use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenRecord, TokenScope};

const COLUMNS: &str = "hash, id, name, scopes, account, created_at, expires_at, revoked_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<(KeyHash, TokenRecord)> {
    let scopes: Vec<String> = super::columns::from_json(row, "scopes")?;
    let record = TokenRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        // A scope that this version does not know grants nothing.
        scopes: scopes.iter().filter_map(|name| TokenScope::from_name(name)).collect(),
        account: row.get("account")?,
        created_at: instant(row, "created_at")?,
        expires_at: maybe_instant(row, "expires_at")?,
        revoked_at: maybe_instant(row, "revoked_at")?,
    };
    Ok((KeyHash::from_bytes(row.get("hash")?), record))
}

/// By its hash.
pub fn by_hash(connection: &Connection, hash: &KeyHash) -> Result<Option<TokenRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?1"))?;
    Ok(statement.query_row([hash.as_bytes()], from_row).optional()?.map(|(_, record)| record))
}

/// By its id, with its hash.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<(KeyHash, TokenRecord)>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Those bound to an account that are not revoked.
pub fn lasting_of_account(connection: &Connection, account: &str) -> Result<Vec<(KeyHash, TokenRecord)>> {
    let sql = format!("SELECT {COLUMNS} FROM tokens WHERE account = ?1 AND revoked_at IS NULL ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map([account], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Up to `limit` tokens after the one named, in the order of their ids; only those bound to `account` where that is given.
pub fn list(connection: &Connection, account: Option<&str>, search: &str, after: &str, limit: usize) -> Result<Vec<TokenRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tokens WHERE id > ?1 AND (?2 IS NULL OR account = ?2)
         AND (?4 = '' OR id = ?4 OR account = ?4 OR name LIKE ?5 ESCAPE '\\') ORDER BY id LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params![after, account, limit as i64, search, holding(search)], |row| from_row(row).map(|(_, record)| record))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds one.
pub fn insert(connection: &Connection, hash: &KeyHash, record: &TokenRecord) -> Result<()> {
    let scopes: Vec<&str> = record.scopes.iter().map(|scope| scope.name()).collect();
    connection
        .prepare_cached("INSERT INTO tokens (hash, id, name, scopes, account, created_at, expires_at, revoked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            hash.as_bytes(),
            record.id,
            record.name,
            json(&scopes)?,
            record.account,
            record.created_at.millis(),
            record.expires_at.map(Timestamp::millis),
            record.revoked_at.map(Timestamp::millis)
        ])?;
    Ok(())
}

/// Notes that it is revoked; the first time stays.
pub fn revoke(connection: &Connection, hash: &KeyHash, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE hash = ?1")?
        .execute(params![hash.as_bytes(), at.millis()])?;
    Ok(())
}
