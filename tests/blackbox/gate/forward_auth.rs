//! Forward-auth: a proxy asks about a request that it holds.

use serde_json::json;

use super::routes::ROUTES;
use super::{FREE, HOME, IDENTITY, told_by};
use crate::support::server::text;
use crate::support::{Reply, Request, Stage};

#[test]
fn every_pass_carries_the_whole_identity_and_never_the_clients_own() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({ "scopes": ["sets:read", "sets:write"] }));
    let raw = text(&key["key"]);
    let forged = |request: Request| IDENTITY.iter().fold(request, |request, name| request.header(name, "forged").header(name, "again"));
    let expected = [account, text(&key["id"]), String::new(), "free".into(), "sets:read sets:write".into(), "ok".into()];
    for target in ["/x", "/auth/v1/check", "/auth/v1/check/nginx", "/auth/v1/me"] {
        let reply = stage.server.send(&forged(Request::get(target).header("X-Forwarded-Uri", "/x").bearer(&raw))).expect(200);
        let told: Vec<String> = IDENTITY.iter().map(|name| reply.header(name).unwrap()).collect();
        assert_eq!(told, expected, "{target}");
        let refused = stage.server.send(&forged(Request::get(target).header("X-Forwarded-Uri", "/x")));
        assert!(!format!("{refused:?}").contains("forged"), "{target}: {refused:?}");
    }
}

#[test]
fn check_answers_for_the_request_that_the_proxy_tells_of() {
    let stage = Stage::with(ROUTES);
    let key = stage.raw_key("free");
    let asked = |headers: &[(&str, &str)]| told_by(Request::get("/auth/v1/check").bearer(&key), headers);
    for (headers, verdict) in [
        (&[][..], "ambiguous"),
        (&[("X-Forwarded-Method", "GET"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", HOME)], "ambiguous"),
        (&[("X-Forwarded-Uri", "/x")], "ok"),
        (&[("X-Forwarded-Uri", "/x"), ("X-Forwarded-Uri", "/x")], "ambiguous"),
        (&[("X-Forwarded-Uri", "/x\u{e9}")], "ambiguous"),
        (&[("X-Forwarded-Uri", "/x"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "POST")], "ambiguous"),
        (&[("X-Forwarded-Uri", "/x"), ("X-Forwarded-Method", "G T")], "ambiguous"),
        (&[("X-Forwarded-Uri", "/x"), ("X-Forwarded-Method", "")], "ambiguous"),
        (&[("X-Forwarded-Uri", "/partner/x")], "wrong_plan"),
        (&[("X-Forwarded-Uri", "/x?y=/partner/z"), ("X-Forwarded-Host", "api.example.com")], "ok"),
    ] {
        let reply = stage.server.send(&asked(headers));
        let told = if reply.status == 200 { reply.header("X-Auth-Verdict").unwrap() } else { reply.verdict() };
        assert_eq!(told, verdict, "{headers:?}");
    }
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        stage.server.send(&told_by(Request::new(method, "/auth/v1/check").bearer(&key), &[("X-Forwarded-Uri", "/x")])).expect(200);
    }
    let without = stage.server.send(&Request::get("/auth/v1/check").header("X-Forwarded-Uri", "/x")).expect(401);
    let at_the_gate = stage.server.send(&Request::get("/x")).expect(401);
    let kept = |reply: &Reply| {
        let mut body = reply.json();
        body["request_id"].take();
        (body, reply.header("Content-Type"), reply.header("WWW-Authenticate"))
    };
    assert_eq!(kept(&without), kept(&at_the_gate), "the style's answer, whole");
}

#[test]
fn for_nginx_a_refusal_is_401_or_403_and_says_in_headers_what_it_should_be() {
    let stage = Stage::with(
        r#"
        [[plans]]
        name = "free"
        default = true
        needs_balance = true
        limits = [{ name = "hour", requests = 1, per = "1h", shape = "sliding" }]
        [[routes]]
        path = "/reports"
        scopes = ["reports:read"]
        "#,
    );
    let account = stage.account(json!({ "balance": 5 }));
    let poor = stage.account(json!({}));
    let made = |account: &str, settings| text(&stage.key(account, settings)["key"]);
    let (good, narrow, broke) = (made(&account, json!({})), made(&account, json!({ "scopes": ["x"] })), made(&poor, json!({})));
    let asked = |uri: &str, key: &str| {
        let request = Request::get("/auth/v1/check/nginx").header("X-Forwarded-Uri", uri);
        stage.server.send(&if key.is_empty() { request } else { request.bearer(key) })
    };
    let passed = asked("/x", &good).expect(200);
    assert_eq!(passed.header("X-Auth-Account").as_deref(), Some(&*account));
    for (uri, key, status, real, verdict) in [
        ("/x", "", 401, 401, "missing"),
        ("/x", "nonsense", 401, 401, "unknown"),
        ("/x//y", &good, 403, 400, "ambiguous"),
        ("/reports", &narrow, 403, 403, "wrong_scope"),
        ("/x", &broke, 403, 402, "no_balance"),
        ("/x", &good, 403, 429, "rate_limited"),
    ] {
        let reply = asked(uri, key).expect(status);
        assert_eq!(reply.number("X-Auth-Status"), Some(real), "{uri}: {reply:?}");
        assert_eq!(reply.header("X-Auth-Verdict").as_deref(), Some(verdict), "{uri}");
        assert_eq!(reply.header("WWW-Authenticate").is_some(), status == 401 || verdict == "wrong_scope", "{reply:?}");
        let retry = reply.number("Retry-After");
        assert_eq!(retry.is_some_and(|seconds| (3590..=3601).contains(&seconds)), real == 429, "{reply:?}");
    }
    let without = stage.server.send(&Request::get("/auth/v1/check/nginx").bearer(&good)).expect(403);
    assert_eq!(without.header("X-Auth-Verdict").as_deref(), Some("ambiguous"), "without X-Forwarded-Uri");
}
