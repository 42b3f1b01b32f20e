//! This machine and the server on it: fit, and unfit in one way each.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Told, expect_taken_back};
use crate::support::server::text;
use crate::support::{Folder, Stage, eventually};

fn chmod(folder: &Folder, name: &str, mode: u32) {
    std::fs::set_permissions(folder.path(name), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_fresh_folder_is_fit_and_so_is_one_that_was_looked_at_before() {
    let folder = Folder::new();
    for outcome in ["warning", "ok"] {
        let told = Told::of(&folder, &[]);
        told.expect_fit();
        let check = told.check("database");
        assert_eq!(check["outcome"], outcome, "{check:#}");
        assert!(text(&check["detail"]).contains("tollgate.db"), "{check:#}");
        assert_eq!(text(&check["detail"]).contains("was made just now"), outcome == "warning", "{check:#}");
        assert_eq!(told.document["server"], "booted");
        for name in ["config", "disk", "database", "files", "clock", "open_files", "server", "round_trip", "left_behind"] {
            told.check(name);
        }
    }
    expect_taken_back(&folder);
    let keys = folder.json(&["key", "list"]);
    assert_eq!(keys["data"].as_array().unwrap().len(), 2, "one for each visit: {keys:#}");
}

#[test]
fn a_running_server_is_looked_at_itself_and_goes_on() {
    let stage = Stage::with("");
    let (key, server) = (stage.raw_key("free"), &stage.server);
    let told = Told::of(&stage.folder, &[]);
    told.expect_fit();
    assert_eq!(told.document["server"], "running");
    assert!(text(&told.check("server")["detail"]).contains(&server.address), "{:#}", told.document);
    expect_taken_back(&stage.folder);
    server.get("/x", &key).expect(200);
    let (code, log) = stage.server.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("tg_live_"), "{log}");
}

#[test]
fn it_works_however_the_server_is_set() {
    for (what, config) in [
        ("another prefix", "[server]\nprefix = \"/own/gate\"\n"),
        ("HTTPS alone", "[server]\nrequire_https = true\n"),
        ("a header", "[keys]\ncarriers = [\"header:api-key\", \"bearer\"]\n"),
        ("a password", "[keys]\ncarriers = [\"basic:password\"]\n"),
        ("a query", "[keys]\ncarriers = [\"query:api_key\"]\n"),
        ("a socket", "[server]\nlisten = \"unix:gate.sock\"\n"),
        ("a balance", "[[plans]]\nname = \"paid\"\nneeds_balance = true\nlimits = [{ requests = 1, per = \"day\" }]\n"),
        ("a plan that may not call", "[[plans]]\nname = \"none\"\napi = false\ndefault = true\n[[plans]]\nname = \"some\"\nlimits = []\n"),
        ("narrow scopes", "[keys]\ndefault_scopes = [\"sets:read\"]\n"),
        ("open paths", "[[routes]]\npath = \"/**\"\nopen = true\n"),
    ] {
        println!("{what}");
        let mut folder = Folder::with(config);
        if what == "a socket" {
            folder = folder.variable("TOLLGATE_SERVER__LISTEN", "unix:gate.sock");
        }
        let server = folder.serve();
        Told::of(&folder, &[]).expect_fit();
        expect_taken_back(&folder);
        let (_, log) = server.stop();
        assert!(!log.contains("tg_live_"), "{log}");
    }
}

#[test]
fn people_read_a_short_list_without_colours_in_a_pipe() {
    let folder = Folder::new();
    let output = folder.run(&["doctor"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("✓ round trip ") && printed.contains("\nFit"), "{printed}");
    assert!(!printed.contains('\u{1b}') && !printed.contains("tg_live_"), "{printed}");
    chmod(&folder, "tollgate.db", 0o666);
    let output = folder.run(&["doctor"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("✗ files ") && printed.contains("→ chmod 600 tollgate.db\n"), "{printed}");
    assert!(printed.trim_end().lines().last().unwrap().starts_with("Not fit: 1 failed"), "{printed}");
}

#[test]
fn wrong_use_and_wrong_configuration_end_with_two() {
    let folder = Folder::new();
    for wrong in [
        &["--through", "api.example.com"][..],
        &["--through", "ftp://127.0.0.1"],
        &["--through", "http://127.0.0.1/base"],
        &["--through", "http://me@127.0.0.1"],
        &["--through", "http://127.0.0.1", "--path", "x"],
        &["--through", "http://127.0.0.1", "--ca", "missing.pem"],
        &["--through", "https://127.0.0.1", "--ca", "missing.pem"],
        &["--through", "http://127.0.0.1", "--address", "here"],
        &["--path", "/x"],
        &["--ca", "x"],
    ] {
        let told = Told::of(&folder, wrong);
        assert_eq!(told.code, Some(2), "{wrong:?}: {:#}", told.document);
        assert!(told.document["error"]["detail"].is_string(), "{:#}", told.document);
    }
    let told = Told::of(&Folder::with("[server]\nprefix = \"nowhere\"\nprefx = \"/x\"\n"), &[]);
    assert_eq!(told.code, Some(2));
    assert_eq!(told.document["faults"].as_array().unwrap().len(), 2, "{:#}", told.document);
}

/// A machine that is broken in one way: what is done to a folder with a database in it, which check ends how, and what the
/// fix says.
type Broken = (&'static str, fn(&Folder), &'static str, &'static str, &'static str);

const BROKEN: [Broken; 13] = [
    ("anybody may write the database", |folder| chmod(folder, "tollgate.db", 0o666), "files", "failed", "chmod 600 tollgate.db"),
    ("its group may", |folder| chmod(folder, "tollgate.db", 0o660), "files", "failed", "chmod 600 tollgate.db"),
    ("anybody may take its lock", |folder| chmod(folder, "tollgate.db.lock", 0o602), "files", "failed", "chmod 600 tollgate.db.lock"),
    ("anybody may read it", |folder| chmod(folder, "tollgate.db", 0o644), "files", "warning", "chmod 600 tollgate.db"),
    ("anybody may put another in its place", |folder| chmod(folder, "", 0o777), "files", "failed", "chmod o-w ."),
    ("its group may add files", |folder| chmod(folder, "", 0o775), "files", "warning", "chmod go-w ."),
    ("anybody may change the configuration", |folder| chmod(folder, "auth.toml", 0o646), "config", "failed", "chmod o-w auth.toml"),
    (
        "a key stands in the configuration",
        |folder| {
            let key = folder.raw_key("free");
            std::fs::write(folder.path("auth.toml"), format!("# {key}\n")).unwrap();
            chmod(folder, "auth.toml", 0o644);
        },
        "config",
        "failed",
        "chmod 600 auth.toml",
    ),
    ("a record is of tomorrow", |folder| write_tomorrow(folder), "clock", "failed", "set-ntp"),
    (
        "a page of the database is torn that no request reads",
        |folder| {
            alter(folder, "CREATE TABLE unread (text TEXT); INSERT INTO unread VALUES ('x')");
            tear(folder, "unread");
        },
        "database",
        "failed",
        "restore a backup",
    ),
    ("the database is another program's", |folder| alter(folder, "PRAGMA application_id = 7"), "database", "failed", "mend"),
    ("the database is a newer tollgate's", |folder| alter(folder, "PRAGMA user_version = 99"), "database", "failed", "mend"),
    (
        "the app does not listen",
        |folder| {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            std::fs::write(folder.path("auth.toml"), format!("[upstream]\nurl = \"http://{free}\"\n")).unwrap();
        },
        "upstream",
        "failed",
        "[upstream] url",
    ),
];

fn alter(folder: &Folder, sql: &str) {
    Connection::open(folder.database()).unwrap().execute_batch(sql).unwrap();
}

/// A row whose id and time are of tomorrow, as a clock that was wrong would have left it.
fn write_tomorrow(folder: &Folder) {
    let connection = Connection::open(folder.database()).unwrap();
    let tomorrow = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64 + 86_400_000;
    connection.execute("INSERT INTO usage (hour, account, key, verdict, count) VALUES (?1, '', '', 'missing', 1)", [tomorrow]).unwrap();
}

/// Spoils the first page of a table.
fn tear(folder: &Folder, table: &str) {
    let connection = Connection::open(folder.database()).unwrap();
    let page: i64 = connection.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0)).unwrap();
    let size: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    connection.close().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(folder.database()).unwrap();
    file.write_all_at(&[0xAA; 512], ((page - 1) * size) as u64).unwrap();
}

#[test]
fn a_database_that_a_server_cannot_even_be_asked_about_is_read_all_the_same() {
    let folder = Folder::new();
    folder.account(&[]);
    tear(&folder, "accounts");
    let told = Told::of(&folder, &[]);
    told.expect_failed(&["database", "server"]);
    assert!(text(&told.check("database")["fix"]).contains("restore a backup"), "{:#}", told.document);
}

#[test]
fn each_fault_is_found_by_its_check_and_by_no_other() {
    for (what, spoil, name, outcome, fix) in BROKEN {
        let folder = Folder::with("");
        folder.account(&[]);
        chmod(&folder, "", 0o700);
        chmod(&folder, "auth.toml", 0o600);
        spoil(&folder);
        let told = Told::of(&folder, &[]);
        println!("{what}: {:#}", told.document);
        let check = told.check(name);
        assert_eq!(check["outcome"], outcome, "{what}: {check:#}");
        assert!(text(&check["fix"]).contains(fix), "{what}: {check:#}");
        if outcome == "failed" {
            told.expect_failed(&[name])
        } else {
            told.expect_fit()
        }
        chmod(&folder, "", 0o700);
    }
}

#[test]
fn what_is_wrong_with_the_files_of_a_running_server_is_found_too() {
    let stage = Stage::with("");
    Told::of(&stage.folder, &[]).expect_fit();
    for name in ["tollgate.db-wal", "tollgate.db.sock", "tollgate.db"] {
        chmod(&stage.folder, name, 0o606);
        let told = Told::of(&stage.folder, &[]);
        told.expect_failed(&["files"]);
        assert!(text(&told.check("files")["fix"]).contains(&format!("chmod 600 {name}")), "{:#}", told.document);
        chmod(&stage.folder, name, 0o600);
    }
}

#[test]
fn a_server_on_another_configuration_is_told_first_and_not_judged_by_this_one() {
    let stage = Stage::with("[upstream]\nurl = \"http://127.0.0.1:9\"\n");
    let expect_other = |told: &Told, detail: &str, differs: &str| {
        println!("{:#}", told.document);
        let first = &told.checks()[0];
        assert_eq!((&first["name"], &first["outcome"]), (&json!("server_config"), &json!("warning")), "{first:#}");
        assert!(text(&first["detail"]).contains(detail) && text(&first["detail"]).ends_with(differs), "{first:#}");
        assert!(text(&first["fix"]).contains("reload the server"), "{first:#}");
        assert_eq!(told.ended("not proven").into_iter().collect::<Vec<_>>(), ["proxy", "round_trip", "upstream"]);
        assert_eq!((told.code, told.ended("failed").len()), (Some(1), 0));
        told.expect_whole();
    };
    let with = |name: &str, value: &str| {
        Told::by(&stage.folder.command(&["doctor", "--json", "--through", "http://127.0.0.1:9"]).env(name, value).output().unwrap())
    };
    expect_other(&with("TOLLGATE_SERVER__MAX_CONNECTIONS", "77"), "has another configuration than auth.toml", "in [server]");
    std::fs::write(stage.folder.path("other.toml"), "[upstream]\nurl = \"http://127.0.0.1:8\"\n").unwrap();
    let told = Told::of(&stage.folder, &["--config", "other.toml", "--through", "http://127.0.0.1:9"]);
    expect_other(&told, "", "[upstream]");
    // Changed since: it holds from the next reload. What says the same changes nothing.
    std::fs::write(stage.folder.path("auth.toml"), "# the same\n[upstream]\nurl = 'http://127.0.0.1:9'\n").unwrap();
    Told::of(&stage.folder, &[]).expect_failed(&["upstream"]);
    std::fs::write(stage.folder.path("auth.toml"), "[[plans]]\nname = \"x\"\n[upstream]\nurl = 'http://127.0.0.1:9'\n").unwrap();
    expect_other(
        &Told::of(&stage.folder, &["--through", "http://127.0.0.1:9"]),
        "was changed after the server took its configuration",
        "[plans]",
    );
}

#[test]
fn an_embedded_gate_is_judged_without_a_listener_and_by_way_of_its_program() {
    let folder = Folder::with("[server]\ntrusted_proxies = []\n");
    let program = crate::embed::Embedded::start(&folder);
    let doctor = |more: &[&str]| {
        // The program was started without it.
        let mut command = folder.command(&[&["doctor", "--json"], more].concat());
        Told::by(&command.env_remove("TOLLGATE_SERVER__LISTEN").output().unwrap())
    };
    let told = doctor(&[]);
    told.expect_fit();
    assert_eq!(told.document["server"], "embedded");
    assert!(text(&told.check("server")["detail"]).contains("embedded in another program"), "{:#}", told.document);
    assert!(text(&told.check("round_trip")["detail"]).contains("refuses it once it is revoked"), "{:#}", told.document);
    let told = doctor(&["--through", &format!("http://{}", program.address)]);
    println!("{:#}", told.document);
    told.expect_fit();
    for name in ["proxy", "proxy_refusal", "proxy_forwarded", "proxy_address", "proxy_limits", "proxy_revocation"] {
        assert_eq!(told.check(name)["outcome"], "ok", "{:#}", told.document);
    }
    expect_taken_back(&folder);
}

#[test]
fn the_doctor_says_of_open_files_what_the_server_says() {
    for (config, fits) in
        [("", "936 connections at once and not 10000"), ("[upstream]\nurl = \"http://127.0.0.1:9\"\n", "468 connections at once")]
    {
        let folder = Folder::with(config);
        let own = folder.command(&["serve", "--json"]);
        let mut command = Command::new("prlimit");
        command.arg("--nofile=500:1000").arg("--").arg(own.get_program()).args(own.get_args());
        command.current_dir(folder.path("")).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let server = crate::support::Server::start(command);
        let told = Told::of(&folder, &[]);
        let detail = text(&told.check("open_files")["detail"]);
        assert!(detail.contains(fits), "{detail}");
        let (_, log) = server.stop();
        assert!(log.contains(&detail), "{detail}\n{log}");
    }
}

#[test]
fn few_open_files_are_told_with_what_they_are_enough_for() {
    let folder = Folder::new();
    let bounded = |files: u64| {
        let mut command = Command::new("prlimit");
        let own = folder.command(&["doctor", "--json"]);
        command.arg(format!("--nofile={files}")).arg("--").arg(own.get_program()).args(own.get_args());
        command.current_dir(folder.path("")).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Told::by(&command.output().expect("prlimit runs"))
    };
    let told = bounded(1000);
    told.expect_fit();
    assert!(text(&told.check("open_files")["fix"]).contains("max_connections = 936"), "{:#}", told.document);
    let told = bounded(100);
    told.expect_failed(&["open_files"]);
    assert!(text(&told.check("open_files")["fix"]).contains("LimitNOFILE=10064"), "{:#}", told.document);
}

#[test]
fn where_the_server_could_not_start_it_is_told_in_its_own_words() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    for (listen, words) in
        [(&*place, "another program listens there"), ("192.0.2.1:8080", "check [server] listen"), ("unix:file", "no socket")]
    {
        let folder = Folder::new().variable("TOLLGATE_SERVER__LISTEN", listen);
        std::fs::write(folder.path("file"), "").unwrap();
        let told = Told::of(&folder, &[]);
        println!("{listen}: {:#}", told.document);
        assert!(told.ended("failed").contains("server"));
        let detail = text(&told.check("server")["detail"]);
        assert!(detail.contains(words), "{detail}");
        assert!(!folder.database().exists(), "nothing was made");
        let log = String::from_utf8(folder.run(&["serve"]).stderr).unwrap();
        assert!(log.contains(&detail), "{detail}\n{log}");
    }
}

