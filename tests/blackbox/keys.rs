//! Keys over HTTP and the command line: made, shown once, searched, changed, rotated, revoked; their shape and checksum; and
//! that what was acknowledged holds from the very next request, however many are under way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::server::text;
use crate::support::{Folder, Request, Stage, eventually};

/// One plan with room for every test.
const FREE: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ name = "ever", requests = 1000000, per = "3650d", shape = "fixed" }]

[[plans]]
name = "pro"
limits = [{ name = "ever", requests = 2000000, per = "3650d", shape = "fixed" }]

[[plans]]
name = "closed"
api = false
"#;

const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &str = "0123456789abcdef";

/// A key's raw text and its path below `/auth/v1`.
fn raw_and_path(key: &Value) -> (String, String) {
    (text(&key["key"]), format!("/keys/{}", text(&key["id"])))
}

fn time(value: &Value) -> Timestamp {
    let text = text(value);
    assert!(text.ends_with('Z'), "in UTC: {text}");
    text.parse().unwrap_or_else(|error| panic!("{text} is no RFC 3339 time: {error}"))
}

#[track_caller]
fn assert_about(at: Timestamp, expected: Timestamp) {
    let apart = at.duration_since(expected).abs();
    assert!(apart <= SignedDuration::from_secs(5), "{at} is not about {expected}");
}

impl Stage {
    /// The verdict of a request with this key.
    #[track_caller]
    fn tries(&self, raw: &str) -> String {
        self.verdict(&Request::get("/x").bearer(raw))
    }
}

// ---- made, and shown once ----

#[test]
fn a_key_is_made_with_what_was_asked_for() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let key = stage.folder.json(&[
        "key",
        "create",
        "--account",
        &account,
        "--name",
        "laptop",
        "--environment",
        "test",
        "--plan",
        "pro",
        "--limit",
        "ever=7",
        "--scope",
        "sets:read",
        "--scope",
        "sets:write",
        "--ip",
        "127.0.0.0/8",
        "--ip",
        "2001:db8::1",
        "--expires",
        "30d",
    ]);
    let raw = text(&key["key"]);
    assert!(raw.starts_with("tg_test_") && raw.len() == 48, "{raw}");
    assert!(text(&key["id"]).starts_with("key_"));
    let told = ["prefix", "name", "account", "environment", "plan"].map(|name| text(&key[name]));
    assert_eq!(told, [&raw[..12], "laptop", &account, "test", "pro"]);
    assert_eq!((&key["limits"], &key["scopes"]), (&json!({ "ever": 7 }), &json!(["sets:read", "sets:write"])));
    assert_eq!(key["ips"], json!(["127.0.0.0/8", "2001:db8::1/128"]));
    assert_about(time(&key["created_at"]), Timestamp::now());
    assert_eq!(time(&key["expires_at"]).duration_since(time(&key["created_at"])), SignedDuration::from_hours(30 * 24));
    assert_eq!((&key["revoked_at"], &key["last_used_at"], &key["disabled"]), (&Value::Null, &Value::Null, &json!(false)));
    let reply = stage.server.get("/x", &raw).expect(200);
    assert_eq!((reply.header("X-Auth-Plan").unwrap(), reply.number("X-RateLimit-Limit")), ("pro".into(), Some(7)));

    let shown = stage.folder.json(&["key", "show", &text(&key["id"])]);
    let mut without = key.clone();
    without.as_object_mut().unwrap().shift_remove("key");
    let mut shown_before = shown.clone();
    shown_before["last_used_at"] = Value::Null;
    assert_eq!(shown_before, without, "shown again it is the same, without the key");

    let plain = stage.key(&account, json!({}));
    assert!(text(&plain["key"]).starts_with("tg_live_"), "the first environment is the default");
    assert_eq!((&plain["scopes"], &plain["expires_at"], &plain["plan"]), (&json!(["*"]), &Value::Null, &Value::Null));
    assert_eq!((&plain["limits"], &plain["ips"], &plain["metadata"]), (&json!({}), &json!([]), &json!({})));
}

#[test]
fn an_operator_may_make_a_key_for_an_account_on_any_plan() {
    let stage = Stage::with(FREE);
    let closed = stage.account(json!({ "plan": "closed" }));
    let key = text(&stage.folder.key(&closed, &[])["key"]);
    assert_eq!(stage.tries(&key), "wrong_plan");
    let off = stage.account(json!({ "disabled": true }));
    let key = text(&stage.key(&off, json!({}))["key"]);
    assert_eq!(stage.tries(&key), "disabled");
}

