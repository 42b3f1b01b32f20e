//! Keys whose end is coming: each is told of once, in bounded rounds, while a server runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;

use super::Services;
use super::webhooks::Announcer;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::key::KeyHash;
use crate::domain::time::{Span, Timestamp};
use crate::store::Connection;
use crate::store::keys::{self, StoredKey};
use crate::store::notices::{self, Notice};

/// How often it is looked which keys have come near their end.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often all of those that are near their end are looked through; sooner where a key was changed, but where they are more than one
/// round they are read for no more than one part in so many of the time.
const ALL_EVERY: Duration = Duration::from_secs(3600);
const SHARE: u32 = 50;

/// How many keys one round looks at.
const ROUND: usize = 500;

/// The last of all hashes: behind it come those that end later.
const LAST: KeyHash = KeyHash::from_bytes([0xff; 32]);

/// How far it was looked.
struct Lookout {
    /// Up to which end.
    looked: Timestamp,
    /// When all were looked through, and how long they were read beyond the first round, which each look has.
    all_at: Option<Instant>,
    all_took: Duration,
}

/// Looks on and on, each time under the configuration in force, until told to stop.
pub async fn watch(current: impl Fn() -> Arc<Services>, mut stop: watch::Receiver<bool>) {
    let mut lookout = Lookout { looked: Timestamp::default(), all_at: None, all_took: Duration::ZERO };
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // Whoever could stop it is gone: so is the server.
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let services = current();
        let announcer = &services.announcer;
        let Some(span) = announcer.notices().expiring.filter(|_| announcer.is_wanted(Event::KeyExpiring)) else { continue };
        if let Err(error) = lookout.look(&services, span, Timestamp::now()).await {
            tracing::warn!("which keys will soon end could not be looked up: {error}");
        }
    }
}

impl Lookout {
    async fn look(&mut self, services: &Arc<Services>, span: Span, now: Timestamp) -> Result<()> {
        let until = now.plus(span);
        let is_due = self.all_at.is_none_or(|at| at.elapsed() >= ALL_EVERY);
        let may = self.all_at.is_none_or(|at| at.elapsed() >= self.all_took * SHARE);
        if is_due || (may && services.ends_changed.swap(false, Ordering::AcqRel)) {
            self.all_at = None;
            let took = go_through(services, (now, LAST), until, now).await?;
            (self.all_at, self.all_took) = (Some(Instant::now()), took);
        } else {
            go_through(services, (self.looked.max(now), LAST), until, now).await?;
        }
        self.looked = until;
        Ok(())
    }
}

/// Goes through the keys that end after `from` and up to `until`, round by round. Answers how long all rounds but the first were read: a
/// disk that is slow to write makes nobody wait.
async fn go_through(services: &Arc<Services>, mut from: (Timestamp, KeyHash), until: Timestamp, now: Timestamp) -> Result<Duration> {
    let mut took = None;
    loop {
        let began = Instant::now();
        let rows = services.store.list(move |connection| look_at_some(connection, from, until)).await?;
        let read = took.map_or(Duration::ZERO, |so_far| so_far + began.elapsed());
        took = Some(read);
        let Some((last, _)) = rows.last() else { return Ok(read) };
        let is_last = rows.len() < ROUND;
        from = (last.record.expires_at.unwrap_or(until), last.hash);
        let untold: Vec<KeyHash> = rows.iter().filter(|(_, is_told)| !is_told).map(|(key, _)| key.hash).collect();
        if !untold.is_empty() {
            let announcer = services.announcer.clone();
            services.store.write(move |connection| tell_all(connection, &announcer, &untold, until, now), |()| ()).await?;
        }
        if is_last {
            return Ok(read);
        }
    }
}

fn look_at_some(connection: &Connection, from: (Timestamp, KeyHash), until: Timestamp) -> Result<Vec<(StoredKey, bool)>> {
    let keys = keys::ending(connection, from, until, ROUND)?;
    let told = |key: StoredKey| {
        let is_told = notices::is_known(connection, &key.record.id, Event::KeyExpiring.name(), key.record.expires_at.unwrap_or(until))?;
        Ok((key, is_told))
    };
    keys.into_iter().map(told).collect()
}

fn tell_all(connection: &Connection, announcer: &Announcer, hashes: &[KeyHash], until: Timestamp, now: Timestamp) -> Result<()> {
    for hash in hashes {
        // Read anew: it may have been changed since.
        let Some(StoredKey { record: key, .. }) = keys::by_hash(connection, hash)? else { continue };
        let Some(end) = key.expires_at.filter(|end| *end <= until && key.revoked_at.is_none() && key.replaced_by.is_none()) else {
            continue;
        };
        if notices::remember(connection, &Notice { subject: &key.id, notice: Event::KeyExpiring.name(), about: end, until: end })? {
            let data = json!({
                "id": key.id,
                "name": key.name,
                "prefix": key.prefix,
                "account": key.account,
                "environment": key.environment,
                "metadata": key.metadata,
                "expires_at": end.rfc3339(),
            });
            announcer.announce(connection, Event::KeyExpiring, &data, now)?;
        }
    }
    Ok(())
}
