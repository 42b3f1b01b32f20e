//! What a proxy lets through and what it says no to: the style's answers, whole, and nothing charged that was not served.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::app::App;
use super::front::{Front, Kind, Proxy};
use crate::support::server::text;
use crate::support::{Folder, Reply, Request, eventually};

/// Plans and routes by which every verdict can be had.
const CONFIG: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ requests = 1000, per = "minute" }, { requests = 100000, per = "month" }]
[[plans]]
name = "tiny"
limits = [{ name = "slow", requests = 1, per = "55m", shape = "sliding" }]
[[plans]]
name = "spent"
limits = [{ requests = 1, per = "month" }]
[[plans]]
name = "poor"
needs_balance = true
[[plans]]
name = "pro"
[[routes]]
path = "/pro/**"
plans = ["pro"]
[[routes]]
path = "/write"
methods = ["POST", "HEAD"]
scopes = ["sets:write"]
[[routes]]
path = "/open"
open = true
"#;

/// What an answer says, but for what belongs to a connection.
fn told(reply: &Reply) -> (u16, BTreeMap<String, String>, String) {
    const OF_THE_CONNECTION: [&str; 4] = ["connection", "date", "server", "via"];
    let names = reply.headers.iter().map(|(name, _)| name).filter(|name| !OF_THE_CONNECTION.contains(&name.as_str()));
    (reply.status, names.map(|name| (name.clone(), reply.header(name).unwrap())).collect(), reply.body.clone())
}

/// A refusal through the proxy is, header for header and byte for byte, what tollgate itself tells of the same request.
#[track_caller]
fn assert_told_alike(front: &Front, method: &str, target: &str, credential: Option<&str>) -> Reply {
    let request = Request::new(method, target).body(b"{}");
    let request = credential.map_or(request.clone(), |credential| request.header("Authorization", credential));
    // Seconds may turn between the two.
    eventually(&format!("{method} {target} is told alike"), || {
        let through = front.refused(&request);
        let id = through.header("X-Request-Id").expect("every answer has an id");
        let asked = Request::new(method, "/auth/v1/check").header("X-Forwarded-Uri", target).header("X-Request-Id", &id);
        let asked = asked.header("X-Forwarded-For", "127.0.0.1").header("X-Forwarded-Proto", "http");
        let direct = front.stage.server.send(&credential.map_or(asked.clone(), |credential| asked.header("Authorization", credential)));
        assert!(direct.status >= 400, "{direct:?}");
        let alike = told(&through) == told(&direct);
        if !alike {
            eprintln!("{}: {through:#?}\nis not\n{direct:#?}", front.kind.name());
        }
        alike.then_some(through)
    })
}

pub fn every_refusal_is_told_as_the_style_tells_it(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let stage = &front.stage;
    let account = stage.account(json!({}));
    let good = stage.key(&account, json!({ "scopes": ["sets:read"] }));
    let revoked = stage.key(&account, json!({}));
    stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    let bearer = |key: &str| format!("Bearer {key}");
    let good = bearer(&text(&good["key"]));
    let misplaced = format!("/x?key={}", good.trim_start_matches("Bearer "));
    let [tiny, spent, poor] = ["tiny", "spent", "poor"].map(|plan| bearer(&stage.raw_key(plan)));
    for used_up in [&tiny, &spent] {
        front.passes(&Request::get("/x").header("Authorization", used_up));
    }
    for (credential, method, target, status, verdict) in [
        (None, "GET", "/x", 401, "missing"),
        (None, "POST", "/x", 401, "missing"),
        (Some("Bearer nonsense"), "GET", "/x", 401, "unknown"),
        (Some("Basic nonsense"), "GET", "/x", 401, "malformed"),
        (Some(&*bearer(&text(&revoked["key"]))), "GET", "/x", 401, "revoked"),
        (Some(&good), "GET", "/pro/x", 403, "wrong_plan"),
        (Some(&good), "POST", "/write", 403, "wrong_scope"),
        (Some(&poor), "GET", "/x", 402, "no_balance"),
        (Some(&poor), "POST", "/x", 402, "no_balance"),
        (Some(&tiny), "GET", "/x?a=b&c=%20d", 429, "rate_limited"),
        (Some(&tiny), "POST", "/x", 429, "rate_limited"),
        (Some(&tiny), "DELETE", "/x", 429, "rate_limited"),
        (Some(&spent), "GET", "/x", 429, "quota_exceeded"),
        (Some(&good), "GET", "/x%2fy", 400, "ambiguous"),
        (Some(&good), "GET", &misplaced, 400, "misplaced"),
    ] {
        let reply = assert_told_alike(&front, method, target, credential).expect(status);
        assert_eq!(reply.verdict(), verdict, "{target}");
        assert_eq!(reply.header("Retry-After").is_some(), status == 429, "{reply:?}");
        assert_eq!(reply.header("X-RateLimit-Remaining").is_some_and(|left| left == "0"), status == 429, "{reply:?}");
        let head = assert_told_alike(&front, "HEAD", target, credential);
        assert_eq!((head.status, head.body.as_str()), (status, ""), "{target}: {head:?}");
    }
    front.passes(&Request::get("/write").header("Authorization", &good));
    front.passes(&Request::get("/open"));
    front.passes(&Request::get("/open").header("Authorization", "Bearer nonsense"));
}

