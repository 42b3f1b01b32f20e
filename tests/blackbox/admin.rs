//! The admin API: who may call it, the records of accounts, keys, tokens and plans, pages, and how wrong input is told.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Reply, Request, Stage, eventually};

const PLANS: &str = r#"
[[plans]]
name = "free"
title = "Free"
default = true
limits = [{ requests = 60, per = "minute" }, { requests = 1000, per = "day", count = "account" }]

[[plans]]
name = "pro"
title = "Pro"
needs_balance = true
monthly_tokens = 500
limits = [{ name = "burst", requests = 100, per = "10s", burst = 20, observe = true }]

[[plans]]
name = "elite"
unlimited = true
review = true
"#;

/// Ids that could be, and are none.
const NO_ACCOUNT: &str = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV";
const NO_KEY: &str = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV";
const NO_TOKEN: &str = "tok_01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// The names of an object's fields, in order.
fn names(record: &Value) -> Vec<&str> {
    record.as_object().unwrap_or_else(|| panic!("no object: {record}")).keys().map(String::as_str).collect()
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|record| text(&record["id"])).collect()
}

/// The fields that an answer names as wrong, each once.
fn wrong_fields(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let mut fields: Vec<String> =
        body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {reply:?}")).iter().map(|error| text(&error["field"])).collect();
    fields.sort();
    fields.dedup();
    fields
}

#[track_caller]
fn assert_problem(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("Content-Type").as_deref(), Some("application/problem+json"), "{reply:?}");
    let body = reply.json();
    assert_eq!((&body["status"], body["request_id"].as_str()), (&json!(status), reply.header("X-Request-Id").as_deref()), "{reply:?}");
}

// ---- who may call ----

