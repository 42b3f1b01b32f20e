//! The agreement that developers accept before their first key: which version, by whom, when and from where.

use std::sync::Arc;

use super::{Services, views};
use crate::config::sign_in::Agreement;
use crate::domain::act::Act;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::store::{Connection, agreements, users};

impl Services {
    /// Whether a user has accepted it, in its version of now.
    pub async fn has_accepted(&self, user: i64, agreement: &Agreement) -> Result<bool> {
        let version = agreement.version.clone();
        self.store.read(move |connection| is_accepted(connection, user, &version)).await
    }

    /// When a user accepted it in a version, where that is known: an import can say that somebody has, and not when.
    pub async fn accepted_at(&self, user: i64, version: &str) -> Result<Option<Timestamp>> {
        let version = version.to_owned();
        self.store.read(move |connection| agreements::accepted_at(connection, user, &version)).await
    }

    /// Whether whoever acts has to accept it before they make a key.
    pub async fn owes_agreement(self: &Arc<Self>, act: &Act) -> Result<bool> {
        if self.policy.sign_in.agreement.is_none() {
            return Ok(false);
        }
        let (services, act) = (self.clone(), act.clone());
        self.store.read(move |connection| services.owes(connection, &act)).await
    }

    /// Fails where a developer has to accept the agreement first.
    pub(super) fn check_agreement(&self, connection: &Connection, act: &Act) -> Result<()> {
        if self.owes(connection, act)? { Err(Error::refused(Verdict::AgreementNeeded)) } else { Ok(()) }
    }

    fn owes(&self, connection: &Connection, act: &Act) -> Result<bool> {
        let (Some(agreement), Some(user)) = (&self.policy.sign_in.agreement, act.developer()) else { return Ok(false) };
        is_accepted(connection, user.id, &agreement.version).map(|accepted| !accepted)
    }

    /// Notes that whoever acts accepts the agreement: the version that is asked for now, and no other. Again does no harm.
    pub async fn accept_agreement(self: &Arc<Self>, version: &str, act: &Act) -> Result<Agreement> {
        let agreement = self.policy.sign_in.agreement.clone();
        let agreement = agreement.ok_or_else(|| Error::NotFound("agreement to accept".into()))?;
        if version != agreement.version {
            return Err(Error::field("version", format!("must be '{}', which is the version of now", agreement.version)));
        }
        let (services, act, version) = (self.clone(), act.clone(), agreement.version.clone());
        let job = move |connection: &Connection| {
            let mut user = services.acting_user(connection, &act)?.ok_or_else(|| Error::refused(Verdict::Missing))?;
            let id = user.id;
            agreements::accept(connection, id, &version, act.at, &act.origin)?;
            if user.agreement.as_ref() == Some(&version) {
                return Ok(id);
            }
            let before = views::user(&user);
            user.agreement = Some(version);
            user.revision += 1;
            users::update(connection, &user)?;
            services.journal_user(connection, Event::AgreementAccepted, before, &user, &act)?;
            Ok(id)
        };
        let services = self.clone();
        self.store.write(job, move |user| services.user_changed(*user)).await?;
        Ok(agreement)
    }
}

/// Whether a user has accepted this version.
fn is_accepted(connection: &Connection, user: i64, version: &str) -> Result<bool> {
    let user = users::find(connection, &users::By::Id(user))?;
    Ok(user.and_then(|user| user.agreement).as_deref() == Some(version))
}
