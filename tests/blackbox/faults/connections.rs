//! Clients that are slow, too many or too talkative, and the way down while they are there.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Folder, Request, Server, Stage};

/// A connection that stays open.
struct Line(BufReader<TcpStream>);

impl Line {
    fn to(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).expect("the server accepts");
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(BufReader::new(stream))
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The status of the next answer; its body is read and forgotten.
    fn status(&mut self) -> u16 {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).expect("an answer"), 0, "the connection ended after '{head}'");
        }
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        self.0.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Whatever still comes until the server ends the connection, and how long that took.
    fn rest(mut self) -> (String, Duration) {
        let began = Instant::now();
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection did not end: {error}"),
        }
        (String::from_utf8_lossy(&rest).into_owned(), began.elapsed())
    }
}

const HEALTH: &str = "GET /auth/v1/health HTTP/1.1\r\nHost: x\r\n\r\n";

fn folder(server: &str) -> Folder {
    Folder::with(&format!("[server]\n{server}\n"))
}

/// Stops a server; fails where that took longer than `most`.
#[track_caller]
fn stops_within(server: Server, most: Duration) -> String {
    let began = Instant::now();
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(began.elapsed() < most, "it took {:?}: {log}", began.elapsed());
    log
}

// The way down.

#[test]
fn sigterm_does_not_wait_for_idle_connections() {
    let server = folder("shutdown_timeout = \"20s\"").serve();
    let mut idle = Line::to(&server);
    idle.say(HEALTH);
    assert_eq!(idle.status(), 200);
    let mut idle_over_control: Vec<Line> = (0..3).map(|_| Line::to(&server)).collect();
    for line in &mut idle_over_control {
        line.say(HEALTH);
        assert_eq!(line.status(), 200);
    }
    let log = stops_within(server, Duration::from_secs(5));
    assert!(!log.contains("cut off"), "{log}");
    assert_eq!(idle.rest().0, "");
}

#[test]
fn sigterm_waits_for_a_half_sent_request_no_longer_than_it_may() {
    let server = folder("shutdown_timeout = \"1s\"\nheader_timeout = \"60s\"").serve();
    let mut half = Line::to(&server);
    half.say("GET /auth/v1/health HTTP/1.1\r\nHost:");
    let silent = Line::to(&server);
    // Both are accepted before this one is answered.
    let mut third = Line::to(&server);
    third.say(HEALTH);
    assert_eq!(third.status(), 200);
    stops_within(server, Duration::from_secs(6));
    assert_eq!(half.rest().0, "");
    assert_eq!(silent.rest().0, "");
}

#[test]
fn sigterm_lets_a_request_under_way_finish() {
    let stage = Stage::with("[server]\nshutdown_timeout = \"20s\"\n");
    let account = stage.account(json!({}));
    let body = json!({ "account": account, "name": "late" }).to_string();
    let (first, second) = body.split_at(10);
    let mut line = Line::to(&stage.server);
    line.say(&format!(
        "POST /auth/v1/keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        stage.token,
        body.len()
    ));
    // The handler waits for the body.
    assert_eq!(line.status(), 100);
    line.say(first);
    let address = stage.server.address.clone();
    let Stage { folder, server, .. } = stage;
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| stops_within(server, Duration::from_secs(15)));
        crate::support::eventually("nobody new is accepted", || TcpStream::connect(&address).err().map(|_| ()));
        assert!(!stopping.is_finished(), "it waits for the request");
        line.say(second);
        assert_eq!(line.status(), 201, "what was under way is finished");
        stopping.join().unwrap();
    });
    assert_eq!(line.rest().0, "", "and then the connection ends");
    assert_eq!(folder.json(&["key", "list"])["data"][0]["name"], "late");
}

// Bounds.

