//! What docs/import.md shows works when pasted: what others store is brought along, and then the raw keys are good.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::all;
use crate::support::app::{Heard, answer};
use crate::support::server::text;
use crate::support::{App, Folder, Request, Stage};

const GUIDE: &str = include_str!("../../../docs/import.md");

/// The blocks of one language below a heading.
fn blocks(heading: &str, language: &str) -> Vec<&'static str> {
    let section = GUIDE.split("\n## ").find(|section| section.starts_with(heading)).expect("the guide has this section");
    section.split(&format!("```{language}\n")).skip(1).map(|rest| rest.split("```").next().expect("a block has text")).collect()
}

/// With the environments that the guide shows, and a plan with the limits that keys bring.
fn folder() -> Folder {
    let environments = blocks("Rows", "toml")[0];
    Folder::with(&format!(
        "{environments}carriers = [\"bearer\", \"header:apikey\"]\n[[plans]]\nname = \"free\"\ndefault = true\nlimits = [{{ requests = 1000, per = \"minute\" }}, {{ requests = 1000, per = \"hour\" }}, {{ requests = 1000, per = \"day\" }}]\n"
    ))
}

fn sample(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blackbox/import/samples").join(name)
}

/// Runs shell lines as a reader would.
fn paste(folder: &Folder, lines: &str, variables: &[(&str, &str)]) {
    let script = format!("set -eu -o pipefail\ntollgate() {{ '{}' \"$@\"; }}\n{lines}", env!("CARGO_BIN_EXE_tollgate"));
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder.path("")).envs(variables.iter().copied());
    let output = command.output().expect("bash runs");
    assert!(output.status.success(), "{output:?}");
}

/// Every raw key of a sample gets the verdict that the sample says.
fn check(folder: Folder, keys: &str, header: &str) -> Stage {
    let stage = Stage::of(folder);
    let keys: Vec<Value> = serde_json::from_slice(&std::fs::read(sample(keys)).unwrap()).unwrap();
    assert!(keys.len() > 3);
    for key in keys {
        let (raw, request) = (text(&key["key"]), Request::get("/x"));
        let request = if header.is_empty() { request.bearer(&raw) } else { request.header(header, &raw) };
        assert_eq!(stage.verdict(&request), key["verdict"], "{raw}");
    }
    stage
}

#[track_caller]
fn named<'a>(records: &'a [Value], name: &str) -> &'a Value {
    records.iter().find(|record| record["name"] == name).unwrap_or_else(|| panic!("no '{name}' in {records:?}"))
}

#[test]
fn from_better_auth() {
    let folder = folder();
    paste(&folder, &format!("sqlite3 auth.db < '{}'", sample("better-auth.sql").display()), &[]);
    paste(&folder, &blocks("From better-auth", "sh").concat(), &[]);
    let stage = check(folder, "better-auth.keys.json", "");
    let (accounts, keys) = (all(&stage.folder, "account"), all(&stage.folder, "key"));
    assert_eq!((accounts.len(), keys.len()), (2, 4));
    let ada = named(&accounts, "Ada Lovelace");
    assert_eq!((&ada["id"], &ada["created_at"]), (&"acc_00000000000000000000000001".into(), &"2025-02-01T09:30:00Z".into()));
    let build = named(&keys, "build server");
    assert_eq!(build["account"], ada["id"]);
    assert_eq!(build["scopes"], serde_json::json!(["files:read", "files:write", "users:read"]));
    assert_eq!((&build["limits"]["minute"], &build["metadata"]["team"]), (&120.into(), &"core".into()));
    assert_eq!((&build["expires_at"], &build["created_at"]), (&"2999-01-01T00:00:00Z".into(), &"2025-04-01T10:00:00Z".into()));
    let laptop = named(&keys, "laptop");
    assert_eq!((&laptop["limits"]["day"], &laptop["scopes"]), (&10.into(), &serde_json::json!([])));
    assert!(laptop["prefix"].as_str().is_some_and(|prefix| prefix.starts_with("ba_")));
    let unnamed = keys.iter().find(|key| key["disabled"] == true).expect("one is switched off");
    assert_eq!((&unnamed["metadata"]["double"], &unnamed["limits"]), (&true.into(), &serde_json::json!({})));
}

#[test]
fn from_unkey() {
    let folder = folder();
    std::fs::copy(sample("unkey.jsonl"), folder.path("unkey.jsonl")).unwrap();
    paste(&folder, &blocks("From Unkey", "sh").concat(), &[]);
    // Before the check uses them.
    let moved = all(&folder, "key");
    assert_eq!(named(&moved, "laptop")["last_used_at"], "2025-06-01T08:00:00Z");
    let stage = check(folder, "unkey.keys.json", "");
    let (accounts, keys) = (all(&stage.folder, "account"), all(&stage.folder, "key"));
    assert_eq!(accounts.iter().map(|account| text(&account["name"])).collect::<Vec<_>>(), ["nobody", "user_2b", "user_7c"]);
    let laptop = named(&keys, "laptop");
    assert_eq!(laptop["account"], named(&accounts, "user_2b")["id"]);
    assert_eq!((&laptop["limits"], &laptop["metadata"]["team"]), (&serde_json::json!({"minute": 120}), &"core".into()));
    assert_eq!(laptop["scopes"][1], "files.write");
    assert_eq!(named(&keys, "expired")["expires_at"], "2025-01-01T12:00:00Z");
}

