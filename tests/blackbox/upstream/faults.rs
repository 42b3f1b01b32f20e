//! An app that is down, hangs up, resets or answers what is no answer: told by the style, logged once, and nobody else is
//! touched.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;

use super::{Front, assert_told, head, stage_before};
use crate::support::app::{by_answers, ok};
use crate::support::{App, Folder, Line, Stage};

/// A port that is taken and at which nobody listens.
pub struct Vacant {
    pub url: String,
    _socket: TcpSocket,
}

impl Vacant {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { url: format!("http://{}", socket.local_addr().unwrap()), _socket: socket }
    }
}

/// A port at which somebody listens who never accepts: once the queue is full, whoever knocks waits.
pub struct Full {
    pub url: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
            assert!(waiting.len() < 10_000, "the queue never fills");
        }
        Self { url: format!("http://{address}"), _listener: listener, _waiting: waiting }
    }
}

/// The one line of a log that tells of a request.
#[track_caller]
pub fn line_of<'l>(log: &'l str, request_id: &str) -> &'l str {
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(request_id)).collect();
    assert_eq!(lines.len(), 1, "{request_id} in {log}");
    lines[0]
}

#[test]
fn an_app_that_is_not_there_is_told_by_the_style_and_logged() {
    let nobody = Vacant::new();
    let nowhere = tempfile::tempdir().unwrap();
    let missing = format!("unix:{}/none.sock", nowhere.path().display());
    let no_socket = nowhere.path().join("file");
    std::fs::write(&no_socket, "").unwrap();
    for url in [nobody.url.clone(), missing, format!("unix:{}", no_socket.display())] {
        let stage = stage_before(&url, "");
        let key = stage.raw_key("free");
        let mut line = Line::to(&stage.server.address);
        let mut ids = Vec::new();
        for (method, more) in [("GET", ""), ("POST", "Content-Length: 5\r\n"), ("GET", "Upgrade: websocket\r\nConnection: Upgrade\r\n")] {
            let body = if method == "POST" { "hello" } else { "" };
            let reply = line.ask(head(method, "/x", &format!("Authorization: Bearer {key}\r\n{more}")) + body);
            assert_told(&reply, 502, "upstream_down");
            assert!(reply.header("RateLimit").is_some(), "{reply:?}");
            ids.push(reply.header("X-Request-Id").unwrap());
        }
        let head = line.ask(head("HEAD", "/x", &format!("Authorization: Bearer {key}\r\n")));
        assert_eq!((head.status, head.body.as_str()), (502, ""));
        let Stage { server, .. } = stage;
        let (_, log) = server.stop();
        for id in ids {
            line_of(&log, &id);
        }
        assert!(!log.contains(&key) && !log.contains("panicked"), "{log}");
    }
}

