//! Accounts of people: users, what they may do with what is theirs, organizations, invitations, the agreement, applications.

mod agreement;
mod applications;
mod developers;
mod invitations;
mod organizations;
mod users;

use serde_json::{Value, json};

use crate::support::person::{PASSWORD, Person};
use crate::support::server::text;
use crate::support::smtp::Setup;
use crate::support::{Reply, Request, Smtp, Stage};

const CONFIG: &str = r#"
[sign_in.passwords]
memory_kib = 4096
passes = 1

[keys]
default_scopes = ["sets:*"]
limits = [{ name = "minute", minimum = 1, maximum = 100, default = 50 }]
environments = [
  { name = "live", prefix = "tg_live_", length = 48 },
  { name = "frozen", prefix = "tg_frozen_", length = 48, reserved = true },
]

[[plans]]
name = "free"
default = true
limits = [{ requests = 60, per = "minute" }, { requests = 1000, per = "day" }]

[[plans]]
name = "pro"
monthly_tokens = 50

[[plans]]
name = "partner"
title = "Partner"
review = true
monthly_tokens = 100
"#;

/// The records of a page.
fn data(reply: &Reply) -> Vec<Value> {
    reply.json()["data"].as_array().unwrap_or_else(|| panic!("no list: {reply:?}")).clone()
}

/// The fields that an answer names as wrong, each once.
fn wrong_fields(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {reply:?}"));
    let mut fields: Vec<String> = errors.iter().map(|error| text(&error["field"])).collect();
    fields.sort();
    fields.dedup();
    fields
}

/// What an answer says, but for which request and which id it was about.
fn told(reply: &Reply, ids: &[&str]) -> String {
    let id = reply.header("X-Request-Id").expect("every answer has one");
    let text = format!("{} {}", reply.status, reply.body).replace(&id, "REQUEST");
    ids.iter().fold(text, |text, id| text.replace(id, "ID"))
}