/// Every byte that lies in a folder.
fn bytes_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn a_raw_key_or_token_is_nowhere_but_in_the_answer_that_made_it() {
    let folder = Folder::with(FREE).variable("TOLLGATE_LOG", "trace");
    let stage = Stage::of(folder);
    let account = stage.account(json!({}));
    let by_http = stage.key(&account, json!({}));
    let by_hand = stage.folder.key(&account, &[]);
    let rotated = stage.post(&format!("/keys/{}/rotate", text(&by_hand["id"])), &json!({})).expect(201).json();
    let token = stage.post("/tokens", &json!({ "scopes": ["verify"] })).expect(201).json();
    let keys = [&by_http, &by_hand, &rotated].map(|key| text(&key["key"]));
    let tokens = [text(&token["token"]), stage.token.clone()];
    let mut shown = String::new();
    for key in &keys {
        // Wherever a careless client may put it.
        for request in [
            Request::get("/x").bearer(key),
            Request::get(&format!("/x?api_key={key}")),
            Request::get("/x").header("Authorization", key),
            Request::get("/x").header("Authorization", &format!("Basic {key}")),
            Request::get("/x").bearer(&format!("{key}x")),
            Request::get("/auth/v1/check").header("X-Forwarded-Uri", &format!("/x?k={key}")).bearer(key),
            Request::get("/auth/v1/keys").bearer(key),
        ] {
            shown.push_str(&format!("{:?}", stage.server.send(&request)));
        }
        shown.push_str(&stage.verify(&json!({ "key": key, "path": format!("/x?k={key}") })).to_string());
        shown.push_str(&stage.get(&format!("/keys?search={key}")).expect(200).body);
        for arguments in [&["key", "list"][..], &["key", "list", "--search", key], &["key", "list", "--json"]] {
            shown.push_str(&format!("{:?}", stage.folder.run(arguments)));
        }
        shown.push_str(&format!("{:?}", stage.folder.run_with_input(&["key", "verify", "-"], key)));
    }
    for token in &tokens {
        shown.push_str(&format!("{:?}", stage.server.get("/x", token)));
        shown.push_str(&stage.get("/tokens").expect(200).body);
        shown.push_str(&format!("{:?}", stage.folder.run(&["token", "list"])));
    }
    for id in [&by_http, &by_hand, &rotated].map(|key| text(&key["id"])) {
        shown.push_str(&format!("{:?}", stage.folder.run(&["key", "show", &id])));
        shown.push_str(&stage.patch(&format!("/keys/{id}"), &json!({ "name": "renamed" })).expect(200).body);
    }
    let running = bytes_in(stage.folder.path("").as_path());
    let folder = stage.folder;
    let (_, log) = stage.server.stop();
    let stopped = bytes_in(folder.path("").as_path());
    // What stands behind the part that is kept for display gives a key away, too.
    for secret in keys.iter().map(|key| &key[12..]).chain(tokens.iter().map(|token| &token[8..])) {
        assert!(!shown.contains(secret), "it was shown again");
        assert!(!log.contains(secret), "it was logged");
        for (file, bytes) in running.iter().chain(&stopped) {
            assert!(!holds(bytes, secret.as_bytes()), "it is stored in {file}");
        }
    }
    for raw in keys.iter().chain(&tokens) {
        let hash = Sha256::digest(raw.as_bytes());
        assert!(stopped.iter().any(|(_, bytes)| holds(bytes, &hash)), "what is kept is the SHA-256");
    }
}

#[test]
fn after_a_clean_stop_the_one_file_holds_everything() {
    let mut folder = Folder::with(FREE);
    let account = folder.account(&[]);
    for used in 1..=6 {
        let raw = text(&folder.key(&account, &[])["key"]);
        let server = folder.serve();
        for _ in 0..used {
            server.get("/x", &raw).expect(200);
        }
        let (code, log) = server.stop();
        assert_eq!(code, Some(0), "{log}");
        let elsewhere = Folder::with(FREE);
        std::fs::copy(folder.database(), elsewhere.database()).unwrap();
        let server = elsewhere.serve();
        let left = server.get("/x", &raw).expect(200).number("X-RateLimit-Remaining");
        assert_eq!(left, Some(1_000_000 - used - 1), "the key, and what it used");
        server.stop();
        folder = elsewhere;
    }
}

