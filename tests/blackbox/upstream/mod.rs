//! The gate in front of an app: what reaches the app and how, what comes back, and what is told where the app fails.

mod bounds;
mod cors;
mod credential;
mod expect;
mod faults;
mod forwarded;
mod hops;
mod identity;
mod mended;
mod passing;
mod patience;
mod pool;
mod preflight;
mod refund;
mod refused;
mod shutdown;
mod socket;
mod streams;
mod style;
mod trailers;
mod upgrades;

use crate::support::server::text;
use crate::support::wire::Body;
use crate::support::{App, Line, Reply, Request, Stage};

/// A plan with room for every test, where a test names none.
const ROOM: &str = r#"
[[plans]]
name = "free"
title = "Free"
limits = [{ name = "decade", requests = 100000, per = "3650d", shape = "fixed" }]
"#;

/// What the app, and every client here, is called.
const HOST: &str = "api.example.com";

/// The identity headers.
const IDENTITY: [&str; 6] = ["X-Auth-Account", "X-Auth-Key", "X-Auth-User", "X-Auth-Plan", "X-Auth-Scopes", "X-Auth-Verdict"];

/// A gate in front of an app, and a key that passes.
struct Front {
    app: App,
    stage: Stage,
    key: String,
}

impl Front {
    /// With the defaults.
    fn of(app: App) -> Self {
        Self::with(app, "")
    }

    /// With more of `[upstream]`, and whatever tables come after it.
    fn with(app: App, config: &str) -> Self {
        let stage = stage_before(&app.url, config);
        let key = stage.raw_key("free");
        Self { app, stage, key }
    }

    fn line(&self) -> Line {
        Line::to(&self.stage.server.address)
    }

    /// A request with the key, up to the empty line; `more` is headers, each with its line end.
    fn head(&self, method: &str, target: &str, more: &str) -> String {
        head(method, target, &format!("Authorization: Bearer {}\r\n{more}", self.key))
    }

    /// GET with the key, on a connection of its own.
    #[track_caller]
    fn get(&self, target: &str) -> Reply {
        self.stage.server.get(target, &self.key)
    }

    #[track_caller]
    fn send(&self, request: Request) -> Reply {
        self.stage.server.send(&request.bearer(&self.key))
    }

    /// What is left of each limit, and the balance, as the key itself is told.
    #[track_caller]
    fn standing(&self, key: &str) -> Standing {
        let me = self.stage.server.get("/auth/v1/me", key).expect(200).json();
        let limits = me["limits"].as_array().unwrap().iter();
        Standing {
            left: limits.map(|limit| (text(&limit["name"]), limit["remaining"].as_i64().unwrap())).collect(),
            balance: me["account"]["balance"].as_i64().unwrap(),
        }
    }

    /// Stops the server; what it logged.
    #[track_caller]
    fn log(self) -> String {
        let (code, log) = self.stage.server.stop();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains(&self.key), "the log holds a key: {log}");
        log
    }
}

/// How a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    left: Vec<(String, i64)>,
    balance: i64,
}

/// A gate in front of whatever is at `url`.
fn stage_before(url: &str, config: &str) -> Stage {
    let plans = if config.contains("[[plans]]") { "" } else { ROOM };
    Stage::with(&format!("[upstream]\nurl = \"{url}\"\n{config}\n{plans}"))
}

/// A request without a credential, up to the empty line.
fn head(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n")
}

/// Reads an answer whose body never comes to its proper end; fails where it does.
#[track_caller]
fn assert_broken_off(line: &mut Line, method: &str) {
    let head = line.head();
    let mut body = Body::of_reply(method, &head);
    loop {
        match line.piece(&mut body) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the client takes it for whole: {}", head.text()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it hangs: {}", head.text()),
            Err(_) => return,
        }
    }
}

/// The app's failure as the default style tells it.
#[track_caller]
fn assert_told(reply: &Reply, status: u16, verdict: &str) {
    assert_eq!((reply.status, reply.verdict()), (status, verdict.into()), "{reply:?}");
    assert_eq!(reply.header("Content-Type").as_deref(), Some("application/problem+json"), "{reply:?}");
    assert_eq!(reply.json()["request_id"].as_str(), reply.header("X-Request-Id").as_deref(), "{reply:?}");
}
