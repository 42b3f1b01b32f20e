//! Routes, open paths, and callers without a credential.

use serde_json::{Value, json};

use super::{AWAY, HOME, HOME_RANGE, IDENTITY};
use crate::support::server::text;
use crate::support::{Request, Stage};

/// Routes of every kind.
pub(super) const ROUTES: &str = r#"
[[plans]]
name = "free"
title = "Free of charge"
default = true
limits = [
  { name = "decade", requests = 100000, per = "3650d", shape = "fixed" },
  { name = "extra", requests = 200000, per = "3650d", shape = "fixed" },
]

[[plans]]
name = "partner"
limits = [{ name = "decade", requests = 100000, per = "3650d", shape = "fixed" }]

[[plans]]
name = "closed"
api = false
limits = [{ name = "decade", requests = 100000, per = "3650d", shape = "fixed" }]

[[routes]]
path = "/v1/**"
cost = 2

[[routes]]
path = "/v1/sets/*"
cost = 3

[[routes]]
path = "/v1/sets/all"
methods = ["GET"]
cost = 4

[[routes]]
path = "/v1/sets/all"
methods = ["POST"]
cost = 5

[[routes]]
path = "/v1/sets/all"
cost = 6

[[routes]]
path = "/v1/free"
cost = 0

[[routes]]
path = "/v1/some words"
cost = 7

[[routes]]
path = "/partner/**"
plans = ["partner"]

[[routes]]
path = "/reports"
methods = ["GET"]
scopes = ["reports:read"]

[[routes]]
path = "/reports"
methods = ["POST", "DELETE"]
scopes = ["reports:read", "reports:write"]

[[routes]]
path = "/priced"
tokens = 7

[[routes]]
path = "/extra"
limits = ["extra"]

[[routes]]
path = "/open/**"
open = true

[[routes]]
path = "/open/not"

[[routes]]
path = "/form"
methods = ["GET"]
open = true
"#;

#[test]
fn the_most_specific_route_of_the_method_says_the_cost() {
    let stage = Stage::with(ROUTES);
    let key = stage.raw_key("partner");
    let rows = [
        ("GET", "/", 1),
        ("GET", "/v2/x", 1),
        ("GET", "/v1", 2),
        ("GET", "/v1/", 2),
        ("GET", "/v1/other/deep", 2),
        ("GET", "/v1/sets", 2),
        ("GET", "/v1/sets/17", 3),
        ("GET", "/v1/sets/17/", 3),
        ("GET", "/v1/sets/17/cards", 2),
        ("GET", "/v1/sets/all", 4),
        ("GET", "/v1/sets/all/", 4),
        ("HEAD", "/v1/sets/all", 4),
        ("POST", "/v1/sets/all", 5),
        ("PUT", "/v1/sets/all", 6),
        ("BREW", "/v1/sets/all", 6),
        ("GET", "/v1/%73ets/%61ll", 4),
        ("GET", "/v1/sets/ALL", 3),
        ("GET", "/v1/some%20words", 7),
        ("GET", "/v1/sets/all?x=/v1/free", 4),
        ("GET", "/v1/free", 0),
        ("GET", "/v11", 1),
    ];
    let mut left = 100_000;
    for (method, path, cost) in rows {
        let reply = stage.server.send(&Request::new(method, path).bearer(&key)).expect(200);
        let now_left = reply.number("X-RateLimit-Remaining").unwrap();
        assert_eq!(left - now_left, cost, "{method} {path}");
        assert_eq!(reply.body.is_empty(), method == "HEAD", "{method} {path}");
        left = now_left;
    }
    for (method, path, cost) in rows {
        let told =
            |name, value| Request::new("POST", "/auth/v1/check").bearer(&key).header("X-Forwarded-Method", method).header(name, value);
        let now_left = stage.server.send(&told("X-Forwarded-Uri", path)).expect(200).number("X-RateLimit-Remaining").unwrap();
        assert_eq!(left - now_left, cost, "check: {method} {path}");
        let answer = stage.verify(&json!({ "key": key, "method": method, "path": path }));
        assert_eq!(now_left - answer["limits"][0]["remaining"].as_i64().unwrap(), cost, "verify: {method} {path}");
        left = now_left - cost;
    }
}

