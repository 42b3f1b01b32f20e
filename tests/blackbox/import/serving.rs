//! What goes on while rows come and move: one import at a time, the gate serving, and nothing of what is cut off.

use serde_json::{Value, json};

use super::{CONFIG, JSONL, all, assert_clean, hash, import, importing, keys, raw, stage};
use crate::support::{Folder, Line, Reply, Request, Stage, eventually};

/// An import whose rows come when the test says.
pub struct Slow(Line);

impl Slow {
    /// Sends the head alone.
    pub fn begin(stage: &Stage, what: &str) -> Self {
        let mut line = Line::to(&stage.server.address);
        line.say(format!(
            "POST /auth/v1/{what}/import HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Type: {JSONL}\r\nTransfer-Encoding: chunked\r\n\r\n",
            stage.token
        ));
        Self(line)
    }

    pub fn send(&mut self, rows: &str) {
        self.0.chunk(rows.as_bytes());
    }

    pub fn end(&mut self) {
        self.0.say("0\r\n\r\n");
    }

    #[track_caller]
    pub fn reply(mut self) -> Reply {
        self.0.reply("POST")
    }
}

/// Waits until the server gathers rows.
pub fn gathers(stage: &Stage) {
    eventually("rows are gathered", || stage.folder.path("tollgate.db.import.new").exists().then_some(()));
}

#[test]
fn one_at_a_time_and_the_gate_goes_on() {
    let stage = stage();
    let account = stage.account(json!({}));
    let key = stage.raw_key("free");
    let mut first = Slow::begin(&stage, "keys");
    first.send(&keys(&account, 0..10));
    gathers(&stage);
    let second = import(&stage, "accounts", JSONL, "{\"name\": \"a\"}\n").expect(409);
    assert!(second.body.contains("under way"), "{}", second.body);
    stage.server.get("/x", &key).expect(200);
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(1))), "unknown", "not before all is there");
    stage.account(json!({}));
    first.send(&keys(&account, 10..20));
    first.end();
    assert_eq!(first.reply().expect(200).json(), json!({ "imported": 20 }));
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(1))), "ok", "whoever tried it before is not told the same again");
    import(&stage, "accounts", JSONL, "{\"name\": \"a\"}\n").expect(200);
    assert_clean(&stage.folder);
}

#[test]
fn what_is_cut_off_is_nothing() {
    let stage = stage();
    let account = stage.account(json!({}));
    let mut cut = Slow::begin(&stage, "keys");
    cut.send(&keys(&account, 0..500));
    gathers(&stage);
    drop(cut);
    eventually("it is thrown away", || (!stage.folder.path("tollgate.db.import.new").exists()).then_some(()));
    assert_eq!(all(&stage.folder, "key").len(), 0);
    eventually("another may begin", || (import(&stage, "keys", JSONL, &keys(&account, 0..5)).status == 200).then_some(()));
    assert_eq!(all(&stage.folder, "key").len(), 5);
}

#[test]
fn whoever_sends_nothing_for_long_is_cut_off() {
    let stage = Stage::with(&format!("[server]\nheader_timeout = \"1s\"\nrequest_timeout = \"2s\"\n{CONFIG}"));
    let account = stage.account(json!({}));
    // Longer than a request may take, and never silent for long.
    let mut steady = Slow::begin(&stage, "keys");
    for n in 0..7 {
        steady.send(&keys(&account, n..n + 1));
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
    steady.end();
    steady.reply().expect(200);
    let mut silent = Slow::begin(&stage, "keys");
    silent.send(&keys(&account, 10..11));
    silent.reply().expect(408);
    assert_eq!(all(&stage.folder, "key").len(), 7);
    eventually("it is thrown away", || (!stage.folder.path("tollgate.db.import.new").exists()).then_some(()));
}

#[test]
fn progress_is_told_to_whoever_asks_for_it() {
    let stage = stage();
    let account = stage.account(json!({}));
    let reply = stage.server.send(&importing(&stage, "keys", JSONL, &keys(&account, 0..1200)).header("Accept", JSONL)).expect(200);
    let lines: Vec<Value> = reply.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.last(), Some(&json!({ "imported": 1200 })));
    let moved: Vec<u64> = lines.iter().filter_map(|line| line["moved"].as_u64()).collect();
    assert!(moved.is_sorted() && !moved.is_empty() && lines[0]["rows"] == 1200, "{lines:?}");
    let bad = stage.server.send(&importing(&stage, "keys", JSONL, "{}\n").header("Accept", JSONL));
    assert_eq!(bad.expect(400).json()["errors"][0]["line"], 1, "a refusal is a refusal");
}

