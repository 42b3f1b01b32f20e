//! The command line: what it prints and where, how it ends, and that it works alike whether or not a server runs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::server::text;
use crate::support::{Folder, Raise, Request, eventually};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is text")
}

/// The words of a text: ids, keys and the like.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-:".contains(c))).filter(|word| !word.is_empty())
}

/// A text without what differs from one run to the next.
fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    // The longest first: a key before the prefix that it begins with.
    let mut longest: Vec<&str> = words(text).collect();
    longest.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in longest {
        let kind = ["acc_", "key_", "tok_", "req_", "tgs_", "tg_live_", "tg_test_"].into_iter().find(|kind| word.starts_with(kind));
        let is_time = word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
        let mask = if is_time { Some("TIME") } else { kind.filter(|kind| word.len() > kind.len() + 3) };
        if let Some(mask) = mask {
            masked = masked.replace(word, &format!("{mask:.<width$}", width = word.len()));
        }
    }
    masked
}

/// Runs lines of arguments one after the other. `$acc`, `$key` and `$tok` in a line are what was made last, and so is the raw key
/// on every stdin.
struct Shell<'a> {
    folder: &'a Folder,
    made: BTreeMap<&'static str, String>,
}

impl<'a> Shell<'a> {
    fn new(folder: &'a Folder) -> Self {
        Self { folder, made: BTreeMap::new() }
    }

    fn arguments(&self, line: &str) -> Vec<String> {
        let filled = self.made.iter().fold(line.to_owned(), |line, (name, value)| line.replace(&format!("${name}"), value));
        filled.split(' ').map(|word| word.replace("''", "")).collect()
    }

    fn run(&mut self, line: &str, more: &[&str]) -> Output {
        let arguments = self.arguments(line);
        let all: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let raw = self.made.get("raw").cloned().unwrap_or_default();
        let output = self.folder.run_with_input(&all, &raw);
        if output.status.success() && (line.contains(" create ") || line.contains(" rotate ")) {
            let printed = stdout(&output);
            for word in words(&printed) {
                let name = ["acc", "key", "tok"].into_iter().find(|name| word.starts_with(&format!("{name}_")) && word.len() > 20);
                let name = name.or((word.starts_with("tg_live_") && word.len() == 48).then_some("raw"));
                if let Some(name) = name {
                    self.made.insert(name, word.to_owned());
                }
            }
        }
        output
    }
}

/// A plan without limits, so that no answer tells a time that differs from run to run.
const UNLIMITED: &str = "[[plans]]\nname = \"free\"\ndefault = true\nunlimited = true\n\
    [[plans]]\nname = \"pro\"\nlimits = [{ requests = 600, per = \"minute\" }, { requests = 1000, per = \"month\" }]\n";

/// Every command that works on the database, and how it ends.
const STORY: [(&str, i32); 44] = [
    ("validate", 0),
    ("account list", 0),
    ("key list", 0),
    ("token list", 0),
    ("account create --name Ada --organization --plan pro --balance 5 --limit minute=7 --limit month=8", 0),
    ("account show $acc", 0),
    ("account set $acc --name Eve --plan free --limit minute= --limit month=9 --balance -3", 0),
    ("account set $acc --plan-until 2099-01-01", 0),
    ("account set $acc --plan-until ''", 0),
    ("account set $acc --disable", 0),
    ("account set $acc --enable", 0),
    ("account list", 0),
    ("account list --search ev", 0),
    ("account list --search nobody", 0),
    ("account show acc_01ARZ3NDEKTSV4RRFFQ69G5FAV", 1),
    ("account show nobody", 1),
    ("account set acc_01ARZ3NDEKTSV4RRFFQ69G5FAV --name x", 1),
    ("account create --name x --plan gold", 2),
    ("account create --name x --limit minutes=5", 2),
    ("account set $acc --plan-until yesterday", 2),
    ("key create --account $acc --name laptop --environment test --plan pro --scope a:b --scope c --ip 192.0.2.0/24 --limit minute=3", 0),
    ("key create --account $acc --name main --metadata {\"a\":1} --expires 2099-01-01", 0),
    ("key create --account acc_01ARZ3NDEKTSV4RRFFQ69G5FAV --name x", 1),
    ("key create --account $acc --name x --environment staging", 2),
    ("key create --account $acc --name x --ip everywhere", 2),
    ("key list", 0),
    ("key list --account $acc --search main", 0),
    ("key show $key", 0),
    ("key show key_01ARZ3NDEKTSV4RRFFQ69G5FAV", 1),
    ("key set $key --name first --scope sets:read --ip 192.0.2.7", 0),
    ("key set $key --expires 2098-01-01T00:00:00Z", 0),
    ("key verify - --path /x --method POST --ip 192.0.2.7", 0),
    ("key verify - --ip 198.51.100.1", 1),
    ("key set $key --disable", 0),
    ("key verify - --ip 192.0.2.7", 1),
    ("key set $key --enable", 0),
    ("key rotate $key --grace 0s", 0),
    ("key verify - --ip 192.0.2.7", 0),
    ("key revoke $key", 0),
    ("key revoke $key", 0),
    ("key rotate $key", 1),
    ("token create --scope verify --scope metrics --name app", 0),
    ("token list", 0),
    ("token revoke $tok", 0),
];

