//! How many requests of the whole server got which verdict, by hour: written with what keys and accounts count, in one transaction.

use rusqlite::{Connection, params};

use crate::domain::error::Result;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;

/// Adds to an hour.
pub fn add(connection: &Connection, hour: Timestamp, verdict: Verdict, count: u64) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO usage_totals (hour, verdict, count) VALUES (?1, ?2, ?3)
             ON CONFLICT (hour, verdict) DO UPDATE SET count = count + excluded.count",
        )?
        .execute(params![hour.millis(), verdict.name(), i64::try_from(count).unwrap_or(i64::MAX)])?;
    Ok(())
}

const READ: &str = "SELECT hour - hour % ?3, verdict, sum(count) FROM usage_totals WHERE hour >= ?1 AND hour < ?2 GROUP BY 1, 2";

/// Start, verdict and count from `from` on and before `to`, for each length of time that is one hour or divides into hours.
pub fn read(connection: &Connection, from: Timestamp, to: Timestamp, length: Span) -> Result<Vec<(Timestamp, String, u64)>> {
    let mut statement = connection.prepare_cached(READ)?;
    let rows = statement.query_map(params![from.millis(), to.millis(), length.millis() as i64], |row| {
        Ok((Timestamp::from_millis(row.get(0)?), row.get(1)?, row.get::<_, i64>(2)?.try_into().unwrap_or(0)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets a bounded number of hours before `before`; answers whether there may be more.
pub fn forget(connection: &Connection, before: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached(
            "DELETE FROM usage_totals WHERE (hour, verdict) IN
             (SELECT hour, verdict FROM usage_totals WHERE hour < ?1 ORDER BY hour, verdict LIMIT ?2)",
        )?
        .execute(params![before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::usage::{DAY, HOUR};
    use crate::store::tests::{opened, plan};

    #[test]
    fn counts_are_summed_up_by_hour_and_by_day_and_go_in_their_time() {
        let connection = opened();
        let at = |hour: i64| Timestamp::from_millis(hour * 3_600_000);
        for (hour, verdict, count) in
            [(1, Verdict::Ok, 2), (1, Verdict::Ok, 3), (1, Verdict::Missing, 1), (23, Verdict::Ok, 7), (24, Verdict::Ok, 9)]
        {
            add(&connection, at(hour), verdict, count).unwrap();
        }
        let row = |hour, verdict: Verdict, count| (at(hour), verdict.name().to_owned(), count);
        let by_hour = read(&connection, at(1), at(24), HOUR).unwrap();
        assert_eq!(by_hour, [row(1, Verdict::Missing, 1), row(1, Verdict::Ok, 5), row(23, Verdict::Ok, 7)]);
        let by_day = read(&connection, at(0), at(48), DAY).unwrap();
        assert_eq!(by_day, [row(0, Verdict::Missing, 1), row(0, Verdict::Ok, 12), row(24, Verdict::Ok, 9)]);
        assert!(!forget(&connection, at(23)).unwrap());
        assert_eq!(read(&connection, at(0), at(48), HOUR).unwrap().len(), 2);
    }

    #[test]
    fn only_the_hours_that_are_asked_for_are_read() {
        let lines = plan(&opened(), READ);
        assert!(lines.iter().any(|line| line.starts_with("SEARCH usage_totals USING PRIMARY KEY (hour>? AND hour<?)")), "{lines:?}");
    }
}
