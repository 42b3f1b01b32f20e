//! `verify`: asks, lists of them, and how wrong ones are told.

use serde_json::{Value, json};

use super::routes::ROUTES;
use super::{AWAY, FREE, HOME, HOME_RANGE, assert_problem};
use crate::support::server::text;
use crate::support::{Request, Stage};

#[test]
fn verify_tells_everything_of_a_key() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({ "name": "Ada", "balance": 12 }));
    let key = stage.key(&account, json!({ "name": "laptop", "scopes": ["sets:read"], "metadata": { "team": 7 } }));
    let answer = stage.verify(&json!({ "key": key["key"] }));
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["valid", "verdict", "message", "retry_after", "key", "account", "user", "limits", "answer"]);
    assert_eq!((&answer["valid"], &answer["verdict"], &answer["retry_after"]), (&json!(true), &json!("ok"), &Value::Null));
    let told = json!({
        "id": key["id"], "name": "laptop", "prefix": key["prefix"], "environment": "live",
        "scopes": ["sets:read"], "metadata": { "team": 7 }, "expires_at": null,
    });
    assert_eq!(answer["key"], told);
    assert_eq!(answer["account"], json!({ "id": account, "name": "Ada", "plan": "free", "balance": 12 }));
    assert_eq!(answer["user"], Value::Null);
    let limit = &answer["limits"][0];
    assert_eq!(answer["limits"].as_array().unwrap().len(), 1);
    assert_eq!((&limit["name"], &limit["requests"], &limit["remaining"]), (&json!("decade"), &json!(100_000), &json!(99_999)));
    assert_eq!((&limit["window"], &limit["exceeded"]), (&json!("3650d"), &json!(false)));
    assert_eq!(limit["reset"].as_i64().unwrap() % (3650 * 86_400), 0, "in Unix seconds");
    assert_eq!(answer["answer"]["status"], 200);
    assert_eq!(answer["answer"]["headers"]["X-RateLimit-Remaining"], "99999");

    let at_the_gate = stage.server.get("/x", key["key"].as_str().unwrap()).expect(200);
    let mut expected = answer.clone();
    expected["limits"][0]["remaining"] = json!(99_998);
    expected["answer"] = at_the_gate.json()["answer"].clone();
    assert_eq!(at_the_gate.json(), expected, "the gate answers a pass with the same JSON");
}

#[test]
fn a_refusal_in_verify_is_ready_to_be_sent() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({ "limits": { "decade": 1 } }));
    let raw = text(&key["key"]);
    stage.verify(&json!({ "key": raw }));
    let refused = stage.verify(&json!({ "key": raw, "path": "/x" }));
    let sent = stage.server.get("/x", &raw).expect(429);
    assert_eq!((&refused["valid"], &refused["verdict"]), (&json!(false), &json!("quota_exceeded")));
    assert_eq!(refused["limits"][0]["exceeded"], true);
    assert_eq!(refused["answer"]["status"], 429);
    assert_eq!(refused["answer"]["headers"]["Retry-After"], json!(refused["retry_after"].to_string()));
    assert_eq!(refused["answer"]["headers"]["Content-Type"], "application/problem+json");
    let body: Value = serde_json::from_str(refused["answer"]["body"].as_str().unwrap()).expect("the body is a string of JSON");
    assert_eq!((&body["detail"], &body["verdict"]), (&sent.json()["detail"], &json!("quota_exceeded")));
    assert_eq!(refused["message"], body["detail"]);
    for ask in [json!({ "key": "nonsense" }), json!({}), json!({ "token": "nonsense" })] {
        let answer = stage.verify(&ask);
        assert_eq!((&answer["key"], &answer["account"], &answer["user"]), (&Value::Null, &Value::Null, &Value::Null), "{ask}");
        assert_eq!((&answer["valid"], &answer["limits"], &answer["answer"]["status"]), (&json!(false), &json!([]), &json!(401)), "{ask}");
    }
}

