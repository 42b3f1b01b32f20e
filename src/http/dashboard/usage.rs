//! Usage: an account's requests over a time, by start, verdict and key, and what is left of its limits now.

use askama::Template;
use http::StatusCode;

use super::chart::{Chart, share};
use super::keys::account;
use super::shell::Shell;
use super::show::page;
use crate::docs::spoken_limit;
use crate::domain::caller::KeyRecord;
use crate::domain::error::Result as Outcome;
use crate::domain::id;
use crate::domain::letter::spoken_instant;
use crate::domain::limit::{Count, Limit, Shape};
use crate::domain::time::{Span, Timestamp};
use crate::domain::usage::{By, Of, UsageAsk};
use crate::domain::verdict::Verdict;
use crate::http::handlers;
use crate::http::query::Query;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;
use crate::service::standing::{Left, LimitNow};
use crate::service::usage_summary::{Ends, Summary};

/// How many keys can be chosen from, and how many are told apart; more are found by their own page.
const MOST_CHOICES: usize = 20;
const MOST_KEYS: usize = 20;

/// How many characters of a name are shown.
const LONGEST_CHOICE: usize = 40;

/// Until so soon a time is told in seconds from now.
const SOON: u64 = 120;

/// Over which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// 24 hours, by hour.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 90 days.
    Quarter,
}

impl Period {
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// What addresses call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// That of a query.
    pub fn read(query: &mut Query) -> Option<Self> {
        query.parsed("period", |name| Self::from_name(name).ok_or("must be 24h, 7d, 30d or 90d"))
    }

    /// How long each start of it is, and how many there are.
    const fn starts(self) -> (By, u64) {
        match self {
            Self::Day => (By::Hour, 24),
            Self::Week => (By::Day, 7),
            Self::Month => (By::Day, 30),
            Self::Quarter => (By::Day, 90),
        }
    }

    /// What is asked for, of which account and key: up to now, this hour or day with it.
    pub fn ask(self, account: &str, key: Option<&str>, now: Timestamp) -> UsageAsk {
        let (by, count) = self.starts();
        let to = now.floor_to(by.length()).plus(by.length());
        let from = to.minus(Span::from_millis(by.length().millis() * count));
        UsageAsk { account: Some(account.to_owned()), key: key.map(str::to_owned), verdict: None, from, to, by, of: Of::Key }
    }
}

/// What a query says: the account, the key where one is chosen, and the time.
pub struct Wanted {
    /// Whose.
    pub account: String,
    /// Which key, or user.
    pub key: Option<String>,
    /// Over which time.
    pub period: Period,
}

impl Wanted {
    /// Reads it. A key that is not this account's is not there.
    pub async fn read(call: &Call) -> Result<Self, Unreadable> {
        let mut query = call.query(&["period", "key"]);
        let period = Period::read(&mut query);
        let key = query.parsed("key", |text| if text.is_empty() { Ok(None) } else { handlers::usage::is_counted_as(text).map(Some) });
        query.finish()?;
        let account = account(call)?;
        let (_, key) = call.front.services.usage_whose(Some(account.clone()), key.flatten(), &call.act()?).await?;
        Ok(Self { account, key, period: period.unwrap_or(Period::Month) })
    }

    /// The key, where it is one and no user.
    fn key_id(&self) -> Option<&str> {
        self.key.as_deref().filter(|key| id::is(id::KEY, key))
    }

    /// What stands behind an address that leads on with the same.
    fn query(&self) -> String {
        let key = self.key.as_ref().map(|key| format!("&key={key}")).unwrap_or_default();
        format!("?period={}{key}", self.period.name())
    }
}

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
        let mut name = names.remove(id).unwrap_or_else(without);
        shorten(&mut name);
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
    choices.iter_mut().for_each(|(_, name)| shorten(name));
    Ok(choices)
}

