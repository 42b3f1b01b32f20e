//! Usage in words: starts, sums, limits and verdicts, as its pages and the operator's overview tell them.

use super::period::Period;
use crate::docs::spoken_limit;
use crate::domain::letter::spoken_instant;
use crate::domain::limit::{Count, Limit, Shape};
use crate::domain::time::Timestamp;
use crate::domain::usage::By;
use crate::domain::verdict::Verdict;
use crate::http::dashboard::chart::{Chart, share};
use crate::http::dashboard::shell::Shell;
use crate::service::usage_summary::{Ends, Summary};

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
