//! Mails and SMS: what somebody gets, and what becomes of it where nobody takes it.

mod admin;
mod letters;
mod secure;
mod sending;
mod settings;
mod sms;

use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::server::text;
use crate::support::smtp::Setup;
use crate::support::{Folder, Server, Smtp, Stage, eventually};

/// A configuration that sends by this server.
fn config(url: &str, more: &str) -> String {
    format!(
        "[server]\npublic_url = \"https://api.example.com\"\n[mail]\nsmtp_url = \"{url}\"\nfrom = \"Example <noreply@example.com>\"\n{more}\n"
    )
}

/// A server that takes everything, and a stage that sends by it.
fn stage(more: &str) -> (Smtp, Stage) {
    stage_with(Setup::plain(), more)
}

fn stage_with(setup: Setup, more: &str) -> (Smtp, Stage) {
    let smtp = Smtp::new(setup);
    let stage = Stage::with(&config(&smtp.url(), more));
    (smtp, stage)
}

/// Sends an address something to try it; its id.
#[track_caller]
fn test(stage: &Stage, address: &str) -> String {
    text(&stage.post("/mails/test", &json!({ "address": address })).expect(201).json()["id"])
}

#[track_caller]
fn mail(stage: &Stage, id: &str) -> Value {
    let list = stage.get("/mails?limit=1000").expect(200).json();
    list["data"].as_array().unwrap().iter().find(|mail| mail["id"] == id).unwrap_or_else(|| panic!("no {id}: {list}")).clone()
}

/// Waits until a mail stands so.
#[track_caller]
fn wait_for_state(stage: &Stage, id: &str, state: &str) -> Value {
    eventually(&format!("{id} is {state}"), || Some(mail(stage, id)).filter(|mail| mail["state"] == state))
}

/// Waits until a mail was tried and still waits.
#[track_caller]
fn wait_for_try(stage: &Stage, id: &str) -> Value {
    eventually(&format!("{id} was tried"), || Some(mail(stage, id)).filter(|mail| mail["state"] == "waiting" && mail["tries"] != 0))
}

fn hmac(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let pad = |with: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), bytes.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).into()
}

/// Something in the outbox, as the flows of sign-in write it, with what is to stand in it.
struct Seed {
    id: String,
    proof: String,
    token: String,
    code: String,
}

/// Writes a mail of a proof into the database of a folder where nothing runs: worked out as the documentation has it.
fn seed(folder: &Folder, nth: usize, channel: &str, address: &str, template: &str, fields: &Value) -> Seed {
    let secret = std::fs::read_to_string(folder.path("tollgate.db.secret")).unwrap();
    let secret = secret.trim_end().as_bytes();
    let (id, proof) = (format!("eml_{nth:026}"), format!("prf_{nth:026}"));
    let token = base62(hmac(secret, &[b"token\0", proof.as_bytes()].concat()));
    let code = code(secret, &proof);
    let hash: [u8; 32] = match channel {
        "phone" => hmac(secret, &[b"code hash\0", proof.as_bytes(), b"\0", code.as_bytes()].concat()),
        _ => Sha256::digest(token.as_bytes()).into(),
    };
    let database = Connection::open(folder.database()).unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    database
        .execute(
            "INSERT INTO proofs (id, hash, purpose, channel, address, payload, origin, tries, tries_elsewhere, created_at, expires_at) VALUES (?1, ?2, 'reset', ?3, ?4, '{}', '', 0, 0, ?5, ?6)",
            rusqlite::params![proof, hash, channel, address, now, now + 3_600_000],
        )
        .unwrap();
    database
        .execute(
            "INSERT INTO mails (id, channel, address, template, fields, secret_of, created_at, due_at, tries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 0)",
            rusqlite::params![id, channel, address, template, fields.to_string(), proof, now],
        )
        .unwrap();
    Seed { id, proof, token, code }
}

fn reset(folder: &Folder, nth: usize, channel: &str, address: &str) -> Seed {
    seed(folder, nth, channel, address, "reset", &json!({ "name": "Ada", "valid_for": "1 hour" }))
}

fn base62(mut number: [u8; 32]) -> String {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut letters = Vec::new();
    for _ in 0..43 {
        let rest = number.iter_mut().fold(0, |rest: u32, byte| {
            let dividend = rest << 8 | u32::from(*byte);
            *byte = (dividend / 62) as u8;
            dividend % 62
        });
        letters.push(LETTERS[rest as usize]);
    }
    letters.reverse();
    String::from_utf8(letters).unwrap()
}

fn code(secret: &[u8], proof: &str) -> String {
    let bytes = hmac(secret, &[b"code\0", proof.as_bytes(), b"\0\0"].concat());
    // The first of its numbers is beyond the last whole million once in 33 billion times.
    let number = u64::from_be_bytes(bytes[..8].try_into().unwrap());
    format!("{:06}", number % 1_000_000)
}

/// A folder whose database and secret are there, with its server not running.
fn folder(config: &str) -> Folder {
    let folder = Folder::with(config);
    folder.account(&[]);
    folder
}

/// Serves what is in a folder, and lets the operator in.
fn on(folder: Folder) -> Stage {
    Stage::of(folder)
}

/// Everything that the database's files hold.
fn bytes_of(folder: &Folder) -> Vec<u8> {
    ["tollgate.db", "tollgate.db-wal", "tollgate.db-shm"]
        .iter()
        .flat_map(|name| std::fs::read(folder.path(name)).unwrap_or_default())
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
