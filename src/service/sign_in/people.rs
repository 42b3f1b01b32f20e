//! How somebody becomes a user: with a personal account that they own, or not at all; and how whoever proves an address takes over a
//! user who never had.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Visit;
use crate::domain::act::{Act, Actor};
use crate::domain::caller::Kind;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::proof::Channel;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, UserRecord, handle};
use crate::domain::verdict::Verdict;
use crate::service::accounts::AccountInput;
use crate::service::journal::Change;
use crate::service::{Services, views};
use crate::store::members::Member;
use crate::store::users::{self, By};
use crate::store::{Connection, accounts, identities, keys, members, proofs, second_factors, sessions};

/// Who is to become a user.
#[derive(Clone, Default)]
pub(crate) struct Newcomer {
    /// What they call themselves.
    pub name: String,
    /// In lower case, and whether it is proven theirs.
    pub email: Option<(String, bool)>,
    /// E.164, and whether it is proven theirs.
    pub phone: Option<(String, bool)>,
    /// PHC string.
    pub password: Option<String>,
    /// A URL.
    pub picture: Option<String>,
    /// May administrate the whole server.
    pub is_admin: bool,
}

impl Services {
    /// Makes a user with a personal account. Called inside a transaction.
    pub(crate) fn make_user(&self, connection: &Connection, newcomer: Newcomer, act: &Act) -> Result<UserRecord> {
        let now = act.at;
        let input = AccountInput { name: Some(newcomer.name.clone()), kind: Some(Kind::Personal), ..AccountInput::default() };
        let account = self.opened(connection, input, act)?;
        accounts::insert(connection, &account)?;
        let mut user = UserRecord {
            id: 0,
            name: newcomer.name,
            email_verified_at: proven_at(newcomer.email.as_ref(), now),
            phone_verified_at: proven_at(newcomer.phone.as_ref(), now),
            email: newcomer.email.map(|(email, _)| email),
            phone: newcomer.phone.map(|(phone, _)| phone),
            proven_at: None,
            password: newcomer.password,
            picture: newcomer.picture,
            account: account.record.id.clone(),
            is_admin: newcomer.is_admin,
            disabled: false,
            agreement: None,
            created_at: now,
            revision: 1,
        };
        user.id = users::insert(connection, &user)?;
        members::put(connection, &Member { account: user.account.clone(), user: user.id, role: Role::Owner, joined_at: now })?;
        let act = by_themselves(act, &user);
        let (target, own) = (handle(user.id), user.account.clone());
        let change = |event, target, after| Change { event, target, account: Some(&own), before: Value::Null, after };
        self.journal(connection, &act, change(Event::AccountCreated, &own, views::account(&account)))?;
        self.journal(connection, &act, change(Event::UserCreated, &target, views::user(&user)))?;
        Ok(user)
    }

    /// The one rule of whoever proves an address that stands with somebody who has not. A user who never proved anything is taken over:
    /// only their id and account stay, and nothing that somebody else may have set up. One who has proven another address is somebody:
    /// they lose this one, and whoever proved it becomes a user of their own.
    pub(crate) fn take_over(&self, connection: &Connection, mut user: UserRecord, newcomer: Newcomer, visit: &Visit) -> Result<UserRecord> {
        let (now, before) = (visit.act.at, views::user(&user));
        if user.is_somebody() {
            let channel = if newcomer.email.is_some() { Channel::Email } else { Channel::Phone };
            let taken = free_unproven(connection, user, channel)?;
            let made = self.make_user(connection, newcomer, &visit.act)?;
            self.journal_unproven(connection, taken, &by_themselves(&visit.act, &made))?;
            return Ok(made);
        }
        self.strip(connection, &user, &newcomer, visit)?;
        (user.name, user.password, user.picture) = (newcomer.name, newcomer.password, newcomer.picture);
        // Of the two addresses only the one that was proven stays.
        (user.email_verified_at, user.phone_verified_at) =
            (proven_at(newcomer.email.as_ref(), now), proven_at(newcomer.phone.as_ref(), now));
        (user.email, user.phone) = (newcomer.email.map(|(email, _)| email), newcomer.phone.map(|(phone, _)| phone));
        (user.is_admin, user.agreement) = (newcomer.is_admin, None);
        user.revision += 1;
        users::update(connection, &user)?;
        self.journal_user(connection, Event::UserChanged, before, &user, &visit.act)?;
        Ok(user)
    }

