//! The second half of an import: sealed rows move into the database, round by round, each of them once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::users::CheckedUser;
use super::{About, Slot, What};
use crate::domain::act::{Act, Actor, Expected};
use crate::domain::balance::Movement;
use crate::domain::caller::KeyRecord;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, UserRecord, handle};
use crate::service::Services;
use crate::service::balance::Cause;
use crate::service::journal::Change;
use crate::store::Connection;
use crate::store::accounts::{self, StoredAccount};
use crate::store::idempotency::{self, Once};
use crate::store::import::{self, Progress, Sealed, Staged};
use crate::store::keys::{self, StoredKey};
use crate::store::members::{self, Member};
use crate::store::proofs;
use crate::store::users::{self, By};

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
    /// Whether the last round could not be written.
    has_failed: bool,
    /// Where what follows may run; rows move on a thread of their own.
    runtime: Option<Handle>,
    _slot: Slot,
}

impl Mover {
    pub(super) fn new(services: Arc<Services>, about: About, sealed: Sealed, slot: Slot) -> Self {
        let act = Arc::new(act_of(&about));
        let (about, progress, runtime) = (Arc::new(about), Progress::default(), Handle::try_current().ok());
        Self { services, about, act, sealed, progress, has_failed: false, runtime, _slot: slot }
    }

    /// Of an import that was cut off. What is left of it happens now: new ids are of this time.
    pub(super) fn of(services: Arc<Services>, sealed: Sealed, slot: Slot) -> Result<Self> {
        let about = About { at: Timestamp::now(), ..sealed.about()? };
        Ok(Self::new(services, about, sealed, slot))
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
        let moved = self.next_round();
        self.has_failed = moved.is_err();
        moved
    }

    fn next_round(&mut self) -> Result<Option<u64>> {
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
            What::Users => self.round::<CheckedUser>()?,
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
            progress.rows = about.rows;
            let mut hashes = Vec::new();
            for row in rows {
                let (id, hash) = row.record.insert(&services, connection, &row.place, row.id, &act)?;
                hashes.extend(hash);
                progress.add(row.place, id);
            }
            if progress.moved == about.rows {
                progress.is_done = true;
                finish(&services, connection, &about, &progress, &act)?;
            }
            import::note(connection, &about.name, &progress)?;
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

    /// Takes the side file away, once all rows have moved, and then the mark that they have; answers how many are there now.
    pub fn clean(self) -> u64 {
        let services = self.services;
        let _moving = services.imports.moving.lock();
        // Closed, the file may be somebody else's already: the next start takes it away.
        if services.closed.load(Ordering::Acquire) {
            return self.progress.imported();
        }
        if let (What::Users, Some(runtime)) = (self.about.what, &self.runtime) {
            let services = services.clone();
            runtime.spawn(async move { services.prepare_passwords().await });
        }
        let (name, rows) = (self.about.name.clone(), self.progress.imported());
        match self.sealed.remove() {
            // Where it stays it must not move again.
            Err(error) => tracing::warn!("the side file of an import could not be taken away: {error}"),
            Ok(()) => services.store.post(move |connection| import::forget(connection, &name), super::told_unless_done),
        }
        rows
    }

    /// Moves all of it, or says why not.
    pub fn finish(mut self) -> Result<()> {
        while self.step()?.is_some() {}
        self.clean();
        Ok(())
    }

    /// Goes on by itself, whatever goes wrong, until it is done or tollgate ends. On a thread of its own.
    pub fn persist(mut self) {
        while !self.services.closed.load(Ordering::Acquire) {
            if self.has_failed {
                self.rest();
            }
            match self.step() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    tracing::info!("the import of {} {} is finished", self.rows(), self.what().name());
                    self.clean();
                    return;
                }
                Err(_) if self.services.closed.load(Ordering::Acquire) => return,
                Err(error) => self.lament(&error),
            }
        }
    }

    /// Waits until it is worth another try.
    fn rest(&self) {
        let mut waited = Duration::ZERO;
        while waited < AGAIN && !self.services.closed.load(Ordering::Acquire) {
            std::thread::sleep(LOOK);
            waited += LOOK;
        }
    }

    /// Says in the log why it waits, and the way out.
    pub fn lament(&self, error: &Error) {
        tracing::error!(
            "an import of {} waits: {error} It is tried again until it is done. To give up what is left of it, stop tollgate, move {} \
             away, and start it again",
            self.what().name(),
            self.sealed.path().display()
        );
    }
}

