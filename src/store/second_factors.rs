//! Second factors: the sealed secret of an app, the last step that was used, and recovery codes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{instant, maybe_instant};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::totp::RecoveryHash;

/// A second factor as stored.
pub struct SecondFactor {
    /// Whose.
    pub user: i64,
    /// The secret: encrypted, and so nothing to anybody without the server's own.
    pub sealed: Vec<u8>,
    /// `None`: was begun, and is not asked for yet.
    pub confirmed_at: Option<Timestamp>,
    /// The last step that was used; none up to it counts again.
    pub last_step: i64,
    /// When it was begun.
    pub created_at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<SecondFactor> {
    Ok(SecondFactor {
        user: row.get("user")?,
        sealed: row.get("secret")?,
        confirmed_at: maybe_instant(row, "confirmed_at")?,
        last_step: row.get("last_step")?,
        created_at: instant(row, "created_at")?,
    })
}

/// A user's, in force or only begun.
pub fn of_user(connection: &Connection, user: i64) -> Result<Option<SecondFactor>> {
    let sql = "SELECT user, secret, confirmed_at, last_step, created_at FROM second_factors WHERE user = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([user], from_row).optional()?)
}

/// Whether a user has one that is in force.
pub fn is_in_force(connection: &Connection, user: i64) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM second_factors WHERE user = ?1 AND confirmed_at IS NOT NULL)";
    Ok(connection.prepare_cached(sql)?.query_row([user], |row| row.get(0))?)
}

/// Begins one, in place of another that was only begun; answers whether it is there. One in force stays as it is.
pub fn begin(connection: &Connection, user: i64, sealed: &[u8], at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO second_factors (user, secret, confirmed_at, last_step, created_at) VALUES (?1, ?2, NULL, -1, ?3)
        ON CONFLICT (user) DO UPDATE SET secret = ?2, last_step = -1, created_at = ?3 WHERE confirmed_at IS NULL";
    Ok(connection.prepare_cached(sql)?.execute(params![user, sealed, at.millis()])? == 1)
}

/// Puts the one that was begun in force, using the step of the code that confirmed it. `sealed`: the secret that the code was checked
/// with; another may have been begun since. Answers whether it was there.
pub fn confirm(connection: &Connection, user: i64, sealed: &[u8], step: i64, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE second_factors SET confirmed_at = ?4, last_step = ?3
        WHERE user = ?1 AND secret = ?2 AND confirmed_at IS NULL AND last_step < ?3";
    Ok(connection.prepare_cached(sql)?.execute(params![user, sealed, step, at.millis()])? == 1)
}

/// Uses a step of the one in force, with the secret that the code was checked with; answers whether it was later than all that were
/// used. Of two that come at once one is told no.
pub fn use_step(connection: &Connection, user: i64, sealed: &[u8], step: i64) -> Result<bool> {
    let sql = "UPDATE second_factors SET last_step = ?3
        WHERE user = ?1 AND secret = ?2 AND confirmed_at IS NOT NULL AND last_step < ?3";
    Ok(connection.prepare_cached(sql)?.execute(params![user, sealed, step])? == 1)
}

/// Gives a user these recovery codes, in place of all others.
pub fn set_recovery_codes(connection: &Connection, user: i64, hashes: &[RecoveryHash]) -> Result<()> {
    connection.prepare_cached("DELETE FROM recovery_codes WHERE user = ?1")?.execute([user])?;
    let mut statement = connection.prepare_cached("INSERT INTO recovery_codes (user, hash, used_at) VALUES (?1, ?2, NULL)")?;
    for hash in hashes {
        statement.execute(params![user, hash.0])?;
    }
    Ok(())
}

/// Uses a recovery code of a second factor in force; answers whether it was there to be used.
pub fn use_recovery_code(connection: &Connection, user: i64, hash: &RecoveryHash, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE recovery_codes SET used_at = ?3 WHERE user = ?1 AND hash = ?2 AND used_at IS NULL
        AND EXISTS (SELECT 1 FROM second_factors WHERE user = ?1 AND confirmed_at IS NOT NULL)";
    Ok(connection.prepare_cached(sql)?.execute(params![user, hash.0, at.millis()])? == 1)
}

