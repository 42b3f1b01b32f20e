//! The machine behind it all: what runs, its database and backup, its configuration, what waits to be sent, what went wrong, what was
//! dropped. All of it is known elsewhere, and only shown here.

use std::fmt::Display;

use askama::Template;
use http::StatusCode;

use super::shell::Shell;
use super::show::page;
use crate::config::Policy;
use crate::domain::size::spoken_bytes;
use crate::domain::time::Timestamp;
use crate::http::faults::{Fault, LATEST};
use crate::http::process::Process;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::Services;
use crate::service::sign_in::throttle::Deed;
use crate::service::system::{Backlog, Backup};
use crate::store::figures::Size;
use crate::store::state::State;

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage<'a> {
    s: Shell,
    version: &'static str,
    since: Timestamp,
    address: Option<&'a str>,
    connections: u64,
    memory: Option<u64>,
    /// Why it cannot work now.
    trouble: Option<String>,
    file: String,
    database: State,
    size: Size,
    backup: Option<Backup>,
    is_backup_old: bool,
    policy: &'a Policy,
    configured_at: Timestamp,
    backlog: Backlog,
    dropped: [(String, u64); 6],
    faults: Vec<Fault>,
    errors: u64,
    warnings: u64,
}

impl Shell {
    /// A size as people read it; templates hand it over in more than one way.
    fn bytes(&self, bytes: impl Display) -> String {
        let text = bytes.to_string();
        text.parse().map_or(text, spoken_bytes)
    }
}

/// `GET PREFIX/admin/system`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let s = Shell::of(&call, "admin-system");
    let trouble = services.store.ready().await.err().map(|error| error.to_string());
    let (database, backup, backlog) = (services.database_state().await?, services.last_backup().await?, services.backlog().await?);
    let is_backup_old = backup.as_ref().is_none_or(|backup| backup.is_old(call.now));
    let serving = services.serving.get();
    let (errors, warnings) = LATEST.counts();
    let dropped = dropped(&s, services);
    page(
        StatusCode::OK,
        &SystemPage {
            version: env!("CARGO_PKG_VERSION"),
            since: serving.map_or(services.metrics.since, |serving| serving.since),
            address: serving.map(|serving| serving.address.as_str()),
            connections: services.metrics.connections.get(),
            memory: Process::read().resident,
            trouble,
            file: services.policy.server.database.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            database,
            size: services.store.size(),
            backup,
            is_backup_old,
            policy: &services.policy,
            configured_at: services.configured_at,
            backlog,
            dropped,
            faults: LATEST.all(),
            errors,
            warnings,
            s,
        },
    )
}

/// What was not done since the start, and of which nobody else may have been told.
fn dropped(s: &Shell, services: &Services) -> [(String, u64); 6] {
    let (metrics, writing, throttles) = (&services.metrics, services.store.writing(), &services.sign_in.throttles);
    let told = [
        (s.t("system.commits_failed"), writing.failed.get()),
        (s.t("system.unwritten"), writing.unwritten.get()),
        (s.t("system.denied"), services.meter.leases.denied.get()),
        (s.t("system.overflowed"), metrics.webhooks_overflowed.get()),
        (s.t("system.mails_lost"), metrics.mails_given_up.get()),
        (s.t("system.throttled"), Deed::ALL.iter().map(|deed| throttles.refused(*deed)).sum()),
    ];
    told.map(|(text, count)| (text.to_owned(), count))
}
