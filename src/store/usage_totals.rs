//! How many requests of the whole server got which verdict, by hour and by day: written with what keys and accounts count, in one transaction.

use rusqlite::{Connection, params};

use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::usage::{By, DAY};
use crate::domain::verdict::Verdict;

const ADD: [&str; 2] = [
    "INSERT INTO usage_totals (hour, verdict, count) VALUES (?1, ?2, ?3)
     ON CONFLICT (hour, verdict) DO UPDATE SET count = count + excluded.count",
    "INSERT INTO usage_totals_days (day, verdict, count) VALUES (?1, ?2, ?3)
     ON CONFLICT (day, verdict) DO UPDATE SET count = count + excluded.count",
];

/// Adds to an hour and its day.
pub fn add(connection: &Connection, hour: Timestamp, verdict: Verdict, count: u64) -> Result<()> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    for (sql, start) in ADD.into_iter().zip([hour, hour.floor_to(DAY)]) {
        connection.prepare_cached(sql)?.execute(params![start.millis(), verdict.name(), count])?;
    }
    Ok(())
}

const READ: [&str; 2] = [
    "SELECT hour, verdict, count FROM usage_totals WHERE hour >= ?1 AND hour < ?2",
    "SELECT day, verdict, count FROM usage_totals_days WHERE day >= ?1 AND day < ?2",
];

/// Hands over start, verdict and count from `from` on and before `to`.
pub fn read(connection: &Connection, by: By, from: Timestamp, to: Timestamp, mut each: impl FnMut(Timestamp, &str, u64)) -> Result<()> {
    let mut statement = connection.prepare_cached(READ[by as usize])?;
    let mut rows = statement.query([from.millis(), to.millis()])?;
    while let Some(row) = rows.next()? {
        let verdict = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        each(Timestamp::from_millis(row.get(0)?), verdict, row.get::<_, i64>(2)?.try_into().unwrap_or(0));
    }
    Ok(())
}

const FORGET: [&str; 2] = [
    "DELETE FROM usage_totals WHERE (hour, verdict) IN
     (SELECT hour, verdict FROM usage_totals WHERE hour < ?1 ORDER BY hour, verdict LIMIT ?2)",
    "DELETE FROM usage_totals_days WHERE (day, verdict) IN
     (SELECT day, verdict FROM usage_totals_days WHERE day < ?1 ORDER BY day, verdict LIMIT ?2)",
];

/// Forgets a bounded number of hours, or of days, before `before`; answers whether there may be more.
pub fn forget(connection: &Connection, by: By, before: Timestamp) -> Result<bool> {
    let forgotten = connection.prepare_cached(FORGET[by as usize])?.execute(params![before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let told = |by, from, to| {
            let mut rows = Vec::new();
            read(&connection, by, from, to, |start, verdict, count| rows.push((start, verdict.to_owned(), count))).unwrap();
            rows
        };
        let row = |hour, verdict: Verdict, count: u64| (at(hour), verdict.name().to_owned(), count);
        assert_eq!(told(By::Hour, at(1), at(24)), [row(1, Verdict::Missing, 1), row(1, Verdict::Ok, 5), row(23, Verdict::Ok, 7)]);
        let days = [row(0, Verdict::Missing, 1), row(0, Verdict::Ok, 12), row(24, Verdict::Ok, 9)];
        assert_eq!(told(By::Day, at(0), at(48)), days);
        assert!(!forget(&connection, By::Hour, at(23)).unwrap());
        assert_eq!(told(By::Hour, at(0), at(48)).len(), 2);
        assert_eq!(told(By::Day, at(0), at(48)), days, "days stay when their hours go");
        assert!(!forget(&connection, By::Day, at(24)).unwrap());
        assert_eq!(told(By::Day, at(0), at(48)), [row(24, Verdict::Ok, 9)]);
    }

    #[test]
    fn only_what_is_asked_for_is_read() {
        for (sql, seek) in READ
            .into_iter()
            .zip(["usage_totals USING PRIMARY KEY (hour>? AND hour<?)", "usage_totals_days USING PRIMARY KEY (day>? AND day<?)"])
        {
            let lines = plan(&opened(), sql);
            assert!(lines.len() == 1 && lines[0].starts_with(&format!("SEARCH {seek}")), "{lines:?}");
        }
    }
}
