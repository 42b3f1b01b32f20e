//! What the store says of its own work, for the metrics.

use std::path::Path;

use super::Store;
use crate::measure::{Counter, Histogram};

/// What the writer counts.
#[derive(Debug, Default)]
pub struct Writing {
    /// Changes that were given to it.
    pub(super) posted: Counter,
    /// Those that ended, one way or another.
    pub(super) done: Counter,
    /// Changes in commits that came about.
    pub written: Counter,
    /// Changes in commits that failed.
    pub unwritten: Counter,
    /// Commits that failed.
    pub failed: Counter,
    /// How long commits took, those that failed included.
    pub commits: Histogram,
}

impl Writing {
    /// Changes that wait, or are being written.
    pub fn waiting(&self) -> u64 {
        // In this order, so that one which ends in between is never counted as less than nothing.
        let done = self.done.get();
        self.posted.get().saturating_sub(done)
    }
}

/// How large the database is on its disk, and what is left there, in bytes. What cannot be found out is not told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// The one file.
    pub database: Option<u64>,
    /// The log of changes beside it.
    pub log: Option<u64>,
    /// What this user may still write.
    pub free: Option<u64>,
}

impl Store {
    /// What the writer counted.
    pub fn writing(&self) -> &Writing {
        self.writer.figures()
    }

    /// How many readings wait for a thread: for checks, for lists, and for holders of keys.
    pub fn readings(&self) -> [(&'static str, u64); 3] {
        [("checks", self.readers.waiting()), ("lists", self.lister.waiting()), ("holders", self.holders.waiting())]
    }

    /// How large it is, as its disk says: no thread of the database is asked, so it is told also where none answers.
    pub fn size(&self) -> Size {
        let bytes = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.len());
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let disk = rustix::fs::statvfs(&self.path).ok();
        Size { database: bytes(&self.path), log: bytes(log.as_ref()), free: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)) }
    }
}