#[test]
fn a_route_may_want_a_plan_or_scopes() {
    let stage = Stage::with(ROUTES);
    let account = |plan: &str| stage.account(json!({ "plan": plan }));
    let (free, partner, closed) = (account("free"), account("partner"), account("closed"));
    let made = |account: &str, settings: Value| text(&stage.key(account, settings)["key"]);
    let all = made(&free, json!({}));
    let of_partner = made(&partner, json!({}));
    let own_plan = made(&free, json!({ "plan": "partner" }));
    let lesser = made(&partner, json!({ "plan": "free" }));
    let no_api = made(&closed, json!({}));
    let star = made(&free, json!({ "scopes": ["reports:*"] }));
    let reader = made(&free, json!({ "scopes": ["reports:read"] }));
    let other = made(&free, json!({ "scopes": ["report", "reports:readers", "reports"] }));
    let nothing = made(&free, json!({ "scopes": [] }));
    for (key, method, path, verdict) in [
        (&all, "GET", "/partner", "wrong_plan"),
        (&all, "GET", "/partner/deep/er", "wrong_plan"),
        (&all, "GET", "/%70artner/x", "wrong_plan"),
        (&all, "GET", "/partner/", "wrong_plan"),
        (&all, "GET", "/partnership", "ok"),
        (&of_partner, "GET", "/partner", "ok"),
        (&own_plan, "GET", "/partner/x", "ok"),
        (&lesser, "GET", "/partner/x", "wrong_plan"),
        (&no_api, "GET", "/anything", "wrong_plan"),
        (&all, "POST", "/reports", "ok"),
        (&star, "POST", "/reports", "ok"),
        (&reader, "GET", "/reports", "ok"),
        (&reader, "HEAD", "/reports", "ok"),
        (&reader, "GET", "/reports/", "ok"),
        (&reader, "POST", "/reports", "wrong_scope"),
        (&reader, "DELETE", "/reports", "wrong_scope"),
        (&other, "GET", "/reports", "wrong_scope"),
        (&nothing, "GET", "/reports", "wrong_scope"),
        (&nothing, "PATCH", "/reports", "ok"),
        (&nothing, "GET", "/elsewhere", "ok"),
    ] {
        let reply = stage.server.send(&Request::new(method, path).bearer(key));
        let told = if method == "HEAD" { reply.header("X-Auth-Verdict").unwrap() } else { reply.verdict() };
        assert_eq!(told, verdict, "{method} {path}");
        assert_eq!(stage.verify(&json!({ "key": key, "method": method, "path": path }))["verdict"], verdict, "{method} {path}");
    }
    let refused = stage.server.get("/partner", &all).expect(403);
    assert_eq!(refused.json()["detail"], "The plan Free of charge does not include this.");
}

