//! The real binary, in a folder of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{Reply, Request, eventually};

/// A folder with a configuration, and the commands to run in it.
pub struct Folder {
    directory: tempfile::TempDir,
    config: Option<PathBuf>,
    variables: Vec<(String, String)>,
    secrets: Secrets,
}

/// Raw keys and tokens that were handed out: no log may hold one.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Vec<String>>>);

impl Secrets {
    pub fn add(&self, secret: &str) {
        self.0.lock().unwrap().push(secret.to_owned());
    }

    /// Takes what an answer shows this once.
    fn learn(&self, answer: &Value) {
        ["key", "token"].iter().filter_map(|name| answer[*name].as_str()).for_each(|secret| self.add(secret));
    }

    /// Those that stand in a text, as they are or cut short.
    pub fn found_in(&self, text: &str) -> Vec<String> {
        let halves = |secret: &String| [secret.clone(), secret[secret.len() / 2..].to_owned()];
        self.0.lock().unwrap().iter().flat_map(halves).filter(|secret| secret.len() > 12 && text.contains(secret.as_str())).collect()
    }
}

impl Folder {
    /// Without a configuration: the defaults hold.
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a folder can be made"),
            config: None,
            variables: Vec::new(),
            secrets: Secrets::default(),
        }
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
        let answer =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {output:?}"));
        self.secrets.learn(&answer);
        answer
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
        let mut server = Server::start(self.command(&["serve", "--json"]));
        server.secrets = self.secrets.clone();
        server
    }

    /// Writes another `auth.toml`, whole at once.
    pub fn rewrite(&self, config: &str) {
        std::fs::write(self.path("auth.toml.new"), config).expect("the folder can be written");
        std::fs::rename(self.path("auth.toml.new"), self.path("auth.toml")).expect("the folder can be written");
    }
}

/// A text of a JSON answer.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A running server; killed when it is dropped. What it logged never holds a key or token that was handed out.
pub struct Server {
    running: Running,
    /// `host:port`, or `unix:PATH`.
    pub address: String,
    secrets: Secrets,
}

/// The process, and who reads what it logs.
struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    reading: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Runs a command that ends in `serve --json`, and waits until it accepts.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut running = Running::of(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("stdout can be read");
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            running.join();
            panic!("the server did not start: {line}{}", running.log());
        };
        let address = text(&started["listening"]).trim_start_matches("http://").to_owned();
        Self { running, address, secrets: Secrets::default() }
    }

    /// A raw key that a page showed: the log may not hold it either.
    pub fn handed_out(&self, secret: &str) {
        self.secrets.add(secret);
    }

    /// Sends a request.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Reply {
        let reply = request.send(&self.address);
        if reply.status == 201 && reply.header("Content-Type").as_deref() == Some("application/json") {
            self.secrets.learn(&reply.json());
        }
        reply
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
        self.running.child.kill().expect("it can be killed");
        self.running.child.wait().expect("it ends");
    }

    /// Sends a signal: `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().expect("kill runs");
        assert!(done.success());
    }

    /// SIGTERM, and waits for its end; the exit code and what it logged.
    pub fn stop(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end; the exit code and what it logged.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let status = eventually("the server ends", || self.running.child.try_wait().expect("it can be waited for"));
        self.running.join();
        (status.code(), self.log())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// SIGHUP, and waits until what it says of the configuration has been logged; what was logged since.
    #[track_caller]
    pub fn reload(&self) -> String {
        let before = self.log().len();
        self.signal("HUP");
        eventually("the server says what became of the configuration", || {
            let since = self.log()[before..].to_owned();
            let told = ["is in force", "is as it was", "the old one holds"];
            told.iter().any(|words| since.contains(words)).then_some(since)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
        self.running.join();
        let log = self.log();
        let found = self.secrets.found_in(&log);
        if !std::thread::panicking() {
            assert!(found.is_empty(), "the log holds {found:?}:\n{log}");
        }
    }
}

impl Running {
    /// The log is read on and on, so that a full pipe never stops the server.
    fn of(mut child: Child) -> Self {
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let written = log.clone();
        let reading = std::thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                written.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { child, log, reading: Some(reading) }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn join(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.join().expect("the log can be read");
        }
    }
}
