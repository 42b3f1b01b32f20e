//! Preflights where the gate does not answer them itself: passed on without a key, charged nothing, and nothing else passes
//! for one.

use super::{Front, IDENTITY, head, stage_before};
use crate::support::app::{answer, ok};
use crate::support::{App, Line, Request, Stage};

const PREFLIGHT: &str = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n";

const ANONYMOUS: &str = r#"
[keys]
anonymous = "guest"
[[plans]]
name = "free"
default = true
[[plans]]
name = "guest"
limits = [{ requests = 1, per = "3650d", shape = "sliding", count = "address" }]
"#;

fn answering() -> App {
    App::answering(|heard| {
        if heard.head.method() == "OPTIONS" {
            answer("200 OK", "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: PUT\r\n", "")
        } else {
            ok("fine")
        }
    })
}

#[test]
fn a_preflight_is_passed_on_without_a_key() {
    let front = Front::of(answering());
    for more in ["", "Access-Control-Request-Headers: authorization\r\n", "Content-Length: 0\r\n"] {
        let reply = front.line().ask(head("OPTIONS", "/x?y=1", &format!("{PREFLIGHT}{more}X-Auth-Account: forged\r\n"))).expect(200);
        assert_eq!(reply.header("Access-Control-Allow-Origin").as_deref(), Some("*"), "the app's own answer: {reply:?}");
        let heard = front.app.latest();
        assert_eq!(heard.head.line, "OPTIONS /x?y=1 HTTP/1.1");
        assert_eq!(IDENTITY.map(|name| heard.one(name)), ["", "", "", "", "", "ok"].map(str::to_owned));
        assert_eq!(heard.one("Access-Control-Request-Method"), "PUT");
        assert_eq!(heard.one("X-Request-Id"), reply.header("X-Request-Id").unwrap());
    }
}

#[test]
fn it_charges_nobody() {
    let app = answering();
    let stage = stage_before(&app.url, ANONYMOUS);
    let mut line = Line::to(&stage.server.address);
    for _ in 0..5 {
        line.ask(head("OPTIONS", "/x", PREFLIGHT)).expect(200);
    }
    line.ask(head("GET", "/x", "")).expect(200);
    line.ask(head("GET", "/x", "")).expect(429);
    line.ask(head("OPTIONS", "/x", PREFLIGHT)).expect(200);
    assert_eq!(app.heard().len(), 7);
}

#[test]
fn what_is_no_preflight_needs_a_key() {
    let front = Front::of(answering());
    for (what, method, more, body) in [
        ("an OPTIONS of its own", "OPTIONS", "", ""),
        ("one without a method", "OPTIONS", "Origin: https://app.example.com\r\n", ""),
        ("one without an origin", "OPTIONS", "Access-Control-Request-Method: PUT\r\n", ""),
        ("one with a body", "OPTIONS", &format!("{PREFLIGHT}Content-Length: 5\r\n"), "hello"),
        ("one with chunks", "OPTIONS", &format!("{PREFLIGHT}Transfer-Encoding: chunked\r\n"), "5\r\nhello\r\n0\r\n\r\n"),
        ("another method", "GET", PREFLIGHT, ""),
        ("another method, overridden", "POST", &format!("{PREFLIGHT}X-HTTP-Method-Override: OPTIONS\r\n"), ""),
        ("one that wants to switch", "OPTIONS", &format!("{PREFLIGHT}Upgrade: websocket\r\nConnection: Upgrade\r\n"), ""),
    ] {
        let mut line = front.line();
        line.say(head(method, "/x", more) + body);
        let reply = line.reply(method);
        if what == "one that wants to switch" && reply.status == 200 {
            front.app.latest().assert_without("Upgrade");
            continue;
        }
        assert_eq!((reply.status, reply.verdict().as_str()), (401, "missing"), "{what}");
    }
    assert!(front.app.heard().len() <= 1);
    front.line().ask(front.head("OPTIONS", "/x", "")).expect(200);
}

#[test]
fn one_that_cannot_be_read_in_one_way_is_refused() {
    let front = Front::of(answering());
    for target in ["/x//y", "/x/../y", "/x%2fy", "*", &format!("/x?k={}", front.key)] {
        let reply = front.line().ask(head("OPTIONS", target, PREFLIGHT)).expect(400);
        assert!(["ambiguous", "misplaced"].contains(&&*reply.verdict()), "{target}: {reply:?}");
    }
    let forwarded = head("OPTIONS", "/x", &format!("{PREFLIGHT}X-Forwarded-For: nobody\r\n"));
    assert_eq!(front.line().ask(forwarded).expect(400).verdict(), "ambiguous");
    assert_eq!(front.app.heard().len(), 0);
    let app = answering();
    let stage = stage_before(&app.url, "[server]\nrequire_https = true\n");
    let mut line = Line::to(&stage.server.address);
    assert_eq!(line.ask(head("OPTIONS", "/x", PREFLIGHT)).expect(403).verdict(), "insecure");
    assert_eq!(app.heard().len(), 0);
}

#[test]
fn without_an_app_it_is_fine() {
    let stage = Stage::with("");
    let mut line = Line::to(&stage.server.address);
    let reply = line.ask(head("OPTIONS", "/x", PREFLIGHT)).expect(200);
    assert_eq!(reply.header("X-Auth-Account").as_deref(), Some(""), "{reply:?}");
    assert_eq!(line.ask(head("OPTIONS", "/x", "")).expect(401).verdict(), "missing");
}

#[test]
fn one_that_a_proxy_tells_of_passes_alike() {
    let stage = Stage::with("");
    let asked = |uri: &str, headers: &[(&str, &str)]| {
        let request = Request::get("/auth/v1/check").header("X-Forwarded-Uri", uri);
        stage.server.send(&headers.iter().fold(request, |request, (name, value)| request.header(name, value)))
    };
    const OPTIONS: (&str, &str) = ("X-Forwarded-Method", "OPTIONS");
    const FROM: (&str, &str) = ("Origin", "https://app.example.com");
    const ASKING: (&str, &str) = ("Access-Control-Request-Method", "PUT");
    let passed = asked("/x", &[OPTIONS, FROM, ASKING]).expect(200);
    assert_eq!(IDENTITY.map(|name| passed.header(name).unwrap()), ["", "", "", "", "", "ok"].map(str::to_owned));
    for (uri, headers, status) in [
        ("/x", &[OPTIONS, FROM][..], 401),
        ("/x", &[OPTIONS, ASKING], 401),
        ("/x", &[("X-Forwarded-Method", "GET"), FROM, ASKING], 401),
        ("/x", &[FROM, ASKING], 401),
        ("/x//y", &[OPTIONS, FROM, ASKING], 400),
        ("/x", &[OPTIONS, OPTIONS, FROM, ASKING], 400),
    ] {
        let reply = asked(uri, headers);
        assert_eq!(reply.status, status, "{uri} {headers:?}: {reply:?}");
    }
    let key = stage.raw_key("free");
    assert_eq!(asked(&format!("/x?k={key}"), &[OPTIONS, FROM, ASKING]).expect(400).verdict(), "misplaced");
}

#[test]
fn verify_and_me_know_no_preflights() {
    let stage = Stage::with("");
    let reply = stage
        .server
        .send(&Request::get("/auth/v1/me").header("Origin", "https://a.example").header("Access-Control-Request-Method", "PUT"));
    assert_eq!(reply.expect(401).verdict(), "missing");
    assert_eq!(stage.verify(&serde_json::json!({ "key": "nonsense", "method": "OPTIONS", "path": "/x" }))["verdict"], "unknown");
}