#[test]
fn a_route_may_cost_tokens_and_may_draw_on_some_limits_only() {
    let stage = Stage::with(ROUTES);
    let account = stage.account(json!({ "balance": 20 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let standing = |path: &str| {
        let answer = stage.server.get(path, &key).json();
        let left = |at: usize| answer["limits"][at]["remaining"].as_i64().unwrap();
        (text(&answer["verdict"]), left(0), left(1), answer["account"]["balance"].as_i64().unwrap())
    };
    assert_eq!(standing("/priced"), ("ok".into(), 99_999, 199_999, 13));
    assert_eq!(standing("/elsewhere"), ("ok".into(), 99_998, 199_998, 13), "a request costs no tokens unless its route says so");
    assert_eq!(standing("/extra"), ("ok".into(), 99_998, 199_997, 13));
    assert_eq!(standing("/priced").3, 6);
    stage.server.get("/priced", &key).expect(402);
    assert_eq!(standing("/extra"), ("ok".into(), 99_997, 199_995, 6), "and the refused request cost nothing at all");
}

#[test]
fn an_open_path_recognises_a_good_credential_and_charges_nothing() {
    let stage = Stage::with(ROUTES);
    let (free, closed) = (stage.account(json!({})), stage.account(json!({ "plan": "closed" })));
    let good = stage.key(&free, json!({}));
    let made = |settings| text(&stage.key(&free, settings)["key"]);
    let raw = text(&good["key"]);
    for path in ["/open", "/open/x", "/open/x/y/", "/form"] {
        let reply = stage.server.get(path, &raw).expect(200);
        assert_eq!(reply.header("X-Auth-Account").as_deref(), Some(&*free), "{path}");
        assert_eq!(reply.header("X-Auth-Key").as_deref(), good["id"].as_str(), "{path}");
    }
    let left = stage.verify(&json!({ "key": raw, "dry_run": true }));
    assert_eq!(left["limits"][0]["remaining"], 100_000, "nothing was charged");

    let (revoked, off, elsewhere) = (stage.key(&free, json!({})), made(json!({ "disabled": true })), made(json!({ "ips": [HOME_RANGE] })));
    stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    let bad = [text(&revoked["key"]), off, elsewhere, "nonsense".into(), "a b".into(), String::new(), "x".repeat(600)];
    for credential in &bad {
        let reply = stage.server.get("/open/x", credential).expect(200);
        assert_eq!((reply.verdict(), reply.header("X-Auth-Account")), ("ok".into(), Some(String::new())), "{credential}");
    }
    let nobody = stage.server.send(&Request::get("/open/x")).expect(200);
    let told: Vec<String> = IDENTITY.iter().map(|name| nobody.header(name).unwrap()).collect();
    assert_eq!(told, ["", "", "", "", "", "ok"]);
    let no_api = text(&stage.key(&closed, json!({}))["key"]);
    assert_eq!(stage.server.get("/open/x", &no_api).expect(200).header("X-Auth-Account"), Some(closed));

    for (method, path) in [("GET", "/open/not"), ("GET", "/opened"), ("POST", "/form"), ("GET", "/form/x")] {
        assert_eq!(stage.verdict(&Request::new(method, path)), "missing", "{method} {path}");
    }
    stage.server.send(&Request::new("HEAD", "/form")).expect(200);
}

#[test]
fn callers_without_a_credential_may_have_a_plan() {
    let stage = Stage::with(
        r#"
        [keys]
        anonymous = "anyone"
        [[plans]]
        name = "anyone"
        title = "Anyone"
        limits = [{ name = "decade", requests = 2, per = "3650d", shape = "fixed", count = "address" }]
        [[plans]]
        name = "free"
        default = true
        [[routes]]
        path = "/partner/**"
        plans = ["free"]
        [[routes]]
        path = "/reports"
        scopes = ["reports:read"]
        "#,
    );
    let from = |address: &str, path: &str| stage.server.send(&Request::get(path).header("X-Forwarded-For", address));
    let first = from(HOME, "/x").expect(200);
    let told: Vec<String> = IDENTITY.iter().map(|name| first.header(name).unwrap()).collect();
    assert_eq!(told, ["", "", "", "anyone", "", "ok"]);
    assert_eq!(first.json()["limits"][0]["remaining"], 1);
    assert_eq!((&first.json()["key"], &first.json()["account"]), (&Value::Null, &Value::Null));
    from(HOME, "/x").expect(200);
    assert_eq!(from(HOME, "/x").expect(429).verdict(), "quota_exceeded");
    assert_eq!(from(AWAY, "/x").expect(200).json()["limits"][0]["remaining"], 1, "each address is counted by itself");
    for path in ["/partner/x", "/reports"] {
        assert_eq!(from(AWAY, path).expect(401).verdict(), "missing", "{path}: who needs a plan or a scope needs a key");
    }
    for (credential, verdict) in [("nonsense", "unknown"), ("a b", "malformed")] {
        assert_eq!(stage.server.get("/x", credential).expect(401).verdict(), verdict, "a bad credential is not taken for none");
    }
    assert_eq!(stage.server.send(&Request::get("/auth/v1/me")).expect(401).verdict(), "missing");
}
