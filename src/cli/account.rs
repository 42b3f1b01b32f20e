//! `tollgate account …`.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value};

use super::args::{AccountCommand, AccountSettings};
use super::client::{Client, limits, or_null, segment};
use super::output::{Output, record, table};
use super::{Failure, export, import};
use crate::config::Policy;

const COLUMNS: [(&str, &str); 6] =
    [("ID", "id"), ("NAME", "name"), ("KIND", "kind"), ("PLAN", "plan"), ("BALANCE", "balance"), ("DISABLED", "disabled")];

const MOVEMENTS: [(&str, &str); 6] =
    [("AT", "at"), ("KIND", "kind"), ("TOKENS", "tokens"), ("BALANCE", "balance"), ("REASON", "reason"), ("BY", "actor")];

pub async fn run(command: AccountCommand, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let body = body(&command)?;
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, command, body, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, command: AccountCommand, body: Value, output: &Output) -> Result<(), Failure> {
    match command {
        AccountCommand::Create { quiet, .. } => {
            let account = client.call(Method::POST, "/accounts", Some(body)).await?;
            let id = account["id"].as_str().unwrap_or_default();
            if quiet && !output.is_json() {
                output.print(id);
            } else {
                output.result(&account, || format!("{}\n\nNext: tollgate key create --account {id} --name first", record(&account)));
            }
        }
        AccountCommand::List { search } => {
            let nothing = match &search {
                Some(_) => "There are no such accounts.",
                None => "There are no accounts yet: tollgate account create --name NAME",
            };
            let list = client.list("/accounts", &[("search", search.as_deref())]).await?;
            output.result(&list, || table(&list, &COLUMNS, nothing));
        }
        AccountCommand::Show { id } => {
            let account = client.call(Method::GET, &format!("/accounts/{}", segment(&id)), None).await?;
            output.result(&account, || record(&account));
        }
        AccountCommand::History { id, limit } => {
            let list = client.list_some(&format!("/accounts/{}/balance", segment(&id)), &[], limit).await?;
            output.result(&list, || table(&list, &MOVEMENTS, "Its balance has not moved."));
        }
        AccountCommand::Import(args) => import::run(client, "accounts", &args, output).await?,
        AccountCommand::Export(args) => export::run(client, "accounts", &args, output).await?,
        AccountCommand::Set { id, .. } => {
            let account = client.call(Method::PATCH, &format!("/accounts/{}", segment(&id)), Some(body)).await?;
            output.result(&account, || record(&account));
        }
    }
    Ok(())
}

fn body(command: &AccountCommand) -> Result<Value, Failure> {
    let mut map = Map::new();
    match command {
        AccountCommand::Create { name, organization, settings, .. } => {
            map.insert("name".into(), name.as_str().into());
            if *organization {
                map.insert("kind".into(), "organization".into());
            }
            write(settings, &mut map)?;
        }
        AccountCommand::Set { name, settings, .. } => {
            map.extend(name.as_deref().map(|name| ("name".to_owned(), name.into())));
            write(settings, &mut map)?;
        }
        AccountCommand::List { .. }
        | AccountCommand::Show { .. }
        | AccountCommand::History { .. }
        | AccountCommand::Import(_)
        | AccountCommand::Export(_) => {}
    }
    Ok(map.into())
}

fn write(settings: &AccountSettings, map: &mut Map<String, Value>) -> Result<(), Failure> {
    map.extend(settings.plan.as_deref().map(|plan| ("plan".to_owned(), plan.into())));
    map.extend(settings.plan_until.as_deref().map(|until| ("plan_until".to_owned(), or_null(until))));
    map.extend(settings.balance.map(|tokens| ("balance".to_owned(), tokens.into())));
    if settings.disable || settings.enable {
        map.insert("disabled".into(), settings.disable.into());
    }
    map.insert("limits".into(), limits(&settings.limits)?);
    Ok(())
}
