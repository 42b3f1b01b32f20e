//! How many requests got which verdict: by hour, and by day. What is counted is added to both at once, so that neither is ever summed up
//! from the other, and a month of an account is read as quickly as it is short.

use std::sync::LazyLock;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::usage::{After, By, DAY, Place, UsageAsk};
use crate::domain::verdict::Verdict;

const ADD: [&str; 2] = [
    "INSERT INTO usage (hour, account, key, verdict, count) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (hour, account, key, verdict) DO UPDATE SET count = count + excluded.count",
    "INSERT INTO usage_days (day, account, key, verdict, count) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (day, account, key, verdict) DO UPDATE SET count = count + excluded.count",
];

/// Adds to an hour and its day. Nobody recognised: empty account and key.
pub fn add(connection: &Connection, hour: Timestamp, account: &str, key: &str, verdict: Verdict, count: u64) -> Result<()> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    for (sql, start) in ADD.into_iter().zip([hour, hour.floor_to(DAY)]) {
        connection.prepare_cached(sql)?.execute(params![start.millis(), account, key, verdict.name(), count])?;
    }
    Ok(())
}

/// Hands over the rows of one start, in the order of account and key, until `each` has had enough: as they stand in the table, so
/// that nothing is sorted, and whoever stops early has read little.
pub fn rows_of(
    connection: &Connection,
    ask: &UsageAsk,
    place: &Place,
    mut each: impl FnMut(&str, &str, &str, u64) -> Result<bool>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(statement(ask))?;
    let after = place.after.as_ref();
    let (account, key) = after.map_or(("", ""), |After { account, key, .. }| (account, key));
    let verdict = ask.verdict.map(Verdict::name);
    let named: [(&str, &dyn ToSql); 6] = [
        (":start", &place.start.millis()),
        (":account", &ask.account),
        (":key", &ask.key),
        (":verdict", &verdict),
        (":after_account", &account),
        (":after_key", &key),
    ];
    for (name, value) in named {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index).and_then(|value| Ok(value.as_str()?));
        if !each(text(0)?, text(1)?, text(2)?, row.get::<_, i64>(3)?.try_into().unwrap_or(0))? {
            break;
        }
    }
    Ok(())
}

/// Whose rows are read: each has a text of its own, because one for all would use no index.
const WHOSE: [&str; 3] =
    ["(account, key) >= (:after_account, :after_key)", "account = :account AND key >= :after_key", "account = :account AND key = :key"];

/// Every statement that [`rows_of`] may need, by what is asked for.
static STATEMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all =
        [By::Hour, By::Day].into_iter().flat_map(|by| WHOSE.map(|whose| [false, true].map(|one_verdict| written(by, whose, one_verdict))));
    all.flatten().collect()
});

fn statement(ask: &UsageAsk) -> &'static str {
    let whose = if ask.key.is_some() { 2 } else { usize::from(ask.account.is_some()) };
    &STATEMENTS[(ask.by as usize * WHOSE.len() + whose) * 2 + usize::from(ask.verdict.is_some())]
}

fn written(by: By, whose: &str, one_verdict: bool) -> String {
    let (table, start) = TABLES[by as usize];
    let verdict = if one_verdict { " AND verdict = :verdict" } else { "" };
    format!(
        "SELECT account, key, verdict, count FROM {table} NOT INDEXED WHERE {start} = :start AND {whose}{verdict} ORDER BY account, key"
    )
}

/// Both tables, and what each calls its start.
const TABLES: [(&str, &str); 2] = [("usage", "hour"), ("usage_days", "day")];

/// A row of one of the two tables, by which a walk goes on after it.
#[derive(Clone, Debug, Default)]
pub struct Spot {
    start: i64,
    account: String,
    key: String,
    verdict: String,
}

impl Spot {
    /// Before every row from an instant on.
    pub fn before(from: Timestamp) -> Self {
        Self { start: from.millis(), ..Self::default() }
    }
}

const WALK: [&str; 2] = [
    "SELECT hour, account, key, verdict, count FROM usage NOT INDEXED WHERE (hour, account, key, verdict) > (?1, ?2, ?3, ?4) AND hour < ?5
     ORDER BY hour, account, key, verdict",
    "SELECT day, account, key, verdict, count FROM usage_days NOT INDEXED WHERE (day, account, key, verdict) > (?1, ?2, ?3, ?4) AND day < ?5
     ORDER BY day, account, key, verdict",
];

