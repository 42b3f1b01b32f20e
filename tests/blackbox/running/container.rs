//! The Dockerfile, as far as it can be proven without an engine: what it copies is there, its settings are settings, and what it
//! starts and asks is what the binary knows. `tests/static` builds and starts the same binary in an empty root.

use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, Server};

const DOCKERFILE: &str = include_str!("../../../examples/docker/Dockerfile");

/// The arguments of every instruction of this name.
fn instructions(name: &str) -> Vec<&'static str> {
    let begin = format!("{name} ");
    DOCKERFILE.lines().filter_map(|line| line.strip_prefix(&begin)).collect()
}

/// The words of an instruction that is written as JSON.
fn words(instruction: &str) -> Vec<String> {
    let list = &instruction[instruction.find('[').expect("a list")..];
    serde_json::from_str(list).expect("a list of words")
}

#[test]
fn the_image_is_the_binary_alone_for_a_user_who_is_nobody() {
    let (_, image) = DOCKERFILE.split_once("FROM scratch\n").expect("from scratch");
    assert!(!image.contains("RUN "), "there is nothing in it that could run");
    let user = instructions("USER");
    let (uid, gid) = user[0].split_once(':').expect("a user and a group");
    assert!(user.len() == 1 && uid.parse::<u32>().is_ok_and(|uid| uid > 0) && gid.parse::<u32>().is_ok_and(|gid| gid > 0), "{user:?}");
    assert!(instructions("COPY").iter().any(|copy| copy.contains(&format!("--chown={} ", user[0])) && copy.ends_with(" /data")));
}

#[test]
fn its_settings_hold_and_what_it_starts_can_be_asked() {
    let folder = Folder::new();
    let mut settings: Vec<(&str, String)> = Vec::new();
    for pair in instructions("ENV") {
        let (name, value) = pair.split_once('=').expect("NAME=VALUE");
        let inside = value.replace("/data/", folder.path("").to_str().unwrap()).replace(":8080", ":0");
        settings.push((name, inside));
    }
    assert!(settings.iter().any(|(name, value)| *name == "TOLLGATE_SERVER__LISTEN" && value.starts_with("0.0.0.0:")));
    assert!(
        instructions("ENV")
            .iter()
            .any(|pair| pair.ends_with(instructions("EXPOSE")[0]) || pair.contains(&format!(":{}", instructions("EXPOSE")[0])))
    );
    let [binary] = &words(instructions("ENTRYPOINT")[0])[..] else { panic!("one word") };
    let start = words(DOCKERFILE.lines().filter_map(|line| line.strip_prefix("CMD ")).next().unwrap());
    let health = words(instructions("HEALTHCHECK")[0]);
    assert_eq!((binary.as_str(), health[0].as_str()), ("/tollgate", "/tollgate"));
    let start: Vec<&str> = start.iter().map(String::as_str).chain(["--json"]).collect();
    let ask: Vec<&str> = health[1..].iter().map(String::as_str).collect();
    let command = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        command
    };
    assert_eq!(command(&ask).status().unwrap().code(), Some(1), "unhealthy before it serves");
    let server = Server::start(command(&start));
    assert_eq!(command(&ask).status().unwrap().code(), Some(0), "healthy once it does");
    let validated: Value = serde_json::from_slice(&command(&["validate", "--json"]).output().unwrap().stdout).unwrap();
    assert_eq!(validated["valid"], true, "{validated}");
    assert!(server.address.starts_with("0.0.0.0:"));
}

#[test]
fn what_the_build_needs_is_in_its_context() {
    let ignore = include_str!("../../../.dockerignore");
    let kept: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in &kept {
        assert!(root.join(path).exists(), "{path}");
    }
    for needed in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "auth.toml", "schema.sql", "src", "examples"] {
        assert!(kept.contains(&needed), "{needed}");
    }
    assert!(["target", ".git", "tests"].iter().all(|path| !kept.contains(path)));
}
