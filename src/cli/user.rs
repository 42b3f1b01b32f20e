//! `tollgate user …`.

use std::io::Read;
use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use super::args::{UserCommand, UserSettings};
use super::client::{Client, or_null, segment};
use super::output::{Output, record, table};
use super::{Failure, import};
use crate::config::Policy;
use crate::domain::password::LONGEST;

const COLUMNS: [(&str, &str); 8] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("EMAIL", "email"),
    ("PROVEN", "email_verified"),
    ("PHONE", "phone"),
    ("ACCOUNT", "account"),
    ("ADMIN", "admin"),
    ("DISABLED", "disabled"),
];

pub async fn run(command: UserCommand, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let body = body(&command)?;
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, command, body, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, command: UserCommand, body: Value, output: &Output) -> Result<(), Failure> {
    match command {
        UserCommand::Create { quiet, .. } => {
            let user = client.call(Method::POST, "/users", Some(body)).await?;
            if quiet && !output.is_json() {
                output.print(&user["id"].to_string());
            } else {
                output.result(&user, || format!("{}\n\n{}", record(&user), next(&user)));
            }
        }
        UserCommand::First { quiet } => {
            let made = client.call(Method::POST, "/first", None).await?;
            let url = made["url"].as_str().unwrap_or_default();
            if quiet && !output.is_json() {
                output.print(url);
            } else {
                let until = made["expires_at"].as_str().unwrap_or_default();
                output.result(&made, || {
                    format!("Whoever opens this link first becomes the administrator. It counts once, until {until}:\n\n  {url}")
                });
            }
        }
        UserCommand::List { search } => {
            let list = client.list("/users", &[("search", search.as_deref())]).await?;
            output.result(&list, || table(&list, &COLUMNS, "There are no such users: tollgate user create --email ADDRESS"));
        }
        UserCommand::Show { id } => {
            let user = client.call(Method::GET, &format!("/users/{}", segment(&id)), None).await?;
            output.result(&user, || record(&user));
        }
        UserCommand::Delete { id } => {
            client.call(Method::DELETE, &format!("/users/{}", segment(&id)), None).await?;
            output.result(&json!({ "id": id.parse::<i64>().ok(), "deleted": true }), || format!("User {id} is deleted."));
        }
        UserCommand::Import(args) => import::run(client, "users", &args, output).await?,
        UserCommand::Set { id, no_second_factor, sign_out, .. } => {
            let path = format!("/users/{}", segment(&id));
            if body.as_object().is_some_and(|map| !map.is_empty()) {
                client.call(Method::PATCH, &path, Some(body)).await?;
            }
            for part in [no_second_factor.then_some("second-factor"), sign_out.then_some("sessions")].into_iter().flatten() {
                client.call(Method::DELETE, &format!("{path}/{part}"), None).await?;
            }
            let user = client.call(Method::GET, &path, None).await?;
            output.result(&user, || record(&user));
        }
    }
    Ok(())
}

/// How a new user comes to sign in.
fn next(user: &Value) -> String {
    let is = |name: &str| user[name] == true;
    let is_proven = is("email_verified") || is("phone_verified");
    let sentence = match (is_proven, is("has_password")) {
        (true, true) => "They can sign in.",
        (true, false) => {
            "They have no password: they can sign in once they have set one by 'forgot', or with a provider that knows the address."
        }
        (false, true) => {
            "Nobody can sign in yet: the address is not proven. They prove it by the link or code that they are sent, or you do: --verified."
        }
        (false, false) => "Nobody can sign in yet: there is no password, and the address is not proven. They do both by 'forgot'.",
    };
    sentence.to_owned()
}

fn body(command: &UserCommand) -> Result<Value, Failure> {
    let mut map = Map::new();
    let mut say = |name: &str, value: Option<Value>| map.extend(value.map(|value| (name.to_owned(), value)));
    match command {
        UserCommand::Create { email, phone, name, settings, admin, .. } => {
            for (field, text) in [("email", email), ("phone", phone), ("name", name)] {
                say(field, text.as_deref().map(Value::from));
            }
            say("admin", admin.then_some(true.into()));
            write(settings, &mut say)?;
        }
        UserCommand::Set { name, email, phone, settings, disable, enable, admin, no_admin, .. } => {
            for (field, text) in [("email", email), ("phone", phone)] {
                say(field, text.as_deref().map(or_null));
            }
            say("name", name.as_deref().map(Value::from));
            say("disabled", (*disable || *enable).then_some((*disable).into()));
            say("admin", (*admin || *no_admin).then_some((*admin).into()));
            write(settings, &mut say)?;
        }
        UserCommand::First { .. }
        | UserCommand::List { .. }
        | UserCommand::Show { .. }
        | UserCommand::Delete { .. }
        | UserCommand::Import(_) => {}
    }
    Ok(map.into())
}

fn write(settings: &UserSettings, say: &mut impl FnMut(&str, Option<Value>)) -> Result<(), Failure> {
    say("verified", settings.verified.then_some(true.into()));
    match settings.password.as_deref() {
        None => {}
        Some("-") => say("password", Some(from_stdin()?.into())),
        Some(_) => {
            let reason =
                "the password is read from stdin, so that no history keeps it: printf %s \"$PASSWORD\" | tollgate user … --password -";
            return Err(Failure::Use(reason.into()));
        }
    }
    Ok(())
}

/// The first line of stdin.
fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(2 * LONGEST as u64 + 2).read_to_string(&mut text);
    read.map_err(|error| Failure::Failed(format!("the password cannot be read from stdin: {error}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
