//! `tollgate application …`.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use super::Failure;
use super::args::ApplicationCommand;
use super::client::{Client, segment};
use super::output::{Output, record, table};
use crate::config::Policy;

const COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("STATE", "state"),
    ("PLAN", "plan"),
    ("ACCOUNT", "account"),
    ("USER", "user"),
    ("VOLUME", "volume"),
    ("CREATED", "created_at"),
];

pub async fn run(command: ApplicationCommand, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, command, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, command: ApplicationCommand, output: &Output) -> Result<(), Failure> {
    let path = |id: &str| format!("/applications/{}", segment(id));
    let application = match command {
        ApplicationCommand::List { state, account } => {
            let list = client.list("/applications", &[("state", state.as_deref()), ("account", account.as_deref())]).await?;
            output.result(&list, || table(&list, &COLUMNS, "There are no such applications."));
            return Ok(());
        }
        ApplicationCommand::Show { id } => client.call(Method::GET, &path(&id), None).await?,
        ApplicationCommand::Approve { id, note, plan_until } => {
            let body = json!({ "note": note, "plan_until": plan_until });
            client.call(Method::POST, &format!("{}/approve", path(&id)), Some(body)).await?
        }
        ApplicationCommand::Reject { id, note } => {
            client.call(Method::POST, &format!("{}/reject", path(&id)), Some(json!({ "note": note }))).await?
        }
    };
    output.result(&application, || record(&application));
    Ok(())
}
