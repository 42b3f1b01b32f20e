//! Each row that can be imported, and each that cannot: named by its line and field, and then nothing was changed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{JSONL, all, assert_clean, hash, import, keys, raw, stage};
use crate::support::{Request, Stage};

/// What is wrong, as `line field`.
#[track_caller]
pub fn refused(stage: &Stage, what: &str, media: &str, rows: &str) -> Vec<(u64, String, String)> {
    let problem = import(stage, what, media, rows).expect(400).json();
    assert!(problem["detail"].as_str().unwrap().contains("no "), "{problem}");
    assert_clean(&stage.folder);
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem}"));
    let told = |error: &Value, name: &str| error[name].as_str().unwrap_or_else(|| panic!("no {name}: {error}")).to_owned();
    errors.iter().map(|error| (error["line"].as_u64().unwrap(), told(error, "field"), told(error, "message"))).collect()
}

#[test]
fn each_bad_key_is_named_and_nothing_is_imported() {
    let stage = stage();
    let account = stage.account(json!({}));
    let there = stage.key(&account, json!({}));
    let (there_id, there_raw) = (there["id"].as_str().unwrap(), there["key"].as_str().unwrap());
    let (soon, long) = ("2999-01-01", "x".repeat(600));
    let cases: &[(Value, &str, &str)] = &[
        (json!({"name": "a", "key": raw(1)}), "account", "must be given"),
        (json!({"account": "acc_00000000000000000000000009", "name": "a", "key": raw(1)}), "account", "There is no account"),
        (json!({"account": account, "key": raw(1)}), "name", "must be given"),
        (json!({"account": account, "name": "", "key": raw(1)}), "name", "must not be empty"),
        (json!({"account": account, "name": there_raw, "key": raw(1)}), "name", "raw key"),
        (json!({"account": account, "name": "a"}), "key", "or its 'hash'"),
        (json!({"account": account, "name": "a", "key": raw(1), "hash": hash("x")}), "hash", "give one of them"),
        (json!({"account": account, "name": "a", "key": ""}), "key", "visible"),
        (json!({"account": account, "name": "a", "key": "old_with blank"}), "key", "visible"),
        (json!({"account": account, "name": "a", "key": format!("old_{long}")}), "key", "1 to 512"),
        (json!({"account": account, "name": "a", "key": "sk_live_1234567890"}), "key", "imported = true"),
        (json!({"account": account, "name": "a", "key": "tg_live_short"}), "key", "imported = true"),
        (json!({"account": account, "name": "a", "key": "tg_gone_short"}), "key", "imported = true"),
        (json!({"account": account, "name": "a", "key": raw(1), "environment": "live"}), "key", "the environment 'live'"),
        (json!({"account": account, "name": "a", "key": raw(1), "environment": "mars"}), "environment", "must be one of live"),
        (json!({"account": account, "name": "a", "key": raw(1), "prefix": "old_9999"}), "prefix", "leave it out"),
        (json!({"account": account, "name": "a", "key": there_raw}), "hash", "there already"),
        (json!({"account": account, "name": "a", "hash": "abc"}), "hash", "SHA-256"),
        (json!({"account": account, "name": "a", "hash": 5}), "hash", "must be a text"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "environment": "mars"}), "environment", "must be one of live"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "prefix": there_raw}), "prefix", "at most 12"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "id": "key_1"}), "id", "is no id"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "id": "key_0000000000000000000000000u"}), "id", "is no id"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "id": "key_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"}), "id", "still to come"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "id": there_id}), "id", "there already"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "replaced_by": "key_1"}), "replaced_by", "is no id"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "created_at": soon}), "created_at", "between 1970 and now"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "revoked_at": soon}), "revoked_at", "between 1970 and now"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "last_used_at": "1969-01-01"}), "last_used_at", "between 1970 and now"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "expires_at": "soon"}), "expires_at", "a length such as 30d"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "plan": "gold"}), "plan", "there is no plan 'gold'"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "limits": {"week": 5}}), "limits.week", "no plan has a limit"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "scopes": ["a b"]}), "scopes", "is no scope"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "scopes": "a"}), "scopes", "a list of texts"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "ips": ["10.0.0.0/99"]}), "ips", "no address range"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "metadata": {"a": "x".repeat(5000)}}), "metadata", "at most 4096"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "disabled": "no"}), "disabled", "true or false"),
        (json!({"account": account, "name": "a", "hash": hash("x"), "nmae": "b"}), "nmae", "did you mean 'name'"),
        (json!([1]), "", "must be a JSON object"),
    ];
    let good = format!("{}\n", json!({"account": account, "name": "good", "key": raw(7)}));
    for (row, field, message) in cases {
        let faults = refused(&stage, "keys", JSONL, &format!("{good}\n{row}\n"));
        let told = faults.iter().any(|(line, on, why)| *line == 3 && on == field && why.contains(message));
        assert!(told && faults.len() == 1, "{row} wants {field}: {message}, and got {faults:?}");
    }
    let lines: String = cases.iter().take(30).map(|(row, ..)| format!("{row}\n")).collect();
    let faults = refused(&stage, "keys", JSONL, &lines);
    assert_eq!(faults.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>(), "all in one answer");
    assert_eq!(all(&stage.folder, "key").len(), 1);
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(7))), "unknown");
    assert!(!import(&stage, "keys", JSONL, &lines).body.contains(there_raw), "no secret is repeated");
}

