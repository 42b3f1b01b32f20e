//! WebSockets and other upgrades: bytes both ways once the app agrees, and HTTP as before where it does not.

use std::io::{BufRead, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{Front, assert_told, head};
use crate::support::app::{Call, Latch, answer, ok};
use crate::support::wire::PATIENCE;
use crate::support::{App, Line};

const WEBSOCKET: &str =
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

/// Says back whatever comes, until the other side says that it is done.
fn echo(call: &mut Call) {
    let reader = call.raw();
    loop {
        let bytes = match reader.fill_buf() {
            Ok([]) | Err(_) => return,
            Ok(bytes) => bytes.to_vec(),
        };
        reader.consume(bytes.len());
        if reader.get_mut().write_all(&bytes).is_err() {
            return;
        }
    }
}

/// An app that switches whenever it is asked to, and echoes.
fn switching() -> App {
    App::scripted(|call| {
        if call.head.header("Upgrade").is_none() {
            return call.say(ok("plain"));
        }
        call.say(SWITCHING);
        echo(call);
    })
}

/// Asks for an upgrade that the app agrees to.
fn upgraded(front: &Front) -> Line {
    let mut line = front.line();
    line.say(front.head("GET", "/socket?room=1", WEBSOCKET));
    assert_eq!(line.head().status(), Some(101));
    line
}

#[test]
fn a_websocket_carries_bytes_both_ways() {
    let front = Front::of(switching());
    let mut line = front.line();
    line.say(front.head("GET", "/socket?room=1", &format!("{WEBSOCKET}Sec-WebSocket-Protocol: chat, superchat\r\nCookie: a=1\r\n")));
    let head = line.head();
    assert_eq!(head.status(), Some(101), "{}", head.text());
    assert!(head.header("Upgrade").is_some_and(|token| token.eq_ignore_ascii_case("websocket")), "{}", head.text());
    assert!(head.header("Connection").is_some_and(|token| token.eq_ignore_ascii_case("upgrade")), "{}", head.text());
    assert_eq!(head.header("Sec-WebSocket-Accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("Sec-WebSocket-Protocol").as_deref(), Some("chat"));
    assert!(head.header("X-Request-Id").is_some() && head.header("RateLimit").is_some(), "a pass like any other: {}", head.text());
    assert_eq!((head.header("Content-Length"), head.header("Transfer-Encoding")), (None, None), "{}", head.text());
    let every_byte: Vec<u8> = (0..=255).cycle().take(50_000).collect();
    for frame in [&b"\x81\x05hello"[..], b"\0", b"GET / HTTP/1.1\r\n\r\n", &every_byte] {
        line.say(frame);
        assert!(line.exactly(frame.len()) == frame);
    }
    let heard = front.app.latest();
    assert_eq!(heard.head.line, "GET /socket?room=1 HTTP/1.1");
    assert!(heard.one("Upgrade").eq_ignore_ascii_case("websocket"));
    assert!(heard.one("Connection").eq_ignore_ascii_case("upgrade"));
    assert_eq!(heard.one("Sec-WebSocket-Key"), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(heard.one("Sec-WebSocket-Version"), "13");
    assert_eq!(heard.one("Sec-WebSocket-Protocol"), "chat, superchat");
    assert_eq!((heard.one("Cookie"), heard.one("X-Auth-Verdict")), ("a=1".into(), "ok".into()));
    assert!(!heard.head.text().contains(&front.key));
}

#[test]
fn what_either_side_says_at_once_is_not_lost() {
    let front = Front::of(App::scripted(|call| {
        call.say(format!("{SWITCHING}welcome"));
        echo(call);
    }));
    let mut line = upgraded(&front);
    line.say("right after");
    assert_eq!(line.exactly(18), b"welcomeright after");
}

#[test]
fn many_bytes_go_both_ways_at_once() {
    const MUCH: usize = 20 * 1024 * 1024;
    let front = Front::of(switching());
    let line = upgraded(&front);
    let mut writer = line.stream().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let piece: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
            (0..MUCH / piece.len()).for_each(|_| writer.write_all(&piece).expect("it is taken"));
            writer.shutdown(Shutdown::Write);
        });
        let mut line = line;
        let came = line.rest();
        assert_eq!(came.len(), MUCH);
        assert!(came.iter().enumerate().all(|(at, byte)| *byte == (at % 256) as u8));
    });
}

