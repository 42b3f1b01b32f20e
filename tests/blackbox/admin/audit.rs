//! The audit: who did what to whom, from where, when, with what before and after. Never with a secret, and append-only.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Holder, NO_ACCOUNT, PLANS, assert_problem, data, ids, list, names};
use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Stage, eventually};

const FIELDS: [&str; 10] = ["id", "at", "actor", "origin", "request_id", "action", "target", "account", "before", "after"];

/// The entries that a call leaves, oldest first.
fn left_by<T>(stage: &Stage, call: impl FnOnce() -> T) -> (T, Vec<Value>) {
    let before = data(&list(stage, "/audit")).len();
    let done = call();
    let after = list(stage, "/audit");
    let mut new = data(&after)[..data(&after).len() - before].to_vec();
    new.reverse();
    (done, new)
}

/// What an entry says: action, target, account, before, after.
fn told(entry: &Value) -> Value {
    ["action", "target", "account", "before", "after"].map(|field| entry[field].clone()).to_vec().into()
}

/// A record without what is shown once.
fn without_secret(record: &Value) -> Value {
    let mut record = record.clone();
    for secret in ["key", "token"] {
        record.as_object_mut().unwrap().shift_remove(secret);
    }
    record
}

/// The fields of two records that differ, each as it was and as it is.
fn differing(was: &Value, is: &Value) -> (Value, Value) {
    let part = |of: &Value, other: &Value| -> Value {
        let fields = of.as_object().unwrap().iter().filter(|(name, value)| other.get(*name) != Some(value));
        Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    (part(was, is), part(is, was))
}

#[test]
fn every_change_over_http_leaves_its_entry() {
    let stage = Stage::with(PLANS);
    let actor = data(&stage.get("/tokens").json())[0]["id"].clone();
    let by = |reply: &Reply, entries: &[Value], expected: &[Value]| {
        assert_eq!(entries.iter().map(told).collect::<Vec<_>>(), expected, "{entries:?}");
        for entry in entries {
            assert_eq!(names(entry), FIELDS);
            assert!(text(&entry["id"]).starts_with("aud_"), "{entry}");
            assert_eq!(entry["actor"], actor);
            assert_eq!(entry["origin"], "127.0.0.1");
            assert_eq!(entry["request_id"].as_str(), reply.header("X-Request-Id").as_deref());
            assert!(text(&entry["at"]).ends_with('Z') && text(&entry["at"]).parse::<jiff::Timestamp>().is_ok(), "{entry}");
        }
    };
    let record = |path: &str| stage.get(path).expect(200).json();

    let (reply, entries) = left_by(&stage, || stage.post("/accounts", &json!({ "name": "Ada", "plan": "pro" })).expect(201));
    let made = reply.json();
    let account = text(&made["id"]);
    by(&reply, &entries, &[json!(["account.created", account, account, null, made])]);

    let path = format!("/accounts/{account}");
    for change in [
        json!({ "name": "Eve" }),
        json!({ "plan": "free", "plan_until": "2999-01-01", "limits": { "minute": 5 }, "kind": "organization" }),
        json!({ "balance": 70, "limits": { "minute": null } }),
        json!({ "disabled": true }),
        json!({ "disabled": false, "plan_until": null }),
    ] {
        let was = record(&path);
        let (reply, entries) = left_by(&stage, || stage.patch(&path, &change).expect(200));
        let (before, after) = differing(&was, &reply.json());
        assert_ne!(after, json!({}));
        by(&reply, &entries, &[json!(["account.changed", account, account, before, after])]);
    }

    for (tokens, action) in [(-20, "balance.charged"), (5, "balance.credited")] {
        let held = record(&path)["balance"].as_i64().unwrap();
        let body = json!({ "account": account, "tokens": tokens, "reason": "because" });
        let (reply, entries) = left_by(&stage, || stage.post("/balance", &body).expect(200));
        let after = json!({ "balance": held + tokens, "reason": "because" });
        by(&reply, &entries, &[json!([action, account, account, { "balance": held }, after])]);
    }

    let body = json!({ "account": account, "name": "n", "metadata": { "a": 1 }, "scopes": ["x:*"] });
    let (reply, entries) = left_by(&stage, || stage.post("/keys", &body).expect(201));
    let made = reply.json();
    let key = text(&made["id"]);
    by(&reply, &entries, &[json!(["key.created", key, account, null, without_secret(&made)])]);

    let path = format!("/keys/{key}");
    for change in [
        json!({ "name": "m" }),
        json!({ "scopes": [], "ips": ["192.0.2.0/24"], "metadata": { "b": [2] }, "expires": "30d" }),
        json!({ "plan": "elite", "limits": { "day": 9 }, "disabled": true }),
        json!({ "plan": null, "expires": null, "disabled": false }),
    ] {
        let was = record(&path);
        let (reply, entries) = left_by(&stage, || stage.patch(&path, &change).expect(200));
        let (before, after) = differing(&was, &reply.json());
        by(&reply, &entries, &[json!(["key.changed", key, account, before, after])]);
    }

    for grace in ["1d", "0s"] {
        let old = text(&stage.key(&account, json!({}))["id"]);
        let was = record(&format!("/keys/{old}"));
        let (reply, entries) = left_by(&stage, || stage.post(&format!("/keys/{old}/rotate"), &json!({ "grace": grace })).expect(201));
        let made = reply.json();
        let (before, after) = differing(&was, &record(&format!("/keys/{old}")));
        let expected =
            [json!(["key.rotated", old, account, before, after]), json!(["key.created", made["id"], account, null, without_secret(&made)])];
        by(&reply, &entries, &expected);
    }

    let was = record(&path);
    let (reply, entries) = left_by(&stage, || stage.delete(&path).expect(204));
    let (before, after) = differing(&was, &record(&path));
    assert_eq!(names(&after), ["revoked_at"]);
    by(&reply, &entries, &[json!(["key.revoked", key, account, before, after])]);
    let (_, entries) = left_by(&stage, || stage.delete(&path).expect(204));
    assert_eq!(entries, [] as [Value; 0], "what is revoked already is not revoked again");

    for bound_to in [json!(null), json!(account)] {
        let (reply, entries) = left_by(&stage, || stage.post("/tokens", &json!({ "scopes": ["admin"], "account": bound_to })).expect(201));
        let made = reply.json();
        by(&reply, &entries, &[json!(["token.created", made["id"], bound_to, null, without_secret(&made)])]);
        let path = format!("/tokens/{}", text(&made["id"]));
        let (reply, entries) = left_by(&stage, || stage.delete(&path).expect(204));
        let tokens = list(&stage, "/tokens");
        let is = data(&tokens).iter().find(|token| token["id"] == made["id"]).unwrap();
        let after = json!({ "revoked_at": is["revoked_at"] });
        by(&reply, &entries, &[json!(["token.revoked", made["id"], bound_to, { "revoked_at": null }, after])]);
        let (_, entries) = left_by(&stage, || stage.delete(&path).expect(204));
        assert_eq!(entries, [] as [Value; 0]);
    }
}

#[test]
fn every_change_by_hand_leaves_its_entry_too() {
    // Beside a running server, and without one.
    for serves in [true, false] {
        let folder = Folder::with(PLANS);
        let server = serves.then(|| folder.serve());
        let account = folder.account(&[]);
        folder.json(&["account", "set", &account, "--name", "Eve", "--balance", "5"]);
        let key = text(&folder.key(&account, &[])["id"]);
        folder.json(&["key", "set", &key, "--name", "m"]);
        let next = text(&folder.json(&["key", "rotate", &key])["id"]);
        folder.json(&["key", "revoke", &next]);
        let token = text(&folder.json(&["token", "create", "--scope", "verify"])["id"]);
        folder.json(&["token", "revoke", &token]);
        // What only looks, and what fails, leaves none.
        for arguments in [
            &["account", "list"][..],
            &["account", "show", &account],
            &["account", "history", &account],
            &["key", "list"],
            &["key", "show", &key],
            &["token", "list"],
            &["audit"],
            &["account", "set", &account, "--plan", "gold"],
            &["account", "set", &account, "--name", "Eve"],
            &["key", "rotate", &key],
            &["key", "revoke", &next],
            &["key", "create", "--account", NO_ACCOUNT, "--name", "n"],
            &["token", "create", "--scope", "root"],
        ] {
            folder.run(arguments);
        }
        let audit = folder.json(&["audit"]);
        let mut entries = data(&audit).to_vec();
        // What the server began with.
        let began = serves.then(|| entries.pop()).flatten();
        assert!(began.is_none_or(|entry| entry["action"] == "config.taken" && entry["actor"] == "tollgate"));
        let mut done: Vec<[Value; 2]> = entries.iter().map(|entry| ["action", "target"].map(|field| entry[field].clone())).collect();
        done.reverse();
        let expected = [
            ("account.created", &account),
            ("account.changed", &account),
            ("key.created", &key),
            ("key.changed", &key),
            ("key.rotated", &key),
            ("key.created", &next),
            ("key.revoked", &next),
            ("token.created", &token),
            ("token.revoked", &token),
        ];
        assert_eq!(done, expected.map(|(action, target)| [json!(action), json!(target)]), "served: {serves}");
        for entry in &entries {
            assert_eq!((&entry["actor"], &entry["origin"]), (&json!("operator"), &json!("control")), "{entry}");
            assert!(text(&entry["request_id"]).starts_with("req_"), "{entry}");
        }
        let changed = data(&audit).iter().find(|entry| entry["action"] == "account.changed").unwrap();
        assert_eq!(changed["before"], json!({ "name": "tester", "balance": 0, "bonus_tokens": 0 }));
        assert_eq!(changed["after"], json!({ "name": "Eve", "balance": 5, "bonus_tokens": 5 }));
        drop(server);
        // For people: each change in one piece.
        let table = String::from_utf8(folder.run(&["audit", "--limit", "100"]).stdout).unwrap();
        assert!(table.contains("\"tester\" → \"Eve\"") && table.contains("key.rotated") && table.contains("control"), "{table}");
        let few = folder.json(&["audit", "--limit", "2"]);
        assert_eq!(ids(&few), ids(&audit)[..2]);
        assert_eq!(ids(&folder.json(&["audit", "--limit", "0"])), ids(&audit));
        for (arguments, count) in [
            (["--action", "key.created"], 2),
            (["--target", &key], 3),
            (["--account", &account], 7),
            (["--actor", "operator"], 9),
            (["--to", "2020-01-01"], 0),
        ] {
            assert_eq!(ids(&folder.json(&[&["audit"], &arguments[..]].concat())).len(), count, "{arguments:?}");
        }
    }
}

#[test]
fn what_was_refused_or_failed_leaves_no_entry() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({ "balance": 5 }));
    let key = text(&stage.key(&account, json!({}))["id"]);
    stage.post(&format!("/keys/{key}/rotate"), &json!({})).expect(201);
    let verify = Holder::of(&stage, &json!({ "scopes": ["verify"] }));
    let bound = Holder::bound(&stage, &stage.account(json!({})));
    let (_, entries) = left_by(&stage, || {
        for (method, path, body, status) in [
            ("POST", "/accounts".to_owned(), Some(json!({ "name": "" })), 400),
            ("PATCH", format!("/accounts/{account}"), Some(json!({ "plan": "gold" })), 400),
            ("PATCH", format!("/accounts/{NO_ACCOUNT}"), Some(json!({ "name": "n" })), 404),
            ("POST", "/balance".into(), Some(json!({ "account": account, "tokens": -6 })), 402),
            ("POST", "/balance".into(), Some(json!({ "account": NO_ACCOUNT, "tokens": 6 })), 404),
            ("POST", "/keys".into(), Some(json!({ "account": NO_ACCOUNT, "name": "n" })), 404),
            ("POST", format!("/keys/{key}/rotate"), Some(json!({})), 409),
            ("DELETE", format!("/keys/{}", super::NO_KEY), None, 404),
            ("DELETE", format!("/tokens/{}", super::NO_TOKEN), None, 404),
            ("POST", "/tokens".into(), Some(json!({ "scopes": ["root"] })), 400),
        ] {
            assert_problem(&stage.call(method, &path, body.as_ref()), status);
            if path != "/balance" {
                assert_problem(&verify.call(method, &path, body.as_ref()), 403);
            }
            let refused = bound.call(method, &path, body.as_ref());
            assert!([400, 403, 404].contains(&refused.status), "{refused:?}");
        }
        // Nor do questions.
        for path in ["/accounts", "/keys", "/tokens", "/plans", "/audit"] {
            stage.get(path).expect(200);
        }
        stage.verify(&json!({ "key": "tg_live_x" }));
    });
    assert_eq!(entries, [] as [Value; 0]);
}