/// Every route behind a token: method, path, body, the scope it needs, and how it answers then. What removes comes last.
const ROUTES: [(&str, &str, &str, &str, u16); 16] = [
    ("GET", "/accounts", "", "admin", 200),
    ("POST", "/accounts", r#"{"name": "made"}"#, "admin", 201),
    ("GET", "/accounts/ACCOUNT", "", "admin", 200),
    ("PATCH", "/accounts/ACCOUNT", r#"{"name": "changed"}"#, "admin", 200),
    ("GET", "/keys", "", "admin", 200),
    ("POST", "/keys", r#"{"account": "ACCOUNT", "name": "made"}"#, "admin", 201),
    ("GET", "/keys/KEY", "", "admin", 200),
    ("PATCH", "/keys/KEY", r#"{"name": "changed"}"#, "admin", 200),
    ("POST", "/keys/KEY/rotate", "{}", "admin", 201),
    ("DELETE", "/keys/KEY", "", "admin", 204),
    ("GET", "/plans", "", "admin", 200),
    ("GET", "/tokens", "", "admin", 200),
    ("POST", "/tokens", r#"{"scopes": ["verify"]}"#, "admin", 201),
    ("DELETE", "/tokens/TOKEN", "", "admin", 204),
    ("POST", "/verify", "{}", "verify", 200),
    ("POST", "/balance", r#"{"account": "ACCOUNT", "tokens": 5}"#, "verify", 200),
];

/// What [`ROUTES`] are about.
struct Subjects {
    account: String,
    key: Value,
    token: Value,
}

impl Subjects {
    fn of(stage: &Stage) -> Self {
        let account = stage.account(json!({}));
        let key = stage.key(&account, json!({}));
        let token = stage.post("/tokens", &json!({ "scopes": ["metrics"] })).expect(201).json();
        Self { account, key, token }
    }

    fn fill(&self, template: &str) -> String {
        let (key, token) = (text(&self.key["id"]), text(&self.token["id"]));
        template.replace("ACCOUNT", &self.account).replace("KEY", &key).replace("TOKEN", &token)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Request {
        let request = Request::new(method, &format!("/auth/v1{}", self.fill(path)));
        if body.is_empty() { request } else { request.header("Content-Type", "application/json").body(self.fill(body).as_bytes()) }
    }
}

/// Everything that the admin API lists.
fn everything(stage: &Stage) -> [Value; 3] {
    ["/accounts", "/keys", "/tokens"].map(|path| stage.get(path).expect(200).json())
}

#[test]
fn without_a_token_of_the_right_scope_every_route_refuses_and_nothing_changes() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let revoked = stage.post("/tokens", &json!({ "scopes": ["admin", "verify"] })).expect(201).json();
    stage.delete(&format!("/tokens/{}", text(&revoked["id"]))).expect(204);
    let mistyped = format!("{}{}", &stage.token[..47], if stage.token.ends_with('0') { '1' } else { '0' });
    let [verify, metrics] = ["verify", "metrics"].map(|scope| stage.folder.token(scope));
    let nobody = [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer nonsense".into(),
        "Bearer tgs_".into(),
        format!("Bearer {mistyped}"),
        format!("Bearer {}", text(&subjects.key["key"])),
        format!("Bearer {}", text(&revoked["token"])),
        format!("Bearer {} {}", stage.token, stage.token),
        format!("Basic {}", stage.token),
        stage.token.clone(),
    ];
    let before = everything(&stage);
    let assert_refused = |request: &Request, status: u16| {
        let reply = stage.server.send(request);
        assert_problem(&reply, status);
        assert!(reply.header("WWW-Authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")), "{reply:?}");
    };
    for (method, path, body, scope, _) in ROUTES {
        let request = subjects.request(method, path, body);
        assert_refused(&request, 401);
        for value in &nobody {
            assert_refused(&request.clone().header("Authorization", value), 401);
        }
        assert_refused(&request.clone().header("api-key", &stage.token), 401);
        assert_refused(&request.clone().bearer(&stage.token).bearer("nonsense"), 401);
        assert_refused(&request.clone().bearer(&metrics), 403);
        if scope == "admin" {
            assert_refused(&request.clone().bearer(&verify), 403);
        }
        if method == "GET" {
            let head = subjects.request("HEAD", path, body);
            stage.server.send(&head).expect(401);
            stage.server.send(&head.bearer(&metrics)).expect(403);
        }
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn with_a_token_of_the_right_scope_every_route_answers() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    for (method, path, body, scope, status) in ROUTES {
        let request = subjects.request(method, path, body).bearer(&stage.folder.token(scope));
        let reply = stage.server.send(&request);
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        if status != 204 {
            assert_eq!(reply.header("Content-Type").as_deref(), Some("application/json"), "{method} {path}");
        }
        if method == "GET" {
            let head = stage.server.send(&subjects.request("HEAD", path, "").bearer(&stage.token)).expect(200);
            assert_eq!((head.body.len(), head.header("Content-Length")), (0, reply.header("Content-Length")), "{path}");
        }
    }
}

#[test]
fn a_revoked_token_is_refused_at_once() {
    let stage = Stage::with(PLANS);
    let made = || stage.post("/tokens", &json!({ "scopes": ["verify"] })).expect(201).json();
    let works = |token: &Value| stage.server.post("/auth/v1/verify", &text(&token["token"]), &json!({})).status;
    let (over_http, by_hand) = (made(), made());
    assert_eq!((works(&over_http), works(&by_hand)), (200, 200));
    stage.delete(&format!("/tokens/{}", text(&over_http["id"]))).expect(204);
    assert_eq!((works(&over_http), works(&by_hand)), (401, 200));
    stage.folder.json(&["token", "revoke", &text(&by_hand["id"])]);
    assert_eq!(works(&by_hand), 401);
    let listed = stage.get("/tokens").json();
    let of = |token: &Value| listed["data"].as_array().unwrap().iter().find(|record| record["id"] == token["id"]).unwrap().clone();
    assert!(of(&over_http)["revoked_at"].is_string() && of(&by_hand)["revoked_at"].is_string(), "{listed}");

    let hot = made();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut afterwards = Vec::new();
                    while afterwards.len() < 20 {
                        let sent_after = is_done.load(Ordering::SeqCst);
                        let status = works(&hot);
                        if sent_after {
                            afterwards.push(status);
                        }
                    }
                    afterwards
                })
            })
            .collect();
        let status = stage.delete(&format!("/tokens/{}", text(&hot["id"]))).status;
        is_done.store(true, Ordering::SeqCst);
        assert_eq!(status, 204);
        let afterwards: Vec<u16> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(afterwards, [401; 80]);
    });
    let stage = stage.restart();
    assert_eq!(stage.server.post("/auth/v1/verify", &text(&hot["token"]), &json!({})).status, 401);
}

