//! Nothing is gathered: what one side says reaches the other before more is said, however much it is, and who does not read
//! holds back who writes.

use std::io::ErrorKind;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::{Front, assert_broken_off};
use crate::support::app::{Latch, answer, chunk, ok};
use crate::support::wire::{Body, PATIENCE};
use crate::support::{App, eventually};

/// What is sent at a time where much is sent.
const PIECE: usize = 64 * 1024;
/// How much that is in all.
const MUCH: usize = 200 * 1024 * 1024;
/// What the server may need more for it.
const MORE_KIB: u64 = 30 * 1024;
/// What may lie in the buffers between two who do not read: sockets, and what the server holds.
const IN_BETWEEN: usize = 64 * 1024 * 1024;

#[test]
fn an_event_reaches_the_client_before_the_app_says_the_next() {
    let next = Latch::default();
    let app = App::scripted({
        let next = next.clone();
        move |call| {
            call.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            call.say(chunk(b"data: 1\n\n"));
            next.wait();
            call.say(chunk(b"data: 2\n\n"));
            call.say(chunk(b""));
        }
    });
    let front = Front::of(app);
    let mut line = front.line();
    line.say(front.head("GET", "/events", "Accept: text/event-stream\r\n"));
    let head = line.head();
    assert_eq!((head.status(), head.header("Content-Type").as_deref()), (Some(200), Some("text/event-stream")));
    let mut body = Body::of_reply("GET", &head);
    assert_eq!(line.text(&mut body), "data: 1\n\n");
    next.open();
    assert_eq!(line.text(&mut body), "data: 2\n\n");
    assert_eq!(line.piece(&mut body).unwrap(), None);
}

#[test]
fn a_head_reaches_the_client_before_any_of_its_body() {
    for framing in ["Content-Length: 4", "Transfer-Encoding: chunked"] {
        let next = Latch::default();
        let app = App::scripted({
            let next = next.clone();
            move |call| {
                call.say(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"));
                next.wait();
                call.say(if framing.starts_with("Content") { "late" } else { "4\r\nlate\r\n0\r\n\r\n" });
            }
        });
        let front = Front::of(app);
        let mut line = front.line();
        line.say(front.head("GET", "/x", ""));
        let head = line.head();
        next.open();
        assert_eq!(line.text(&mut Body::of_reply("GET", &head)), "late", "{framing}");
    }
}

/// An app that hands on every piece of a body as it comes, and says then how many bytes there were.
fn handing_on() -> (App, Receiver<Vec<u8>>) {
    let (came, coming): (Sender<Vec<u8>>, _) = channel();
    let app = App::scripted(move |call| {
        let mut count = 0;
        while let Ok(Some(piece)) = call.piece() {
            count += piece.len();
            let _ = came.send(piece);
        }
        call.say(ok(&count.to_string()));
    });
    (app, coming)
}

#[test]
fn an_upload_reaches_the_app_before_the_client_sends_more() {
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let (app, coming) = handing_on();
        let front = Front::of(app);
        let mut line = front.line();
        line.say(front.head("POST", "/x", &format!("{framing}\r\n")));
        eventually("the head is there before any of its body", || front.app.heard().pop());
        for piece in ["first", "later"] {
            if framing.starts_with("Content") {
                line.say(piece)
            } else {
                line.chunk(piece.as_bytes())
            }
            let came = coming.recv_timeout(PATIENCE).expect("the app gets it while the client sends no more");
            assert_eq!(came, piece.as_bytes(), "{framing}");
        }
        if framing.starts_with("Transfer") {
            line.chunk(b"");
        }
        assert_eq!(line.reply("POST").expect(200).body, "10");
    }
}

#[test]
fn both_sides_can_speak_in_turn_within_one_request() {
    let front = Front::of(App::scripted(|call| {
        call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while let Ok(Some(piece)) = call.piece() {
            call.say(chunk(&[b"echo of ", &piece[..]].concat()));
        }
        call.say(chunk(b""));
    }));
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Transfer-Encoding: chunked\r\n"));
    let mut body = Body::of_reply("POST", &line.head());
    for word in ["one", "two", "three"] {
        line.chunk(word.as_bytes());
        assert_eq!(line.text(&mut body), format!("echo of {word}"));
    }
    line.chunk(b"");
    assert_eq!(line.piece(&mut body).unwrap(), None);
}

#[test]
fn an_answer_may_come_before_the_request_has_ended() {
    let front = Front::of(App::scripted(|call| call.say(answer("403 Forbidden", "Connection: close\r\n", "no more of this"))));
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Content-Length: 1000000\r\n"));
    line.say(b"a first bit");
    let reply = line.reply("POST").expect(403);
    assert_eq!(reply.body, "no more of this");
}

