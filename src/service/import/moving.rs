//! The second half of an import: sealed rows move into the database, round by round, each of them once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{About, Slot, What};
use crate::domain::act::{Act, Actor, Expected};
use crate::domain::balance::Movement;
use crate::domain::caller::KeyRecord;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::key::KeyHash;
use crate::domain::token::TokenRecord;
use crate::service::Services;
use crate::service::balance::Cause;
use crate::service::journal::Change;
use crate::store::Connection;
use crate::store::accounts::{self, StoredAccount};
use crate::store::idempotency::{self, Once};
use crate::store::import::{self, Progress, Sealed, Staged};
use crate::store::keys::{self, StoredKey};

/// How many rows move at once: whoever waits for the writer waits so long.
const ROUND: usize = 500;

/// How long to wait before what could not be written is tried again, and how often to look whether it still matters.
const AGAIN: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// Moves the rows of a sealed import.
#[derive(Debug)]
pub struct Mover {
    services: Arc<Services>,
    about: Arc<About>,
    act: Arc<Act>,
    sealed: Sealed,
    progress: Progress,
    _slot: Slot,
}

impl Mover {
    pub(super) fn new(services: Arc<Services>, sealed: Sealed, slot: Slot) -> Result<Self> {
        let about: About = sealed.about()?;
        let act = Arc::new(act_of(&about));
        Ok(Self { services, about: Arc::new(about), act, sealed, progress: Progress::default(), _slot: slot })
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.about.rows
    }

    /// Of what.
    pub fn what(&self) -> What {
        self.about.what
    }

    /// Moves the next round; answers how many rows have moved in all, or `None` once all of it is done. After an error it can
    /// be asked again. On a thread that may wait.
    pub fn step(&mut self) -> Result<Option<u64>> {
        if self.progress.is_done {
            return Ok(None);
        }
        let services = self.services.clone();
        let _moving = services.imports.moving.lock();
        if services.closed.load(Ordering::Acquire) {
            return Err(Error::Unavailable("it is being closed".into()));
        }
        self.progress = match self.about.what {
            What::Accounts => self.round::<StoredAccount>()?,
            What::Keys => self.round::<KeyRecord>()?,
        };
        Ok(Some(self.progress.moved))
    }

    fn round<R: Row>(&self) -> Result<Progress> {
        let rows: Vec<Staged<R>> = self.sealed.after(&self.progress.place, ROUND)?;
        let (services, about, act) = (self.services.clone(), self.about.clone(), self.act.clone());
        let from = self.progress.place.clone();
        let job = move |connection: &Connection| {
            let mut progress = import::progress(connection, &about.name)?;
            // Somebody may have moved these before: a process that was killed, or a round that ended without an answer.
            if progress.is_done || progress.place != from {
                return Ok((progress, Vec::new()));
            }
            let mut hashes = Vec::new();
            for row in rows {
                progress.place.clone_from(&row.place);
                progress.moved += 1;
                hashes.extend(row.record.insert(&services, connection, &row.place, row.id, &act)?);
            }
            if progress.moved == about.rows {
                progress.is_done = true;
                finish(&services, connection, &about, &act)?;
            }
            import::note(connection, &about.name, &progress, act.at)?;
            Ok((progress, hashes))
        };
        let (answer, answered) = std::sync::mpsc::channel();
        let services = self.services.clone();
        self.services.store.post(job, move |result: Result<(Progress, Vec<KeyHash>)>| {
            // Somebody may have tried a key before it was there.
            result.iter().flat_map(|(_, hashes)| hashes).for_each(|hash| services.key_changed(hash));
            // Whoever waited has gone: the rows stand all the same.
            let _ = answer.send(result.map(|(progress, _)| progress));
        });
        answered.recv().unwrap_or_else(|_| Err(Error::Unavailable("the database's thread is gone".into())))
    }

    /// Takes the side file away, once all rows have moved; answers how many there were.
    pub fn clean(self) -> u64 {
        let _moving = self.services.imports.moving.lock();
        if let Err(error) = self.sealed.remove() {
            tracing::warn!("the side file of an import could not be taken away: {error}");
        }
        self.about.rows
    }

    /// Moves all of it, or says why not.
    pub(super) fn finish(mut self) -> Result<()> {
        while self.step()?.is_some() {}
        self.clean();
        Ok(())
    }

    /// Goes on by itself after an error, until it is done or tollgate ends.
    pub fn persist(mut self) {
        let mut waited = Duration::ZERO;
        while !self.services.closed.load(Ordering::Acquire) {
            if waited < AGAIN {
                std::thread::sleep(LOOK);
                waited += LOOK;
                continue;
            }
            match self.step() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    tracing::info!("the import of {} {} is finished", self.rows(), self.what().name());
                    self.clean();
                    return;
                }
                Err(error) => {
                    tracing::error!("an import waits: {error}");
                    waited = Duration::ZERO;
                }
            }
        }
    }
}

/// What an import leaves behind, in the transaction of its last rows.
fn finish(services: &Services, connection: &Connection, about: &About, act: &Act) -> Result<()> {
    if let Some((key, request)) = &about.once {
        let once = Once { operation: about.what.operation(), key: key.clone(), request: *request };
        idempotency::remember(connection, Some(&once), &about.rows.to_string(), act.at)?;
    }
    let event = match about.what {
        What::Accounts => Event::AccountsImported,
        What::Keys => Event::KeysImported,
    };
    let after = json!({ "imported": about.rows });
    services.journal(connection, act, Change { event, target: "", account: None, before: Value::Null, after })
}

/// Who imported, as far as it is told of.
fn act_of(about: &About) -> Act {
    let actor = match about.actor.as_str() {
        "operator" => Actor::Operator,
        id if id.starts_with(id::TOKEN) => Actor::Token(Arc::new(TokenRecord {
            id: id.to_owned(),
            name: String::new(),
            scopes: Vec::new(),
            account: None,
            created_at: about.at,
            expires_at: None,
            revoked_at: None,
        })),
        _ => Actor::Tollgate,
    };
    let (origin, request_id) = (about.origin.clone(), about.request_id.clone());
    Act { actor, origin, request_id, at: about.at, expected: Expected::Any }
}

/// A record that moves; answers the hash that nobody may hold for unknown any more.
trait Row: DeserializeOwned + Send + 'static {
    fn insert(self, services: &Services, connection: &Connection, place: &[u8], id: Option<String>, act: &Act) -> Result<Option<KeyHash>>;
}

impl Row for KeyRecord {
    fn insert(
        mut self,
        services: &Services,
        connection: &Connection,
        place: &[u8],
        id: Option<String>,
        act: &Act,
    ) -> Result<Option<KeyHash>> {
        let hash = place.try_into().map(KeyHash::from_bytes).map_err(|_| Error::Internal("a hash of another length".into()))?;
        self.id = id.map_or_else(|| services.next_id(connection, id::KEY, act.at), Ok)?;
        keys::insert(connection, &StoredKey { hash, record: self })?;
        Ok(Some(hash))
    }
}

impl Row for StoredAccount {
    fn insert(mut self, services: &Services, connection: &Connection, _: &[u8], id: Option<String>, act: &Act) -> Result<Option<KeyHash>> {
        self.record.id = id.map_or_else(|| services.next_id(connection, id::ACCOUNT, act.at), Ok)?;
        accounts::insert(connection, &self)?;
        services.moved(connection, &self, 0, Movement::Set, Cause::Act { act, reason: "imported" })?;
        Ok(None)
    }
}
