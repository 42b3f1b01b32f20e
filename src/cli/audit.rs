//! `tollgate audit`.

use std::sync::Arc;

use serde_json::Value;

use super::Failure;
use super::args::AuditArgs;
use super::client::Client;
use super::output::{Output, table};
use crate::config::Policy;

const COLUMNS: [(&str, &str); 6] =
    [("AT", "at"), ("WHO", "actor"), ("FROM", "origin"), ("DID", "action"), ("TO", "target"), ("WHAT", "change")];

pub async fn run(args: AuditArgs, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let mut client = Client::open(policy).await?;
    let query = [
        ("account", args.account.as_deref()),
        ("target", args.target.as_deref()),
        ("actor", args.actor.as_deref()),
        ("action", args.action.as_deref()),
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
    ];
    let list = client.list_some("/audit", &query, args.limit).await;
    client.close().await;
    let list = list?;
    output.result(&list, || table(&for_people(&list), &COLUMNS, "Nothing of that kind was done."));
    Ok(())
}

/// Each entry with its change in one piece: `plan: free → pro`.
fn for_people(list: &Value) -> Value {
    let mut list = list.clone();
    for entry in list["data"].as_array_mut().into_iter().flatten() {
        entry["change"] = change(&entry["before"], &entry["after"]).into();
    }
    list
}

/// How many fields are told where something was made, and how many letters of it all: the whole is for `--json`.
const MOST_TOLD: usize = 4;
const LONGEST_TOLD: usize = 100;

fn change(before: &Value, after: &Value) -> String {
    let Some(is) = after.as_object() else { return String::new() };
    let told: Vec<String> = match before.as_object() {
        Some(was) => is.iter().map(|(name, is)| told(name, was.get(name), is)).collect(),
        None => is.iter().filter(|(name, _)| is.len() <= MOST_TOLD || *name == "name").map(|(name, is)| told(name, None, is)).collect(),
    };
    clipped(told.join(", "))
}

fn told(name: &str, was: Option<&Value>, is: &Value) -> String {
    match was {
        Some(was) => format!("{name}: {was} → {is}"),
        None => format!("{name}: {is}"),
    }
}

fn clipped(text: String) -> String {
    let end = text.char_indices().nth(LONGEST_TOLD).map(|(at, _)| at);
    end.map_or(text.clone(), |at| format!("{}…", &text[..at]))
}