/// Hands over the rows of one table after a spot and before `to`, with account, key, verdict and count, until `each` has had enough;
/// answers where it stopped, if it did.
pub fn walk(
    connection: &Connection,
    by: By,
    from: &Spot,
    to: Timestamp,
    mut each: impl FnMut(&str, &str, &str, u64) -> bool,
) -> Result<Option<Spot>> {
    let mut statement = connection.prepare_cached(WALK[by as usize])?;
    let mut rows = statement.query(params![from.start, from.account, from.key, from.verdict, to.millis()])?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index).and_then(|value| Ok(value.as_str()?));
        let (account, key, verdict) = (text(1)?, text(2)?, text(3)?);
        if !each(account, key, verdict, row.get::<_, i64>(4)?.try_into().unwrap_or(0)) {
            return Ok(Some(Spot { start: row.get(0)?, account: account.into(), key: key.into(), verdict: verdict.into() }));
        }
    }
    Ok(None)
}

const NEXT: [&str; 2] = [
    "SELECT hour FROM usage WHERE hour >= ?1 AND hour < ?2 ORDER BY hour LIMIT 1",
    "SELECT day FROM usage_days WHERE day >= ?1 AND day < ?2 ORDER BY day LIMIT 1",
];

/// The first start from there on that has rows, whoever's they are.
pub fn next_start(connection: &Connection, by: By, from: Timestamp, to: Timestamp) -> Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached(NEXT[by as usize])?;
    let found: Option<i64> = statement.query_row([from.millis(), to.millis()], |row| row.get(0)).optional()?;
    Ok(found.map(Timestamp::from_millis))
}

const OF_KEY_SINCE: &str = "SELECT verdict, sum(of_hour), sum(iif(start >= ?4, of_day, 0)), sum(of_day) FROM (
       SELECT verdict, hour AS start, count AS of_hour, 0 AS of_day FROM usage WHERE account = ?1 AND key = ?2 AND hour >= ?3
       UNION ALL SELECT verdict, day, 0, count FROM usage_days WHERE account = ?1 AND key = ?2 AND day >= ?5)
     GROUP BY verdict";

