//! Accounts, keys and users brought along from elsewhere, and written out again: all or nothing, whatever is cut off when.

mod access;
mod crash;
mod full;
mod guide;
mod round_trip;
mod rows;
mod serving;
mod users;

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Folder, Reply, Request, Stage};

/// Two plans, and keys of any shape beside those made here.
const CONFIG: &str = r#"
[keys]
carriers = ["bearer"]
environments = [
  { name = "live", prefix = "tg_live_", length = 48 },
  { name = "test", prefix = "tg_test_", length = 48 },
  { name = "gone", prefix = "tg_gone_", length = 48, reserved = true },
  { name = "old", prefix = "old_", length = 48, checksum = false, imported = true },
]
[[plans]]
name = "free"
default = true
limits = [{ requests = 1000, per = "minute" }, { requests = 100000, per = "day" }]
[[plans]]
name = "pro"
monthly_tokens = 500
limits = [{ requests = 5000, per = "minute" }]
"#;

/// A server on [`CONFIG`].
fn stage() -> Stage {
    Stage::with(CONFIG)
}

/// A raw key of the environment `old`.
fn raw(n: usize) -> String {
    format!("old_{n:024}")
}

fn hash(raw: &str) -> String {
    Sha256::digest(raw.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// So many keys of an account, as JSON lines.
fn keys(account: &str, numbers: std::ops::Range<usize>) -> String {
    numbers.map(|n| format!("{}\n", json!({ "account": account, "name": format!("key {n}"), "key": raw(n) }))).collect()
}

/// Sends rows to be imported.
#[track_caller]
fn import(stage: &Stage, what: &str, media: &str, rows: &str) -> Reply {
    stage.server.send(&importing(stage, what, media, rows))
}

fn importing(stage: &Stage, what: &str, media: &str, rows: &str) -> Request {
    let request = Request::new("POST", &format!("/auth/v1/{what}/import")).bearer(&stage.token);
    request.header("Content-Type", media).body(rows.as_bytes())
}

const JSONL: &str = "application/jsonl";

/// Every record of a list.
#[track_caller]
fn all(folder: &Folder, what: &str) -> Vec<Value> {
    folder.json(&[what, "list"])["data"].as_array().expect("a list").clone()
}

/// Nothing lies beside the database that an import left there.
#[track_caller]
fn assert_clean(folder: &Folder) {
    for side in ["tollgate.db.import", "tollgate.db.import.new"] {
        assert!(!folder.path(side).exists(), "{side} is there");
    }
}

/// No raw key stands in a file, or in the log.
#[track_caller]
fn assert_without(path: &Path, secret: &str) {
    let bytes = std::fs::read(path).expect("it can be read");
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{} holds {secret}", path.display());
}
