//! `tollgate key …`.

use std::io::Read;
use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use super::args::{KeyCommand, KeySettings};
use super::client::{Client, limits, or_null, segment};
use super::output::{Output, record, table};
use super::{Failure, export, import};
use crate::config::Policy;
use crate::domain::key::LONGEST;

const COLUMNS: [(&str, &str); 8] = [
    ("ID", "id"),
    ("PREFIX", "prefix"),
    ("NAME", "name"),
    ("ACCOUNT", "account"),
    ("ENVIRONMENT", "environment"),
    ("LAST USED", "last_used_at"),
    ("EXPIRES", "expires_at"),
    ("REVOKED", "revoked_at"),
];

pub async fn run(command: KeyCommand, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let body = body(&command)?;
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, command, body, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, command: KeyCommand, body: Value, output: &Output) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { quiet, .. } => {
            let key = client.call(Method::POST, "/keys", Some(body)).await?;
            show_new(&key, quiet, output);
        }
        KeyCommand::List { account, search } => {
            let list = client.list("/keys", &[("account", account.as_deref()), ("search", search.as_deref())]).await?;
            output.result(&list, || table(&list, &COLUMNS, "There are no such keys: tollgate key create --account ID --name NAME"));
        }
        KeyCommand::Show { id } => {
            let key = client.call(Method::GET, &format!("/keys/{}", segment(&id)), None).await?;
            output.result(&key, || record(&key));
        }
        KeyCommand::Import(args) => import::run(client, "keys", &args, output).await?,
        KeyCommand::Export(args) => export::run(client, "keys", &args, output).await?,
        KeyCommand::Set { id, .. } => {
            let key = client.call(Method::PATCH, &format!("/keys/{}", segment(&id)), Some(body)).await?;
            output.result(&key, || record(&key));
        }
        KeyCommand::Revoke { id } => {
            let path = format!("/keys/{}", segment(&id));
            client.call(Method::DELETE, &path, None).await?;
            let key = client.call(Method::GET, &path, None).await?;
            output.result(&key, || {
                format!("{} is revoked since {}.", key["id"].as_str().unwrap_or_default(), key["revoked_at"].as_str().unwrap_or_default())
            });
        }
        KeyCommand::Rotate { id, quiet, .. } => {
            let key = client.call(Method::POST, &format!("/keys/{}/rotate", segment(&id)), Some(body)).await?;
            show_new(&key, quiet, output);
        }
        KeyCommand::Verify { .. } => {
            let answer = client.call(Method::POST, "/verify", Some(body)).await?;
            output.result(&answer, || {
                format!("{}\n{}", answer["verdict"].as_str().unwrap_or_default(), answer["message"].as_str().unwrap_or_default())
            });
            if answer["valid"] != true {
                return Err(Failure::No);
            }
        }
    }
    Ok(())
}

/// The raw key, this once.
fn show_new(key: &Value, quiet: bool, output: &Output) {
    let raw = key["key"].as_str().unwrap_or_default();
    if quiet && !output.is_json() {
        return output.print(raw);
    }
    output.result(key, || {
        let mut rest = key.clone();
        if let Value::Object(map) = &mut rest {
            map.shift_remove("key");
        }
        format!("{}\n\n  {raw}\n\nThis is the key. It is shown this once: only its hash is kept.", record(&rest))
    });
}

fn body(command: &KeyCommand) -> Result<Value, Failure> {
    let mut map = Map::new();
    match command {
        KeyCommand::Create { account, name, environment, settings, .. } => {
            map.insert("account".into(), account.as_str().into());
            map.insert("name".into(), name.as_str().into());
            map.extend(environment.as_deref().map(|environment| ("environment".to_owned(), environment.into())));
            write(settings, &mut map)?;
        }
        KeyCommand::Set { name, settings, .. } => {
            map.extend(name.as_deref().map(|name| ("name".to_owned(), name.into())));
            write(settings, &mut map)?;
        }
        KeyCommand::Rotate { grace, .. } => map.extend([("grace".to_owned(), grace.as_str().into())]),
        KeyCommand::Verify { stdin, .. } if stdin != "-" => {
            return Err(Failure::Use(
                "the key is read from stdin, so that no history keeps it: printf %s \"$KEY\" | tollgate key verify -".into(),
            ));
        }
        KeyCommand::Verify { path, method, ip, .. } => {
            map.insert("key".into(), from_stdin()?.into());
            map.insert("dry_run".into(), true.into());
            for (name, value) in [("path", path), ("method", method), ("ip", ip)] {
                map.extend(value.as_deref().map(|value| (name.to_owned(), value.into())));
            }
        }
        KeyCommand::List { .. } | KeyCommand::Show { .. } | KeyCommand::Revoke { .. } | KeyCommand::Import(_) | KeyCommand::Export(_) => {}
    }
    Ok(map.into())
}

fn write(settings: &KeySettings, map: &mut Map<String, Value>) -> Result<(), Failure> {
    map.extend(settings.plan.as_deref().map(|plan| ("plan".to_owned(), or_null(plan))));
    map.extend(settings.expires.as_deref().map(|expires| ("expires".to_owned(), or_null(expires))));
    for (name, given) in [("scopes", &settings.scopes), ("ips", &settings.ips)] {
        if !given.is_empty() {
            let given: Vec<&String> = given.iter().filter(|text| !text.is_empty()).collect();
            map.insert(name.into(), json!(given));
        }
    }
    if let Some(metadata) = &settings.metadata {
        let metadata = serde_json::from_str(metadata).map_err(|error| Failure::Use(format!("--metadata is no JSON: {error}")))?;
        map.insert("metadata".into(), metadata);
    }
    if settings.disable || settings.enable {
        map.insert("disabled".into(), settings.disable.into());
    }
    map.insert("limits".into(), limits(&settings.limits)?);
    Ok(())
}

/// A key from stdin; a newline at its end belongs to the shell.
fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let most = 4 * LONGEST as u64;
    std::io::stdin()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Failed(format!("the key cannot be read from stdin: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