#[test]
fn an_ask_says_what_it_wants() {
    let stage = Stage::with(ROUTES);
    let account = stage.account(json!({ "balance": 30 }));
    let key = text(&stage.key(&account, json!({ "scopes": ["sets:read"], "ips": [HOME_RANGE] }))["key"]);
    let token = stage.folder.token("verify");
    for (ask, verdict) in [
        (json!({}), "missing"),
        (json!({ "key": null }), "missing"),
        (json!({ "key": "" }), "malformed"),
        (json!({ "key": "x".repeat(600) }), "malformed"),
        (json!({ "key": "k\u{1}" }), "malformed"),
        (json!({ "key": "nonsense" }), "unknown"),
        (json!({ "key": token }), "unknown"),
        (json!({ "token": "nonsense" }), "unknown"),
        (json!({ "key": key }), "wrong_ip"),
        (json!({ "key": key, "ip": AWAY }), "wrong_ip"),
        (json!({ "key": key, "ip": "not an address" }), "ambiguous"),
        (json!({ "key": key, "ip": HOME }), "ok"),
        (json!({ "key": key, "ip": HOME, "path": "/partner/x" }), "wrong_plan"),
        (json!({ "key": key, "ip": HOME, "path": "/reports" }), "wrong_scope"),
        (json!({ "key": key, "ip": HOME, "path": "/reports", "method": "PATCH" }), "ok"),
        (json!({ "key": key, "ip": HOME, "scopes": ["sets:read"] }), "ok"),
        (json!({ "key": key, "ip": HOME, "scopes": ["sets:read", "sets:write"] }), "wrong_scope"),
        (json!({ "key": key, "ip": HOME, "plans": ["free", "partner"] }), "ok"),
        (json!({ "key": key, "ip": HOME, "plans": ["partner"] }), "wrong_plan"),
        (json!({ "key": key, "ip": HOME, "plans": ["partner"], "scopes": ["x"] }), "wrong_plan"),
        (json!({ "key": key, "ip": HOME, "tokens": 31 }), "no_balance"),
        (json!({ "key": key, "ip": HOME, "tokens": 30, "dry_run": true }), "ok"),
        (json!({ "key": key, "ip": HOME, "cost": 100_001 }), "quota_exceeded"),
        (json!({ "path": "/open/x" }), "ok"),
        (json!({ "path": "/open/x", "key": "nonsense" }), "ok"),
    ] {
        assert_eq!(stage.verify(&ask)["verdict"], verdict, "{ask}");
    }
    let answer = stage.verify(&json!({ "key": key, "ip": HOME, "cost": 90, "tokens": 30 }));
    assert_eq!((&answer["verdict"], &answer["account"]["balance"]), (&json!("ok"), &json!(0)));
    assert_eq!(answer["limits"][0]["remaining"], 100_000 - 4 - 90, "four passed before, and each cost 1");
}

#[test]
fn without_a_path_no_route_applies() {
    let stage =
        Stage::with("[[plans]]\nname = \"free\"\nlimits = [{ requests = 50, per = \"day\" }]\n[[routes]]\npath = \"/**\"\nopen = true\n");
    let key = stage.raw_key("free");
    let left = |ask: Value| stage.verify(&ask)["limits"][0]["remaining"].clone();
    assert_eq!(left(json!({ "key": key })), 49);
    assert_eq!(stage.verify(&json!({}))["verdict"], "missing");
    assert_eq!(stage.verify(&json!({ "path": "/" }))["verdict"], "ok");
}

#[test]
fn a_dry_run_decides_alike_and_charges_nothing() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({ "balance": 3 }));
    let key = stage.key(&account, json!({ "limits": { "decade": 1 } }));
    let ask = |dry_run: bool, tokens: u64| {
        let answer = stage.verify(&json!({ "key": key["key"], "dry_run": dry_run, "tokens": tokens }));
        (text(&answer["verdict"]), answer["limits"][0]["remaining"].as_u64().unwrap(), answer["account"]["balance"].as_i64().unwrap())
    };
    for _ in 0..5 {
        assert_eq!(ask(true, 2), ("ok".into(), 1, 3));
    }
    assert_eq!(ask(true, 4).0, "no_balance");
    assert_eq!(ask(false, 2), ("ok".into(), 0, 1));
    assert_eq!(ask(true, 0), ("quota_exceeded".into(), 0, 1));
    assert_eq!(ask(true, 2), ("no_balance".into(), 0, 1));
}

#[test]
fn a_list_of_asks_is_answered_in_its_order_and_at_most_a_hundred() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({ "limits": { "decade": 40 } }));
    let asks: Vec<Value> =
        (0..100).map(|at| if at % 2 == 0 { json!({ "key": key["key"] }) } else { json!({ "key": "nonsense" }) }).collect();
    let answers = stage.post("/verify", &json!(asks)).expect(200).json();
    let verdicts: Vec<&str> = answers.as_array().unwrap().iter().map(|answer| answer["verdict"].as_str().unwrap()).collect();
    let expected: Vec<&str> = (0..100)
        .map(|at| match at {
            _ if at % 2 == 1 => "unknown",
            _ if at < 80 => "ok",
            _ => "quota_exceeded",
        })
        .collect();
    assert_eq!(verdicts, expected);
    assert_eq!(stage.post("/verify", &json!([])).expect(200).json(), json!([]));
    assert_eq!(stage.post("/verify", &json!([{}])).expect(200).json()[0]["verdict"], "missing", "a list of one is a list");

    let fresh = stage.key(&account, json!({}));
    let too_many: Vec<Value> = (0..101).map(|_| json!({ "key": fresh["key"] })).collect();
    stage.post("/verify", &json!(too_many)).expect(400);
    let half_wrong = stage.post("/verify", &json!([{ "key": fresh["key"] }, { "kye": 1 }])).expect(400);
    assert!(half_wrong.body.contains("kye"), "{half_wrong:?}");
    let untouched = stage.verify(&json!({ "key": fresh["key"], "dry_run": true }));
    assert_eq!(untouched["limits"][0]["remaining"], 100_000, "a list that is refused charges nothing");
}