#[test]
fn the_same_import_under_one_key_is_done_once() {
    let stage = stage();
    let rows = "{\"name\": \"a\"}\n{\"name\": \"b\"}\n";
    let ask = |rows: &str| stage.server.send(&importing(&stage, "accounts", JSONL, rows).header("Idempotency-Key", "once"));
    for _ in 0..3 {
        assert_eq!(ask(rows).expect(200).json(), json!({ "imported": 2 }));
    }
    ask("{\"name\": \"c\"}\n").expect(409);
    assert_eq!(all(&stage.folder, "account").len(), 2);
}

#[test]
fn it_is_written_down_once() {
    let stage = stage();
    let account = stage.account(json!({}));
    import(&stage, "keys", JSONL, &keys(&account, 0..1001)).expect(200);
    assert!(stage.folder.run_with_input(&["account", "import", "-"], "{\"name\": \"b\"}").status.success());
    let audit = stage.get("/audit").expect(200).json();
    let of = |action: &str| audit["data"].as_array().unwrap().iter().filter(|entry| entry["action"] == action).collect::<Vec<_>>();
    assert_eq!(of("key.created").len(), 0);
    let entries = of("keys.imported");
    assert_eq!(entries.len(), 1, "{audit}");
    let exported = stage.get("/keys/export").expect(200).body;
    let ids: Vec<Value> = exported.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()["id"].take()).collect();
    let after = json!({ "imported": 1001, "first": ids[0], "last": ids[1000], "sha256": hash(&keys(&account, 0..1001)) });
    assert_eq!(entries[0]["after"], after);
    assert!(entries[0]["actor"].as_str().unwrap().starts_with("tok_") && entries[0]["origin"] == "127.0.0.1", "{}", entries[0]);
    let by_hand = of("accounts.imported");
    assert_eq!((by_hand.len(), &by_hand[0]["actor"], &by_hand[0]["origin"]), (1, &json!("operator"), &json!("control")));
}

#[test]
fn two_exports_at_a_time_and_each_is_written_down() {
    let stage = stage();
    let account = stage.account(json!({}));
    let filled = "x".repeat(3000);
    let row = |n| json!({ "account": account, "name": "n", "key": raw(n), "metadata": { "filled": filled } });
    // More than the buffers between them hold.
    let rows: String = (0..6000).map(|n| format!("{}\n", row(n))).collect();
    import(&stage, "keys", JSONL, &rows).expect(200);
    let begin = || {
        let mut line = Line::to(&stage.server.address);
        line.say(format!("GET /auth/v1/keys/export HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\r\n", stage.token));
        assert!(line.head().line.contains(" 200 "));
        line
    };
    let (first, _second) = (begin(), begin());
    let third = stage.get("/accounts/export").expect(409);
    assert!(third.body.contains("exports are under way"), "{}", third.body);
    drop(first);
    eventually("there is room for another", || (stage.get(&format!("/accounts/export?account={account}")).status == 200).then_some(()));
    let audit = stage.get("/audit").expect(200).json();
    let of = |action: &str| {
        let entries = audit["data"].as_array().unwrap().iter().filter(|entry| entry["action"] == action);
        entries.map(|entry| entry["after"]["account"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("keys.exported"), [Value::Null, Value::Null]);
    assert_eq!(of("accounts.exported"), [json!(account)], "and none that was not begun");
}

#[test]
fn the_command_works_with_and_without_a_server() {
    let folder = Folder::with(CONFIG);
    let imported = folder.run_with_input(&["account", "import", "-"], "name,plan\nAda,pro\n");
    assert!(imported.status.success(), "{imported:?}");
    let account = all(&folder, "account")[0]["id"].as_str().unwrap().to_owned();
    let stage = Stage::of(folder);
    for (name, more) in [("k.jsonl", &[][..]), ("k.rows", &[]), ("k.csv", &["--format", "jsonl"])] {
        let n = name.len() + more.len() * 10 + usize::from(name == "k.jsonl") * 100;
        std::fs::write(stage.folder.path(name), keys(&account, n..n + 1)).unwrap();
        assert_eq!(stage.folder.json(&[&["key", "import", name], more].concat())["imported"], 1, "{name}");
    }
    let bad = stage.folder.run_with_input(&["key", "import", "-"], "{}\n{\"name\": 1}\n");
    let told = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(2), "{told}");
    assert!(told.contains("2 rows are wrong") && told.contains("line 2: name: must be a text"), "{told}");
    assert!(!told.contains('\u{1b}'), "no bar where stderr is no terminal: {told:?}");
    let missing = stage.folder.run(&["key", "import", "nowhere.csv"]);
    assert_eq!(missing.status.code(), Some(2));
    let hashed = json!({"account": account, "name": "h", "hash": hash(&raw(900)), "environment": "old"}).to_string();
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(900))), "unknown");
    assert!(stage.folder.run_with_input(&["key", "import", "-"], &hashed).status.success());
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(900))), "ok");
}
