//! How many requests got which verdict, by hour.

use rusqlite::{Connection, params};

use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;

/// Adds to an hour. Nobody recognised: empty account and key.
pub fn add(connection: &Connection, hour: Timestamp, account: &str, key: &str, verdict: Verdict, count: u64) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO usage (hour, account, key, verdict, count) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (hour, account, key, verdict) DO UPDATE SET count = count + excluded.count",
        )?
        .execute(params![hour.millis(), account, key, verdict.name(), i64::try_from(count).unwrap_or(i64::MAX)])?;
    Ok(())
}
