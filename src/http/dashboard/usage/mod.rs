//! Usage: an account's requests over a time, by start, verdict and key, and what is left of its limits now.

pub mod csv;
mod period;
mod told;

use askama::Template;
use http::StatusCode;
pub use period::Period;
use period::Wanted;

use super::chart::Chart;
use super::cut;
use super::shell::Shell;
use super::show::page;
use crate::domain::caller::KeyRecord;
use crate::domain::error::Result as Outcome;
use crate::domain::limit::Count;
use crate::domain::time::Timestamp;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;
use crate::service::standing::{Left, LimitNow};
use crate::service::usage_summary::{Ends, Summary};

/// How many keys can be chosen from, and how many are told apart; more are found by their own page.
const MOST_CHOICES: usize = 20;
const MOST_KEYS: usize = 20;

/// Until so soon a time is told in seconds from now.
const SOON: u64 = 120;

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    s: Shell,
    wanted: Wanted,
    /// Ids and names to choose from.
    choices: Vec<(String, String)>,
    sum: Summary,
    chart: Chart,
    keys: Vec<KeyRow>,
    others: Option<Ends>,
    limits: Vec<LimitNow>,
    balance: Option<i64>,
    now: Timestamp,
}

/// A key, and how its requests ended.
struct KeyRow {
    id: String,
    name: String,
    ends: Ends,
}

/// `GET PREFIX/usage`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let wanted = Wanted::read(&call).await?;
    let (services, act, now) = (&call.front.services, call.act()?, call.now);
    let sum = services.usage_summary(wanted.period.ask(&wanted.account, wanted.key.as_deref(), now)).await?;
    let limits = services.limits_now(&wanted.account, wanted.key_id(), &act).await?;
    let s = Shell::of(&call, "usage");
    let (keys, others) = busiest(&call, &s, &wanted.account, &sum).await?;
    let balance = match services.policy.counts_tokens() {
        true => Some(services.account(&wanted.account, &act).await?.balance.total()),
        false => None,
    };
    let chart = Chart::of(sum.starts.iter().map(|(_, ends)| *ends));
    let choices = choices(&call, &wanted).await?;
    let shown = UsagePage { s, wanted, choices, sum, chart, keys, others, limits, balance, now };
    page(StatusCode::OK, &shown)
}

/// The busiest keys with their names, and the sum of all others.
async fn busiest(call: &Call, s: &Shell, account: &str, sum: &Summary) -> Result<(Vec<KeyRow>, Option<Ends>), Unreadable> {
    let all = sum.keys.as_deref().unwrap_or_default();
    let (first, rest) = all.split_at(all.len().min(MOST_KEYS));
    let ids = first.iter().map(|(id, _)| id.clone()).collect();
    let mut names = call.front.services.key_names(account, ids, &call.act()?).await?;
    let row = |(id, ends): &(String, Ends)| {
        let without = || if id.is_empty() { s.t("usage.no_key").to_owned() } else { id.clone() };
        let name = cut::name(&names.remove(id).unwrap_or_else(without));
        KeyRow { name, id: id.clone(), ends: *ends }
    };
    Ok((first.iter().map(row).collect(), rest.iter().map(|(_, ends)| *ends).reduce(Ends::and)))
}

/// Keys to choose from: the first ones, and the one that is chosen.
async fn choices(call: &Call, wanted: &Wanted) -> Outcome<Vec<(String, String)>, Unreadable> {
    let (services, act) = (&call.front.services, call.act()?);
    let ask = PageAsk { search: None, cursor: String::new(), limit: MOST_CHOICES };
    let first: Vec<KeyRecord> = services.keys(Some(wanted.account.clone()), ask, &act).await?.data;
    let mut choices: Vec<_> = first.into_iter().map(|key| (key.id, key.name)).collect();
    if let Some(chosen) = wanted.key.as_ref().filter(|chosen| choices.iter().all(|(id, _)| id != *chosen)) {
        let name = services.key_names(&wanted.account, vec![chosen.clone()], &act).await?.remove(chosen);
        choices.push((chosen.clone(), name.unwrap_or_else(|| chosen.clone())));
    }
    Ok(choices.into_iter().map(|(id, name)| (id, cut::name(&name))).collect())
}

impl UsagePage {
    /// Whether a limit could be told of a key, if one were chosen.
    fn asks_for_key(&self) -> bool {
        self.limits.iter().any(|now| now.left.is_none() && now.limit.count == Count::Key)
    }

    /// When nothing is counted any more.
    fn reset(&self, left: &Left) -> String {
        match left.reset.millis_since(self.now).div_ceil(1000) {
            0 => self.s.t("usage.full").to_owned(),
            seconds @ ..=SOON => self.s.with("usage.seconds", seconds),
            _ => self.s.instant(&left.reset),
        }
    }
}
