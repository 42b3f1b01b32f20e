//! What limits remember, in memory: one [`Subject`] a key, account or address, saved to the database each quarter second, and put
//! away there when it has been idle for a while. Fixed windows spend leases only (see [`crate::domain::window::fixed`]).

mod flush;
pub mod subject;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::webhooks::Announcer;
use crate::domain::error::Result;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;
use crate::domain::window::Window;
use crate::domain::window::fixed::Lease;
use crate::measure::Counter;
use crate::store::accounts::StoredAccount;
use crate::store::{Store, windows};
use subject::{Subject, SubjectId};

/// How many parts the registry is cut into.
const SHARDS: usize = 64;

/// How long a subject lies idle before it is put away; less where there are too many. Whoever holds one, a cached key or a
/// reading under way, keeps it.
const IDLE: Span = Span::from_secs(60);
const IDLE_WHEN_FULL: Span = Span::from_secs(15);

/// A verdict that is still to be counted: when this goes, whichever way the request ends.
#[derive(Debug)]
pub struct Tally {
    pub(super) meter: Arc<Meter>,
    pub(super) subject: Option<Arc<Subject>>,
    /// What it will be counted as.
    pub verdict: Verdict,
    pub(super) at: Timestamp,
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.meter.tally(self.subject.as_ref(), self.verdict, self.at);
    }
}

/// One part of the registry.
type Shard = HashMap<SubjectId, Arc<Subject>>;

/// Every subject in memory.
#[derive(Debug)]
pub struct Meter {
    store: Arc<Store>,
    announcer: Arc<Announcer>,
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    /// What is to be written, by shard.
    listed: Box<[Mutex<Vec<Arc<Subject>>>]>,
    /// Verdicts about nobody.
    of_nobody: [AtomicU64; Verdict::COUNT],
    most: usize,
    /// Every verdict since the start, about whomever.
    verdicts: [Counter; Verdict::COUNT],
    /// What became of leases.
    pub leases: LeaseCounts,
}

/// What became of leases since the start.
#[derive(Debug, Default)]
pub struct LeaseCounts {
    /// Asked for.
    pub asked: Counter,
    /// Open ones that were given back.
    pub returned: Counter,
    /// Those, of either kind, that the database did not write.
    pub denied: Counter,
    /// Requests that had to wait for one, by waits.
    pub waits: Counter,
}

impl Meter {
    /// With nothing in it; more than `most` subjects are put away sooner.
    pub fn new(store: Arc<Store>, announcer: Arc<Announcer>, most: usize) -> Self {
        Self {
            store,
            announcer,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            listed: (0..SHARDS).map(|_| Mutex::default()).collect(),
            of_nobody: [const { AtomicU64::new(0) }; Verdict::COUNT],
            most,
            verdicts: [const { Counter::new() }; Verdict::COUNT],
            leases: LeaseCounts::default(),
        }
    }

    /// How many requests got a verdict since the start.
    pub fn counted(&self, verdict: Verdict) -> u64 {
        self.verdicts[verdict as usize].get()
    }

    fn shard(&self, id: &SubjectId) -> usize {
        self.hasher.hash_one(id) as usize % SHARDS
    }

    /// The subject of an id. What the database remembers of it may still have to be read.
    pub fn subject(&self, id: SubjectId, now: Timestamp) -> Arc<Subject> {
        let mut shard = lock(&self.shards[self.shard(&id)]);
        let subject = shard.entry(id).or_insert_with_key(|id| Arc::new(Subject::new(id.clone()))).clone();
        // Under the shard's lock, so that it cannot be put away between here and its first use.
        subject.lock().touched = now;
        subject
    }

    /// Reads what the database remembers of a subject, where that was not done yet.
    pub async fn load(&self, subject: &Subject) -> Result<()> {
        if subject.lock().is_loaded {
            return Ok(());
        }
        let row = subject.id.row();
        let saved = self.store.read(move |connection| windows::of_subject(connection, &row)).await?;
        subject.lock().load(saved);
        Ok(())
    }