#[test]
fn each_bad_account_is_named_and_nothing_is_imported() {
    let stage = stage();
    let there = stage.account(json!({}));
    for (row, field, message) in [
        (json!({}), "name", "must be given"),
        (json!({"name": "a", "kind": "robot"}), "kind", "personal or organization"),
        (json!({"name": "a", "id": there}), "id", "there already"),
        (json!({"name": "a", "id": "key_01M7ZHZ05YV7RQ0BBJDB5BSTJM"}), "id", "is no id"),
        (json!({"name": "a", "plan": "gold"}), "plan", "there is no plan"),
        (json!({"name": "a", "balance": "5"}), "balance", "whole number"),
        (json!({"name": "a", "plan_tokens": 5}), "plan_tokens", "give both"),
        (json!({"name": "a", "plan_tokens": -5, "bonus_tokens": 0}), "plan_tokens", "below 0"),
        (json!({"name": "a", "plan_tokens": 5, "bonus_tokens": 5, "balance": 11}), "balance", "together"),
        (json!({"name": "a", "period": "2025-01-01"}), "period", "plan_tokens"),
        (json!({"name": "a", "created_at": "2999-01-01"}), "created_at", "between 1970 and now"),
        (json!({"name": "a", "key": "x"}), "key", "there is no such field"),
    ] {
        let faults = refused(&stage, "accounts", JSONL, &format!("{{\"name\": \"good\"}}\n{row}\n"));
        let told = faults.iter().any(|(line, on, why)| *line == 2 && on == field && why.contains(message));
        assert!(told && faults.len() == 1, "{row} wants {field}: {message}, and got {faults:?}");
    }
    assert_eq!(all(&stage.folder, "account").len(), 1);
}

#[test]
fn what_stands_twice_is_named_by_both_lines() {
    let stage = stage();
    let account = stage.account(json!({}));
    let row = |n: usize, id: &str| json!({"account": account, "name": "a", "hash": hash(&raw(n)), "id": id}).to_string();
    let (one, two) = ("key_00000000000000000000000001", "key_00000000000000000000000002");
    let faults = refused(&stage, "keys", JSONL, &[row(1, one), row(1, two), row(2, one)].join("\n"));
    let told: Vec<String> = faults.into_iter().map(|(line, field, message)| format!("{line} {field} {message}")).collect();
    assert_eq!(told, ["2 hash stands on line 1 already", "3 id stands on line 1 already"]);
    let raw_and_hash = format!("{}{}", keys(&account, 1..2), row(1, one));
    assert_eq!(refused(&stage, "keys", JSONL, &raw_and_hash)[0].1, "hash", "a key and its hash are one");
    let twice = format!("{0}\n{0}\n", json!({"name": "a", "id": "acc_00000000000000000000000001"}));
    assert_eq!(refused(&stage, "accounts", JSONL, &twice)[0].0, 2);
}

#[test]
fn no_more_than_a_hundred_are_told_and_the_answer_is_seen() {
    let stage = stage();
    let rows = "{}\n".repeat(200_000);
    let faults = refused(&stage, "accounts", JSONL, &rows);
    assert_eq!((faults.len(), faults[0].0, faults[99].0), (100, 1, 100));
}

#[test]
fn tables_are_read_and_their_lines_counted() {
    let stage = stage();
    let account = stage.account(json!({}));
    let head = "account,name,key,scopes,ips,limits,metadata,disabled,expires_at";
    let rows = format!(
        "{head}\r\n{account},\"a, \"\"b\"\"\",{},x:read y,10.0.0.0/8 ::1,\"{{\"\"minute\"\": 5}}\",\"{{\"\"m\"\":\r\n1}}\",true,2020-01-01\r\n{account},=1+1,{},,,,,,\r\n",
        raw(1),
        raw(2)
    );
    assert_eq!(import(&stage, "keys", "text/csv; charset=utf-8", &rows).expect(200).json(), json!({ "imported": 2 }));
    let listed = all(&stage.folder, "key");
    let named = |name: &str| listed.iter().find(|key| key["name"] == name).unwrap_or_else(|| panic!("no {name}: {listed:?}"));
    let first = named("a, \"b\"");
    assert_eq!(first["scopes"], json!(["x:read", "y"]));
    assert_eq!(first["ips"], json!(["10.0.0.0/8", "::1/128"]));
    assert_eq!((&first["limits"], &first["metadata"]), (&json!({"minute": 5}), &json!({"m": 1})));
    assert_eq!((&first["disabled"], &first["expires_at"]), (&json!(true), &json!("2020-01-01T00:00:00Z")));
    assert_eq!(named("=1+1")["scopes"], json!(["*"]), "what a cell does not say is as for a new key");
    let wrong = format!("{head}\n{account},a,{},,,,,,\n{account},a,{},,,no,,maybe,\nshort\n", raw(3), raw(4));
    let told: Vec<_> = refused(&stage, "keys", "text/csv", &wrong).into_iter().map(|(line, field, _)| (line, field)).collect();
    assert_eq!(told, [(3, "limits".into()), (4, String::new())]);
    assert_eq!(refused(&stage, "keys", "text/csv", "account,nam\nx,y\n")[0].0, 1, "a header with a field that nobody knows");
}

