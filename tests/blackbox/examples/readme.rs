//! What the examples' READMEs show works when pasted, and a crate of one's own gets by with what they say it needs.

use std::process::Command;

use super::{examples, name_of, root};
use crate::support::{Folder, Server};

/// The fenced blocks of one language in a file.
fn blocks(path: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(path)).expect("the file can be read");
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("a block has text").to_owned()).collect()
}

/// What an example's README prints where it is pasted, in a folder that has the examples, and a database of its own.
fn pasted(name: &str) -> String {
    let blocks = blocks(&format!("examples/{name}/README.md"), "sh");
    let (start, rest) = blocks.split_first().expect("it says how to start");
    let folder = Folder::new();
    std::os::unix::fs::symlink(root().join("examples"), folder.path("examples")).expect("a link can be made");
    let config = start.trim().strip_prefix("tollgate ").expect("it starts tollgate");
    let arguments: Vec<&str> = config.split(' ').chain(["serve", "--json"]).collect();
    let server = Server::start(folder.command(&arguments));
    let lines = rest.concat().replace("127.0.0.1:8080", &server.address);
    let script = format!("set -euo pipefail\ntollgate() {{ '{}' \"$@\"; }}\n{lines}", env!("CARGO_BIN_EXE_tollgate"));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path("")).env_remove("TOLLGATE_CONFIG").env("no_proxy", "127.0.0.1");
    let output = bash.output().expect("bash runs");
    assert!(output.status.success(), "{name}: {lines}\n{output:?}");
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn every_api_can_be_tried_by_pasting() {
    let names: Vec<String> = examples().iter().map(|example| name_of(example).to_owned()).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(move || {
                let printed = pasted(name);
                let statuses: Vec<&str> =
                    printed.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).map(|line| &line[..3]).collect();
                let passes = if statuses.len() == 1 { &["200"][..] } else { &["200", "200", "401"] };
                assert_eq!(statuses, passes, "{name}: {printed}");
            });
        }
    });
}

#[test]
fn a_crate_of_ones_own_needs_what_is_said() {
    let said: toml::Table = blocks("examples/README.md", "toml")[0].parse().expect("it is TOML");
    let said = said["dependencies"].as_table().expect("a table");
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().expect("it is TOML");
    let ours = manifest["dependencies"].as_table().expect("a table");
    for (name, needs) in said.iter().filter(|(name, _)| *name != "tollgate") {
        assert_eq!(needs["version"], ours[name]["version"], "{name}");
        let has = |feature: &toml::Value| ours[name]["features"].as_array().expect("a list").contains(feature);
        assert!(needs["features"].as_array().expect("a list").iter().all(has), "{name}: a feature that nobody tried");
    }
    let embed = std::fs::read_to_string(root().join("examples/embed.rs")).unwrap();
    let used: Vec<&str> =
        embed.lines().filter_map(|line| line.strip_prefix("use ")?.split("::").next()).filter(|name| *name != "std").collect();
    assert!(used.len() >= 4 && used.iter().all(|name| said.contains_key(&name.replace('_', "-"))), "{used:?}");
}
