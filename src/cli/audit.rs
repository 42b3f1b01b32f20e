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

/// How many fields are told where something was made: a whole record is for `--json`.
const MOST_TOLD: usize = 4;

fn change(before: &Value, after: &Value) -> String {
    let Some(is) = after.as_object() else { return String::new() };
    let Some(was) = before.as_object() else {
        let told = is.iter().filter(|(name, _)| is.len() <= MOST_TOLD || *name == "name");
        return told.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ");
    };
    let fields = is.iter().map(|(name, is)| match was.get(name) {
        Some(was) => format!("{name}: {was} → {is}"),
        None => format!("{name}: {is}"),
    });
    fields.collect::<Vec<_>>().join(", ")
}
