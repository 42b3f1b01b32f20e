//! `[history]`: how long what has happened is kept.

use super::reader::Table;
use crate::domain::time::Span;

/// How long what has happened is kept.
#[derive(Clone, Copy, Debug)]
pub struct HistorySettings {
    /// Usage by the hour.
    pub usage_by_hour: Span,
    /// Usage by the day.
    pub usage_by_day: Span,
    /// The audit.
    pub audit: Span,
    /// The movements of balances.
    pub balance: Span,
    /// Webhooks that were taken, or given up.
    pub webhooks: Span,
    /// Mails and SMS that were taken, or given up.
    pub mails: Span,
}

/// A hundred years: for ever, as far as a server goes.
const LONGEST: u64 = 36_500;

pub(super) fn read(table: Table<'_>) -> Option<HistorySettings> {
    let days = |name, least: u64| table.span(name, least * 86_400..=LONGEST * 86_400);
    // A month of usage is told from its days, and a month's refill stands in the history.
    let (usage_by_hour, usage_by_day) = (days("usage_by_hour", 2), days("usage_by_day", 32));
    let (audit, balance) = (days("audit", 2), days("balance", 32));
    let (webhooks, mails) = (days("webhooks", 1), days("mails", 1));
    table.finish();
    Some(HistorySettings {
        usage_by_hour: usage_by_hour?,
        usage_by_day: usage_by_day?,
        audit: audit?,
        balance: balance?,
        webhooks: webhooks?,
        mails: mails?,
    })
}
