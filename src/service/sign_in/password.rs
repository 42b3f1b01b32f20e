//! Hashes passwords and checks them: a bounded number at once, and an unknown user as long as a known one.
//!
//! Each hash takes Argon2id's memory, so `at_once` of them run on threads of their own and some wait a little; who finds the queue full is
//! told to come back. A hash that was made elsewhere and needs more memory takes the places of several.
//!
//! Time tells nothing: where there is no user, or none with a password, a hash of nobody's is checked. Hashes made elsewhere, or with
//! other parameters, take another time, longer or shorter. So from the first that is met a check that fails lasts, by waiting, at least
//! as long as the slowest of every kind took lately; with a right password they are replaced, and are soon gone.

mod stored;
mod strength;
mod times;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::passwords::PasswordSettings;
use crate::domain::password::Password;
use stored::Stored;
use times::Times;

/// How long somebody waits for their turn before they are told to come back.
const PATIENCE: Duration = Duration::from_secs(2);

/// No failed check is drawn out for longer than this.
const LONGEST_PAD: Duration = Duration::from_secs(3);

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whether it is the user's password.
    pub matches: bool,
    /// It is, and should be hashed anew: the hash was made elsewhere, or with other parameters.
    pub needs_rehash: bool,
}

/// Why a password was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Too many others are being checked: nothing was found out, and nothing should be counted.
    Busy,
    /// Something failed inside; the text is for the log. Never a pass.
    Failed(String),
}

/// Whether what another program wrote can be brought along as a password's hash. The fault does not repeat it.
pub fn check_importable(hash: &str) -> Result<(), String> {
    Stored::parse(hash).map(drop)
}

/// Hashes and checks passwords.
pub struct Passwords {
    settings: PasswordSettings,
    params: Params,
    /// A place each for `memory_kib`.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    patience: Duration,
    /// What is checked where there is nothing to check.
    nobody: Stored,
    times: Times,
}

impl Passwords {
    /// Nothing is hashed yet, so this takes no time.
    pub fn new(settings: PasswordSettings) -> Result<Self, String> {
        let params = Params::new(settings.memory_kib, settings.passes, settings.lanes, None)
            .map_err(|error| format!("[sign_in.passwords] names parameters that Argon2id does not take: {error}"))?;
        let nobody = Stored::parse(&of_nobody(&params))?;
        Ok(Self {
            places: Arc::new(Semaphore::new(settings.at_once)),
            waiting: AtomicUsize::new(0),
            patience: PATIENCE,
            times: Times::default(),
            settings,
            params,
            nobody,
        })
    }

    /// Under which settings.
    pub const fn settings(&self) -> &PasswordSettings {
        &self.settings
    }

    /// What is wrong with a password that somebody chooses, if anything is. `own` is what others know of them: name, address, number.
    /// Guessing takes time, so that has its turn as a hash has.
    pub async fn weakness(&self, password: &Password, own: &[&str]) -> Result<Option<String>, Trouble> {
        let (settings, password) = (self.settings.clone(), password.clone());
        let own: Vec<String> = own.iter().map(|text| (*text).to_owned()).collect();
        self.run(1, move || strength::weakness(&password, &settings, &own)).await
    }

    /// Hashes a password, as a PHC string.
    pub async fn hash(&self, password: &Password) -> Result<String, Trouble> {
        let (params, password) = (self.params.clone(), password.clone());
        self.run(1, move || hash_with(&params, password.expose())).await?.map_err(Trouble::Failed)
    }

    /// Checks a password against what is stored; `None` where there is no such user, or none with a password.
    pub async fn check(&self, password: &Password, stored: Option<&str>) -> Result<Checked, Trouble> {
        let known = stored.and_then(read);
        let is_known = known.is_some();
        let hash = known.unwrap_or_else(|| self.nobody.clone());
        let (is_current, kind) = (hash.is_current(&self.settings), hash.kind());
        let (places, password) = (self.places_for(&hash), password.clone());
        let (found, took) = self
            .run(places, move || {
                let began = Instant::now();
                (compare(&hash, &password), began.elapsed())
            })
            .await?;
        let found = found.map_err(Trouble::Failed)?;
        self.times.note(kind, is_current, took.min(LONGEST_PAD));
        let matches = is_known && found != Found::No;
        if !matches {
            tokio::time::sleep(self.times.least().saturating_sub(took)).await;
        }
        Ok(Checked { matches, needs_rehash: matches && (found == Found::AsTyped || !is_current) })
    }