#[test]
fn a_service_token_opens_nothing_at_the_gate() {
    let stage = Stage::with(PLANS);
    for path in ["/x", "/auth/v1/me"] {
        let reply = stage.server.get(path, &stage.token).expect(401);
        assert_eq!(reply.verdict(), "unknown", "{path}");
    }
}

// ---- records ----

const ACCOUNT_FIELDS: [&str; 8] = ["id", "name", "plan", "plan_until", "kind", "balance", "limits", "disabled"];
const KEY_FIELDS: [&str; 14] = [
    "id",
    "prefix",
    "name",
    "account",
    "environment",
    "plan",
    "limits",
    "scopes",
    "ips",
    "metadata",
    "disabled",
    "created_at",
    "expires_at",
    "revoked_at",
];

#[track_caller]
fn assert_has(record: &Value, fields: &[&str]) {
    let missing: Vec<&&str> = fields.iter().filter(|field| !names(record).contains(field)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {record}");
}

#[test]
fn an_account_is_made_shown_and_changed_as_on_the_command_line() {
    let stage = Stage::with(PLANS);
    let plain = stage.post("/accounts", &json!({ "name": "Ada" })).expect(201).json();
    assert_has(&plain, &ACCOUNT_FIELDS);
    assert!(text(&plain["id"]).starts_with("acc_"));
    let told = ["name", "plan", "plan_until", "kind", "balance", "limits", "disabled"].map(|name| plain[name].clone());
    assert_eq!(told, [json!("Ada"), json!("free"), json!(null), json!("personal"), json!(0), json!({}), json!(false)]);

    let whole = json!({
        "name": "Ada", "kind": "organization", "plan": "pro", "plan_until": "2999-01-01T00:00:00Z", "balance": 70,
        "limits": { "minute": 600 }, "disabled": true,
    });
    let made = stage.post("/accounts", &whole).expect(201).json();
    for (name, value) in whole.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    assert_ne!(made["id"], plain["id"], "names may repeat");
    let path = format!("/accounts/{}", text(&made["id"]));
    assert_eq!(stage.get(&path).expect(200).json(), made);
    assert_eq!(stage.folder.json(&["account", "show", &text(&made["id"])]), made, "the command line shows the same");

    for (change, field, value) in [
        (json!({ "name": "Eve" }), "name", json!("Eve")),
        (json!({ "plan": "free" }), "plan", json!("free")),
        (json!({ "plan_until": null }), "plan_until", json!(null)),
        (json!({ "balance": -5 }), "balance", json!(-5)),
        (json!({ "limits": { "day": 5 } }), "limits", json!({ "minute": 600, "day": 5 })),
        (json!({ "limits": { "minute": null } }), "limits", json!({ "day": 5 })),
        (json!({ "disabled": false }), "disabled", json!(false)),
    ] {
        assert_eq!(stage.patch(&path, &change).expect(200).json()[field], value, "{change}");
        assert_eq!(stage.get(&path).json()[field], value, "{change}");
    }
    let listed = stage.get("/accounts").json();
    assert_eq!(names(&listed), ["data", "next_cursor"]);
    assert_eq!(listed["data"][1], stage.get(&path).json());
    assert_eq!(stage.folder.json(&["account", "list"]), listed);
}

#[test]
fn the_command_line_makes_accounts_with_everything_that_set_takes() {
    let stage = Stage::with(PLANS);
    let made = stage.folder.json(&[
        "account",
        "create",
        "--name",
        "Ada",
        "--organization",
        "--plan",
        "pro",
        "--plan-until",
        "2999-01-01",
        "--balance",
        "70",
        "--limit",
        "minute=600",
        "--disable",
    ]);
    assert_has(&made, &ACCOUNT_FIELDS);
    assert_eq!((&made["kind"], &made["plan"], &made["balance"]), (&json!("organization"), &json!("pro"), &json!(70)));
    assert_eq!((&made["plan_until"], &made["limits"]), (&json!("2999-01-01T00:00:00Z"), &json!({ "minute": 600 })));
    assert_eq!(made["disabled"], true);
    let id = text(&made["id"]);
    let set = stage.folder.json(&["account", "set", &id, "--enable", "--limit", "minute=", "--name", "Eve", "--plan-until", ""]);
    assert_eq!(
        (&set["disabled"], &set["limits"], &set["name"], &set["plan_until"]),
        (&json!(false), &json!({}), &json!("Eve"), &json!(null))
    );
    assert_eq!(stage.get(&format!("/accounts/{id}")).json(), set);
}

#[test]
fn a_plan_that_ends_gives_way_to_the_default_one() {
    let stage = Stage::with(PLANS);
    let until = (Timestamp::now() + SignedDuration::from_secs(2)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let account = stage.account(json!({ "plan": "elite", "plan_until": until }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let plan = || stage.server.get("/x", &key).expect(200).header("X-Auth-Plan").unwrap();
    assert_eq!(plan(), "elite");
    eventually("the plan ends", || (plan() == "free").then_some(()));
    assert!(Timestamp::now() >= until.parse().unwrap(), "not before its time");
    assert_eq!(stage.verify(&json!({ "key": key }))["account"]["plan"], "free");
}

#[test]
fn a_key_is_made_shown_and_listed_with_the_same_fields() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let made = stage.post("/keys", &json!({ "account": account, "name": "laptop" })).expect(201).json();
    assert_has(&made, &KEY_FIELDS);
    assert!(text(&made["key"]).starts_with(&text(&made["prefix"])));
    let shown = stage.get(&format!("/keys/{}", text(&made["id"]))).expect(200).json();
    let mut without = made.clone();
    without.as_object_mut().unwrap().shift_remove("key");
    assert_eq!(shown, without);
    assert_eq!(stage.get("/keys").json()["data"], json!([shown]));
    let rotated = stage.post(&format!("/keys/{}/rotate", text(&made["id"])), &json!({ "grace": "1d" })).expect(201).json();
    assert_eq!(names(&rotated), names(&made));
}

#[test]
fn a_token_is_made_shown_once_and_listed() {
    let stage = Stage::with(PLANS);
    let before = ids(&stage.get("/tokens").json());
    let made = stage.post("/tokens", &json!({ "name": "app", "scopes": ["verify", "metrics"] })).expect(201).json();
    assert!(text(&made["token"]).starts_with("tgs_") && text(&made["id"]).starts_with("tok_"), "{made}");
    assert_eq!((&made["scopes"], &made["name"]), (&json!(["verify", "metrics"]), &json!("app")));
    let listed = stage.get("/tokens").json();
    let mut without = made.clone();
    without.as_object_mut().unwrap().shift_remove("token");
    assert_eq!(listed["data"].as_array().unwrap().last(), Some(&without));
    assert_eq!(ids(&listed).len(), before.len() + 1);
    let by_hand = stage.folder.json(&["token", "create", "--scope", "verify", "--scope", "admin"]);
    assert_eq!(by_hand["scopes"], json!(["verify", "admin"]));
    for wrong in
        [json!({}), json!({ "scopes": [] }), json!({ "scopes": ["root"] }), json!({ "scopes": "verify" }), json!({ "scopes": [1] })]
    {
        let reply = stage.post("/tokens", &wrong);
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), ["scopes"], "{wrong}");
    }
}

#[test]
fn plans_are_told_as_the_config_has_them() {
    let stage = Stage::with(PLANS);
    let plans = stage.get("/plans").expect(200).json();
    assert_eq!((names(&plans), &plans["next_cursor"]), (vec!["data", "next_cursor"], &Value::Null));
    let data = plans["data"].as_array().unwrap();
    let told: Vec<[Value; 5]> = data
        .iter()
        .map(|plan| ["name", "title", "unlimited", "needs_balance", "monthly_tokens"].map(|field| plan[field].clone()))
        .collect();
    assert_eq!(
        told,
        [
            [json!("free"), json!("Free"), json!(false), json!(false), json!(0)],
            [json!("pro"), json!("Pro"), json!(false), json!(true), json!(500)],
            [json!("elite"), json!("elite"), json!(true), json!(false), json!(0)],
        ]
    );
    let limits = |at: usize| data[at]["limits"].as_array().unwrap().clone();
    assert_eq!((limits(0).len(), limits(1).len(), limits(2).len()), (2, 1, 0));
    for (limit, expected) in [
        (
            &limits(0)[0],
            json!({ "name": "minute", "requests": 60, "per": "minute", "shape": "rolling", "count": "key", "unit": "requests", "observe": false }),
        ),
        (
            &limits(0)[1],
            json!({ "name": "day", "requests": 1000, "per": "day", "shape": "fixed", "count": "account", "unit": "requests", "observe": false }),
        ),
        (&limits(1)[0], json!({ "name": "burst", "requests": 100, "per": "10s", "shape": "rolling", "burst": 20, "observe": true })),
    ] {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(limit[name], *value, "{name} of {limit}");
        }
    }
}