#[test]
fn who_has_said_all_still_hears_the_rest() {
    let front = Front::of(App::scripted(|call| {
        call.say(SWITCHING);
        let reader = call.raw();
        let mut all = String::new();
        reader.read_to_string(&mut all).expect("the client's end is told");
        reader.get_mut().write_all(format!("you said {all}").as_bytes()).expect("the client still listens");
    }));
    let mut line = upgraded(&front);
    line.say("goodbye");
    line.finish();
    assert_eq!(line.rest(), b"you said goodbye");
}

#[test]
fn the_end_of_one_side_ends_the_other() {
    let (ended, ending) = channel();
    let leave = Latch::default();
    let app = App::scripted({
        let leave = leave.clone();
        move |call| {
            call.say(SWITCHING);
            if call.head.target() == "/leaves" {
                leave.wait();
                return call.hang_up();
            }
            ended.send(call.ended()).unwrap();
        }
    });
    let front = Front::of(app);
    for is_rude in [false, true] {
        let mut line = upgraded(&front);
        line.say("bye");
        if is_rude {
            line.stream().will_reset();
        }
        drop(line);
        let said = ending.recv_timeout(PATIENCE).expect("the app learns that the client is gone");
        assert!(is_rude || said == b"bye", "{said:?}");
    }
    let mut line = front.line();
    line.say(front.head("GET", "/leaves", WEBSOCKET));
    assert_eq!(line.head().status(), Some(101));
    leave.open();
    assert_eq!(line.rest(), b"", "and the client learns that the app is gone");
}

