//! What the README shows works when pasted.

use std::process::Command;

use serde_json::Value;

use crate::support::{Folder, Server};

const README: &str = include_str!("../../README.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("a block has text")).collect()
}

/// Runs shell lines as a reader would, with this server and binary in place of the README's; what they printed.
fn paste(folder: &Folder, server: &Server, lines: &str) -> String {
    let lines = lines.replace("target/release/tollgate", "tollgate").replace("127.0.0.1:8080", &server.address);
    let script = format!("set -eu\ntollgate() {{ '{}' \"$@\"; }}\n{lines}", env!("CARGO_BIN_EXE_tollgate"));
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path("")).output().expect("bash runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn every_configuration_is_valid() {
    let shown = blocks("toml");
    assert!(!shown.is_empty());
    for config in shown {
        let output = Folder::with(config).run(&["validate"]);
        assert!(output.status.success(), "{config}\n{output:?}");
    }
}

#[test]
fn the_first_lines_make_a_key_and_the_next_ones_verify_it() {
    let folder = Folder::new();
    let server = folder.serve();
    let console: Vec<&str> = blocks("console")[0].lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(console.len(), 2, "two lines to paste");
    let verify = blocks("sh").into_iter().find(|block| block.contains("/verify")).expect("the README shows how to verify");
    let printed = paste(&folder, &server, &format!("{}\n{verify}", console.join("\n")));
    let (first, second) = printed.split_once("\r\n\r\n").expect("curl -i prints headers and a body");
    assert!(first.starts_with("HTTP/1.1 200 OK"), "{printed}");
    let answers: Vec<Value> = serde_json::Deserializer::from_str(second).into_iter().map(|answer| answer.expect("JSON")).collect();
    assert_eq!(answers.len(), 2, "{printed}");
    assert!(answers.iter().all(|answer| answer["verdict"] == "ok"), "{printed}");
    let shown: Value = serde_json::from_str(blocks("json")[0]).expect("the README's answer is JSON");
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&shown), names(&answers[1]), "the README shows the answer's fields, in their order");
}
