//! `[cors]`: preflights answered by the gate, and what lets a page read answers and refusals.

use super::{Front, head, stage_before};
use crate::support::app::{answer, ok};
use crate::support::{App, Line, Reply};

const ORIGIN: &str = "https://app.example.com";
const ASKING: &str = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization, x-custom\r\n";

fn from(origin: &str) -> String {
    format!("Origin: {origin}\r\n")
}

fn list(reply: &Reply, name: &str) -> Vec<String> {
    let value = reply.header(name).unwrap_or_default().to_ascii_lowercase();
    value.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

#[track_caller]
fn assert_holds(reply: &Reply, name: &str, words: &[&str]) {
    let held = list(reply, name);
    for word in words {
        assert!(held.iter().any(|known| known == &word.to_ascii_lowercase()), "{name}: {word} in {reply:?}");
    }
}

/// What the gate says to pages, by header; none of it.
#[track_caller]
fn assert_says_nothing(reply: &Reply) {
    let said: Vec<_> = reply.headers.iter().filter(|(name, _)| name.starts_with("access-control-")).collect();
    assert!(said.is_empty(), "{reply:?}");
}

fn front(cors: &str) -> Front {
    Front::with(App::answering(|_| ok("the app")), &format!("[cors]\n{cors}\n"))
}

#[test]
fn a_preflight_is_answered_by_the_gate() {
    let front = front(&format!("origins = [\"https://other.example.com\", \"{ORIGIN}\"]"));
    let mut line = front.line();
    let before = front.standing(&front.key);
    for target in ["/x", "/x/y?z=1", "/"] {
        let reply = line.ask(head("OPTIONS", target, &(from(ORIGIN) + ASKING))).expect(204);
        assert_eq!(reply.header("Access-Control-Allow-Origin").as_deref(), Some(ORIGIN), "{reply:?}");
        assert_holds(&reply, "Access-Control-Allow-Methods", &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
        assert_holds(&reply, "Access-Control-Allow-Headers", &["authorization", "x-custom"]);
        assert_eq!(reply.number("Access-Control-Max-Age"), Some(600), "{reply:?}");
        assert_holds(&reply, "Vary", &["origin"]);
        assert_eq!(reply.header("Access-Control-Allow-Credentials"), None, "{reply:?}");
        assert!(reply.header("X-Request-Id").is_some(), "{reply:?}");
        assert_eq!(reply.body, "");
    }
    let without = line.ask(head("OPTIONS", "/x", &(from(ORIGIN) + "Access-Control-Request-Method: GET\r\n"))).expect(204);
    assert_eq!(without.header("Access-Control-Allow-Origin").as_deref(), Some(ORIGIN));
    assert_eq!((front.app.heard().len(), front.standing(&front.key)), (0, before));
}

#[test]
fn what_a_preflight_is_told_is_as_configured() {
    let settings = "methods = [\"GET\", \"PURGE\"]\nheaders = [\"Api-Key\", \"Content-Type\"]\nexpose = [\"X-Total\"]\ncredentials = true\nmax_age = \"1h\"";
    let front = front(&format!("origins = [\"{ORIGIN}\"]\n{settings}"));
    let reply = front.line().ask(head("OPTIONS", "/x", &(from(ORIGIN) + ASKING))).expect(204);
    assert_eq!(list(&reply, "Access-Control-Allow-Methods"), ["get", "purge"]);
    assert_holds(&reply, "Access-Control-Allow-Headers", &["api-key", "content-type"]);
    assert!(!list(&reply, "Access-Control-Allow-Headers").contains(&"x-custom".to_owned()), "{reply:?}");
    assert_eq!(reply.header("Access-Control-Allow-Credentials").as_deref(), Some("true"));
    assert_eq!(reply.number("Access-Control-Max-Age"), Some(3600));
    let passed = front.line().ask(front.head("GET", "/x", &from(ORIGIN))).expect(200);
    assert_holds(&passed, "Access-Control-Expose-Headers", &["x-total", "x-request-id"]);
    assert_eq!(passed.header("Access-Control-Allow-Credentials").as_deref(), Some("true"));
    let refused = front.line().ask(head("GET", "/x", &from(ORIGIN))).expect(401);
    assert_eq!(refused.header("Access-Control-Allow-Credentials").as_deref(), Some("true"));
}

#[test]
fn another_origin_is_told_nothing() {
    let front = front(&format!("origins = [\"{ORIGIN}\"]\ncredentials = true"));
    for origin in [
        "https://elsewhere.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "https://app.example.co",
        "null",
        "https://APP.example.com.",
        "https://app.example.com https://evil.example",
    ] {
        let reply = front.line().ask(head("OPTIONS", "/x", &(from(origin) + ASKING))).expect(204);
        assert_says_nothing(&reply);
        assert_holds(&reply, "Vary", &["origin"]);
        assert_says_nothing(&front.line().ask(front.head("GET", "/x", &from(origin))).expect(200));
        assert_says_nothing(&front.line().ask(head("GET", "/x", &from(origin))).expect(401));
    }
}

#[test]
fn two_origins_are_none() {
    let front = front(&format!("origins = [\"{ORIGIN}\"]\ncredentials = true"));
    for twice in [from(ORIGIN) + &from("https://evil.example"), from("https://evil.example") + &from(ORIGIN)] {
        assert_says_nothing(&front.line().ask(head("OPTIONS", "/x", &(twice.clone() + ASKING))));
        assert_says_nothing(&front.line().ask(front.head("GET", "/x", &twice)));
    }
}

#[test]
fn a_page_may_read_passes_and_refusals() {
    let plans = "[[plans]]\nname = \"free\"\nlimits = [{ requests = 2, per = \"3650d\", shape = \"sliding\" }]\n";
    let apps_own = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Origin: https://evil.example\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Inner\r\nVary: Accept-Encoding\r\n";
    let app = App::answering(move |heard| if heard.head.target() == "/own" { answer("200 OK", apps_own, "fine") } else { ok("fine") });
    let front = Front::with(app, &format!("[cors]\norigins = [\"{ORIGIN}\"]\nexpose = [\"X-Total\"]\n{plans}"));
    for (what, target, credential, status) in [
        ("a pass", "/x", front.key.as_str(), 200),
        ("a pass that the app says something about", "/own", &front.key, 200),
        ("a limit that ran out", "/x", &front.key, 429),
        ("no key", "/x", "", 401),
        ("a wrong key", "/x", "nonsense", 401),
        ("an ambiguous path", "/x//y", "", 400),
    ] {
        let credential = if credential.is_empty() { String::new() } else { format!("Authorization: Bearer {credential}\r\n") };
        let reply = front.line().ask(head("GET", target, &(from(ORIGIN) + &credential))).expect(status);
        assert_eq!(reply.header("Access-Control-Allow-Origin").as_deref(), Some(ORIGIN), "{what}: {reply:?}");
        let readable =
            ["X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-Total"];
        assert_holds(&reply, "Access-Control-Expose-Headers", &readable);
        assert_holds(&reply, "Vary", &["origin"]);
        assert_eq!(reply.header("Access-Control-Allow-Credentials"), None, "{what}: {reply:?}");
        if target == "/own" {
            assert_holds(&reply, "Vary", &["accept-encoding"]);
        }
    }
}

#[test]
fn an_app_that_fails_can_be_read_of_too() {
    let nobody = super::faults::Vacant::new();
    let stage = stage_before(&nobody.url, &format!("[cors]\norigins = [\"{ORIGIN}\"]\n"));
    let key = stage.raw_key("free");
    let mut line = Line::to(&stage.server.address);
    let reply = line.ask(head("GET", "/x", &format!("Authorization: Bearer {key}\r\n{}", from(ORIGIN)))).expect(502);
    assert_eq!(reply.header("Access-Control-Allow-Origin").as_deref(), Some(ORIGIN));
    line.ask(head("OPTIONS", "/x", &(from(ORIGIN) + ASKING))).expect(204);
}

#[test]
fn a_preflight_that_cannot_be_read_in_one_way_is_refused() {
    let front = front(&format!("origins = [\"{ORIGIN}\"]"));
    for (target, more) in [("/x//y", ""), ("/x/../y", ""), ("/x", "X-Forwarded-For: nobody\r\n")] {
        let reply = front.line().ask(head("OPTIONS", target, &(from(ORIGIN) + ASKING + more))).expect(400);
        assert_eq!(reply.verdict(), "ambiguous");
        assert_eq!(reply.header("Access-Control-Allow-Methods"), None, "{reply:?}");
    }
    let misplaced = format!("/x?k={}", front.key);
    assert_eq!(front.line().ask(head("OPTIONS", &misplaced, &(from(ORIGIN) + ASKING))).expect(400).verdict(), "misplaced");
    for more in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let request = head("OPTIONS", "/x", &(from(ORIGIN) + ASKING));
        let mut line = front.line();
        line.say(format!("{}{more}", request.trim_end_matches("\r\n").to_owned() + "\r\n"));
        assert_eq!(line.reply("OPTIONS").expect(401).verdict(), "missing", "a preflight has no body");
    }
    assert_eq!(front.app.heard().len(), 0);
}

#[test]
fn a_page_may_call_tollgates_own_paths_with_a_key() {
    let front = front(&format!("origins = [\"{ORIGIN}\"]"));
    for (target, status) in [("/auth/v1/me", 200), ("/auth/v1/health", 200), ("/auth/v1/keys", 401), ("/auth/nothing", 404)] {
        let reply = front.line().ask(front.head("GET", target, &from(ORIGIN))).expect(status);
        assert_eq!(reply.header("Access-Control-Allow-Origin").as_deref(), Some(ORIGIN), "{target}: {reply:?}");
        assert_says_nothing(&front.line().ask(front.head("GET", target, &from("https://evil.example"))).expect(status));
    }
    let reply = front.line().ask(head("OPTIONS", "/auth/v1/me", &(from(ORIGIN) + ASKING))).expect(204);
    assert_holds(&reply, "Access-Control-Allow-Headers", &["authorization"]);
    assert_says_nothing(&front.line().ask(head("OPTIONS", "/auth/v1/me", &(from("https://evil.example") + ASKING))));
    assert_eq!(front.app.heard().len(), 0);
}

#[test]
fn every_origin_may_be_let_in_without_cookies() {
    let front = front("origins = [\"*\"]");
    for origin in [ORIGIN, "http://localhost:5173", "null"] {
        let reply = front.line().ask(head("OPTIONS", "/x", &(from(origin) + ASKING))).expect(204);
        let allowed = |reply: &Reply| reply.header("Access-Control-Allow-Origin").unwrap_or_default();
        assert!(["*", origin].contains(&&*allowed(&reply)), "{reply:?}");
        assert_eq!(reply.header("Access-Control-Allow-Credentials"), None);
        assert!(["*", origin].contains(&&*allowed(&front.line().ask(front.head("GET", "/x", &from(origin))).expect(200))));
        assert!(["*", origin].contains(&&*allowed(&front.line().ask(head("GET", "/x", &from(origin))).expect(401))));
    }
    let both = crate::support::Folder::with("[cors]\norigins = [\"*\"]\ncredentials = true\n").run(&["validate"]);
    assert_eq!(both.status.code(), Some(2), "{both:?}");
}

#[test]
fn without_an_origin_nothing_is_said_to_one() {
    let front = front(&format!("origins = [\"{ORIGIN}\"]"));
    let reply = front.get("/x").expect(200);
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None, "{reply:?}");
    assert_holds(&reply, "Vary", &["origin"]);
}

