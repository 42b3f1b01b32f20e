//! One subject of limits: a key, an account or an address, with its windows and what was counted of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::domain::balance::Balance;
use crate::domain::caller::Caller;
use crate::domain::error::Result;
use crate::domain::limit::{Limit, Shape};
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;
use crate::domain::window::Window;
use crate::store::Connection;
use crate::store::windows::{self, Saved};

/// A quota's window is at least this long.
const DAY: Span = Span::from_secs(86_400);

/// Whose windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectId {
    /// `key_…` of an account.
    Key {
        /// The key.
        id: Box<str>,
        /// Whose it is.
        account: Box<str>,
    },
    /// `user_42` with an access token, acting for an account. What they do for another is counted apart.
    User {
        /// The user.
        id: Box<str>,
        /// For whom they act.
        account: Box<str>,
    },
    /// `acc_…`.
    Account(Box<str>),
    /// A client's address, as it is counted.
    Address(IpAddr),
}

impl SubjectId {
    /// Those of a caller: the key's or the user's own, and the account's.
    pub fn of(caller: &Caller) -> Option<(Self, Self)> {
        let account: Box<str> = caller.account.as_ref()?.id.as_str().into();
        let own = match (&caller.key, &caller.user) {
            (Some(key), _) => Self::Key { id: key.id.as_str().into(), account: account.clone() },
            (None, Some(user)) => Self::User { id: user.handle.as_str().into(), account: account.clone() },
            (None, None) => return None,
        };
        Some((own, Self::Account(account)))
    }

    /// What the database calls it.
    pub fn row(&self) -> String {
        match self {
            Self::Key { id, .. } | Self::Account(id) => id.to_string(),
            Self::User { id, account } => format!("{id} {account}"),
            Self::Address(address) => address.to_string(),
        }
    }
}

/// A subject in memory. There is one for each id at any time.
#[derive(Debug)]
pub struct Subject {
    /// Whose.
    pub id: SubjectId,
    state: Mutex<State>,
    /// An account's balance, and the version of the reading it is from. Apart from the state, because every key of the
    /// account looks at it.
    balance: Mutex<Option<(i64, Balance)>>,
    /// Wakes those who wait for the database to write something off.
    pub answered: Notify,
}

/// What is known of a subject.
#[derive(Debug, Default)]
pub struct State {
    /// Whether what the database remembers was read.
    pub is_loaded: bool,
    slots: SmallVec<[Slot; 2]>,
    /// How many requests got which verdict since it was last written.
    pub tallies: SmallVec<[(Verdict, u32); 2]>,
    /// When a request last passed, where that is not written yet.
    pub last_used: Option<Timestamp>,
    /// Whether it stands on the list of what is to be written.
    pub is_listed: bool,
    /// When it was last looked at.
    pub touched: Timestamp,
    /// How many writings failed: whoever waited for one is refused.
    pub failures: u64,
}

/// One limit's window.
#[derive(Debug)]
pub struct Slot {
    /// The limit's slot.
    pub name: Arc<str>,
    /// What is remembered.
    pub window: Window,
    /// Whether the database knows all of it.
    pub is_saved: bool,
    /// Until when nothing more is logged of a limit that only observes.
    pub quiet_until: Timestamp,
    /// How much its limit let through when it was last looked at; 0 where it only observes.
    pub most: u64,
    /// What of its window was told of.
    pub told: Told,
}

/// Of which window a percentage was told, and which.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    start: Timestamp,
    percent: u8,
}

/// A percentage of a quota that is used.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The limit's slot.
    pub slot: Arc<str>,
    /// Which percentage.
    pub percent: u8,
    /// How much the limit lets through.
    pub requests: u64,
    /// How much of it is used.
    pub used: u64,
    /// The window's start.
    pub start: Timestamp,
    /// The window's end.
    pub end: Timestamp,
}

impl Slot {
    fn new(name: Arc<str>, window: Window) -> Self {
        Self { name, window, is_saved: true, quiet_until: Timestamp::default(), most: 0, told: Told::default() }
    }