#[test]
fn any_other_token_works_alike() {
    let front = Front::of(App::scripted(|call| {
        let Some(token) = call.head.header("Upgrade") else { return call.say(ok("plain")) };
        call.say(format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: {token}\r\nConnection: upgrade\r\n\r\n"));
        echo(call);
    }));
    for (method, token) in [("GET", "raw"), ("POST", "tcp"), ("GET", "IRC/6.9"), ("GET", "WebSocket")] {
        let mut line = front.line();
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        line.say(front.head(method, "/x", &format!("Connection: keep-alive, Upgrade\r\nUpgrade: {token}\r\n{length}")));
        let head = line.head();
        assert_eq!((head.status(), head.header("Upgrade").as_deref()), (Some(101), Some(token)), "{}", head.text());
        line.say("hello");
        assert_eq!(line.exactly(5), b"hello", "{token}");
    }
}

#[test]
fn another_version_of_http_is_never_upgraded_to() {
    let front = Front::of(switching());
    for token in ["h2c", "H2C", "h2", "HTTP/2.0", "HTTP/3", "TLS/1.0", "TLS/1.2, HTTP/1.1", "h2c, websocket", "websocket, h2c"] {
        let mut line = front.line();
        let more = format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {token}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n");
        let reply = line.ask(front.head("GET", "/x", &more));
        let heard = front.app.latest();
        if reply.status == 200 {
            assert_eq!(reply.body, "plain", "{token}");
            heard.assert_without("Upgrade");
        } else {
            // Of a list, what is left may be upgraded to.
            assert!(reply.status == 101 && token.contains("websocket"), "{token}: {reply:?}");
        }
        heard.assert_without("HTTP2-Settings");
        let text = heard.head.text().to_ascii_lowercase();
        assert!(!text.contains("h2c") && !text.contains("tls/") && !text.contains("upgrade: http"), "{token}: {text}");
    }
}

#[test]
fn an_upgrade_header_that_the_connection_does_not_name_is_none() {
    let front = Front::of(switching());
    let reply = front.line().ask(front.head("GET", "/x", "Upgrade: websocket\r\n")).expect(200);
    assert_eq!(reply.body, "plain");
    let old = format!("GET /x HTTP/1.0\r\nAuthorization: Bearer {}\r\n{WEBSOCKET}\r\n", front.key);
    assert_eq!(front.line().ask(old).expect(200).body, "plain", "nor one of HTTP/1.0 (RFC 9110, 7.8)");
}

#[test]
fn a_switch_that_nobody_asked_for_is_no_answer() {
    let front = Front::of(App::scripted(|call| {
        call.say(SWITCHING);
        call.say("\x01\x02and so on");
    }));
    for (method, more) in [("GET", ""), ("GET", "Upgrade: h2c\r\nConnection: Upgrade\r\n"), ("POST", "Content-Length: 0\r\n")] {
        assert_told(&front.line().ask(front.head(method, "/x", more)), 502, "upstream_down");
    }
    let log = front.log();
    assert!(log.contains("nobody asked for"), "the log says why: {log}");
}

#[test]
fn a_switch_to_something_else_than_was_asked_for_is_no_answer() {
    let front = Front::of(App::scripted(|call| {
        call.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
        echo(call);
    }));
    assert_told(&front.line().ask(front.head("GET", "/x", WEBSOCKET)), 502, "upstream_down");
}

#[test]
fn an_upgrade_that_the_app_declines_leaves_http_as_it_was() {
    let front = Front::of(App::answering(|heard| match heard.head.target() {
        "/426" => {
            answer("426 Upgrade Required", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", "other version")
        }
        "/400" => answer("400 Bad Request", "", "no"),
        "/200" => answer("200 OK", "", "a page"),
        _ => ok("plain"),
    }));
    let mut line = front.line();
    for (target, status, body) in [("/426", 426, "other version"), ("/400", 400, "no"), ("/200", 200, "a page")] {
        let reply = line.ask(front.head("GET", target, WEBSOCKET)).expect(status);
        assert_eq!(reply.body, body);
        assert_eq!(line.ask(front.head("GET", "/x", "")).expect(200).body, "plain", "after {status}");
    }
}

#[test]
fn a_request_with_a_body_is_no_way_into_another_protocol() {
    let front = Front::of(App::scripted(|call| {
        let _ = call.try_body();
        if call.head.header("Upgrade").is_none() {
            return call.say(ok(&String::from_utf8_lossy(&call.heard().body)));
        }
        call.say(SWITCHING);
        echo(call);
    }));
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Upgrade: raw\r\nConnection: Upgrade\r\nContent-Length: 5\r\n") + "hello");
    let head = line.head();
    assert_eq!(front.app.latest().body, b"hello", "either way the body is the body");
    match head.status() {
        Some(101) => {
            line.say("more");
            assert_eq!(line.exactly(4), b"more");
        }
        status => assert!([Some(200), Some(400)].contains(&status), "{}", head.text()),
    }
}

#[test]
fn a_switched_connection_takes_up_its_place() {
    let front = Front::with(switching(), "[server]\nmax_connections = 2\n");
    let mut lines = [upgraded(&front), upgraded(&front)];
    let mut third = front.line();
    third.say(front.head("GET", "/x", ""));
    third.stream().reads_within(Duration::from_millis(400));
    let waiting = third.try_reply("GET").expect_err("there is no place for a third");
    assert_eq!(waiting.kind(), std::io::ErrorKind::WouldBlock, "{waiting}");
    third.stream().reads_within(PATIENCE);
    lines[0].finish();
    assert_eq!(lines[0].rest(), b"");
    assert_eq!(third.reply("GET").expect(200).body, "plain", "it waited, and is served");
    lines[1].say("still here");
    assert_eq!(lines[1].exactly(10), b"still here");
}

#[test]
fn without_a_key_the_app_is_not_even_asked() {
    let front = Front::of(switching());
    let mut line = front.line();
    for credential in ["", "Authorization: Bearer nonsense\r\n"] {
        let reply = line.ask(head("GET", "/socket", &format!("{WEBSOCKET}{credential}"))).expect(401);
        assert_eq!(reply.header("Upgrade"), None, "{reply:?}");
    }
    assert_eq!(front.app.heard().len(), 0);
    assert_eq!(line.ask(front.head("GET", "/x", "")).expect(200).body, "plain", "and the connection is HTTP still");
}