/// How each line of the story ended and what it printed.
fn told(folder: &Folder, more: &[&str]) -> Vec<(String, Option<i32>, String, String)> {
    let mut shell = Shell::new(folder);
    let run = |(line, _): &(&str, i32)| {
        let output = shell.run(line, more);
        (line.to_string(), output.status.code(), masked(&stdout(&output)), masked(&stderr(&output)))
    };
    STORY.iter().map(run).collect()
}

#[test]
fn each_command_prints_one_json_document_and_ends_as_it_should() {
    let folder = Folder::with(UNLIMITED);
    for ((line, expected), (_, code, printed, log)) in STORY.iter().zip(told(&folder, &["--json"])) {
        assert_eq!(code, Some(*expected), "{line}: {printed}{log}");
        let document: Value =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{line} printed no single document ({error}): {printed}"));
        let is_refusal = line.contains("verify");
        assert_eq!(document.get("error").is_some(), *expected != 0 && !is_refusal, "{line}: {document}");
        assert_eq!(log.contains("error:"), *expected != 0 && !is_refusal, "{line}: what went wrong is on stderr too: {log}");
    }
}

#[test]
fn for_people_there_are_tables_and_sentences() {
    let folder = Folder::with(UNLIMITED);
    for ((line, expected), (_, code, printed, log)) in STORY.iter().zip(told(&folder, &[])) {
        assert_eq!(code, Some(*expected), "{line}: {printed}{log}");
        assert!(serde_json::from_str::<Value>(&printed).is_err(), "{line} is for people: {printed}");
        assert!(!printed.contains('\u{1b}') && !log.contains('\u{1b}'), "{line}: no colours where there is no terminal");
        match expected {
            0 => assert!(!printed.trim().is_empty(), "{line} says something"),
            _ if line.contains("verify") => {}
            _ => {
                assert_eq!(printed, "", "{line} has no result");
                assert_eq!(log.lines().count(), 1, "{line} says in one sentence what went wrong: {log}");
            }
        }
    }
}