    /// Percentages of a quota that are used and were not told of in this window; from now on they were.
    fn take_reached(&mut self, percentages: &[u8]) -> Vec<Reached> {
        let Window::Fixed(fixed) = &self.window else { return Vec::new() };
        let (start, end, used) = fixed.standing();
        if self.most == 0 || end.millis_since(start) < DAY.millis() {
            return Vec::new();
        }
        let told = if self.told.start == start { self.told.percent } else { 0 };
        let is_reached = |percent: &u8| *percent > told && used.saturating_mul(100) >= self.most.saturating_mul(u64::from(*percent));
        let reached = percentages.iter().copied().filter(is_reached);
        let reached = reached.map(|percent| Reached { slot: self.name.clone(), percent, requests: self.most, used, start, end });
        let reached: Vec<_> = reached.collect();
        if let Some(percent) = reached.iter().map(|reached| reached.percent).max() {
            self.told = Told { start, percent };
        }
        reached
    }
}

impl Subject {
    /// One of which nothing is known yet.
    pub fn new(id: SubjectId) -> Self {
        Self { id, state: Mutex::default(), balance: Mutex::default(), answered: Notify::new() }
    }

    /// Its state, for a short while: never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock cannot leave a window half charged: each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the database remembers of it, where that was not read yet.
    pub fn load(&self, connection: &Connection) -> Result<()> {
        let is_loaded = self.lock().is_loaded;
        if !is_loaded {
            let saved = windows::of_subject(connection, &self.id.row())?;
            self.lock().load(saved);
        }
        Ok(())
    }

    /// An account's balance as stored.
    pub fn balance(&self) -> Option<Balance> {
        self.balance.lock().unwrap_or_else(PoisonError::into_inner).map(|(_, balance)| balance)
    }

    /// Takes an account's balance, unless a newer one is known.
    pub fn set_balance(&self, version: i64, balance: Balance) {
        let mut held = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none_or(|(known, _)| known < version) {
            *held = Some((version, balance));
        }
    }
}

impl State {
    /// Takes what the database remembered, once.
    pub fn load(&mut self, saved: Vec<Saved>) {
        if !self.is_loaded {
            self.slots = saved.into_iter().map(|(name, window)| Slot::new(name.into(), window)).collect();
            self.is_loaded = true;
        }
    }

    /// The window of a limit; a new one where none is there, or a damaged one of another shape.
    pub fn window(&mut self, limit: &Limit) -> &mut Slot {
        let at = self.slots.iter().position(|slot| slot.name == limit.slot);
        let at = at.unwrap_or_else(|| {
            self.slots.push(Slot::new(limit.slot.clone(), Window::new(limit.shape)));
            self.slots.len() - 1
        });
        let slot = &mut self.slots[at];
        if slot.window.shape() != limit.shape {
            slot.window = Window::new(limit.shape);
        }
        slot
    }

    /// The window of that name, as it stands.
    pub fn named(&mut self, name: &str) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| *slot.name == *name)
    }

    /// Counts a verdict.
    pub fn tally(&mut self, verdict: Verdict) {
        match self.tallies.iter_mut().find(|(known, _)| *known == verdict) {
            Some((_, count)) => *count += 1,
            None => self.tallies.push((verdict, 1)),
        }
    }

    /// Rolling and sliding windows that the database does not know as they are; from now on it does.
    pub fn take_unsaved(&mut self) -> Vec<(Arc<str>, Window)> {
        let unsaved = self.slots.iter_mut().filter(|slot| !slot.is_saved && slot.window.shape() != Shape::Fixed);
        unsaved
            .map(|slot| {
                slot.is_saved = true;
                (slot.name.clone(), slot.window.clone())
            })
            .collect()
    }

    /// Percentages of quotas that are used and were not told of; from now on they were.
    pub fn take_reached(&mut self, percentages: &[u8]) -> Vec<Reached> {
        self.slots.iter_mut().flat_map(|slot| slot.take_reached(percentages)).collect()
    }

    /// Every window.
    pub fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }

    /// Whether nothing of it would be lost if it were forgotten.
    pub fn is_written(&self) -> bool {
        let settled = |slot: &Slot| match &slot.window {
            Window::Fixed(fixed) => !fixed.is_asking() && !fixed.is_open(),
            _ => slot.is_saved,
        };
        !self.is_listed && self.tallies.is_empty() && self.slots.iter().all(settled)
    }
}