#[test]
fn no_entry_holds_a_secret() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let made = stage.key(&account, json!({}));
    let rotated = stage.post(&format!("/keys/{}/rotate", text(&made["id"])), &json!({})).expect(201).json();
    let token = Holder::bound(&stage, &account);
    let (key, id) = (text(&made["key"]), text(&made["id"]));
    // Written where they do not belong: refused, and not repeated.
    for secret in [&key, &token.token] {
        let inside = format!("see {secret}.");
        for (method, path, body) in [
            ("POST", "/accounts".to_owned(), json!({ "name": secret })),
            ("POST", "/accounts".into(), json!({ "name": inside })),
            ("PATCH", format!("/accounts/{account}"), json!({ "name": inside })),
            ("PATCH", format!("/accounts/{account}"), json!({ "plan": secret })),
            ("PATCH", format!("/accounts/{account}"), json!({ "limits": { secret.as_str(): 5 } })),
            ("POST", "/keys".into(), json!({ "account": account, "name": inside })),
            ("POST", "/keys".into(), json!({ "account": account, "name": "n", "scopes": [secret] })),
            ("POST", "/keys".into(), json!({ "account": account, "name": "n", "metadata": { "a": { "b": [inside] } } })),
            ("POST", "/keys".into(), json!({ "account": account, "name": "n", "metadata": { secret.as_str(): 1 } })),
            ("PATCH", format!("/keys/{id}"), json!({ "name": secret })),
            ("PATCH", format!("/keys/{id}"), json!({ "scopes": ["a", secret] })),
            ("PATCH", format!("/keys/{id}"), json!({ "metadata": { "a": secret } })),
            ("POST", "/tokens".into(), json!({ "scopes": ["verify"], "name": inside })),
            ("POST", "/balance".into(), json!({ "account": account, "tokens": 5, "reason": inside })),
        ] {
            let reply = stage.call(method, &path, Some(&body));
            assert_problem(&reply, 400);
            assert!(!reply.body.contains(secret.as_str()), "{method} {path} {body}: {reply:?}");
        }
        for path in [format!("/accounts/{secret}"), format!("/keys/{secret}"), format!("/keys?{secret}=1"), format!("/audit?from={secret}")]
        {
            let reply = stage.get(&path);
            assert!([400, 404].contains(&reply.status) && !reply.body.contains(secret.as_str()), "{path}: {reply:?}");
        }
        // A trusted proxy's request id stands in the audit, but not with a secret in it.
        let request = Request::post("/auth/v1/accounts", &json!({ "name": "n" })).bearer(&stage.token).header("X-Request-Id", secret);
        assert_ne!(stage.server.send(&request).expect(201).header("X-Request-Id").as_deref(), Some(secret.as_str()));
    }
    let secrets = [key, text(&rotated["key"]), token.token.clone(), stage.token.clone()];
    let audit = list(&stage, "/audit").to_string();
    let (code, log) = stage.server.stop();
    assert_eq!(code, Some(0));
    let database = std::fs::read(stage.folder.database()).unwrap();
    for secret in secrets {
        assert!(!audit.contains(&secret) && !log.contains(&secret));
        assert!(!database.windows(secret.len()).any(|part| part == secret.as_bytes()), "a secret is in the database");
    }
    let connection = Connection::open(stage.folder.database()).unwrap();
    let mut statement = connection.prepare("SELECT lower(hex(hash)) FROM keys UNION SELECT lower(hex(hash)) FROM tokens").unwrap();
    let hashes: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(hashes.len() > 3 && hashes.iter().all(|hash| !audit.to_lowercase().contains(hash)));
}

