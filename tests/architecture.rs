//! The direction of imports, read from the `use crate::` lines: what a layer may see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each layer, and which others its files may name.
const MAY_SEE: [(&str, &[&str]); 11] = [
    ("measure", &[]),
    ("domain", &[]),
    ("style", &["domain"]),
    ("config", &["domain", "style"]),
    ("docs", &["config", "domain", "style"]),
    ("store", &["domain", "measure"]),
    ("service", &["config", "domain", "measure", "store", "style"]),
    ("http", &["config", "docs", "domain", "measure", "service", "store", "style"]),
    ("app", &["config", "domain", "http", "service", "store", "style"]),
    ("embed", &["app", "config", "domain", "http", "service", "style"]),
    ("cli", &["app", "config", "docs", "domain", "http", "service", "store", "style"]),
];

/// Crates that only one layer may use.
const ONLY_IN: [(&str, &[&str]); 5] = [
    ("rusqlite", &["store"]),
    ("hyper", &["http", "cli", "embed"]),
    ("clap", &["cli"]),
    ("figment", &["config"]),
    ("minijinja", &["style"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("src can be read").map(|entry| entry.expect("an entry can be read").path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// Every source file by its layer.
fn layers() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut layers: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).expect("it lies in src");
        let first = inside.components().next().expect("it has a name").as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).expect("a source can be read");
        layers.entry(first).or_default().push((path, text));
    }
    layers
}

/// Code without its comments: a link in a doc comment is no import.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn named_after<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    code(text)
        .flat_map(move |line| line.split(prefix).skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

#[test]
fn imports_run_one_way() {
    let layers = layers();
    let rules: BTreeMap<&str, &[&str]> = MAY_SEE.into_iter().collect();
    let mut seen = 0;
    for (layer, files) in layers.iter().filter(|(layer, _)| !["lib", "main"].contains(&layer.as_str())) {
        let allowed = rules.get(layer.as_str()).unwrap_or_else(|| panic!("the layer '{layer}' has no rule here"));
        for (path, text) in files {
            for other in named_after(text, "crate::") {
                seen += 1;
                assert!(other == layer || allowed.contains(&other), "{} sees crate::{other}, and {layer} may not", path.display());
            }
        }
    }
    assert!(seen > 100, "the imports were found: {seen}");
}

#[test]
fn some_crates_belong_to_one_layer() {
    for (layer, files) in layers() {
        for (name, allowed) in ONLY_IN.iter().filter(|(_, allowed)| !allowed.contains(&layer.as_str())) {
            for (path, text) in &files {
                let used = code(text).any(|line| line.contains(&format!("{name}::")));
                assert!(!used, "{} uses {name}, which belongs to {allowed:?}", path.display());
            }
        }
    }
}

#[test]
fn all_sql_stands_in_the_store() {
    for (layer, files) in layers().into_iter().filter(|(layer, _)| layer != "store") {
        for (path, text) in files {
            let sql = code(&text).find(|line| ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"].iter().any(|word| line.contains(word)));
            assert!(sql.is_none(), "{} holds SQL, and {layer} may not: {sql:?}", path.display());
        }
    }
}

#[test]
fn what_every_file_promises() {
    for (path, text) in layers().into_values().flatten() {
        assert!(text.starts_with("//! "), "{} says first what it is for", path.display());
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if path.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        for word in [".unwrap()", "todo!(", "unimplemented!(", "dbg!(", "panic!("] {
            assert!(!code(product).any(|line| line.contains(word)), "{} holds {word}", path.display());
        }
    }
}