#[test]
fn a_key_that_a_client_puts_into_the_path_is_not_logged() {
    let stage = Stage::of(Folder::with(FREE).variable("TOLLGATE_LOG", "debug"));
    let key = stage.raw_key("free");
    stage.server.get(&format!("/v1/{key}/sets"), &key).expect(200);
    stage.server.send(&Request::get(&format!("/v1/{key}"))).expect(401);
    let (_, log) = stage.server.stop();
    assert!(!log.contains(&key[12..]), "{log}");
}

// ---- found ----

#[test]
fn keys_are_found_by_account_prefix_name_and_the_whole_key() {
    let stage = Stage::with(FREE);
    let [ada, bob] = ["Ada", "Bob"].map(|name| stage.account(json!({ "name": name })));
    let made = |account: &str, name: &str| stage.key(account, json!({ "name": name }));
    let (laptop, server, other) = (made(&ada, "laptop of Ada"), made(&ada, "Server 17"), made(&bob, "laptop"));
    let id = |key: &Value| text(&key["id"]);
    let (raw, prefix) = (text(&laptop["key"]), text(&laptop["prefix"]));
    let everything = vec![id(&laptop), id(&server), id(&other)];
    for (query, expected) in [
        (String::new(), everything.clone()),
        (format!("account={ada}"), vec![id(&laptop), id(&server)]),
        (format!("account={bob}"), vec![id(&other)]),
        ("account=acc_01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), vec![]),
        ("search=laptop".into(), vec![id(&laptop), id(&other)]),
        ("search=LAPTOP".into(), vec![id(&laptop), id(&other)]),
        (format!("search=laptop&account={bob}"), vec![id(&other)]),
        ("search=server%2017".into(), vec![id(&server)]),
        (format!("search={}", id(&server)), vec![id(&server)]),
        (format!("search={bob}"), vec![id(&other)]),
        (format!("search={prefix}"), vec![id(&laptop)]),
        (format!("search={raw}"), vec![id(&laptop)]),
        ("search=tg_live_".into(), everything.clone()),
        ("search=nothing%25".into(), vec![]),
        ("search=%25".into(), vec![]),
    ] {
        let list = stage.get(&format!("/keys?{query}")).expect(200).json();
        let mut found: Vec<String> = list["data"].as_array().unwrap().iter().map(id).collect();
        let mut expected = expected;
        found.sort();
        expected.sort();
        assert_eq!((found, &list["next_cursor"]), (expected, &Value::Null), "{query}");
    }
    let by_hand = stage.folder.json(&["key", "list", "--account", &ada, "--search", &raw]);
    assert_eq!(by_hand["data"].as_array().unwrap().len(), 1);
    assert_eq!(by_hand["data"][0]["id"], laptop["id"]);
}

// ---- changed ----

#[test]
fn every_setting_can_be_changed_and_holds_from_the_next_request() {
    let stage = Stage::with(&format!("{FREE}\n[[routes]]\npath = \"/x\"\nscopes = [\"x:read\"]\n"));
    let account = stage.account(json!({}));
    let (raw, path) = raw_and_path(&stage.key(&account, json!({})));
    // A setting, its value, how that is shown, what comes of it, and what undoes it.
    let rows = [
        ("scopes", json!(["y", "x"]), json!(["y", "x"]), "wrong_scope", json!(["*"])),
        ("scopes", json!([]), json!([]), "wrong_scope", json!(["x:read"])),
        ("scopes", json!(["x:*"]), json!(["x:*"]), "ok", json!(["*"])),
        ("ips", json!(["192.0.2.0/24", "2001:db8::/32"]), json!(["192.0.2.0/24", "2001:db8::/32"]), "wrong_ip", json!(["127.0.0.0/8"])),
        ("ips", json!(["127.0.0.1"]), json!(["127.0.0.1/32"]), "ok", json!([])),
        ("disabled", json!(true), json!(true), "disabled", json!(false)),
        ("limits", json!({ "ever": 1 }), json!({ "ever": 1 }), "quota_exceeded", json!({ "ever": null })),
        ("plan", json!("closed"), json!("closed"), "wrong_plan", json!(null)),
        ("plan", json!("pro"), json!("pro"), "ok", json!(null)),
        ("name", json!("another"), json!("another"), "ok", json!("test")),
        ("metadata", json!({ "team": { "id": 7 }, "tags": ["a"] }), json!({ "team": { "id": 7 }, "tags": ["a"] }), "ok", json!({})),
        ("expires_at", json!("2999-01-01T00:00:00Z"), json!("2999-01-01T00:00:00Z"), "ok", json!(null)),
    ];
    for (name, value, shown, verdict, undo) in rows {
        assert_eq!(stage.tries(&raw), "ok", "before {name} = {value}");
        let record = stage.patch(&path, &json!({ name: value })).expect(200).json();
        assert_eq!(record[name], shown);
        assert_eq!(stage.tries(&raw), verdict, "{name} = {value}");
        assert_eq!(stage.get(&path).json()[name], shown);
        stage.patch(&path, &json!({ name: undo })).expect(200);
        assert_eq!(stage.tries(&raw), "ok", "{name} = {undo}");
    }
    let before = stage.get(&path).json();
    let mut after = stage.patch(&path, &json!({})).expect(200).json();
    after["last_used_at"] = before["last_used_at"].clone();
    assert_eq!(after, before, "what is not named stays");
    stage.patch(&path, &json!({ "environment": "test" })).expect(400);
    stage.patch(&path, &json!({ "account": account })).expect(400);
}

#[test]
fn the_command_line_changes_what_http_changes() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({ "scopes": ["a"], "expires": "1h" }));
    let (raw, id) = (text(&key["key"]), text(&key["id"]));
    let set = |arguments: &[&str]| stage.folder.json(&[&["key", "set", &id], arguments].concat());
    assert_eq!(set(&["--name", "by hand"])["name"], "by hand");
    assert_eq!(set(&["--scope", "b", "--scope", "c:*"])["scopes"], json!(["b", "c:*"]));
    assert_eq!(set(&["--metadata", r#"{"a": 1}"#])["metadata"], json!({ "a": 1 }));
    assert_eq!(set(&["--plan", "pro"])["plan"], "pro");
    assert_eq!(set(&["--plan", ""])["plan"], Value::Null);
    assert_eq!(set(&["--expires", ""])["expires_at"], Value::Null);
    assert_about(time(&set(&["--expires", "2h"])["expires_at"]), Timestamp::now() + SignedDuration::from_hours(2));
    set(&["--disable"]);
    assert_eq!(stage.tries(&raw), "disabled");
    set(&["--enable"]);
    assert_eq!(stage.tries(&raw), "ok");
    set(&["--ip", "192.0.2.1"]);
    assert_eq!(stage.tries(&raw), "wrong_ip");
    set(&["--ip", ""]);
    assert_eq!(stage.tries(&raw), "ok");
}

#[test]
fn the_last_use_is_noted() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let (raw, path) = raw_and_path(&stage.key(&account, json!({})));
    let (_, unused) = raw_and_path(&stage.key(&account, json!({})));
    let last_used = |path: &str| stage.get(path).json()["last_used_at"].clone();
    stage.server.get("/x", &raw).expect(200);
    let at = eventually("the use is written", || Some(last_used(&path)).filter(|at| !at.is_null()));
    assert_about(time(&at), Timestamp::now());
    assert_eq!(last_used(&unused), Value::Null);
}

#[test]
fn a_key_expires_at_its_time() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let (raw, path) = raw_and_path(&stage.key(&account, json!({ "expires": "1s" })));
    assert_eq!(stage.tries(&raw), "ok");
    let at = time(&stage.get(&path).json()["expires_at"]);
    let told = eventually("it expires", || Some((stage.tries(&raw), Timestamp::now())).filter(|(verdict, _)| verdict != "ok"));
    assert_eq!(told.0, "expired", "also out of a hot cache");
    assert!(told.1 >= at, "not before {at}");
    stage.server.get("/x", &raw).expect(401);
    for past in ["2020-01-01T00:00:00Z", "0s"] {
        stage.post("/keys", &json!({ "account": account, "name": "n", "expires": past })).expect(400);
    }
}

