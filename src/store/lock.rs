//! One server a database: an operating-system lock on a side file. It goes with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Held as long as this lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the lock. `Ok(None)`: somebody else has it.
pub fn take(database: &Path) -> std::io::Result<Option<Lock>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside(database, "lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A side file of the database: `tollgate.db` → `tollgate.db.lock`.
pub fn beside(database: &Path, extension: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
