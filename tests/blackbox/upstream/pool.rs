//! Connections to the app: kept for the next request, given up where they are dead or cannot be trusted any more, and a
//! request that may have been done is never done again.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Front, assert_told};
use crate::support::app::{Latch, answer, by_answers, ok};
use crate::support::wire::PATIENCE;
use crate::support::{App, eventually};

#[test]
fn one_after_the_other_use_one_connection() {
    let front = Front::of(App::answering(|heard| ok(heard.head.target())));
    for round in 0..20 {
        let (method, body) = if round % 2 == 0 { ("GET", "") } else { ("POST", "Content-Length: 2\r\n") };
        let request = front.head(method, &format!("/{round}"), body) + if round % 2 == 0 { "" } else { "{}" };
        assert_eq!(front.line().ask(request).expect(200).body, format!("/{round}"));
    }
    assert_eq!((front.app.heard().len(), front.app.connections()), (20, 1));
}

#[test]
fn a_connection_that_the_app_ends_is_not_used_again() {
    for (what, said) in [
        ("said so", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfine"),
        ("of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine"),
        ("whose answer lasts until its end", "HTTP/1.1 200 OK\r\n\r\nfine"),
    ] {
        let front = Front::of(App::scripted(move |call| {
            call.say(said);
            call.hang_up();
        }));
        for _ in 0..3 {
            assert_eq!(front.send(crate::support::Request::new("POST", "/x")).expect(200).body, "fine", "{what}");
        }
        assert_eq!((front.app.heard().len(), front.app.connections()), (3, 3), "{what}");
    }
}

#[test]
fn how_many_are_kept_and_how_long_can_be_said() {
    const AT_ONCE: usize = 6;
    let all_here = Barrier::new(AT_ONCE);
    let app = App::scripted(move |call| {
        if call.head.target() == "/together" {
            all_here.wait();
        }
        call.say(ok("fine"));
    });
    let front = Front::with(app, "max_idle = 2\nkeep_alive = \"2s\"\n");
    std::thread::scope(|scope| {
        (0..AT_ONCE).for_each(|_| drop(scope.spawn(|| front.get("/together").expect(200))));
    });
    assert_eq!(front.app.connections(), AT_ONCE);
    eventually("no more than two are kept", || (front.app.open_connections() <= 2).then_some(()));
    eventually("and those not for long", || (front.app.open_connections() == 0).then_some(()));
    front.get("/x").expect(200);
    assert_eq!(front.app.connections(), AT_ONCE + 1);
}

#[test]
fn none_is_kept_where_none_may_be() {
    for config in ["keep_alive = \"0s\"\n", "max_idle = 0\n"] {
        let front = Front::with(App::answering(|_| ok("fine")), config);
        (0..3).for_each(|_| drop(front.get("/x").expect(200)));
        assert_eq!(front.app.connections(), 3, "{config}");
        eventually(&format!("each ends after its answer, with {config}"), || (front.app.open_connections() == 0).then_some(()));
    }
}

/// An app that answers `/first`, and whose first connection dies on whatever comes next, after it was read.
fn dying(is_reset: bool) -> App {
    App::scripted(move |call| {
        if call.connection == 1 && call.head.target() != "/first" {
            let _ = call.try_body();
            return if is_reset { call.reset() } else { call.hang_up() };
        }
        by_answers(|heard| ok(&String::from_utf8_lossy(&heard.body)))(call);
    })
}

/// The requests for this target, by the connection that they came on.
fn came_on(front: &Front, target: &str) -> Vec<usize> {
    front.app.heard().iter().filter(|heard| heard.head.target() == target).map(|heard| heard.connection).collect()
}

#[test]
fn what_may_be_asked_twice_is_asked_again_where_a_kept_connection_was_dead() {
    for is_reset in [false, true] {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            let front = Front::of(dying(is_reset));
            front.get("/first").expect(200);
            let before = front.standing(&front.key).left;
            front.line().ask(front.head(method, "/again", "")).expect(200);
            assert_eq!(came_on(&front, "/again"), [1, 2], "{method}, reset: {is_reset}");
            assert_eq!(front.standing(&front.key).left[0].1, before[0].1 - 1, "{method}: it is charged once");
        }
    }
}