// ---- revoked ----

#[test]
fn a_revoked_key_stays_refused_and_its_time_is_shown() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let (raw, path) = raw_and_path(&stage.key(&account, json!({})));
    assert_eq!(stage.tries(&raw), "ok");
    let gone = stage.delete(&path).expect(204);
    assert_eq!(gone.body, "");
    assert_eq!(stage.tries(&raw), "revoked");
    let first = stage.get(&path).expect(200).json()["revoked_at"].clone();
    assert_about(time(&first), Timestamp::now());
    stage.delete(&path).expect(204);
    assert_eq!(stage.get(&path).json()["revoked_at"], first, "the first time stays");
    stage.patch(&path, &json!({ "disabled": false })).expect(200);
    assert_eq!(stage.tries(&raw), "revoked", "nothing brings it back");
    stage.post(&format!("{path}/rotate"), &json!({})).expect(409);
    let listed = stage.get(&format!("/keys?account={account}")).json();
    assert_eq!(listed["data"][0]["revoked_at"], first, "it stays in the list");

    let (raw, path) = raw_and_path(&stage.key(&account, json!({})));
    let told = stage.folder.json(&["key", "revoke", path.rsplit('/').next().unwrap()]);
    assert_about(time(&told["revoked_at"]), Timestamp::now());
    assert_eq!(stage.tries(&raw), "revoked");
    let stage = stage.restart();
    assert_eq!(stage.tries(&raw), "revoked");
}

