//! `docs/webhooks.md`: its receivers run as they stand, and its bodies are what is sent.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;
use crate::support::Request;

const DOCUMENT: &str = include_str!("../../../docs/webhooks.md");

/// The blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    DOCUMENT.split(&start).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// A receiver of the document, running; killed when it is dropped.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: String,
}

impl Running {
    fn start(program: &str, file: &std::path::Path) -> Self {
        let mut command = Command::new(program);
        command.arg(file).env("WEBHOOK_SECRET", SECRET).env("PORT", "0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program} runs: {error}"));
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut running = Self { child, lines, port: String::new() };
        running.port = running.line().trim_start_matches("listening on ").to_owned();
        running
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("stdout can be read");
        line.trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn its_receivers_take_what_is_signed_and_nothing_else() {
    for (language, program, name) in [("python", "python3", "receive.py"), ("js", "node", "receive.mjs")] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, blocks(language)[0]).unwrap();
        let mut running = Running::start(program, &file);
        let stage = Stage::with(&endpoint("main", &format!("http://127.0.0.1:{}/hooks", running.port), "events = [\"account.*\"]"));
        // What is forged, altered or old.
        let now = jiff::Timestamp::now().as_second();
        let signature = |at: i64, body: &str| format!("v1,{}", STANDARD.encode(hmac(KEY, format!("msg_1.{at}.{body}").as_bytes())));
        for (at, signed, status) in [
            (now.to_string(), signature(now, "{\"type\":\"a\"}"), 204),
            (now.to_string(), format!("v1,AAAA v2,x {}", signature(now, "{\"type\":\"a\"}")), 204),
            (now.to_string(), signature(now, "{\"type\":\"b\"}"), 401),
            (now.to_string(), signature(now - 1, "{\"type\":\"a\"}"), 401),
            ((now - 600).to_string(), signature(now - 600, "{\"type\":\"a\"}"), 401),
            ((now + 600).to_string(), signature(now + 600, "{\"type\":\"a\"}"), 401),
            ("soon".into(), signature(now, "{\"type\":\"a\"}"), 401),
            (String::new(), String::new(), 401),
            (now.to_string(), "v1,".into(), 401),
            (now.to_string(), "v1,\u{e9}".into(), 401),
        ] {
            let request = Request::new("POST", "/hooks").header("webhook-id", "msg_1").header("webhook-timestamp", &at);
            let request = request.header("webhook-signature", &signed).body(b"{\"type\":\"a\"}");
            assert_eq!(request.send(&format!("127.0.0.1:{}", running.port)).status, status, "{language}: {at} {signed}");
        }
        assert_eq!((running.line(), running.line()), ("msg_1 a".into(), "msg_1 a".into()));
        stage.account(json!({}));
        let taken = wait_for_state(&stage, "taken", |_| true);
        assert_eq!(running.line(), format!("{} account.created", text(&taken["id"])));
    }
}

/// The names of a record's fields, and of what is below them.
fn fields(of: &Value) -> Vec<String> {
    let below = |(name, value): (&String, &Value)| match value {
        Value::Object(_) if ["metadata", "limits"].iter().all(|free| free != name) => {
            fields(value).into_iter().map(|field| format!("{name}.{field}")).collect()
        }
        _ => vec![name.clone()],
    };
    of.as_object().into_iter().flatten().flat_map(below).collect()
}

#[test]
fn its_bodies_are_what_is_sent() {
    let plans = "[[plans]]\nname = \"free\"\nlimits = [{ requests = 5, per = \"month\" }]\n";
    let (app, stage) = receiver_with("[\"*\"]", plans);
    stage.post("/webhooks/main/test", &json!({})).expect(201);
    let account = stage.account(json!({ "balance": 1 }));
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 0 })).expect(200);
    let key = stage.key(&account, json!({ "expires_at": "1d" }));
    for _ in 0..4 {
        stage.server.get("/x", key["key"].as_str().unwrap()).expect(200);
    }
    let shown: Vec<Value> = blocks("json").iter().map(|block| serde_json::from_str(block).expect("a block is JSON")).collect();
    assert!(shown.len() >= 6, "the bodies were found");
    for shown in shown {
        let event = text(&shown["type"]);
        let sent = eventually(&event, || of_event(&app, &event).pop());
        assert_eq!(fields(&shown), fields(&sent), "{event}: {sent}");
    }
}
