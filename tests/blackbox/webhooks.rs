//! Webhooks: what a receiver gets, and what becomes of a message where it gets nothing.

mod admin;
mod documents;
mod notices;
mod places;
mod secrets;
mod sending;
mod tls;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::app::{Heard, answer};
use crate::support::server::text;
use crate::support::{App, Folder, Server, Stage, eventually};

/// What messages are signed with, and its bytes.
const SECRET: &str = "whsec_c3BlYWsgZnJpZW5kIGFuZCBlbnRlciwgbm93ISE=";
const KEY: &[u8] = b"speak friend and enter, now!!";

/// An endpoint at this address, on this machine.
fn endpoint(name: &str, url: &str, more: &str) -> String {
    format!("[webhooks.{name}]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\nallow_private = true\n{more}\n")
}

/// A receiver that takes everything, and a server that tells it of these events.
fn receiver(events: &str) -> (App, Stage) {
    receiver_with(events, "")
}

/// The same with more of a configuration.
fn receiver_with(events: &str, config: &str) -> (App, Stage) {
    let app = App::answering(|_| answer("204 No Content", "", ""));
    let stage = Stage::with(&format!("{}{config}", endpoint("main", &app.url, &format!("events = {events}"))));
    (app, stage)
}

/// The messages that a receiver got whole, as JSON.
fn got(app: &App) -> Vec<Value> {
    app.heard().iter().filter(|heard| heard.is_whole).map(message).collect()
}

fn message(heard: &Heard) -> Value {
    serde_json::from_slice(&heard.body).unwrap_or_else(|error| panic!("no JSON ({error}): {heard:?}"))
}

/// The messages of one event among them.
fn of_event(app: &App, event: &str) -> Vec<Value> {
    got(app).into_iter().filter(|message| message["type"] == event).collect()
}

/// Waits until so many messages came.
#[track_caller]
fn wait_for(app: &App, count: usize) -> Vec<Value> {
    eventually(&format!("{count} messages"), || Some(got(app)).filter(|got| got.len() >= count))
}

/// Waits for the one message of the outbox, or the one that fits, in this state.
#[track_caller]
fn wait_for_state(stage: &Stage, state: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("a message that is {state}"), || {
        let page = stage.get(&format!("/webhooks/messages?state={state}")).expect(200).json();
        page["data"].as_array().unwrap().iter().find(|message| fits(message)).cloned()
    })
}

/// HMAC (RFC 2104) over the bytes as they came.
fn hmac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let pad = |with: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), bytes.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

/// Fails unless a request is signed as Standard Webhooks has it; its id.
#[track_caller]
fn signed(heard: &Heard) -> String {
    let (id, timestamp) = (heard.one("webhook-id"), heard.one("webhook-timestamp"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(timestamp.parse::<u64>().unwrap().abs_diff(now) <= 60, "{timestamp}");
    let content = [format!("{id}.{timestamp}.").as_bytes(), &heard.body].concat();
    assert_eq!(heard.one("webhook-signature"), format!("v1,{}", STANDARD.encode(hmac(KEY, &content))));
    id
}

/// A port where nobody listens, and where an app may later.
fn quiet() -> String {
    App::answering(|_| Vec::new()).url.clone()
}