#[test]
fn a_command_line_without_a_server_revokes_as_well() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({}));
    let (raw, id) = (text(&key["key"]), text(&key["id"]));
    assert_eq!(stage.tries(&raw), "ok");
    let folder = stage.folder;
    stage.server.stop();
    assert!(folder.json(&["key", "revoke", &id])["revoked_at"].is_string());
    let output = folder.run_with_input(&["key", "verify", "-", "--json"], &format!("{raw}\n"));
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["valid"], &told["verdict"]), (&json!(false), &json!("revoked")));
    let server = folder.serve();
    assert_eq!(server.get("/x", &raw).expect(401).verdict(), "revoked");
}

// ---- rotated ----

#[test]
fn a_rotation_copies_every_setting_and_the_old_key_lives_on_for_the_grace() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let settings = json!({
        "name": "production", "environment": "test", "plan": "pro", "limits": { "ever": 50 }, "scopes": ["a", "b:*"],
        "ips": ["127.0.0.0/8"], "metadata": { "team": 7 }, "expires_at": "2999-01-01T00:00:00Z",
    });
    let old = stage.key(&account, settings);
    let (old_raw, old_path) = raw_and_path(&old);
    let new = stage.post(&format!("{old_path}/rotate"), &json!({ "grace": "2h" })).expect(201).json();
    let (new_raw, _) = raw_and_path(&new);
    assert_ne!(new["id"], old["id"]);
    assert!(new_raw.starts_with("tg_test_") && new_raw != old_raw);
    for setting in ["name", "account", "environment", "plan", "limits", "scopes", "ips", "metadata", "expires_at", "disabled"] {
        assert_eq!(new[setting], old[setting], "{setting}");
    }
    assert_eq!((stage.tries(&old_raw), stage.tries(&new_raw)), ("ok".into(), "ok".into()));
    let old_now = stage.get(&old_path).json();
    assert_about(time(&old_now["expires_at"]), Timestamp::now() + SignedDuration::from_hours(2));
    stage.post(&format!("{old_path}/rotate"), &json!({})).expect(409);
    assert_eq!(stage.tries(&old_raw), "ok", "a rotation that is refused changes nothing");
}

#[test]
fn the_grace_is_a_week_where_nobody_says_and_never_longer_than_the_key_had() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let rotated = |settings: Value, arguments: &[&str]| {
        let id = text(&stage.key(&account, settings)["id"]);
        stage.folder.json(&[&["key", "rotate", &id], arguments].concat());
        time(&stage.get(&format!("/keys/{id}")).json()["expires_at"])
    };
    let hours = |hours: i64| Timestamp::now() + SignedDuration::from_hours(hours);
    assert_about(rotated(json!({}), &[]), hours(7 * 24));
    assert_about(rotated(json!({}), &["--grace", "30d"]), hours(30 * 24));
    assert_about(rotated(json!({ "expires": "1h" }), &["--grace", "7d"]), hours(1));
    let id = text(&stage.key(&account, json!({}))["id"]);
    for wrong in ["soon", "-1s", "1y"] {
        stage.post(&format!("/keys/{id}/rotate"), &json!({ "grace": wrong })).expect(400);
    }
    stage.call("POST", &format!("/keys/{id}/rotate"), None).expect(201);
}

