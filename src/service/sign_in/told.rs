//! What users are told of what was changed of them, whoever changed it: at an address that was theirs before.

use serde_json::json;

use crate::domain::error::Result;
use crate::domain::letter::{Template, spoken_instant};
use crate::domain::proof::Channel;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRecord;
use crate::service::Services;
use crate::service::mails::Letter;
use crate::store::Connection;

impl Services {
    /// Tells a user that their password was changed.
    pub(crate) fn tell_of_password(&self, connection: &Connection, was: &UserRecord, now: Timestamp) -> Result<()> {
        self.tell_user(connection, was, Template::PasswordChanged, json!({ "name": was.name, "at": spoken_instant(now) }), now)
    }

    /// Tells a user what became of their address, or number: at the old one, that `is` is in its place, or none; or of the first of its
    /// kind, at the other.
    pub(crate) fn tell_of_address(
        &self,
        connection: &Connection,
        was: &UserRecord,
        channel: Channel,
        is: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        let (name, at) = (&was.name, spoken_instant(now));
        let (old, template, fields) = match (was.proven(channel), is) {
            (old, new) if old == new => return Ok(()),
            (Some(old), Some(new)) => (old, Template::Changed, json!({ "name": name, "new": new })),
            (Some(old), None) => (old, Template::AddressRemoved, json!({ "name": name, "at": at })),
            (None, new) => {
                let fields = json!({ "name": name, "new": new, "at": at });
                return self.tell_user(connection, was, Template::AddressAdded, fields, now);
            }
        };
        self.tell(connection, Letter { channel, address: old, template, fields, secret_of: None }, now)
    }
}
