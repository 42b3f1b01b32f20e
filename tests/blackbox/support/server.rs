//! The real binary, in a folder of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::{Reply, Request, eventually};

/// A folder with a configuration, and the commands to run in it.
pub struct Folder {
    directory: tempfile::TempDir,
    config: Option<PathBuf>,
    variables: Vec<(String, String)>,
}

impl Folder {
    /// Without a configuration: the defaults hold.
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a folder can be made"), config: None, variables: Vec::new() }
    }

    /// With this `auth.toml`.
    pub fn with(config: &str) -> Self {
        let folder = Self::new();
        std::fs::write(folder.path("auth.toml"), config).expect("the folder can be written");
        folder
    }

    /// With a configuration that lies elsewhere.
    pub fn with_file(config: &Path) -> Self {
        Self { config: Some(config.into()), ..Self::new() }
    }

    /// Sets a variable for every command.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.path("tollgate.db")
    }

    /// A command that is still to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.current_dir(self.directory.path()).env_clear().env("TOLLGATE_SERVER__LISTEN", "127.0.0.1:0");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.args(arguments);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    /// Runs a command with something on its stdin.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        // Whoever does not read its stdin closes it.
        let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        child.wait_with_output().expect("the binary ends")
    }

    /// Runs a command that must succeed; its stdout as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {output:?}"))
    }

    /// Makes an account; its id.
    #[track_caller]
    pub fn account(&self, more: &[&str]) -> String {
        text(&self.json(&[&["account", "create", "--name", "tester"], more].concat())["id"])
    }

    /// Makes a key; the whole answer.
    #[track_caller]
    pub fn key(&self, account: &str, more: &[&str]) -> Value {
        self.json(&[&["key", "create", "--account", account, "--name", "test"], more].concat())
    }

    /// Makes an account and a key of it; the raw key.
    #[track_caller]
    pub fn raw_key(&self, plan: &str) -> String {
        let account = self.account(&["--plan", plan]);
        text(&self.key(&account, &[])["key"])
    }

    /// Makes a service token; the raw token.
    #[track_caller]
    pub fn token(&self, scope: &str) -> String {
        text(&self.json(&["token", "create", "--scope", scope])["token"])
    }

    /// Starts the server and waits until it accepts.
    pub fn serve(&self) -> Server {
        Server::start(self.command(&["serve", "--json"]))
    }
}

/// A text of a JSON answer.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    /// `host:port`, or `unix:PATH`.
    pub address: String,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    /// Runs a command that ends in `serve --json`, and waits until it accepts.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("stdout can be read");
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            let mut log = String::new();
            child.stderr.take().expect("stderr is piped").read_to_string(&mut log).expect("stderr can be read");
            panic!("the server did not start: {line}{log}");
        };
        let address = text(&started["listening"]).trim_start_matches("http://").to_owned();
        // Read on and on, so that a full pipe never stops the server.
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        Self { child, address, log: Some(log) }
    }

    /// Sends a request.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Reply {
        request.send(&self.address)
    }

    /// GET with a bearer credential.
    #[track_caller]
    pub fn get(&self, path: &str, credential: &str) -> Reply {
        self.send(&Request::get(path).bearer(credential))
    }

    /// POST of JSON with a bearer credential.
    #[track_caller]
    pub fn post(&self, path: &str, credential: &str, body: &Value) -> Reply {
        self.send(&Request::post(path, body).bearer(credential))
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and waits for its end; the exit code and what it logged.
    pub fn stop(mut self) -> (Option<i32>, String) {
        let done = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(done.success());
        let status = eventually("the server ends after SIGTERM", || self.child.try_wait().expect("it can be waited for"));
        let log = self.log.take().expect("the log is read").join().expect("the log can be read");
        (status.code(), log)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
