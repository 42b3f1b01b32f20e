//! The log: a line each, for people or for programs; each about a request carries its id.

use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{App, Folder, Request, Stage, eventually};

/// Each line of a log as JSON; fails where one is none.
#[track_caller]
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))).collect()
}

/// A server that writes a line for each request, as JSON, in front of nothing that listens.
fn stage(more: &str) -> Stage {
    Stage::with(&format!("[log]\nformat = \"json\"\nrequests = true\n{more}"))
}

#[test]
fn json_is_one_object_a_line_with_what_every_line_has() {
    let stage = stage("[upstream]\nurl = \"http://127.0.0.1:1\"\n");
    let key = stage.raw_key("free");
    let refused = stage.server.get("/x", &key).expect(502);
    stage.server.reload();
    stage.folder.rewrite("[server]\nprefix = \"a\\u001b[2Kb\"\n");
    stage.server.reload();
    let (_, log) = stage.server.stop();
    let lines = lines(&log);
    for line in &lines {
        let time = text(&line["time"]);
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{line}");
        assert!(["error", "warn", "info"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(line["message"].is_string() && line.as_object().unwrap().values().all(|value| !value.is_object()), "{line}");
    }
    let id = refused.header("x-request-id");
    let about: Vec<_> = lines.iter().filter(|line| line["request_id"].as_str() == id.as_deref()).collect();
    assert_eq!(about.len(), 2, "the app's fault, and the request: {about:?}");
    assert!(about[0]["level"] == "error" && text(&about[0]["message"]).contains("cannot be reached"), "{about:?}");
    let own = ["listening on", "is as it was", "server.prefix", "the old one holds", "stopping", "everything is saved"];
    for words in own {
        let line = lines.iter().find(|line| text(&line["message"]).contains(words)).unwrap_or_else(|| panic!("{words}: {log}"));
        assert_eq!(line.get("request_id"), None, "{line}");
    }
}

/// What is asked, and: path, status, verdict, whether the key is known, whether a service token is.
type Row = (Request, &'static str, u16, Option<&'static str>, bool, bool);

#[test]
fn each_request_has_one_line_that_says_what_became_of_it() {
    let stage = stage("");
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({}));
    let (id, raw) = (text(&key["id"]), text(&key["key"]));
    let get = |path: &str| Request::get(path).bearer(&raw);
    let rows: [Row; 9] = [
        (get("/v1/sets?q=secret"), "/v1/sets", 200, Some("ok"), true, false),
        (Request::get("/v1/sets"), "/v1/sets", 401, Some("missing"), false, false),
        (get("/a//b"), "(a path that reads in two ways)", 400, Some("ambiguous"), false, false),
        (get("/auth/v1/me"), "/auth/v1/me", 200, Some("ok"), true, false),
        (get("/auth/v1/check").header("X-Forwarded-Uri", "/elsewhere?q=secret"), "/auth/v1/check", 200, Some("ok"), true, false),
        (Request::post("/auth/v1/verify", &json!({"key": raw})).bearer(&stage.token), "/auth/v1/verify", 200, Some("ok"), true, true),
        (Request::get("/auth/v1/plans").bearer(&stage.token), "/auth/v1/plans", 200, None, false, true),
        (Request::get("/auth/v1/plans"), "/auth/v1/plans", 401, None, false, false),
        (Request::get("/auth/v1/health"), "/auth/v1/health", 200, None, false, false),
    ];
    for (request, path, status, verdict, knows_key, knows_token) in rows {
        let reply = stage.server.send(&request).expect(status);
        let request_id = reply.header("x-request-id").unwrap();
        let log = eventually("its line is written", || Some(stage.server.log()).filter(|log| log.contains(&request_id)));
        let about: Vec<Value> = lines(&log).into_iter().filter(|line| line["request_id"] == request_id).collect();
        assert_eq!(about.len(), 1, "{about:?}");
        let line = &about[0];
        assert_eq!((&line["level"], &line["path"], &line["status"]), (&"info".into(), &path.into(), &status.into()), "{line}");
        assert_eq!(line["verdict"].as_str(), verdict, "{line}");
        assert_eq!(line["method"].as_str(), Some(if path.ends_with("verify") { "POST" } else { "GET" }), "{line}");
        let (expected_key, expected_account) = if knows_key { (Some(id.as_str()), Some(account.as_str())) } else { (None, None) };
        assert_eq!((line["key"].as_str(), line["account"].as_str()), (expected_key, expected_account), "{line}");
        assert_eq!(line["token"].as_str().is_some_and(|token| token.starts_with("tok_")), knows_token, "{line}");
        assert!(line["ms"].as_f64().is_some_and(|ms| (0.0..60_000.0).contains(&ms)), "{line}");
        assert!(!log.contains("secret") && !log.contains("elsewhere"), "no query, and nothing of what a proxy tells of: {log}");
    }
}

#[test]
fn a_request_to_the_app_is_told_with_what_became_of_it_in_the_end() {
    let app = App::scripted(|call| call.hang_up());
    let stage = stage(&format!("[upstream]\nurl = \"{}\"\n", app.url));
    let key = stage.raw_key("free");
    stage.server.send(&Request::post("/x", &json!({})).bearer(&key)).expect(502);
    let (_, log) = stage.server.stop();
    let lines = lines(&log);
    let line = lines.iter().find(|line| line["path"] == "/x").unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&line["status"], &line["verdict"]), (&502.into(), &"upstream_down".into()), "{line}");
}

