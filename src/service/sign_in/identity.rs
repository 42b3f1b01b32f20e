//! Signing in by others: a proven identity becomes a user. It is found by what its provider calls it, never by a name; by its address
//! only where both sides have proven it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::people::{Newcomer, by_themselves};
use super::second_factor::still_in;
use super::session::Begun;
use super::throttle::{Caller, Guess, Ticket};
use super::{Entered, Visit};
use crate::domain::act::Act;
use crate::domain::email::Email;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::identity::Proven;
use crate::domain::letter::{Template, spoken_instant};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::user::{UserFacts, UserRecord, handle};
use crate::domain::verdict::Verdict;
use crate::service::journal::Change;
use crate::service::{Services, views};
use crate::store::identities::Identity;
use crate::store::users::{self, By};
use crate::store::{Connection, identities, proofs, sessions};

/// What a payload is that may be used once, and until when it would count.
pub type OnlyOnce = ([u8; 32], Timestamp);

impl Services {
    /// Signs in whom a provider proved. `once`: the payload counts once.
    pub async fn sign_in_proven(self: &Arc<Self>, proven: Proven, once: Option<OnlyOnce>, visit: &Visit) -> Result<Entered> {
        let (services, visit, now) = (self.clone(), visit.clone(), visit.act.at);
        let job = move |connection: &Connection| {
            if let Some((hash, until)) = once
                && !crate::store::spent::spend(connection, &hash, until)?
            {
                return Err(Error::refused(Verdict::Unknown));
            }
            let (user, is_new) = services.user_of_identity(connection, &proven, &visit)?;
            let entering = user.clone();
            services.begin_session(connection, user, &proven.method, is_new, &visit).map(|begun| (begun, entering, is_new))
        };
        let services = self.clone();
        let after = move |(_, user, is_new): &(Begun, UserRecord, bool)| match is_new {
            // Made, or taken over: then no key that was there before counts any more.
            true => services.taken_over(user),
            false => services.user_changed(user.id),
        };
        let (begun, ..) = self.store.write(job, after).await?;
        self.answer(begun, now)
    }

    /// Counts a code that is tried at a provider, for the address that it comes from. Forgiven where it was right.
    pub fn guess_at_provider(&self, visit: &Visit) -> Result<Ticket> {
        let caller = Caller { address: visit.address, is_familiar: false };
        let target = format!("provider {}", visit.act.origin);
        self.sign_in.throttles.guess(Guess::Code, caller, &target, visit.act.at).map_err(|until| Refusal::until(until).into())
    }

    /// Takes a guess back.
    pub fn forgive(&self, ticket: Ticket) {
        self.sign_in.throttles.forgive(ticket);
    }

    /// How a user signs in by others, the oldest first.
    pub async fn identities(&self, user: i64) -> Result<Vec<Identity>> {
        self.store.read(move |connection| identities::of_user(connection, user)).await
    }

    /// Adds an identity to a user who is signed in.
    pub async fn link_identity(self: &Arc<Self>, own: &UserFacts, proven: Proven, once: Option<OnlyOnce>, visit: &Visit) -> Result<()> {
        let (services, visit, own) = (self.clone(), visit.clone(), own.clone());
        let job = move |connection: &Connection| {
            if let Some((hash, until)) = once
                && !crate::store::spent::spend(connection, &hash, until)?
            {
                return Err(Error::refused(Verdict::Unknown));
            }
            let user = still_in(connection, &own, visit.act.at)?;
            match identities::find(connection, &proven.provider, &proven.subject)? {
                Some(own) if own.user == user.id => Ok(()),
                Some(_) => Err(Error::Conflict("This sign-in belongs to another user.".into())),
                None => services.add_identity(connection, &user, &proven, &visit, true),
            }
        };
        self.store.write(job, |()| ()).await
    }

    /// Takes an identity from a user, where another way in is left. Where else they have come in by it they are signed out.
    pub async fn unlink_identity(self: &Arc<Self>, own: &UserFacts, provider: &str, visit: &Visit) -> Result<()> {
        let (services, visit, provider, own) = (self.clone(), visit.clone(), provider.to_owned(), own.clone());
        let id = own.id;
        let job = move |connection: &Connection| {
            let user = still_in(connection, &own, visit.act.at)?;
            let all = identities::of_user(connection, user.id)?;
            let (taken, left): (Vec<Identity>, Vec<Identity>) = all.into_iter().partition(|identity| identity.provider == provider);
            if taken.is_empty() {
                return Err(Error::NotFound("such linked sign-in".into()));
            }
            services.check_way_in(&user, &left)?;
            for identity in &taken {
                identities::remove(connection, &identity.provider, &identity.subject)?;
                services.journal_identity(connection, Event::IdentityUnlinked, identity, &user, &visit.act)?;
            }
            let settings = &services.policy.sign_in;
            let others = sessions::of_user(connection, user.id, visit.act.at)?.into_iter().filter(|session| session.id != own.session);
            for session in others.filter(|session| settings.may_have_begun(&provider, &session.method)) {
                services.end_sessions(connection, user.id, Some(&session.id), None, "unlinked", &visit)?;
            }
            services.tell_of_identity(connection, &user, &provider, false, visit.act.at)
        };
        let services = self.clone();
        self.store.write(job, move |()| services.user_changed(id)).await
    }