#[test]
fn without_cors_the_apps_own_word_stands() {
    let apps_own = "Access-Control-Allow-Origin: https://its-own.example\r\nAccess-Control-Expose-Headers: X-Inner\r\nVary: Origin\r\n";
    let front = Front::of(App::answering(move |_| answer("200 OK", apps_own, "fine")));
    let reply = front.line().ask(front.head("GET", "/x", &from(ORIGIN))).expect(200);
    assert_eq!(reply.header("Access-Control-Allow-Origin").as_deref(), Some("https://its-own.example"));
    assert_eq!(reply.header("Access-Control-Expose-Headers").as_deref(), Some("X-Inner"));
    assert_says_nothing(&front.line().ask(head("GET", "/x", &from(ORIGIN))).expect(401));
}

#[test]
fn it_works_without_an_app_too() {
    let stage = crate::support::Stage::with(&format!("[cors]\norigins = [\"{ORIGIN}\"]\n"));
    let key = stage.raw_key("free");
    let mut line = Line::to(&stage.server.address);
    let reply = line.ask(head("OPTIONS", "/x", &(from(ORIGIN) + ASKING))).expect(204);
    assert_eq!(reply.header("Access-Control-Allow-Origin").as_deref(), Some(ORIGIN));
    let passed = line.ask(head("GET", "/x", &format!("Authorization: Bearer {key}\r\n{}", from(ORIGIN)))).expect(200);
    assert_eq!(passed.header("Access-Control-Allow-Origin").as_deref(), Some(ORIGIN));
}
