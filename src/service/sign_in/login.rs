//! Signing in with a password: by an address or a number that was proven. What is wrong is told alike, and takes as long, whoever is
//! meant.

use std::net::IpAddr;
use std::sync::Arc;

use super::password::{Checked, Trouble};
use super::throttle::{Caller, Guess};
use super::{Entered, Visit, people};
use crate::domain::address;
use crate::domain::email::Email;
use crate::domain::error::{Error, Result};
use crate::domain::password::Password;
use crate::domain::proof::Purpose;
use crate::domain::refusal::Refusal;
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::UserRecord;
use crate::domain::verdict::Verdict;
use crate::service::Services;
use crate::store::users::{self, By};
use crate::store::{Connection, proofs, sessions};

/// When to come back where too many passwords are being checked.
const BUSY: Span = Span::from_secs(2);

/// What somebody is called who signs in, or is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// By mail.
    Email(Email),
    /// By SMS: E.164.
    Phone(String),
}

impl Address {
    /// As it is stored and sent to.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Phone(phone) => phone,
        }
    }

    /// Finds its user.
    pub fn by(&self) -> By {
        match self {
            Self::Email(email) => By::Email(email.as_str().to_owned()),
            Self::Phone(phone) => By::Phone(phone.clone()),
        }
    }

    /// Whether a user has proven that it is theirs.
    pub fn is_proven_by(&self, user: &UserRecord) -> bool {
        user.proven(self.channel()).is_some()
    }
}

/// Whose password is checked.
struct Candidate {
    user: Option<UserRecord>,
    /// The hash of a registration that waits for its proof, or would if there were no such user: no sign-in tells one from the other.
    waiting: Option<String>,
    /// Whether they have signed in from there before.
    is_familiar: bool,
}

/// Whose password it turned out to be.
enum Matched {
    User(Checked),
    Waiting,
    Nobody,
}

impl Services {
    /// Signs in by a password.
    pub async fn sign_in_by_password(self: &Arc<Self>, address: Address, password: Password, visit: &Visit) -> Result<Entered> {
        let now = visit.act.at;
        let candidate = self.candidate(&address, visit.address, now).await?;
        let caller = Caller { address: visit.address, is_familiar: candidate.is_familiar };
        let ticket = self.sign_in.throttles.guess(Guess::Password, caller, address.as_str(), now);
        let ticket = ticket.map_err(|until| Error::from(Refusal::until(until)))?;
        let matched = self.matched(&candidate, &password).await;
        if !matches!(&matched, Ok(Matched::Nobody)) {
            self.sign_in.throttles.forgive(ticket);
        }
        let checked = match matched.map_err(|trouble| told(trouble, now))? {
            Matched::User(checked) => checked,
            Matched::Waiting => return Err(Error::refused(Verdict::NotVerified)),
            Matched::Nobody => return Err(Error::refused(Verdict::Unknown)),
        };
        let user = candidate.user.ok_or_else(|| Error::refused(Verdict::Unknown))?;
        if !address.is_proven_by(&user) {
            self.prove_again(user.id, address, visit).await?;
            return Err(Error::refused(Verdict::NotVerified));
        }
        let rehashed = if checked.needs_rehash { self.rehashed(&password).await } else { None };
        let (services, visit, id, checked) = (self.clone(), visit.clone(), user.id, user.password);
        let job = move |connection: &Connection| {
            let mut user = people::user_of(connection, Some(id))?;
            // It was changed since it was checked.
            if user.password != checked || !address.is_proven_by(&user) {
                return Err(Error::refused(Verdict::Unknown));
            }
            if let Some(rehashed) = rehashed {
                user.password = Some(rehashed);
                users::update(connection, &user)?;
            }
            services.begin_session(connection, user, "password", false, &visit)
        };
        let begun = self.begin(job).await?;
        self.answer(begun, now)
    }

    /// Whose password it is. That of a registration is looked at after the user's, or nobody's: the same work in both cases.
    async fn matched(&self, candidate: &Candidate, password: &Password) -> Result<Matched, Trouble> {
        let passwords = &self.sign_in.passwords;
        let checked = passwords.check(password, candidate.user.as_ref().and_then(|user| user.password.as_deref())).await?;
        if checked.matches {
            return Ok(Matched::User(checked));
        }
        Ok(match &candidate.waiting {
            Some(waiting) if passwords.check(password, Some(waiting)).await?.matches => Matched::Waiting,
            _ => Matched::Nobody,
        })
    }

    /// Learns how long password hashes take that were made elsewhere or with other parameters, so that a failed check tells nobody
    /// that there is one.
    pub async fn prepare_passwords(&self) {
        match self.store.list(users::kinds_of_hashes).await {
            Ok(samples) => self.sign_in.passwords.prepare(&samples).await,
            Err(error) => tracing::warn!("how long stored password hashes take could not be measured: {error}"),
        }
    }

    /// The password hashed anew. Where that cannot be done now, the next sign-in does it.
    async fn rehashed(&self, password: &Password) -> Option<String> {
        match self.sign_in.passwords.hash(password).await {
            Ok(hash) => Some(hash),
            Err(Trouble::Busy) => None,
            Err(Trouble::Failed(inner)) => {
                tracing::warn!("a password could not be hashed anew: {inner}");
                None
            }
        }
    }

    /// Whether it is the password of which this was kept.
    pub(crate) async fn is_password(&self, stored: Option<&str>, password: &Password, now: Timestamp) -> Result<Checked> {
        self.sign_in.passwords.check(password, stored).await.map_err(|trouble| told(trouble, now))
    }

    async fn candidate(&self, address: &Address, visitor: Option<IpAddr>, now: Timestamp) -> Result<Candidate> {
        let address = address.clone();
        let read = move |connection: &Connection| {
            let user = users::find(connection, &address.by())?;
            let newest = proofs::open(connection, address.as_str(), Purpose::Register, now)?.into_iter().next();
            let waiting = newest.and_then(|proof| proof.payload["password"].as_str().map(str::to_owned));
            let is_familiar = match &user {
                Some(user) => is_familiar(connection, user.id, visitor)?,
                None => false,
            };
            Ok(Candidate { user, waiting, is_familiar })
        };
        self.store.read(read).await
    }

    /// Hashes a password that somebody chose.
    pub(crate) async fn hashed(&self, password: &Password, now: Timestamp) -> Result<String> {
        self.sign_in.passwords.hash(password).await.map_err(|trouble| told(trouble, now))
    }
}

/// What is told where a password was not even looked at.
pub(super) fn told(trouble: Trouble, now: Timestamp) -> Error {
    match trouble {
        Trouble::Busy => Refusal::until(now.plus(BUSY)).into(),
        Trouble::Failed(inner) => Error::Internal(inner),
    }
}

/// Whether a user has signed in from there before: from the same network, where it is IPv6.
pub(crate) fn is_familiar(connection: &Connection, user: i64, visitor: Option<IpAddr>) -> Result<bool> {
    let Some(own) = visitor.map(address::counted) else { return Ok(false) };
    Ok(sessions::origins(connection, user)?.iter().any(|origin| origin.parse().is_ok_and(|origin| address::counted(origin) == own)))
}
