//! `max_body_bytes`: what is too large is refused by the style, and the app is not left with half of it.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::{Front, assert_told};
use crate::support::App;
use crate::support::app::{answer, by_answers, ok};
use crate::support::wire::PATIENCE;

fn echoing() -> App {
    App::scripted(|call| by_answers(|heard| ok(&String::from_utf8_lossy(&heard.body)))(call))
}

#[test]
fn a_length_above_the_bound_is_refused_before_anything_is_charged_or_sent() {
    let front = Front::with(echoing(), "max_body_bytes = 10\n");
    let before = front.standing(&front.key);
    for more in ["Content-Length: 11\r\n", "Content-Length: 9999999999\r\n", "Content-Length: 11\r\nExpect: 100-continue\r\n"] {
        let mut line = front.line();
        line.say(front.head("POST", "/x", more));
        assert_told(&line.reply("POST"), 413, "too_large");
    }
    assert_eq!((front.app.heard().len(), front.standing(&front.key)), (0, before));
    let mut line = front.line();
    for body in ["", "0123456789"] {
        let request = front.head("POST", "/x", &format!("Content-Length: {}\r\n", body.len())) + body;
        assert_eq!(line.ask(request).expect(200).body, body);
    }
    let chunked = front.head("PUT", "/x", "Transfer-Encoding: chunked\r\n") + "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";
    assert_eq!(line.ask(chunked).expect(200).body, "0123456789", "just as many is not too many");
}

#[test]
fn chunks_above_the_bound_break_the_apps_request_off() {
    let (ended, ending) = channel();
    let app = App::scripted({
        let ended = Mutex::new(ended);
        move |call| {
            if call.head.target() == "/fine" {
                return by_answers(|_| ok("fine"))(call);
            }
            ended.lock().unwrap().send(call.try_body().is_ok()).unwrap();
            call.say(ok("all of it"));
        }
    });
    let front = Front::with(app, "max_body_bytes = 10\n");
    for body in ["b\r\n0123456789a\r\n0\r\n\r\n", "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n", "fffffff\r\n0123456789abcdef"] {
        let mut line = front.line();
        line.say(front.head("POST", "/x", "Transfer-Encoding: chunked\r\n") + body);
        assert_told(&line.reply("POST"), 413, "too_large");
        front.get("/fine").expect(200);
    }
    for heard in front.app.heard().iter().filter(|heard| heard.head.target() == "/x") {
        assert!(!ending.recv_timeout(PATIENCE).expect("the app's request ends"), "the app takes a part for the whole");
        assert!(heard.body.len() <= 10, "{heard:?}");
    }
}

#[test]
fn an_answer_that_had_begun_ends_where_the_body_grows_too_large() {
    let app = App::scripted(|call| {
        call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        let is_whole = call.try_body().is_ok();
        call.say(if is_whole { "3\r\nall\r\n0\r\n\r\n" } else { "0\r\n\r\n" });
    });
    let front = Front::with(app, "max_body_bytes = 10\n");
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Transfer-Encoding: chunked\r\n") + "5\r\n01234\r\n");
    let head = line.head();
    assert_eq!(head.status(), Some(200));
    let _ = line.try_say("9\r\n567890123\r\n0\r\n\r\n");
    assert!(!String::from_utf8_lossy(&line.rest()).contains("all"), "the app never had it all");
    assert!(!front.app.only_begun().is_whole);
}

#[test]
fn the_bound_holds_where_the_client_waits_to_be_told() {
    let front = Front::with(
        App::scripted(|call| {
            call.say("HTTP/1.1 100 Continue\r\n\r\n");
            by_answers(|heard| ok(&String::from_utf8_lossy(&heard.body)))(call);
        }),
        "max_body_bytes = 10\n",
    );
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"));
    assert_eq!(line.reply("POST").status, 100);
    line.say("b\r\n0123456789a\r\n0\r\n\r\n");
    assert_told(&line.reply("POST"), 413, "too_large");
}

#[test]
fn by_default_a_body_may_be_as_large_as_the_app_takes() {
    let front = Front::of(App::scripted(|call| match call.head.target() {
        "/bounded" => {
            call.say(answer("413 Payload Too Large", "Connection: close\r\n", "the app's own bound"));
            call.hang_up();
        }
        _ => by_answers(|heard| ok(&heard.body.len().to_string()))(call),
    }));
    // More than tollgate takes itself.
    let body = vec![b'x'; 3 << 20];
    let request = [front.head("POST", "/x", &format!("Content-Length: {}\r\n", body.len())).into_bytes(), body].concat();
    assert_eq!(front.line().ask(request).expect(200).body, (3 << 20).to_string());
    let mut line = front.line();
    line.say(front.head("POST", "/bounded", "Content-Length: 1000000000\r\n"));
    assert_eq!(line.reply("POST").expect(413).body, "the app's own bound");
}