#[test]
fn text_reads_well_and_nothing_that_a_request_says_makes_a_line_of_its_own() {
    let stage = Stage::with("[log]\nrequests = true\n");
    let key = stage.raw_key("free");
    for path in ["/%1b[2K", "/a%20status=500", "/caf%C3%A9%E2%80%A8x", "/%E2%80%AEgnp", "/%C2%9B2K", "/%22quoted%22"] {
        stage.server.get(path, &key);
    }
    stage.server.send(&Request::get("/x").header("X-Request-Id", "mine request_id=other").bearer(&key));
    stage.folder.rewrite("[server]\nprefix = \"a\\u001b[2K\\nFORGED \\u202eb\"\n");
    stage.server.reload();
    let (_, log) = stage.server.stop();
    for line in log.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
        assert!(["ERROR ", " WARN ", " INFO "].iter().any(|level| rest.starts_with(level)), "{line}");
        assert!(!line.chars().any(|letter| letter.is_control() || ('\u{2028}'..='\u{202e}').contains(&letter)), "{line:?}");
    }
    assert!(log.contains("path=\"/a status=500\"") && log.contains("FORGED"), "{log}");
    assert!(!log.contains("request_id=other"), "{log}");
}

#[test]
fn nothing_is_written_of_requests_where_nobody_asked_for_it() {
    let stage = Stage::with("");
    let key = stage.raw_key("free");
    stage.server.get("/x", &key).expect(200);
    assert!(!stage.server.log().contains("path="), "{}", stage.server.log());
    stage.folder.rewrite("[log]\nrequests = true\nformat = \"json\"\n");
    let log = stage.server.reload();
    assert!(log.contains("[log]"), "{log}");
    let id = stage.server.get("/x", &key).expect(200).header("x-request-id").unwrap();
    let line = eventually("its line is written", || stage.server.log().lines().find(|line| line.contains(&id)).map(str::to_owned));
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["path"], "/x", "another format holds at once");
}

#[test]
fn a_command_logs_for_who_runs_it_and_nothing_of_its_own_requests() {
    let folder = Folder::with("[log]\nformat = \"json\"\nrequests = true\n");
    let output = folder.run(&["account", "create", "--name", "me"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let wrong = Folder::with("[log]\nformat = \"xml\"\nrequest = true\n").run(&["serve"]);
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        told.contains("log.format") && told.contains("text or json") && told.contains("log.request ") && told.contains("requests"),
        "{told}"
    );
}