#[test]
fn hashes_are_read_as_others_store_them() {
    let stage = stage();
    let account = stage.account(json!({}));
    let written = [
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>(),
        |bytes: &[u8]| STANDARD.encode(bytes),
        |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes),
        |bytes: &[u8]| URL_SAFE.encode(bytes),
        |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes),
    ];
    let row = |(n, write): (usize, &fn(&[u8]) -> String)| {
        let hash = write(&Sha256::digest(raw(n).as_bytes()));
        format!("{}\n", json!({"account": account, "name": "a", "hash": hash, "environment": "old", "prefix": "old_0000"}))
    };
    let written: Vec<fn(&[u8]) -> String> = written.into_iter().map(|write| write as fn(&[u8]) -> String).collect();
    let rows: String = written.iter().enumerate().map(row).collect();
    import(&stage, "keys", JSONL, &rows).expect(200);
    for n in 0..written.len() {
        assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(n))), "ok", "{n}");
    }
}

#[test]
fn a_key_keeps_its_past() {
    let stage = stage();
    let account = stage.account(json!({}));
    let past = json!({
        "id": "key_00000000000000000000000001", "account": account, "name": "old", "key": raw(1), "created_at": "2020-01-01T00:00:00Z",
        "last_used_at": "2021-01-01T00:00:00Z", "revoked_at": "2022-01-01T00:00:00Z", "replaced_by": "key_00000000000000000000000002",
    });
    let expired = json!({"account": account, "name": "b", "key": raw(2), "expires_at": "2020-01-01"});
    let disabled = json!({"account": account, "name": "c", "key": raw(3), "disabled": true});
    import(&stage, "keys", JSONL, &format!("{past}\n{expired}\n{disabled}\n")).expect(200);
    let shown = stage.get("/keys/key_00000000000000000000000001").expect(200).json();
    for field in ["account", "name", "created_at", "last_used_at", "revoked_at", "replaced_by"] {
        assert_eq!(shown[field], past[field], "{field}");
    }
    assert_eq!(shown["prefix"], "old_0000");
    for (n, verdict) in [(1, "revoked"), (2, "expired"), (3, "disabled")] {
        assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(n))), verdict);
    }
}

#[test]
fn an_account_keeps_its_balance_and_what_is_not_said_is_as_for_a_new_one() {
    let stage = stage();
    let rows = [
        json!({"name": "plain"}),
        json!({"name": "pro", "plan": "pro"}),
        json!({"name": "total", "plan": "pro", "balance": 20}),
        json!({"name": "parts", "plan": "pro", "plan_tokens": 7, "bonus_tokens": -9, "balance": -2}),
        json!({"name": "ended", "plan": "pro", "plan_until": "2020-01-01", "kind": "organization", "disabled": true, "limits": {"minute": 3}}),
        json!({"name": "refilled", "plan": "pro", "plan_tokens": 7, "bonus_tokens": 3, "created_at": "2020-01-05", "period": "2020-02-05"}),
    ];
    import(&stage, "accounts", JSONL, &rows.map(|row| format!("{row}\n")).concat()).expect(200);
    let listed = all(&stage.folder, "account");
    assert_eq!(
        listed.iter().map(|account| account["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["plain", "pro", "total", "parts", "ended", "refilled"]
    );
    let tokens = |at: usize| (listed[at]["plan_tokens"].as_i64().unwrap(), listed[at]["bonus_tokens"].as_i64().unwrap());
    assert_eq!([0, 1, 2, 3, 4, 5].map(tokens), [(0, 0), (500, 0), (20, 0), (7, -9), (0, 0), (500, 3)]);
    assert_eq!((&listed[0]["plan"], &listed[0]["kind"]), (&json!("free"), &json!("personal")));
    assert_eq!(
        (&listed[4]["kind"], &listed[4]["disabled"], &listed[4]["limits"]),
        (&json!("organization"), &json!(true), &json!({"minute": 3}))
    );
    let history = stage.get(&format!("/accounts/{}/balance", listed[3]["id"].as_str().unwrap())).expect(200).json();
    assert_eq!((&history["data"][0]["balance"], &history["data"][0]["reason"]), (&json!(-2), &json!("imported")));
}

#[test]
fn nothing_at_all_is_imported_too() {
    let stage = stage();
    for (media, rows) in [(JSONL, ""), (JSONL, "\n\n"), ("text/csv", ""), ("text/csv", "account,name,key\n")] {
        assert_eq!(import(&stage, "keys", media, rows).expect(200).json(), json!({ "imported": 0 }), "{media}: {rows:?}");
    }
    assert_clean(&stage.folder);
}
