//! `Expect: 100-continue`: the client sends its body only once somebody wants it.

use std::io::ErrorKind;
use std::time::Duration;

use super::{Front, assert_told, head};
use crate::support::App;
use crate::support::app::{Latch, answer, by_answers, ok};

const EXPECT: &str = "Expect: 100-continue\r\nContent-Length: 5\r\n";

#[test]
fn a_refused_request_is_refused_without_a_word_of_going_on() {
    let front = Front::of(App::answering(|_| ok("fine")));
    for (method, target, headers, status) in [
        ("POST", "/x", "", 401),
        ("PUT", "/x", "Authorization: Bearer nonsense\r\n", 401),
        ("POST", "/x//y", "", 400),
        ("POST", "/auth/v1/keys", "", 401),
    ] {
        let mut line = front.line();
        line.say(head(method, target, &format!("{headers}{EXPECT}")));
        assert_eq!(line.reply(method).status, status, "{method} {target}: the refusal comes first");
    }
    assert_eq!(front.app.heard().len(), 0);
}

#[test]
fn the_client_is_told_to_go_on_once_the_app_wants_the_body() {
    let front = Front::of(App::scripted(|call| {
        call.say("HTTP/1.1 100 Continue\r\n\r\n");
        by_answers(|heard| ok(&String::from_utf8_lossy(&heard.body)))(call);
    }));
    let mut line = front.line();
    for body in ["first", "again"] {
        line.say(front.head("POST", "/x", EXPECT));
        assert_eq!(line.reply("POST").status, 100);
        line.say(body);
        assert_eq!(line.reply("POST").expect(200).body, body, "and the connection goes on");
    }
    line.say(front.head("POST", "/x", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"));
    assert_eq!(line.reply("POST").status, 100, "chunked too, and in any case");
    line.say("5\r\nlarge\r\n0\r\n\r\n");
    assert_eq!(line.reply("POST").expect(200).body, "large");
}

#[test]
fn a_client_that_does_not_wait_is_served_all_the_same() {
    let front = Front::of(App::answering(|heard| ok(&String::from_utf8_lossy(&heard.body))));
    let mut line = front.line();
    line.say(front.head("POST", "/x", EXPECT) + "hello");
    let reply = std::iter::repeat_with(|| line.reply("POST")).find(|reply| reply.status >= 200).unwrap();
    assert_eq!(reply.expect(200).body, "hello", "also where the app never says to go on");
}

#[test]
fn what_the_app_refuses_at_once_is_passed_on() {
    for (status, told) in [(417, "417 Expectation Failed"), (413, "413 Payload Too Large"), (403, "403 Forbidden")] {
        let app = App::scripted(move |call| {
            call.say(answer(told, "Connection: close\r\n", "not this"));
            call.hang_up();
        });
        let front = Front::of(app);
        let mut line = front.line();
        line.say(front.head("POST", "/x", EXPECT));
        let reply = std::iter::repeat_with(|| line.reply("POST")).find(|reply| reply.status >= 200).unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (status, "not this"));
    }
}

#[test]
fn nobody_is_told_to_go_on_before_the_app_says_anything() {
    let go_on = Latch::default();
    let app = App::scripted({
        let go_on = go_on.clone();
        move |call| {
            go_on.wait();
            call.say(answer("413 Payload Too Large", "Connection: close\r\n", "not this"));
            call.hang_up();
        }
    });
    let front = Front::of(app);
    let mut line = front.line();
    line.say(front.head("POST", "/x", EXPECT));
    crate::support::eventually("the app has the head", || front.app.heard().pop());
    line.stream().reads_within(Duration::from_millis(300));
    let early = line.try_reply("POST").expect_err("nobody asked for the body yet");
    assert_eq!(early.kind(), ErrorKind::WouldBlock, "{early}");
    line.stream().reads_within(Duration::from_secs(20));
    go_on.open();
    line.reply("POST").expect(413);
}

#[test]
fn an_app_that_is_down_is_told_of_without_a_word_of_going_on() {
    let nobody = super::faults::Vacant::new();
    let stage = super::stage_before(&nobody.url, "");
    let key = stage.raw_key("free");
    let mut line = crate::support::Line::to(&stage.server.address);
    line.say(head("POST", "/x", &format!("Authorization: Bearer {key}\r\n{EXPECT}")));
    assert_told(&line.reply("POST"), 502, "upstream_down");
}

#[test]
fn an_expectation_that_nobody_knows_is_not_taken_for_another() {
    let front = Front::of(App::answering(|heard| ok(&String::from_utf8_lossy(&heard.body))));
    let mut line = front.line();
    line.say(front.head("POST", "/x", "Expect: magic\r\nContent-Length: 5\r\n") + "hello");
    let reply = line.reply("POST");
    assert!([200, 417].contains(&reply.status), "{reply:?}");
}