/// Whether somebody signs in with this password.
fn signs_in(stage: &Stage, email: &str, password: &str) -> bool {
    let reply = stage.server.post("/auth/v1/auth/login", "", &serde_json::json!({ "email": email, "password": password }));
    assert!([200, 401].contains(&reply.status), "{reply:?}");
    reply.status == 200
}

#[test]
fn users_of_better_auth_with_their_keys() {
    let folder = folder();
    paste(&folder, &format!("sqlite3 auth.db < '{}'", sample("better-auth.sql").display()), &[]);
    let with_accounts = blocks("From better-auth", "sh");
    assert_eq!(with_accounts.last().map(|block| block.lines().count()), Some(2), "the two lines that these replace: {with_accounts:?}");
    let lines = with_accounts[..with_accounts.len() - 1].concat() + &blocks("Users of better-auth", "sh").concat();
    paste(&folder, &lines, &[]);
    assert!(!folder.path("people.jsonl").exists() && !folder.path("hashes.jsonl").exists(), "no hash is left lying");
    let stage = check(folder, "better-auth.keys.json", "");
    let (users, accounts, keys) = (all(&stage.folder, "user"), all(&stage.folder, "account"), all(&stage.folder, "key"));
    assert_eq!((users.len(), accounts.len(), keys.len()), (2, 2, 4));
    let ada = named(&users, "Ada Lovelace");
    assert_eq!((&ada["account"], &ada["email_verified"]), (&"acc_00000000000000000000000001".into(), &true.into()));
    assert_eq!((&named(&keys, "laptop")["account"], &ada["created_at"]), (&ada["account"], &"2025-02-01T09:30:00Z".into()));
    assert!(signs_in(&stage, "ada@example.com", "correct horse battery staple"));
    assert!(!signs_in(&stage, "ada@example.com", "another"));
    assert_eq!(named(&users, "O'Neil, \"Al\"")["has_password"], false);
}

#[test]
fn users_of_django_and_of_any_table() {
    let folder = folder();
    paste(&folder, &format!("sqlite3 db.sqlite3 < '{}'", sample("django.sql").display()), &[]);
    paste(&folder, &blocks("Users of Django", "sh").concat(), &[]);
    let stage = Stage::of(folder);
    let users = all(&stage.folder, "user");
    let told: Vec<_> = users.iter().map(|user| (text(&user["name"]), user["has_password"] == true, user["disabled"] == true)).collect();
    let expected = [("Ada Lovelace", true, false), ("bo", true, false), ("Cy", false, false), ("Di", false, true)];
    assert_eq!(told, expected.map(|(name, has_password, disabled)| (name.to_owned(), has_password, disabled)));
    assert_eq!(users[0]["created_at"], "2025-02-01T09:30:00Z");
    assert!(signs_in(&stage, "ada@example.com", "correct horse battery staple") && signs_in(&stage, "bo@example.com", "password"));
    let table = r#"sqlite3 app.db "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, phone TEXT, encrypted_password TEXT, confirmed_at TEXT, created_at TEXT);
      INSERT INTO users VALUES (1, 'eve@example.com', NULL, '\$2y\$04\$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG', '2025-01-02 03:04:05', '2025-01-02 03:04:05')"
      "#;
    // Of the plan that this server has.
    paste(&stage.folder, &(table.to_owned() + &blocks("Users of any table", "sh").concat().replace("'pro'", "'free'")), &[]);
    assert!(signs_in(&stage, "eve@example.com", "correct horse battery staple"));
    assert_eq!(named(&all(&stage.folder, "user"), "eve")["created_at"], "2025-01-02T03:04:05Z");
}

/// Kong's Admin API, two records a page.
fn kong() -> App {
    let all: Value = serde_json::from_slice(&std::fs::read(sample("kong-admin.json")).unwrap()).unwrap();
    App::answering(move |heard: &Heard| {
        let (path, query) = heard.head.target().split_once('?').expect("pages are asked for");
        let what = path.trim_start_matches('/').to_owned();
        let from: usize = query.rsplit_once("offset=").map_or(0, |(_, offset)| offset.parse().expect("an offset"));
        let records = all[&what].as_array().expect("there is such a list");
        let (page, rest) = records[from..].split_at(2.min(records.len() - from));
        let next = if rest.is_empty() { Value::Null } else { format!("/{what}?size=1000&offset={}", from + 2).into() };
        answer("200 OK", "Content-Type: application/json\r\n", &serde_json::json!({"data": page, "next": next}).to_string())
    })
}

#[test]
fn from_kong() {
    let app = kong();
    let from_deck = format!("cp '{}' kong.json\n{}", sample("kong-deck.json").display(), blocks("From Kong", "sh")[1]);
    for lines in [blocks("From Kong", "sh")[0], &from_deck] {
        let folder = folder();
        paste(&folder, lines, &[("KONG", &app.url)]);
        assert!(!folder.path("keys.jsonl").exists(), "no raw key is left lying");
        let stage = check(folder, "kong.keys.json", "apikey");
        let (accounts, keys) = (all(&stage.folder, "account"), all(&stage.folder, "key"));
        assert_eq!(keys.len(), 4);
        assert_eq!(named(&keys, "laptop")["account"], named(&accounts, "ada")["id"]);
        assert_eq!(keys.iter().filter(|key| key["account"] == named(&accounts, "crm-77")["id"]).count(), 2);
    }
    let heard: Vec<String> = app.heard().iter().map(|heard| heard.head.target().to_owned()).collect();
    assert_eq!(heard, ["/consumers?size=1000", "/key-auths?size=1000", "/key-auths?size=1000&offset=2"]);
}
