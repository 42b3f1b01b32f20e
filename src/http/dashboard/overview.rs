//! What the whole server does, for whoever administrates it: its requests over a time, who is busiest, how long answers take, how it
//! grows, and what needs a look.

use askama::Template;
use http::StatusCode;

use super::chart::Chart;
use super::shell::Shell;
use super::show::page;
use super::usage::Period;
use crate::domain::time::Timestamp;
use crate::domain::usage::UsageAsk;
use crate::http::faults::LATEST;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::measure::{Histogram, Within};
use crate::service::metrics::Kind;
use crate::service::overview::{Busiest, Growth, Known};
use crate::service::usage_summary::Summary;

/// Of how many in a hundred it is told how long they took at the most.
const PERCENTS: [u64; 3] = [50, 95, 99];

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    s: Shell,
    period: Period,
    sum: Summary,
    chart: Chart,
    look: Vec<Look>,
    busiest: Option<Known<Busiest>>,
    latencies: Vec<(String, u64, [String; 3])>,
    since: Timestamp,
    growth: Option<Known<Growth>>,
}

/// Something that needs a look.
struct Look {
    text: String,
    /// Where, below the dashboard's start.
    place: &'static str,
}

/// `GET PREFIX/admin`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let mut query = call.query(&["period", "done"]);
    let period = Period::read(&mut query);
    query.finish()?;
    let period = period.unwrap_or(Period::Day);
    let (services, now) = (&call.front.services, call.now);
    let ask = UsageAsk { account: None, ..period.ask("", None, now) };
    let sum = services.usage_of_all(ask.clone()).await?;
    let (busiest, growth) = tokio::join!(services.busiest(&ask), services.growth(now));
    let s = Shell::of(&call, "admin-overview");
    let (look, latencies) = (needs_a_look(&call, &s).await?, latencies(&call, &s));
    let chart = Chart::of(sum.starts.iter().map(|(_, ends)| *ends));
    page(StatusCode::OK, &OverviewPage { s, period, sum, chart, look, busiest, latencies, since: services.metrics.since, growth })
}

/// What somebody should look at, the most urgent first.
async fn needs_a_look(call: &Call, s: &Shell) -> Result<Vec<Look>, Unreadable> {
    let services = &call.front.services;
    let (backlog, backup) = (services.backlog().await?, services.last_backup().await?);
    let (errors, _) = LATEST.counts();
    let open = services.metrics.applications_open.get().unwrap_or(0);
    let (mails, messages) = (backlog.mails_given_up, backlog.webhooks_given_up);
    let (warnings, waits) = (services.policy.warnings.len() as u64, services.policy.waits.len() as u64);
    let only_logged = u64::from(services.policy.sign_in.enabled && services.policy.mail.is_none() && services.policy.sms.is_none());
    let (is_old, told) = match &backup {
        None => (true, s.t("overview.no_backup")),
        Some(backup) => (backup.is_old(call.now), s.t("overview.old_backup")),
    };
    let all = [
        (errors, s.with("overview.errors", s.number(errors)), "admin/system"),
        (mails, s.with("overview.mails", s.number(mails)), "admin/outbox?state=given_up"),
        (messages, s.with("overview.messages", s.number(messages)), "admin/outbox/webhooks?state=given_up"),
        (open, s.with("overview.open", s.number(open)), "admin/applications"),
        (only_logged, s.t("overview.only_logged").to_owned(), "admin/outbox"),
        (warnings, s.with("overview.warnings", s.number(warnings)), "admin/system"),
        (waits, s.with("overview.waits", s.number(waits)), "admin/system"),
        (u64::from(is_old), told.to_owned(), "admin/system"),
    ];
    let look = |(_, text, place)| Look { text, place };
    Ok(all.into_iter().filter(|(count, ..)| *count > 0).map(look).collect())
}

/// How long it took to answer since the start; what nobody asked for is left out.
fn latencies(call: &Call, s: &Shell) -> Vec<(String, u64, [String; 3])> {
    let metrics = &call.front.services.metrics;
    let all = [
        (s.t("overview.decisions"), &metrics.decisions),
        (s.t("overview.gate"), metrics.requests(Kind::Gate)),
        (s.t("overview.check"), metrics.requests(Kind::Check)),
        (s.t("overview.verify"), metrics.requests(Kind::Verify)),
        (s.t("overview.admin"), metrics.requests(Kind::Admin)),
    ];
    let row = |(text, histogram): (&str, &Histogram)| {
        let (count, times) = histogram.within(PERCENTS)?;
        Some((text.to_owned(), count, times.map(|time| s.within(time))))
    };
    all.into_iter().filter_map(row).collect()
}

impl Shell {
    /// How long something took at the most.
    fn within(&self, time: Within) -> String {
        match time {
            Within::Time(time) if time.as_micros() < 1000 => self.with("overview.micros", time.as_micros()),
            Within::Time(time) if time.as_millis() < 1000 => self.with("overview.millis", time.as_micros() as f64 / 1000.0),
            Within::Time(time) => self.with("overview.seconds", time.as_secs_f64()),
            Within::Longer => self.t("overview.longer").to_owned(),
        }
    }

    /// The page of an account or a key, below the dashboard's start, where there is one.
    fn place_of(&self, id: &str) -> Option<String> {
        let folder = match id.split('_').next() {
            Some("acc") => "accounts",
            Some("key") => "keys",
            _ => return None,
        };
        Some(format!("admin/{folder}/{id}"))
    }
}
