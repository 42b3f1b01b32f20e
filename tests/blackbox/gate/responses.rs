//! What every response carries, and how a verdict is told by default.

use serde_json::{Value, json};

use super::{FREE, HOME_RANGE, assert_problem};
use crate::support::server::text;
use crate::support::{Request, Stage};

#[test]
fn me_tells_who_it_is_on_any_plan_and_charges_nothing() {
    let stage = Stage::with(
        r#"
        [[plans]]
        name = "free"
        default = true
        needs_balance = true
        limits = [{ requests = 1, per = "day", count = "account" }]
        [[plans]]
        name = "closed"
        api = false
        limits = [{ requests = 1, per = "day" }]
        "#,
    );
    let account = stage.account(json!({ "name": "Ada", "balance": 1 }));
    let key = stage.key(&account, json!({}));
    let raw = text(&key["key"]);
    let me = |raw: &str| stage.server.get("/auth/v1/me", raw);
    for _ in 0..3 {
        let answer = me(&raw).expect(200).json();
        assert_eq!((&answer["valid"], &answer["key"]["id"]), (&json!(true), &key["id"]));
        assert_eq!(answer["account"], json!({ "id": account, "name": "Ada", "plan": "free", "balance": 1 }));
        assert_eq!(answer["limits"][0]["remaining"], 1);
    }
    stage.server.get("/x", &raw).expect(200);
    stage.server.get("/x", &raw).expect(429);
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 0 })).expect(200);
    let empty = me(&raw).expect(200).json();
    assert_eq!(
        (&empty["limits"][0]["remaining"], &empty["limits"][0]["exceeded"], &empty["account"]["balance"]),
        (&json!(0), &json!(true), &json!(0))
    );
    let closed = stage.raw_key("closed");
    stage.server.get("/x", &closed).expect(403);
    assert_eq!(me(&closed).expect(200).json()["account"]["plan"], "closed");
    stage.delete(&format!("/keys/{}", text(&key["id"]))).expect(204);
    assert_eq!(me(&raw).expect(401).verdict(), "revoked");
    assert_eq!(stage.server.send(&Request::get("/auth/v1/me")).expect(401).verdict(), "missing");
    assert_eq!(me("nonsense").expect(401).verdict(), "unknown");
}

#[test]
fn health_and_ready_are_for_anyone() {
    let stage = Stage::with("[server]\nrequire_https = true\n");
    for path in ["/auth/v1/health", "/auth/v1/ready"] {
        for request in [Request::get(path), Request::get(path).bearer("nonsense")] {
            let body = stage.server.send(&request).expect(200).json();
            assert_eq!(body["status"], "ok", "{path}");
            assert_eq!(body["version"], env!("CARGO_PKG_VERSION"), "{path}");
        }
        assert_eq!(stage.server.send(&Request::new("HEAD", path)).expect(200).body, "");
    }
}

#[test]
fn the_prefix_can_be_another_one() {
    let stage = Stage::with(&format!("[server]\nprefix = \"/gate-keeper\"\n{FREE}"));
    stage.server.send(&Request::get("/gate-keeper/v1/health")).expect(200);
    assert_eq!(stage.verdict(&Request::get("/auth/v1/health")), "missing", "what was tollgate's is now the gate's");
}

