//! `check/answer`: what nginx asks after a refusal. It charges nothing, and is never a pass.

use serde_json::json;

use crate::support::server::text;
use crate::support::{Reply, Request, Stage};

const CONFIG: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ name = "slow", requests = 5, per = "55m", shape = "sliding" }, { requests = 3, per = "month" }]
[[plans]]
name = "free-er"
unlimited = true
[[routes]]
path = "/pro"
plans = ["inner"]
[[plans]]
name = "inner"
"#;

fn asked(stage: &Stage, key: &str, path: &str, told: &[&str]) -> Reply {
    let request = Request::get("/auth/v1/check/answer").header("X-Forwarded-Uri", path);
    let request = told.iter().fold(request, |request, verdict| request.header("X-Auth-Verdict", verdict));
    stage.server.send(&if key.is_empty() { request } else { request.bearer(key) })
}

#[test]
fn what_was_told_holds_where_the_request_would_pass_by_now() {
    let stage = Stage::with(CONFIG);
    let account = stage.account(json!({}));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let unlimited = stage.raw_key("free-er");
    for (told, status, verdict, limit) in [
        (&["rate_limited"][..], 429, "rate_limited", Some(5)),
        (&["quota_exceeded"], 429, "quota_exceeded", Some(3)),
        (&["unknown"], 401, "unknown", None),
        (&["no_balance"], 402, "no_balance", None),
        (&["wrong_ip"], 403, "wrong_ip", None),
        (&["unavailable"], 503, "unavailable", None),
        // Nobody told anything that a gate could have said.
        (&[], 503, "unavailable", None),
        (&["ok"], 503, "unavailable", None),
        (&["internal"], 503, "unavailable", None),
        (&["upstream_down"], 503, "unavailable", None),
        (&["nonsense"], 503, "unavailable", None),
        (&["rate_limited", "rate_limited"], 503, "unavailable", None),
    ] {
        let reply = asked(&stage, &key, "/x", told).expect(status);
        assert_eq!(reply.verdict(), verdict, "{told:?}");
        assert_eq!(reply.number("Retry-After"), limit.map(|_| 1), "{told:?}: {reply:?}");
        if let Some(limit) = limit {
            assert_eq!(reply.number("X-RateLimit-Limit"), Some(limit), "the window that may have refused: {reply:?}");
        }
        assert_eq!(reply.header("X-Auth-Account"), None, "{reply:?}");
        assert!(asked(&stage, &unlimited, "/x", told).status >= 400, "{told:?}");
    }
    let me = stage.server.get("/auth/v1/me", &key).expect(200).json();
    assert_eq!((&me["limits"][0]["remaining"], &me["limits"][1]["remaining"]), (&json!(5), &json!(3)), "nothing was charged");
}

#[test]
fn what_the_look_finds_goes_before_what_was_told() {
    let stage = Stage::with(CONFIG);
    let key = stage.raw_key("free");
    for (key, path, status, verdict) in [
        ("", "/x", 401, "missing"),
        ("nonsense", "/x", 401, "unknown"),
        (&*key, "/pro", 403, "wrong_plan"),
        (&key, "/x%2fy", 400, "ambiguous"),
    ] {
        for told in [&[][..], &["ok"], &["rate_limited"]] {
            assert_eq!(asked(&stage, key, path, told).expect(status).verdict(), verdict, "{told:?}");
        }
    }
    for _ in 0..3 {
        stage.server.get("/x", &key).expect(200);
    }
    let over = asked(&stage, &key, "/x", &["rate_limited"]).expect(429);
    assert_eq!(over.verdict(), "quota_exceeded");
    assert!(over.number("Retry-After").is_some_and(|seconds| seconds >= 1), "{over:?}");
}

#[test]
fn only_a_trusted_proxy_is_answered() {
    let stage = Stage::with(&format!("[server]\ntrusted_proxies = []\n{CONFIG}"));
    let key = stage.raw_key("free");
    for told in [&[][..], &["rate_limited"]] {
        assert_eq!(asked(&stage, &key, "/x", told).expect(400).verdict(), "ambiguous");
    }
}