/// How many recovery codes a user still has.
pub fn recovery_codes_left(connection: &Connection, user: i64) -> Result<u64> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user = ?1 AND used_at IS NULL";
    Ok(connection.prepare_cached(sql)?.query_row([user], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// Takes a user's away, with its recovery codes; answers whether one was in force.
pub fn remove(connection: &Connection, user: i64) -> Result<bool> {
    connection.prepare_cached("DELETE FROM recovery_codes WHERE user = ?1")?.execute([user])?;
    let sql = "DELETE FROM second_factors WHERE user = ?1 RETURNING confirmed_at IS NOT NULL";
    Ok(connection.prepare_cached(sql)?.query_row([user], |row| row.get(0)).optional()?.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_775_000_000_000);

    /// A database with two users, 1 and 2.
    fn opened() -> Connection {
        let connection = crate::store::tests::opened();
        for user in [1, 2] {
            let account = format!("acc_{user}");
            let sql = "INSERT INTO accounts (id, name, kind, plan, limits, disabled, created_at, plan_tokens, bonus_tokens, period, version, revision)
                VALUES (?1, '', 'personal', 'free', '{}', 0, 0, 0, 0, 0, 0, 0)";
            connection.execute(sql, [&account]).unwrap();
            let sql = "INSERT INTO users (id, name, account, is_admin, disabled, created_at, revision) VALUES (?1, '', ?2, 0, 0, 0, 0)";
            connection.execute(sql, params![user, account]).unwrap();
        }
        connection
    }

    fn in_force() -> Connection {
        let connection = opened();
        assert!(begin(&connection, 1, b"secret", NOW).unwrap());
        assert!(confirm(&connection, 1, b"secret", 10, NOW).unwrap());
        connection
    }

    #[test]
    fn it_is_begun_confirmed_and_then_stays() {
        let connection = opened();
        assert!(of_user(&connection, 1).unwrap().is_none());
        assert!(begin(&connection, 1, b"first", NOW).unwrap());
        assert!(begin(&connection, 1, b"second", NOW).unwrap(), "what was only begun is replaced");
        assert!(!confirm(&connection, 1, b"first", 10, NOW).unwrap(), "a code of the first says nothing of the second");
        assert!(!use_step(&connection, 1, b"second", 10).unwrap(), "not in force yet");
        assert!(confirm(&connection, 1, b"second", 10, NOW).unwrap());
        assert!(!confirm(&connection, 1, b"second", 11, NOW).unwrap(), "once");
        assert!(!begin(&connection, 1, b"third", NOW).unwrap(), "one in force is not replaced");
        let found = of_user(&connection, 1).unwrap().unwrap();
        assert_eq!((found.user, found.sealed.as_slice(), found.confirmed_at, found.last_step), (1, &b"second"[..], Some(NOW), 10));
        assert!(of_user(&connection, 2).unwrap().is_none());
        assert!(!confirm(&connection, 2, b"second", 10, NOW).unwrap());
    }

    #[test]
    fn a_step_is_used_once_and_none_before_it() {
        let connection = in_force();
        for (step, used) in [(10, false), (9, false), (11, true), (11, false), (13, true), (12, false), (i64::MAX, true)] {
            assert_eq!(use_step(&connection, 1, b"secret", step).unwrap(), used, "{step}");
        }
        assert!(!use_step(&connection, 1, b"another", i64::MAX).unwrap());
        assert!(!use_step(&connection, 2, b"secret", 20).unwrap());
    }

    #[test]
    fn a_recovery_code_is_used_once_by_its_user() {
        let connection = in_force();
        let codes: Vec<RecoveryHash> = (0..10).map(|number| RecoveryHash([number; 32])).collect();
        set_recovery_codes(&connection, 1, &codes).unwrap();
        assert!(!use_recovery_code(&connection, 2, &codes[0], NOW).unwrap(), "another's");
        assert!(use_recovery_code(&connection, 1, &codes[0], NOW).unwrap());
        assert!(!use_recovery_code(&connection, 1, &codes[0], NOW).unwrap());
        assert!(!use_recovery_code(&connection, 1, &RecoveryHash([99; 32]), NOW).unwrap());
        assert_eq!(recovery_codes_left(&connection, 1).unwrap(), 9);
        set_recovery_codes(&connection, 1, &[RecoveryHash([50; 32])]).unwrap();
        assert!(!use_recovery_code(&connection, 1, &codes[1], NOW).unwrap(), "those before are gone");
        assert_eq!(recovery_codes_left(&connection, 1).unwrap(), 1);
    }

    #[test]
    fn without_a_factor_in_force_no_recovery_code_counts() {
        let connection = opened();
        begin(&connection, 1, b"secret", NOW).unwrap();
        set_recovery_codes(&connection, 1, &[RecoveryHash([1; 32])]).unwrap();
        assert!(!use_recovery_code(&connection, 1, &RecoveryHash([1; 32]), NOW).unwrap());
    }

    #[test]
    fn what_is_removed_is_gone() {
        let connection = in_force();
        set_recovery_codes(&connection, 1, &[RecoveryHash([1; 32])]).unwrap();
        assert!(remove(&connection, 1).unwrap());
        assert!(!remove(&connection, 1).unwrap());
        assert!(of_user(&connection, 1).unwrap().is_none());
        assert_eq!(recovery_codes_left(&connection, 1).unwrap(), 0);
        begin(&connection, 1, b"again", NOW).unwrap();
        assert!(!remove(&connection, 1).unwrap(), "was never in force");
    }
}
