//! What a request costs where the app failed: as configured, told alike on the answer and afterwards, and never twice.

use serde_json::json;

use super::faults::{Full, Vacant};
use super::{Front, Standing};
use crate::support::app::{Latch, answer, by_answers, ok};
use crate::support::server::text;
use crate::support::wire::Body;
use crate::support::{App, Line, Reply, Request, Stage};

/// A rolling window that gives one back in 12 s, a fixed one that nobody sees the end of, one of tokens, a sliding one, and a balance.
const METERED: &str = r#"
response_timeout = "1s"
idle_timeout = "1s"
max_body_bytes = 10
[[plans]]
name = "free"
limits = [
  { requests = 5, per = "minute" },
  { name = "day", requests = 1000, per = "3650d", shape = "fixed", count = "account" },
  { name = "tokens", requests = 1000, per = "3650d", shape = "fixed", unit = "tokens" },
  { name = "sliding", requests = 1000, per = "3650d", shape = "sliding" },
]
[[routes]]
path = "/**"
tokens = 7
cost = 2
"#;

/// Nothing charged, and all of it once.
const FREE: [i64; 5] = [5, 1000, 1000, 1000, 100];
const CHARGED: [i64; 5] = [3, 998, 993, 998, 93];

/// How a failure comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    /// No connection came about.
    Unreached,
    /// No whole head of an answer came.
    Failed,
    /// The app said 500 or above.
    Errors,
    /// It is none.
    None,
}

use Failure::{Errors, Failed, None as Passed, Unreached};

/// What a target gets, and which failure it is.
const TARGETS: [(&str, u16, Failure); 10] = [
    ("/ok", 200, Passed),
    ("/404", 404, Passed),
    ("/429", 429, Passed),
    ("/500", 500, Errors),
    ("/503", 503, Errors),
    ("/nothing", 502, Failed),
    ("/reset", 502, Failed),
    ("/garbage", 502, Failed),
    ("/silent", 504, Failed),
    ("/101", 502, Failed),
];

fn app() -> App {
    App::scripted(|call| {
        let target = call.head.target().to_owned();
        match target.as_str() {
            "/nothing" => call.hang_up(),
            "/reset" => call.reset(),
            "/garbage" => {
                call.say("garbage\r\n\r\n");
                call.hang_up();
            }
            "/silent" => drop(call.ended()),
            "/101" => call.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
            "/ok" => by_answers(|_| ok("fine"))(call),
            other => {
                let status = other.trim_start_matches('/').to_owned();
                by_answers(move |_| answer(&format!("{status} Told"), "", "told"))(call);
            }
        }
    })
}

/// A key of an account with a balance of 100.
fn fresh_key(stage: &Stage) -> String {
    let account = stage.account(json!({ "balance": 100 }));
    text(&stage.key(&account, json!({}))["key"])
}

fn numbers(standing: &Standing) -> Vec<i64> {
    standing.left.iter().map(|(_, left)| *left).chain([standing.balance]).collect()
}

/// What `RateLimit` says is left of each limit.
fn told(reply: &Reply) -> Vec<i64> {
    let header = reply.header("RateLimit").unwrap_or_else(|| panic!("no RateLimit in {reply:?}"));
    let left = |limit: &str| limit.split(";r=").nth(1).and_then(|rest| rest.split(';').next()).and_then(|left| left.parse().ok());
    header.split(", ").map(|limit| left(limit).unwrap_or_else(|| panic!("{limit}"))).collect()
}

