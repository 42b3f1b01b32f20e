//! `tollgate serve`.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;

use super::output::Output;
use super::signals::{Hangups, Stops};
use super::{Failure, log, systemd};
use crate::app::{App, Claim, Reloader, Sockets};
use crate::config::{Policy, source};
use crate::domain::act::Act;
use crate::domain::carrier::Carrier;
use crate::domain::time::Timestamp;
use crate::service::Services;

/// Runs the server until SIGTERM or SIGINT; what is under way is finished, everything saved. SIGHUP has it read its configuration
/// again.
pub async fn run(config: Option<&Path>, output: &Output) -> Result<(), Failure> {
    // First of all: whoever tells it to reload while it starts must not end it.
    let hangups = Hangups::catch()?;
    let level = log::level()?;
    let file = source::file(config);
    let policy = Arc::new(Policy::load(file.as_deref()).map_err(|faults| output.faults(&faults))?);
    log::start(level, &policy.log);
    policy.warnings.iter().for_each(|warning| tracing::warn!("config: {warning}"));
    let database = &policy.server.database;
    let lock = match App::claim(database).await? {
        Claim::Ours(lock) => lock,
        Claim::Served(_) => {
            return Err(Failure::Failed(format!(
                "a server runs on the database {} already; stop it first, or name another in [server] database",
                database.display()
            )));
        }
    };
    let mut app = App::open(policy.clone(), lock).await?;
    let sockets = match Sockets::bind(&policy).await {
        Ok(sockets) => sockets,
        Err(error) => {
            app.close().await;
            return Err(error.into());
        }
    };
    let address = sockets.address.clone();
    let services = app.current.services();
    let is_first = services.store.is_new
        || services
            .keys(None, crate::service::PageAsk { limit: 1, ..Default::default() }, &Act::of_tollgate(Timestamp::now()))
            .await
            .is_ok_and(|page| page.data.is_empty());
    // It is in force, written down or not.
    if let Err(error) = services.note_started(&Act::of_tollgate(Timestamp::now())).await {
        tracing::error!("the audit does not tell of the configuration of this start: {error}");
    }
    let (stop, stopping) = watch::channel(false);
    let stopper = tokio::spawn(Stops::catch()?.stop(stop));
    tracing::info!("listening on {address}, database {}", database.display());
    sockets.introduce(&services);
    say_first_link(&services).await;
    if output.is_json() {
        output.print(&json!({ "listening": address, "database": database }).to_string());
    } else if is_first {
        output.print(&what_next(&policy, config, &address));
    }
    systemd::ready(&address);
    app.go_on_with_import();
    app.prepare_passwords();
    let reloader = tokio::spawn(hangups.reload(Reloader::new(app.current.clone(), file), app.current.clone()));
    sockets.run(&app.current, stopping).await;
    stopper.abort();
    reloader.abort();
    app.close().await;
    tracing::info!("stopped; everything is saved");
    Ok(())
}

/// Says how somebody becomes the first administrator, this once: while there is none.
async fn say_first_link(services: &Arc<Services>) {
    match services.make_first_link(Timestamp::now()).await {
        Ok(Some(made)) => tracing::info!(
            "nobody administrates this server yet; whoever opens this link first does, until {}: {}",
            made.until.rfc3339(),
            made.url
        ),
        Ok(None) => {}
        Err(error) => tracing::error!("whether there is an administrator could not be read: {error}"),
    }
}

/// Two lines that work as pasted.
fn what_next(policy: &Policy, config: Option<&Path>, address: &str) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "tollgate".into());
    let with = config.map(|path| format!(" --config {}", quoted(&path.display().to_string()))).unwrap_or_default();
    let tollgate = format!("{}{with}", quoted(&program));
    let (url, socket) = match address.strip_prefix("unix:") {
        Some(path) => ("http://localhost".to_owned(), format!("--unix-socket {} ", quoted(path))),
        None => (address.to_owned(), String::new()),
    };
    let call = match policy.keys.carriers.first() {
        Some(Carrier::Header(name)) => format!("curl -i {socket}{url}/hello -H \"{name}: $KEY\""),
        Some(Carrier::BasicUser) => format!("curl -i {socket}{url}/hello -u \"$KEY:\""),
        Some(Carrier::BasicPassword) => format!("curl -i {socket}{url}/hello -u \"api:$KEY\""),
        Some(Carrier::Scheme(name)) => format!("curl -i {socket}{url}/hello -H \"Authorization: {name} $KEY\""),
        Some(Carrier::Query(name)) => format!("curl -i {socket}\"{url}/hello?{name}=$KEY\""),
        _ => format!("curl -i {socket}{url}/hello -H \"Authorization: Bearer $KEY\""),
    };
    let account = format!("{tollgate} account create --quiet --name me{}", may_call(policy));
    let key = format!("KEY=$({tollgate} key create --quiet --name first --account \"$({account})\")");
    format!("\nThere are no keys yet. In another terminal, make one and call with it:\n\n  {key}\n  {call}\n")
}

/// What a new account needs before its keys may call: a plan with API access, and a balance where that plan asks for one.
fn may_call(policy: &Policy) -> String {
    let default = policy.plans.default();
    let Some(plan) = [default].into_iter().chain(policy.plans.all()).find(|plan| plan.api) else { return String::new() };
    let name = if plan.name == default.name { String::new() } else { format!(" --plan {}", quoted(&plan.name)) };
    let balance = if plan.needs_balance && plan.monthly_tokens == 0 { " --balance 1000" } else { "" };
    format!("{name}{balance}")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
