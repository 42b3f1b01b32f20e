//! What went wrong once, each with the test that shows it.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::{Front, assert_broken_off, assert_told, head};
use crate::support::app::{answer, by_answers, chunk, ok};
use crate::support::http::raw;
use crate::support::{App, Request, eventually};

#[test]
fn half_an_answer_shows_whatever_version_the_app_speaks() {
    let front = Front::of(App::scripted(|call| {
        call.say("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf");
        call.reset();
    }));
    let mut line = front.line();
    line.say(front.head("GET", "/x", ""));
    assert_broken_off(&mut line, "GET");
    let whole = Front::of(App::scripted(|call| {
        call.say("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nwhole");
        call.hang_up();
    }));
    let mut line = whole.line();
    line.say(whole.head("GET", "/x", ""));
    assert!(line.head().text().starts_with("HTTP/1.1 200"), "our version is our own");
}

#[test]
fn a_refusal_reaches_who_is_still_sending() {
    let front = Front::of(App::answering(|_| ok("fine")));
    for (target, status) in [("/x", 401), ("/auth/v1/accounts", 401), ("/auth/v1/health", 405)] {
        for _ in 0..3 {
            let mut bytes = head("POST", target, "Content-Length: 20000000\r\nConnection: close\r\n").into_bytes();
            bytes.resize(bytes.len() + 20_000_000, b'x');
            // It is sent whole before anything is read, as many clients do.
            let reply = raw(&front.stage.server.address, &bytes).unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!(reply.status, status, "{target}");
        }
    }
    assert!(front.app.heard().is_empty());
}

#[test]
fn what_a_client_spoils_is_charged_under_every_refund() {
    for refund in ["unreached", "failed", "errors"] {
        let config = format!(
            "refund = \"{refund}\"\nidle_timeout = \"1s\"\n[[plans]]\nname = \"free\"\nlimits = [{{ requests = 100, per = \"3650d\", shape = \"fixed\" }}]\n"
        );
        let front = Front::with(
            App::scripted(|call| {
                if call.try_body().is_ok() {
                    call.say(ok("fine"))
                }
            }),
            &config,
        );
        for (at, (more, body)) in [
            ("Content-Length: 100\r\n", "not whole"),
            ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\nX\r\n"),
            ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut line = front.line();
            line.say(front.head("POST", "/x", more) + body);
            eventually("the app has begun to hear it", || (front.app.connections() > at).then_some(()));
            drop(line);
            eventually("the app is let go of", || (front.app.open_connections() == 0).then_some(()));
            assert_eq!(front.standing(&front.key).left[0].1, 99 - at as i64, "{refund}: {more}");
        }
    }
}

#[test]
fn a_request_that_kills_whoever_reads_it_is_tried_twice_at_most() {
    let meet = std::sync::Arc::new(std::sync::Barrier::new(4));
    let front = Front::of(App::scripted(move |call| match call.head.target() {
        "/crash" => call.hang_up(),
        _ => {
            meet.wait();
            by_answers(|_| ok("fine"))(call);
        }
    }));
    // Four at once leave four kept connections.
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| front.get("/warm").expect(200)))));
    assert_told(&front.get("/crash"), 502, "upstream_down");
    let crashed = front.app.heard().iter().filter(|heard| heard.head.target() == "/crash").count();
    assert!((1..=2).contains(&crashed), "{crashed}");
}

#[test]
fn a_client_that_leaves_frees_the_app() {
    let (gone, left) = channel();
    let gone = Mutex::new(gone);
    let front = Front::of(App::scripted(move |call| {
        if call.head.target() == "/events" {
            call.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            call.say(chunk(b"data: one\n\n"));
        }
        call.ended();
        gone.lock().unwrap().send(()).unwrap();
    }));
    for target in ["/events", "/silent"] {
        let mut line = front.line();
        line.say(front.head("GET", target, ""));
        match target {
            "/events" => drop(line.head()),
            _ => eventually("the app hears it", || (front.app.heard().len() == 2).then_some(())),
        }
        drop(line);
        left.recv_timeout(std::time::Duration::from_secs(10)).unwrap_or_else(|_| panic!("{target}: the app still works for nobody"));
    }
    let log = front.log();
    assert!(!log.contains(" ERROR "), "that is nobody's fault: {log}");
}

