//! `kill -9` in the middle: before all rows were there nothing is, afterwards everything.

use serde_json::json;

use super::serving::{Slow, gathers};
use super::{CONFIG, JSONL, all, assert_clean, keys, raw, stage};
use crate::support::wire::Body;
use crate::support::{Folder, Line, Request, Stage, eventually};

/// Enough that a kill finds rows on their way.
const MANY: usize = 20_000;

#[test]
fn killed_while_rows_come_nothing_is_there() {
    let stage = stage();
    let account = stage.account(json!({}));
    let mut cut = Slow::begin(&stage, "keys");
    cut.send(&keys(&account, 0..2000));
    gathers(&stage);
    let folder = stage.folder;
    stage.server.kill();
    assert!(folder.path("tollgate.db.import.new").exists(), "the kill came in time");
    let stage = Stage::of(folder);
    assert_clean(&stage.folder);
    assert_eq!(stage.folder.json(&["key", "list"])["data"], json!([]));
    let account = &all(&stage.folder, "account")[0]["id"];
    super::import(&stage, "keys", JSONL, &keys(account.as_str().unwrap(), 0..5)).expect(200);
}

/// Kills a server in the midst of moving rows; its folder.
fn killed_while_moving(what: &str, rows: &str) -> Folder {
    let stage = stage();
    if what == "keys" {
        let account = format!("{{\"id\": \"{}\", \"name\": \"a\"}}", account());
        super::import(&stage, "accounts", JSONL, &account).expect(200);
    }
    let mut line = upload(&stage, what, rows);
    let mut body = Body::of_reply("POST", &line.head());
    let moved = loop {
        let text = line.text(&mut body);
        if text.contains("\"moved\"") {
            break text;
        }
    };
    let folder = stage.folder;
    stage.server.kill();
    assert!(folder.path("tollgate.db.import").exists(), "the kill came in time, at {moved}");
    folder
}

/// Sends an import whole, and does not wait for its answer.
pub fn upload(stage: &Stage, what: &str, rows: &str) -> Line {
    let mut line = Line::to(&stage.server.address);
    line.say(format!(
        "POST /auth/v1/{what}/import HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Type: {JSONL}\r\nAccept: {JSONL}\r\nContent-Length: {}\r\n\r\n",
        stage.token,
        rows.len()
    ));
    line.say(rows);
    line
}

fn account() -> String {
    format!("acc_{:026}", 1)
}

#[test]
fn killed_while_keys_move_all_are_there_after_the_restart() {
    let folder = killed_while_moving("keys", &keys(&account(), 0..MANY));
    let stage = Stage::of(folder);
    assert_clean(&stage.folder);
    for n in [0, 1, MANY / 2, MANY - 1] {
        assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(n))), "ok", "{n}");
    }
    let exported = stage.get("/keys/export").expect(200);
    assert_eq!(exported.body.lines().count(), MANY);
    let audit = stage.get("/audit").expect(200).json();
    let entries: Vec<_> = audit["data"].as_array().unwrap().iter().filter(|entry| entry["action"] == "keys.imported").collect();
    assert_eq!(entries.len(), 1);
    assert!(entries[0]["actor"].as_str().unwrap().starts_with("tok_"), "it is still whose it was: {}", entries[0]);
}

#[test]
fn killed_while_accounts_move_none_is_there_twice() {
    let rows: String = (0..MANY).map(|n| format!("{{\"name\": \"n{n}\", \"plan\": \"pro\"}}\n")).collect();
    let folder = killed_while_moving("accounts", &rows);
    // A command that finds no server finishes it, too.
    let output = folder.run(&["account", "export", "--format", "csv"]);
    let rows = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<&str> = rows.lines().skip(1).map(|row| row.split(',').nth(1).unwrap()).collect();
    assert_eq!(names.len(), MANY, "{}", String::from_utf8_lossy(&output.stderr));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), MANY);
    assert_clean(&folder);
}

#[test]
fn a_copy_holds_all_rows_of_an_import_or_is_not_made() {
    let folder = killed_while_moving("keys", &keys(&account(), 0..MANY));
    let refused = folder.run(&["backup", "half.db"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), told.contains("rows of an import are in")), (Some(1), true), "{told}");
    assert!(!folder.path("half.db").exists());
    // It waits as long as rows move.
    let mut copy = folder.command(&["backup", "whole.db", "--json"]);
    let copy = copy.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let _server = folder.serve();
    let told: serde_json::Value = serde_json::from_slice(&copy.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(told["rows"]["keys"], MANY);
}

#[test]
fn the_command_says_what_becomes_of_an_import_whose_server_is_gone() {
    let stage = stage();
    let account = stage.account(json!({}));
    std::fs::write(stage.folder.path("keys.jsonl"), keys(&account, 0..MANY)).unwrap();
    let mut command = stage.folder.command(&["key", "import", "keys.jsonl"]);
    let command = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    eventually("rows move", || (count(&stage.folder, "keys") > 1000).then_some(()));
    let folder = stage.folder;
    stage.server.kill();
    let output = command.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), told.contains("is finished all the same")), (Some(1), true), "{told}");
    assert_eq!(folder.json(&["audit", "--action", "keys.imported"])["data"][0]["after"]["imported"], MANY);
}

#[test]
fn stopped_while_rows_move_the_rest_follows_at_the_next_start() {
    let stage = Stage::with(&format!("[server]\nshutdown_timeout = \"0s\"\n{CONFIG}"));
    super::import(&stage, "accounts", JSONL, &format!("{{\"id\": \"{}\", \"name\": \"a\"}}", account())).expect(200);
    let rows = keys(&account(), 0..MANY);
    let _line = upload(&stage, "keys", &rows);
    eventually("rows move", || stage.folder.path("tollgate.db.import").exists().then_some(()));
    let stage = stage.restart();
    finished(&stage.folder);
    assert_eq!(stage.get("/keys/export").expect(200).body.lines().count(), MANY);
}