// ---- pages ----

/// Walks through a list page by page, doing something between two pages; every id in the order it came. The path ends where
/// another parameter can follow.
fn walk(stage: &Stage, path: &str, limit: usize, mut between: impl FnMut()) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stage.get(&format!("{path}limit={limit}{cursor}")).expect(200).json();
        let found = ids(&page);
        assert!(found.len() <= limit, "{path}: {}", found.len());
        all.extend(found);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
        assert!(all.len() < 500, "{path} never ends");
        between();
    }
}

#[test]
fn pages_neither_repeat_nor_skip() {
    let stage = Stage::with(PLANS);
    let accounts: Vec<String> = (0..23).map(|_| stage.account(json!({}))).collect();
    let keys: Vec<String> = (0..23).map(|_| text(&stage.key(&accounts[0], json!({}))["id"])).collect();
    let tokens: Vec<String> = (0..7)
        .map(|_| text(&stage.post("/tokens", &json!({ "scopes": ["metrics"] })).expect(201).json()["id"]))
        .chain(ids(&stage.get("/tokens").json()).into_iter().take(1))
        .collect();
    for (path, made) in [("/accounts?", &accounts), ("/keys?", &keys), ("/tokens?", &tokens)] {
        let mut made = made.clone();
        made.sort();
        for limit in [1, 5, 22, 23, 24, 1000] {
            let mut found = walk(&stage, path, limit, || ());
            assert!(found.is_sorted() && found.windows(2).all(|pair| pair[0] != pair[1]), "{path} {limit}: oldest first, none twice");
            found.sort();
            assert_eq!(found, made, "{path} {limit}");
        }
    }
    let found = walk(&stage, "/keys?", 4, || {
        stage.key(&accounts[1], json!({}));
    });
    for id in &keys {
        assert_eq!(found.iter().filter(|other| *other == id).count(), 1, "also while others are made");
    }
    let of_account = walk(&stage, &format!("/keys?account={}&search=test&", accounts[0]), 4, || ());
    let mut sorted = keys.clone();
    sorted.sort();
    assert_eq!(of_account, sorted);
}

