//! What every change leaves behind: an entry of the audit, and what webhooks tell of it, in the change's own transaction, so that neither is ever there
//! without the other.

use serde_json::{Map, Value};

use super::Services;
use crate::domain::act::Act;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::store::Connection;
use crate::store::audit::{self, Entry};

/// What was done to what.
pub(crate) struct Change<'a> {
    /// What was done.
    pub event: Event,
    /// To what: its id; empty where it is the whole server.
    pub target: &'a str,
    /// Whose it is.
    pub account: Option<&'a str>,
    /// The whole of it as it was; null where it was made.
    pub before: Value,
    /// The whole of it as it is now.
    pub after: Value,
}

impl Services {
    /// Writes a change down. Called inside its transaction.
    pub(crate) fn journal(&self, connection: &Connection, act: &Act, change: Change<'_>) -> Result<()> {
        self.announce(connection, change.event, &change.after, act.at)?;
        self.enter(connection, act, change)
    }

    /// The same for the audit alone: what is no news for a webhook.
    pub(crate) fn enter(&self, connection: &Connection, act: &Act, change: Change<'_>) -> Result<()> {
        let (before, after) = differing(&change.before, &change.after);
        let entry = Entry {
            id: self.next_id(connection, id::AUDIT, act.at)?,
            at: act.at,
            actor: act.actor.name().to_owned(),
            origin: act.origin.clone(),
            request_id: act.request_id.clone(),
            action: change.event.name().to_owned(),
            target: change.target.to_owned(),
            account: change.account.map(str::to_owned),
            before,
            after,
        };
        audit::insert(connection, &entry)
    }

    /// An id for a record that is made in this transaction: committed in this order, they sort in this order.
    pub(crate) fn next_id(&self, connection: &Connection, kind: &str, now: Timestamp) -> Result<String> {
        self.ids.next(kind, now, |bound| audit::newest(connection, bound))
    }
}

/// What differs between two records: each field as it was and as it is.
fn differing(before: &Value, after: &Value) -> (Value, Value) {
    let (Value::Object(was), Value::Object(is)) = (before, after) else { return (before.clone(), after.clone()) };
    let part = |of: &Map<String, Value>, other: &Map<String, Value>| {
        of.iter().filter(|(name, value)| other.get(*name) != Some(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    (Value::Object(part(was, is)), Value::Object(part(is, was)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_kept() {
        let told = differing(&json!({"id": 1, "plan": "free", "gone": 2}), &json!({"id": 1, "plan": "pro", "new": 3}));
        assert_eq!(told, (json!({"plan": "free", "gone": 2}), json!({"plan": "pro", "new": 3})));
        assert_eq!(differing(&Value::Null, &json!({"id": 1})), (Value::Null, json!({"id": 1})));
    }
}
