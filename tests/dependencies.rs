//! The policy of deny.toml by Cargo's own data, for where cargo-deny is not at hand.

use std::process::Command;

use serde_json::Value;

/// What links a system library, or would be a second TLS provider.
const NEVER: [&str; 8] = ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "boring", "boring-sys", "mbedtls"];

/// Crates that cost a binary dearly, or that hold state which must be one.
const ONCE: [&str; 14] = [
    "clap",
    "figment",
    "governor",
    "http",
    "hyper",
    "libsqlite3-sys",
    "mimalloc",
    "ring",
    "rusqlite",
    "rustls",
    "serde",
    "serde_json",
    "tokio",
    "tracing",
];

/// Each licence that is known to go with ours.
const LICENCES: [&str; 14] = [
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "0BSD",
    "BSL-1.0",
    "CC0-1.0",
    "MIT-0",
    "MPL-2.0",
    "CDLA-Permissive-2.0",
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().expect("there are packages").clone()
}

#[test]
fn no_forbidden_crate_and_no_heavy_one_twice() {
    let packages = packages();
    let versions = |name: &str| {
        packages.iter().filter(|package| package["name"] == name).map(|package| package["version"].to_string()).collect::<Vec<_>>()
    };
    for name in NEVER {
        assert_eq!(versions(name), Vec::<String>::new(), "{name} must not be a dependency");
    }
    for name in ONCE {
        assert!(versions(name).len() <= 1, "{name} is there in {:?}", versions(name));
    }
}

#[test]
fn every_crate_comes_from_the_registry_under_a_known_licence() {
    for package in packages() {
        let name = &package["name"];
        if name == "tollgate" {
            continue;
        }
        assert!(package["source"].as_str().is_some_and(|source| source.starts_with("registry+")), "{name} does not come from the registry");
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        // A choice is sound where one side is; a sum where all parts are.
        let known = |part: &str| LICENCES.contains(&part.trim_matches(['(', ')', ' ']).trim_end_matches(" WITH LLVM-exception"));
        let sound = licence.replace('/', " OR ").split(" AND ").all(|part| part.split(" OR ").any(|choice| known(choice.trim())));
        assert!(sound, "{name} has the licence {licence}");
    }
}