#[test]
fn without_any_grace_the_old_key_ends_at_once() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let (old, path) = raw_and_path(&stage.key(&account, json!({})));
    assert_eq!(stage.tries(&old), "ok");
    let new = stage.post(&format!("{path}/rotate"), &json!({ "grace": "0s" })).expect(201).json();
    stage.server.get("/x", &old).expect(401);
    assert_eq!(stage.tries(&text(&new["key"])), "ok");

    let (old, path) = raw_and_path(&stage.key(&account, json!({})));
    stage.post(&format!("{path}/rotate"), &json!({ "grace": "1s" })).expect(201);
    assert_eq!(stage.tries(&old), "ok");
    eventually("the grace ends", || (stage.server.get("/x", &old).status == 401).then_some(()));
}

#[test]
fn of_many_who_rotate_a_key_at_once_one_does() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let (_, path) = raw_and_path(&stage.key(&account, json!({})));
    let barrier = Barrier::new(8);
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let rotate = || {
            barrier.wait();
            stage.post(&format!("{path}/rotate"), &json!({})).status
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(rotate)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(stage.get("/keys").json()["data"].as_array().unwrap().len(), 2);
}

// ---- what holds from the very next request ----

/// Hammers with a key from many threads while something is changed: what was sent after the change was acknowledged never passes.
#[track_caller]
fn assert_nothing_passes_after(stage: &Stage, raw: &str, change: impl FnOnce()) {
    const THREADS: usize = 6;
    const AFTERWARDS: usize = 25;
    let (passed, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let hammer = || {
        let mut afterwards = Vec::new();
        while afterwards.len() < AFTERWARDS {
            let sent_after = is_done.load(Ordering::SeqCst);
            let status = stage.server.get("/x", raw).status;
            if sent_after {
                afterwards.push(status);
            } else {
                passed.fetch_add(usize::from(status == 200), Ordering::SeqCst);
            }
        }
        afterwards
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(hammer)).collect();
        let changed = catch_unwind(AssertUnwindSafe(|| {
            eventually("the key is hot", || (passed.load(Ordering::SeqCst) >= 60).then_some(()));
            change();
        }));
        is_done.store(true, Ordering::SeqCst);
        let afterwards: Vec<u16> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        changed.unwrap_or_else(|_| panic!("the change failed"));
        assert_eq!(afterwards.iter().filter(|status| **status == 200).count(), 0, "passed after the change: {afterwards:?}");
    });
}

#[test]
fn once_a_revocation_is_acknowledged_nothing_passes() {
    // The second with a cache so small that keys are read anew all the time.
    for config in [FREE.to_owned(), format!("[server]\ncached_keys = 16\n{FREE}")] {
        let stage = Stage::with(&config);
        let account = stage.account(json!({}));
        let made = || raw_and_path(&stage.key(&account, json!({})));
        let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let (raw, path) = made();
        assert_nothing_passes_after(&stage, &raw, || drop(stage.delete(&path).expect(204)));
        assert_eq!(stage.tries(&raw), "revoked");
        let (raw, path) = made();
        assert_nothing_passes_after(&stage, &raw, || drop(stage.folder.json(&["key", "revoke", &id(&path)])));
        assert_eq!(stage.tries(&raw), "revoked");
        let (raw, path) = made();
        assert_nothing_passes_after(&stage, &raw, || drop(stage.patch(&path, &json!({ "disabled": true })).expect(200)));
        assert_eq!(stage.tries(&raw), "disabled");
        let (raw, path) = made();
        assert_nothing_passes_after(&stage, &raw, || drop(stage.post(&format!("{path}/rotate"), &json!({ "grace": "0s" })).expect(201)));
        let (raw, _) = made();
        let path = format!("/accounts/{account}");
        assert_nothing_passes_after(&stage, &raw, || drop(stage.patch(&path, &json!({ "disabled": true })).expect(200)));
        assert_eq!(stage.tries(&raw), "disabled");
    }
}

#[test]
fn an_account_that_is_switched_off_by_hand_stops_every_one_of_its_keys() {
    let stage = Stage::with(FREE);
    let [account, other] = [(); 2].map(|()| stage.account(json!({})));
    let keys: Vec<String> = (0..5).map(|_| text(&stage.key(&account, json!({}))["key"])).collect();
    let apart = text(&stage.key(&other, json!({}))["key"]);
    let all = |verdict: &str| keys.iter().for_each(|key| assert_eq!(stage.tries(key), verdict));
    all("ok");
    stage.folder.json(&["account", "set", &account, "--disable"]);
    all("disabled");
    assert_eq!(stage.tries(&apart), "ok");
    stage.folder.json(&["account", "set", &account, "--enable"]);
    all("ok");
    stage.folder.json(&["account", "set", &account, "--plan", "pro"]);
    assert_eq!(stage.server.get("/x", &keys[0]).header("X-Auth-Plan").as_deref(), Some("pro"), "a plan holds from the next request, too");
}

