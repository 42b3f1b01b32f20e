//! `tollgate backup` and `tollgate restore`: copies that are whole or not there, made while the server works, and databases made
//! of them.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Folder, Raise, Request, Server, Stage, eventually};

const PLANS: &str = r#"
[[plans]]
name = "wide"
default = true
unlimited = true

[[plans]]
name = "daily"
limits = [{ requests = 400, per = "month" }]
"#;

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Asserts that a command failed with one sentence in which these words are.
#[track_caller]
fn refused(output: &Output, says: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let sentences: Vec<&str> = told.lines().filter(|line| line.contains("error:")).collect();
    assert!(sentences.len() == 1 && sentences[0].contains(says), "'{says}': {told}");
    assert!(!told.contains("panicked") && output.stdout.is_empty(), "{output:?}");
}

/// Everything in a folder, by name.
fn files(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path("")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Moves a database away, with what belongs to it.
fn lose(folder: &Folder) {
    for side in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{side}", folder.database().display()));
    }
}

/// Grows a database by many rows, so that a copy takes a while.
fn grow(database: &Path, rows: i64) {
    let connection = Connection::open(database).unwrap();
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO usage (account, key, hour, verdict, count) SELECT printf('acc_%026d', i % 100), printf('key_%026d', i), 1700000000000 / 3600000 * 3600000, 'ok', i FROM n";
    connection.execute(sql, [rows]).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

fn count(database: &Path, table: &str) -> i64 {
    let connection = Connection::open(database).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

// Copies.

#[test]
fn a_copy_is_made_whether_or_not_a_server_runs() {
    for is_running in [false, true] {
        let folder = Folder::with(PLANS);
        let key = folder.key(&folder.account(&[]), &[]);
        let server = is_running.then(|| folder.serve());
        let told = folder.json(&["backup", "copy.db"]);
        assert_eq!(told["file"], folder.path("copy.db").canonicalize().unwrap().display().to_string());
        assert_eq!((&told["rows"]["accounts"], &told["rows"]["keys"]), (&json!(1), &json!(1)), "{told}");
        assert_eq!(
            (mode(&folder.path("copy.db")), told["bytes"].as_u64()),
            (0o600, Some(folder.path("copy.db").metadata().unwrap().len()))
        );
        let made: Vec<String> = files(&folder).into_iter().filter(|name| name.starts_with("copy.db")).collect();
        assert_eq!(made, ["copy.db", "copy.db.secret"]);
        // It can be read where nothing can be written.
        let copy = Connection::open(format!("file:{}?mode=ro", folder.path("copy.db").display())).unwrap();
        assert_eq!(copy.query_row("SELECT id FROM keys", [], |row| row.get::<_, String>(0)).unwrap(), text(&key["id"]));
        assert_eq!(copy.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).unwrap(), "delete");
        // The audit tells of it.
        let audit = folder.json(&["audit", "--action", "database.backed_up"]);
        assert_eq!(audit["data"][0]["after"], json!({ "file": told["file"], "bytes": told["bytes"] }), "{audit}");
        drop(server);
    }
}

#[test]
fn what_a_copy_would_replace_stays() {
    let folder = Folder::with(PLANS);
    folder.account(&[]);
    std::fs::write(folder.path("notes"), "mine").unwrap();
    std::fs::create_dir(folder.path("place")).unwrap();
    std::os::unix::fs::symlink("tollgate.db", folder.path("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path("dangling")).unwrap();
    done(&folder.run(&["backup", "old.db"]));
    let before = std::fs::read(folder.path("old.db")).unwrap();
    folder.account(&[]);
    for (file, force, says) in [
        ("old.db", false, "--force"),
        ("notes", false, "name another"),
        ("notes", true, "no tollgate database"),
        ("place", false, "folder"),
        ("place", true, "folder"),
        ("tollgate.db", false, "the database itself"),
        ("tollgate.db", true, "the database itself"),
        ("link", true, "the database itself"),
        ("dangling", false, "already"),
        ("dangling", true, "not replaced"),
        ("missing/copy.db", false, "folder does not exist"),
    ] {
        let names = files(&folder);
        refused(&folder.run(&[&["backup", file][..], if force { &["--force"][..] } else { &[] }].concat()), says);
        assert_eq!(files(&folder), names, "{file}");
    }
    assert_eq!(std::fs::read(folder.path("old.db")).unwrap(), before);
    done(&folder.run(&["backup", "old.db", "--force"]));
    assert_eq!(count(&folder.path("old.db"), "accounts"), 2);
    assert_eq!(std::fs::read_to_string(folder.path("notes")).unwrap(), "mine");
    let empty = Folder::with(PLANS);
    refused(&empty.run(&["backup", "copy.db"]), "no database");
    assert_eq!(files(&empty), ["auth.toml"], "nothing is made");
}

#[test]
fn the_server_goes_on_while_it_is_copied_and_the_copy_is_of_one_moment() {
    let folder = Folder::with(PLANS);
    let account = folder.account(&["--balance", "1000000"]);
    grow(&folder.database(), 100_000);
    let raw = text(&folder.key(&account, &[])["key"]);
    let stage = Stage::of(folder);
    let (is_over, passes) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let raise = Raise(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    stage.server.get("/x", &raw).expect(200);
                    passes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Each key is made with its entry of the audit, in one transaction: a copy that has one without the other is torn.
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                stage.key(&account, json!({}));
            }
        });
        for round in 0..2 {
            let (before, file) = (passes.load(Ordering::Relaxed), format!("copy{round}.db"));
            let told = stage.folder.json(&["backup", &file]);
            assert!(passes.load(Ordering::Relaxed) > before, "requests pass meanwhile");
            let copy = Connection::open(stage.folder.path(&file)).unwrap();
            let sql = "SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM audit WHERE action = 'key.created')";
            let (keys, entries): (i64, i64) = copy.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!((told["rows"]["keys"].as_i64(), keys), (Some(keys), entries));
        }
        drop(raise);
    });
    // With nobody reading it, the log of changes is folded in again, and stays within its bound.
    let log = stage.folder.path("tollgate.db-wal");
    eventually("the log is short again", || {
        stage.account(json!({}));
        (log.metadata().unwrap().len() <= 65 << 20).then_some(())
    });
}