/// What a key was told since the start of an hour, of its day and of its month: verdict, and a count for each.
pub fn of_key_since(connection: &Connection, account: &str, key: &str, since: [Timestamp; 3]) -> Result<Vec<(String, [u64; 3])>> {
    let mut statement = connection.prepare_cached(OF_KEY_SINCE)?;
    let [hour, day, month] = since.map(Timestamp::millis);
    let rows = statement.query_map(params![account, key, hour, day, month], |row| {
        Ok((row.get(0)?, [row.get::<_, i64>(1)?, row.get(2)?, row.get(3)?].map(|count| count.try_into().unwrap_or(0))))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const FORGET: [&str; 2] = [
    "DELETE FROM usage WHERE (hour, account, key, verdict) IN
     (SELECT hour, account, key, verdict FROM usage WHERE hour < ?1 ORDER BY hour, account, key, verdict LIMIT ?2)",
    "DELETE FROM usage_days WHERE (day, account, key, verdict) IN
     (SELECT day, account, key, verdict FROM usage_days WHERE day < ?1 ORDER BY day, account, key, verdict LIMIT ?2)",
];

/// Forgets a bounded number of hours, or of days, before `before`; answers whether there may be more.
pub fn forget(connection: &Connection, by: By, before: Timestamp) -> Result<bool> {
    let forgotten = connection.prepare_cached(FORGET[by as usize])?.execute(params![before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id;
    use crate::domain::usage::{Of, Sums};
    use crate::store::tests::{opened, plan};

    fn ask(by: By, account: Option<&str>, key: Option<&str>, verdict: Option<Verdict>) -> UsageAsk {
        let (account, key) = (account.map(str::to_owned), key.map(str::to_owned));
        UsageAsk { account, key, verdict, from: Timestamp::default(), to: Timestamp::MAX, by, of: Of::Key }
    }

    #[test]
    fn every_reading_goes_by_an_index_and_sorts_nothing() {
        let connection = opened();
        let seeks = ["AND (account,key)>(?,?))", "AND account=? AND key>?)", "AND account=? AND key=?"];
        for by in [By::Hour, By::Day] {
            for (whose, seek) in [(None, None), (Some("a"), None), (Some("a"), Some("k"))].into_iter().zip(seeks) {
                for verdict in [None, Some(Verdict::Ok)] {
                    let lines = plan(&connection, statement(&ask(by, whose.0, whose.1, verdict)));
                    let text = lines.join("\n");
                    assert!(lines.iter().filter(|line| line.starts_with("SEARCH")).all(|line| line.contains(seek)), "{seek}: {text}");
                    assert!(!text.contains("SCAN") && !text.contains("TEMP B-TREE"), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_a_key_was_told_is_found_by_the_key() {
        let lines = plan(&opened(), OF_KEY_SINCE);
        let searched: Vec<&String> = lines.iter().filter(|line| line.starts_with("SEARCH usage")).collect();
        assert!(searched.len() == 2 && searched.iter().all(|line| line.contains("account=? AND key=? AND")), "{lines:?}");
        assert!(!lines.concat().contains("SCAN usage"), "{lines:?}");
    }

    #[test]
    fn a_walk_goes_on_where_it_stopped_and_sorts_nothing() {
        let connection = opened();
        fill(&connection, 500);
        for (by, sql) in [By::Hour, By::Day].into_iter().zip(WALK) {
            let lines = plan(&connection, sql);
            assert!(lines.len() == 1 && lines[0].starts_with("SEARCH"), "{lines:?}");
            let whole = |stop_each: usize| {
                let (mut all, mut spot) = (Vec::new(), Some(Spot::before(Timestamp::default())));
                while let Some(from) = spot {
                    let mut left = stop_each;
                    spot = walk(&connection, by, &from, Timestamp::MAX, |account, key, verdict, count| {
                        all.push((account.to_owned(), key.to_owned(), verdict.to_owned(), count));
                        left -= 1;
                        left > 0
                    })
                    .unwrap();
                }
                all
            };
            assert!(whole(usize::MAX).len() > 40 && whole(usize::MAX) == whole(7), "{by:?}");
        }
    }

    /// Every row of a table, with the day of its start.
    fn by_day(connection: &Connection, by: By) -> Vec<(String, String, i64, String, i64)> {
        let (table, start) = TABLES[by as usize];
        let sql =
            format!("SELECT account, key, {start} / 86400000, verdict, sum(count) FROM {table} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    fn fill(connection: &Connection, rows: i64) {
        let (account, key) = (id::new(id::ACCOUNT, Timestamp::default()), id::new(id::KEY, Timestamp::default()));
        for row in 0..rows {
            let verdict = Verdict::ALL[row as usize % Verdict::COUNT];
            let hour = Timestamp::from_millis((row / 3) * 3_600_000);
            add(connection, hour, if row % 5 == 0 { "" } else { &account }, if row % 5 == 0 { "" } else { &key }, verdict, row as u64)
                .unwrap();
        }
    }

    #[test]
    fn a_day_is_the_sum_of_its_hours_and_stays_when_they_go() {
        let connection = opened();
        fill(&connection, 7000);
        let days = by_day(&connection, By::Day);
        assert_eq!(by_day(&connection, By::Hour), days);
        let boundary = Timestamp::from_millis(1700 * 3_600_000);
        let mut rounds = 1;
        while forget(&connection, By::Hour, boundary).unwrap() {
            rounds += 1;
        }
        assert_eq!((by_day(&connection, By::Day), rounds), (days, 3));
        let left: i64 = connection.query_row("SELECT min(hour) FROM usage", [], |row| row.get(0)).unwrap();
        assert_eq!(left, boundary.millis());
        while forget(&connection, By::Day, Timestamp::from_millis(71 * 86_400_000)).unwrap() {}
        assert_eq!(by_day(&connection, By::Day).iter().map(|row| row.2).min(), Some(71));
    }

    #[test]
    fn days_are_told_row_by_row() {
        let connection = opened();
        fill(&connection, 600);
        let ask = ask(By::Day, None, None, None);
        let (mut place, mut told) = (Place::at(ask.from), Vec::new());
        while let Some(start) = next_start(&connection, By::Day, place.start, ask.to).unwrap() {
            place = Place::at(start);
            let mut sums = Sums::new(Of::Key, start, None);
            rows_of(&connection, &ask, &place, |account, key, verdict, count| {
                sums.add(account, key, verdict, count, &mut told);
                Ok(true)
            })
            .unwrap();
            sums.finish(&mut told);
            place = Place::at(start.plus(By::Day.length()));
        }
        let mut told: Vec<_> =
            told.into_iter().map(|row| (row.account, row.key, row.start.millis() / 86_400_000, row.verdict, row.count as i64)).collect();
        told.sort();
        assert_eq!(told, by_day(&connection, By::Day));
    }
}
