//! `[sign_in.passwords]`: how they are hashed, and what is strong enough.

use super::reader::Table;

/// `[sign_in.passwords]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Argon2id's memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Its passes over that memory.
    pub passes: u32,
    /// Its lanes. They are computed one after the other.
    pub lanes: u32,
    /// How many are hashed at the same time.
    pub at_once: usize,
    /// How many may wait for that.
    pub queue: usize,
    /// How many characters a new one must have.
    pub min_length: usize,
    /// What zxcvbn must say of a new one: 0 to 4; 0 asks for nothing.
    pub min_score: u8,
}

#[cfg(test)]
impl PasswordSettings {
    /// As `auth.toml` has them.
    pub const DEFAULT: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1, at_once: 2, queue: 32, min_length: 8, min_score: 2 };
}

/// Bounds of Argon2id: below the least (a quarter of OWASP's) a stolen database is read off; above the most one sign-in stops the server.
const MEMORY_KIB: std::ops::RangeInclusive<u64> = 4096..=1 << 20;
const PASSES: std::ops::RangeInclusive<u64> = 1..=20;
const LANES: std::ops::RangeInclusive<u64> = 1..=16;

pub(super) fn read(table: Table<'_>) -> Option<PasswordSettings> {
    let number = |name, range| table.number(name, range);
    let (memory_kib, passes, lanes) = (number("memory_kib", MEMORY_KIB), number("passes", PASSES), number("lanes", LANES));
    let (at_once, queue) = (number("at_once", 1..=256), number("queue", 0..=10_000));
    // NIST SP 800-63B: never fewer than 8.
    let (min_length, min_score) = (number("min_length", 8..=128), number("min_score", 0..=4));
    table.finish();
    Some(PasswordSettings {
        memory_kib: memory_kib? as u32,
        passes: passes? as u32,
        lanes: lanes? as u32,
        at_once: at_once? as usize,
        queue: queue? as usize,
        min_length: min_length? as usize,
        min_score: min_score? as u8,
    })
}