/// A name as it fits; the key's own page has all of it.
pub fn shorten(name: &mut String) {
    if let Some((end, _)) = name.char_indices().nth(LONGEST_CHOICE) {
        name.truncate(end);
        name.push('…');
    }
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

impl Shell {
    /// A start of such a time as a table tells it.
    pub fn start(&self, period: &Period, at: &Timestamp) -> String {
        if period.starts().0 == By::Day {
            return self.date(at);
        }
        spoken_instant(*at).get(..16).unwrap_or_default().to_owned()
    }

    /// The day of an instant, UTC.
    pub fn date(&self, at: &Timestamp) -> String {
        spoken_instant(*at).get(..10).unwrap_or_default().to_owned()
    }

    /// The first and the last start.
    pub fn ends(&self, period: &Period, sum: &Summary) -> [String; 2] {
        [sum.starts.first(), sum.starts.last()].map(|start| start.map(|(at, _)| self.start(period, at)).unwrap_or_default())
    }

    /// What a chart shows, in a sentence.
    pub fn told(&self, sum: &Summary, chart: &Chart) -> String {
        let Ends { passed, refused, failed } = sum.all;
        let counts = [sum.all.total(), passed, refused, failed, chart.most].map(|count| self.number(count));
        counts.iter().fold(self.t("usage.told").to_owned(), |text, count| text.replacen("{}", count, 1))
    }

    /// How long the bar of a row is, of 100.
    pub fn share(&self, part: &u64, whole: &u64) -> u64 {
        share(*part, *whole)
    }

    /// Every period, and how it reads.
    pub fn periods(&self) -> [(Period, &str); 4] {
        Period::ALL.map(|period| (period, self.period(period)))
    }

    fn period(&self, period: Period) -> &str {
        match period {
            Period::Day => self.t("usage.day"),
            Period::Week => self.t("usage.week"),
            Period::Month => self.t("usage.month"),
            Period::Quarter => self.t("usage.quarter"),
        }
    }

    /// A limit in words.
    pub fn limit(&self, limit: &Limit) -> String {
        let told = spoken_limit(limit);
        let has_burst = limit.shape == Shape::Rolling && limit.burst() != limit.requests;
        let told = if has_burst { format!("{told}, {}", self.with("usage.at_once", self.number(limit.burst()))) } else { told };
        if limit.observe { format!("{told} ({})", self.t("usage.observed")) } else { told }
    }

    /// Whose requests count together.
    pub fn counts(&self, limit: &Limit) -> &str {
        match limit.count {
            Count::Key => self.t("usage.of_key"),
            Count::Account => self.t("usage.of_account"),
            Count::Address => self.t("usage.of_address"),
        }
    }

    /// A verdict of the gate in words.
    pub fn verdict<'s>(&'s self, name: &'s str) -> &'s str {
        match Verdict::from_name(name) {
            Some(Verdict::Ok) => self.t("verdict.ok"),
            Some(Verdict::Insecure) => self.t("verdict.insecure"),
            Some(Verdict::Ambiguous) => self.t("verdict.ambiguous"),
            Some(Verdict::Misplaced) => self.t("verdict.misplaced"),
            Some(Verdict::Missing) => self.t("verdict.missing"),
            Some(Verdict::Malformed) => self.t("verdict.malformed"),
            Some(Verdict::Reserved) => self.t("verdict.reserved"),
            Some(Verdict::Unknown) => self.t("verdict.unknown"),
            Some(Verdict::Revoked) => self.t("verdict.revoked"),
            Some(Verdict::Expired) => self.t("verdict.expired"),
            Some(Verdict::Disabled) => self.t("verdict.disabled"),
            Some(Verdict::WrongIp) => self.t("verdict.wrong_ip"),
            Some(Verdict::WrongPlan) => self.t("verdict.wrong_plan"),
            Some(Verdict::WrongScope) => self.t("verdict.wrong_scope"),
            Some(Verdict::NoBalance) => self.t("verdict.no_balance"),
            Some(Verdict::QuotaExceeded) => self.t("verdict.quota_exceeded"),
            Some(Verdict::RateLimited) => self.t("verdict.rate_limited"),
            Some(Verdict::Unavailable) => self.t("verdict.unavailable"),
            Some(Verdict::TooLarge) => self.t("verdict.too_large"),
            Some(Verdict::UpstreamDown) => self.t("verdict.upstream_down"),
            Some(Verdict::UpstreamTimeout) => self.t("verdict.upstream_timeout"),
            Some(Verdict::Internal) => self.t("verdict.internal"),
            _ => name,
        }
    }
}