#[test]
fn a_reading_under_way_never_brings_an_old_state_back() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let (raw, path) = raw_and_path(&stage.key(&account, json!({})));
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_done.load(Ordering::SeqCst) {
                    stage.server.get("/x", &raw);
                }
            });
        }
        let toggled = catch_unwind(AssertUnwindSafe(|| {
            for round in 0..40 {
                let (of, is_off) =
                    if round % 4 < 2 { (path.clone(), round % 2 == 0) } else { (format!("/accounts/{account}"), round % 2 == 0) };
                stage.patch(&of, &json!({ "disabled": is_off })).expect(200);
                for _ in 0..3 {
                    assert_eq!(stage.tries(&raw), if is_off { "disabled" } else { "ok" }, "round {round}");
                }
            }
        }));
        is_done.store(true, Ordering::SeqCst);
        toggled.unwrap();
    });
}

#[test]
fn a_key_works_from_the_moment_it_is_made() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    for _ in 0..20 {
        assert_eq!(stage.tries(&text(&stage.key(&account, json!({}))["key"])), "ok");
    }
    assert_eq!(stage.tries(&text(&stage.folder.key(&account, &[])["key"])), "ok");
}

// ---- shape and checksum ----

/// A number in an alphabet, most significant digit first, as the contract says it.
fn written(mut number: u32, alphabet: &str, digits: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let base = letters.len() as u32;
    let mut text = vec![letters[0]; digits];
    for digit in text.iter_mut().rev() {
        *digit = letters[(number % base) as usize];
        number /= base;
    }
    assert_eq!(number, 0, "{digits} digits are enough for 32 bits");
    text.into_iter().collect()
}

#[test]
fn a_checksum_is_written_as_the_contract_says() {
    let check = crc32fast::hash(b"123456789");
    assert_eq!(check, 0xCBF4_3926, "CRC-32 (IEEE)");
    assert_eq!(written(check, HEX, 8), "cbf43926");
    assert_eq!(written(61, BASE62, 6), "00000z");
    assert_eq!(written(62, BASE62, 6), "000010");
}

