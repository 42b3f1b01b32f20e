//! What may be used once in its time, and was.

use rusqlite::{Connection, params};

use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// Notes that something is used; answers whether this was the first time. `until`: from then on it is refused anyhow.
pub fn spend(connection: &Connection, hash: &[u8; 32], until: Timestamp) -> Result<bool> {
    let added = connection
        .prepare_cached("INSERT OR IGNORE INTO spent (hash, until) VALUES (?1, ?2)")?
        .execute(params![hash.as_slice(), until.millis()])?;
    Ok(added == 1)
}

/// Forgets a bounded number of what is refused anyhow by now; answers whether there may be more.
pub fn tidy(connection: &Connection, now: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached("DELETE FROM spent WHERE hash IN (SELECT hash FROM spent WHERE until < ?1 LIMIT ?2)")?
        .execute([now.millis(), super::ROUND])?;
    Ok(forgotten as i64 == super::ROUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_spent_once() {
        let folder = tempfile::tempdir().unwrap();
        let connection = crate::store::open::open(&folder.path().join("spent.db")).unwrap().connection;
        let at = Timestamp::from_millis;
        assert!(spend(&connection, &[1; 32], at(10)).unwrap());
        assert!(!spend(&connection, &[1; 32], at(20)).unwrap());
        assert!(spend(&connection, &[2; 32], at(20)).unwrap());
        // What is refused anyhow goes, and nothing else.
        assert!(!tidy(&connection, at(11)).unwrap());
        assert!(!spend(&connection, &[2; 32], at(20)).unwrap());
        assert!(spend(&connection, &[1; 32], at(10)).unwrap());
    }
}