/// Who the tests run as.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The doctor as somebody who is not root.
fn as_nobody(folder: &Folder) -> Told {
    let binary = folder.path("tollgate");
    std::fs::copy(folder.command(&[]).get_program(), &binary).unwrap();
    let mut command = if is_root() { Command::new("setpriv") } else { Command::new(&binary) };
    if is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
    }
    command.args(["doctor", "--json"]).current_dir(folder.path("")).env_clear().env("TOLLGATE_SERVER__DATABASE", "place/tollgate.db");
    Told::by(&command.output().unwrap())
}

#[test]
fn a_folder_that_may_not_be_written_is_told_with_its_name() {
    let folder = Folder::new();
    chmod(&folder, "", 0o755);
    std::fs::create_dir(folder.path("place")).unwrap();
    chmod(&folder, "place", 0o555);
    let told = as_nobody(&folder);
    told.expect_failed(&["database", "disk"]);
    assert!(text(&told.check("disk")["fix"]).contains("make place writable"), "{:#}", told.document);
    assert_eq!(told.document["server"], Value::Null);
    chmod(&folder, "place", 0o755);
}

#[test]
fn root_makes_no_files_where_another_user_serves() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    chmod(&folder, "", 0o755);
    std::fs::create_dir(folder.path("place")).unwrap();
    std::os::unix::fs::chown(folder.path("place"), Some(65534), Some(65534)).unwrap();
    let own = folder.command(&["doctor", "--json"]);
    let mut command = Command::new(own.get_program());
    command.args(own.get_args()).current_dir(folder.path("")).env_clear().env("TOLLGATE_SERVER__DATABASE", "place/tollgate.db");
    let told = Told::by(&command.output().unwrap());
    told.expect_failed(&["database"]);
    assert!(text(&told.check("database")["detail"]).contains("sudo -u '#65534'"), "{:#}", told.document);
    assert_eq!(std::fs::read_dir(folder.path("place")).unwrap().count(), 0);
    as_nobody(&folder).expect_fit();
    // Nor does it ask root to take what is there.
    let told = Told::by(&command.output().unwrap());
    told.expect_failed(&["database"]);
    assert!(!told.document.to_string().contains("chown"), "{:#}", told.document);
    // What root did make there is to be given back.
    std::os::unix::fs::chown(folder.path("place/tollgate.db"), Some(0), Some(0)).unwrap();
    std::fs::File::create(folder.path("place/tollgate.db-wal")).unwrap();
    let told = Told::by(&command.output().unwrap());
    assert!(!told.document.to_string().contains("chown 0 "), "{:#}", told.document);
}

