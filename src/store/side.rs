//! The files that lie beside a database, `tollgate.db`, each named in this one place.

use std::path::{Path, PathBuf};

/// Changes that are not folded in yet.
pub const LOG: &str = "-wal";
/// What finds them; of this moment alone.
pub const INDEX: &str = "-shm";
/// How to undo a change that was cut off, where there is no log.
pub const JOURNAL: &str = "-journal";
/// Who has the database.
pub const LOCK: &str = ".lock";
/// Where the command line reaches whoever has it.
pub const CONTROL: &str = ".sock";
/// Where that comes to be, or any socket.
pub const NURSERY: &str = ".new";
/// An import whose rows are still gathered.
pub const GATHERED: &str = ".import.new";
/// An import whose rows move.
pub const SEALED: &str = ".import";
/// A copy, or a database made of one, that is not whole yet.
pub const HALF: &str = ".part";
/// What `doctor` writes to try the disk.
pub const TRIAL: &str = ".doctor";

/// Those of SQLite.
pub const SQLITE: [&str; 3] = [LOG, INDEX, JOURNAL];

/// Those that hold what belongs to this one database: another must not find them.
pub const OWN: [&str; 5] = [LOG, INDEX, JOURNAL, SEALED, GATHERED];

/// A file beside another: `tollgate.db` → `tollgate.db-wal`.
pub fn beside(path: &Path, side: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(side);
    name.into()
}
