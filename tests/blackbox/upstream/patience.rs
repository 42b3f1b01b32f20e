//! Time-outs: connecting, the answer's beginning, and silence in the midst of something; and what none of them cuts off.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::faults::{Full, line_of};
use super::{Front, assert_broken_off, assert_told, stage_before};
use crate::support::app::{Latch, by_answers, chunk, ok};
use crate::support::wire::PATIENCE;
use crate::support::{App, eventually};

/// What a time-out of 1 s may take on a busy machine.
const SOON: Duration = Duration::from_secs(8);

/// Fails where it took less than a time-out of 1 s, or much more.
#[track_caller]
fn assert_in_time(began: Instant) {
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900) && took < SOON, "it took {took:?}");
}

#[test]
fn an_app_that_cannot_be_connected_to_in_time_is_too_slow() {
    let full = Full::new();
    let stage = stage_before(&full.url, "connect_timeout = \"1s\"\n");
    let key = stage.raw_key("free");
    let began = Instant::now();
    let reply = stage.server.get("/x", &key);
    assert_told(&reply, 504, "upstream_timeout");
    assert_in_time(began);
    let (_, log) = stage.server.stop();
    line_of(&log, &reply.header("X-Request-Id").unwrap());
}

#[test]
fn an_app_that_does_not_answer_in_time_is_too_slow() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            match call.head.target() {
                "/silent" => {}
                "/half" => call.say("HTTP/1.1 200 OK\r\nContent-"),
                "/interim" => call.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
                _ => return by_answers(|_| ok("fine"))(call),
            }
            let _ = call.try_body();
            call.ended();
            ended.lock().unwrap().send(()).unwrap();
        }
    });
    let front = Front::with(app, "response_timeout = \"1s\"\n");
    let mut ids = Vec::new();
    for (method, target, more, body) in [
        ("GET", "/silent", "", ""),
        ("GET", "/half", "", ""),
        ("POST", "/silent", "Content-Length: 5\r\n", "hello"),
        ("GET", "/silent", "Upgrade: websocket\r\nConnection: Upgrade\r\n", ""),
        ("GET", "/interim", "", ""),
    ] {
        let mut line = front.line();
        let began = Instant::now();
        line.say(front.head(method, target, more) + body);
        let reply = std::iter::repeat_with(|| line.reply(method)).find(|reply| reply.status >= 200).unwrap();
        assert_told(&reply, 504, "upstream_timeout");
        assert_in_time(began);
        ids.push(reply.header("X-Request-Id").unwrap());
        ending.recv_timeout(PATIENCE).expect("the app's connection ends");
        assert_eq!(line.ask(front.head("GET", "/fine", "")).expect(200).body, "fine", "and the client's goes on");
    }
    let silent = front.app.heard().iter().filter(|heard| heard.head.target() == "/silent").count();
    assert_eq!(silent, 3, "what was too slow is not asked for again");
    let log = front.log();
    for id in ids {
        line_of(&log, &id);
    }
}

#[test]
fn an_upload_that_moves_may_take_longer_than_the_answer() {
    let front =
        Front::with(App::answering(|heard| ok(&heard.body.len().to_string())), "response_timeout = \"1s\"\nidle_timeout = \"1s\"\n");
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Content-Length: 12\r\n"));
    for _ in 0..12 {
        // Slower than the time-outs in all, faster than them from byte to byte: this is what is tested.
        std::thread::sleep(Duration::from_millis(200));
        line.say("x");
    }
    assert_eq!(line.reply("POST").expect(200).body, "12");
}

#[test]
fn a_slow_client_is_no_slow_app() {
    let front = Front::with(App::answering(|heard| ok(&String::from_utf8_lossy(&heard.body))), "response_timeout = \"1s\"\n");
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Content-Length: 5\r\n") + "he");
    // Longer than the app may take: this is what is tested.
    std::thread::sleep(Duration::from_millis(2500));
    line.say("llo");
    assert_eq!(line.reply("POST").expect(200).body, "hello");
}

#[test]
fn an_answer_that_moves_may_take_longer_than_its_beginning() {
    let app = App::scripted(|call| {
        call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..12 {
            std::thread::sleep(Duration::from_millis(200));
            call.say(chunk(b"x"));
        }
        call.say(chunk(b""));
    });
    let front = Front::with(app, "response_timeout = \"1s\"\nidle_timeout = \"1s\"\n[server]\nrequest_timeout = \"1s\"\n");
    assert_eq!(front.get("/x").expect(200).body, "x".repeat(12));
}

#[test]
fn the_gates_own_time_does_not_run_while_the_app_works() {
    let app = App::scripted(|call| {
        std::thread::sleep(Duration::from_millis(2500));
        by_answers(|_| ok("late"))(call);
    });
    let front = Front::with(app, "[server]\nrequest_timeout = \"1s\"\nheader_timeout = \"1s\"\n");
    for (method, more, body) in [("GET", "", ""), ("POST", "Content-Length: 5\r\n", "hello")] {
        assert_eq!(front.line().ask(front.head(method, "/x", more) + body).expect(200).body, "late");
    }
}