/// What an import leaves behind, in the transaction of its last rows.
fn finish(services: &Services, connection: &Connection, about: &About, progress: &Progress, act: &Act) -> Result<()> {
    if let Some(key) = &about.once {
        let once = Once { operation: about.what.operation(), key: key.clone(), request: about.sha256 };
        idempotency::remember(connection, Some(&once), &progress.imported().to_string(), act.at)?;
    }
    let event = match about.what {
        What::Accounts => Event::AccountsImported,
        What::Keys => Event::KeysImported,
        What::Users => Event::UsersImported,
    };
    let (first, last) = progress.ids.clone().unzip();
    let sha256 = about.sha256.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let mut after = json!({ "imported": progress.imported(), "first": first, "last": last, "sha256": sha256 });
    if progress.left_out > 0 {
        after["left_out"] = progress.left_out.into();
    }
    services.journal(connection, act, Change { event, target: "", account: None, before: Value::Null, after })
}

/// Who imported, as far as it is told of.
fn act_of(about: &About) -> Act {
    let actor = Actor::Before(about.actor.clone());
    let (origin, request_id) = (about.origin.clone(), about.request_id.clone());
    Act { actor, origin, request_id, at: about.at, expected: Expected::Any }
}

/// The id that a record has now, if it was not left out, and the hash that nobody may hold for unknown any more.
type Inserted = (Option<String>, Option<KeyHash>);

/// A record that moves.
trait Row: DeserializeOwned + Send + 'static {
    fn insert(self, services: &Services, connection: &Connection, place: &[u8], id: Option<String>, act: &Act) -> Result<Inserted>;
}

impl Row for KeyRecord {
    fn insert(mut self, services: &Services, connection: &Connection, place: &[u8], id: Option<String>, act: &Act) -> Result<Inserted> {
        let hash = place.try_into().map(KeyHash::from_bytes).map_err(|_| Error::Internal("a hash of another length".into()))?;
        self.id = id.map_or_else(|| services.next_id(connection, id::KEY, act.at), Ok)?;
        let id = self.id.clone();
        keys::insert(connection, &StoredKey { hash, record: self })?;
        Ok((Some(id), Some(hash)))
    }
}

impl Row for StoredAccount {
    fn insert(mut self, services: &Services, connection: &Connection, _: &[u8], id: Option<String>, act: &Act) -> Result<Inserted> {
        self.record.id = id.map_or_else(|| services.next_id(connection, id::ACCOUNT, act.at), Ok)?;
        accounts::insert(connection, &self)?;
        services.moved(connection, &self, 0, Movement::Set, Cause::Act { act, reason: "imported" })?;
        Ok((Some(self.record.id), None))
    }
}

impl Row for CheckedUser {
    /// Whoever proved the address for themselves since the row was checked keeps it: then the row is left out.
    fn insert(self, services: &Services, connection: &Connection, place: &[u8], _: Option<String>, act: &Act) -> Result<Inserted> {
        let (email, phone) = (self.email.clone().map(By::Email), self.phone.clone().map(By::Phone));
        for by in email.into_iter().chain(phone) {
            if users::find(connection, &by)?.is_some() {
                let line = place.try_into().map(u64::from_be_bytes).unwrap_or_default();
                tracing::warn!("the user on line {line} of an import was left out: somebody has their address or number by now");
                return Ok((None, None));
            }
        }
        let mut account = self.account;
        if account.record.id.is_empty() {
            account.record.id = services.next_id(connection, id::ACCOUNT, act.at)?;
        }
        accounts::insert(connection, &account)?;
        services.moved(connection, &account, 0, Movement::Set, Cause::Act { act, reason: "imported" })?;
        for address in self.email.iter().chain(&self.phone) {
            // Whoever registered with it, and never proved it, has nothing.
            proofs::end_of_address(connection, address, act.at)?;
        }
        let mut user = UserRecord {
            id: 0,
            name: self.name,
            email_verified_at: self.verified_at.filter(|_| self.email.is_some()),
            phone_verified_at: self.verified_at.filter(|_| self.phone.is_some()),
            email: self.email,
            phone: self.phone,
            proven_at: None,
            password: self.password,
            picture: None,
            account: account.record.id,
            is_admin: false,
            disabled: self.disabled,
            agreement: None,
            created_at: self.created_at,
            revision: 1,
        };
        user.id = users::insert(connection, &user)?;
        members::put(connection, &Member { account: user.account.clone(), user: user.id, role: Role::Owner, joined_at: user.created_at })?;
        Ok((Some(handle(user.id)), None))
    }
}