#[test]
fn what_is_given_back_is_as_configured() {
    std::thread::scope(|scope| {
        for (refund, given_back) in
            [("never", &[][..]), ("unreached", &[Unreached]), ("failed", &[Unreached, Failed]), ("errors", &[Unreached, Failed, Errors])]
        {
            scope.spawn(move || {
                let config = format!("refund = \"{refund}\"\n{METERED}");
                let front = Front::with(app(), &config);
                for (target, status, failure) in TARGETS {
                    let key = fresh_key(&front.stage);
                    let reply = front.stage.server.get(target, &key).expect(status);
                    let expected = if given_back.contains(&failure) { FREE } else { CHARGED };
                    assert_eq!(numbers(&front.standing(&key)), expected, "{refund}: {target}");
                    assert_eq!(told(&reply), expected[..4], "{refund}: the answer to {target} says the same");
                }
                let nobody = Vacant::new();
                let stage = super::stage_before(&nobody.url, &config);
                let key = fresh_key(&stage);
                let reply = stage.server.get("/x", &key).expect(502);
                let front = Front { app: App::answering(|_| Vec::new()), stage, key: key.clone() };
                let expected = if given_back.contains(&Unreached) { FREE } else { CHARGED };
                assert_eq!(numbers(&front.standing(&key)), expected, "{refund}: unreached");
                assert_eq!(told(&reply), expected[..4], "{refund}: unreached");
            });
        }
    });
}

#[test]
fn a_connection_that_takes_too_long_was_none() {
    let full = Full::new();
    // Whichever patience ends first, no connection came about.
    for (connect, response) in [("1s", "60s"), ("5s", "1s")] {
        let metered = METERED.replace("response_timeout = \"1s\"", &format!("response_timeout = \"{response}\""));
        let stage = super::stage_before(&full.url, &format!("connect_timeout = \"{connect}\"\n{metered}"));
        let key = fresh_key(&stage);
        let reply = stage.server.get("/x", &key).expect(504);
        assert_eq!(reply.verdict(), "upstream_timeout");
        let front = Front { app: app(), stage, key: key.clone() };
        assert_eq!(numbers(&front.standing(&key)), FREE, "connect_timeout {connect}, response_timeout {response}");
    }
}

#[test]
fn by_default_what_the_app_never_saw_costs_nothing() {
    let nobody = Vacant::new();
    let stage = super::stage_before(&nobody.url, METERED);
    let key = fresh_key(&stage);
    let front = Front { app: app(), stage, key: key.clone() };
    // More often than the limits would let through.
    for _ in 0..8 {
        front.stage.server.get("/x", &key).expect(502);
    }
    assert_eq!(numbers(&front.standing(&key)), FREE);
    let stage = Front { app: app(), ..front }.stage.restart();
    let front = Front { app: app(), stage, key: key.clone() };
    assert_eq!(numbers(&front.standing(&key)), FREE, "and a restart remembers it so");
}

#[test]
fn what_was_given_back_can_be_spent() {
    let front = Front::with(app(), &format!("refund = \"errors\"\n{METERED}"));
    let key = fresh_key(&front.stage);
    let get = |target: &str| front.stage.server.get(target, &key).status;
    assert_eq!((0..6).map(|_| get("/500")).collect::<Vec<_>>(), [500; 6], "nothing runs out");
    assert_eq!([get("/ok"), get("/ok"), get("/ok")], [200, 200, 429], "and what passes is charged as ever");
    assert_eq!(numbers(&front.standing(&key))[1..], [996, 986, 996, 86]);
}

#[test]
fn half_an_answer_is_charged_once() {
    for refund in ["unreached", "failed", "errors"] {
        let app = App::scripted(|call| {
            call.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
            call.hang_up();
        });
        let front = Front::with(app, &format!("refund = \"{refund}\"\n{METERED}"));
        let key = fresh_key(&front.stage);
        let mut line = front.line();
        line.say(super::head("GET", "/x", &format!("Authorization: Bearer {key}\r\n")));
        super::assert_broken_off(&mut line, "GET");
        assert_eq!(numbers(&front.standing(&key)), CHARGED, "{refund}: a whole head came");
    }
}