/// A number of `/proc/PID/status`, in KiB.
fn memory(front: &Front, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", front.stage.server.pid())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {status}"));
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("it is a number")
}

/// Fails where something takes more memory than streams do.
#[track_caller]
fn assert_streams(front: &Front, what: &str, play: impl FnOnce()) {
    let before = memory(front, "VmRSS");
    play();
    let most = memory(front, "VmHWM");
    println!("{what}: {before} KiB before, {most} KiB at most");
    assert!(most < before + MORE_KIB, "{what}: {before} KiB before, {most} KiB at most");
}

#[test]
fn a_large_download_takes_no_memory() {
    let front = Front::of(App::scripted(|call| match call.head.target() {
        "/much" => {
            call.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
            let piece = [b'x'; PIECE];
            (0..MUCH / PIECE).for_each(|_| call.say(piece));
        }
        _ => call.say(ok("fine")),
    }));
    front.get("/x").expect(200);
    assert_streams(&front, "a download", || {
        let mut line = front.line();
        line.say(front.head("GET", "/much", ""));
        let mut body = Body::of_reply("GET", &line.head());
        let mut count = 0;
        while let Some(piece) = line.piece(&mut body).expect("it goes on") {
            count += piece.len();
        }
        assert_eq!(count, MUCH);
    });
}

#[test]
fn a_large_upload_takes_no_memory() {
    let front = Front::of(App::scripted(|call| {
        let mut count = 0;
        while let Ok(Some(piece)) = call.piece() {
            count += piece.len();
        }
        call.say(ok(&count.to_string()));
    }));
    front.get("/x").expect(200);
    for is_chunked in [false, true] {
        assert_streams(&front, "an upload", || {
            let framing = if is_chunked { "Transfer-Encoding: chunked\r\n".into() } else { format!("Content-Length: {MUCH}\r\n") };
            let mut line = front.line();
            line.say(front.head("POST", "/x", &framing));
            let piece = [b'x'; PIECE];
            for _ in 0..MUCH / PIECE {
                if is_chunked { line.chunk(&piece) } else { line.say(piece) }
            }
            if is_chunked {
                line.chunk(b"");
            }
            assert_eq!(line.reply("POST").expect(200).body, MUCH.to_string());
        });
    }
}

/// Writes until nobody takes more for a while, or all is written; how much was.
fn written_until_full(mut write: impl FnMut(&[u8]) -> std::io::Result<usize>) -> usize {
    let piece = [b'x'; PIECE];
    let mut count = 0;
    while count < MUCH {
        match write(&piece[..PIECE.min(MUCH - count)]) {
            Ok(length) => count += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("the connection broke: {error}"),
        }
    }
    count
}

/// How long a write must be stuck to count as held back.
const STUCK: Duration = Duration::from_secs(1);

#[test]
fn a_client_that_does_not_read_holds_the_app_back() {
    use std::io::Write;
    let (told, telling) = channel();
    let go_on = Latch::default();
    let app = App::scripted({
        let go_on = go_on.clone();
        move |call| {
            call.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
            call.stream().writes_within(STUCK);
            let mut stream = call.stream().try_clone().unwrap();
            let written = written_until_full(|bytes| stream.write(bytes));
            told.send(written).unwrap();
            go_on.wait();
            call.stream().writes_within(PATIENCE);
            call.say(vec![b'x'; MUCH - written]);
        }
    });
    let front = Front::of(app);
    let mut line = front.line();
    line.say(front.head("GET", "/much", ""));
    let head = line.head();
    let written = telling.recv_timeout(PATIENCE).expect("the app is stuck, or done");
    println!("held back after {written} bytes");
    assert!(written < IN_BETWEEN, "{written} bytes went somewhere while nobody read");
    go_on.open();
    let mut body = Body::of_reply("GET", &head);
    let mut count = 0;
    while let Some(piece) = line.piece(&mut body).expect("it goes on") {
        count += piece.len();
    }
    assert_eq!(count, MUCH, "and what it reads later is whole");
}

