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
fn upload(stage: &Stage, what: &str, rows: &str) -> Line {
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
fn stopped_while_rows_move_the_rest_follows_at_the_next_start() {
    let stage = Stage::with(&format!("[server]\nshutdown_timeout = \"0s\"\n{CONFIG}"));
    super::import(&stage, "accounts", JSONL, &format!("{{\"id\": \"{}\", \"name\": \"a\"}}", account())).expect(200);
    let rows = keys(&account(), 0..MANY);
    let _line = upload(&stage, "keys", &rows);
    eventually("rows move", || stage.folder.path("tollgate.db.import").exists().then_some(()));
    let stage = stage.restart();
    assert_clean(&stage.folder);
    assert_eq!(stage.get("/keys/export").expect(200).body.lines().count(), MANY);
}