#[test]
fn a_retry_is_charged_once() {
    let app = App::scripted(|call| match (call.connection, call.head.target()) {
        (1, "/again") => call.hang_up(),
        _ => by_answers(|_| ok("fine"))(call),
    });
    let front = Front::with(app, METERED);
    let (first, key) = (fresh_key(&front.stage), fresh_key(&front.stage));
    front.stage.server.get("/first", &first).expect(200);
    let reply = front.stage.server.get("/again", &key).expect(200);
    assert_eq!(front.app.heard().len(), 3);
    assert_eq!((told(&reply), numbers(&front.standing(&key))), (CHARGED[..4].to_vec(), CHARGED.to_vec()));
}

#[test]
fn a_client_that_gives_up_is_charged_once_at_most() {
    let go_on = Latch::default();
    let app = App::scripted({
        let go_on = go_on.clone();
        move |call| {
            go_on.wait();
            by_answers(|_| ok("fine"))(call);
        }
    });
    let front = Front::with(app, &METERED.replace("\"1s\"", "\"30s\""));
    let key = fresh_key(&front.stage);
    for (more, begun) in [("", ""), ("Content-Length: 5\r\n", "he")] {
        let before = numbers(&front.standing(&key));
        let asked = front.app.heard().len();
        let mut line = Line::to(&front.stage.server.address);
        line.say(super::head("GET", "/x", &format!("Authorization: Bearer {key}\r\n{more}")) + begun);
        crate::support::eventually("the app is asked", || (front.app.heard().len() > asked).then_some(()));
        line.stream().will_reset();
        drop(line);
        let after = numbers(&front.standing(&key));
        assert_eq!(after[1], before[1] - 2, "it was reached, so it costs what it costs");
    }
    go_on.open();
}

#[test]
fn too_large_a_body_costs_nothing_where_its_length_says_so() {
    let front = Front::with(app(), METERED);
    let key = fresh_key(&front.stage);
    let request = Request::new("POST", "/ok").bearer(&key).body(b"more than ten bytes");
    assert_eq!(front.stage.server.send(&request).expect(413).verdict(), "too_large");
    assert_eq!(numbers(&front.standing(&key)), FREE);
    assert_eq!(front.app.heard().len(), 0);
}

#[test]
fn an_open_path_and_one_that_costs_nothing_stay_so() {
    let nobody = Vacant::new();
    let routes = "[[routes]]\npath = \"/open\"\nopen = true\n[[routes]]\npath = \"/gratis\"\ncost = 0\n";
    let stage = super::stage_before(&nobody.url, &format!("{METERED}{routes}"));
    let key = fresh_key(&stage);
    let front = Front { app: app(), stage, key: key.clone() };
    for path in ["/open", "/gratis"] {
        front.stage.server.get(path, &key).expect(502);
        assert_eq!(numbers(&front.standing(&key)), FREE, "{path}: nothing is given back that was never taken");
    }
}

#[test]
fn a_refund_never_gives_more_than_was_taken() {
    let front = Front::with(app(), &format!("refund = \"errors\"\n{METERED}"));
    let key = fresh_key(&front.stage);
    front.stage.server.get("/ok", &key).expect(200);
    std::thread::scope(|scope| {
        (0..4).for_each(|_| {
            scope.spawn(|| (0..5).for_each(|_| drop(front.stage.server.get("/500", &key))));
        });
    });
    let left = numbers(&front.standing(&key));
    assert_eq!(left[1..], CHARGED[1..], "what passed stays charged");
    assert!(left[0] <= 5, "{left:?}");
}

#[test]
fn a_dead_answer_to_one_does_not_touch_another() {
    let front = Front::with(app(), METERED);
    let [one, other] = [fresh_key(&front.stage), fresh_key(&front.stage)];
    let mut line = front.line();
    line.say(super::head("GET", "/silent", &format!("Authorization: Bearer {one}\r\n")));
    assert_eq!(front.stage.server.get("/ok", &other).expect(200).body, "fine");
    let head = line.head();
    assert_eq!(head.status(), Some(504));
    let _ = line.piece(&mut Body::of_reply("GET", &head));
    assert_eq!((numbers(&front.standing(&one)), numbers(&front.standing(&other))), (CHARGED.to_vec(), CHARGED.to_vec()));
}
