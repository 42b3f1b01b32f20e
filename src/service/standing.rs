//! How limits stand now, for whoever looks at them: nothing is charged, and no verdict comes of it.

use std::sync::Arc;

use super::meter::subject::{Subject, SubjectId};
use super::{Services, accounts::no_such};
use crate::domain::act::Act;
use crate::domain::caller::Caller;
use crate::domain::error::{Error, Result};
use crate::domain::id;
use crate::domain::limit::{Count, Limit};
use crate::domain::time::Timestamp;
use crate::store::{Connection, accounts, keys};

/// A limit as it stands.
#[derive(Clone, Debug)]
pub struct LimitNow {
    /// As it holds, overrides applied.
    pub limit: Limit,
    /// What is left of it; none where that is each key's own and no key was named, or each address's.
    pub left: Option<Left>,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How much may pass at this instant.
    pub remaining: u64,
    /// When nothing is counted any more.
    pub reset: Timestamp,
}

impl LimitNow {
    /// How much of it is used, of [`Limit::burst`].
    pub fn used(&self) -> Option<u64> {
        self.left.map(|left| self.limit.burst().saturating_sub(left.remaining))
    }
}

impl Services {
    /// How the limits of an account stand that all of its keys share; with a key of it, that key's, too. None where nothing is limited.
    pub async fn limits_now(&self, account: &str, key: Option<&str>, act: &Act) -> Result<Vec<LimitNow>> {
        self.check_reach(account, act).await?;
        let (account, key, now) = (account.to_owned(), key.map(str::to_owned), act.at);
        let (policy, meter) = (self.policy.clone(), self.meter.clone());
        let read = move |connection: &Connection| {
            let owner = accounts::by_id(connection, &account)?.ok_or_else(|| no_such(&account))?.record;
            let loaded = |id| {
                let subject = meter.subject(id, now);
                subject.load(connection).map(|()| subject)
            };
            let shared = loaded(SubjectId::Account(account.as_str().into()))?;
            let Some(id) = key else { return Ok((owner.limits_at(&policy.plans, now), None, shared)) };
            let stored = keys::by_id(connection, &id)?.filter(|stored| stored.record.account == account);
            let record = stored.ok_or_else(|| Error::no_such("key", id::KEY, &id))?.record;
            let own = loaded(SubjectId::Key { id: id.as_str().into(), account: account.as_str().into() })?;
            Ok((Caller::of_key(record, owner, &policy.plans, now).limits, Some(own), shared))
        };
        let (limits, own, shared) = self.store.read(read).await?;
        let left = |limit: &Limit| match limit.count {
            Count::Key => own.as_ref().map(|own| left_of(own, limit, now)),
            Count::Account => Some(left_of(&shared, limit, now)),
            Count::Address => None,
        };
        Ok(limits.into_iter().map(|limit| LimitNow { left: left(&limit), limit }).collect())
    }
}

fn left_of(subject: &Arc<Subject>, limit: &Limit, now: Timestamp) -> Left {
    let look = subject.lock().window(limit).window.look(limit, 0, now);
    Left { remaining: look.remaining, reset: look.reset }
}