    /// Takes an account's new balance, where the account is in memory.
    pub fn balance_changed(&self, account: &StoredAccount) {
        let id = SubjectId::Account(account.record.id.as_str().into());
        let subject = lock(&self.shards[self.shard(&id)]).get(&id).cloned();
        if let Some(subject) = subject {
            subject.set_balance(account.version, account.balance);
        }
    }

    /// Puts a subject on the list of what is to be written. The caller has set `is_listed`, which was not set.
    pub fn list(&self, subject: &Arc<Subject>) {
        let shard = Arc::as_ptr(subject) as usize / size_of::<Subject>() % SHARDS;
        lock(&self.listed[shard]).push(subject.clone());
    }

    /// Counts a verdict, about somebody or nobody.
    pub fn tally(&self, subject: Option<&Arc<Subject>>, verdict: Verdict, now: Timestamp) {
        self.verdicts[verdict as usize].count();
        let Some(subject) = subject else {
            self.of_nobody[verdict as usize].fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut state = subject.lock();
        state.tally(verdict);
        if verdict.passes() {
            state.last_used = state.last_used.max(Some(now));
        }
        let newly = !std::mem::replace(&mut state.is_listed, true);
        drop(state);
        if newly {
            self.list(subject);
        }
    }

    /// Asks the database to write off a lease, and tells the subject what came of it.
    pub fn ask(self: &Arc<Self>, subject: &Arc<Subject>, name: Arc<str>, lease: Lease) {
        self.leases.asked.count();
        self.write_off(subject, name, lease);
    }

    fn write_off(self: &Arc<Self>, subject: &Arc<Subject>, name: Arc<str>, lease: Lease) {
        let (row, limit, subject, meter) = (subject.id.row(), name.clone(), subject.clone(), self.clone());
        self.store.post(
            move |connection| windows::write_off(connection, &row, &limit, lease),
            move |result| {
                meter.leases.denied.add(u64::from(result.is_err()));
                let mut state = subject.lock();
                state.failures += u64::from(result.is_err());
                if let Some(Window::Fixed(fixed)) = state.named(&name).map(|slot| &mut slot.window) {
                    if result.is_ok() { fixed.granted(lease) } else { fixed.denied() }
                }
                drop(state);
                subject.answered.notify_waiters();
            },
        );
    }

    /// How many subjects are in memory.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Puts idle subjects away: first their open leases are given back, and once that is written they are forgotten.
    pub fn put_away_idle(self: &Arc<Self>, now: Timestamp) {
        let idle = if self.len() > self.most { IDLE_WHEN_FULL } else { IDLE };
        for shard in &self.shards {
            let mut settling = Vec::new();
            lock(shard).retain(|_, subject| {
                // Whoever holds it, a cached key or a request under way, keeps it.
                if Arc::strong_count(subject) > 1 {
                    return true;
                }
                let state = subject.lock();
                let is_idle = state.touched.plus(idle) < now;
                let is_written = state.is_written();
                drop(state);
                if is_idle && !is_written {
                    settling.push(subject.clone());
                }
                !(is_idle && is_written)
            });
            settling.iter().for_each(|subject| self.settle(subject));
        }
    }

    /// Gives back what a subject's fixed windows have open. From here on they spend nothing without asking anew.
    fn settle(self: &Arc<Self>, subject: &Arc<Subject>) {
        let mut state = subject.lock();
        let open: Vec<_> = state
            .slots_mut()
            .filter_map(|slot| match &mut slot.window {
                Window::Fixed(fixed) => fixed.settle().map(|lease| (slot.name.clone(), lease)),
                _ => None,
            })
            .collect();
        drop(state);
        // What could not be given back is lost to the caller, and over-spends nothing.
        self.leases.returned.add(open.len() as u64);
        open.into_iter().for_each(|(name, lease)| self.write_off(subject, name, lease));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
