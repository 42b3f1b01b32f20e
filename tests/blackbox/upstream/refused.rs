//! Only what passed reaches the app.

use serde_json::json;

use super::{Front, head, stage_before};
use crate::support::app::ok;
use crate::support::server::text;
use crate::support::{App, Line};

const PLANS: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ name = "decade", requests = 1, per = "3650d", shape = "sliding" }]
[[plans]]
name = "closed"
api = false
[[plans]]
name = "poor"
needs_balance = true
[[plans]]
name = "other"
[[routes]]
path = "/partner/**"
plans = ["other"]
[[routes]]
path = "/reports"
scopes = ["reports:read"]
"#;

#[test]
fn no_refusal_reaches_the_app() {
    let app = App::answering(|_| ok("the app"));
    let stage = stage_before(&app.url, PLANS);
    let account = stage.account(json!({}));
    let made = |settings| text(&stage.key(&account, settings)["key"]);
    let (spent, free, narrow) = (made(json!({})), made(json!({})), made(json!({ "scopes": ["x"] })));
    let (away, expired) = (made(json!({ "ips": ["203.0.113.0/24"] })), made(json!({ "disabled": true })));
    let (closed, poor) = (stage.raw_key("closed"), stage.raw_key("poor"));
    let revoked = stage.key(&account, json!({}));
    stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    let revoked = text(&revoked["key"]);
    assert_eq!(Line::to(&stage.server.address).ask(head("GET", "/x", &bearer(&spent))).expect(200).body, "the app");
    let rows = [
        ("/x", String::new(), 401, "missing"),
        ("/x", bearer("nonsense"), 401, "unknown"),
        ("/x", bearer(""), 401, "malformed"),
        ("/x", bearer(&revoked), 401, "revoked"),
        ("/x", bearer(&expired), 403, "disabled"),
        ("/x", bearer(&away), 403, "wrong_ip"),
        ("/x", bearer(&closed), 403, "wrong_plan"),
        ("/partner/x", bearer(&free), 403, "wrong_plan"),
        ("/reports", bearer(&narrow), 403, "wrong_scope"),
        ("/x", bearer(&poor), 402, "no_balance"),
        ("/x", bearer(&spent), 429, "rate_limited"),
        (&format!("/x?k={free}"), bearer(&free), 400, "misplaced"),
        (&format!("/x?k={free}"), String::new(), 400, "misplaced"),
        ("//x", bearer(&free), 400, "ambiguous"),
        ("/x/../y", bearer(&free), 400, "ambiguous"),
        ("/x%2fy", bearer(&free), 400, "ambiguous"),
        ("/x/%2e%2e/auth/v1/health", bearer(&free), 400, "ambiguous"),
        ("/x\\y", bearer(&free), 400, "ambiguous"),
        ("/x;y", bearer(&free), 400, "ambiguous"),
        ("*", bearer(&free), 400, "ambiguous"),
        ("/x", bearer(&free) + "X-Forwarded-For: nobody\r\n", 400, "ambiguous"),
        ("/x", bearer(&free) + "X-Forwarded-Proto: gopher\r\n", 400, "ambiguous"),
    ];
    for (target, headers, status, verdict) in &rows {
        for method in ["GET", "POST", "OPTIONS"] {
            if *target == "*" && method != "OPTIONS" {
                continue;
            }
            let mut line = Line::to(&stage.server.address);
            let reply = line.ask(head(method, target, headers));
            assert_eq!((reply.status, reply.verdict().as_str()), (*status, *verdict), "{method} {target} {headers}");
        }
    }
    assert_eq!(app.heard().len(), 1, "{:?}", app.heard());
    assert_eq!(app.connections(), 1);
    let reply = Line::to(&stage.server.address).ask(head("GET", "/x", &bearer(&free))).expect(200);
    assert_eq!(reply.body, "the app", "none of it was charged either");
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

#[test]
fn plain_http_is_refused_before_the_app_where_https_is_asked_for() {
    let app = App::answering(|_| ok("the app"));
    let stage = stage_before(&app.url, "[server]\nrequire_https = true\n");
    let key = stage.raw_key("free");
    let mut line = Line::to(&stage.server.address);
    assert_eq!(line.ask(head("GET", "/x", &bearer(&key))).expect(403).verdict(), "insecure");
    assert_eq!(app.heard().len(), 0);
    line.ask(head("GET", "/x", &(bearer(&key) + "X-Forwarded-Proto: https\r\n"))).expect(200);
    assert_eq!(app.only().one("X-Forwarded-Proto"), "https");
}

#[test]
fn a_method_or_target_that_is_no_request_to_an_app_does_not_reach_it() {
    let front = Front::of(App::answering(|_| ok("the app")));
    for line in [
        "CONNECT elsewhere.example:443 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "get /x HTTP/1.1",
        "GET x HTTP/1.1",
        "GET /x#y HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /x HTTP/2.0",
        "GET http://elsewhere.example:99999/x HTTP/1.1",
    ] {
        let mut client = front.line();
        client.say(format!("{line}\r\nHost: api.example.com\r\nConnection: close\r\n{}\r\n", bearer(&front.key)));
        let told = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{line}: {told}");
        assert_eq!(front.app.heard().len(), 0, "{line}");
    }
    assert_eq!(front.get("/x").expect(200).body, "the app");
}

#[test]
fn a_refused_upload_does_not_become_the_next_request() {
    let front = Front::of(App::answering(|_| ok("the app")));
    let inner = front.head("GET", "/smuggled", "");
    let mut line = front.line();
    line.say(head("POST", "/x", &format!("Content-Length: {}\r\n", inner.len())) + &inner);
    line.reply("POST").expect(401);
    line.finish();
    let _ = line.rest();
    assert_eq!(front.app.heard().len(), 0, "{:?}", front.app.heard());
    front.get("/x").expect(200);
    assert_eq!(front.app.heard().len(), 1);
}