/// Environments: name, prefix, length, alphabet as configured, its letters, and how many digits a checksum has; 0: none.
const SHAPES: [(&str, &str, usize, &str, &str, usize); 7] = [
    ("live", "nb_", 48, "base62", BASE62, 6),
    ("long", "nova_", 64, "base62", BASE62, 6),
    ("hex", "hx-", 60, "hex", HEX, 8),
    ("plain", "el_live_", 40, "base62", BASE62, 0),
    ("crockford", "cr.", 60, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 7),
    ("digits", "d~", 60, "0123456789", "0123456789", 10),
    ("bare", "", 40, "base58", "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 6),
];

fn shapes() -> String {
    let lines = SHAPES.map(|(name, prefix, length, alphabet, _, digits)| {
        let checksum = digits > 0;
        format!("{{ name = \"{name}\", prefix = \"{prefix}\", length = {length}, alphabet = \"{alphabet}\", checksum = {checksum} }}")
    });
    format!("[keys]\nenvironments = [{}]\n{FREE}", lines.join(", "))
}

#[test]
fn every_environment_makes_keys_of_its_own_shape() {
    let stage = Stage::with(&shapes());
    let account = stage.account(json!({}));
    for (name, prefix, length, _, letters, digits) in SHAPES {
        let keys: Vec<String> = (0..12).map(|_| text(&stage.key(&account, json!({ "environment": name }))["key"])).collect();
        for (at, raw) in keys.iter().enumerate() {
            let rest = raw.strip_prefix(prefix).unwrap_or_else(|| panic!("{name}: {raw}"));
            assert_eq!(raw.len(), length, "{name}: the length is the length in all");
            assert!(rest.chars().all(|letter| letters.contains(letter)), "{name}: {raw}");
            let (body, checksum) = raw.split_at(length - digits);
            if digits > 0 {
                assert_eq!(checksum, written(crc32fast::hash(body.as_bytes()), letters, digits), "{name}: {raw}");
            }
            assert!(!keys[..at].contains(raw), "{name}: the same key twice");
            assert_eq!(stage.tries(raw), "ok", "{name}");
        }
        // Every letter of the alphabet has its turn in so many random ones.
        let random: String = keys.iter().map(|raw| &raw[prefix.len()..length - digits]).collect();
        let seen = letters.chars().filter(|letter| random.contains(*letter)).count();
        assert!(seen * 10 >= letters.len() * 9, "{name}: only {seen} letters are used");
    }
}

#[test]
fn no_slip_of_a_letter_passes() {
    let stage = Stage::with(&shapes());
    let account = stage.account(json!({}));
    for (name, _, length, _, letters, _) in SHAPES {
        let raw = text(&stage.key(&account, json!({ "environment": name }))["key"]);
        let slips = (0..length).map(|at| {
            let other = letters.chars().find(|letter| !raw[at..].starts_with(*letter)).unwrap();
            let mut slip = raw.clone();
            slip.replace_range(at..=at, &other.to_string());
            slip
        });
        let cut_and_grown = [raw[..length - 1].to_owned(), format!("{raw}0"), raw.to_uppercase(), raw.to_lowercase()];
        let wrong: Vec<String> = slips.chain(cut_and_grown).filter(|wrong| *wrong != raw).collect();
        let asks: Vec<Value> = wrong.iter().map(|key| json!({ "key": key })).collect();
        let answers = stage.post("/verify", &json!(asks)).expect(200).json();
        for (wrong, answer) in wrong.iter().zip(answers.as_array().unwrap()) {
            assert_eq!(answer["verdict"], "unknown", "{name}: {wrong}");
        }
        assert_eq!(stage.tries(&raw), "ok");
    }
}

#[test]
fn a_reserved_environment_never_authenticates() {
    let config = |is_reserved: bool| {
        format!(
            "[keys]\nenvironments = [{{ name = \"live\", prefix = \"el_live_\", length = 40 }}, {{ name = \"test\", prefix = \"el_test_\", length = 40, reserved = {is_reserved} }}]\n{FREE}"
        )
    };
    let stage = Stage::with(&config(false));
    let account = stage.account(json!({}));
    let raw = text(&stage.key(&account, json!({ "environment": "test" }))["key"]);
    assert_eq!(stage.tries(&raw), "ok");
    std::fs::write(stage.folder.path("auth.toml"), config(true)).unwrap();
    let stage = stage.restart();
    for key in [&*raw, "el_test_", "el_test_of_any_shape", &raw[..39]] {
        let reply = stage.server.get("/x", key).expect(401);
        assert_eq!((reply.verdict(), reply.header("X-Auth-Account")), ("reserved".into(), None), "{key}");
    }
    assert_eq!(stage.tries("el_tes_"), "unknown");
    let fresh = text(&stage.key(&account, json!({}))["key"]);
    assert!(fresh.starts_with("el_live_"), "{fresh}");
}

#[test]
fn in_an_environment_that_holds_imported_keys_no_shape_refuses_by_itself() {
    let config = |environments: &str| format!("[keys]\nenvironments = [{environments}]\n{FREE}");
    let made_elsewhere = config(r#"{ name = "old", prefix = "nb_", length = 48, alphabet = "hex", checksum = false }"#);
    let mut stage = Stage::with(&made_elsewhere);
    let account = stage.account(json!({}));
    let old = text(&stage.key(&account, json!({}))["key"]);
    for (settings, verdict) in [
        (r#"{ name = "old", prefix = "nb_", length = 64, imported = true }"#, "ok"),
        (r#"{ name = "old", prefix = "nb_", length = 48, alphabet = "hex", imported = true }"#, "ok"),
        (r#"{ name = "old", prefix = "nb_", length = 48, alphabet = "hex" }"#, "unknown"),
        (r#"{ name = "old", prefix = "nb_", length = 64 }"#, "unknown"),
        (r#"{ name = "new", prefix = "nb_", length = 64 }, { name = "old", prefix = "nb_", length = 40, imported = true }"#, "ok"),
    ] {
        std::fs::write(stage.folder.path("auth.toml"), config(settings)).unwrap();
        stage = stage.restart();
        assert_eq!(stage.tries(&old), verdict, "{settings}");
        assert_eq!(stage.tries(&format!("{old}0")), "unknown", "{settings}");
    }
}