#[test]
fn who_is_slow_with_the_headers_is_cut_off() {
    let server = folder("header_timeout = \"1s\"").serve();
    let begin = |text: &str| {
        let mut line = Line::to(&server);
        line.say(text);
        line
    };
    let mut used = begin(HEALTH);
    assert_eq!(used.status(), 200);
    let slow = [begin("GET /auth/v1/health HTTP/1.1\r\nHost: x\r\nX-Slow"), begin("G"), begin(""), used];
    for line in slow {
        let (rest, took) = line.rest();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
        assert!(took < Duration::from_secs(6), "it was let wait for {took:?}");
    }
    let mut quick = begin(HEALTH);
    assert_eq!(quick.status(), 200);
}

#[test]
fn a_drop_now_and_then_does_not_prolong_the_time_for_headers() {
    let server = folder("header_timeout = \"1s\"").serve();
    let mut line = Line::to(&server);
    line.say("GET /auth/v1/health HTTP/1.1\r\n");
    line.0.get_ref().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(8), "it goes on for ever");
        if line.0.get_mut().write_all(b"X-Drop: 1\r\n").is_err() {
            break;
        }
        match line.0.read(&mut [0; 512]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
            Err(_) => break,
        }
    }
    assert!(began.elapsed() >= Duration::from_millis(500), "it was cut off before its time");
}

#[test]
fn a_body_that_never_ends_is_answered_in_time() {
    let stage = Stage::with("[server]\nrequest_timeout = \"1s\"\n");
    let mut line = Line::to(&stage.server);
    line.say(&format!(
        "POST /auth/v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        stage.token
    ));
    let began = Instant::now();
    let status = line.status();
    assert!([408, 503].contains(&status), "{status}");
    assert!(began.elapsed() < Duration::from_secs(6), "it took {:?}", began.elapsed());
}

#[test]
fn more_connections_than_there_are_places_wait_and_are_served() {
    let server = folder("max_connections = 2").serve();
    let mut first = Line::to(&server);
    let mut second = Line::to(&server);
    for line in [&mut first, &mut second] {
        line.say(HEALTH);
        assert_eq!(line.status(), 200);
    }
    let mut third = Line::to(&server);
    third.say(HEALTH);
    third.0.get_ref().set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    let waiting = third.0.fill_buf().expect_err("there is no place for a third");
    assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&waiting.kind()), "{waiting}");
    third.0.get_ref().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    drop(first);
    assert_eq!(third.status(), 200, "it waited, and is served");
    second.say(HEALTH);
    assert_eq!(second.status(), 200, "and the one that stayed still is");
}

#[test]
fn the_command_line_finds_a_place_where_clients_take_all() {
    let folder = folder("max_connections = 2");
    let server = folder.serve();
    let lines: Vec<Line> = (0..4).map(|_| Line::to(&server)).collect();
    folder.account(&[]);
    drop(lines);
}

#[test]
fn too_much_of_a_head_is_refused() {
    let server = folder("max_header_bytes = 8192\nmax_headers = 20").serve();
    let many = |count: usize| (0..count).fold(Request::get("/auth/v1/health"), |request, index| request.header(&format!("X-{index}"), "1"));
    let long = |bytes: usize| Request::get("/auth/v1/health").header("X-Long", &"x".repeat(bytes));
    for (what, request, status) in [
        ("few headers", many(10), 200),
        ("too many headers", many(40), 431),
        ("a long header", long(4000), 200),
        ("too long a header", long(20_000), 431),
    ] {
        assert_eq!(server.send(&request).status, status, "{what}");
    }
    let target = format!("/{}", "x".repeat(20_000));
    let refused = server.send(&Request::get(&target)).status;
    assert!([414, 431].contains(&refused), "too long a path: {refused}");
    server.send(&Request::get("/auth/v1/health")).expect(200);
}

#[test]
fn what_cannot_be_read_is_refused_and_harms_nobody() {
    let server = Folder::new().serve();
    for bytes in [
        "NONSENSE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0",
    ] {
        let mut line = Line::to(&server);
        line.say(bytes);
        line.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
        let (answer, _) = line.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{bytes:?} got {answer}");
    }
    server.send(&Request::get("/auth/v1/health")).expect(200);
}
