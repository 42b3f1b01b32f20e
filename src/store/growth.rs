//! How many accounts, users and keys there are, and how many were made on a day.

use rusqlite::{Connection, params};

use crate::domain::error::Result;
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::domain::usage::DAY;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Accounts.
    Accounts,
    /// Users, those that were deleted left out.
    Users,
    /// Keys, those that have ended included: they stay.
    Keys,
}

impl Table {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Accounts, Self::Users, Self::Keys];

    const fn count(self) -> &'static str {
        match self {
            Self::Accounts => "SELECT count(*) FROM accounts",
            Self::Users => "SELECT count(*) FROM users WHERE deleted_at IS NULL",
            Self::Keys => "SELECT count(*) FROM keys",
        }
    }

    /// Ids sort by creation, and have an index; users have one by time.
    const fn made(self) -> &'static str {
        match self {
            Self::Accounts => "SELECT count(*) FROM accounts WHERE id >= ?1 AND id < ?2",
            Self::Users => "SELECT count(*) FROM users WHERE created_at >= ?1 AND created_at < ?2",
            Self::Keys => "SELECT count(*) FROM keys WHERE id >= ?1 AND id < ?2",
        }
    }
}

/// How many there are.
pub fn count(connection: &Connection, table: Table) -> Result<u64> {
    let count: i64 = connection.prepare_cached(table.count())?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// How many were made on a day, UTC, which is told by its start.
pub fn made_on(connection: &Connection, table: Table, day: Timestamp) -> Result<u64> {
    let (from, to) = (day, day.plus(DAY));
    let mut statement = connection.prepare_cached(table.made())?;
    let count: i64 = match table {
        Table::Accounts => statement.query_row(params![id::first(id::ACCOUNT, from), id::first(id::ACCOUNT, to)], |row| row.get(0))?,
        Table::Keys => statement.query_row(params![id::first(id::KEY, from), id::first(id::KEY, to)], |row| row.get(0))?,
        Table::Users => statement.query_row(params![from.millis(), to.millis()], |row| row.get(0))?,
    };
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{opened, plan};

    #[test]
    fn what_was_made_on_a_day_is_found_by_an_index() {
        let connection = opened();
        for table in Table::ALL {
            let lines = plan(&connection, table.made());
            assert!(lines.iter().all(|line| line.starts_with("SEARCH")), "{table:?}: {lines:?}");
        }
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight() {
        let (connection, day) = (opened(), Timestamp::parse("2026-11-21").unwrap());
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        let instants = [day.millis() - 1, day.millis(), day.millis() + 5, day.plus(DAY).millis() - 1, day.plus(DAY).millis()];
        for at in instants.map(Timestamp::from_millis) {
            let key = id::new(id::KEY, at);
            connection
                .execute(
                    "INSERT INTO keys (hash, id, account, name, environment, prefix, limits, scopes, ips, metadata, created_at, disabled, revision)
                     VALUES (randomblob(32), ?1, 'acc_1', '', '', '', '{}', '[]', '[]', '{}', 0, 0, 1)",
                    [key],
                )
                .unwrap();
            let sql = "INSERT INTO users (name, account, is_admin, disabled, created_at, revision) VALUES ('', ?1, 0, 0, ?2, 1)";
            connection.execute(sql, params![id::new(id::ACCOUNT, at), at.millis()]).unwrap();
        }
        for table in [Table::Users, Table::Keys] {
            assert_eq!((count(&connection, table).unwrap(), made_on(&connection, table, day).unwrap()), (5, 3), "{table:?}");
        }
        assert_eq!(made_on(&connection, Table::Accounts, day).unwrap(), 0);
    }
}