/// A command that is killed, or told to end, as soon as its half copy is there.
fn interrupted(folder: &Folder, arguments: &[&str], part: &Path, signal: &str) -> Output {
    let child = folder.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the copy is begun", || part.metadata().is_ok_and(|part| part.len() > 0).then_some(()));
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    child.wait_with_output().unwrap()
}

#[test]
fn a_copy_that_is_cut_short_leaves_nothing_under_its_name() {
    let folder = Folder::with(PLANS);
    folder.account(&[]);
    grow(&folder.database(), 250_000);
    let (file, part) = (folder.path("copy.db"), folder.path("copy.db.part"));
    for signal in ["-TERM", "-INT"] {
        let output = interrupted(&folder, &["backup", "copy.db"], &part, signal);
        refused(&output, "stopped");
        assert!(!file.exists() && !part.exists(), "{:?}", files(&folder));
    }
    let output = interrupted(&folder, &["backup", "copy.db"], &part, "-KILL");
    assert_eq!(output.status.code(), None);
    assert!(!file.exists() && part.exists() && mode(&part) == 0o600);
    // Half a copy is no copy, and no obstacle to the next one.
    done(&folder.run(&["backup", "copy.db"]));
    assert_eq!(count(&file, "usage"), 250_000);
    assert!(!part.exists(), "{:?}", files(&folder));
}