#[test]
fn with_a_server_and_without_one_the_results_are_the_same() {
    for more in [&["--json"][..], &[]] {
        let (without, with) = (Folder::with(UNLIMITED), Folder::with(UNLIMITED));
        let server = with.serve();
        for (own, served) in told(&without, more).into_iter().zip(told(&with, more)) {
            assert_eq!(own, served, "on the left without a server, on the right with one");
        }
        let (code, log) = server.stop();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn lists_are_tables_with_a_line_each() {
    let folder = Folder::with(UNLIMITED);
    let nothing = stdout(&folder.run(&["account", "list"]));
    assert!(nothing.contains("no accounts") && nothing.contains("tollgate account create"), "{nothing}");
    let account = folder.account(&["--plan", "pro", "--balance", "42"]);
    let key = folder.key(&account, &["--environment", "test"]);
    for (arguments, titles, cells) in [
        (["account", "list"], &["ID", "NAME", "KIND", "PLAN", "BALANCE"][..], &[account.as_str(), "tester", "personal", "pro", "42"][..]),
        (
            ["key", "list"],
            &["ID", "PREFIX", "NAME", "ACCOUNT", "ENVIRONMENT"],
            &[&text(&key["id"]), &text(&key["prefix"]), &account, "test"],
        ),
    ] {
        let printed = stdout(&folder.run(&arguments));
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), 2, "{printed}");
        assert!(titles.iter().all(|title| lines[0].contains(title)), "{printed}");
        assert!(cells.iter().all(|cell| lines[1].contains(cell)), "{printed}");
    }
    let raw = text(&key["key"]);
    for arguments in [&["key", "list"][..], &["key", "show", &text(&key["id"])], &["key", "list", "--json"], &["account", "show", &account]]
    {
        assert!(!stdout(&folder.run(arguments)).contains(&raw), "{arguments:?} shows a raw key");
    }
}

// Use and its faults.

#[test]
fn wrong_use_ends_with_two_and_says_how_it_is_used() {
    let folder = Folder::new();
    for (arguments, says) in [
        (&["acount"][..], "account"),
        (&["account"], "create"),
        (&["account", "create"], "--name"),
        (&["account", "show"], "<ID>"),
        (&["account", "create", "--name", "x", "--balance", "much"], "--balance"),
        (&["account", "create", "--name", "x", "--disable", "--enable"], "--enable"),
        (&["account", "create", "--name", "x", "--limit", "minute"], "NAME=N"),
        (&["account", "create", "--name", "x", "--limit", "minute=many"], "whole number"),
        (&["account", "create", "--name", "x", "--limit", "minute=1", "--limit", "minute=2"], "twice"),
        (&["key", "create", "--name", "x"], "--account"),
        (&["key", "create", "--account", "acc_1", "--name", "x", "--metadata", "{"], "--metadata"),
        (&["key", "rotate", "key_1", "--days", "7"], "--days"),
        (&["key", "verify"], "STDIN"),
        (&["token", "create"], "--scope"),
        (&["serve", "now"], "now"),
        (&["--jsn", "validate"], "--json"),
    ] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(says), "{arguments:?} does not say '{says}': {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    assert!(!folder.database().exists(), "wrong use makes nothing");
}