#[test]
fn lengths_of_an_answer_are_one_or_none() {
    for (method, lengths, status) in [
        ("GET", "Content-Length: 4\r\nContent-Length: 4\r\n", 200),
        ("GET", "Content-Length: 4, 4\r\n", 200),
        ("HEAD", "Content-Length: 4\r\nContent-Length: 4\r\n", 200),
        ("GET", "Content-Length: 4\r\nContent-Length: 5\r\n", 502),
        ("HEAD", "Content-Length: 4\r\nContent-Length: 5\r\n", 502),
        ("GET", "Transfer-Encoding: gzip\r\n", 502),
    ] {
        let body = if method == "HEAD" { "" } else { "fine" };
        let front = Front::of(App::scripted(move |call| {
            call.say(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n{body}"));
            call.hang_up();
        }));
        let reply = front.line().ask(front.head(method, "/x", ""));
        assert_eq!(reply.status, status, "{method} {lengths}: {reply:?}");
        assert!(status != 200 || reply.header("Content-Length").as_deref() == Some("4"), "{reply:?}");
    }
}

#[test]
fn no_unreadable_byte_hides_a_key_or_a_hop() {
    let front = Front::with(
        App::answering(|_| ok("fine")),
        "[keys]\ncarriers = [\"bearer\", \"header:api-key\"]\n[[routes]]\npath = \"/open/**\"\nopen = true\n",
    );
    for header in ["Authorization: Bearer ", "Api-Key: "] {
        let mut bytes = head("GET", "/open/x", "").into_bytes();
        bytes.truncate(bytes.len() - 2);
        bytes.extend_from_slice(format!("{header}{}", front.key).as_bytes());
        bytes.extend_from_slice(b"\xff\r\nConnection: X-Hop, \xff\r\nX-Hop: 1\r\n\r\n");
        front.line().ask(bytes).expect(200);
        let heard = front.app.latest();
        assert!(!heard.head.text().contains(&front.key), "{header}");
        heard.assert_without("X-Hop");
    }
}

#[test]
fn what_is_not_kept_is_closed_by_both() {
    for (config, closes) in [("keep_alive = \"0s\"\n", true), ("max_idle = 0\n", true), ("", false)] {
        let front = Front::with(App::answering(|_| ok("fine")), config);
        front.get("/x").expect(200);
        let says_close = front.app.latest().head.header("Connection").is_some_and(|value| value.contains("close"));
        assert_eq!(says_close, closes, "{config}");
    }
}

#[test]
fn some_requests_end_at_the_gate() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let trace = front.line().ask(front.head("TRACE", "/x", "")).expect(405);
    assert!(trace.header("Allow").is_some_and(|methods| methods.contains("GET") && !methods.contains("TRACE")));
    front.line().ask(front.head("OPTIONS", "/x", "Max-Forwards: 0\r\n")).expect(204);
    assert!(front.app.heard().is_empty());
    front.line().ask(front.head("OPTIONS", "/x", "Max-Forwards: 3\r\n")).expect(200);
    assert_eq!(front.app.latest().one("Max-Forwards"), "2");
}

#[test]
fn no_claim_of_an_address_is_a_strangers() {
    let front = Front::with(App::answering(|_| ok("fine")), "[server]\ntrusted_proxies = []\n");
    let claims = ["X-Real-IP", "X-Client-IP", "Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP", "X-Forwarded-Uri"];
    let more: String = claims.iter().map(|name| format!("{name}: 198.51.100.77\r\n")).collect();
    front.line().ask(front.head("GET", "/x", &more)).expect(200);
    let heard = front.app.latest();
    assert!(!heard.head.text().contains("198.51.100.77"), "{}", heard.head.text());
    assert_eq!(heard.one("X-Real-IP"), "127.0.0.1");
}

#[test]
fn what_is_left_can_be_told_where_the_app_failed() {
    let style = "[[plans]]\nname = \"free\"\nlimits = [{ requests = 5, per = \"minute\" }]\n[[style.answers]]\nverdicts = [\"upstream_down\"]\nbody = '{\"error\": \"{code}\", \"left\": \"{minute.remaining}\", \"plan\": \"{plan}\"}'\n";
    let vacant = super::faults::Vacant::new();
    let stage = super::stage_before(&vacant.url, &format!("refund = \"never\"\n{style}"));
    let key = stage.raw_key("free");
    let told = stage.server.send(&Request::get("/x").bearer(&key)).expect(502).json();
    assert_eq!((&told["error"], &told["left"], &told["plan"]), (&"upstream_down".into(), &4.into(), &"free".into()));
}

#[test]
fn who_says_no_more_still_hears_the_answer_of_the_gate_alone() {
    // Without an app, a client that has said all it has to say still gets its answer.
    let stage = crate::support::Stage::with("");
    let key = stage.raw_key("free");
    let mut stream = TcpStream::connect(&stage.server.address).unwrap();
    stream.write_all(head("GET", "/x", &format!("Authorization: Bearer {key}\r\nConnection: close\r\n")).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut stream, &mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
}

#[test]
fn a_pause_is_no_end() {
    let front = Front::with(
        App::answering(|_| answer("200 OK", "", &"x".repeat(30_000_000))),
        "idle_timeout = \"60s\"\n[server]\nrequest_timeout = \"1s\"\n",
    );
    let mut line = front.line();
    line.say(front.head("GET", "/x", ""));
    let head = line.head();
    // Longer than the gate may take: the pause itself is what is tested.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let mut body = crate::support::wire::Body::of_reply("GET", &head);
    let mut read = 0;
    while let Some(piece) = line.piece(&mut body).expect("a client may pause") {
        read += piece.len();
    }
    assert_eq!(read, 30_000_000);
}

#[test]
fn a_request_that_goes_round_is_stopped() {
    let front = Front::of(App::answering(|_| ok("fine")));
    front.line().ask(front.head("GET", "/x", &"Via: 1.1 tollgate\r\n".repeat(7))).expect(200);
    let before = front.standing(&front.key);
    let round = format!("Via: 1.1 tollgate{}\r\n", ", 1.1 tollgate".repeat(7));
    assert_told(&front.line().ask(front.head("GET", "/x", &round)), 502, "upstream_down");
    assert_eq!(front.standing(&front.key), before, "it never got to the app");
    assert_eq!(front.app.heard().len(), 1);
    assert!(front.log().contains("leads back to tollgate"));
}
