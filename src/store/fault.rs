//! SQLite's faults as ours, and as a sentence that says what to do.

use rusqlite::ErrorCode;

use crate::domain::error::Error;

impl From<rusqlite::Error> for Error {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Unavailable(sentence(&fault))
    }
}

/// What to do where the database is none of ours.
pub const ELSEWHERE: &str = ": name another file in [server] database";

/// What went wrong, for the log and for whoever starts the program.
pub fn sentence(fault: &rusqlite::Error) -> String {
    let what = match fault.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "it is locked by another program: close that program and try again",
        Some(ErrorCode::ReadOnly) => "it cannot be written: make the file and its folder writable for this user",
        Some(ErrorCode::PermissionDenied) => "this user may not use it: check its owner and permissions",
        Some(ErrorCode::DiskFull) => "the disk is full: free some space and try again",
        Some(ErrorCode::CannotOpen) => "it cannot be opened: check that its folder exists and is writable for this user",
        Some(ErrorCode::NotADatabase) => "it is not an SQLite database: name another file in [server] database",
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged: restore a backup",
        Some(ErrorCode::SystemIoFailure) => "the disk failed to read or write it: check whether the disk is full or damaged",
        _ => return fault.to_string(),
    };
    format!("{what} ({fault})")
}