#[test]
fn entries_say_from_where_and_under_which_request() {
    let stage = Stage::with(PLANS);
    let make = |headers: &[(&str, &str)]| {
        let request = Request::post("/auth/v1/accounts", &json!({ "name": "n" })).bearer(&stage.token);
        let (_, entries) = left_by(&stage, || {
            stage.server.send(&headers.iter().fold(request, |request, (name, value)| request.header(name, value))).expect(201)
        });
        (text(&entries[0]["origin"]), text(&entries[0]["request_id"]))
    };
    let (origin, id) = make(&[("X-Forwarded-For", "198.51.100.1, 192.0.2.7, 127.0.0.1"), ("X-Request-Id", "abc-123")]);
    assert_eq!((origin.as_str(), id.as_str()), ("192.0.2.7", "abc-123"), "a trusted proxy tells both");
    assert_eq!(make(&[("X-Forwarded-For", "2001:db8::1")]).0, "2001:db8::1");
    assert_eq!(make(&[("X-Forwarded-For", "nonsense")]).0, "127.0.0.1", "what cannot be read is not written down");
    assert!(make(&[("X-Request-Id", "two words")]).1.starts_with("req_"));

    let stage = Stage::with(&format!("[server]\ntrusted_proxies = []\n{PLANS}"));
    let request = Request::post("/auth/v1/accounts", &json!({ "name": "n" })).bearer(&stage.token);
    stage.server.send(&request.header("X-Forwarded-For", "192.0.2.7").header("X-Request-Id", "abc")).expect(201);
    let entry = data(&list(&stage, "/audit"))[0].clone();
    assert_eq!(entry["origin"], "127.0.0.1", "nobody is trusted");
    assert_ne!(entry["request_id"], "abc");
}

