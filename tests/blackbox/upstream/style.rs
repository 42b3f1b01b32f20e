//! The style's headers on what passed, and its answers where the app fails.

use serde_json::json;

use super::{Front, stage_before};
use crate::support::app::{answer, ok};
use crate::support::{App, Line};

const STYLE: &str = r#"
[[plans]]
name = "free"
limits = [{ requests = 60, per = "minute", shape = "sliding" }, { requests = 1000, per = "day" }]
[style]
content_type = "application/json"
headers = [
  { name = "X-Left", value = "{minute.remaining}" },
  { name = "X-Both", value = "{limit.name}={limit.remaining}", each_limit = true },
  { name = "X-Who", value = "{account.name}" },
]
[[style.answers]]
verdicts = ["upstream_down"]
status = 503
code = "SERVICE_DOWN"
message = "Back soon."
body = '{"error": {"code": "{code}", "text": "{message}", "id": "{request_id}"}}'
headers = [{ name = "X-Failed", value = "{verdict}" }]
"#;

#[test]
fn a_pass_carries_the_styles_headers_once() {
    let apps_own = "X-Left: 1000000\r\nX-Left: 2000000\r\nX-BOTH: the app's\r\nx-who: the app\r\nX-Other: kept\r\nRateLimit: kept\r\n";
    let front = Front::with(App::answering(move |_| answer("200 OK", apps_own, "fine")), STYLE);
    let mut line = front.line();
    for left in [59, 58] {
        let reply = line.ask(front.head("GET", "/x", "")).expect(200);
        let once = |name: &str| {
            let values: Vec<&str> = reply.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
            assert!(values.len() <= 2, "{name}: {values:?}");
            values.join(", ")
        };
        assert_eq!(once("x-left"), left.to_string());
        assert_eq!(once("x-both"), format!("minute={left}, day={}", 940 + left));
        assert_eq!((once("x-who"), once("x-other"), once("ratelimit")), ("tester".into(), "kept".into(), "kept".into()));
        assert_eq!(reply.headers.iter().filter(|(name, _)| name == "x-left").count(), 1);
    }
}

#[test]
fn the_apps_answers_of_any_status_carry_them() {
    let front = Front::with(
        App::answering(|heard| match heard.head.target() {
            "/304" => b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(),
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/404" => answer("404 Not Found", "", "none"),
            "/429" => answer("429 Too Many Requests", "Retry-After: 7\r\n", "the app's own"),
            "/500" => answer("500 Internal Server Error", "", "oh"),
            _ => ok("fine"),
        }),
        STYLE,
    );
    let mut line = front.line();
    for (at, (method, status)) in [("GET", 304), ("GET", 204), ("GET", 404), ("GET", 429), ("GET", 500), ("HEAD", 200)].iter().enumerate() {
        let reply = line.ask(front.head(method, &format!("/{status}"), "")).expect(*status);
        assert_eq!(reply.number("X-Left"), Some(59 - at as i64), "{reply:?}");
        assert!(reply.header("X-Request-Id").is_some());
        assert_eq!(reply.header("Content-Type").as_deref(), (*status == 200).then_some("text/plain"), "the style's type is not the app's");
    }
}

#[test]
fn a_header_of_the_style_without_a_value_does_not_uncover_the_apps() {
    let app = App::answering(|_| answer("200 OK", "X-Left: 1000000\r\nX-Who: the app\r\n", "fine"));
    let config = STYLE.replace(
        "[[plans]]\nname = \"free\"\n",
        "[[plans]]\nname = \"elite\"\nunlimited = true\n[[plans]]\nname = \"free\"\ndefault = true\n",
    );
    let stage = stage_before(&app.url, &config);
    let account = stage.account(json!({ "plan": "elite" }));
    let key = crate::support::server::text(&stage.key(&account, json!({}))["key"]);
    let reply = stage.server.get("/x", &key).expect(200);
    assert_eq!(reply.header("X-Left"), None, "the app cannot speak for the gate: {reply:?}");
    assert_eq!(reply.header("X-Who").as_deref(), Some("tester"));
}

#[test]
fn what_fails_is_told_by_the_style() {
    let nobody = super::faults::Vacant::new();
    let stage = stage_before(&nobody.url, &format!("refund = \"never\"\n{STYLE}"));
    let key = stage.raw_key("free");
    let mut line = Line::to(&stage.server.address);
    let reply = line.ask(super::head("GET", "/x", &format!("Authorization: Bearer {key}\r\n"))).expect(503);
    let body = reply.json();
    assert_eq!((&body["error"]["code"], &body["error"]["text"]), (&json!("SERVICE_DOWN"), &json!("Back soon.")));
    assert_eq!(body["error"]["id"].as_str(), reply.header("X-Request-Id").as_deref());
    assert_eq!(reply.header("Content-Type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("X-Failed").as_deref(), Some("upstream_down"));
    assert_eq!((reply.number("X-Left"), reply.header("X-Who").as_deref()), (Some(59), Some("tester")));
}