pub fn the_examples_answers_come_through_word_for_word(kind: Kind) {
    let folder = |example: &str| Folder::with_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).join("auth.toml"));
    let made = |front: &Front, account: Value, key: Value| {
        let account = front.stage.account(account);
        format!("Bearer {}", text(&front.stage.key(&account, key)["key"]))
    };

    let front = Front::of(kind, folder("elumenta"), App::tcp());
    let starter = made(&front, json!({ "plan": "starter", "balance": 5 }), json!({}));
    let broke = made(&front, json!({ "plan": "vip" }), json!({}));
    let hasty = made(&front, json!({ "plan": "vip", "balance": 5, "limits": { "hour": 1 } }), json!({}));
    let received = front.passes(&Request::get("/x").header("Authorization", &hasty));
    assert_eq!(received["headers"]["x-auth-plan"], "vip");
    for (credential, status, body) in [
        (None, 401, json!({ "error": "Not authenticated" })),
        (Some("Bearer nb_x"), 401, json!({ "error": "Invalid or expired token" })),
        (Some(&*starter), 403, json!({ "error": "Insufficient plan" })),
        (Some(&broke), 402, json!({ "error": "Payment Required" })),
    ] {
        assert_eq!(assert_told_alike(&front, "GET", "/x", credential).expect(status).json(), body);
    }
    let limited = assert_told_alike(&front, "POST", "/x", Some(&hasty)).expect(429);
    let body = limited.json();
    assert_eq!(body["message"], "Hourly limit reached: 1 requests/hour on VIP plan");
    assert_eq!(body["limit_day"], 1000);
    assert_eq!(limited.number("Retry-After"), body["retry_after"].as_i64(), "{limited:?}");
    assert_eq!(limited.header("X-RateLimit-Remaining-Hour").as_deref(), Some("0"), "{limited:?}");

    let front = Front::of(kind, folder("elestrals"), App::tcp());
    let free = made(&front, json!({}), json!({ "limits": { "minute": 1 } }));
    front.passes(&Request::get("/v1/x").header("Authorization", &free));
    for (credential, target, status, code) in [
        (None, "/v1/x", 401, "unauthorized"),
        (Some(&*free), "/v1/partner/x", 403, "forbidden"),
        (Some(&free), "/v1/x", 429, "rate_limit_exceeded"),
        (Some(&free), "/v1//x", 400, "bad_request"),
    ] {
        let reply = assert_told_alike(&front, "GET", target, credential).expect(status);
        assert_eq!(reply.json()["error"]["code"], code, "{reply:?}");
        assert_eq!(reply.json()["error"]["request_id"].as_str(), reply.header("X-Request-Id").as_deref(), "{reply:?}");
    }
}

pub fn a_request_is_charged_once_and_a_refused_one_never(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let account = front.stage.account(json!({}));
    let key = text(&front.stage.key(&account, json!({ "scopes": ["sets:read"] }))["key"]);
    let left = || {
        let me = front.stage.server.get("/auth/v1/me", &key).expect(200).json();
        me["limits"][1]["remaining"].as_u64().expect("what is left of the month")
    };
    let before = left();
    let refused =
        [Request::get("/pro/x"), Request::new("POST", "/write").body(b"{}"), Request::get("/x%2fy"), Request::new("HEAD", "/write")];
    for (passed, refused) in (1..).zip(&refused) {
        assert!(front.refused(&refused.clone().bearer(&key)).status >= 400);
        front.passes(&Request::post("/x", &json!({ "n": passed })).bearer(&key));
        assert_eq!(left(), before - passed, "one pass, one charge");
    }
    front.passes(&Request::get("/open").bearer(&key));
    assert_eq!(left(), before - refused.len() as u64, "an open path costs nothing");
}