/// Waits until no import is left.
fn finished(folder: &Folder) {
    eventually("the import is finished", || (!folder.path("tollgate.db.import").exists()).then_some(()));
    assert_clean(folder);
}

fn count(folder: &Folder, rows: &str) -> i64 {
    let connection = rusqlite::Connection::open(folder.database()).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {rows}"), [], |row| row.get(0)).unwrap()
}

/// How many imports the database knows of.
fn marks(folder: &Folder) -> i64 {
    count(folder, "idempotency WHERE operation = 'import'")
}

#[test]
fn killed_while_rows_move_among_other_changes_no_id_comes_twice() {
    let stage = stage();
    let mut import = Slow::begin(&stage, "accounts");
    gathers(&stage);
    // Later than the import began: its rows get their ids after this one's.
    let before = stage.account(json!({}));
    import.send(&(0..MANY).map(|n| format!("{{\"name\": \"n{n}\"}}\n")).collect::<String>());
    import.end();
    eventually("rows move", || (count(&stage.folder, "accounts") > 500).then_some(()));
    let folder = stage.folder;
    stage.server.kill();
    assert!(folder.path("tollgate.db.import").exists(), "the kill came in time");
    let server = folder.serve();
    let stage = Stage { folder, server, token: stage.token };
    // It serves at once, and goes on meanwhile, with no id that was given before.
    stage.get("/accounts?limit=1").expect(200);
    finished(&stage.folder);
    assert!(!stage.server.log().contains("waits"), "{}", stage.server.log());
    let after = stage.account(json!({}));
    let rows = stage.get("/accounts/export").expect(200).body;
    let mut ids: Vec<String> =
        rows.lines().map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), MANY + 2);
    assert!(ids.contains(&before) && ids.contains(&after));
    ids.dedup();
    assert_eq!(ids.len(), MANY + 2);
    eventually("its mark is forgotten", || (marks(&stage.folder) == 0).then_some(()));
}

#[test]
fn an_import_that_cannot_move_stops_nothing_and_can_be_given_up() {
    let folder = killed_while_moving("keys", &keys(&account(), 0..MANY));
    let (sealed, kept) = (folder.path("tollgate.db.import"), folder.path("kept"));
    std::fs::copy(&sealed, &kept).unwrap();
    let stage = Stage::of(folder);
    finished(&stage.folder);
    let (_, log) = stage.server.stop();
    assert!(!log.contains("an import of keys waits"), "{log}");
    // Its keys are there already, so none of them can move.
    std::fs::rename(&kept, &sealed).unwrap();
    let server = stage.folder.serve();
    let stage = Stage { server, ..stage };
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(0))), "ok");
    super::import(&stage, "accounts", JSONL, "{\"name\": \"a\"}").expect(409);
    eventually("the log says what to do", || stage.server.log().contains("tollgate.db.import away").then_some(()));
    let (code, _) = stage.server.stop();
    assert_eq!(code, Some(0));
    std::fs::remove_file(&sealed).unwrap();
    let server = stage.folder.serve();
    let stage = Stage { server, ..stage };
    super::import(&stage, "accounts", JSONL, "{\"name\": \"a\"}").expect(200);
}

#[test]
fn an_import_that_is_given_up_half_way_is_told_and_one_that_lies_there_goes_on() {
    let rows: String = (0..MANY).map(|n| format!("{{\"name\": \"n{n}\"}}\n")).collect();
    let folder = killed_while_moving("accounts", &rows);
    let (sealed, kept) = (folder.path("tollgate.db.import"), folder.path("kept"));
    std::fs::rename(&sealed, &kept).unwrap();
    let stage = Stage::of(folder);
    eventually("it is forgotten", || (marks(&stage.folder) == 0).then_some(()));
    let audit = stage.get("/audit?action=import.given_up").expect(200).json();
    let (moved, rows) = (audit["data"][0]["after"]["moved"].as_u64().unwrap(), &audit["data"][0]["after"]["rows"]);
    assert!(moved > 0 && moved < MANY as u64 && rows == MANY, "{audit}");
    // One that nobody moves, though it is sealed, comes before another.
    std::fs::rename(&kept, &sealed).unwrap();
    super::import(&stage, "accounts", JSONL, "{\"name\": \"a\"}").expect(409);
    finished(&stage.folder);
    assert_eq!(stage.get("/accounts/export").expect(200).body.lines().count() as u64, moved + MANY as u64);
}

#[test]
fn whoever_leaves_while_it_is_sealed_leaves_all_of_it_or_nothing() {
    let stage = stage();
    let account = stage.account(json!({}));
    for round in 0..4 {
        let rows = keys(&account, round * MANY..(round + 1) * MANY);
        let line = upload(&stage, "keys", &rows);
        eventually("it is gathered", || stage.folder.path("tollgate.db.import.new").exists().then_some(()));
        while stage.folder.path("tollgate.db.import.new").exists() {
            std::hint::spin_loop();
        }
        drop(line);
        eventually("another may begin", || (super::import(&stage, "accounts", JSONL, "").status == 200).then_some(()));
        assert_clean(&stage.folder);
        let there = stage.verdict(&Request::get("/x").bearer(&raw(round * MANY)));
        assert_eq!(there, "ok", "round {round}");
    }
}