#[test]
fn help_has_examples() {
    let folder = Folder::new();
    for command in [
        &[][..],
        &["account", "create"],
        &["account", "set"],
        &["key", "create"],
        &["key", "set"],
        &["key", "verify"],
        &["token", "create"],
    ] {
        let output = folder.run(&[command, &["--help"]].concat());
        let help = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let example = format!("tollgate {}", command.join(" "));
        let examples = help.split_once("Example").map_or("", |(_, examples)| examples);
        assert!(examples.contains(example.trim_end()), "{command:?}: {help}");
    }
    let help = stdout(&folder.run(&["--help"]));
    for said in
        ["0 done", "1 failed", "2 wrong use", "serve", "validate", "account", "key", "token", "--json", "--config", "TOLLGATE_CONFIG"]
    {
        assert!(help.contains(said), "{said}: {help}");
    }
    let version = folder.run(&["--version"]);
    assert_eq!(stdout(&version).trim(), format!("tollgate {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_log_never_mixes_with_the_result() {
    let folder = Folder::new().variable("TOLLGATE_LOG", "trace");
    let output = folder.run(&["account", "create", "--name", "x", "--json"]);
    serde_json::from_slice::<Value>(&output.stdout).expect("one document");
    assert!(!output.stderr.is_empty(), "the log is on stderr");
    let mut server = folder.command(&["serve", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut reader = BufReader::new(server.stdout.take().unwrap());
    let mut printed = String::new();
    reader.read_line(&mut printed).unwrap();
    let address = text(&serde_json::from_str::<Value>(&printed).expect("one line, one document")["listening"]);
    Request::get("/x").send(address.trim_start_matches("http://")).expect(401);
    assert!(Command::new("kill").arg(server.id().to_string()).status().unwrap().success());
    reader.read_to_string(&mut printed).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    serde_json::from_str::<Value>(&printed).expect("and nothing follows it");
}

#[test]
fn quiet_prints_just_what_was_made() {
    let folder = Folder::new();
    let mut shell = Shell::new(&folder);
    shell.run("account create --name x", &[]);
    shell.run("key create --account $acc --name x", &[]);
    for (line, prefix, length) in [
        ("account create --name x", "acc_", 30),
        ("key create --account $acc --name x", "tg_live_", 48),
        ("key create --account $acc --name x --environment test", "tg_test_", 48),
        ("key rotate $key", "tg_live_", 48),
        ("token create --scope verify", "tgs_", 48),
    ] {
        for flag in ["--quiet", "-q"] {
            shell.run("key create --account $acc --name fresh", &[]);
            let output = shell.run(line, &[flag]);
            let printed = stdout(&output);
            let word = printed.strip_suffix('\n').unwrap_or_else(|| panic!("{line}: {output:?}"));
            assert!(word.starts_with(prefix) && word.len() == length && words(word).eq([word]), "{line}: {printed}");
            assert_eq!(stderr(&output), "", "{line}");
        }
    }
}

// Names that somebody else chose.

#[test]
fn control_characters_in_names_never_reach_the_terminal() {
    let folder = Folder::new();
    for name in ["\u{1b}[31mred", "bell\u{7}", "two\nlines", "\u{9b}31m", "\u{7f}"] {
        let output = folder.run(&["account", "create", "--name", name]);
        assert_eq!(output.status.code(), Some(2), "{name:?} is no name");
        let plan = folder.run(&["account", "create", "--name", "x", "--plan", name]);
        for output in [output, plan] {
            assert!(!stderr(&output).trim_end().contains(|c: char| c.is_control() && c != '\n'), "{name:?}: {:?}", stderr(&output));
        }
    }
    // Another program may have written them all the same.
    let account = folder.account(&[]);
    let key = text(&folder.key(&account, &[])["id"]);
    folder.token("verify");
    let database = rusqlite::Connection::open(folder.database()).unwrap();
    for table in ["accounts", "keys", "tokens"] {
        database.execute(&format!("UPDATE {table} SET name = ?1"), ["ev\u{1b}]0;il\u{7}\r\n\u{9b}2J"]).unwrap();
    }
    database.execute("UPDATE keys SET metadata = ?1", [r#"{"a\u001b[2J":"\u001b[2J"}"#]).unwrap();
    drop(database);
    for arguments in
        [&["account", "list"][..], &["account", "show", &account], &["key", "list"], &["key", "show", &key], &["token", "list"]]
    {
        let printed = stdout(&folder.run(arguments));
        assert!(printed.contains("ev"), "{printed}");
        assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{arguments:?}: {printed:?}");
        let document = stdout(&folder.run(&[arguments, &["--json"]].concat()));
        assert!(!document.contains(['\u{1b}', '\u{7}', '\r']), "{arguments:?}: {document:?}");
        assert!(serde_json::from_str::<Value>(&document).is_ok(), "{document}");
    }
}

#[test]
fn a_raw_key_in_a_wrong_place_is_not_shown_again() {
    let folder = Folder::new();
    let raw = folder.raw_key("free");
    let _server = folder.serve();
    let mut showing = Vec::new();
    for arguments in [
        &["key", "show", &raw][..],
        &["key", "revoke", &raw],
        &["key", "rotate", &raw],
        &["key", "set", &raw, "--disable"],
        &["key", "verify", &raw],
    ] {
        let output = folder.run(arguments);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        if stderr(&output).contains(&raw) || stdout(&output).contains(&raw) {
            showing.push(format!("{arguments:?}: {}", stderr(&output)));
        }
    }
    assert_eq!(showing, Vec::<String>::new());
}

#[test]
fn a_raw_key_in_a_wrong_place_is_not_logged() {
    let folder = Folder::new().variable("TOLLGATE_LOG", "trace");
    let raw = folder.raw_key("free");
    let server = folder.serve();
    folder.run(&["key", "show", &raw]);
    folder.json(&["key", "list", "--search", &raw]);
    server.get("/x", &raw).expect(200);
    server.send(&Request::get(&format!("/x/{raw}")));
    server.send(&Request::get(&format!("/x?api_key={raw}"))).expect(400);
    let (_, log) = server.stop();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&raw)).collect();
    assert_eq!(lines, Vec::<&str>::new());
}

// One at a time, and all together.

#[test]
fn a_second_server_on_the_same_database_refuses_to_start() {
    let folder = Folder::new();
    let server = folder.serve();
    for more in [&[][..], &["--json"]] {
        let began = Instant::now();
        let output = folder.run(&[&["serve"], more].concat());
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(began.elapsed() < Duration::from_secs(5), "it refuses at once, and took {:?}", began.elapsed());
        let sentence: Vec<&str> = told.lines().filter(|line| line.contains("error:")).collect();
        assert!(matches!(sentence[..], [one] if one.contains("tollgate.db") && one.contains("already")), "{told}");
        if !more.is_empty() {
            assert!(serde_json::from_str::<Value>(&stdout(&output)).expect("one document")["error"].is_object());
        }
    }
    let raw = folder.raw_key("free");
    server.get("/x", &raw).expect(200);
}

#[test]
fn a_port_that_is_taken_is_told_and_leaves_nothing_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new().variable("TOLLGATE_SERVER__LISTEN", &address);
    let output = folder.run(&["serve"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&address) && told.contains("another program"), "{told}");
    assert!(!folder.path("tollgate.db.sock").exists(), "its control socket is taken away");
    folder.account(&[]);
    drop(taken);
    folder.serve();
}

#[test]
fn commands_that_race_each_other_all_succeed() {
    let folder = Folder::new();
    let name = |index: usize| format!("racer-{index}");
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..12)
            .map(|index| {
                let folder = &folder;
                scope.spawn(move || folder.run(&["account", "create", "--json", "--name", &name(index)]))
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let list = folder.json(&["account", "list"]);
    let mut names: Vec<String> = list["data"].as_array().unwrap().iter().map(|account| text(&account["name"])).collect();
    let mut expected: Vec<String> = (0..12).map(name).collect();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn commands_work_while_a_server_starts_and_stops() {
    let folder = Folder::new();
    folder.account(&[]);
    let done = AtomicBool::new(false);
    let made: Vec<Vec<String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (folder, done) = (&folder, &done);
                scope.spawn(move || {
                    let mut made = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        made.push(folder.account(&[]));
                    }
                    made
                })
            })
            .collect();
        let raise = Raise(&done);
        let stopped: Vec<_> = (0..10).map(|_| folder.serve().stop()).collect();
        drop(raise);
        let made = workers.into_iter().map(|worker| worker.join().expect("every command succeeds")).collect();
        for (code, log) in stopped {
            assert_eq!(code, Some(0), "{log}");
        }
        made
    });
    let list = folder.json(&["account", "list"]);
    let listed: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|account| account["id"].as_str()).collect();
    let lost: Vec<&String> = made.iter().flatten().filter(|id| !listed.contains(&id.as_str())).collect();
    assert_eq!(lost, Vec::<&String>::new(), "what was acknowledged is there");
    let in_all: usize = made.iter().map(Vec::len).sum();
    assert!(in_all > 2, "the race was one: {in_all}");
}

