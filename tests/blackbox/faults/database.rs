//! Databases that cannot be used, from the start on or while the server runs.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use super::run_by;
use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Server, Stage, eventually};

/// Whether the tests run as root, whom no permission stops.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Asserts that a command failed with one clear sentence about the database, in which these words are.
#[track_caller]
fn told_in_one_sentence(output: &Output, database: &Path, says: &str) {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let sentences: Vec<&str> = told.lines().filter(|line| line.contains("error:")).collect();
    let [sentence] = sentences[..] else { panic!("one sentence, not this: {told}") };
    assert!(sentence.contains(&database.display().to_string()), "it names the database: {sentence}");
    assert!(sentence.contains(says), "it does not say '{says}': {sentence}");
    assert!(!told.contains("panicked") && !told.contains("listening"), "{told}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

/// A tollgate database with a key in it, all of it in the one file.
fn make_database(path: &Path) {
    let folder = Folder::new().variable("TOLLGATE_SERVER__DATABASE", &path.display().to_string());
    folder.raw_key("free");
    fold_in(path);
}

/// Folds the log of changes into the database itself.
fn fold_in(path: &Path) {
    let database = Connection::open(path).unwrap();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    database.close().unwrap();
}

fn change(path: &Path, sql: &str) {
    make_database(path);
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
    fold_in(path);
}

/// How a database is spoilt, and what is said of it.
type Spoilt = (&'static str, fn(&Path), &'static str);

const SPOILT: [Spoilt; 9] = [
    ("of a newer tollgate", |path| change(path, "PRAGMA user_version = 9999"), "newer"),
    ("of a tollgate that never was", |path| change(path, "PRAGMA user_version = 0"), "schema"),
    ("marked as another program's", |path| change(path, "PRAGMA application_id = 1234"), "another program"),
    (
        "of a program that marks nothing",
        |path| Connection::open(path).unwrap().execute_batch("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine');").unwrap(),
        "another program",
    ),
    (
        "of a program that marks an empty one",
        |path| Connection::open(path).unwrap().execute_batch("PRAGMA application_id = 77; VACUUM;").unwrap(),
        "another program",
    ),
    ("a text", |path| std::fs::write(path, "These are notes, and no database at all.\n").unwrap(), "not an SQLite database"),
    ("a short text", |path| std::fs::write(path, "x").unwrap(), "not an SQLite database"),
    (
        "a torn one",
        |path| {
            make_database(path);
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, [&bytes[..100], &[0xAA; 8000][..]].concat()).unwrap();
        },
        "",
    ),
    ("a folder", |path| std::fs::create_dir(path).unwrap(), "not a file"),
];

/// The bytes of a file; nothing of a folder.
fn bytes_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

#[test]
fn a_database_that_is_not_ours_is_told_and_not_touched() {
    for (what, spoil, says) in SPOILT {
        let folder = Folder::new();
        let path = folder.database();
        spoil(&path);
        let before = bytes_of(&path);
        for command in [&["serve"][..], &["account", "list"], &["account", "create", "--name", "x"]] {
            println!("{what}: {command:?}");
            told_in_one_sentence(&folder.run(command), Path::new("tollgate.db"), says);
            assert_eq!(bytes_of(&path), before, "{what} is as it was after {command:?}");
        }
    }
}

#[test]
fn a_folder_that_is_missing_is_told_and_not_made() {
    let folder = Folder::new().variable("TOLLGATE_SERVER__DATABASE", "missing/tollgate.db");
    for command in [&["serve"][..], &["account", "list"]] {
        told_in_one_sentence(&folder.run(command), Path::new("missing/tollgate.db"), "folder does not exist");
        assert!(!folder.path("missing").exists());
    }
}

/// A folder that another user may enter, with the binary in it; commands in it run as somebody who is not root.
fn ordinary(folder: &Folder) -> impl Fn(&[&str]) -> Output {
    std::fs::set_permissions(folder.path(""), Permissions::from_mode(0o755)).unwrap();
    let binary = folder.path("tollgate");
    std::fs::copy(folder.command(&[]).get_program(), &binary).unwrap();
    move |arguments| {
        let command = folder.command(arguments);
        if !is_root() {
            return { command }.output().unwrap();
        }
        let wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", &binary.display().to_string()];
        let mut by_nobody = Command::new(wrapper[0]);
        by_nobody.args(&wrapper[1..]).args(arguments).current_dir(folder.path("")).env_clear();
        by_nobody.env("PATH", std::env::var_os("PATH").unwrap());
        by_nobody.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        by_nobody.output().expect("setpriv runs")
    }
}

#[test]
fn a_database_that_may_not_be_written_is_told_and_not_touched() {
    // Of the file, of its folder, and what is said.
    for (file_mode, folder_mode, says) in [(0o444, 0o777, "writable"), (0o000, 0o777, "cannot be"), (0o666, 0o555, "cannot be made")] {
        let folder = Folder::new();
        let run = ordinary(&folder);
        std::fs::create_dir(folder.path("place")).unwrap();
        let database = folder.path("place/tollgate.db");
        make_database(&database);
        // What the making left beside it belongs to another user.
        for side in ["lock", "sock"] {
            let _ = std::fs::remove_file(folder.path(&format!("place/tollgate.db.{side}")));
        }
        let before = bytes_of(&database);
        std::fs::set_permissions(&database, Permissions::from_mode(file_mode)).unwrap();
        std::fs::set_permissions(folder.path("place"), Permissions::from_mode(folder_mode)).unwrap();
        let config = "[server]\ndatabase = \"place/tollgate.db\"\n";
        std::fs::write(folder.path("auth.toml"), config).unwrap();
        std::fs::set_permissions(folder.path("auth.toml"), Permissions::from_mode(0o644)).unwrap();
        for command in [&["serve"][..], &["account", "list"]] {
            println!("file {file_mode:o} in folder {folder_mode:o}: {command:?}");
            told_in_one_sentence(&run(command), Path::new("place/tollgate.db"), says);
        }
        std::fs::set_permissions(folder.path("place"), Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(bytes_of(&database), before, "file {file_mode:o} in folder {folder_mode:o}");
    }
}

#[test]
fn a_database_that_is_locked_is_told_and_is_free_afterwards() {
    // How another program holds it: its database as it is, and one that was never used.
    let held = |path: &Path, sql: &str| {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    };
    let exclusively = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE held (x); COMMIT;";
    std::thread::scope(|scope| {
        for (is_ours, sql) in [(true, "BEGIN EXCLUSIVE"), (true, exclusively), (false, "BEGIN EXCLUSIVE")] {
            for command in [&["serve"][..], &["account", "create", "--name", "x"]] {
                scope.spawn(move || {
                    let folder = Folder::new();
                    if is_ours {
                        make_database(&folder.database());
                    }
                    let connection = held(&folder.database(), sql);
                    let output = folder.run(command);
                    drop(connection);
                    println!("{sql}: {command:?}");
                    told_in_one_sentence(&output, Path::new("tollgate.db"), "locked by another program");
                    if sql == "BEGIN EXCLUSIVE" {
                        folder.account(&[]);
                    }
                });
            }
        }
    });
}

// While it runs.

/// A day of 400, for which the database must write something off now and then; and a minute, for which it need not.
const PLANS: &str = r#"
[[plans]]
name = "daily"
default = true
limits = [{ requests = 400, per = "3650d", name = "long" }]

[[plans]]
name = "steady"
limits = [{ requests = 100000, per = "minute" }]
"#;

/// Whether a refusal is the style's `unavailable`.
fn is_unavailable(reply: &Reply) -> bool {
    reply.status == 503 && reply.json()["verdict"] == "unavailable"
}

/// A request of a key that passes or is refused with `unavailable`; whether it passed.
#[track_caller]
fn passed(server: &Server, raw: &str) -> bool {
    let reply = server.get("/x", raw);
    assert!(reply.status == 200 || is_unavailable(&reply), "{reply:?}");
    reply.status == 200
}

#[test]
fn while_another_program_locks_the_database_hot_checks_go_on_and_changes_are_refused() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({ "plan": "steady" }));
    let (hot, cold) = (text(&stage.key(&account, json!({}))["key"]), text(&stage.key(&account, json!({}))["key"]));
    let doomed = stage.key(&account, json!({}));
    let daily = stage.raw_key("daily");
    assert!(passed(&stage.server, &hot) && passed(&stage.server, &daily));
    let other = Connection::open(stage.folder.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let changes = [
            scope.spawn(|| stage.post("/keys", &json!({ "account": account, "name": "x" }))),
            scope.spawn(|| stage.delete(&format!("/keys/{}", doomed["id"].as_str().unwrap()))),
            scope.spawn(|| stage.patch(&format!("/accounts/{account}"), &json!({ "disabled": true }))),
            scope.spawn(|| stage.get("/ready")),
        ];
        let counted = scope.spawn(|| (0..400).take_while(|_| passed(&stage.server, &daily)).count());
        let began = Instant::now();
        while changes.iter().any(|change| !change.is_finished()) {
            stage.server.get("/x", &hot).expect(200);
            stage.server.get("/x", &cold).expect(200);
            assert!(began.elapsed() < Duration::from_secs(30), "the changes wait for ever");
        }
        for change in changes {
            change.join().unwrap().expect(503);
        }
        stage.get("/health").expect(200);
        assert!(counted.join().unwrap() < 400, "what is not written off does not pass");
    });
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    eventually("it is ready again", || (stage.get("/ready").status == 200).then_some(()));
    stage.server.get("/x", &hot).expect(200);
    stage.server.get("/x", &daily).expect(200);
    stage.server.get("/x", doomed["key"].as_str().unwrap()).expect(200);
    stage.delete(&format!("/keys/{}", doomed["id"].as_str().unwrap())).expect(204);
    stage.server.get("/x", doomed["key"].as_str().unwrap()).expect(401);
}

