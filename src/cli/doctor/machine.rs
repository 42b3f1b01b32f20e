//! This machine: the configuration file, the database's files, the disk, how many files may be open.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use super::report::{Check, Findings};
use crate::config::Policy;
use crate::config::secret::{Held, Place};
use crate::domain::size::spoken_bytes;
use crate::http::server::OTHER_FILES;
use crate::store::side::beside;

/// What lies beside a database, and the database itself.
const FILES: [&str; 5] = ["", "-wal", "-shm", ".lock", ".sock"];

/// Others may write, and others may read: group and world.
const WRITABLE: u32 = 0o022;
const READABLE: u32 = 0o044;
const BY_ALL: u32 = 0o002;
const READABLE_BY_ALL: u32 = 0o004;
const STICKY: u32 = 0o1000;

/// Free bytes below which nothing goes, and below which it soon will not.
const LEAST_FREE: u64 = 32 << 20;
const LITTLE_FREE: u64 = 512 << 20;

/// The same of new files.
const LEAST_INODES: u64 = 16;
const FEW_INODES: u64 = 1000;

/// How often a write is tried, how large it is, and from when on it is slow.
const WRITES: usize = 5;
const WRITE: [u8; 4096] = [0; 4096];
const SLOW: Duration = Duration::from_millis(100);

/// With room for fewer connections than this a handful of clients takes all of it.
const FEW_CONNECTIONS: u64 = 100;

/// File systems on which SQLite's locks and shared memory cannot be relied upon (`statfs(2)`).
const NETWORKS: [(u32, &str); 7] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
];

/// File systems that may be anything, or that keep nothing.
const FUSE: u32 = 0x6573_5546;
const MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58F6];

/// The configuration file. It is valid: with faults in it nobody would have come here.
pub fn config(file: Option<&Path>, policy: &Policy) -> Check {
    const NAME: &str = "config";
    let Some(path) = file else { return Check::ok(NAME, "no auth.toml here: the defaults hold") };
    let shown = path.display();
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) => return Check::failed(NAME, format!("{shown} cannot be looked at: {error}"), "check its folder's permissions"),
    };
    let mut findings = Findings::default();
    if mode & BY_ALL != 0 {
        findings.failed(format!("anybody on this machine may change {shown} (mode {mode:o})"), format!("chmod o-w {shown}"));
    }
    // Whoever could read the policy has read the file.
    if mode & READABLE != 0 && std::fs::read_to_string(path).is_ok_and(|text| policy.holds_secret(&text)) {
        findings.failed(
            format!("a raw key or token stands in {shown}, and others may read it (mode {mode:o})"),
            format!("revoke that key and take it out of {shown}; or chmod 600 {shown}"),
        );
    }
    judge_secrets(path, mode, policy, &mut findings);
    findings.check(NAME, format!("{shown} is valid"))
}

/// What is missing for people to sign in, and how they are written to.
pub fn sign_in(policy: &Policy) -> Check {
    let mut findings = Findings::default();
    for warning in &policy.warnings {
        findings.warning(warning.to_string(), "set it, or take that table out of the configuration");
    }
    findings.check("sign_in", policy.sending().unwrap_or("mail and SMS go out"))
}

/// Who may read the secrets that the configuration holds, or says where they stand.
fn judge_secrets(config: &Path, mode: u32, policy: &Policy, findings: &mut Findings) {
    for Held { key, place, .. } in &policy.secrets {
        match place {
            Place::Text if mode & READABLE != 0 => {
                let (shown, detail) = (config.display(), format!("the secret {key} stands in {}", config.display()));
                let fix = format!("chmod 600 {shown}; or put it elsewhere: {{ file = \"…\" }} or {{ env = \"…\" }}");
                // A group may be made for it.
                if mode & READABLE_BY_ALL != 0 {
                    findings.failed(format!("{detail}, and others may read it (mode {mode:o})"), fix);
                } else {
                    findings.warning(format!("{detail}, and its group may read it (mode {mode:o})"), fix);
                }
            }
            Place::File(path) => judge_secret_file(key, path, findings),
            Place::Text | Place::Variable => {}
        }
    }
}