#[test]
fn what_may_not_be_asked_twice_is_not() {
    for is_reset in [false, true] {
        for (method, more, body) in [
            ("POST", "Content-Length: 5\r\n", "hello"),
            ("POST", "Content-Length: 0\r\n", ""),
            ("PATCH", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            ("PUT", "Content-Length: 5\r\n", "hello"),
            ("GET", "Content-Length: 5\r\n", "hello"),
            ("BREW", "", ""),
        ] {
            let front = Front::of(dying(is_reset));
            front.get("/first").expect(200);
            let before = front.standing(&front.key).left;
            let reply = front.line().ask(front.head(method, "/again", more) + body);
            assert_told(&reply, 502, "upstream_down");
            assert_eq!(came_on(&front, "/again"), [1], "{method} {more}");
            assert_eq!(front.standing(&front.key).left[0].1, before[0].1 - 1, "{method}: it was reached, so it is charged, once");
            front.get("/after").expect(200);
        }
    }
}

#[test]
fn a_fresh_connection_that_dies_is_not_tried_again() {
    for is_reset in [false, true] {
        let front = Front::of(App::scripted(move |call| if is_reset { call.reset() } else { call.hang_up() }));
        for asked in 1..=3 {
            assert_told(&front.get("/x"), 502, "upstream_down");
            assert_eq!((front.app.heard().len(), front.app.connections()), (asked, asked));
        }
    }
}

#[test]
fn a_second_try_that_dies_is_the_last() {
    let front = Front::of(App::scripted(|call| match call.head.target() {
        "/first" => call.say(ok("fine")),
        _ => call.hang_up(),
    }));
    front.get("/first").expect(200);
    assert_told(&front.get("/again"), 502, "upstream_down");
    assert_eq!(came_on(&front, "/again"), [1, 2]);
}

#[test]
fn an_answer_that_had_begun_is_not_asked_for_again() {
    let front = Front::of(App::scripted(|call| match call.head.target() {
        "/first" => call.say(ok("fine")),
        _ => {
            call.say("HTTP/1.1 200 OK\r\nContent-Le");
            call.hang_up();
        }
    }));
    front.get("/first").expect(200);
    assert_told(&front.get("/again"), 502, "upstream_down");
    assert_eq!(came_on(&front, "/again"), [1]);
}

#[test]
fn a_kept_connection_that_was_seen_to_end_costs_nothing() {
    let (answered, close) = (AtomicUsize::new(0), Latch::default());
    let app = App::scripted({
        let close = close.clone();
        move |call| {
            by_answers(|_| ok("fine"))(call);
            if answered.fetch_add(1, Ordering::Relaxed) == 0 {
                close.wait();
                call.hang_up();
            }
        }
    });
    let front = Front::of(app);
    front.get("/x").expect(200);
    close.open();
    eventually("the app has closed", || (front.app.open_connections() == 0).then_some(()));
    let reply = front.line().ask(front.head("POST", "/later", "Content-Length: 5\r\n") + "hello");
    // Whether the gate has seen the end by now is chance; that the app is asked at most once is not.
    assert!([200, 502].contains(&reply.status), "{reply:?}");
    assert!(came_on(&front, "/later").len() <= 1);
    front.get("/last").expect(200);
}

#[test]
fn an_app_that_closes_without_a_word_gets_nothing_twice() {
    const ROUNDS: usize = 60;
    let front = Front::of(App::scripted(|call| {
        by_answers(|_| ok("fine"))(call);
        call.hang_up();
    }));
    let before = front.standing(&front.key).left[0].1;
    let mut line = front.line();
    for round in 0..ROUNDS {
        let reply = line.ask(front.head("POST", &format!("/{round}"), "Content-Length: 5\r\n") + "hello");
        assert!([200, 502].contains(&reply.status), "{reply:?}");
        assert!(came_on(&front, &format!("/{round}")).len() <= 1, "round {round}");
    }
    let left = front.standing(&front.key).left[0].1;
    assert!((before - ROUNDS as i64..=before).contains(&left), "nothing is charged twice: {left} of {before}");
    for round in 0..ROUNDS {
        line.ask(front.head("GET", &format!("/again/{round}"), "")).expect(200);
    }
    let after = front.standing(&front.key).left[0].1;
    assert_eq!(after, left - ROUNDS as i64, "and what is asked again is charged once");
}

#[test]
fn an_app_that_was_started_again_is_found() {
    let app = App::answering(|_| ok("the old one"));
    let url = app.url.clone();
    let mut front = Front::of(app);
    let mut line = front.line();
    for round in 0..3 {
        line.ask(front.head("GET", "/x", "")).expect(200);
        // A placeholder first, so that the old one is gone before the new one takes its port.
        front.app = App::answering(|_| ok("nobody's"));
        assert_told(&line.ask(front.head("GET", "/x", "")), 502, "upstream_down");
        front.app = App::at(&url, by_answers(|_| ok("the new one")));
        assert_eq!(line.ask(front.head("GET", "/x", "")).expect(200).body, "the new one", "round {round}");
    }
}

#[test]
fn what_the_app_says_beyond_its_answer_is_nobody_elses() {
    let stale = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale";
    for (what, method, said) in [
        ("two answers at once", "GET", format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine{stale}")),
        ("a body longer than it says", "GET", format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{stale}")),
        ("something after the last chunk", "GET", format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{stale}")),
        ("a body to HEAD", "HEAD", format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{stale}", stale.len())),
        ("a body of 204", "DELETE", format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n{stale}", stale.len())),
        ("a body of 304", "GET", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: {}\r\n\r\n{stale}", stale.len())),
    ] {
        let front = Front::of(App::scripted(move |call| match call.head.target() {
            "/first" => call.say(&said),
            _ => call.say(ok("its own")),
        }));
        let other = front.stage.raw_key("free");
        for _ in 0..10 {
            let mut line = front.line();
            line.say(front.head(method, "/first", "Connection: close\r\n"));
            let first = line.rest();
            assert!(first.starts_with(b"HTTP/1.1 "), "{what}");
            assert!(method == "GET" || !String::from_utf8_lossy(&first).contains("stale"), "{what}: {}", String::from_utf8_lossy(&first));
            let reply = front.stage.server.get("/second", &other);
            assert_eq!((reply.status, reply.body.as_str()), (200, "its own"), "{what}");
        }
    }
}

#[test]
fn an_answer_with_a_length_beside_its_chunks_is_as_long_as_its_chunks() {
    for length in [5, 9, 13] {
        let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello you\r\n0\r\n\r\n");
        let front = Front::of(App::scripted(move |call| call.say(&said)));
        // It may also be no answer at all; what may not be is that the client is told nothing, or something else.
        let reply = front.get("/x");
        assert!(reply.status == 502 || (reply.status, reply.body.as_str()) == (200, "hello you"), "{length}: {reply:?}");
    }
}

#[test]
fn a_word_of_farewell_on_an_idle_connection_is_no_answer() {
    let close = Latch::default();
    let app = App::scripted({
        let close = close.clone();
        move |call| {
            call.say(ok("fine"));
            if call.connection == 1 {
                close.wait();
                call.say(answer("408 Request Timeout", "Connection: close\r\n", "too slow"));
                call.hang_up();
            }
        }
    });
    let front = Front::of(app);
    front.get("/x").expect(200);
    close.open();
    eventually("the app has closed", || (front.app.open_connections() == 0).then_some(()));
    assert_eq!(front.get("/x").expect(200).body, "fine");
}

#[test]
fn one_that_waits_holds_nobody_else_up() {
    let (asked, asking) = std::sync::mpsc::channel();
    let go_on = Latch::default();
    let app = App::scripted({
        let go_on = go_on.clone();
        move |call| {
            if call.head.target() == "/slow" {
                asked.send(()).unwrap();
                go_on.wait();
            }
            call.say(ok(call.head.target().to_owned().as_str()));
        }
    });
    let front = Front::of(app);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| front.get("/slow"));
        asking.recv_timeout(PATIENCE).unwrap();
        for _ in 0..5 {
            assert_eq!(front.get("/quick").expect(200).body, "/quick");
        }
        go_on.open();
        assert_eq!(slow.join().unwrap().expect(200).body, "/slow");
    });
    assert_eq!(front.app.connections(), 2);
}