#[test]
fn what_lies_beside_the_database_is_its_owners_alone() {
    let folder = Folder::new();
    let raw = folder.raw_key("free");
    let server = folder.serve();
    server.get("/x", &raw).expect(200);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path("")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has the mode {mode:o}", entry.file_name());
        seen += 1;
    }
    assert!(seen >= 3, "the database, its lock and its socket");
}

// What a change does to a running server.

const LIVELY: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ requests = 1000, per = "day" }]

[[plans]]
name = "metered"
needs_balance = true

[[routes]]
path = "/scoped"
scopes = ["sets:read"]
"#;

/// A command, and what the very next request gets: path, status, verdict.
const CHANGES: [(&str, &str, u16, &str); 24] = [
    ("key set $key --disable", "/x", 403, "disabled"),
    ("key set $key --enable", "/x", 200, "ok"),
    ("account set $acc --disable", "/x", 403, "disabled"),
    ("account set $acc --enable", "/x", 200, "ok"),
    ("key set $key --scope other", "/scoped", 403, "wrong_scope"),
    ("key set $key --scope sets:*", "/scoped", 200, "ok"),
    ("key set $key --ip 192.0.2.1", "/x", 403, "wrong_ip"),
    ("key set $key --ip ''", "/x", 200, "ok"),
    ("account set $acc --plan metered", "/x", 402, "no_balance"),
    ("account set $acc --balance 1", "/x", 200, "ok"),
    ("account set $acc --balance -1", "/x", 402, "no_balance"),
    ("account set $acc --plan free", "/x", 200, "ok"),
    ("key set $key --plan metered", "/x", 402, "no_balance"),
    ("key set $key --plan ''", "/x", 200, "ok"),
    ("account set $acc --limit day=1", "/x", 429, "quota_exceeded"),
    ("key set $key --limit day=500", "/x", 200, "ok"),
    ("key set $key --limit day=2", "/x", 429, "quota_exceeded"),
    ("key set $key --limit day=", "/x", 429, "quota_exceeded"),
    ("account set $acc --limit day=", "/x", 200, "ok"),
    ("account set $acc --plan metered --plan-until 2099-01-01", "/x", 402, "no_balance"),
    ("account set $acc --plan free --plan-until ''", "/x", 200, "ok"),
    ("key rotate $old --grace 1d", "/x", 200, "ok"),
    ("key set $old --expires 2099-01-01", "/x", 200, "ok"),
    ("key revoke $old", "/x", 401, "revoked"),
];

