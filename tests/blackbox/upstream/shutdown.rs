//! SIGTERM while the app works: what is under way is finished, and an upgraded connection holds nobody up for long.

use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::{Front, Stage};
use crate::support::app::{Latch, chunk, ok};
use crate::support::wire::{Body, PATIENCE};
use crate::support::{App, Server, eventually};

/// Stops a server; fails where it did not end well. What it logged, and how long it took.
#[track_caller]
fn stopped(server: Server) -> (String, Duration) {
    let began = Instant::now();
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    (log, began.elapsed())
}

#[test]
fn a_request_under_way_at_the_app_is_finished() {
    let (app, asking, go_on) = App::holding("late");
    let Front { app, stage, key } = Front::of(app);
    let address = stage.server.address.clone();
    let mut line = crate::support::Line::to(&address);
    line.say(super::head("POST", "/x", &format!("Authorization: Bearer {key}\r\nContent-Length: 5\r\n")) + "hel");
    asking.recv_timeout(PATIENCE).unwrap();
    let Stage { folder: _folder, server, .. } = stage;
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| stopped(server));
        eventually("nobody new is accepted", || TcpStream::connect(&address).err().map(|_| ()));
        assert!(!stopping.is_finished(), "it waits for the request");
        line.say("lo");
        go_on.open();
        assert_eq!(line.reply("POST").expect(200).body, "late");
        assert_eq!(line.rest(), b"", "and then the connection ends");
        let (log, _) = stopping.join().unwrap();
        assert!(!log.contains("cut off"), "{log}");
    });
    assert_eq!(app.only().body, b"hello");
}

#[test]
fn an_answer_under_way_is_finished() {
    let go_on = Latch::default();
    let app = App::scripted({
        let go_on = go_on.clone();
        move |call| {
            call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            call.say(chunk(b"first"));
            go_on.wait();
            call.say([chunk(b"last"), chunk(b"")].concat());
        }
    });
    let Front { app: _app, stage, key } = Front::of(app);
    let address = stage.server.address.clone();
    let mut line = crate::support::Line::to(&address);
    line.say(super::head("GET", "/x", &format!("Authorization: Bearer {key}\r\n")));
    let mut body = Body::of_reply("GET", &line.head());
    assert_eq!(line.text(&mut body), "first");
    let Stage { folder: _folder, server, .. } = stage;
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| stopped(server));
        eventually("nobody new is accepted", || TcpStream::connect(&address).err().map(|_| ()));
        go_on.open();
        assert_eq!(line.text(&mut body), "last");
        assert_eq!(line.piece(&mut body).unwrap(), None);
        stopping.join().unwrap();
    });
}

#[test]
fn an_upgraded_connection_holds_nobody_up_for_long() {
    let (ended, ending) = channel();
    let app = App::scripted(move |call| {
        call.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        call.ended();
        ended.send(()).unwrap();
    });
    let front = Front::with(app, "[server]\nshutdown_timeout = \"2s\"\n");
    let mut line = front.line();
    line.say(front.head("GET", "/x", "Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert_eq!(line.head().status(), Some(101));
    let Front { app: _app, stage, .. } = front;
    let Stage { folder: _folder, server, .. } = stage;
    let (_, took) = stopped(server);
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    assert_eq!(line.rest(), b"");
    ending.recv_timeout(PATIENCE).expect("the app's side ends too");
}

#[test]
fn an_app_that_never_answers_holds_nobody_up_for_long() {
    let (asked, asking) = channel();
    let app = App::scripted(move |call| {
        asked.send(()).unwrap();
        call.ended();
    });
    let front = Front::with(app, "[server]\nshutdown_timeout = \"1s\"\n");
    let mut line = front.line();
    line.say(front.head("GET", "/x", ""));
    asking.recv_timeout(PATIENCE).unwrap();
    let Front { app: _app, stage, key } = front;
    let Stage { folder, server, .. } = stage;
    let (_, took) = stopped(server);
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    let server = folder.serve();
    let me = server.get("/auth/v1/me", &key).expect(200).json();
    assert_eq!(me["limits"][0]["remaining"], 99_999, "and what was charged is remembered");
}

#[test]
fn idle_connections_to_the_app_hold_nobody_up() {
    let front = Front::of(App::answering(|_| ok("fine")));
    front.get("/x").expect(200);
    let Front { app, stage, .. } = front;
    let Stage { folder: _folder, server, .. } = stage;
    let (log, took) = stopped(server);
    assert!(took < Duration::from_secs(5), "it took {took:?}: {log}");
    eventually("and they end", || (app.open_connections() == 0).then_some(()));
}
