//! The configuration in the audit: which one holds since when, be it that it was taken while tollgate served, or between two runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Services;
use super::journal::Change;
use crate::config::Policy;
use crate::domain::act::Act;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::store::Connection;
use crate::store::audit::{self, Filter};

/// A digest of each section.
type Digests = BTreeMap<String, String>;

impl Services {
    /// Notes that this configuration took another one's place.
    pub async fn note_taken(self: &Arc<Self>, old: &Policy, act: &Act) -> Result<()> {
        let sections: Vec<String> = self.policy.sections_unlike(old).into_iter().map(str::to_owned).collect();
        let (services, act, before) = (self.clone(), act.clone(), of(&old.digests, &sections));
        let job = move |connection: &Connection| services.journal(connection, &act, services.taken(&sections, before));
        self.store.write(job, |()| ()).await
    }

    /// Notes the configuration of this start, where it is another than the one that was noted last. Secrets are not looked at:
    /// nothing of them is written down. The very first one is no news for anybody, and webhooks do not tell of it.
    pub async fn note_started(self: &Arc<Self>, act: &Act) -> Result<()> {
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            let last = last_noted(connection)?;
            let old = last.clone().unwrap_or_default();
            let sections: Vec<String> = services.policy.digests_unlike(&old).into_iter().map(str::to_owned).collect();
            match last {
                _ if sections.is_empty() => Ok(()),
                None => services.enter(connection, &act, services.taken(&sections, Value::Null)),
                Some(old) => services.journal(connection, &act, services.taken(&sections, of(&old, &sections))),
            }
        };
        self.store.write(job, |()| ()).await
    }

    /// That the configuration in force was taken: it differs in these sections. All digests are kept, for the next start.
    fn taken(&self, sections: &[String], before: Value) -> Change<'static> {
        let after = json!({ "sections": sections, "waiting": self.policy.waits, "digests": self.policy.digests });
        Change { event: Event::ConfigTaken, target: "", account: None, before, after }
    }
}

/// The digests of these sections as they were.
fn of(digests: &Digests, sections: &[String]) -> Value {
    let were: Digests = sections.iter().filter_map(|name| Some((name.clone(), digests.get(name)?.clone()))).collect();
    json!({ "digests": were })
}

/// The digests that were noted last.
fn last_noted(connection: &Connection) -> Result<Option<Digests>> {
    let (target, action) = (Some(String::new()), Some(Event::ConfigTaken.name().to_owned()));
    let newest = audit::list(connection, &Filter { target, action, limit: 1, ..Filter::default() })?.pop();
    Ok(newest.and_then(|entry| serde_json::from_value(entry.after["digests"].clone()).ok()))
}
