//! For tests of what the store asks: a database in memory, and how SQLite goes about a question.

use rusqlite::Connection;

/// A new database.
pub fn opened() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("../../schema.sql")).unwrap();
    connection
}

/// The steps of a question (`EXPLAIN QUERY PLAN`).
pub fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get(3).unwrap());
    }
    lines
}
