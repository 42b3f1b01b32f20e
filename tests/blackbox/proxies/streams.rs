//! What does not come at once: events, WebSockets, heads of any size.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::front::{Front, Kind};
use crate::support::Request;

/// Reads on until the text has come.
fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut sofar = Vec::new();
    let mut bytes = [0; 512];
    while !String::from_utf8_lossy(&sofar).contains(wanted) {
        let read =
            stream.read(&mut bytes).unwrap_or_else(|error| panic!("'{wanted}' never came ({error}): {}", String::from_utf8_lossy(&sofar)));
        assert!(read > 0, "'{wanted}' never came: {}", String::from_utf8_lossy(&sofar));
        sofar.extend(&bytes[..read]);
    }
    String::from_utf8_lossy(&sofar).into_owned()
}

fn open(front: &Front, head: &str, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&front.proxy.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{head}\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\r\n").unwrap();
    stream
}

pub fn events_come_as_they_are_sent(kind: Kind) {
    let front = Front::with(kind, "");
    let mut stream = open(&front, "GET /events HTTP/1.1", &front.stage.raw_key("free"));
    let first = read_until(&mut stream, "data: first");
    assert!(!first.contains("data: last"), "{first}");
    front.app.go_on();
    read_until(&mut stream, "data: last");
}

pub fn websockets_go_through_and_other_upgrades_do_not(kind: Kind) {
    let front = Front::with(kind, "");
    let key = front.stage.raw_key("free");
    let upgrade = |protocol: &str| format!("GET /x HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {protocol}");
    for protocol in ["websocket", "WebSocket"] {
        let mut stream = open(&front, &upgrade(protocol), &key);
        assert!(read_until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 101"), "{protocol}");
        stream.write_all(b"ping").unwrap();
        assert_eq!(read_until(&mut stream, "ping"), "ping");
    }
    let refused = read_until(&mut open(&front, &upgrade("websocket"), "nonsense"), "\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    if kind.is_before() {
        // tollgate decides about any other.
        let mut stream = open(&front, &upgrade("chat/2"), &key);
        assert!(read_until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 101"));
        stream.write_all(b"ping").unwrap();
        assert_eq!(read_until(&mut stream, "ping"), "ping");
        let before = front.app.asked();
        // One that does not say so in Connection asks for none.
        read_until(&mut open(&front, "GET /x HTTP/1.1\r\nConnection: close\r\nUpgrade: chat", &key), "\r\n\r\n");
        assert!(front.app.received()[before]["headers"]["upgrade"].is_null());
    }
    // HTTP/2 in the clear would carry any request past the gate.
    for protocol in ["h2c", "HTTP/2.0", "websocket, h2c", "h2c\r\nUpgrade: websocket"] {
        let before = front.app.asked();
        let answer = read_until(&mut open(&front, &upgrade(protocol), &key), "\r\n\r\n");
        let received = front.app.received().split_off(before);
        let is_harmless = |upgrade: &Value| upgrade.is_null() || *upgrade == "websocket";
        assert!(received.iter().all(|request| is_harmless(&request["headers"]["upgrade"])), "{protocol}: {received:#?}\n{answer}");
    }
}

pub fn a_preflight_carries_nothing_and_switches_to_nothing(kind: Kind) {
    let front = Front::with(kind, "");
    let preflight = "OPTIONS /x HTTP/1.1\r\nOrigin: https://app.example.com\r\nAccess-Control-Request-Method: GET\r\nHost: a\r\n";
    let say = |more: &str, body: &str| {
        let mut stream = std::net::TcpStream::connect(&front.proxy.address).unwrap();
        stream.write_all(format!("{preflight}{more}\r\n{body}").as_bytes()).unwrap();
        read_until(&mut stream, "\r\n\r\n")
    };
    assert!(say("Connection: close\r\n", "").starts_with("HTTP/1.1 200"), "a preflight needs no key");
    let switched = say("Connection: Upgrade\r\nUpgrade: websocket\r\n", "");
    assert!(!switched.starts_with("HTTP/1.1 101"), "{switched}");
    for (more, body) in [
        ("Content-Length: 11\r\nConnection: close\r\n", "hello=world"),
        ("Transfer-Encoding: chunked\r\nConnection: close\r\n", "b\r\nhello=world\r\n0\r\n\r\n"),
    ] {
        let refused = say(more, body);
        assert!(refused.starts_with("HTTP/1.1 4") || refused.starts_with("HTTP/1.1 502"), "{more}: {refused}");
    }
    for request in front.app.received() {
        assert!(request["headers"]["upgrade"].is_null() && request["body"] != "hello=world", "{request:#}");
    }
}

pub fn a_head_that_tollgate_would_not_read_is_refused(kind: Kind) {
    let front = Front::with(kind, "");
    let key = front.stage.raw_key("free");
    let passing = |cookie: usize| Request::get("/x").bearer(&key).header("Cookie", &"x".repeat(cookie));
    front.passes(&passing(6_000));
    for request in [passing(100_000), (0..120).fold(passing(1), |request, nth| request.header(&format!("X-{nth}"), "y"))] {
        let reply = front.refused(&request);
        assert!(reply.status >= 400, "{reply:?}");
    }
}

pub fn a_bound_on_bodies_is_the_apps_alone(kind: Kind) {
    let front = Front::with(kind, "[upstream]\nmax_body_bytes = 1000\n");
    let key = front.stage.raw_key("free");
    let body = |length: usize| serde_json::json!({ "key": key, "path": format!("/{}", "x".repeat(length)) });
    front.passes(&Request::post("/x", &body(800)).bearer(&key));
    // Caddy 2.6 notices it once it has begun to pass the body on.
    front.refused(&Request::post("/x", &body(2000)).bearer(&key)).expect(if kind == Kind::Caddy { 502 } else { 413 });
    let verified = front.send(&Request::post("/auth/v1/verify", &body(2000)).bearer(&front.stage.token)).expect(200);
    assert_eq!(verified.json()["verdict"], "ok");
}
