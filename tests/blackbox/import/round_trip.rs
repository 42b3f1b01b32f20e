//! What is exported is imported again, and is the same, whatever it holds.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{CONFIG, all, assert_without, hash, stage};
use crate::support::server::text;
use crate::support::{Folder, Request, Stage};

/// What spreadsheets, shells and separators would make something of.
const AWKWARD: [&str; 12] = [
    "plain",
    "a,b;c\td".split_at(5).0,
    "say \"hello\"",
    "=SUM(A1:A9)",
    "+1",
    "-1",
    "@cmd",
    "Ünïcödé 🗝 العربية",
    " blanks around ",
    "[not json",
    "{\"json\": true}",
    "'quoted'",
];

/// A database with everything that a record can hold.
fn furnished() -> (Stage, Vec<String>) {
    let stage = stage();
    let mut raws = Vec::new();
    for name in AWKWARD {
        let account = stage.account(json!({"name": name, "plan": "pro", "limits": {"minute": 77}}));
        let key = stage.key(
            &account,
            json!({
                "name": name, "plan": "free", "limits": {"day": 5}, "scopes": ["[x", "y:*"], "ips": ["127.0.0.0/8", "::1"],
                "metadata": {"text": format!("{name}\r\n\"x\""), "deep": [1, {"null": null}]}, "expires": "30d",
            }),
        );
        stage.server.get("/x", &text(&key["key"])).expect(200);
        let none = stage.key(&account, json!({"name": name, "scopes": [], "environment": "test"}));
        let rotated = stage.key(&account, json!({}));
        stage.post(&format!("/keys/{}/rotate", text(&rotated["id"])), &json!({})).expect(201);
        stage.delete(&format!("/keys/{}", text(&none["id"]))).expect(204);
        raws.push(text(&key["key"]));
    }
    let account =
        stage.account(json!({"kind": "organization", "plan": "pro", "plan_until": "2999-12-31", "balance": -5, "disabled": true}));
    stage.key(&account, json!({"disabled": true}));
    (stage, raws)
}

fn exported(folder: &Folder, what: &str, format: &str) -> String {
    let output = folder.run(&[what, "export", "--format", format]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("rows are UTF-8")
}

#[test]
fn what_is_exported_is_imported_again_and_is_the_same() {
    let (stage, raws) = furnished();
    // When keys were last used is saved each quarter second, and on the way down.
    let stage = stage.restart();
    for format in ["jsonl", "csv"] {
        let copy = Folder::with(CONFIG);
        for what in ["account", "key"] {
            let file = copy.path(&format!("{what}.{format}"));
            std::fs::write(&file, exported(&stage.folder, what, format)).unwrap();
            let imported = copy.json(&[what, "import", file.to_str().unwrap()]);
            assert_eq!(imported["imported"], all(&stage.folder, what).len(), "{format}");
        }
        for what in ["account", "key"] {
            assert_eq!(all(&copy, what), all(&stage.folder, what), "{format}");
            for again in ["jsonl", "csv"] {
                assert_eq!(exported(&copy, what, again), exported(&stage.folder, what, again), "{format}, {again}");
            }
        }
        let copy = Stage::of(copy);
        for raw in &raws {
            assert_eq!(copy.verdict(&Request::get("/x").bearer(raw)), "ok", "{format}");
        }
    }
}

#[test]
fn an_export_is_a_stream_of_rows_with_hashes_and_without_raw_keys() {
    let stage = stage();
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({}));
    let other = stage.account(json!({}));
    stage.key(&other, json!({}));
    let reply = stage.get(&format!("/keys/export?account={account}")).expect(200);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/jsonl"));
    let rows: Vec<Value> = reply.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["hash"], hash(key["key"].as_str().unwrap()));
    assert!(!reply.body.contains(key["key"].as_str().unwrap()) && rows[0].get("key").is_none());
    let reply = stage.get("/accounts/export?format=csv").expect(200);
    assert_eq!(reply.header("content-type").as_deref(), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(reply.body.lines().count(), 3, "{}", reply.body);
    assert_eq!(stage.get(&format!("/accounts/export?account={account}")).body.lines().count(), 1);
    stage.get("/keys/export?account=acc_00000000000000000000000009").expect(404);
    stage.get("/keys/export?format=xml").expect(400);
    stage.get("/keys/export?limit=5").expect(400);
}

#[test]
fn pages_follow_each_other_without_a_seam() {
    let folder = Folder::with(CONFIG);
    let rows: String = (0..2500).map(|n| format!("{}\n", json!({"id": format!("acc_{n:026}"), "name": format!("n{n}")}))).collect();
    let output = folder.run_with_input(&["account", "import", "-", "--json"], &rows);
    assert!(output.status.success(), "{output:?}");
    let exported = exported(&folder, "account", "jsonl");
    let names: Vec<String> = exported.lines().map(|line| text(&serde_json::from_str::<Value>(line).unwrap()["name"])).collect();
    assert_eq!(names, (0..2500).map(|n| format!("n{n}")).collect::<Vec<_>>());
}

#[test]
fn an_export_makes_a_new_file_for_its_owner_alone() {
    let folder = Folder::with(CONFIG);
    folder.account(&[]);
    let done = folder.json(&["account", "export", "--output", "out.csv"]);
    assert_eq!(done["exported"], 1);
    let file = folder.path("out.csv");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(before.starts_with("id,name,kind"), "the name says how it is written: {before}");
    let again = folder.run(&["account", "export", "--output", "out.csv"]);
    assert_eq!((again.status.code(), std::fs::read_to_string(&file).unwrap()), (Some(2), before));
    let both = folder.run(&["account", "export", "--json"]);
    assert_eq!(both.status.code(), Some(2), "rows are not one JSON document");
}

#[test]
fn raw_keys_are_written_nowhere() {
    let stage = stage();
    let account = stage.account(json!({}));
    super::import(&stage, "keys", super::JSONL, &super::keys(&account, 1..50)).expect(200);
    let (folder, (code, log)) = (stage.folder, stage.server.stop());
    assert_eq!(code, Some(0));
    assert!(!log.contains(&super::raw(1)[..20]), "{log}");
    assert_without(&folder.database(), &super::raw(1)[..20]);
}