#[test]
fn a_page_that_cannot_be_asked_for_is_400() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    for path in ["/accounts", "/keys", "/tokens"] {
        for query in ["limit=0", "limit=-1", "limit=1001", "limit=many", "limit=", "cursor=nonsense", "limit=5&limit=6", "colour=red"] {
            let reply = stage.get(&format!("{path}?{query}"));
            assert_problem(&reply, 400);
            assert_eq!(wrong_fields(&reply), [query.split('=').next().unwrap()], "{path}?{query}");
        }
    }
    let other_kind = stage.get(&format!("/keys?cursor={account}"));
    assert_problem(&other_kind, 400);
    assert_eq!(stage.get("/keys?limit=1").expect(200).json(), json!({ "data": [], "next_cursor": null }));
}

// ---- wrong input ----

#[test]
fn wrong_ids_are_404() {
    let stage = Stage::with(PLANS);
    let body = json!({ "name": "n" });
    for (method, path, body) in [
        ("GET", format!("/accounts/{NO_ACCOUNT}"), None),
        ("PATCH", format!("/accounts/{NO_ACCOUNT}"), Some(&body)),
        ("GET", format!("/keys/{NO_KEY}"), None),
        ("PATCH", format!("/keys/{NO_KEY}"), Some(&body)),
        ("DELETE", format!("/keys/{NO_KEY}"), None),
        ("POST", format!("/keys/{NO_KEY}/rotate"), Some(&json!({}))),
        ("DELETE", format!("/tokens/{NO_TOKEN}"), None),
        ("POST", "/keys".into(), Some(&json!({ "account": NO_ACCOUNT, "name": "n" }))),
        ("POST", "/balance".into(), Some(&json!({ "account": NO_ACCOUNT, "tokens": 5 }))),
        ("GET", "/accounts/nonsense".into(), None),
        ("GET", format!("/accounts/{NO_KEY}"), None),
        ("GET", "/keys/%27%20OR%201=1--".into(), None),
        ("GET", "/keys/a/b".into(), None),
        ("GET", "/keys/".into(), None),
        ("GET", "/nothing".into(), None),
        ("GET", "".into(), None),
    ] {
        assert_problem(&stage.call(method, &path, body), 404);
    }
    for arguments in [
        &["account", "show", NO_ACCOUNT][..],
        &["account", "set", NO_ACCOUNT, "--name", "n"],
        &["key", "show", NO_KEY],
        &["key", "revoke", NO_KEY],
        &["key", "rotate", NO_KEY],
        &["token", "revoke", NO_TOKEN],
    ] {
        let output = stage.folder.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_body_that_is_no_json_object_is_400_and_another_type_415() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let before = everything(&stage);
    let routes: Vec<_> = ROUTES.iter().filter(|(.., body, _, _)| !body.is_empty()).collect();
    assert_eq!(routes.len(), 8);
    for (method, path, good, ..) in routes {
        let send = |content_type: &str, body: &[u8]| {
            let request = Request::new(method, &format!("/auth/v1{}", subjects.fill(path))).bearer(&stage.token);
            stage.server.send(&request.header("Content-Type", content_type).body(body))
        };
        for wrong in [&b""[..], b"{", b"5", b"null", b"\"x\"", b"[5]", b"{\"name\": \"\xff\"}", b"{\"a\": 1,}", b"name=n"] {
            assert_problem(&send("application/json", wrong), 400);
        }
        for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json2", ""] {
            assert_problem(&send(wrong, subjects.fill(good).as_bytes()), 415);
        }
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
        assert_problem(&send("application/json", large.as_bytes()), 413);
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn every_wrong_field_is_named_in_one_answer() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let key = text(&stage.key(&account, json!({}))["id"]);
    let before = everything(&stage);
    let of_account = json!({
        "name": "", "kind": "robot", "plan": "gold", "plan_until": "soon", "balance": "much", "limits": { "minute": 0, "hour": 5 },
        "disabled": "yes", "colour": "red",
    });
    let of_key = json!({
        "name": 5, "plan": "gold", "limits": { "minute": -1, "hour": 5 }, "scopes": ["a b"], "ips": ["here"],
        "expires_at": "2020-01-01T00:00:00Z", "disabled": 0, "metadata": [], "colour": "red",
    });
    let account_fields = ["balance", "colour", "disabled", "kind", "limits.hour", "limits.minute", "name", "plan", "plan_until"];
    let key_fields = ["colour", "disabled", "expires_at", "ips", "limits.hour", "limits.minute", "metadata", "name", "plan", "scopes"];
    for (method, path, body, fields) in [
        ("POST", "/accounts".to_owned(), &of_account, &account_fields[..]),
        ("PATCH", format!("/accounts/{account}"), &of_account, &account_fields),
        ("PATCH", format!("/keys/{key}"), &of_key, &key_fields),
    ] {
        let reply = stage.call(method, &path, Some(body));
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), fields, "{method} {path}");
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn fields_that_are_readable_but_wrong_are_all_named() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    for (path, body, fields) in [
        ("/accounts", json!({}), &["name"][..]),
        (
            "/accounts",
            json!({ "name": " ", "plan": "gold", "plan_until": "2020-01-01T00:00:00Z", "limits": { "hour": 5 } }),
            &["limits.hour", "name", "plan", "plan_until"],
        ),
        ("/accounts", json!({ "name": "x".repeat(201) }), &["name"]),
        ("/accounts", json!({ "name": "a\nb" }), &["name"]),
        ("/keys", json!({ "name": "n" }), &["account"]),
        ("/keys", json!({ "account": account }), &["name"]),
        (
            "/keys",
            json!({ "account": account, "name": "", "environment": "moon", "plan": "gold", "scopes": ["a b", "\""], "limits": { "hour": 1 }, "expires": "0s" }),
            &["environment", "expires_at", "limits.hour", "name", "plan", "scopes"],
        ),
        ("/keys", json!({ "account": account, "name": "n", "metadata": { "a": "x".repeat(5000) } }), &["metadata"]),
        ("/keys", json!({ "account": account, "name": "n", "expires": "soon" }), &["expires"]),
    ] {
        let reply = stage.post(path, &body);
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), fields, "{path} {body}");
    }
    assert_eq!(stage.get("/keys").json()["data"], json!([]));
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest_known_one() {
    let stage = Stage::with(PLANS);
    let reply = stage.post("/accounts", &json!({ "name": "n", "balence": 5 }));
    assert_problem(&reply, 400);
    assert!(reply.body.contains("balance"), "{reply:?}");
}

