//! What `examples/clients/README.md` shows works when pasted, from top to bottom.

use std::collections::BTreeMap;
use std::process::Command;

use super::process::{App, command, surroundings};
use super::{Client, file, root};
use crate::support::{Folder, Server};

/// The shell lines, block by block.
fn blocks() -> Vec<String> {
    let readme = std::fs::read_to_string(file("README.md")).expect("there is a README");
    readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("a block has text").to_owned()).collect()
}

/// A reader at work: what is running, and what the blocks so far have set.
struct Reader {
    folder: Folder,
    server: Option<Server>,
    /// By the port that the README gives them.
    apps: BTreeMap<String, App>,
    /// `export` and `KEY=…` lines: each block begins with them.
    set: String,
}

impl Reader {
    /// Does what a block says; what it printed.
    fn paste(&mut self, block: &str) -> String {
        let lines: Vec<&str> = block.lines().collect();
        let last = *lines.last().expect("a block has a line");
        if last.ends_with("tollgate") {
            self.serve(last);
            return String::new();
        }
        if lines.iter().all(|line| line.contains("=$(")) {
            // Made once: they are secrets of this reader.
            for line in lines {
                let name = line.trim_start_matches("export ").split('=').next().expect("a name");
                let value = self.run(&format!("{line}\nprintf %s \"${name}\""));
                self.set.push_str(&format!("export {name}='{value}'\n"));
            }
            return String::new();
        }
        let before = if last.ends_with('&') { &lines[..lines.len() - 1] } else { &lines[..] };
        if last.ends_with('&') {
            self.start(last);
        }
        self.run(&before.join("\n"))
    }

    /// `NAME=value tollgate`, after the one before was stopped.
    fn serve(&mut self, line: &str) {
        if let Some(server) = self.server.take() {
            assert_eq!(server.stop().0, Some(0));
        }
        let mut command = self.folder.command(&["serve", "--json"]);
        command.envs(assignments(line));
        self.server = Some(Server::start(command));
    }

    /// `NAME=value … program examples/clients/… &`, on any port.
    fn start(&mut self, line: &str) {
        let clients = [
            ("python3 ", Client::Python, "app.py"),
            ("node ", Client::JavaScript, "app.mjs"),
            ("cargo run ", Client::Rust, "--example verify"),
        ];
        let (_, client, _) =
            clients.into_iter().find(|(program, _, what)| line.contains(program) && line.contains(what)).expect("a known app");
        let mut started = command(client);
        let server = self.server.as_ref().expect("tollgate runs");
        started.env("TOLLGATE", format!("http://{}", server.address)).current_dir(self.folder.path(""));
        let mut set = assignments(line);
        let port = set.remove("PORT").expect("a port");
        let token = self.run("printf %s \"$TOLLGATE_TOKEN\"");
        self.apps.insert(port, App::start(started.envs(set).env("TOLLGATE_TOKEN", token)));
    }

    fn run(&self, lines: &str) -> String {
        let address = self.server.as_ref().map_or("", |server| &server.address);
        let mut lines = lines.replace("examples/clients", &file("").display().to_string());
        for (port, app) in &self.apps {
            lines = lines.replace(&format!("127.0.0.1:{port}"), &app.address);
        }
        let script = format!("set -eu\ntollgate() {{ '{}' \"$@\"; }}\n{}{lines}", env!("CARGO_BIN_EXE_tollgate"), self.set);
        let mut bash = Command::new("bash");
        surroundings(&mut bash).args(["-o", "pipefail", "-c", &script]).current_dir(self.folder.path(""));
        // The proxies of `surroundings` are not for the reader's own curl.
        for proxy in ["http_proxy", "ALL_PROXY", "all_proxy", "CURL_HOME"] {
            bash.env_remove(proxy);
        }
        if !address.starts_with("unix:") {
            bash.env("TOLLGATE", format!("http://{address}"));
        }
        let output = bash.output().expect("bash runs");
        assert!(output.status.success(), "{lines}\n{output:?}");
        String::from_utf8(output.stdout).expect("it prints text")
    }
}

/// `NAME=value` before a command.
fn assignments(line: &str) -> BTreeMap<String, String> {
    line.split(' ').map_while(|word| word.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_block_works_when_pasted() {
    let mut reader = Reader { folder: Folder::new(), server: None, apps: BTreeMap::new(), set: String::new() };
    let printed: Vec<String> = blocks().iter().map(|block| reader.paste(block)).collect();
    let all = printed.concat();
    assert_eq!(reader.apps.keys().collect::<Vec<_>>(), ["8001", "8002", "8003", "8004"], "each was started");
    for (text, times) in [(" 200 ", 2), (" 401 ", 1), ("it passes\n", 2), ("\"account\": \"acc_", 2), ("An API key is required.", 1)] {
        assert_eq!(all.matches(text).count(), times, "{text}: {all}");
    }
    assert!(all.lines().any(|line| line.starts_with("660 ")), "{all}");
}

#[test]
fn every_file_is_named() {
    let readme = std::fs::read_to_string(file("README.md")).expect("there is a README");
    for entry in std::fs::read_dir(root().join("examples/clients")).expect("the folder is there") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(name == "README.md" || readme.contains(&format!("[`{name}`]({name})")), "the README names {name}");
    }
}