/// What is no answer.
fn no_answers() -> Vec<(&'static str, Vec<u8>)> {
    let head = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}\r\n\r\nhello").into_bytes();
    vec![
        ("nothing", b"".to_vec()),
        ("an empty line", b"\r\n\r\n".to_vec()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
        ("TLS", b"\x15\x03\x01\x00\x02\x02\x0a\x15\x03\x01\x00\x02\x02\x0a".to_vec()),
        ("HTTP/2", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d\0\x04\0@\0\0\0\x02\0\0\0\0\r\n\r\n".to_vec()),
        ("half a status line", b"HTTP/1.1 20".to_vec()),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Type: text/pl".to_vec()),
        ("a head without its end", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n".to_vec()),
        ("a status that is none", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a status below 100", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("another version", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a header without a colon", head("no colon")),
        ("a header with a NUL", head("X-Nul: a\0b")),
        ("a blank before the colon", head("Content-Length : 5")),
        ("a folded header", head("X-Fold: a\r\n b")),
        ("a bare CR", head("X-Bare: a\rb")),
        ("two lengths that differ", head("Content-Length: 5\r\nContent-Length: 6")),
        ("a length that is none", head("Content-Length: five")),
        ("a length below 0", head("Content-Length: -5")),
        ("a length with a sign", head("Content-Length: +5")),
        ("a length beyond all", head("Content-Length: 99999999999999999999999")),
        ("only interim answers", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n".to_vec()),
        ("a head without bounds", format!("HTTP/1.1 200 OK\r\nX-Long: {}", "x".repeat(4 << 20)).into_bytes()),
        ("headers without bounds", format!("HTTP/1.1 200 OK\r\n{}", "X-Many: 1\r\n".repeat(200_000)).into_bytes()),
    ]
}

#[test]
fn what_is_no_answer_is_told_by_the_style_and_logged() {
    let said = no_answers();
    let app = App::scripted(move |call| {
        let Ok(at) = call.head.target().trim_start_matches('/').parse::<usize>() else { return call.say(ok("fine")) };
        call.say(&said[at].1);
        call.hang_up();
    });
    let front = Front::with(app, "max_idle = 0\n");
    let mut ids = Vec::new();
    let mut line = front.line();
    for (at, (what, _)) in no_answers().iter().enumerate() {
        let reply = line.ask(front.head("GET", &format!("/{at}"), ""));
        println!("{what}: {}", reply.status);
        assert_told(&reply, 502, "upstream_down");
        ids.push(reply.header("X-Request-Id").unwrap());
        let asked = front.app.heard().iter().filter(|heard| heard.head.target() == format!("/{at}")).count();
        assert_eq!(asked, 1, "{what} is not asked for again");
        assert_eq!(front.get("/fine").expect(200).body, "fine", "after {what}");
    }
    let log = front.log();
    for id in ids {
        println!("{}", line_of(&log, &id));
    }
}

#[test]
fn a_reset_before_the_head_is_told_by_the_style_and_logged() {
    let front = Front::of(App::scripted(|call| match call.head.target() {
        "/half" => {
            call.say("HTTP/1.1 200 OK\r\nContent-");
            call.reset();
        }
        _ => call.reset(),
    }));
    let ids = ["/at-once", "/half"].map(|target| {
        let reply = front.get(target);
        assert_told(&reply, 502, "upstream_down");
        reply.header("X-Request-Id").unwrap()
    });
    let log = front.log();
    for id in ids {
        line_of(&log, &id);
    }
}

#[test]
fn an_answer_that_breaks_off_is_logged_with_its_request() {
    let front = Front::of(App::scripted(|call| {
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        call.hang_up();
    }));
    let mut line = front.line();
    line.say(front.head("GET", "/x?secret=yes", ""));
    let head = line.head();
    assert_eq!(head.status(), Some(200));
    line.rest();
    let log = front.log();
    let told = line_of(&log, &head.header("X-Request-Id").unwrap());
    assert!(!told.contains("secret"), "what a query holds may be anything: {told}");
}

#[test]
fn the_log_holds_no_key_however_much_it_tells() {
    let app = App::scripted(|call| match call.head.target() {
        "/fails" => call.hang_up(),
        _ => by_answers(|_| ok("fine"))(call),
    });
    let config = format!("[upstream]\nurl = \"{}\"\npass_credential = true\n[keys]\ncarriers = [\"bearer\", \"query:api_key\"]\n", app.url);
    let folder = Folder::with(&config).variable("TOLLGATE_LOG", "trace");
    let stage = Stage::of(folder);
    let key = stage.raw_key("free");
    let mut line = Line::to(&stage.server.address);
    for target in ["/x", "/fails", &format!("/x?api_key={key}"), &format!("/fails?api_key={key}"), &format!("/{key}")] {
        line.ask(head("GET", target, &format!("Authorization: Bearer {key}\r\n")));
    }
    let (_, log) = stage.server.stop();
    assert!(log.contains("DEBUG") && !log.contains(&key), "{log}");
}

#[test]
fn the_clients_connection_goes_on_after_the_apps_failure() {
    let front = Front::of(App::scripted(|call| match call.head.target() {
        "/fails" => call.hang_up(),
        _ => by_answers(|_| ok("fine"))(call),
    }));
    let mut line = front.line();
    for _ in 0..3 {
        assert_told(&line.ask(front.head("GET", "/fails", "")), 502, "upstream_down");
        assert_told(&line.ask(front.head("POST", "/fails", "Content-Length: 5\r\n") + "hello"), 502, "upstream_down");
        assert_eq!(line.ask(front.head("GET", "/x", "")).expect(200).body, "fine");
    }
}

#[test]
fn the_gates_own_paths_do_not_need_the_app() {
    let nobody = Vacant::new();
    let stage = stage_before(&nobody.url, "");
    let key = stage.raw_key("free");
    stage.server.get("/auth/v1/me", &key).expect(200);
    stage.server.get("/auth/v1/ready", "").expect(200);
    let checked = crate::support::Request::get("/auth/v1/check").header("X-Forwarded-Uri", "/x").bearer(&key);
    stage.server.send(&checked).expect(200);
    assert_eq!(stage.server.get("/x", "nonsense").expect(401).verdict(), "unknown", "and a refusal is a refusal");
}
