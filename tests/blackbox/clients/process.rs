//! The examples as processes: started, asked, and always ended.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread::JoinHandle;

use super::{Client, file};
use crate::support::{Reply, Request};

/// What is asked, in a way that each example can carry.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub key: Option<&'a str>,
    /// Headers beside the key's.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str, key: &'a str) -> Self {
        Self { method: "GET", path, key: Some(key), headers: &[], body: "" }
    }

    fn request(&self) -> Request {
        let request = Request::new(self.method, self.path).body(self.body.as_bytes());
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        self.key.into_iter().fold(request, |request, key| request.bearer(key))
    }
}

/// What came back.
#[derive(Debug)]
pub enum Told {
    /// From an app.
    Answer(Reply),
    /// From the script.
    Ended(Output),
}

/// An example that may be asked: an app that runs, or the script, which runs once an ask.
pub enum Example {
    App(App),
    Script { place: String, token: String, shell: &'static str },
}

impl Example {
    pub fn start(client: Client, place: &str, token: &str) -> Self {
        match client {
            Client::Shell => Self::Script { place: place.into(), token: token.into(), shell: "sh" },
            _ => Self::App(App::start(command(client).env("TOLLGATE", place).env("TOLLGATE_TOKEN", token))),
        }
    }

    pub fn ask(&self, ask: &Ask<'_>) -> Told {
        match self {
            Self::App(app) => Told::Answer(ask.request().send(&app.address)),
            Self::Script { place, token, shell } => {
                let mut command = Command::new(shell);
                surroundings(&mut command).arg(file("verify.sh")).args([ask.method, ask.path, "127.0.0.1"]);
                command.env("TOLLGATE", place).env("TOLLGATE_TOKEN", token);
                Told::Ended(with_input(command, ask.key.unwrap_or_default()))
            }
        }
    }

    /// Ends it; everything it printed.
    pub fn end(self) -> String {
        match self {
            Self::App(app) => app.end(),
            Self::Script { .. } => String::new(),
        }
    }
}

/// An example's program and arguments, without where tollgate is.
pub fn command(client: Client) -> Command {
    let mut command = match client {
        Client::Python => program("python3", &[file("app.py")]),
        // Garbage is collected all the time, as it is in a long life: nothing may hang on what is held weakly.
        Client::JavaScript => program("node", &["--expose-gc".into(), "--require".into(), home().join("collect.cjs"), file("app.mjs")]),
        Client::Rust => Command::new(built()),
        Client::Shell => program("sh", &[file("verify.sh")]),
    };
    surroundings(&mut command);
    command.env("PORT", "0");
    command
}

fn program(name: &str, arguments: &[PathBuf]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// A user's environment with all that could lead an ask astray: a proxy that is not there, and somebody else's credentials.
pub fn surroundings(command: &mut Command) -> &mut Command {
    for proxy in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(proxy, "http://127.0.0.1:1");
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY").env("NETRC", home().join("netrc")).env("CURL_HOME", home())
}

/// What a user may have at home.
fn home() -> PathBuf {
    super::root().join("tests/blackbox/clients/home")
}

/// The Rust example.
fn built() -> PathBuf {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| crate::support::example("verify"));
    BUILT.clone()
}

/// Runs a command to its end with this on its stdin.
pub fn with_input(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command);
    // Whoever does not read its stdin closes it.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!("{:?} is not there; {INSTALL}", command.get_program()),
        _ => panic!("{:?}: {error}", command.get_program()),
    })
}

/// What a machine needs for the examples.
const INSTALL: &str = "Debian: apt install python3-requests nodejs curl; any other python3: pip install requests";

/// A running app; killed when it is dropped.
pub struct App {
    child: Child,
    /// `host:port`.
    pub address: String,
    printed: Vec<JoinHandle<String>>,
}

impl App {
    /// Starts it and waits for its first line, the address.
    pub fn start(command: &mut Command) -> Self {
        let mut child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut app = Self { printed: vec![read_on(child.stderr.take().expect("stderr is piped"))], address: String::new(), child };
        let mut line = String::new();
        stdout.read_line(&mut line).expect("stdout can be read");
        let Some(address) = line.trim_end().strip_prefix("http://").map(str::to_owned) else {
            panic!("{:?} did not start; {INSTALL}\n{line}{}", command.get_program(), app.end());
        };
        app.printed.push(read_on(stdout));
        app.address = address;
        app
    }

    /// Ends it; everything it printed.
    pub fn end(mut self) -> String {
        let _ = self.child.kill();
        let printed = std::mem::take(&mut self.printed);
        printed.into_iter().map(|reader| reader.join().expect("what it printed can be read")).collect()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, so that a full pipe never stops the program.
fn read_on(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut printed = Vec::new();
        let _ = from.read_to_end(&mut printed);
        String::from_utf8_lossy(&printed).into_owned()
    })
}
