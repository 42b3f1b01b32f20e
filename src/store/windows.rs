//! What limits remember.

use rusqlite::{Connection, params};

use crate::domain::error::Result;
use crate::domain::limit::Shape;
use crate::domain::time::Timestamp;
use crate::domain::window::Window;
use crate::domain::window::fixed::{Fixed, Lease};
use crate::domain::window::rolling::Rolling;
use crate::domain::window::sliding::Sliding;

/// A window under its limit's name.
pub type Saved = (String, Window);

/// Everything remembered of one subject.
pub fn of_subject(connection: &Connection, subject: &str) -> Result<Vec<Saved>> {
    let mut statement = connection.prepare_cached("SELECT name, shape, start, until, written, state FROM windows WHERE subject = ?1")?;
    let rows = statement.query_map([subject], |row| {
        let (name, shape, state): (String, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(5)?);
        let damaged = || rusqlite::Error::InvalidColumnType(5, "state".into(), rusqlite::types::Type::Blob);
        let window = match Shape::from_name(&shape).ok_or_else(damaged)? {
            Shape::Fixed => {
                let (start, end) = (Timestamp::from_millis(row.get(2)?), Timestamp::from_millis(row.get(3)?));
                Window::Fixed(Fixed::from_saved(start, end, row.get::<_, i64>(4)?.try_into().map_err(|_| damaged())?))
            }
            Shape::Rolling => Window::Rolling(Rolling::from_saved(&state).ok_or_else(damaged)?),
            Shape::Sliding => Window::Sliding(Sliding::from_saved(&state).ok_or_else(damaged)?),
        };
        Ok((name, window))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes off so much of a fixed window.
pub fn write_off(connection: &Connection, subject: &str, name: &str, lease: Lease) -> Result<()> {
    let written = i64::try_from(lease.written).unwrap_or(i64::MAX);
    put(connection, subject, name, "fixed", lease.start, lease.end, written, &[])
}

/// Saves a rolling or sliding window. Fixed ones are written off, never saved.
pub fn save(connection: &Connection, subject: &str, name: &str, window: &Window) -> Result<()> {
    let (shape, state) = match window {
        Window::Rolling(rolling) => ("rolling", rolling.to_saved()),
        Window::Sliding(sliding) => ("sliding", sliding.to_saved()),
        Window::Fixed(_) => return Ok(()),
    };
    put(connection, subject, name, shape, Timestamp::default(), window.full_at(), 0, &state)
}

#[allow(clippy::too_many_arguments, reason = "one for each column")]
fn put(
    connection: &Connection,
    subject: &str,
    name: &str,
    shape: &str,
    start: Timestamp,
    until: Timestamp,
    written: i64,
    state: &[u8],
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO windows (subject, name, shape, start, until, written, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (subject, name) DO UPDATE SET shape = excluded.shape, start = excluded.start, until = excluded.until, written = excluded.written, state = excluded.state",
        )?
        .execute(params![subject, name, shape, start.millis(), until.millis(), written, state])?;
    Ok(())
}

/// Forgets a bounded number of windows that are full again since before `before`; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached("DELETE FROM windows WHERE (subject, name) IN (SELECT subject, name FROM windows WHERE until < ?1 LIMIT ?2)")?
        .execute([before.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}
