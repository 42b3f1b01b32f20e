//! Importing accounts, keys and users: all or nothing, whatever their number, while the gate goes on.
//!
//! Rows are checked one by one and gathered beside the database. Only when every one of them is sound that is sealed, and from
//! then on they move into the database in rounds that nobody has to wait long for. What a crash cuts off before it is sealed is
//! gone; what it cuts off afterwards goes on at the next start, while the gate serves.

mod check;
mod moving;
pub mod users;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Services;
use super::accounts::AccountInput;
use super::keys::KeyInput;
use crate::domain::act::Act;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::key::{KeyHash, PlainKey};
use crate::domain::time::Timestamp;
use crate::service::journal::Change;
use crate::store::Connection;
use crate::store::idempotency::{self, Once};
use crate::store::import::{self, Present, Progress, Sealed};
pub use moving::Mover;
use users::UserRow;

/// How many bad rows are told of at once.
pub const MOST_FAULTS: usize = 100;

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Accounts.
    Accounts,
    /// Keys.
    Keys,
    /// Users, each with an account.
    Users,
}

impl What {
    /// In the plural, as people call them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Keys => "keys",
            Self::Users => "users",
        }
    }

    /// What the operation is called under an `Idempotency-Key`.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Accounts => "accounts.import",
            Self::Keys => "keys.import",
            Self::Users => "users.import",
        }
    }
}

/// A key as a row tells of it. What it does not say is as for a new one.
#[derive(Debug, Default)]
pub struct KeyRow {
    /// What can be said of any key.
    pub input: KeyInput,
    /// Whose it is.
    pub account: Option<String>,
    /// The id that it keeps.
    pub id: Option<String>,
    /// The raw key.
    pub key: Option<PlainKey>,
    /// Or its hash.
    pub hash: Option<KeyHash>,
    /// With a hash: what is shown of the key.
    pub prefix: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The key that took its place.
    pub replaced_by: Option<String>,
}

/// An account as a row tells of it. What it does not say is as for a new one.
#[derive(Debug, Default)]
pub struct AccountRow {
    /// What can be said of any account.
    pub input: AccountInput,
    /// The id that it keeps.
    pub id: Option<String>,
    /// When it was made: its billing day.
    pub created_at: Option<Timestamp>,
    /// Left of its plan's tokens of this month.
    pub plan_tokens: Option<i64>,
    /// Left of its bonus tokens.
    pub bonus_tokens: Option<i64>,
    /// The start of the billing month that `plan_tokens` belong to.
    pub period: Option<Timestamp>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Its line, counted from 1.
    pub line: u64,
    /// Its field; empty where it is the whole row.
    pub field: String,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// Holds apart what must not happen at once.
#[derive(Debug, Default)]
pub struct Imports {
    is_under_way: Arc<AtomicBool>,
    /// Held while rows move, so that the database is not closed, and given to another process, under them.
    moving: Mutex<()>,
}

/// The place of the one import that there may be.
#[derive(Debug)]
struct Slot(Arc<AtomicBool>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Imports {
    fn slot(&self) -> Result<Slot> {
        if self.is_under_way.swap(true, Ordering::AcqRel) {
            return Err(under_way());
        }
        Ok(Slot(self.is_under_way.clone()))
    }

    /// Waits until no row moves; those that are left move at the next start.
    pub(super) fn wait(&self) {
        drop(self.moving.lock());
    }
}

/// What is sealed with an import: what must be known to finish it in another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct About {
    what: What,
    /// Tells it from every other.
    name: String,
    rows: u64,
    /// SHA-256 of them all, as they came.
    sha256: [u8; 32],
    /// Who imports, as the audit calls it, and from where.
    actor: String,
    origin: String,
    request_id: String,
    at: Timestamp,
    /// The `Idempotency-Key` it came under.
    once: Option<String>,
}

/// An import whose rows are checked and gathered. Dropped before its end, it is gone, and nothing was changed.
#[derive(Debug)]
pub struct Gathering {
    services: Arc<Services>,
    what: What,
    act: Act,
    side: import::Gathering,
    present: Present,
    faults: Vec<RowFault>,
    rows: u64,
    slot: Slot,
}

/// An import that waits for its file.
#[derive(Debug)]
pub struct Admitted {
    services: Arc<Services>,
    what: What,
    act: Act,
    slot: Slot,
}

impl Services {
    /// Begins an import, where none is under way.
    pub fn import(self: &Arc<Self>, what: What, act: &Act) -> Result<Admitted> {
        Ok(Admitted { services: self.clone(), what, act: act.clone(), slot: self.imports.slot()? })
    }

