//! Accounts and their balances.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::{Deserialize, Serialize};

use super::columns::{from_json, holding, instant, json, maybe_instant, word};
use crate::domain::balance::Balance;
use crate::domain::caller::{AccountRecord, Kind};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// An account as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredAccount {
    /// The account.
    pub record: AccountRecord,
    /// Its balance.
    pub balance: Balance,
    /// Grows with every change: the newer of two readings wins.
    pub version: i64,
}

impl StoredAccount {
    /// The balance as it stands at `now`, where its plan gives so many tokens a month.
    pub fn balance_at(&self, now: Timestamp, monthly_tokens: i64) -> Balance {
        self.balance.at(now, self.record.created_at, monthly_tokens)
    }
}

const COLUMNS: &str = "a.id, a.name, a.kind, a.plan, a.plan_until, a.limits, a.disabled, a.created_at, a.plan_tokens, a.bonus_tokens, a.period, a.version, a.revision";

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredAccount> {
    Ok(StoredAccount {
        record: AccountRecord {
            id: row.get("id")?,
            name: row.get("name")?,
            kind: word(row, "kind", Kind::from_name)?,
            plan: row.get("plan")?,
            plan_until: maybe_instant(row, "plan_until")?,
            limits: from_json(row, "limits")?,
            disabled: row.get("disabled")?,
            created_at: instant(row, "created_at")?,
            revision: row.get("revision")?,
        },
        balance: Balance { plan_tokens: row.get("plan_tokens")?, bonus_tokens: row.get("bonus_tokens")?, period: instant(row, "period")? },
        version: row.get("version")?,
    })
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<StoredAccount>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM accounts a WHERE a.id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Which accounts a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this one.
    pub only: Option<String>,
    /// Only those that this user belongs to.
    pub user: Option<i64>,
    /// Only those whose id it is, or whose name holds it.
    pub search: Option<String>,
    /// Only those after this id.
    pub after: String,
    /// So many at the most.
    pub limit: usize,
}

/// Accounts in the order of their ids.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<StoredAccount>> {
    let only = if filter.only.is_some() { "a.id = :only AND" } else { ":only IS NULL AND" };
    let of_user = if filter.user.is_some() { "a.id IN (SELECT account FROM members WHERE user = :user) AND" } else { ":user IS NULL AND" };
    let sql = format!(
        "SELECT {COLUMNS} FROM accounts a WHERE {only} {of_user} a.id > :after AND (:search IS NULL OR a.id = :search OR a.name LIKE :holds ESCAPE '\\') ORDER BY a.id LIMIT :limit"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let holds = filter.search.as_deref().map(holding);
    let wanted = named_params! { ":holds": holds, ":only": filter.only, ":user": filter.user, ":after": filter.after, ":search": filter.search, ":limit": filter.limit as i64 };
    let rows = statement.query_map(wanted, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds one.
pub fn insert(connection: &Connection, account: &StoredAccount) -> Result<()> {
    let StoredAccount { record, balance, version } = account;
    connection
        .prepare_cached(
            "INSERT INTO accounts (id, name, kind, plan, plan_until, limits, disabled, created_at, plan_tokens, bonus_tokens, period, version, revision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            record.id,
            record.name,
            record.kind.name(),
            record.plan,
            record.plan_until.map(Timestamp::millis),
            json(&record.limits)?,
            record.disabled,
            record.created_at.millis(),
            balance.plan_tokens,
            balance.bonus_tokens,
            balance.period.millis(),
            version,
            record.revision,
        ])?;
    Ok(())
}

/// Writes what can change; version and revision have been raised by the caller.
pub fn update(connection: &Connection, account: &StoredAccount) -> Result<()> {
    let StoredAccount { record, balance, version } = account;
    connection
        .prepare_cached(
            "UPDATE accounts SET name = ?2, kind = ?3, plan = ?4, plan_until = ?5, limits = ?6, disabled = ?7, plan_tokens = ?8, bonus_tokens = ?9, period = ?10, version = ?11, revision = ?12 WHERE id = ?1",
        )?
        .execute(params![
            record.id,
            record.name,
            record.kind.name(),
            record.plan,
            record.plan_until.map(Timestamp::millis),
            json(&record.limits)?,
            record.disabled,
            balance.plan_tokens,
            balance.bonus_tokens,
            balance.period.millis(),
            version,
            record.revision,
        ])?;
    Ok(())
}