/// A small disk of its own: a file system in memory, in a mount namespace that ends with this.
struct Disk {
    holder: Child,
    place: tempfile::TempDir,
}

impl Disk {
    /// `None` where this kernel lets nobody but a real root mount, and says so: the same tests run with a bound on files then.
    fn new(kib: u32) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let script = format!("mount -t tmpfs -o size={kib}k tmpfs '{}' && echo mounted && exec sleep 600", place.path().display());
        let users: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
        let mut holder = Command::new("unshare")
            .args(users)
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let disk = Self { holder, place };
        if line.trim() == "mounted" {
            return Some(disk);
        }
        eprintln!("no file system may be mounted here, so a full disk is a bound on the size of files");
        None
    }

    /// A file of the disk, as those inside call it.
    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The same as we reach it.
    fn outside(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.path(name).strip_prefix("/").unwrap())
    }

    /// A command that sees the disk.
    fn command(&self, command: &Command) -> Command {
        let holder = self.holder.id().to_string();
        let users: &[&str] = if is_root() { &[] } else { &["--user", "--preserve-credentials"] };
        run_by(&[&["nsenter", "--target", &holder, "--mount"], users, &["--"]].concat(), command)
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.outside("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.outside("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// What the disk holds before it is full: keys of both plans, one of them revoked.
struct Written {
    token: String,
    account: String,
    daily: String,
    steady: String,
    revoked: String,
    doomed: serde_json::Value,
}

fn write_before(folder: &Folder) -> Written {
    let account = folder.account(&["--plan", "daily"]);
    let revoked = folder.key(&account, &[]);
    folder.json(&["key", "revoke", revoked["id"].as_str().unwrap()]);
    let token = folder.json(&["token", "create", "--scope", "admin"]);
    Written {
        token: text(&token["token"]),
        daily: text(&folder.key(&account, &[])["key"]),
        steady: text(&folder.key(&account, &["--plan", "steady"])["key"]),
        revoked: text(&revoked["key"]),
        doomed: folder.key(&account, &["--plan", "steady"]),
        account,
    }
}

/// Serves while the disk fills and is freed again.
fn serve_through_a_full_disk(server: &Server, written: &Written, fill: impl FnOnce(), free: impl FnOnce()) -> usize {
    let admin = |request: Request| server.send(&request.bearer(&written.token));
    let make = || admin(Request::post("/auth/v1/keys", &json!({ "account": written.account, "name": "late", "plan": "steady" })));
    let revoke = || admin(Request::new("DELETE", &format!("/auth/v1/keys/{}", written.doomed["id"].as_str().unwrap())));
    let mut passes = usize::from(passed(server, &written.daily));
    assert!(passed(server, &written.steady));
    fill();
    // Until the last byte is gone something may still be written.
    let mut made = Vec::new();
    let refused = eventually("nothing can be written any more", || {
        let reply = make();
        if reply.status == 201 {
            made.push(text(&reply.json()["key"]));
        }
        (reply.status != 201).then_some(reply)
    });
    refused.expect(503);
    // What is written off already may still be handed out, and not one request more.
    passes += (0..400).take_while(|_| passed(server, &written.daily)).count();
    assert!(passes < 400, "what cannot be counted does not pass");
    for _ in 0..20 {
        passes += usize::from(passed(server, &written.daily));
        passed(server, &written.steady);
        make().expect(503);
        revoke().expect(503);
        assert_eq!(server.get("/x", &written.revoked).expect(401).json()["verdict"], "revoked");
    }
    admin(Request::get("/auth/v1/health")).expect(200);
    admin(Request::get("/auth/v1/ready")).expect(503);
    assert!(made.iter().all(|raw| passed(server, raw)), "acknowledged keys stay");
    free();
    eventually("it is ready again", || (admin(Request::get("/auth/v1/ready")).status == 200).then_some(()));
    made.push(text(&make().expect(201).json()["key"]));
    revoke().expect(204);
    for raw in &made {
        server.get("/x", raw).expect(200);
    }
    for raw in [&written.revoked, &text(&written.doomed["key"])] {
        assert_eq!(server.get("/x", raw).expect(401).json()["verdict"], "revoked");
    }
    server.get("/x", &written.daily).expect(200);
    passes + 1
}

/// After the restart all is as it was acknowledged, and of the 400 no more have passed in all.
fn check_after(server: &Server, written: &Written, before: usize) {
    server.get("/x", &written.steady).expect(200);
    server.get("/x", &written.revoked).expect(401);
    server.get("/x", &text(&written.doomed["key"])).expect(401);
    let rest = (0..=400).take_while(|_| server.get("/x", &written.daily).status == 200).count();
    assert_eq!(before + rest, 400, "a clean stop gives back what was not handed out");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let Some(disk) = Disk::new(16 * 1024) else { return a_bound_on_files_refuses_and_loses_nothing() };
    let folder = Folder::with(PLANS);
    let written = write_before(&folder);
    fold_in(&folder.database());
    std::fs::copy(folder.database(), disk.outside("tollgate.db")).unwrap();
    let (config, database) = (folder.path("auth.toml"), disk.path("tollgate.db"));
    let serve = || {
        let mut command = folder.command(&["serve", "--json"]);
        command.env("TOLLGATE_CONFIG", &config).env("TOLLGATE_SERVER__DATABASE", &database);
        Server::start(disk.command(&command))
    };
    let server = serve();
    let passes = serve_through_a_full_disk(&server, &written, || disk.fill(), || disk.free());
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("disk is full"), "the log says why: {log}");
    check_after(&serve(), &written, passes);
}

#[test]
fn a_bound_on_files_refuses_and_loses_nothing() {
    let folder = Folder::with(PLANS);
    let written = write_before(&folder);
    // Whoever sets such a bound ignores its signal, or is killed by it.
    let bounded = run_by(&["bash", "-c", "trap '' XFSZ; exec \"$@\"", "bash"], &folder.command(&["serve", "--json"]));
    let server = Server::start(bounded);
    let bound = |bytes: &str| {
        let pid = server.pid().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().expect("prlimit runs");
        assert!(done.success());
    };
    let size = std::fs::metadata(folder.path("tollgate.db-wal")).unwrap().len();
    let passes = serve_through_a_full_disk(&server, &written, || bound(&size.to_string()), || bound("unlimited"));
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    check_after(&folder.serve(), &written, passes);
}

#[test]
fn a_disk_that_is_full_already_is_told() {
    let folder = Folder::with(PLANS);
    make_database(&folder.database());
    let before = bytes_of(&folder.database());
    if let Some(disk) = Disk::new(4 * 1024) {
        std::fs::copy(folder.database(), disk.outside("old.db")).unwrap();
        disk.fill();
        for (name, arguments) in [("old.db", &["serve"][..]), ("new.db", &["serve"]), ("new.db", &["account", "create", "--name", "x"])] {
            let mut command = folder.command(arguments);
            command.env("TOLLGATE_SERVER__DATABASE", disk.path(name));
            told_in_one_sentence(&disk.command(&command).output().unwrap(), &disk.path(name), "disk is full");
        }
        assert_eq!(bytes_of(&disk.outside("old.db")), before);
        disk.free();
        let mut command = folder.command(&["account", "create", "--name", "x"]);
        command.env("TOLLGATE_SERVER__DATABASE", disk.path("new.db"));
        let output = disk.command(&command).output().unwrap();
        assert!(output.status.success(), "what a failed start left behind is no obstacle: {output:?}");
    }
    let bounded = |arguments: &[&str]| {
        let command = run_by(&["bash", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "bash"], &folder.command(arguments));
        { command }.output().unwrap()
    };
    for arguments in [&["serve"][..], &["account", "create", "--name", "x"]] {
        told_in_one_sentence(&bounded(arguments), Path::new("tollgate.db"), "disk");
        assert_eq!(bytes_of(&folder.database()), before);
    }
}
