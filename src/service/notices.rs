//! What is told before it happens, once each: quotas that are nearly or wholly used up, and balances that run low.

use serde_json::json;

use super::meter::subject::{Reached, SubjectId};
use super::webhooks::Announcer;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::store::Connection;
use crate::store::accounts::StoredAccount;
use crate::store::notices::{self, Notice};

/// A quota of which a part is used, and one that is used up.
const QUOTA_WARNING: &str = "quota.warning";
const QUOTA_REACHED: &str = "quota.reached";

/// A balance that has fallen to the threshold.
const BALANCE_LOW: &str = "balance.low";

/// How a balance came to be what it is.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// As it was stored before.
    pub stored: i64,
    /// As it stood just before the change: refilled, where a billing day went by.
    pub before: i64,
    /// Whether something was only put back: then it was never really above.
    pub is_refund: bool,
}

impl Announcer {
    /// At how many percent a quota is told of; none where nobody wants to know.
    pub(super) fn percentages(&self) -> &[u8] {
        if self.is_wanted(QUOTA_WARNING) || self.is_wanted(QUOTA_REACHED) { &self.notices().quota } else { &[] }
    }

    /// Tells of a percentage of a quota, unless it was told of in this window already.
    pub(super) fn quota_reached(&self, connection: &Connection, subject: &SubjectId, reached: &Reached, now: Timestamp) -> Result<()> {
        let (account, key) = match subject {
            SubjectId::Key { id, account } => (account, Some(id)),
            SubjectId::Account(id) => (id, None),
            SubjectId::Address(_) => return Ok(()),
        };
        let event = if reached.percent >= 100 { QUOTA_REACHED } else { QUOTA_WARNING };
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

    /// Tells of a balance that a change brought down to the threshold, once until it is above it again.
    pub(super) fn balance_moved(&self, connection: &Connection, account: &StoredAccount, moved: Moved, now: Timestamp) -> Result<()> {
        let (low, after, id) = (self.notices().balance_low, account.balance.total(), account.record.id.as_str());
        let is_risen = (moved.before > moved.stored && moved.before > low) || (after > low && after > moved.before && !moved.is_refund);
        let is_fallen = after <= low && moved.before.max(moved.stored) > low;
        if !(is_risen || is_fallen) || !self.is_wanted(BALANCE_LOW) {
            return Ok(());
        }
        if is_risen {
            notices::forget(connection, id, BALANCE_LOW)?;
        }
        let notice = Notice { subject: id, notice: BALANCE_LOW, about: Timestamp::default(), until: Timestamp::MAX };
        if !is_fallen || !notices::remember(connection, &notice)? {
            return Ok(());
        }
        self.announce(connection, BALANCE_LOW, &json!({ "account": id, "balance": after, "threshold": low }), now)
    }
}
