//! Keys, by hash and by id.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::columns::{from_json, holding, instant, json, maybe_instant};
use crate::domain::caller::KeyRecord;
use crate::domain::error::Result;
use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;

/// A key as stored.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// What is kept of the raw key.
    pub hash: KeyHash,
    /// The key.
    pub record: KeyRecord,
}

const COLUMNS: &str = "k.hash, k.id, k.account, k.name, k.environment, k.prefix, k.plan, k.limits, k.scopes, k.ips, k.metadata, k.created_at, k.expires_at, k.revoked_at, k.disabled, k.last_used_at, k.replaced_by, k.revision";

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    Ok(StoredKey {
        hash: KeyHash::from_bytes(row.get("hash")?),
        record: KeyRecord {
            id: row.get("id")?,
            account: row.get("account")?,
            name: row.get("name")?,
            environment: row.get("environment")?,
            prefix: row.get("prefix")?,
            plan: row.get("plan")?,
            limits: from_json(row, "limits")?,
            scopes: from_json(row, "scopes")?,
            ips: from_json(row, "ips")?,
            metadata: from_json(row, "metadata")?,
            created_at: instant(row, "created_at")?,
            expires_at: maybe_instant(row, "expires_at")?,
            revoked_at: maybe_instant(row, "revoked_at")?,
            disabled: row.get("disabled")?,
            last_used_at: maybe_instant(row, "last_used_at")?,
            replaced_by: row.get("replaced_by")?,
            revision: row.get("revision")?,
        },
    })
}

/// By its hash: what a cold check reads.
pub fn by_hash(connection: &Connection, hash: &KeyHash) -> Result<Option<StoredKey>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM keys k WHERE k.hash = ?1"))?;
    Ok(statement.query_row([hash.as_bytes()], from_row).optional()?)
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<StoredKey>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM keys k WHERE k.id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Which keys a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this account's.
    pub account: Option<String>,
    /// Only those whose id or account it is, whose name holds it, or whose shown prefix begins with it.
    pub search: Option<String>,
    /// Only those after this id.
    pub after: String,
    /// So many at the most.
    pub limit: usize,
}

/// Keys in the order of their ids.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<StoredKey>> {
    // Two texts, because one that also served without an account would never use its index. Within one its name tells no keys apart.
    let (of_account, of_named) = match filter.account {
        Some(_) => ("k.account = :account AND", ""),
        None => ("", "OR k.account IN (SELECT id FROM accounts WHERE name LIKE :holds ESCAPE '\\')"),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM keys k WHERE {of_account} k.id > :after AND (:search IS NULL OR k.id = :search OR k.account = :search
             OR substr(k.prefix, 1, length(:search)) = :search OR k.name LIKE :holds ESCAPE '\\' {of_named})
         ORDER BY k.id LIMIT :limit"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (search, holds, limit) = (&filter.search, filter.search.as_deref().map(holding), filter.limit as i64);
    let rows = match &filter.account {
        Some(account) => statement.query_map(
            named_params! { ":account": account, ":after": filter.after, ":search": search, ":holds": holds, ":limit": limit },
            from_row,
        )?,
        None => {
            statement.query_map(named_params! { ":after": filter.after, ":search": search, ":holds": holds, ":limit": limit }, from_row)?
        }
    };
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds one.
pub fn insert(connection: &Connection, key: &StoredKey) -> Result<()> {
    let record = &key.record;
    connection
        .prepare_cached(
            "INSERT INTO keys (hash, id, account, name, environment, prefix, plan, limits, scopes, ips, metadata, created_at, expires_at, revoked_at, disabled, last_used_at, replaced_by, revision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(params![
            key.hash.as_bytes(),
            record.id,
            record.account,
            record.name,
            record.environment,
            record.prefix,
            record.plan,
            json(&record.limits)?,
            json(&record.scopes)?,
            json(&record.ips)?,
            json(&record.metadata)?,
            record.created_at.millis(),
            record.expires_at.map(Timestamp::millis),
            record.revoked_at.map(Timestamp::millis),
            record.disabled,
            record.last_used_at.map(Timestamp::millis),
            record.replaced_by,
            record.revision,
        ])?;
    Ok(())
}