fn judge_secret_file(key: &str, path: &Path, findings: &mut Findings) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let (mode, shown) = (metadata.permissions().mode() & 0o777, path.display());
    if mode & WRITABLE != 0 {
        findings.failed(format!("others may write {shown}, which holds {key} (mode {mode:o})"), format!("chmod 600 {shown}"));
    } else if mode & READABLE_BY_ALL != 0 {
        findings
            .warning(format!("anybody on this machine may read {shown}, which holds {key} (mode {mode:o})"), format!("chmod o-r {shown}"));
    }
}

/// Who may do what with the database's files. `owner`: who serves, where that is known.
pub fn files(database: &Path, owner: Option<u32>) -> Check {
    let mut findings = Findings::default();
    let folder = folder(database);
    let mut looked_at = 0;
    for end in FILES {
        let mut path = database.as_os_str().to_owned();
        path.push(end);
        let path = PathBuf::from(path);
        if let Ok(metadata) = std::fs::metadata(&path) {
            looked_at += 1;
            judge_file(&path, &metadata, owner, &mut findings);
        }
    }
    if let Ok(metadata) = std::fs::metadata(folder) {
        let (mode, shown) = (metadata.permissions().mode() & 0o7777, folder.display());
        if mode & BY_ALL != 0 && mode & STICKY == 0 {
            findings.failed(
                format!("anybody may put other files in their place: the folder {shown} has mode {mode:o}"),
                format!("chmod o-w {shown}"),
            );
        } else if mode & WRITABLE != 0 {
            findings.warning(format!("others may add files to the folder {shown} (mode {mode:o})"), format!("chmod go-w {shown}"));
        }
    }
    if owner == Some(0) {
        findings.warning("tollgate runs as root, which it never needs", "run it as a user of its own: User=tollgate in its systemd unit");
    }
    findings.check("files", format!("{looked_at} files, which their owner alone may read and write"))
}

fn judge_file(path: &Path, metadata: &Metadata, owner: Option<u32>, findings: &mut Findings) {
    let (mode, shown, uid) = (metadata.permissions().mode() & 0o777, path.display(), metadata.uid());
    if mode & WRITABLE != 0 {
        findings.failed(format!("others may write {shown} (mode {mode:o})"), format!("chmod 600 {shown}"));
    } else if mode & READABLE != 0 {
        findings.warning(format!("others may read {shown} (mode {mode:o})"), format!("chmod 600 {shown}"));
    }
    // Root may use anybody's; that it serves at all is told by itself.
    if let Some(owner) = owner.filter(|owner| *owner != uid && *owner != 0) {
        findings.failed(format!("{shown} belongs to user {uid}, and tollgate runs as user {owner}"), format!("chown {owner} {shown}"));
    }
}

/// Whom a file belongs to.
pub fn owner(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|metadata| metadata.uid())
}

/// The folder that a database lies in.
pub fn folder(database: &Path) -> &Path {
    database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file of the doctor's own beside the database: what is written to try the disk, and what keeps a second doctor out.
pub struct Scratch {
    file: File,
    path: PathBuf,
}

impl Scratch {
    /// Makes it. `Ok(None)`: another doctor is at work.
    pub fn make(database: &Path) -> io::Result<Option<Self>> {
        let path = beside(database, ".doctor");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, path })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Who we are: whom a file that we make belongs to.
    pub fn owner(&self) -> Option<u32> {
        self.file.metadata().ok().map(|metadata| metadata.uid())
    }

    /// How long a write takes until the disk has it: the median of a few.
    fn try_writes(&self) -> io::Result<Duration> {
        let mut took = Vec::with_capacity(WRITES);
        for _ in 0..WRITES {
            let began = Instant::now();
            let mut file = &self.file;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&WRITE)?;
            file.sync_data()?;
            took.push(began.elapsed());
        }
        took.sort();
        Ok(took[WRITES / 2])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("{} could not be taken away: {error}", self.path.display());
        }
    }
}