#[test]
fn every_response_carries_a_request_id() {
    let stage = Stage::with(FREE);
    let key = stage.raw_key("free");
    let json_body = json!({});
    let requests = [
        Request::get("/x").bearer(&key),
        Request::get("/x"),
        Request::new("HEAD", "/x").bearer(&key),
        Request::get("/x//y"),
        Request::get("/auth/v1/health"),
        Request::get("/auth/v1/ready"),
        Request::get("/auth/v1/me").bearer(&key),
        Request::get("/auth/v1/nothing"),
        Request::new("PUT", "/auth/v1/keys").bearer(&stage.token),
        Request::get("/auth/v1/keys"),
        Request::get("/auth/v1/keys").bearer(&stage.token),
        Request::get("/auth/v1/keys/key_x").bearer(&stage.token),
        Request::new("POST", "/auth/v1/verify").bearer(&stage.token),
        Request::post("/auth/v1/verify", &json_body).bearer(&stage.token),
        Request::get("/auth/v1/check").header("X-Forwarded-Uri", "/x").bearer(&key),
        Request::get("/auth/v1/check/nginx"),
    ];
    let mut seen = Vec::new();
    for request in requests {
        let reply = stage.server.send(&request);
        let id = reply.header("X-Request-Id").unwrap_or_else(|| panic!("{request:?}: {reply:?}"));
        assert!(is_request_id(&id), "{id}");
        assert!(!seen.contains(&id), "{id} again");
        if reply.status >= 400 && !reply.body.is_empty() {
            assert_eq!(reply.json()["request_id"], *id, "{reply:?}");
        }
        seen.push(id);
    }
}

/// `req_` and a ULID.
fn is_request_id(id: &str) -> bool {
    let crockford = |b: u8| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(&b));
    id.strip_prefix("req_").is_some_and(|ulid| ulid.len() == 26 && ulid.bytes().all(crockford))
}

#[test]
fn a_trusted_proxys_request_id_is_kept_if_it_is_sane() {
    let given = |stage: &Stage, id: &str| stage.server.send(&Request::get("/x").header("X-Request-Id", id)).header("X-Request-Id").unwrap();
    let stage = Stage::with(FREE);
    for sane in ["abc-123", "01J9ZQ4V6W", "7d9f3c1e-5b7a-4c1d-9e2f-0a1b2c3d4e5f", "req_x.y:z"] {
        assert_eq!(given(&stage, sane), sane);
    }
    for wrong in ["", "a b", "<script>", "\"", "a,b", "k\u{e9}y", &"x".repeat(1000)] {
        assert!(is_request_id(&given(&stage, wrong)), "{wrong}");
    }
    let stranger = Stage::with(&format!("[server]\ntrusted_proxies = []\n{FREE}"));
    assert!(is_request_id(&given(&stranger, "abc-123")), "and nobody else's");
}

#[test]
fn by_default_a_pass_tells_how_the_limits_stand() {
    let stage = Stage::with(
        r#"
        [[plans]]
        name = "free"
        default = true
        limits = [{ requests = 60, per = "minute", shape = "sliding" }, { requests = 1000, per = "day" }]
        [[plans]]
        name = "elite"
        unlimited = true
        "#,
    );
    let key = stage.raw_key("free");
    for left in [59, 58] {
        let reply = stage.server.get("/x", &key).expect(200);
        assert_eq!(reply.header("RateLimit-Policy").as_deref(), Some("\"minute\";q=60;w=60, \"day\";q=1000;w=86400"));
        let told = reply.header("RateLimit").unwrap();
        let (minute, day) = told.split_once(", ").unwrap();
        assert!(minute.starts_with(&format!("\"minute\";r={left};t=")), "{told}");
        assert!(day.starts_with(&format!("\"day\";r={};t=", 940 + left)), "{told}");
        let seconds = |text: &str| text.rsplit_once("t=").unwrap().1.parse::<u64>().unwrap();
        assert!((1..=61).contains(&seconds(minute)) && (1..=86_400).contains(&seconds(day)), "{told}");
        assert_eq!((reply.number("X-RateLimit-Limit"), reply.number("X-RateLimit-Remaining")), (Some(60), Some(left)));
        let json = reply.json();
        assert_eq!(reply.number("X-RateLimit-Reset"), json["limits"][0]["reset"].as_i64());
        assert_eq!(reply.header("Retry-After"), None);
    }
    let unlimited = stage.server.get("/x", &stage.raw_key("elite")).expect(200);
    for name in ["RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"] {
        assert_eq!(unlimited.header(name), None, "a header without a value is left out");
    }
}

