//! What is told before it happens, once each: quotas that are nearly or wholly used up, and balances that run low.

use serde_json::json;

use super::meter::subject::{Reached, SubjectId};
use super::webhooks::Announcer;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::store::Connection;
use crate::store::accounts::StoredAccount;
use crate::store::notices::{self, Notice};

impl Announcer {
    /// At how many percent a quota is told of; none where nobody wants to know.
    pub(super) fn percentages(&self) -> Vec<u8> {
        if self.is_wanted(Event::QuotaWarning) || self.is_wanted(Event::QuotaReached) { self.notices().quota } else { Vec::new() }
    }

    /// Tells of a percentage of a quota, unless it was told of in this window already.
    pub(super) fn quota_reached(&self, connection: &Connection, subject: &SubjectId, reached: &Reached, now: Timestamp) -> Result<()> {
        let (account, key) = match subject {
            SubjectId::Key { id, account } | SubjectId::User { id, account } => (account, Some(id)),
            SubjectId::Account(id) => (id, None),
            SubjectId::Address(_) => return Ok(()),
        };
        let event = if reached.percent >= 100 { Event::QuotaReached } else { Event::QuotaWarning };
        if !self.is_wanted(event) {
            return Ok(());
        }
        let notice = format!("quota {} {}", reached.percent, reached.slot);
        let (row, about, until) = (subject.row(), reached.start, reached.end);
        if !notices::remember(connection, &Notice { subject: &row, notice: &notice, about, until })? {
            return Ok(());
        }
        let mut named = reached.slot.rsplitn(4, '/');
        let (unit, _, window, name) = (named.next(), named.next(), named.next(), named.next());
        let data = json!({
            "account": account,
            "key": key,
            "limit": { "name": name, "window": window, "unit": unit, "requests": reached.requests },
            "percent": reached.percent,
            "used": reached.used,
            "since": reached.start.rfc3339(),
            "until": reached.end.rfc3339(),
        });
        self.announce(connection, event, &data, now)
    }

    /// Tells of a balance that fell to the threshold from `held` above it: once, until it is above again. What is only put back
    /// was never really gone.
    pub(super) fn balance_moved(
        &self,
        connection: &Connection,
        account: &StoredAccount,
        held: i64,
        is_refund: bool,
        at: Timestamp,
    ) -> Result<()> {
        let (low, after, id) = (self.notices().balance_low, account.balance.total(), account.record.id.as_str());
        let (is_fallen, is_raised) = (held > low && after <= low, after > low && after > held && !is_refund);
        if !(is_fallen || is_raised) || !self.is_wanted(Event::BalanceLow) {
            return Ok(());
        }
        let notice = Event::BalanceLow.name();
        if is_raised {
            return notices::forget(connection, id, notice);
        }
        let notice = Notice { subject: id, notice, about: Timestamp::default(), until: Timestamp::MAX };
        if !notices::remember(connection, &notice)? {
            return Ok(());
        }
        self.announce(connection, Event::BalanceLow, &json!({ "account": id, "balance": after, "threshold": low }), at)
    }
}