    /// How many rows an import of this key brought, if it was done already.
    pub async fn imported(&self, once: Once, now: Timestamp) -> Result<Option<u64>> {
        let done = self.store.write(move |connection| idempotency::done(connection, Some(&once), now), |_| ()).await?;
        Ok(done.and_then(|rows| rows.parse().ok()))
    }

    /// The import that was cut off, to go on with it, if there is one. What was never sealed is thrown away.
    pub fn unfinished_import(self: &Arc<Self>) -> Result<Option<Mover>> {
        import::clear(&self.policy.server.database)?;
        let mover = self.take_up(self.imports.slot()?)?;
        match &mover {
            Some(mover) => tracing::info!("an import of {} {} was cut off: it goes on now", mover.rows(), mover.what().name()),
            None => self.settle_imports(),
        }
        Ok(mover)
    }

    fn take_up(self: &Arc<Self>, slot: Slot) -> Result<Option<Mover>> {
        let sealed = Sealed::open(&self.policy.server.database)?;
        sealed.map(|sealed| Mover::of(self.clone(), sealed, slot)).transpose()
    }

    /// Forgets imports whose side file is gone. One that was not done was given up by the operator, who took the file away.
    fn settle_imports(self: &Arc<Self>) {
        let services = self.clone();
        let job = move |connection: &Connection| {
            for (name, Progress { moved, rows, is_done, .. }) in import::known(connection)? {
                if !is_done {
                    tracing::warn!("an import was given up when {moved} of its {rows} rows had moved: these stay");
                    let after = json!({ "moved": moved, "rows": rows });
                    let change = Change { event: Event::ImportGivenUp, target: "", account: None, before: Value::Null, after };
                    services.journal(connection, &Act::of_tollgate(Timestamp::now()), change)?;
                }
                import::forget(connection, &name)?;
            }
            Ok(())
        };
        self.store.post(job, told_unless_done);
    }
}

fn under_way() -> Error {
    Error::Conflict("An import is under way already: try again when it is done.".into())
}

/// Nothing hangs on it: the next start does it again.
fn told_unless_done(done: Result<()>) {
    if let Err(error) = done {
        tracing::warn!("what is known of an import could not be forgotten: {error}");
    }
}

impl Admitted {
    /// Makes the file. On a thread that may wait.
    pub fn start(self) -> Result<Gathering> {
        let Self { services, what, act, slot } = self;
        let database = services.policy.server.database.clone();
        if import::is_sealed(&database) {
            return Err(go_on_with_another(&services, slot));
        }
        let (side, present) = (import::Gathering::start(&database)?, Present::open(&database)?);
        Ok(Gathering { services, what, act, side, present, faults: Vec::new(), rows: 0, slot })
    }
}

impl Gathering {
    /// Notes a row that is wrong.
    pub fn refuse(&mut self, line: u64, faults: Vec<FieldFault>) {
        let policy = &self.services.policy;
        // A secret that somebody wrote into the wrong place is not repeated.
        let told = |text: String, instead: &str| if policy.holds_secret(&text) { instead.to_owned() } else { text };
        let faults = faults.into_iter().map(|fault| RowFault {
            line,
            field: told(fault.field, "…"),
            message: told(fault.message, "holds a raw key or token, which is not repeated here"),
        });
        self.faults.extend(faults);
    }

    /// Whether so many rows are wrong that no more are told of.
    pub fn is_hopeless(&self) -> bool {
        self.faults.len() >= MOST_FAULTS
    }

    /// Takes a key.
    pub fn key(&mut self, line: u64, row: KeyRow) -> Result<()> {
        let stored = match check::key(&self.services.policy, row, self.act.at) {
            Ok(stored) => stored,
            Err(faults) => {
                self.refuse(line, faults);
                return Ok(());
            }
        };
        let (hash, record, id) = (stored.hash.as_bytes(), &stored.record, given(&stored.record.id));
        let mut faults = Vec::new();
        if !self.present.has_account(&record.account)? {
            faults.push(fault("account", super::accounts::no_such(&record.account).outer()));
        }
        if self.present.has_hash(hash)? {
            faults.push(fault("hash", "this key is there already"));
        }
        if id.map_or(Ok(false), |id| self.present.has_key(id))? {
            faults.push(fault("id", "a key of this id is there already"));
        }
        self.add(line, ["hash", "id"], hash, id, record, faults)
    }