#[test]
fn an_ask_that_cannot_be_read_is_told_what_is_wrong() {
    let stage = Stage::with(FREE);
    let send = |body: &[u8], content_type: Option<&str>| {
        let request = Request::new("POST", "/auth/v1/verify").bearer(&stage.token).body(body);
        let request = content_type.map_or(request.clone(), |value| request.clone().header("Content-Type", value));
        stage.server.send(&request)
    };
    let json_type = Some("application/json");
    for (body, content_type, status) in [
        (&b"{}"[..], json_type, 200),
        (b"{}", Some("application/json; charset=utf-8"), 200),
        (b"{}", Some("Application/JSON"), 200),
        (b"{}", None, 415),
        (b"{}", Some("text/plain"), 415),
        (b"{}", Some("application/x-www-form-urlencoded"), 415),
        (b"{}", Some("application/jsonp"), 415),
        (b"", json_type, 400),
        (b"{", json_type, 400),
        (b"{}{}", json_type, 400),
        (b"null", json_type, 400),
        (b"\"key\"", json_type, 400),
        (b"7", json_type, 400),
        (b"[1]", json_type, 400),
        (b"{\"key\": \"\xff\"}", json_type, 400),
        (b"{\"kee\": \"x\"}", json_type, 400),
        (b"{\"key\": 7}", json_type, 400),
        (b"{\"key\": \"x\", \"token\": \"y\"}", json_type, 400),
        (b"{\"key\": \"x\", \"cost\": -1}", json_type, 400),
        (b"{\"key\": \"x\", \"cost\": 1.5}", json_type, 400),
        (b"{\"key\": \"x\", \"tokens\": \"many\"}", json_type, 400),
        (b"{\"key\": \"x\", \"scopes\": \"sets\"}", json_type, 400),
        (b"{\"key\": \"x\", \"dry_run\": 1}", json_type, 400),
        (b"{\"key\": \"x\", \"method\": \"G T\"}", json_type, 400),
    ] {
        let reply = send(body, content_type);
        assert_eq!(reply.status, status, "{:?} {content_type:?}: {reply:?}", String::from_utf8_lossy(body));
        if status != 200 {
            assert_problem(&reply);
        }
    }
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    assert_problem(&send(&deep, json_type).expect(400));
    let wrong = send(br#"{"kee": "x", "dry_run": 1, "cost": "y"}"#, json_type).expect(400).json();
    let mut fields: Vec<&str> = wrong["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["cost", "dry_run", "kee"], "every wrong field in one answer");
}

#[test]
fn a_body_over_the_bound_is_413_and_one_at_it_is_read() {
    let stage = Stage::with(FREE);
    let of_size = |size: usize| {
        let ask = json!({ "key": "x" }).to_string();
        let body = format!("{ask}{}", " ".repeat(size - ask.len()));
        stage.server.send(
            &Request::new("POST", "/auth/v1/verify").bearer(&stage.token).header("Content-Type", "application/json").body(body.as_bytes()),
        )
    };
    of_size(1 << 20).expect(200);
    assert_problem(&of_size((1 << 20) + 1).expect(413));
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let stage = Stage::with(FREE);
    for (method, path, allowed) in [
        ("GET", "/verify", &["POST"][..]),
        ("PUT", "/verify", &["POST"]),
        ("PUT", "/balance", &["GET", "HEAD", "POST"]),
        ("POST", "/me", &["GET", "HEAD"]),
        ("DELETE", "/health", &["GET", "HEAD"]),
        ("POST", "/ready", &["GET", "HEAD"]),
        ("POST", "/plans", &["GET", "HEAD"]),
        ("DELETE", "/accounts", &["GET", "HEAD", "POST"]),
        ("DELETE", "/accounts/acc_x", &["GET", "HEAD", "PATCH"]),
        ("PUT", "/keys", &["GET", "HEAD", "POST"]),
        ("POST", "/keys/key_x", &["DELETE", "GET", "HEAD", "PATCH"]),
        ("GET", "/keys/key_x/rotate", &["POST"]),
    ] {
        let reply = stage.call(method, path, None).expect(405);
        assert_problem(&reply);
        let allow = reply.header("Allow").unwrap();
        let mut told: Vec<&str> = allow.split(", ").collect();
        told.sort_unstable();
        assert_eq!(told, allowed, "{method} {path}");
    }
}
