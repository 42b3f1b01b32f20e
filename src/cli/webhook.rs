//! `tollgate webhook …`.

use std::sync::Arc;

use http::Method;

use super::Failure;
use super::args::WebhookCommand;
use super::client::{Client, segment};
use super::output::{Output, table};
use crate::config::Policy;

const ENDPOINTS: [(&str, &str); 5] =
    [("NAME", "name"), ("URL", "url"), ("EVENTS", "events"), ("WAITING", "waiting"), ("GIVEN UP", "given_up")];

const MESSAGES: [(&str, &str); 8] = [
    ("ID", "id"),
    ("ENDPOINT", "endpoint"),
    ("EVENT", "event"),
    ("STATE", "state"),
    ("TRIES", "tries"),
    ("CREATED", "created_at"),
    ("NEXT TRY", "due_at"),
    ("FAULT", "fault"),
];

pub async fn run(command: WebhookCommand, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, command, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, command: WebhookCommand, output: &Output) -> Result<(), Failure> {
    match command {
        WebhookCommand::List => {
            let list = client.call(Method::GET, "/webhooks", None).await?;
            output.result(&list, || table(&list, &ENDPOINTS, "There are no webhooks: name one in auth.toml, as [webhooks.NAME]"));
        }
        WebhookCommand::Messages { endpoint, state } => {
            let query = [("endpoint", endpoint.as_deref()), ("state", state.as_deref())];
            let list = client.list("/webhooks/messages", &query).await?;
            output.result(&list, || table(&list, &MESSAGES, "There are no such messages."));
        }
        WebhookCommand::Retry { id } => {
            let message = client.call(Method::POST, &format!("/webhooks/messages/{}/retry", segment(&id)), None).await?;
            output.result(&message, || format!("{id} is sent again{}.", client.once_it_runs()));
        }
        WebhookCommand::Test { name } => {
            let message = client.call(Method::POST, &format!("/webhooks/{}/test", segment(&name)), None).await?;
            let id = message["id"].as_str().unwrap_or_default();
            output.result(&message, || {
                format!("{id} goes to {name}{}. What became of it: tollgate webhook messages --endpoint {name}", client.once_it_runs())
            });
        }
    }
    Ok(())
}