    /// Learns, before anybody asks, how long hashes take: one of each kind that is stored. Where all are as a new one would be, there
    /// is nothing to learn.
    pub async fn prepare(&self, samples: &[String]) {
        let Ok(nothing) = Password::parse("nobody's".into()) else { return };
        let others = samples.iter().filter(|sample| Stored::parse(sample).is_ok_and(|hash| !hash.is_current(&self.settings)));
        let others: Vec<Option<&str>> = others.map(|sample| Some(sample.as_str())).collect();
        // After the others that of nobody, which takes as long as a new one.
        let nobody = (!others.is_empty()).then_some(None);
        for sample in others.into_iter().chain(nobody) {
            if let Err(trouble) = self.check(&nothing, sample).await {
                tracing::warn!("how long a stored password hash takes could not be measured: {trouble:?}");
            }
        }
    }

    /// As many as its memory is worth, but never more than there are: then it runs alone.
    fn places_for(&self, hash: &Stored) -> usize {
        let places = hash.kib().div_ceil(self.settings.memory_kib.into()).max(1);
        usize::try_from(places).unwrap_or(usize::MAX).min(self.settings.at_once)
    }

    /// Runs `work` on a thread of its own, once there are places. They stay taken until it is done, whoever has gone.
    async fn run<T, W>(&self, places: usize, work: W) -> Result<T, Trouble>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let taken = self.places(places).await?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(taken);
            done
        });
        working.await.map_err(|error| Trouble::Failed(format!("a thread that hashes ended: {error}")))
    }

    async fn places(&self, count: usize) -> Result<OwnedSemaphorePermit, Trouble> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Ok(taken) = self.places.clone().try_acquire_many_owned(count) {
            return Ok(taken);
        }
        let _waiting = Waiting::enter(&self.waiting, self.settings.queue).ok_or(Trouble::Busy)?;
        match tokio::time::timeout(self.patience, self.places.clone().acquire_many_owned(count)).await {
            Ok(taken) => taken.map_err(|_closed| Trouble::Failed("the pool of passwords is closed".into())),
            Err(_too_slow) => Err(Trouble::Busy),
        }
    }
}

/// Somebody in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let entered = waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < most).then_some(count + 1));
        // Made only where it was counted: it counts back when it goes.
        entered.is_ok().then(|| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    No,
    /// In the form that is hashed here.
    Normal,
    /// As somebody typed it: another program hashed it so.
    AsTyped,
}

fn compare(hash: &Stored, password: &Password) -> Result<Found, String> {
    if hash.matches(password.expose())? {
        return Ok(Found::Normal);
    }
    Ok(match password.as_typed() {
        Some(typed) if hash.matches(typed)? => Found::AsTyped,
        _ => Found::No,
    })
}

/// A hash that cannot be read is nobody's: the log says so, the answer does not.
fn read(stored: &str) -> Option<Stored> {
    Stored::parse(stored).inspect_err(|fault| tracing::error!("a stored password hash cannot be used: it {fault}")).ok()
}

/// A hash that no password has, with these parameters.
fn of_nobody(params: &Params) -> String {
    let random = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    let (salt, key) = (random(&rand::random::<[u8; 16]>()), random(&rand::random::<[u8; 32]>()));
    format!("$argon2id$v=19$m={},t={},p={}${salt}${key}", params.m_cost(), params.t_cost(), params.p_cost())
}

fn hash_with(params: &Params, plain: &str) -> Result<String, String> {
    let salt: [u8; 16] = rand::random();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hash = argon2.hash_password_with_salt(plain.as_bytes(), &salt).map_err(|error| format!("Argon2: {error}"))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests;