#[test]
fn an_app_that_does_not_read_holds_the_client_back() {
    use std::io::Write;
    let go_on = Latch::default();
    let app = App::scripted({
        let go_on = go_on.clone();
        move |call| {
            go_on.wait();
            let mut count = 0;
            while let Ok(Some(piece)) = call.piece() {
                count += piece.len();
            }
            call.say(ok(&count.to_string()));
        }
    });
    let front = Front::of(app);
    let mut line = front.line();
    line.say(front.head("POST", "/x", &format!("Content-Length: {MUCH}\r\n")));
    let mut stream = line.stream().try_clone().unwrap();
    stream.writes_within(STUCK);
    let written = written_until_full(|bytes| stream.write(bytes));
    println!("held back after {written} bytes");
    assert!(written < IN_BETWEEN, "{written} bytes went somewhere while nobody read");
    go_on.open();
    stream.writes_within(PATIENCE);
    line.say(vec![b'x'; MUCH - written]);
    assert_eq!(line.reply("POST").expect(200).body, MUCH.to_string(), "and what is read later is whole");
}

/// How many files the server has open.
fn open_files(front: &Front) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", front.stage.server.pid())).expect("the server runs").count()
}

#[test]
fn a_client_that_hangs_up_amid_an_answer_frees_the_app() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            if call.head.target() != "/events" {
                return call.say(ok("fine"));
            }
            call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            // It goes on until nobody listens any more.
            while call.try_say(chunk(b"tick")).is_ok() {
                std::thread::sleep(Duration::from_millis(2));
            }
            ended.lock().unwrap().send(()).unwrap();
            call.hang_up();
        }
    });
    let front = Front::of(app);
    front.get("/x").expect(200);
    let before = open_files(&front);
    for is_rude in [false, true] {
        let mut line = front.line();
        line.say(front.head("GET", "/events", ""));
        let mut body = Body::of_reply("GET", &line.head());
        line.piece(&mut body).unwrap();
        if is_rude {
            line.stream().will_reset();
        }
        drop(line);
        ending.recv_timeout(PATIENCE).expect("the app learns that nobody listens");
    }
    eventually("everything is given back", || (open_files(&front) <= before).then_some(()));
    front.get("/x").expect(200);
}

#[test]
fn a_client_that_hangs_up_amid_its_upload_breaks_it_off_at_the_app() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            let broke = call.try_body().is_err();
            ended.lock().unwrap().send(broke).unwrap();
            call.say(ok("fine"));
        }
    });
    let front = Front::of(app);
    for (asked, framing) in ["Content-Length: 100", "Transfer-Encoding: chunked"].iter().enumerate() {
        let mut line = front.line();
        line.say(front.head("POST", "/x", &format!("{framing}\r\n")));
        line.say(if framing.starts_with("Content") { "0123456789" } else { "a\r\n0123456789\r\n" });
        eventually("the app has the first of it", || front.app.heard().get(asked).filter(|heard| heard.body.len() == 10).map(|_| ()));
        drop(line);
        assert!(ending.recv_timeout(PATIENCE).expect("the app's request ends"), "the app takes half a body for a whole: {framing}");
    }
    front.get("/x").expect(200);
}

#[test]
fn half_a_body_of_the_app_is_not_told_as_a_whole() {
    for (what, said) in [
        ("short of its length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
        ("without its last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ("within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello"),
        ("with a size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n0\r\n\r\n"),
        ("with a chunk that does not end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n"),
    ] {
        for is_reset in [false, true] {
            let came = Latch::default();
            let app = App::scripted({
                let came = came.clone();
                move |call| {
                    if call.head.target() == "/fine" {
                        return call.say(ok("fine"));
                    }
                    call.say(said);
                    // A reset takes along what the other side has not read yet.
                    came.wait();
                    if is_reset { call.reset() } else { call.hang_up() }
                }
            });
            let front = Front::of(app);
            let mut line = front.line();
            line.say(front.head("GET", "/x", ""));
            let other = std::thread::scope(|scope| {
                let other = scope.spawn(|| front.get("/fine"));
                other.join().unwrap()
            });
            assert_eq!(other.expect(200).body, "fine", "another request goes on meanwhile");
            came.open();
            assert_broken_off(&mut line, "GET");
            let log = front.log();
            assert!(log.contains("req_"), "{what}: the log tells of it: {log}");
        }
    }
}

#[test]
fn what_came_of_half_an_answer_still_goes_out() {
    let app = App::scripted(|call| {
        call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n");
        call.hang_up();
    });
    let front = Front::of(app);
    for _ in 0..20 {
        let mut line = front.line();
        line.say(front.head("GET", "/x", ""));
        let came = String::from_utf8(line.rest()).unwrap();
        assert!(came.starts_with("HTTP/1.1 200 OK") && came.contains("hello") && came.contains("world"), "{came}");
        assert!(!came.ends_with("0\r\n\r\n"), "it is not told as a whole: {came}");
    }
}
