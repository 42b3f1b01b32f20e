//! What only the shell script promises: any shell runs it, nobody reads a secret off the process list, and a wrong call passes nothing.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use super::cases::{CONFIG, KEYS, PLAIN};
use super::gate::Gate;
use super::process::{surroundings, with_input};
use super::{CLIENTS, Client, Way, file};

/// The script under this shell.
fn script(shell: &str, gate: &Gate, arguments: &[&str]) -> Command {
    let mut command = Command::new(shell);
    surroundings(&mut command).arg(file("verify.sh")).args(arguments);
    command.env("TOLLGATE", &gate.place).env("TOLLGATE_TOKEN", &gate.token);
    command
}

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn any_shell_runs_it() {
    for way in [Way::Tcp, Way::Unix] {
        let gate = Gate::start(way, CONFIG, &KEYS);
        for shell in ["sh", "bash"] {
            for (arguments, key, expected) in [
                (&["GET", "/v1/sets"][..], "good", (0, String::new())),
                (&["GET", "/v1/sets", "127.0.0.1"], "home", (0, String::new())),
                (&["POST", "/reports/1"], "reader", (1, format!("{PLAIN}\n"))),
                (&["GET", "/partner/x"], "good", (1, "<p></p>\n".into())),
            ] {
                let output = with_input(script(shell, &gate, arguments), &format!("{}\n", gate.keys[key].raw));
                assert_eq!(told(&output), (Some(expected.0), expected.1), "{shell} over {way:?}, {arguments:?}: {output:?}");
            }
        }
    }
}

#[test]
fn no_process_has_a_secret_among_its_arguments() {
    let gate = Gate::start(Way::Tcp, CONFIG, &KEYS);
    let spy = |program: &str| {
        let path = gate.folder.path(program);
        let real = ["/usr/bin", "/bin", "/usr/local/bin"].map(|folder| format!("{folder}/{program}"));
        let real = real.iter().find(|path| std::path::Path::new(path).exists()).unwrap_or_else(|| panic!("{program} is not there"));
        std::fs::write(
            &path,
            format!("#!/bin/sh\nprintf '%s\\n' {program} \"$@\" >> '{}'\nexec {real} \"$@\"\n", path.display().to_string() + ".seen"),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    // Whatever the script runs that is no part of the shell.
    ["curl", "sed", "cat"].into_iter().for_each(spy);
    let path = format!("{}:{}", gate.folder.path("").display(), std::env::var("PATH").expect("there is a PATH"));
    let key = &gate.keys["reader"].raw;
    let mut command = script("sh", &gate, &["POST", "/reports/1"]);
    let output = with_input(std::mem::replace(command.env("PATH", path), Command::new("true")), key);
    assert_eq!(told(&output).0, Some(1), "{output:?}");
    for program in ["curl", "sed", "cat"] {
        let seen = std::fs::read_to_string(gate.folder.path(&format!("{program}.seen"))).unwrap_or_else(|_| panic!("{program} ran"));
        assert!(!seen.contains(key.as_str()) && !seen.contains(&gate.token), "{seen}");
    }
}

#[test]
fn a_wrong_call_passes_nothing_and_says_how() {
    let gate = Gate::start(Way::Tcp, CONFIG, &KEYS);
    let key = gate.keys["good"].raw.as_str();
    for (arguments, input) in [
        (&[][..], key),
        (&["GET"], key),
        (&["GET", "/v1/sets", "127.0.0.1", "more"], key),
        (&["G T", "/v1/sets"], key),
        (&["GET", "/v1/sets"], "two\nlines"),
    ] {
        let output = with_input(script("sh", &gate, arguments), input);
        assert_eq!(told(&output), (Some(2), String::new()), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let output = with_input(script("sh", &gate, &["GET", "/v1/sets", "nowhere"]), key);
    assert_eq!(output.status.code(), Some(1), "an address that is none: {output:?}");
}

#[test]
fn without_a_token_each_says_how_to_make_one() {
    for client in CLIENTS {
        let mut command = super::process::command(client);
        command.env_remove("TOLLGATE_TOKEN").env("TOLLGATE", "http://127.0.0.1:1");
        if client == Client::Shell {
            command.args(["GET", "/"]);
        }
        let output = with_input(command, "");
        assert!(!output.status.success(), "{client:?}: {output:?}");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(printed.contains("set TOLLGATE_TOKEN: tollgate token create --quiet --scope verify"), "{client:?}: {printed}");
    }
}