#[test]
fn an_answer_that_falls_silent_is_broken_off() {
    let (ended, ending) = channel();
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked", "X-Until: its end"] {
        let app = App::scripted({
            let ended = Mutex::new(ended.clone());
            move |call| {
                let start = if framing.starts_with("Transfer") { "5\r\nhello\r\n" } else { "hello" };
                call.say(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{start}"));
                call.ended();
                ended.lock().unwrap().send(()).unwrap();
            }
        });
        let front = Front::with(app, "idle_timeout = \"1s\"\n");
        let mut line = front.line();
        line.say(front.head("GET", "/x", ""));
        let began = Instant::now();
        assert_broken_off(&mut line, "GET");
        assert_in_time(began);
        ending.recv_timeout(PATIENCE).expect("the app's connection ends");
        assert!(front.log().contains("req_"), "{framing}: the log tells of it");
    }
}

#[test]
fn a_client_that_falls_silent_in_its_upload_is_cut_off() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            let is_whole = call.try_body().is_ok();
            call.ended();
            ended.lock().unwrap().send(is_whole).unwrap();
        }
    });
    let front = Front::with(app, "idle_timeout = \"1s\"\n");
    for (framing, begun) in [("Content-Length: 100", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n"), ("Content-Length: 5", "")]
    {
        let mut line = front.line();
        line.say(front.head("POST", "/x", &format!("{framing}\r\n")) + begun);
        let began = Instant::now();
        let told = String::from_utf8_lossy(&line.rest()).into_owned();
        assert_in_time(began);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{framing}: {told}");
        assert!(!ending.recv_timeout(PATIENCE).expect("the app's side ends"), "{framing}: the app takes half a body for a whole");
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_off_in_the_end() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let piece = chunk(&[b'x'; 64 * 1024]);
            while call.try_say(&piece).is_ok() {}
            ended.lock().unwrap().send(()).unwrap();
            call.hang_up();
        }
    });
    let front = Front::with(app, "idle_timeout = \"1s\"\n[server]\nrequest_timeout = \"1s\"\n");
    let mut line = front.line();
    line.say(front.head("GET", "/x", ""));
    assert_eq!(line.head().status(), Some(200));
    ending.recv_timeout(PATIENCE).expect("the app does not write for ever to nobody");
}

#[test]
fn an_upgraded_connection_that_falls_silent_is_ended_on_both_sides() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            call.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\nhello");
            ended.lock().unwrap().send(call.ended()).unwrap();
        }
    });
    let front = Front::with(app, "idle_timeout = \"1s\"\n");
    let mut line = front.line();
    line.say(front.head("GET", "/x", "Upgrade: raw\r\nConnection: Upgrade\r\n"));
    assert_eq!(line.head().status(), Some(101));
    assert_eq!(line.exactly(5), b"hello");
    for _ in 0..10 {
        // It is not silent for long: this is what is tested.
        std::thread::sleep(Duration::from_millis(200));
        line.say(".");
    }
    let began = Instant::now();
    assert_eq!(line.rest(), b"");
    assert!(began.elapsed() < SOON);
    assert_eq!(ending.recv_timeout(PATIENCE).expect("the app's side ends"), b"..........");
}

#[test]
fn nobody_works_long_for_a_client_that_has_hung_up() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            call.ended();
            ended.lock().unwrap().send(()).unwrap();
        }
    });
    let front = Front::with(app, "response_timeout = \"1s\"\n");
    for is_rude in [false, true] {
        let mut line = front.line();
        line.say(front.head("GET", "/x", ""));
        eventually("the app is asked", || (front.app.heard().len() > usize::from(is_rude)).then_some(()));
        if is_rude {
            line.stream().will_reset();
        }
        drop(line);
        ending.recv_timeout(SOON).expect("the app's connection ends in time");
        eventually("it is given back", || (front.app.open_connections() == 0).then_some(()));
    }
}

#[test]
fn a_client_that_hangs_up_while_the_app_works_harms_nobody() {
    let (asked, asking) = channel();
    let go_on = Latch::default();
    let app = App::scripted({
        let (asked, go_on) = (Mutex::new(asked), go_on.clone());
        move |call| {
            if call.head.target() == "/slow" {
                asked.lock().unwrap().send(()).unwrap();
                go_on.wait();
            }
            by_answers(|_| ok("fine"))(call);
        }
    });
    let front = Front::with(app, "max_idle = 0\n");
    for is_rude in [false, true] {
        let mut line = front.line();
        line.say(front.head("GET", "/slow", ""));
        asking.recv_timeout(PATIENCE).unwrap();
        if is_rude {
            line.stream().will_reset();
        }
        drop(line);
        assert_eq!(front.get("/quick").expect(200).body, "fine");
    }
    go_on.open();
    eventually("the app's connections end", || (front.app.open_connections() == 0).then_some(()));
    assert_eq!(front.get("/quick").expect(200).body, "fine");
}