#[test]
fn two_doctors_do_not_get_into_each_others_way() {
    let folder = Folder::new();
    folder.account(&[]);
    let held = std::fs::File::create(folder.path("tollgate.db.doctor")).unwrap();
    held.lock().unwrap();
    let told = Told::of(&folder, &[]);
    assert_eq!(told.code, Some(1));
    assert!(text(&told.document["error"]["detail"]).contains("another doctor"), "{:#}", told.document);
    drop(held);
    // What a doctor that was killed left is no obstacle.
    Told::of(&folder, &[]).expect_fit();
}

#[test]
fn an_account_that_somebody_else_gave_that_name_is_left_alone() {
    let folder = Folder::new();
    let account = text(&folder.json(&["account", "create", "--name", "tollgate doctor"])["id"]);
    folder.key(&account, &[]);
    Told::of(&folder, &[]).expect_fit();
    assert_eq!(folder.json(&["account", "show", &account])["disabled"], false);
    assert_eq!(folder.json(&["account", "list"])["data"].as_array().unwrap().len(), 2);
}

#[test]
fn interrupted_it_still_takes_back_what_it_made() {
    // An app that accepts and never answers: the doctor waits for it when it has made a key.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let stage = Stage::with("");
    let url = format!("http://{}", silent.local_addr().unwrap());
    for signal in ["INT", "TERM"] {
        let mut command = stage.folder.command(&["doctor", "--json", "--through", &url]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (_connection, _) = silent.accept().unwrap();
        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        eventually("it ends", || child.try_wait().unwrap());
        let told = Told::by(&child.wait_with_output().unwrap());
        assert_eq!(told.code, Some(1));
        assert!(text(&told.document["error"]["detail"]).contains("interrupted"), "{:#}", told.document);
        expect_taken_back(&stage.folder);
    }
}

#[test]
fn nobody_but_the_operator_asks_for_the_state() {
    let stage = Stage::with("");
    let nothing = stage.get("/nothing").expect(404);
    let state = stage.get("/state").expect(404);
    assert_eq!(state.json()["detail"], nothing.json()["detail"]);
}

#[test]
fn the_probe_is_no_echo_for_others() {
    let stage = Stage::with("[server]\ntrusted_proxies = [\"127.0.0.9/32\"]\n");
    let trusting = Stage::with("");
    for stage in [&stage, &trusting] {
        let account = stage.account(json!({ "name": "tollgate doctor" }));
        let lasting = stage.key(&account, json!({ "name": "tollgate doctor" }));
        let other = stage.account(json!({}));
        let living = stage.key(&other, json!({ "name": "tollgate doctor", "expires_at": "10m" }));
        let revoked = stage.key(&account, json!({ "name": "tollgate doctor", "expires_at": "10m" }));
        stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
        let named = stage.key(&account, json!({ "name": "mine", "expires_at": "10m" }));
        let absent = json!({ "id": "key_01ARZ3NDEKTSV4RRFFQ69G5FAV" });
        for key in [&lasting, &living, &revoked, &named, &absent] {
            let asked = crate::support::Request::get("/auth/v1/probe").header("X-Auth-Key", &text(&key["id"]));
            let reply = stage.server.send(&asked).expect(404);
            assert!(!format!("{reply:?}").contains("x-auth"), "{reply:?}");
        }
        let good = stage.key(&account, json!({ "name": "tollgate doctor", "expires_at": "10m" }));
        let asked = crate::support::Request::get("/auth/v1/probe")
            .header("X-Auth-Key", &text(&good["id"]))
            .header("Authorization", &format!("Bearer {}", text(&good["key"])))
            .header("X-Forwarded-Uri", &format!("/x?key={}", text(&good["key"])));
        let reply = stage.server.send(&asked);
        assert!(!reply.body.contains(&text(&good["key"])), "{reply:?}");
        assert_eq!(reply.status, if std::ptr::eq(stage, &trusting) { 200 } else { 404 }, "{reply:?}");
        stage.server.send(&crate::support::Request::get("/auth/v1/probe")).expect(404);
    }
}
