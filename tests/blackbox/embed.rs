//! The gate inside somebody's own server: `examples/embed.rs`, run as it is.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{Folder, Reply, Request, eventually, example};

const CONFIG: &str = r#"
[[plans]]
name = "tiny"
limits = [{ requests = 3, per = "day" }]
"#;

/// The example, running in a folder; killed when it is dropped.
pub struct Embedded {
    child: Child,
    pub address: String,
}

impl Embedded {
    pub fn start(folder: &Folder) -> Self {
        let mut child = command(folder).stdout(Stdio::piped()).spawn().expect("the example runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("stdout can be read");
        let address = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("no address: {line}")).to_owned();
        Self { child, address }
    }

    #[track_caller]
    fn send(&self, request: &Request) -> Reply {
        request.send(&self.address)
    }

    /// Tells it to end, as Ctrl-C (INT) and systemd (TERM) do, and waits for that.
    fn stop(mut self, signal: &str) {
        let done = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status().expect("kill runs");
        assert!(done.success());
        let status = eventually("the example ends", || self.child.try_wait().expect("it can be waited for"));
        assert!(status.success());
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Folder) -> Command {
    let mut command = Command::new(example("embed"));
    command.current_dir(folder.path("")).env_clear().env("PORT", "0");
    command
}

#[test]
fn it_checks_charges_and_refuses_like_the_server() {
    let folder = Folder::with(CONFIG);
    let server = Embedded::start(&folder);
    let key = folder.raw_key("tiny");
    let passed = server.send(&Request::get("/hello").bearer(&key)).expect(200);
    assert!(passed.body.starts_with("hello, acc_") && passed.body.ends_with("on tiny\n"), "{passed:?}");
    assert_eq!(passed.number("x-ratelimit-remaining"), Some(2));
    assert!(passed.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    for (request, status, verdict) in [
        (Request::get("/hello"), 401, "missing"),
        (Request::get("/hello").bearer("tg_live_wrong"), 401, "unknown"),
        (Request::get(&format!("/hello?x={key}")).bearer(&key), 400, "misplaced"),
        (Request::get("/a//b").bearer(&key), 400, "ambiguous"),
    ] {
        let refused = server.send(&request).expect(status);
        assert_eq!(refused.verdict(), verdict);
        assert_eq!(refused.header("cache-control").as_deref(), Some("no-store"));
        assert!(!refused.body.contains("hello"));
    }
    let me = server.send(&Request::get("/auth/v1/me").bearer(&key)).expect(200).json();
    assert_eq!((&me["account"]["plan"], &me["limits"][0]["remaining"]), (&"tiny".into(), &2.into()));
    server.send(&Request::get("/auth/v1/keys")).expect(401);
}

#[test]
fn what_the_command_line_changes_holds_from_the_next_check_on() {
    let folder = Folder::with(CONFIG);
    let server = Embedded::start(&folder);
    let account = folder.account(&[]);
    let key = folder.key(&account, &[]);
    let raw = key["key"].as_str().expect("the raw key is shown");
    server.send(&Request::get("/hello").bearer(raw)).expect(200);
    folder.json(&["key", "revoke", key["id"].as_str().expect("it has an id")]);
    assert_eq!(server.send(&Request::get("/hello").bearer(raw)).expect(401).verdict(), "revoked");
}

#[test]
fn a_clean_end_keeps_what_was_counted_and_another_gate_can_follow() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::with(CONFIG);
        let server = Embedded::start(&folder);
        let key = folder.raw_key("tiny");
        server.send(&Request::get("/hello").bearer(&key)).expect(200);
        server.stop(signal);
        let server = Embedded::start(&folder);
        let left = server.send(&Request::get("/hello").bearer(&key)).expect(200).number("x-ratelimit-remaining");
        assert_eq!(left, Some(1), "{signal}");
    }
}

#[test]
fn one_gate_a_database_and_faults_are_told() {
    let folder = Folder::with(CONFIG);
    let _first = Embedded::start(&folder);
    let second = command(&folder).output().expect("the example runs");
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another gate or server has the database"), "{second:?}");
    let wrong = Folder::with("[server]\nlisten = 5\nprefix = 'x'\n");
    let output = command(&wrong).output().expect("the example runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("server.listen") && told.contains("server.prefix"), "{told}");
}