    /// Takes from a user who never proved an address all by which somebody else could come in, and writes down all that they lose.
    fn strip(&self, connection: &Connection, user: &UserRecord, newcomer: &Newcomer, visit: &Visit) -> Result<()> {
        let act = by_themselves(&visit.act, user);
        let elsewhere = dispensable(connection, user)?;
        let taken = json!({
            "email": user.email,
            "phone": user.phone,
            "password": user.password.is_some(),
            "admin": user.is_admin && !newcomer.is_admin,
            "agreement": user.agreement,
            "sessions": sessions::of_user(connection, user.id, act.at)?.len(),
            "identities": identities::of_user(connection, user.id)?.iter().map(views::identity).collect::<Vec<_>>(),
            "second_factor": second_factors::is_in_force(connection, user.id)?,
            "keys": keys::lasting_of_account(connection, &user.account)?.into_iter().map(|key| key.record.id).collect::<Vec<_>>(),
            "accounts": elsewhere.iter().map(|own| own.account.as_str()).collect::<Vec<_>>(),
        });
        self.end_sessions(connection, user.id, None, None, "taken_over", visit)?;
        identities::remove_all(connection, user.id)?;
        second_factors::remove(connection, user.id)?;
        proofs::end_of_user(connection, user.id, act.at)?;
        self.revoke_keys_of(connection, &user.account, &act)?;
        for own in &elsewhere {
            self.leave(connection, own, user, &act)?;
        }
        let target = handle(user.id);
        let change =
            Change { event: Event::UserTakenOver, target: &target, account: Some(&user.account), before: taken, after: Value::Null };
        self.announce(connection, change.event, &views::user(user), act.at)?;
        self.enter(connection, &act, change)
    }

    /// Revokes every key of an account. Whoever commits it raises the account's generation.
    pub(crate) fn revoke_keys_of(&self, connection: &Connection, account: &str, act: &Act) -> Result<()> {
        for mut key in keys::lasting_of_account(connection, account)? {
            let before = views::key(&key.record);
            key.record.revoked_at = Some(act.at);
            key.record.revision += 1;
            keys::update(connection, &key)?;
            let (target, after) = (key.record.id.as_str(), views::key(&key.record));
            self.journal(connection, act, Change { event: Event::KeyRevoked, target, account: Some(account), before, after })?;
        }
        Ok(())
    }

    /// Takes from somebody the address that they have not proven; `act` is of whoever did.
    pub(crate) fn take_unproven(&self, connection: &Connection, user: UserRecord, channel: Channel, act: &Act) -> Result<()> {
        let taken = free_unproven(connection, user, channel)?;
        self.journal_unproven(connection, taken, act)
    }

    fn journal_unproven(&self, connection: &Connection, (was, is): (UserRecord, UserRecord), act: &Act) -> Result<()> {
        self.journal_user(connection, Event::UserChanged, views::user(&was), &is, act)
    }

    /// What must follow once a user was taken over: nothing that is remembered of them or of their keys counts any more.
    pub(crate) fn taken_over(&self, user: &UserRecord) {
        self.user_changed(user.id);
        self.accounts.raise(crate::service::slot_of(&user.account));
    }

    /// Writes a change of a user down.
    pub(crate) fn journal_user(&self, connection: &Connection, event: Event, before: Value, user: &UserRecord, act: &Act) -> Result<()> {
        let target = handle(user.id);
        let change = Change { event, target: &target, account: Some(&user.account), before, after: views::user(user) };
        self.journal(connection, &by_themselves(act, user), change)
    }

    /// Notes that something of a user was changed that no view shows.
    pub(crate) fn journal_quietly(&self, connection: &Connection, event: Event, user: &UserRecord, act: &Act) -> Result<()> {
        let target = handle(user.id);
        let after = json!({ "user": user.id });
        let change = Change { event, target: &target, account: Some(&user.account), before: Value::Null, after };
        self.journal(connection, &by_themselves(act, user), change)
    }

    /// A user, for whoever signs in with what is theirs.
    pub(crate) async fn user_by(self: &Arc<Self>, by: By) -> Result<Option<UserRecord>> {
        self.store.read(move |connection| users::find(connection, &by)).await
    }
}

/// Where a user belongs to besides their own account, but for organizations that would be left to people who do not own them.
fn dispensable(connection: &Connection, user: &UserRecord) -> Result<Vec<Member>> {
    let mut dispensable = Vec::new();
    for member in members::of_user(connection, user.id)?.into_iter().filter(|own| own.account != user.account) {
        if !members::is_needed(connection, &member)? {
            dispensable.push(member);
        }
    }
    Ok(dispensable)
}

/// Takes from somebody the address that they have not proven; answers them as they were and as they are.
fn free_unproven(connection: &Connection, was: UserRecord, channel: Channel) -> Result<(UserRecord, UserRecord)> {
    let mut is = UserRecord { revision: was.revision + 1, ..was.clone() };
    match channel {
        Channel::Phone => is.phone = None,
        _ => is.email = None,
    }
    users::update(connection, &is)?;
    Ok((was, is))
}

/// An act of somebody who proves in it who they are.
pub(crate) fn by_themselves(act: &Act, user: &UserRecord) -> Act {
    match act.actor {
        Actor::Nobody => Act { actor: Actor::Entering(handle(user.id)), ..act.clone() },
        _ => act.clone(),
    }
}

/// The user of a proof that names one.
pub(crate) fn user_of(connection: &Connection, id: Option<i64>) -> Result<UserRecord> {
    let found = id.map(|id| users::find(connection, &By::Id(id))).transpose()?.flatten();
    found.ok_or_else(|| Error::refused(Verdict::Unknown))
}

/// When an address counts as proven that somebody brings.
fn proven_at(address: Option<&(String, bool)>, now: Timestamp) -> Option<Timestamp> {
    address.filter(|(_, is_proven)| *is_proven).map(|_| now)
}