/// Writes what can change; the revision has been raised by the caller.
pub fn update(connection: &Connection, key: &StoredKey) -> Result<()> {
    let record = &key.record;
    connection
        .prepare_cached(
            "UPDATE keys SET name = ?2, plan = ?3, limits = ?4, scopes = ?5, ips = ?6, metadata = ?7, expires_at = ?8, revoked_at = ?9, disabled = ?10, replaced_by = ?11, revision = ?12 WHERE hash = ?1",
        )?
        .execute(params![
            key.hash.as_bytes(),
            record.name,
            record.plan,
            json(&record.limits)?,
            json(&record.scopes)?,
            json(&record.ips)?,
            json(&record.metadata)?,
            record.expires_at.map(Timestamp::millis),
            record.revoked_at.map(Timestamp::millis),
            record.disabled,
            record.replaced_by,
            record.revision,
        ])?;
    Ok(())
}

/// Notes when a key was last used.
pub fn used(connection: &Connection, id: &str, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE keys SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1")?
        .execute(params![id, at.millis()])?;
    Ok(())
}

/// Keys that end after `after` and up to `until`, in the order of their ends, at most `limit`. Not those that another has taken the
/// place of.
pub fn ending(connection: &Connection, after: (Timestamp, KeyHash), until: Timestamp, limit: usize) -> Result<Vec<StoredKey>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM keys k WHERE (k.expires_at, k.hash) > (?1, ?2) AND k.expires_at <= ?3 AND k.expires_at IS NOT NULL
             AND k.revoked_at IS NULL AND k.replaced_by IS NULL
         ORDER BY k.expires_at, k.hash LIMIT ?4"
    ))?;
    let rows = statement.query_map(params![after.0.millis(), after.1.as_bytes(), until.millis(), limit as i64], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Those of an account that are not revoked.
pub fn lasting_of_account(connection: &Connection, account: &str) -> Result<Vec<StoredKey>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM keys k WHERE k.account = ?1 AND k.revoked_at IS NULL"))?;
    Ok(statement.query_map([account], from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// What [`count_lasting`] reads: none of those that have ended, of which there may be any number, and no more than is asked for.
const LASTING: &str = "SELECT count(*) FROM (SELECT 1 FROM keys WHERE account = ?1 AND (replaced_by IS NOT NULL) = ?2
         AND coalesce(expires_at, 9223372036854775807) > ?3 AND revoked_at IS NULL LIMIT ?4)";

/// How many keys of an account last, up to `most`: those that another has taken the place of, or all others.
pub fn count_lasting(connection: &Connection, account: &str, is_replaced: bool, now: Timestamp, most: u64) -> Result<u64> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(LASTING)?;
    let count: i64 = statement.query_row(params![account, is_replaced, now.millis(), most], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{opened, plan};

    #[test]
    fn no_key_is_read_that_has_ended() {
        let lines = plan(&opened(), LASTING);
        assert!(lines.iter().any(|line| line == "SEARCH keys USING INDEX keys_lasting (account=? AND <expr>=? AND <expr>>?)"), "{lines:?}");
    }

    #[test]
    fn what_has_ended_does_not_last() {
        let connection = opened();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        // Of each: who took its place, when it expires, when it was revoked.
        let keys =
            [(None, None, None), (None, Some(11), None), (None, Some(10), None), (None, None, Some(9)), (Some("key_1"), Some(11), None)];
        for (number, (replaced_by, expires_at, revoked_at)) in (0u8..).zip(keys) {
            let sql = "INSERT INTO keys (hash, id, account, name, environment, prefix, limits, scopes, ips, metadata, created_at, expires_at, revoked_at, disabled, replaced_by, revision)
                VALUES (?1, ?2, 'acc_1', '', '', '', '{}', '[]', '[]', '{}', 0, ?3, ?4, 0, ?5, 1)";
            connection.execute(sql, params![[number; 32], format!("key_{number}"), expires_at, revoked_at, replaced_by]).unwrap();
        }
        let count =
            |account, is_replaced, most| count_lasting(&connection, account, is_replaced, Timestamp::from_millis(10), most).unwrap();
        assert_eq!((count("acc_1", false, 100), count("acc_1", true, 100), count("acc_2", false, 100)), (2, 1, 0));
        assert_eq!(count("acc_1", false, 1), 1, "no more than is asked for");
    }
}
