//! What `docs/running.md` shows is so.

use std::path::Path;

use crate::support::Folder;

const GUIDE: &str = include_str!("../../../docs/running.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    GUIDE.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("a block has text")).collect()
}

#[test]
fn every_configuration_is_valid() {
    for config in blocks("toml") {
        let output = Folder::with(config).run(&["validate"]);
        assert!(output.status.success(), "{config}\n{output:?}");
    }
}

#[test]
fn what_it_names_is_there() {
    for link in GUIDE.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        let there = match link.strip_prefix('#') {
            Some(anchor) => GUIDE.lines().any(|line| line.starts_with("## ") && line[3..].to_lowercase().replace(' ', "-") == anchor),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(link).exists(),
        };
        assert!(there, "{link}");
    }
    for line in blocks("json").iter().flat_map(|block| block.lines()) {
        let _: serde_json::Value = serde_json::from_str(line).expect("a line of the log");
    }
}

#[test]
fn a_fault_reads_as_it_shows() {
    let folder = Folder::with("[[plans]]\nname = \"a\"\nlimits = [{ requests = 5, per = \"day\" }]\n");
    let server = folder.serve();
    folder.rewrite("[[plans]]\nname = \"a\"\nlimits = [{ requests = 0, per = \"day\" }]\n");
    let log = server.reload();
    let shown: Vec<&str> = GUIDE.lines().filter_map(|line| line.strip_prefix("ERROR ")).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    for line in shown {
        assert!(log.contains(&line.replace("/etc/tollgate/auth.toml", "auth.toml")), "{line}\n{log}");
    }
}
