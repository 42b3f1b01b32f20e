//! The admin API: who may call it, what each token reaches, records, pages, conditions, and what is left behind.

mod access;
mod audit;
mod balance;
mod bound;
mod input;
mod once;
mod pages;
mod records;
mod tags;

use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Reply, Request, Stage};

const PLANS: &str = r#"
[[plans]]
name = "free"
title = "Free"
default = true
limits = [{ requests = 60, per = "minute" }, { requests = 1000, per = "day", count = "account" }]

[[plans]]
name = "pro"
title = "Pro"
needs_balance = true
monthly_tokens = 500
limits = [{ name = "burst", requests = 100, per = "10s", burst = 20, observe = true }]

[[plans]]
name = "elite"
unlimited = true
review = true

[sign_in.passwords]
memory_kib = 4096
passes = 1

# Nobody listens there, and nothing here makes such an event: the only messages are those that are asked for.
[webhooks.billing]
url = "http://127.0.0.1:1/hooks"
secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
events = ["keys.imported"]
allow_private = true
"#;

/// Ids that could be, and are none.
const NO_ACCOUNT: &str = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV";

const NO_KEY: &str = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV";

const NO_TOKEN: &str = "tok_01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// The names of an object's fields, in order.
fn names(record: &Value) -> Vec<&str> {
    record.as_object().unwrap_or_else(|| panic!("no object: {record}")).keys().map(String::as_str).collect()
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|record| text(&record["id"])).collect()
}

/// The fields that an answer names as wrong, each once.
fn wrong_fields(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let mut fields: Vec<String> =
        body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {reply:?}")).iter().map(|error| text(&error["field"])).collect();
    fields.sort();
    fields.dedup();
    fields
}

#[track_caller]
fn assert_problem(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("Content-Type").as_deref(), Some("application/problem+json"), "{reply:?}");
    let body = reply.json();
    assert_eq!((&body["status"], body["request_id"].as_str()), (&json!(status), reply.header("X-Request-Id").as_deref()), "{reply:?}");
}

/// Everything that the admin API lists: what a refused call must leave as it was.
fn everything(stage: &Stage) -> Vec<Value> {
    let mut lists: Vec<Value> = ["/accounts", "/keys", "/tokens", "/audit"].map(|path| list(stage, path)).into();
    let movements: Vec<Value> = ids(&lists[0]).iter().map(|account| list(stage, &format!("/accounts/{account}/balance"))).collect();
    lists.extend(movements);
    // Whether they are sent is not for the caller.
    lists.push(json!(ids(&list(stage, "/webhooks/messages"))));
    lists
}

/// A list that fits on one page.
fn list(stage: &Stage, path: &str) -> Value {
    let follows = if path.contains('?') { '&' } else { '?' };
    let page = stage.get(&format!("{path}{follows}limit=1000")).expect(200).json();
    assert_eq!(page["next_cursor"], Value::Null, "{path} has more");
    page
}

/// The records of a page.
fn data(page: &Value) -> &[Value] {
    page["data"].as_array().unwrap_or_else(|| panic!("no list: {page}"))
}

/// Somebody with a token of their own.
struct Holder<'s> {
    stage: &'s Stage,
    id: String,
    token: String,
}

impl<'s> Holder<'s> {
    /// With a new token of these settings.
    #[track_caller]
    fn of(stage: &'s Stage, settings: &Value) -> Self {
        let made = stage.post("/tokens", settings).expect(201).json();
        Self { stage, id: text(&made["id"]), token: text(&made["token"]) }
    }

    /// Bound to an account, with the scopes `admin` and `verify`.
    #[track_caller]
    fn bound(stage: &'s Stage, account: &str) -> Self {
        Self::of(stage, &json!({ "scopes": ["admin", "verify"], "account": account }))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let request = Request::new(method, &format!("/auth/v1{path}")).bearer(&self.token);
        self.stage.server.send(&match body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body))
    }
}
