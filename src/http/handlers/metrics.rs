//! `GET /auth/metrics`: what is counted, as Prometheus reads it. No label holds an id, a name or a path: each has as many values as
//! stand in the code.

use std::time::Duration;

use http::StatusCode;

use crate::domain::verdict::Verdict;
use crate::http::exposition::{CONTENT_TYPE, Exposition};
use crate::http::process::Process;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::upstream::Upstream;
use crate::http::upstream::outcome::Outcome;
use crate::service::Services;
use crate::service::metrics::Kind;
use crate::service::sign_in::throttle::Deed;
use crate::store::outbox;

/// How long a thread of the database is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// All of it. It waits for no thread of the database for long, so it answers also where that hangs.
pub async fn metrics(call: Call) -> Result<Response, Unreadable> {
    let (services, mut text) = (&call.front.services, Exposition::default());
    gate(&mut text, services);
    sign_in(&mut text, services);
    memory(&mut text, services);
    leases(&mut text, services);
    database(&mut text, services);
    webhooks(&mut text, services).await;
    mails(&mut text, services).await;
    connections(&mut text, services);
    if let Some(upstream) = &call.front.upstream {
        app(&mut text, upstream);
    }
    process(&mut text, services);
    Ok(response::text(StatusCode::OK, CONTENT_TYPE, text.into_text()))
}

fn gate(text: &mut Exposition, services: &Services) {
    let of_requests = Verdict::ALL.iter().filter(|verdict| !verdict.is_of_sign_in());
    let verdicts = of_requests.map(|verdict| (verdict.name(), services.meter.counted(*verdict)));
    text.counters(
        "tollgate_requests_total",
        "Requests that were counted, by verdict: those to the gate, and asks of proxies and apps.",
        "verdict",
        verdicts,
    );
    let help = "Time that one decision took, asks that charge nothing included.";
    text.histogram("tollgate_decision_duration_seconds", help, &services.metrics.decisions);
    let help = "Time from a request's head to the head of its answer, by where it went; to the gate with what the app took.";
    let kinds = Kind::ALL.iter().map(|kind| (kind.name(), services.metrics.requests(*kind)));
    text.histograms("tollgate_request_duration_seconds", help, "kind", kinds);
    text.counter("tollgate_balance_charges_total", "Times that tokens were taken from a balance.", services.metrics.charges.get());
    let help = "Tokens that were taken from balances, those given back later included.";
    text.counter("tollgate_balance_charged_tokens_total", help, services.metrics.charged_tokens.get());
}

/// What somebody who comes to sign in can be told.
const OF_SIGN_IN: [Verdict; 11] = [
    Verdict::Ok,
    Verdict::Missing,
    Verdict::Unknown,
    Verdict::Disabled,
    Verdict::NotVerified,
    Verdict::TooManyTries,
    Verdict::SecondFactorNeeded,
    Verdict::BadRequest,
    Verdict::NotConfigured,
    Verdict::Unavailable,
    Verdict::Internal,
];

fn sign_in(text: &mut Exposition, services: &Services) {
    let told = OF_SIGN_IN.into_iter().map(|verdict| (verdict.name(), services.metrics.sign_ins(verdict)));
    let help = "Those who came to sign in, by what they were told; refreshing a session is none.";
    text.counters("tollgate_sign_ins_total", help, "verdict", told);
    let throttles = &services.sign_in.throttles;
    let refused = Deed::ALL.map(|deed| (deed.name(), throttles.refused(deed)));
    text.counters("tollgate_throttled_total", "Times that [sign_in.throttle] told somebody to wait, by what they did.", "deed", refused);
}

fn memory(text: &mut Exposition, services: &Services) {
    let (keys, tokens, signed_in) = (&services.keys, &services.tokens, &services.signed_in);
    let label = "cache";
    text.counters(
        "tollgate_cache_hits_total",
        "Keys, service tokens and access tokens that were remembered.",
        label,
        [("keys", keys.hits.get()), ("tokens", tokens.hits.get()), ("access_tokens", signed_in.hits.get())],
    );
    text.counters(
        "tollgate_cache_misses_total",
        "Keys, service tokens and access tokens that had to be read.",
        label,
        [("keys", keys.misses.get()), ("tokens", tokens.misses.get()), ("access_tokens", signed_in.misses.get())],
    );
    let sizes = [("keys", keys.size()), ("tokens", tokens.size()), ("access_tokens", signed_in.size())];
    text.gauges(
        "tollgate_cache_entries",
        "What is remembered, unknown keys and tokens included.",
        label,
        sizes.map(|(cache, (held, _))| (cache, held)),
    );
    text.gauges("tollgate_cache_capacity_entries", "How many may be remembered.", label, sizes.map(|(cache, (_, most))| (cache, most)));
    text.gauge("tollgate_subjects", "Keys, accounts and addresses whose windows are in memory.", services.meter.len());
    text.gauge(
        "tollgate_subjects_wanted_max",
        "[server] held_windows: with more, idle ones are put away sooner.",
        services.policy.server.held_windows,
    );
}

