//! The files beside a database, each under the database's own name with something after it.

use std::path::{Path, PathBuf};

/// What SQLite keeps there: the log of changes, its index, and the journal of another mode.
pub const LOG: &str = "-wal";
const OF_SQLITE: [&str; 3] = [LOG, "-shm", "-journal"];

/// Who has it; where the command line reaches the server; an import that is sealed, and one that is gathered.
pub const LOCK: &str = ".lock";
pub const SOCKET: &str = ".sock";
pub const IMPORT: &str = ".import";
pub const GATHERING: &str = ".import.new";

/// What mailed tokens are worked out of, where the configuration names no secret.
pub const SECRET: &str = ".secret";

/// One of them.
pub fn beside(path: &Path, side: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(side);
    name.into()
}

/// Those that may hold changes which are not in the database yet.
pub fn of_changes(database: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    OF_SQLITE.into_iter().chain([IMPORT, GATHERING]).map(|side| beside(database, side))
}

/// Whether a path is one of them, which nobody else may write.
pub fn is_one_of(database: &Path, path: &Path) -> bool {
    let same = |side: PathBuf| std::path::absolute(side).ok() == std::path::absolute(path).ok();
    of_changes(database).any(same) || [LOCK, SOCKET, SECRET].into_iter().any(|side| same(beside(database, side)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_files_are_known() {
        let database = Path::new("data/tollgate.db");
        for side in ["-wal", ".lock", ".secret", ".import", ".import.new"] {
            assert!(is_one_of(database, Path::new(&format!("./data/tollgate.db{side}"))), "{side}");
        }
        for other in ["data/tollgate.db.2026-11-21", "data/tollgate.db", "tollgate.db-wal"] {
            assert!(!is_one_of(database, Path::new(other)), "{other}");
        }
    }
}