#[test]
fn a_change_holds_for_the_running_server_from_its_very_next_request() {
    let folder = Folder::with(LIVELY);
    let account = folder.account(&[]);
    let key = folder.key(&account, &[]);
    let (raw, id) = (text(&key["key"]), text(&key["id"]));
    let mut shell = Shell::new(&folder);
    shell.made.extend([("acc", account), ("key", id.clone()), ("old", id)]);
    let server = folder.serve();
    server.get("/x", &raw).expect(200);
    for (line, path, status, verdict) in CHANGES {
        let output = shell.run(line, &["--json"]);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        let reply = server.get(path, &raw);
        assert_eq!((reply.status, reply.json()["verdict"].as_str()), (status, Some(verdict)), "{line}: {reply:?}");
    }
    let rotated = shell.made.get("raw").expect("the new key was printed");
    server.get("/x", rotated).expect(200);
}

#[test]
fn a_change_made_while_no_server_runs_holds_when_it_starts() {
    let folder = Folder::with(LIVELY);
    let account = folder.account(&[]);
    let key = folder.key(&account, &[]);
    let (raw, id) = (text(&key["key"]), text(&key["id"]));
    let mut shell = Shell::new(&folder);
    shell.made.extend([("acc", account), ("key", id.clone()), ("old", id)]);
    for (line, path, status, verdict) in CHANGES {
        // The counts of a window need requests before them.
        if line.contains("--limit") {
            continue;
        }
        let output = shell.run(line, &[]);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        // A server for each that passes would tell nothing that the next refusal does not.
        if status != 200 {
            let server = folder.serve();
            let reply = server.get(path, &raw);
            assert_eq!((reply.status, reply.json()["verdict"].as_str()), (status, Some(verdict)), "{line}: {reply:?}");
            server.kill();
        }
    }
}

#[test]
fn a_revoked_token_is_refused_by_the_running_server_at_once() {
    let folder = Folder::new();
    let server = folder.serve();
    let token = folder.json(&["token", "create", "--scope", "admin"]);
    let raw = text(&token["token"]);
    server.get("/auth/v1/plans", &raw).expect(200);
    folder.json(&["token", "revoke", &text(&token["id"])]);
    server.get("/auth/v1/plans", &raw).expect(401);
}