#[test]
fn by_default_a_refusal_is_a_problem_document() {
    let stage = Stage::with(
        r#"
        [[plans]]
        name = "free"
        default = true
        limits = [{ requests = 1, per = "1h", name = "hour", shape = "sliding" }, { requests = 5, per = "day" }]
        [[plans]]
        name = "poor"
        needs_balance = true
        [[plans]]
        name = "closed"
        api = false
        "#,
    );
    let account = stage.account(json!({}));
    let raw = |settings: Value| text(&stage.key(&account, settings)["key"]);
    let revoked = stage.key(&account, json!({}));
    stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    let (spent, quota) = (raw(json!({})), raw(json!({ "limits": { "hour": 5, "day": 1 } })));
    stage.server.get("/x", &spent).expect(200);
    stage.server.get("/x", &quota).expect(200);
    let bearer = |key: &str| Request::get("/x").bearer(key);
    for (request, status, verdict, challenge) in [
        (Request::get("/x//y"), 400, "ambiguous", None),
        (Request::get(&format!("/x?y={spent}")), 400, "misplaced", None),
        (Request::get("/x"), 401, "missing", Some("Bearer")),
        (Request::get("/x").header("Authorization", "Basic eA=="), 401, "malformed", Some("Bearer error=\"invalid_request\"")),
        (bearer("nonsense"), 401, "unknown", Some("Bearer error=\"invalid_token\"")),
        (bearer(&text(&revoked["key"])), 401, "revoked", Some("Bearer error=\"invalid_token\"")),
        (bearer(&raw(json!({ "disabled": true }))), 403, "disabled", None),
        (bearer(&raw(json!({ "ips": [HOME_RANGE] }))), 403, "wrong_ip", None),
        (bearer(&raw(json!({ "plan": "closed" }))), 403, "wrong_plan", None),
        (bearer(&raw(json!({ "plan": "poor" }))), 402, "no_balance", None),
        (bearer(&quota), 429, "quota_exceeded", None),
        (bearer(&spent), 429, "rate_limited", None),
    ] {
        let reply = stage.server.send(&request).expect(status);
        assert_problem(&reply);
        assert_eq!((reply.verdict(), &reply.json()["type"]), (verdict.into(), &json!("about:blank")));
        assert_eq!(reply.header("WWW-Authenticate").as_deref(), challenge, "{verdict}");
        assert_eq!(reply.header("Retry-After").is_some(), status == 429, "{verdict}");
        assert_eq!(reply.header("X-RateLimit-Limit").is_some(), status == 429, "{verdict}");
        assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"), "{verdict}");
        assert!(!reply.body.contains(&spent) && !format!("{:?}", reply.headers).contains(&spent), "{verdict} shows the key");
    }
    let limited = stage.server.get("/x", &spent).expect(429);
    let retry = limited.number("Retry-After").unwrap();
    assert!((3590..=3601).contains(&retry), "{retry}");
    assert_eq!((limited.number("X-RateLimit-Limit"), limited.number("X-RateLimit-Remaining")), (Some(1), Some(0)));
    assert_eq!(limited.json()["detail"], "Too many requests: the limit is 1 a 1h.");
    assert!(limited.header("RateLimit").unwrap().contains("\"day\";r=4;"), "{limited:?}");
}

#[test]
fn a_401_names_the_first_carrier_as_the_way_in() {
    for (carriers, challenge) in
        [(r#"["bearer", "query:k"]"#, "Bearer"), (r#"["basic:user"]"#, "Basic realm=\"api\""), (r#"["scheme:Bot"]"#, "Bot")]
    {
        let stage = Stage::with(&format!("[keys]\ncarriers = {carriers}\n{FREE}"));
        let reply = stage.server.send(&Request::get("/x")).expect(401);
        assert_eq!(reply.header("WWW-Authenticate").as_deref(), Some(challenge), "{carriers}");
    }
}