#[test]
fn a_full_disk_is_told_and_no_half_copy_stays() {
    let folder = Folder::with(PLANS);
    folder.account(&[]);
    grow(&folder.database(), 30_000);
    let bounded = |arguments: &[&str]| {
        // Whoever sets such a bound ignores its signal, or is killed by it.
        let command = folder.command(arguments);
        let mut bounded = Command::new("bash");
        bounded.args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$@\"", "bash"]).arg(command.get_program()).args(command.get_args());
        bounded.current_dir(folder.path("")).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        bounded.output().unwrap()
    };
    refused(&bounded(&["backup", "copy.db"]), "was not made");
    assert!(!files(&folder).iter().any(|name| name.starts_with("copy")), "{:?}", files(&folder));
    done(&folder.run(&["backup", "copy.db"]));
    std::fs::rename(folder.database(), folder.path("lost.db")).unwrap();
    lose(&folder);
    refused(&bounded(&["restore", "copy.db"]), "nothing was restored");
    assert!(!folder.database().exists() && !folder.path("tollgate.db.part").exists(), "{:?}", files(&folder));
    done(&folder.run(&["restore", "copy.db"]));
}

// Databases made of copies.

/// How often a key passes, up to `most` times.
fn passes(server: &Server, raw: &str, most: usize) -> usize {
    (0..most).take_while(|_| server.get("/x", raw).status == 200).count()
}

#[test]
fn after_restore_the_old_keys_pass_with_the_old_quotas() {
    let folder = Folder::with(PLANS);
    let account = folder.account(&["--balance", "70"]);
    let (kept, revoked) = (folder.key(&account, &["--plan", "daily"]), folder.key(&account, &[]));
    let revoked_before = folder.key(&account, &[]);
    folder.json(&["key", "revoke", &text(&revoked_before["id"])]);
    let server = folder.serve();
    assert_eq!(passes(&server, &text(&kept["key"]), 150), 150);
    done(&folder.run(&["backup", "copy.db"]));
    // What happens now is gone afterwards.
    assert_eq!(passes(&server, &text(&kept["key"]), 50), 50);
    folder.json(&["key", "revoke", &text(&revoked["id"])]);
    let late = folder.key(&account, &[]);
    folder.json(&["account", "set", &account, "--balance", "5"]);
    server.get("/x", &text(&revoked["key"])).expect(401);
    server.stop();
    lose(&folder);
    let told = done(&folder.run(&["restore", "copy.db"]));
    assert!(told.contains("PASS AGAIN") && told.contains("Next:"), "{told}");
    assert_eq!(mode(&folder.database()), 0o600);
    let audit = folder.json(&["audit", "--action", "database.restored"]);
    assert_eq!(audit["data"][0]["after"]["file"], folder.path("copy.db").canonicalize().unwrap().display().to_string(), "{audit}");
    let server = folder.serve();
    server.get("/x", &text(&revoked["key"])).expect(200);
    for gone in [&late, &revoked_before] {
        server.get("/x", &text(&gone["key"])).expect(401);
    }
    assert_eq!(folder.json(&["account", "show", &account])["balance"], 70);
    // Of the 400 no more than are left of them when it was copied; a server that is copied while it runs has a little open.
    let left = passes(&server, &text(&kept["key"]), 400);
    assert!((240..=250).contains(&left), "{left} of 250 passed");
}

#[test]
fn a_database_is_never_replaced() {
    let folder = Folder::with(PLANS);
    folder.account(&[]);
    done(&folder.run(&["backup", "copy.db"]));
    let before = std::fs::read(folder.database()).unwrap();
    refused(&folder.run(&["restore", "copy.db"]), "is not replaced");
    assert_eq!(std::fs::read(folder.database()).unwrap(), before);
    let server = folder.serve();
    refused(&folder.run(&["restore", "copy.db"]), "is not replaced");
    // Its file is gone, and the server still has it.
    lose(&folder);
    refused(&folder.run(&["restore", "copy.db"]), "a server runs");
    assert!(!folder.database().exists());
    server.kill();
    for side in ["-wal", "-shm", "-journal", ".import", ".import.new"] {
        let path = PathBuf::from(format!("{}{side}", folder.database().display()));
        std::fs::write(&path, "").unwrap();
        refused(&folder.run(&["restore", "copy.db"]), side);
        assert!(path.exists() && !folder.database().exists());
        std::fs::remove_file(path).unwrap();
    }
    done(&folder.run(&["restore", "copy.db"]));
    assert_eq!(count(&folder.database(), "accounts"), 1);
}

