//! `tollgate token …`.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use super::Failure;
use super::args::TokenCommand;
use super::client::{Client, segment};
use super::output::{Output, table};
use crate::config::Policy;

const COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("SCOPES", "scopes"),
    ("ACCOUNT", "account"),
    ("CREATED", "created_at"),
    ("EXPIRES", "expires_at"),
    ("REVOKED", "revoked_at"),
];

pub async fn run(command: TokenCommand, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, command, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, command: TokenCommand, output: &Output) -> Result<(), Failure> {
    match command {
        TokenCommand::Create { scopes, name, account, expires, quiet } => {
            let body = json!({ "scopes": scopes, "name": name, "account": account, "expires": expires });
            let token = client.call(Method::POST, "/tokens", Some(body)).await?;
            let raw = token["token"].as_str().unwrap_or_default();
            if quiet && !output.is_json() {
                output.print(raw);
            } else {
                output.result(&token, || {
                    format!(
                        "{} ({})\n\n  {raw}\n\nThis is the token. It is shown this once: only its hash is kept.",
                        token["id"].as_str().unwrap_or_default(),
                        scopes.join(", ")
                    )
                });
            }
        }
        TokenCommand::List => {
            let list = client.list("/tokens", &[]).await?;
            output.result(&list, || table(&list, &COLUMNS, "There are no service tokens yet: tollgate token create --scope verify"));
        }
        TokenCommand::Revoke { id } => {
            client.call(Method::DELETE, &format!("/tokens/{}", segment(&id)), None).await?;
            output.result(&json!({ "id": id, "revoked": true }), || format!("{id} is revoked."));
        }
    }
    Ok(())
}