#[test]
fn the_audit_is_filtered_and_comes_newest_first() {
    let stage = Stage::with(PLANS);
    let accounts = [stage.account(json!({})), stage.account(json!({}))];
    let other = Holder::of(&stage, &json!({ "scopes": ["admin"] }));
    for account in &accounts {
        let key = text(&stage.key(account, json!({}))["id"]);
        other.call("PATCH", &format!("/keys/{key}"), Some(&json!({ "name": "m" }))).expect(200);
        other.call("DELETE", &format!("/keys/{key}"), None).expect(204);
    }
    let all = list(&stage, "/audit");
    assert!(ids(&all).iter().rev().is_sorted(), "newest first");
    let middle = text(&data(&all)[4]["at"]);
    let target = text(&data(&all)[0]["target"]);
    let is = |field: &'static str, value: &str| {
        let value = value.to_owned();
        move |entry: &Value| entry[field] == *value
    };
    type Holds = Box<dyn Fn(&Value) -> bool>;
    let since = |entry: &Value, middle: &str| text(&entry["at"]).as_str() >= middle;
    let (from, to) = (middle.clone(), middle.clone());
    let cases: Vec<(String, Holds)> = vec![
        (String::new(), Box::new(|_| true)),
        (format!("account={}", accounts[1]), Box::new(is("account", &accounts[1]))),
        (format!("target={target}"), Box::new(is("target", &target))),
        (format!("actor={}", other.id), Box::new(is("actor", &other.id))),
        ("actor=operator".into(), Box::new(is("actor", "operator"))),
        ("action=key.revoked".into(), Box::new(is("action", "key.revoked"))),
        (format!("from={middle}"), Box::new(move |entry| since(entry, &from))),
        (format!("to={middle}"), Box::new(move |entry| !since(entry, &to))),
        ("from=2999-01-01".into(), Box::new(|_| false)),
        ("to=2999-01-01".into(), Box::new(|_| true)),
        ("action=key.expiring".into(), Box::new(|_| false)),
    ];
    for (query, holds) in &cases {
        let expected: Vec<Value> = data(&all).iter().filter(|entry| holds(entry)).cloned().collect();
        let found = stage.get(&format!("/audit?{query}")).expect(200).json();
        assert_eq!(data(&found), expected, "{query}");
        assert!(query.is_empty() || query.contains("2999") || query.contains("expiring") || !expected.is_empty(), "{query} finds nothing");
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = stage.get(&format!("/audit?{query}&limit=1{cursor}").replace("?&", "?")).expect(200).json();
            paged.extend(data(&page).to_vec());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, expected, "{query}, page by page");
    }
    let both = format!("/audit?account={}&actor={}&action=key.changed&from={middle}", accounts[1], other.id);
    assert_eq!(data(&stage.get(&both).json()).len(), 1);
}