fn spoil(copy: &Path, sql: &str) {
    Connection::open(copy).unwrap().execute_batch(sql).unwrap();
}

fn cut(copy: &Path, part: impl Fn(usize) -> usize) {
    let length = std::fs::metadata(copy).unwrap().len() as usize;
    std::fs::File::options().write(true).open(copy).unwrap().set_len(part(length) as u64).unwrap();
}

/// How a copy is spoilt, and what is said of it.
type Spoilt = (&'static str, fn(&Path), &'static str);

const SPOILT: [Spoilt; 14] = [
    ("it is not there", |copy| std::fs::remove_file(copy).unwrap(), "no such file"),
    ("it is empty", |copy| cut(copy, |_| 0), "nothing in it"),
    ("it is cut within its head", |copy| cut(copy, |_| 50), ""),
    ("it is cut after its first page", |copy| cut(copy, |_| 4096), ""),
    ("its last page is missing", |copy| cut(copy, |length| length - 4096), ""),
    ("it is cut in the middle of a page", |copy| cut(copy, |length| length / 2 + 100), ""),
    (
        "a page of it is garbage",
        |copy| {
            let mut bytes = std::fs::read(copy).unwrap();
            bytes[8192..12288].fill(0xAA);
            std::fs::write(copy, bytes).unwrap();
        },
        "",
    ),
    (
        "it is encrypted",
        |copy| std::fs::write(copy, (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>()).unwrap(),
        "not an SQLite database",
    ),
    ("it is of a newer tollgate", |copy| spoil(copy, "PRAGMA user_version = 9999"), "newer"),
    ("it is another program's", |copy| spoil(copy, "PRAGMA application_id = 5"), "another program"),
    (
        "its rows do not belong together",
        |copy| spoil(copy, "PRAGMA foreign_keys = off; UPDATE keys SET account = 'acc_nobody'"),
        "belongs to none",
    ),
    (
        "it is a folder",
        |copy| {
            std::fs::remove_file(copy).unwrap();
            std::fs::create_dir(copy).unwrap();
        },
        "not a file",
    ),
    (
        "it is a pipe",
        |copy| {
            std::fs::remove_file(copy).unwrap();
            assert!(Command::new("mkfifo").arg(copy).status().unwrap().success());
            assert!(copy.metadata().unwrap().file_type().is_fifo());
        },
        "not a file",
    ),
    ("it has a log beside it", |copy| std::fs::write(format!("{}-wal", copy.display()), "changes").unwrap(), "a database in use"),
];

#[test]
fn a_spoilt_copy_is_told_and_nothing_is_made_of_it() {
    let folder = Folder::with(PLANS);
    folder.key(&folder.account(&[]), &[]);
    let copy = folder.path("copy.db");
    done(&folder.run(&["backup", "copy.db"]));
    let sound = std::fs::read(&copy).unwrap();
    for (what, spoil, says) in SPOILT {
        let fresh = Folder::with(PLANS);
        let copy = fresh.path("copy.db");
        std::fs::write(&copy, &sound).unwrap();
        spoil(&copy);
        let names = files(&fresh);
        println!("{what}");
        let output = fresh.run(&["restore", "copy.db"]);
        refused(&output, says);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("copy.db") && !told.contains("[server]") && !told.contains("restore a backup"), "{told}");
        assert_eq!(files(&fresh), names, "{what}");
    }
}

#[test]
fn a_restore_that_is_killed_leaves_no_half_database() {
    let folder = Folder::with(PLANS);
    folder.account(&[]);
    grow(&folder.database(), 250_000);
    done(&folder.run(&["backup", "copy.db"]));
    lose(&folder);
    let part = folder.path("tollgate.db.part");
    for _ in 0..3 {
        interrupted(&folder, &["restore", "copy.db"], &part, "-KILL");
        assert!(!folder.database().exists());
    }
    done(&folder.run(&["restore", "copy.db"]));
    assert_eq!(count(&folder.database(), "usage"), 250_000);
    assert!(!part.exists());
    let server = folder.serve();
    assert_eq!(server.send(&Request::get("/auth/v1/ready")).status, 200);
}

