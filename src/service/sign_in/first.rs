//! The first administrator: while there is none, whoever has the link that tollgate says at its start becomes one, once. The link is
//! kept in memory, as a hash, and made anew each time; once there is an administrator, however they came, it counts no more. Its token
//! cannot be guessed, so nobody's guesses are counted: those of strangers hold up nobody.

use std::sync::{Arc, Mutex, PoisonError};

use super::login::Address;
use super::people::Newcomer;
use super::register::{Registration, usual_name};
use super::secret::{PlainToken, ServerSecret};
use super::{Entered, Visit};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::key::KeyHash;
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::UserRecord;
use crate::service::Services;
use crate::store::users::{self, By};
use crate::store::{Connection, proofs};

/// How long a link counts.
pub const LIFETIME: Span = Span::from_secs(86_400);

/// The link that counts, if one does.
#[derive(Debug, Default)]
pub struct FirstLink(Mutex<Option<Open>>);

#[derive(Debug)]
struct Open {
    hash: KeyHash,
    until: Timestamp,
}

impl FirstLink {
    /// From now on this one counts, and none of before.
    fn open(&self, hash: KeyHash, now: Timestamp) {
        *self.lock() = Some(Open { hash, until: now.plus(LIFETIME) });
    }

    /// Whether a token is that of the link; compared in constant time.
    fn takes(&self, token: &str, now: Timestamp) -> bool {
        let hash = ServerSecret::hash_of_token(token);
        self.lock().as_ref().is_some_and(|open| now < open.until && open.hash == hash)
    }

    /// None counts any more.
    fn end(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link that was made, for whoever starts the server or asks at the control socket.
pub struct Made {
    /// The whole of it.
    pub url: String,
    /// Until then it counts.
    pub until: Timestamp,
}

impl Services {
    /// Makes the link for the first administrator; the one of before counts no more. `None` where there is an administrator, or nobody
    /// can sign in. Only where a server runs: elsewhere nobody could open it.
    pub async fn make_first_link(self: &Arc<Self>, now: Timestamp) -> Result<Option<Made>> {
        if !self.policy.sign_in.enabled {
            return Ok(None);
        }
        let token: PlainToken = self.sign_in.secret.token_of(&format!("first {:032x}", rand::random::<u128>()));
        let (services, hash) = (self.clone(), ServerSecret::hash_of_token(token.expose()));
        // By the writer: either before or after whoever makes an administrator meanwhile.
        let open = move |is_one: &bool| {
            if !is_one {
                services.first.open(hash, now)
            }
        };
        if self.store.write(users::has_administrator, open).await? {
            return Ok(None);
        }
        let url = format!("{}{}/first?token={}", self.public_address(), self.policy.server.prefix, token.expose());
        Ok(Some(Made { url, until: now.plus(LIFETIME) }))
    }

    /// Somebody was made, or changed: where they are an administrator now, the link has done its part.
    pub(crate) fn end_first_link(&self, user: &UserRecord) {
        if user.is_admin {
            self.first.end();
        }
    }

    /// Fails where a token is not that of the link, or there is an administrator; which of the two is told to nobody.
    pub async fn check_first_link(&self, token: &str, now: Timestamp) -> Result<()> {
        if !self.first.takes(token, now) || self.store.read(users::has_administrator).await? { Err(nothing_to_do()) } else { Ok(()) }
    }

    /// Makes the first administrator, with an address that counts as proven, and signs them in. Of several who ask at once one becomes
    /// it.
    pub async fn make_first_administrator(self: &Arc<Self>, token: &str, first: Registration, visit: &Visit) -> Result<Entered> {
        let now = visit.act.at;
        self.check_first_link(token, now).await?;
        let faults = self.check_registration(&first, now).await?;
        let (Some(address), Some(password), true) = (first.address, first.password, faults.is_empty()) else {
            return Err(Error::Invalid(faults));
        };
        let name = first.name.unwrap_or_else(|| usual_name(&address));
        let hash = self.hashed(&password, now).await?;
        let (services, visit, token) = (self.clone(), visit.clone(), token.to_owned());
        let job = move |connection: &Connection| {
            // Again, where nothing comes between.
            if users::has_administrator(connection)? || !services.first.takes(&token, now) {
                return Err(nothing_to_do());
            }
            check_free(connection, &address)?;
            proofs::end_of_address(connection, address.as_str(), now)?;
            let (email, is_admin) = (Some((address.as_str().to_owned(), true)), true);
            let newcomer = Newcomer { name, email, password: Some(hash), is_admin, ..Newcomer::default() };
            let user = services.make_user(connection, newcomer, &visit.act)?;
            let made = user.clone();
            services.begin_session(connection, user, "password", true, &visit).map(|begun| (begun, made))
        };
        let services = self.clone();
        let after = move |(_, made): &(_, UserRecord)| {
            services.end_first_link(made);
            services.user_changed(made.id);
        };
        let (begun, _) = self.store.write(job, after).await?;
        self.answer(begun, now)
    }
}

/// An address that somebody has is theirs, whoever has the link.
fn check_free(connection: &Connection, address: &Address) -> Result<()> {
    let Some(user) = users::find(connection, &By::Email(address.as_str().to_owned()))? else { return Ok(()) };
    let message = format!("belongs to user {id}: take another, or run tollgate user set {id} --admin", id = user.id);
    Err(Error::Invalid(vec![FieldFault { field: "email".into(), message }]))
}

fn nothing_to_do() -> Error {
    Error::NotFound("such link".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(token: &str) -> KeyHash {
        ServerSecret::hash_of_token(token)
    }

    #[test]
    fn one_link_counts_in_its_time_until_it_ends() {
        let (link, made) = (FirstLink::default(), Timestamp::from_millis(1_000));
        assert!(!link.takes("a", made), "there is none yet");
        link.open(hash("a"), made);
        let last = Timestamp::from_millis(made.plus(LIFETIME).millis() - 1);
        assert!(link.takes("a", made) && link.takes("a", last), "it may be tried again where a form had faults");
        assert!(!link.takes("a", made.plus(LIFETIME)) && !link.takes("b", made) && !link.takes("", made));
        link.open(hash("b"), made);
        assert!(!link.takes("a", made) && link.takes("b", made), "the newer one counts alone");
        link.end();
        assert!(!link.takes("b", made));
    }
}
