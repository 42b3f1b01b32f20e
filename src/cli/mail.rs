//! `tollgate mail …`.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use super::Failure;
use super::args::MailCommand;
use super::client::{Client, segment};
use super::output::{Output, table};
use crate::config::Policy;

const MAILS: [(&str, &str); 8] = [
    ("ID", "id"),
    ("ADDRESS", "address"),
    ("TEMPLATE", "template"),
    ("STATE", "state"),
    ("TRIES", "tries"),
    ("CREATED", "created_at"),
    ("NEXT TRY", "due_at"),
    ("FAULT", "fault"),
];

pub async fn run(command: MailCommand, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, command, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, command: MailCommand, output: &Output) -> Result<(), Failure> {
    match command {
        MailCommand::List { address, channel, state } => {
            let query = [("address", address.as_deref()), ("channel", channel.as_deref()), ("state", state.as_deref())];
            let list = client.list("/mails", &query).await?;
            output.result(&list, || table(&list, &MAILS, "There are no such mails."));
        }
        MailCommand::Retry { id } => {
            let mail = client.call(Method::POST, &format!("/mails/{}/retry", segment(&id)), None).await?;
            output.result(&mail, || format!("{id} is sent again{}.", client.once_it_runs()));
        }
        MailCommand::Test { address } => {
            let mail = client.call(Method::POST, "/mails/test", Some(json!({ "address": address }))).await?;
            let id = mail["id"].as_str().unwrap_or_default();
            let when = client.once_it_runs();
            output.result(&mail, || format!("{id} goes to {address}{when}. What became of it: tollgate mail list --address {address}"));
        }
    }
    Ok(())
}