    /// Fails where nothing is left by which a user, as they would be then, could sign in.
    pub(crate) fn check_way_in(&self, user: &UserRecord, identities: &[Identity]) -> Result<()> {
        let told = "This is the only way to sign in: prove another address and set a password first, or link another sign-in.";
        if self.has_way_in(user, identities) { Ok(()) } else { Err(Error::Conflict(told.into())) }
    }

    /// Whether a user could sign in: with a password and an address that is proven, or by others.
    pub(crate) fn has_way_in(&self, user: &UserRecord, identities: &[Identity]) -> bool {
        let by_password = user.password.is_some() && user.has_proven_address();
        by_password || identities.iter().any(|identity| self.policy.sign_in.lets_in_by(&identity.provider))
    }

    fn user_of_identity(&self, connection: &Connection, proven: &Proven, visit: &Visit) -> Result<(UserRecord, bool)> {
        if let Some(identity) = identities::find(connection, &proven.provider, &proven.subject)? {
            let used = Identity { label: proven.label.clone(), used_at: visit.act.at, ..identity };
            identities::put(connection, &used)?;
            return super::people::user_of(connection, Some(used.user)).map(|user| (user, false));
        }
        let address = proven.email.as_ref().filter(|named| named.verified).and_then(|named| Email::parse(&named.address).ok());
        let known = address.as_ref().map(|email| users::find(connection, &By::Email(email.as_str().to_owned()))).transpose()?.flatten();
        let (user, is_new) = match known {
            Some(user) if user.proven_email().is_some() => (user, false),
            Some(user) if !user.is_somebody() => (self.take_over(connection, user, self.newcomer(proven, address.as_ref()), visit)?, true),
            // Whom the address merely stands with stays who they are: this is somebody new.
            holder if self.policy.sign_in.registration => {
                let caller = Caller { address: visit.address, is_familiar: false };
                let counted = self.sign_in.throttles.register(caller, visit.act.at);
                counted.map_err(|until| Error::from(Refusal::until(until)))?;
                let newcomer = self.newcomer(proven, address.as_ref());
                let made = match holder {
                    Some(holder) => self.take_over(connection, holder, newcomer, visit)?,
                    None => self.make_user(connection, newcomer, &visit.act)?,
                };
                (made, true)
            }
            _ => return Err(Refusal::of(Verdict::Unknown).into()),
        };
        // Whoever registered with the same address, and never proved it, has nothing.
        if let Some(email) = &address {
            proofs::end_of_address(connection, email.as_str(), visit.act.at)?;
        }
        self.add_identity(connection, &user, proven, visit, !is_new)?;
        Ok((user, is_new))
    }

    fn newcomer(&self, proven: &Proven, email: Option<&Email>) -> Newcomer {
        let name = proven.name.clone().unwrap_or_else(|| proven.label.clone());
        Newcomer {
            name,
            email: email.map(|email| (email.as_str().to_owned(), true)),
            picture: proven.picture.clone(),
            ..Newcomer::default()
        }
    }

    /// `is_told`: to somebody who was there already it is news.
    fn add_identity(&self, connection: &Connection, user: &UserRecord, proven: &Proven, visit: &Visit, is_told: bool) -> Result<()> {
        let now = visit.act.at;
        let (provider, subject, label) = (proven.provider.clone(), proven.subject.clone(), proven.label.clone());
        let identity = Identity { provider, subject, user: user.id, label, created_at: now, used_at: now };
        identities::put(connection, &identity)?;
        users::vouched(connection, user.id, now)?;
        self.journal_identity(connection, Event::IdentityLinked, &identity, user, &visit.act)?;
        if is_told { self.tell_of_identity(connection, user, &identity.provider, true, now) } else { Ok(()) }
    }

    fn tell_of_identity(&self, connection: &Connection, user: &UserRecord, provider: &str, is_linked: bool, now: Timestamp) -> Result<()> {
        let provider = self.policy.sign_in.title_of(provider);
        let fields = json!({ "name": user.name, "provider": provider, "is_linked": is_linked, "at": spoken_instant(now) });
        self.tell_user(connection, user, Template::IdentityChanged, fields, now)
    }

    /// Writes down that a user signs in by others now, or no more: the audit names them, webhooks are told of the user.
    fn journal_identity(&self, connection: &Connection, event: Event, identity: &Identity, user: &UserRecord, act: &Act) -> Result<()> {
        let (named, target) = (views::identity(identity), handle(user.id));
        let (before, after) = if event == Event::IdentityLinked { (Value::Null, named) } else { (named, Value::Null) };
        self.announce(connection, event, &views::user(user), act.at)?;
        self.enter(connection, &by_themselves(act, user), Change { event, target: &target, account: Some(&user.account), before, after })
    }
}