/// The disk under the database: room, kind, and a real write.
pub fn disk(database: &Path, scratch: &io::Result<Scratch>) -> Check {
    const NAME: &str = "disk";
    let (folder, mut findings) = (folder(database), Findings::default());
    let mut told = Vec::new();
    match statvfs(folder) {
        Ok(disk) => {
            let (free, size) = (disk.f_bavail.saturating_mul(disk.f_frsize), std::fs::metadata(database).map_or(0, |file| file.len()));
            told.push(format!("{} free", spoken_bytes(free)));
            if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
                findings
                    .failed("the disk is mounted read-only", format!("mount it for writing: mount -o remount,rw for {}", folder.display()));
            }
            judge_room(free, size, folder, &mut findings);
            // Some file systems do not count files.
            judge_inodes((disk.f_files > 0).then_some(disk.f_favail), folder, &mut findings);
        }
        Err(error) => {
            findings.failed(format!("the disk under {} cannot be looked at: {error}", folder.display()), "check that the folder exists")
        }
    }
    judge_kind(folder, &mut findings);
    let written = match scratch {
        Ok(scratch) => scratch.try_writes(),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    match written {
        Ok(took) if took >= SLOW => findings.warning(
            format!("a write takes {} until the disk has it, and every change waits for one", millis(took)),
            "put the database on a faster disk: [server] database",
        ),
        Ok(took) => told.push(format!("a write is on it after {}", millis(took))),
        Err(error) => findings.failed(
            format!("nothing can be written beside the database: {error}"),
            format!("make {} writable for the user of tollgate, and see that the disk is not full", folder.display()),
        ),
    }
    findings.check(NAME, told.join(", "))
}

fn judge_room(free: u64, size: u64, folder: &Path, findings: &mut Findings) {
    let fix = || format!("free some space under {}, or name a file on another disk in [server] database", folder.display());
    if free < LEAST_FREE {
        findings.failed(format!("{} are free: changes will soon be refused", spoken_bytes(free)), fix());
    } else if free < LITTLE_FREE {
        findings.warning(format!("only {} are free", spoken_bytes(free)), fix());
    } else if free < size {
        findings.warning(
            format!("{} are free, less than the database's {}: no backup would fit beside it", spoken_bytes(free), spoken_bytes(size)),
            fix(),
        );
    }
}

fn judge_inodes(free: Option<u64>, folder: &Path, findings: &mut Findings) {
    let fix = || format!("take away files under {} that nobody needs", folder.display());
    match free {
        Some(free) if free < LEAST_INODES => findings.failed(format!("room for {free} more files: SQLite cannot make its own"), fix()),
        Some(free) if free < FEW_INODES => findings.warning(format!("room for only {free} more files"), fix()),
        _ => {}
    }
}

fn judge_kind(folder: &Path, findings: &mut Findings) {
    let Ok(kind) = statfs(folder).map(|system| system.f_type as u32) else { return };
    const ELSEWHERE: &str = "name a file on a local disk in [server] database";
    if let Some((_, name)) = NETWORKS.iter().find(|(magic, _)| *magic == kind) {
        findings.failed(format!("the database lies on a network file system ({name}), whose locks SQLite cannot rely upon"), ELSEWHERE);
    } else if kind == FUSE {
        findings.warning("the database lies on a FUSE file system, whose locks may not be SQLite's", ELSEWHERE);
    } else if MEMORY.contains(&kind) {
        findings.warning("the database lies on a file system in memory, and is gone after a restart of the machine", ELSEWHERE);
    }
}

/// Whether so many connections may be open at once. `most`: how many files the serving process may open.
/// `each`: how many files a connection may need; `who`: that process, as people call it.
pub fn open_files(connections: u64, each: u64, most: Option<u64>, who: &str) -> Check {
    const NAME: &str = "open_files";
    let wanted = connections.saturating_mul(each).saturating_add(OTHER_FILES);
    let Some(most) = most.filter(|most| *most < wanted) else {
        return Check::ok(NAME, format!("{connections} connections at once, for which {wanted} files may be open"));
    };
    let fits = (most.saturating_sub(OTHER_FILES) / each).max(1);
    let detail = format!("{who} may open {most} files, so {fits} connections at once and not {connections}");
    let fix = format!("LimitNOFILE={wanted} in its systemd unit (ulimit -Hn {wanted}); or [server] max_connections = {fits}");
    if fits < FEW_CONNECTIONS { Check::failed(NAME, detail, fix) } else { Check::warning(NAME, detail, fix) }
}

/// A time as people read it.
pub fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
