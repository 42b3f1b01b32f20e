//! A file that is made beside its name, and takes the name only once it is whole and on the disk.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;
use rustix::process::geteuid;

/// The file while it is made: `NAME.part`, for its owner alone. Goes where it does not land.
pub struct Landing {
    name: PathBuf,
    part: PathBuf,
    /// Held, and locked, until it has landed.
    file: File,
    has_landed: bool,
}

impl Landing {
    /// Makes it empty. What an earlier try left behind when it was killed is taken over; one that is still at work keeps it, and
    /// what somebody else put there is not touched.
    pub fn begin(name: &Path) -> Result<Self, String> {
        let mut part = name.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // What lies there is looked at once it is open, so that nobody can put another in its place.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let in_the_way = || format!("{} is in the way: move it away", part.display());
        let file = options.open(&part).map_err(|error| match part.symlink_metadata() {
            Ok(there) if !there.is_file() => in_the_way(),
            _ => cannot_be_made(&error),
        })?;
        if !file.metadata().is_ok_and(|metadata| is_our_own(&metadata)) {
            return Err(in_the_way());
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(format!("another command is making {} just now", part.display())),
            Err(TryLockError::Error(error)) => return Err(cannot_be_made(&error)),
        }
        let landing = Self { name: name.into(), part, file, has_landed: false };
        let emptied = landing.file.set_len(0).and_then(|()| landing.file.set_permissions(std::fs::Permissions::from_mode(0o600)));
        emptied.map_err(|error| cannot_be_made(&error))?;
        Ok(landing)
    }

    /// Where it is made.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// What it is written with.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name; what has that name already stays, unless it is to be replaced.
    pub fn land(mut self, replaces: bool) -> Result<(), String> {
        self.file.sync_all().map_err(|error| cannot_be_made(&error))?;
        let flags = if replaces { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let renamed = match renameat_with(CWD, &self.part, CWD, &self.name, flags) {
            // Some file systems know no such rename. Where nothing was there a moment ago, a plain one does.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if self.name.symlink_metadata().is_err() => {
                std::fs::rename(&self.part, &self.name)
            }
            renamed => renamed.map_err(std::io::Error::from),
        };
        renamed.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => "meanwhile somebody else made a file of that name, which stays".to_owned(),
            _ => cannot_be_made(&error),
        })?;
        self.has_landed = true;
        let folder = self.name.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| {
            format!("it is there, but its folder could not be synced, so that it may not outlast a power failure: {error}")
        })
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.has_landed {
            for side in ["", "-wal", "-shm", "-journal"] {
                // Most of them were never there.
                let _ = std::fs::remove_file(crate::store::side::beside(&self.part, side));
            }
        }
    }
}

/// Whether it is a file that this user made, under this name alone.
fn is_our_own(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.uid() == geteuid().as_raw() && metadata.nlink() == 1
}

fn cannot_be_made(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "its folder does not exist: make it first".into(),
        std::io::ErrorKind::PermissionDenied => "this user may not write there".into(),
        std::io::ErrorKind::StorageFull => "the disk is full: free some space and try again".into(),
        _ => format!("it cannot be written: {error}"),
    }
}