pub fn revocation_holds_for_the_next_request(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let account = front.stage.account(json!({}));
    let key = front.stage.key(&account, json!({}));
    let request = Request::get("/x").bearer(&text(&key["key"]));
    front.passes(&request);
    front.stage.delete(&format!("/keys/{}", text(&key["id"]))).expect(204);
    assert_eq!(front.refused(&request).expect(401).verdict(), "revoked");
}

pub fn without_tollgate_nothing_reaches_the_app(kind: Kind) {
    let Front { kind, stage, app, proxy } = Front::with(kind, CONFIG);
    let key = stage.raw_key("free");
    let requests = ["/x", "/open", "/status/401", "/auth/v1/probe", "/auth/v1/health"].map(|path| Request::get(path).bearer(&key));
    requests[0].send(&proxy.address).expect(200);
    let (code, _) = stage.server.stop();
    assert_eq!(code, Some(0));
    for request in requests.iter().chain([&Request::post("/x", &json!({})), &Request::new("HEAD", "/x")]) {
        let reply = request.send(&proxy.address);
        assert!((500..=504).contains(&reply.status), "{}: {request:?} {reply:?}", kind.name());
    }
    assert_eq!(app.asked(), 1, "only while tollgate was there");
}

pub fn whoever_else_answers_at_tollgates_address_lets_nothing_through(kind: Kind) {
    let (stranger, app) = (App::tcp(), App::tcp());
    let proxy = Proxy::start(kind, &Folder::new(), stranger.url.trim_start_matches("http://"), &app);
    for status in [200, 201, 204, 301, 404, 500] {
        stranger.answer_with(status);
        for path in ["/x", "/auth/v1/probe"] {
            Request::get(path).header("X-Auth-Verdict", "ok").bearer("anything").send(&proxy.address);
            assert_eq!(app.asked(), 0, "{}: {status}", kind.name());
        }
    }
}

pub fn a_window_that_opens_meanwhile_changes_no_refusal(kind: Kind) {
    // One more each 100 ms: between the two asks of a refused request, too.
    let limits = "limits = [{ requests = 10, per = \"second\", burst = 1 }, { requests = 100000, per = \"month\" }]";
    let front = Front::with(kind, &format!("[[plans]]\nname = \"free\"\n{limits}"));
    let key = front.stage.raw_key("free");
    let (mut passed, mut refused) = (0, 0);
    while passed < 10 || refused < 10 {
        assert!(passed < 5000 && refused < 5000, "{passed} passed, {refused} were refused");
        let reply = front.send(&Request::get("/x").bearer(&key));
        if reply.header("X-App").is_some() {
            passed += 1;
            reply.expect(200);
        } else {
            refused += 1;
            assert_eq!((reply.status, reply.number("Retry-After")), (429, Some(1)), "{reply:?}");
            assert_eq!(reply.verdict(), "rate_limited");
        }
    }
    assert_eq!(front.app.asked(), passed);
    let me = front.stage.server.get("/auth/v1/me", &key).expect(200).json();
    assert_eq!(me["limits"][1]["remaining"], 100_000 - passed, "each pass was charged once, and nothing else");
}

pub fn the_apps_own_answers_come_through_untouched(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let key = front.stage.raw_key("free");
    for status in [200, 201, 301, 400, 401, 402, 403, 404, 405, 413, 418, 429, 500, 502, 503, 504] {
        let target = format!("/status/{status}");
        let before = front.app.asked();
        let reply = front.send(&Request::post(&target, &json!({ "a": 1 })).bearer(&key)).expect(status);
        assert_eq!(front.app.asked(), before + 1, "it is asked once");
        assert_eq!(reply.json()["target"], *target, "{reply:?}");
        assert_eq!(reply.header("X-App").as_deref(), Some("yes"), "{reply:?}");
        assert_eq!(reply.header("WWW-Authenticate").as_deref(), Some("App"), "{reply:?}");
    }
}

pub fn a_path_that_reads_in_two_ways_reaches_nobody(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let key = front.stage.raw_key("free");
    for path in ["/a%2fb", "/a%2Fb", "/a%5cb", "/a//b", "//a", "/a/../b", "/a/%2e%2e/b", "/a/./b", "/a;b", "/a%3bb", "/a%00b"] {
        let reply = front.refused(&Request::get(path).bearer(&key)).expect(400);
        // Of what is no text nginx says so itself.
        assert!(kind.name() == "nginx" && path == "/a%00b" || reply.verdict() == "ambiguous", "{path}: {reply:?}");
    }
}