// ---- once ----

#[test]
fn an_idempotency_key_makes_one_key() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let post = |stage: &Stage, once: &str, name: &str| {
        let body = json!({ "account": account, "name": name });
        stage.server.send(&Request::post("/auth/v1/keys", &body).bearer(&stage.token).header("Idempotency-Key", once))
    };
    let first = post(&stage, "a", "n").expect(201).json();
    let again = post(&stage, "a", "n").expect(201).json();
    assert_eq!(again["id"], first["id"]);
    assert!(first["key"].is_string() && again.get("key").is_none(), "a raw key is never shown again: {again}");
    assert_problem(&post(&stage, "a", "other"), 409);
    assert_ne!(post(&stage, "b", "n").expect(201).json()["id"], first["id"]);
    for wrong in ["", &"x".repeat(256)] {
        assert_problem(&post(&stage, wrong, "n"), 400);
    }
    assert_problem(&post(&stage, "c", ""), 400);
    post(&stage, "c", "mended").expect(201);

    let barrier = Barrier::new(8);
    let together: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    post(&stage, "together", "n").expect(201).json()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(together.iter().all(|record| record["id"] == together[0]["id"]), "{together:?}");
    assert_eq!(together.iter().filter(|record| record["key"].is_string()).count(), 1, "the raw key is shown to one of them");
    let stage = stage.restart();
    assert_eq!(post(&stage, "a", "n").expect(201).json()["id"], first["id"]);
    assert_eq!(ids(&stage.get("/keys").json()).len(), 4);
}
