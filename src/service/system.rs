//! The machine behind it all, for whoever administrates it: the database, its last backup, and what is still to be sent.

use super::Services;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::time::{Span, Timestamp};
use crate::store::audit::{self, Filter};
use crate::store::mails;
use crate::store::state::{self, State};

/// An older backup is too old.
const GOOD_FOR: Span = Span::from_secs(7 * 86_400);

/// So many messages that were given up are counted; more is many.
const MOST_GIVEN_UP: u64 = 1000;

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// When it was whole.
    pub at: Timestamp,
    /// Where it was put.
    pub file: String,
    /// How large it is.
    pub bytes: u64,
}

impl Backup {
    /// Whether there should be a newer one.
    pub fn is_old(&self, now: Timestamp) -> bool {
        self.at.plus(GOOD_FOR) < now
    }
}

/// What is still to be sent, and what will not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Webhooks that wait.
    pub webhooks: u64,
    /// Webhooks that were given up.
    pub webhooks_given_up: u64,
    /// Mails and SMS that wait.
    pub mails: u64,
    /// Mails and SMS that were given up.
    pub mails_given_up: u64,
}

impl Services {
    /// What a connection of its own says of the database.
    pub async fn database_state(&self) -> Result<State> {
        self.store.read(state::read).await
    }

    /// The last backup that the audit knows of.
    pub async fn last_backup(&self) -> Result<Option<Backup>> {
        let (target, action) = (Some(String::new()), Some(Event::DatabaseBackedUp.name().to_owned()));
        let filter = Filter { target, action, limit: 1, ..Filter::default() };
        let found = self.store.read(move |connection| audit::list(connection, &filter)).await?;
        Ok(found.into_iter().next().map(|entry| Backup {
            at: entry.at,
            file: entry.after["file"].as_str().unwrap_or_default().to_owned(),
            bytes: entry.after["bytes"].as_u64().unwrap_or(0),
        }))
    }

    /// How far the outbox is behind.
    pub async fn backlog(&self) -> Result<Backlog> {
        let webhooks = self.webhooks().await?;
        let mails_given_up = self.store.read(|connection| mails::given_up(connection, MOST_GIVEN_UP)).await?;
        Ok(Backlog {
            webhooks: webhooks.iter().map(|endpoint| endpoint.count.waiting).sum(),
            webhooks_given_up: webhooks.iter().map(|endpoint| endpoint.count.given_up).sum(),
            mails: self.waiting_mails().await?,
            mails_given_up,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_old_after_a_week() {
        let backup = Backup { at: Timestamp::from_millis(1_000), file: String::new(), bytes: 0 };
        let week = backup.at.plus(Span::from_secs(7 * 86_400));
        assert!(!backup.is_old(backup.at) && !backup.is_old(week));
        assert!(backup.is_old(Timestamp::from_millis(week.millis() + 1)));
    }
}