#[test]
fn nobody_changes_the_audit_and_it_goes_in_its_time() {
    let stage = Stage::with(&format!("[history]\naudit = \"3d\"\n{PLANS}"));
    stage.account(json!({}));
    let young = ids(&list(&stage, "/audit"));
    let (code, _) = stage.server.stop();
    assert_eq!(code, Some(0));
    let connection = Connection::open(stage.folder.database()).unwrap();
    for sql in [
        "UPDATE audit SET actor = 'somebody'",
        "UPDATE audit SET at = 0",
        "UPDATE OR REPLACE audit SET after = '{}'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)",
        "REPLACE INTO audit SELECT id, 0, 'somebody', origin, request_id, action, target, account, before, after FROM audit",
        "INSERT OR REPLACE INTO audit SELECT id, at, actor, origin, request_id, action, target, account, 'null', 'null' FROM audit",
    ] {
        let error = connection.execute_batch(sql).expect_err(sql);
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    // Entries of four days ago and of two: only the older are past their time. More than go in one round.
    let old = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
         INSERT INTO audit SELECT printf('aud_00000000000000000%s%08d', ?1, i), (unixepoch() - ?2) * 1000, 'operator', 'control', 'req_', 'key.created', 'old', NULL, 'null', '{}' FROM n";
    connection.execute(old, rusqlite::params!["A", 4 * 86_400]).unwrap();
    connection.execute(old, rusqlite::params!["B", 2 * 86_400]).unwrap();
    drop(connection);
    let server = stage.folder.serve();
    let stage = Stage { server, ..stage };
    eventually("what is past its time goes", || {
        let left = stage.get(&format!("/audit?target=old&to={}", days_ago(3))).expect(200).json();
        data(&left).is_empty().then_some(())
    });
    let kept = Connection::open(stage.folder.database()).unwrap();
    let count: i64 = kept.query_row("SELECT count(*) FROM audit WHERE target = 'old'", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2500, "what is not stays");
    let now = ids(&stage.get("/audit?limit=3").json());
    assert_eq!(now, young, "and so does what is young");
}

fn days_ago(days: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