#[test]
fn a_plan_that_ends_gives_way_to_the_default_one() {
    let folder = Folder::new();
    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1500)).to_string();
    let account = folder.account(&["--plan", "pro", "--plan-until", &until]);
    let raw = text(&folder.key(&account, &[])["key"]);
    let server = folder.serve();
    let plan = || server.get("/auth/v1/me", &raw).expect(200).header("x-auth-plan").unwrap();
    assert_eq!(plan(), "pro");
    eventually("the plan ends", || (plan() == "free").then_some(()));
    let past = folder.run(&["account", "set", &account, "--plan-until", "2020-01-01"]);
    assert_eq!(past.status.code(), Some(2), "{past:?}");
}

#[test]
fn verify_charges_nothing_and_reads_the_key_from_stdin_alone() {
    let folder = Folder::with("[[plans]]\nname = \"free\"\nlimits = [{ requests = 5, per = \"day\" }]\n");
    let raw = folder.raw_key("free");
    for running in [false, true] {
        let server = running.then(|| folder.serve());
        for input in [raw.clone(), format!("{raw}\n"), format!("{raw}\r\n")] {
            let output = folder.run_with_input(&["key", "verify", "-", "--path", "/x"], &input);
            assert_eq!(output.status.code(), Some(0), "{input:?}: {output:?}");
            assert!(stdout(&output).starts_with("ok"), "{output:?}");
            assert!(!stdout(&output).contains(&raw) && !stderr(&output).contains(&raw), "{output:?}");
        }
        for (input, verdict) in [("", "malformed"), ("\n", "malformed"), ("tg_live_nothing", "unknown"), ("two words", "malformed")] {
            let output = folder.run_with_input(&["key", "verify", "-", "--json"], input);
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((output.status.code(), answer["verdict"].as_str()), (Some(1), Some(verdict)), "{input:?}");
            assert_eq!(answer["valid"], false);
        }
        if let Some(server) = server {
            let left = server.get("/x", &raw).expect(200).number("x-ratelimit-remaining");
            assert_eq!(left, Some(4), "only the request itself was charged");
            assert_eq!(server.stop().0, Some(0));
        }
    }
    let database = rusqlite::Connection::open(folder.database()).unwrap();
    let counted: i64 = database.query_row("SELECT coalesce(sum(count), 0) FROM usage", [], |row| row.get(0)).unwrap();
    assert_eq!(counted, 1, "and only the request itself was counted");
}

// The first five minutes.

/// The two lines that the first start prints.
struct FirstStart {
    server: std::process::Child,
    lines: Vec<String>,
}

impl FirstStart {
    fn of(folder: &Folder) -> Self {
        let mut server = folder.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let reader = BufReader::new(server.stdout.take().unwrap());
        let lines = reader.lines().map(Result::unwrap).filter(|line| line.starts_with("  ")).take(2).collect();
        Self { server, lines }
    }