/// What lies in the way, and how it comes there; beside it is a file that must stay as it is.
type Way = (&'static str, fn(&Path, &Path));

#[test]
fn what_lies_in_the_way_of_a_copy_is_not_touched() {
    let folder = Folder::with(PLANS);
    folder.account(&[]);
    let (part, precious) = (folder.path("copy.db.part"), folder.path("precious"));
    std::fs::write(&precious, "mine").unwrap();
    let ways: [Way; 4] = [
        ("a link to a file", |precious, part| std::os::unix::fs::symlink(precious, part).unwrap()),
        ("a link to nothing", |_, part| std::os::unix::fs::symlink("nowhere", part).unwrap()),
        ("another name of a file", |precious, part| std::fs::hard_link(precious, part).unwrap()),
        ("a pipe", |_, part| assert!(Command::new("mkfifo").arg(part).status().unwrap().success())),
    ];
    for (what, lay) in ways {
        println!("{what}");
        lay(&precious, &part);
        refused(&folder.run(&["backup", "copy.db"]), "in the way");
        assert!(part.symlink_metadata().is_ok() && !folder.path("nowhere").exists());
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
        std::fs::remove_file(&part).unwrap();
    }
    // Only who may do anything can give a file away.
    std::fs::write(&part, "theirs").unwrap();
    if std::os::unix::fs::chown(&part, Some(4711), None).is_ok() {
        refused(&folder.run(&["backup", "copy.db"]), "in the way");
        assert_eq!(std::fs::read_to_string(&part).unwrap(), "theirs");
    }
}

#[test]
fn only_one_copy_of_a_name_is_made_at_a_time() {
    let folder = Folder::with(PLANS);
    folder.account(&[]);
    grow(&folder.database(), 250_000);
    let part = folder.path("copy.db.part");
    let first = folder.command(&["backup", "copy.db", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the copy is begun", || part.metadata().is_ok_and(|part| part.len() > 0).then_some(()));
    refused(&folder.run(&["backup", "copy.db"]), "another command is making");
    let told: Value = serde_json::from_slice(&first.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(told["rows"]["usage"], 250_000);
}

#[test]
fn the_databases_own_names_are_no_names_for_a_copy() {
    let folder = Folder::new();
    folder.account(&[]);
    let before = files(&folder);
    for side in ["-wal", "-shm", "-journal", ".lock", ".sock", ".import", ".import.new"] {
        refused(&folder.run(&["backup", &format!("tollgate.db{side}")]), "own files");
    }
    assert_eq!(files(&folder), before);
    done(&folder.run(&["backup", "tollgate.db.2026-11-21"]));
}

#[test]
fn a_database_that_somebody_altered_is_used_by_nobody() {
    let never = "CREATE TRIGGER never AFTER UPDATE ON keys WHEN NEW.revoked_at IS NOT NULL BEGIN UPDATE keys SET revoked_at = NULL; END";
    let cases = [
        (never, "trigger never"),
        ("DROP TRIGGER audit_never_changes", "trigger audit_never_changes"),
        ("DROP INDEX keys_of_account", "index keys_of_account"),
        ("CREATE VIEW seen AS SELECT 1", "view seen"),
    ];
    for (sql, what) in cases {
        let folder = Folder::new();
        folder.account(&[]);
        let copy = folder.path("copy.db");
        done(&folder.run(&["backup", "copy.db"]));
        spoil(&copy, sql);
        lose(&folder);
        refused(&folder.run(&["restore", "copy.db"]), what);
        std::fs::copy(&copy, folder.database()).unwrap();
        refused(&folder.run(&["account", "list"]), what);
    }
    // Somebody's own index does no harm.
    let folder = Folder::new();
    folder.account(&[]);
    spoil(&folder.database(), "CREATE INDEX mine ON accounts (name)");
    folder.json(&["account", "list"]);
}