    /// Takes an account.
    pub fn account(&mut self, line: u64, row: AccountRow) -> Result<()> {
        let stored = match check::account(&self.services.policy, row, self.act.at) {
            Ok(stored) => stored,
            Err(faults) => {
                self.refuse(line, faults);
                return Ok(());
            }
        };
        let id = given(&stored.record.id);
        let is_there = id.map_or(Ok(false), |id| self.present.has_account(id))?;
        let faults = if is_there { vec![fault("id", "an account of this id is there already")] } else { Vec::new() };
        self.add(line, ["", "id"], &line.to_be_bytes(), id, &stored, faults)
    }

    /// Takes a user.
    pub fn user(&mut self, line: u64, row: UserRow) -> Result<()> {
        let user = match users::user(&self.services.policy, row, self.act.at) {
            Ok(user) => user,
            Err(faults) => {
                self.refuse(line, faults);
                return Ok(());
            }
        };
        let mut faults = Vec::new();
        if let Some(email) = &user.email {
            let is_there = self.present.has_email(email)?;
            faults.extend(self.free("email", email, line, is_there.then_some("a user of this address is there already"))?);
        }
        if let Some(phone) = &user.phone {
            let is_there = self.present.has_phone(phone)?;
            faults.extend(self.free("phone", phone, line, is_there.then_some("a user of this number is there already"))?);
        }
        let id = given(&user.account.record.id);
        if id.map_or(Ok(false), |id| self.present.has_account(id))? {
            faults.push(fault("account", "an account of this id is there already"));
        }
        self.add(line, ["", "account"], &line.to_be_bytes(), id, &user, faults)
    }

    /// What keeps a row from an address or a number: a user who is there, or another row.
    fn free(&mut self, field: &str, address: &str, line: u64, is_there: Option<&str>) -> Result<Option<FieldFault>> {
        if let Some(message) = is_there {
            return Ok(Some(fault(field, message)));
        }
        let other = self.side.claim(line, address)?;
        Ok(other.map(|other| fault(field, format!("stands on line {other} already"))))
    }

    /// Gathers a sound row; or notes what is wrong, be it that another row has what must be its own: its place or its id, which are
    /// called so.
    fn add<T: Serialize>(
        &mut self,
        line: u64,
        [place, own_id]: [&str; 2],
        at: &[u8],
        id: Option<&str>,
        record: &T,
        mut faults: Vec<FieldFault>,
    ) -> Result<()> {
        if faults.is_empty()
            && let Some(twice) = self.side.add(line, at, id, record)?
        {
            faults.push(fault(if twice.is_id { own_id } else { place }, format!("stands on line {} already", twice.line)));
        }
        self.rows += u64::from(faults.is_empty());
        self.refuse(line, faults);
        Ok(())
    }

    /// Seals it, and answers what moves it; or every row that is wrong, and then nothing was changed.
    /// `sha256` is that of all rows, as they came.
    pub fn seal(self, sha256: [u8; 32], once: Option<&Once>) -> Result<std::result::Result<Mover, Vec<RowFault>>> {
        let Self { services, what, act, side, present, mut faults, rows, slot } = self;
        drop(present);
        if !faults.is_empty() {
            faults.truncate(MOST_FAULTS);
            return Ok(Err(faults));
        }
        let about = About {
            what,
            name: id::new("", act.at),
            rows,
            actor: act.actor.name().to_owned(),
            origin: act.origin,
            request_id: act.request_id,
            at: act.at,
            sha256,
            once: once.map(|once| once.key.clone()),
        };
        let sealed = {
            // Another process may have the database once it is closed.
            let _moving = services.imports.moving.lock();
            if services.closed.load(Ordering::Acquire) {
                return Err(Error::Unavailable("it is being closed".into()));
            }
            side.seal(&about)?
        };
        Ok(Ok(Mover::new(services, about, sealed, slot)))
    }
}

/// An import that nobody moves comes first; tells that to whoever wanted to begin another.
fn go_on_with_another(services: &Arc<Services>, slot: Slot) -> Error {
    match services.take_up(slot) {
        Err(error) => {
            let file = import::sealed_in(&services.policy.server.database);
            tracing::error!("the import in {} cannot go on: {error} Move the file away to give it up", file.display());
            Error::Conflict("Another import is not finished, and cannot go on: the log says why, and what to do.".into())
        }
        Ok(mover) => {
            mover.map(|mover| std::thread::spawn(|| mover.persist()));
            under_way()
        }
    }
}

fn fault(field: &str, message: impl Into<String>) -> FieldFault {
    FieldFault { field: field.into(), message: message.into() }
}

/// An id that a row brings; without one it is empty until the row moves.
fn given(id: &str) -> Option<&str> {
    Some(id).filter(|id| !id.is_empty())
}
