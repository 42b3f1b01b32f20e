//! SIGHUP while many ask: nobody is refused for it, and nobody is told by two configurations at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::app::ok;
use crate::support::{App, Line, Raise, Reply, Stage, eventually};

/// A configuration that says which it is, everywhere it speaks.
fn config(name: &str, limit: u64, app: &App) -> String {
    format!(
        r#"
[upstream]
url = "{}"
[style]
headers = [
  {{ name = "X-Style", value = "{name}" }},
  {{ name = "X-Plan", value = "{{plan_title}}" }},
  {{ name = "X-Limit", value = "{{day.requests}}" }},
]
[[style.answers]]
verdicts = ["missing"]
code = "{name}"
[[plans]]
name = "free"
title = "{name}"
limits = [{{ requests = {limit}, per = "day" }}]
"#,
        app.url
    )
}

const LIMITS: [(&str, u64); 2] = [("one", 1_000_000), ("two", 2_000_000)];

/// Fails where an answer is of two configurations.
#[track_caller]
fn assert_of_one(reply: &Reply) -> usize {
    assert_eq!(reply.status, 200, "{reply:?}");
    let told = |name: &str| reply.header(name).unwrap_or_default();
    let at = LIMITS.iter().position(|(name, _)| *name == told("x-style")).unwrap_or_else(|| panic!("{reply:?}"));
    let (name, limit) = LIMITS[at];
    assert_eq!((reply.body.as_str(), told("x-plan").as_str(), told("x-limit")), (name, name, limit.to_string()), "{reply:?}");
    at
}

#[test]
fn no_request_fails_and_none_is_told_by_a_mix() {
    let apps = [App::answering(|_| ok("one")), App::answering(|_| ok("two"))];
    let configs: Vec<String> = LIMITS.iter().zip(&apps).map(|((name, limit), app)| config(name, *limit, app)).collect();
    let stage = Stage::with(&configs[0]);
    let keys: Vec<String> = (0..3).map(|_| stage.raw_key("free")).collect();
    let is_over = AtomicBool::new(false);
    let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        let raise = Raise(&is_over);
        for asker in 0..6 {
            let (key, stage, is_over, seen) = (&keys[asker % keys.len()], &stage, &is_over, &seen);
            scope.spawn(move || {
                let ask = format!("GET /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\r\n");
                let mut line = Line::to(&stage.server.address);
                while !is_over.load(Ordering::Relaxed) {
                    // Some on one connection, some on one each.
                    let reply = if asker % 2 == 0 { line.ask(&ask) } else { stage.server.get("/x", key) };
                    seen[assert_of_one(&reply)].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=24 {
            stage.folder.rewrite(&configs[round % 2]);
            stage.server.signal("HUP");
            let before = seen[round % 2].load(Ordering::Relaxed);
            eventually("the other one is seen", || (seen[round % 2].load(Ordering::Relaxed) > before + 3).then_some(()));
        }
        drop(raise);
    });
    let (code, log) = stage.server.stop();
    assert!(code == Some(0) && !log.contains("ERROR") && !log.contains("panicked"), "{log}");
}
