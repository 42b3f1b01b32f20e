//! Trailers, both ways: those that were announced, and none that may not stand there.

use super::Front;
use crate::support::App;
use crate::support::app::{chunk, ok};

/// What may not be a trailer: it would change what was decided already, or how the message is read.
const FORBIDDEN: [&str; 15] = [
    "X-Auth-Account: forged",
    "X-Auth-Plan: forged",
    "X_Auth_Plan: forged",
    "X-Auth-Verdict: forged",
    "X-Request-Id: forged",
    "X-Forwarded-For: forged",
    "Forwarded: for=forged",
    "Authorization: Bearer forged",
    "Host: forged",
    "Content-Length: 3",
    "Transfer-Encoding: chunked",
    "Connection: forged",
    "Keep-Alive: forged",
    "Upgrade: forged",
    "TE: forged",
];

fn names(lines: &[&str]) -> String {
    lines.iter().map(|line| line.split(':').next().unwrap()).collect::<Vec<_>>().join(", ")
}

fn chunked_with(trailers: &[&str]) -> String {
    format!("5\r\nhello\r\n0\r\n{}\r\n", trailers.iter().map(|line| format!("{line}\r\n")).collect::<String>())
}

fn lower(fields: &[(String, String)]) -> Vec<(String, &str)> {
    fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect()
}

#[test]
fn those_of_a_request_reach_the_app() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let trailers = ["X-Checksum: abc", "X-Took: 12"];
    let more = format!("Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: {}\r\n", names(&trailers));
    let mut line = front.line();
    line.ask(front.head("POST", "/x", &more) + &chunked_with(&trailers)).expect(200);
    let heard = front.app.only();
    assert_eq!(heard.body, b"hello");
    let mut told = lower(&heard.trailers);
    told.sort();
    assert_eq!(told, [("x-checksum".into(), "abc"), ("x-took".into(), "12")]);
    assert!(heard.one("Trailer").to_ascii_lowercase().contains("x-checksum"), "{}", heard.head.text());
    assert_eq!(heard.one("TE"), "trailers", "and the app learns that the client takes them");
    line.ask(front.head("GET", "/x", "")).expect(200);
}

#[test]
fn those_that_may_not_stand_there_never_reach_the_app() {
    let front = Front::of(App::answering(|_| ok("fine")));
    for forbidden in FORBIDDEN {
        let trailers = [forbidden, "X-Checksum: abc"];
        let more = format!("Transfer-Encoding: chunked\r\nTrailer: {}\r\n", names(&trailers));
        let before = front.app.heard().len();
        let reply = front.line().ask(front.head("POST", "/x", &more) + &chunked_with(&trailers));
        // Some of them make the message unreadable; then it is refused, and the rest of it is not passed on.
        for heard in &front.app.heard()[before..] {
            let name = names(&[forbidden]);
            assert!(!heard.trailers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)), "{forbidden}: {:?}", heard.trailers);
            assert!(!heard.head.text().contains("forged"), "{forbidden}: {}", heard.head.text());
        }
        assert!(reply.status == 200 || (400..500).contains(&reply.status), "{forbidden}: {reply:?}");
    }
    front.get("/x").expect(200);
}

#[test]
fn a_header_that_is_dropped_does_not_reach_the_app_as_a_trailer() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let trailers = ["X-HTTP-Method-Override: forged", "X-Checksum: abc"];
    let more = format!("Transfer-Encoding: chunked\r\nTrailer: {}\r\n", names(&trailers));
    front.line().ask(front.head("POST", "/x", &more) + &chunked_with(&trailers)).expect(200);
    assert_eq!(lower(&front.app.only().trailers), [("x-checksum".into(), "abc")]);
}

#[test]
fn the_key_does_not_reach_the_app_as_a_trailer() {
    let front = Front::with(App::answering(|_| ok("fine")), "[keys]\ncarriers = [\"bearer\", \"header:api-key\"]\n");
    for trailer in [format!("Api-Key: {}", front.key), format!("Authorization: Bearer {}", front.key)] {
        let trailers = [trailer.as_str(), "X-Checksum: abc"];
        let more = format!("Transfer-Encoding: chunked\r\nTrailer: {}\r\n", names(&trailers));
        let before = front.app.heard().len();
        let reply = front.line().ask(front.head("POST", "/x", &more) + &chunked_with(&trailers));
        assert!([200, 400].contains(&reply.status), "{reply:?}");
        for heard in &front.app.heard()[before..] {
            assert!(!format!("{:?}", heard.trailers).contains(&front.key), "{:?}", heard.trailers);
        }
    }
}

#[test]
fn those_of_an_answer_reach_the_client_that_takes_them() {
    let front = Front::of(App::scripted(|call| {
        let trailers = "X-Checksum: abc\r\nX-Auth-Account: inner\r\nContent-Length: 3\r\nConnection: x\r\nX-Request-Id: inner\r\n";
        call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n");
        call.say("Trailer: X-Checksum, X-Auth-Account, Content-Length, Connection, X-Request-Id\r\n\r\n");
        call.say([chunk(b"hello"), b"0\r\n".to_vec(), trailers.into(), b"\r\n".to_vec()].concat());
    }));
    let mut line = front.line();
    let (reply, trailers) = line.ask_for_trailers(front.head("GET", "/x", "TE: trailers\r\n"));
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    assert!(reply.header("Trailer").is_some_and(|names| names.to_ascii_lowercase().contains("x-checksum")), "{reply:?}");
    assert_eq!(lower(&trailers), [("x-checksum".into(), "abc")]);
    let (without, trailers) = line.ask_for_trailers(front.head("GET", "/x", ""));
    assert_eq!((without.body.as_str(), trailers), ("hello", Vec::new()), "and no other gets any");
    line.ask(front.head("GET", "/x", "TE: gzip;q=0.5, trailers\r\n")).expect(200);
    assert_eq!(front.app.latest().one("TE"), "trailers", "of TE nothing else is passed on");
}