fn leases(text: &mut Exposition, services: &Services) {
    let leases = &services.meter.leases;
    text.counter("tollgate_leases_asked_total", "Leases of fixed windows that were asked for.", leases.asked.get());
    text.counter("tollgate_leases_returned_total", "Open leases that were given back.", leases.returned.get());
    text.counter("tollgate_leases_denied_total", "Leases, asked for or given back, that the database did not write.", leases.denied.get());
    text.counter("tollgate_lease_waits_total", "Times that a request waited for a lease.", leases.waits.get());
}

fn database(text: &mut Exposition, services: &Services) {
    let (writing, size) = (services.store.writing(), services.store.size());
    text.gauge("tollgate_writer_queue_changes", "Changes that wait to be written, or are being written.", writing.waiting());
    let (written, unwritten) = (writing.written.get(), writing.unwritten.get());
    text.counters(
        "tollgate_writer_changes_total",
        "Changes by what became of their commit.",
        "commit",
        [("done", written), ("failed", unwritten)],
    );
    text.histogram("tollgate_commit_duration_seconds", "Time that a commit took, with all changes in it.", &writing.commits);
    text.counter("tollgate_commits_failed_total", "Commits that failed.", writing.failed.get());
    text.gauges("tollgate_reader_queue_readings", "Readings that wait for a thread.", "readers", services.store.readings());
    let files = [("database", size.database), ("wal", size.log)];
    let files = files.into_iter().filter_map(|(file, bytes)| Some((file, bytes?)));
    text.gauges("tollgate_database_size_bytes", "How large the database and its log of changes are.", "file", files);
    text.gauge_if_known("tollgate_database_disk_free_bytes", "What this user may still write to the database's disk.", size.free);
}

/// What stands in the database; as it was last counted where that does not answer.
async fn webhooks(text: &mut Exposition, services: &Services) {
    let metrics = &services.metrics;
    if let Ok(Ok(waiting)) = tokio::time::timeout(PATIENCE, services.store.list(outbox::waiting)).await {
        metrics.webhooks_waiting.set(waiting.unsigned_abs());
    }
    let help = "Messages that are still to be sent, those that are tried again included.";
    text.gauge_if_known("tollgate_webhooks_waiting_messages", help, metrics.webhooks_waiting.get());
    let help = "Messages that were given up because too many waited for their endpoint.";
    text.counter("tollgate_webhooks_overflowed_messages_total", help, metrics.webhooks_overflowed.get());
}

/// The same for mails and SMS.
async fn mails(text: &mut Exposition, services: &Services) {
    let metrics = &services.metrics;
    if let Ok(Ok(waiting)) = tokio::time::timeout(PATIENCE, services.waiting_mails()).await {
        metrics.mails_waiting.set(waiting);
    }
    let help = "Mails and SMS that are still to be sent, those that are tried again included.";
    text.gauge_if_known("tollgate_mails_waiting", help, metrics.mails_waiting.get());
    let help = "Mails and SMS that were given up: refused for good, expired, or tried too often.";
    text.counter("tollgate_mails_given_up_total", help, metrics.mails_given_up.get());
}

fn connections(text: &mut Exposition, services: &Services) {
    let metrics = &services.metrics;
    text.gauge("tollgate_connections", "Connections of clients that are open, upgraded ones included.", metrics.connections.get());
    text.gauge_if_known("tollgate_connections_max", "How many may be; beyond that new ones wait.", metrics.most_connections.get());
}

fn app(text: &mut Exposition, upstream: &Upstream) {
    let figures = &upstream.figures;
    let outcomes = Outcome::ALL.iter().map(|outcome| (outcome.name(), figures.ended(*outcome)));
    text.counters(
        "tollgate_upstream_requests_total",
        "Requests that were passed on to the app, by what became of them.",
        "outcome",
        outcomes,
    );
    let help = "Time until the app's answer began, or it was clear that there is none.";
    text.histogram("tollgate_upstream_duration_seconds", help, &figures.waits);
    text.gauge("tollgate_upstream_connections", "Connections to the app, used and kept.", figures.connections.get());
}

fn process(text: &mut Exposition, services: &Services) {
    text.gauges("tollgate_build_info", "Always 1: which version runs.", "version", [(env!("CARGO_PKG_VERSION"), 1)]);
    let process = Process::read();
    let since = services.metrics.since.millis() as f64 / 1e3;
    text.gauge("process_start_time_seconds", "When it started, since the Unix epoch.", since);
    text.counter("process_cpu_seconds_total", "What it took of the processors.", process.cpu.as_secs_f64());
    text.gauge_if_known("process_resident_memory_bytes", "Memory that it takes.", process.resident);
    text.gauge_if_known("process_virtual_memory_bytes", "Addresses that it has taken.", process.addresses);
    text.gauge_if_known("process_open_fds", "Files and sockets that are open.", process.open_files);
    text.gauge_if_known("process_max_fds", "How many may be.", process.most_files);
}