    /// Pastes them into a shell.
    fn paste(&self, folder: &Folder) -> Output {
        let model = folder.command(&[]);
        let mut shell = Command::new("bash");
        shell.args(["-c", &self.lines.join("\n")]).current_dir(folder.path("")).env_clear();
        shell.envs(model.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", std::env::var_os("PATH").unwrap());
        shell.output().expect("bash runs")
    }
}

impl Drop for FirstStart {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn the_lines_of_the_first_start_work_as_pasted() {
    let carrier = |carrier: &str| format!("[keys]\ncarriers = [\"{carrier}\"]\n");
    let socket = "[server]\nlisten = \"unix:the socket\"\n";
    let mut failing = Vec::new();
    for config in [
        String::new(),
        carrier("header:api-key"),
        carrier("basic:user"),
        carrier("basic:password"),
        carrier("scheme:Bot"),
        carrier("query:api_key"),
        socket.into(),
        format!("{socket}{}", carrier("header:api-key")),
        format!("{socket}{}", carrier("query:api_key")),
        "[server]\ndatabase = \"a database.db\"\nprefix = \"/gate\"\n".into(),
        "[[plans]]\nname = \"starter\"\ndefault = true\napi = false\n[[plans]]\nname = \"vip\"\n".into(),
        "[[plans]]\nname = \"metered\"\nneeds_balance = true\n".into(),
    ] {
        let folder = Folder::with(&config);
        let folder = if config.contains("unix:") { folder.variable("TOLLGATE_SERVER__LISTEN", "unix:the socket") } else { folder };
        let first = FirstStart::of(&folder);
        assert_eq!(first.lines.len(), 2, "{config}: {:?}", first.lines);
        let output = first.paste(&folder);
        let answer = stdout(&output);
        if !answer.starts_with("HTTP/1.1 200 OK") || !answer.contains("\"verdict\":\"ok\"") {
            failing.push(format!("--- {config}\n{}\n{answer}{}", first.lines.join("\n"), stderr(&output)));
        }
    }
    assert!(failing.is_empty(), "{}", failing.join("\n"));
}

#[test]
fn the_first_start_says_what_to_do_and_later_ones_do_not() {
    let folder = Folder::new();
    let mut first = FirstStart::of(&folder);
    assert!(first.lines[0].contains("key create") && first.lines[1].contains("curl"), "{:?}", first.lines);
    assert!(first.paste(&folder).status.success());
    assert!(Command::new("kill").arg(first.server.id().to_string()).status().unwrap().success());
    assert_eq!(first.server.wait().unwrap().code(), Some(0));
    let mut again = folder.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(again.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(line.contains("listening on http://127.0.0.1:"), "it logs the address once it accepts: {line}");
    assert!(Command::new("kill").arg(again.id().to_string()).status().unwrap().success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(stdout(&again.wait_with_output().unwrap()), "", "there are keys already");
}

// Paths.

/// A path in a folder, longer than a Unix socket's address.
fn long_path(folder: &Folder, name: &str) -> PathBuf {
    let deep = (0..6).fold(folder.path(""), |path, index| path.join(format!("a-folder-with-a-long-name-{index}")));
    std::fs::create_dir_all(&deep).unwrap();
    let path = deep.join(name);
    assert!(path.as_os_str().len() > 150);
    path
}

#[test]
fn a_database_whose_path_is_longer_than_a_sockets_address_works() {
    let place = Folder::new();
    let database = long_path(&place, "tollgate.db");
    let folder = Folder::new().variable("TOLLGATE_SERVER__DATABASE", &database.display().to_string());
    let account = folder.account(&[]);
    let server = folder.serve();
    let key = folder.key(&account, &[]);
    let raw = text(&key["key"]);
    server.get("/x", &raw).expect(200);
    folder.json(&["key", "revoke", &text(&key["id"])]);
    server.get("/x", &raw).expect(401);
    assert_eq!(folder.run(&["serve"]).status.code(), Some(1), "the running server is found");
    assert_eq!(server.stop().0, Some(0));
    assert!(!database.with_extension("db.sock").exists(), "its control socket is taken away");
    assert_eq!(folder.json(&["key", "list"])["data"][0]["id"], key["id"]);
}

/// Asks over a Unix socket whose path may be too long for an address: by way of its folder.
fn ask_over_socket(path: &Path) -> String {
    let folder = std::fs::File::open(path.parent().unwrap()).unwrap();
    let short = format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), path.file_name().unwrap().display());
    let mut stream = UnixStream::connect(short).expect("the socket is there");
    stream.write_all(b"GET /auth/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_whose_path_is_longer_than_its_address_works() {
    let place = Folder::new();
    let socket = long_path(&place, "http.sock");
    let folder = Folder::new().variable("TOLLGATE_SERVER__LISTEN", &format!("unix:{}", socket.display()));
    let server = folder.serve();
    assert!(ask_over_socket(&socket).starts_with("HTTP/1.1 200 OK"));
    assert_eq!(server.stop().0, Some(0));
    assert!(!socket.exists(), "the socket is taken away");
}
