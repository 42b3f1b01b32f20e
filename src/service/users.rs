//! Users, for whoever administrates: made, shown, changed, signed out. What takes something from them holds from the very next request.

use std::sync::Arc;

use serde_json::{Value, json};

use super::journal::Change;
use super::sign_in::Visit;
use super::sign_in::login::Address;
use super::sign_in::people::Newcomer;
use super::{Page, PageAsk, Services, check_discreet, check_name, views};
use crate::domain::act::Act;
use crate::domain::email::Email;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::password::Password;
use crate::domain::proof::{Channel, Purpose};
use crate::domain::user::{Role, UserRecord, handle};
use crate::store::idempotency::{self, Once};
use crate::store::users::{self, By};
use crate::store::{Connection, accounts, identities, members, proofs, second_factors};

/// What can be said of a user. What is not said stays, or is as for any new user.
#[derive(Clone, Default)]
pub struct UserInput {
    /// What they are called.
    pub name: Option<String>,
    /// Their address; `Some(None)`: they have none.
    pub email: Option<Option<Email>>,
    /// Their number, E.164; `Some(None)`: they have none.
    pub phone: Option<Option<String>>,
    /// Their password; `Some(None)`: they sign in otherwise.
    pub password: Option<Option<Password>>,
    /// Whether address and number count as proven.
    pub verified: Option<bool>,
    /// May administrate the whole server.
    pub is_admin: Option<bool>,
    /// Switched off.
    pub disabled: Option<bool>,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

/// A user, and what else there is of them.
pub struct UserFile {
    /// The user.
    pub record: UserRecord,
    /// Whether a second factor is asked for.
    pub has_second_factor: bool,
    /// How they sign in by others: the provider, and what people call them there.
    pub identities: Vec<(String, String)>,
    /// Where they belong to: the account's id, its name, and what they are to it.
    pub accounts: Vec<(String, String, Role)>,
}

impl UserInput {
    fn check(&self, services: &Services) -> Vec<FieldFault> {
        let mut faults = self.faults.clone();
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        let policy = &services.policy;
        let name = self.name.as_deref().map(|name| check_name(name).and_then(|()| check_discreet(policy, name)));
        if let Some(Err(message)) = name {
            fault("name", message);
        }
        // How soon it would be guessed is for those to think of who choose their own.
        let least = policy.sign_in.passwords.min_length;
        if self.password.iter().flatten().any(|password| password.length() < least) {
            fault("password", format!("must have at least {least} characters"));
        }
        faults
    }

    /// Whether it is about how they come in: an address, whether it is proven, or the password.
    fn is_grave(&self) -> bool {
        self.email.is_some() || self.phone.is_some() || self.verified.is_some() || self.password.is_some()
    }

    /// What they are called where nobody says: what stands before the `@`, or the number.
    fn usual_name(&self) -> String {
        let email = self.email.iter().flatten().next().and_then(|email| email.as_str().split('@').next());
        let phone = self.phone.iter().flatten().next().map(String::as_str);
        email.or(phone).unwrap_or_default().to_owned()
    }
}

impl Services {
    /// Makes a user with their account, once for each [`Once`].
    pub async fn create_user(self: &Arc<Self>, input: UserInput, once: Option<Once>, act: &Act) -> Result<UserRecord> {
        let mut faults = input.check(self);
        let is_named = |field: &str| faults.iter().any(|fault| fault.field == field);
        let has_address = input.email.iter().flatten().next().is_some() || input.phone.iter().flatten().next().is_some();
        if !has_address && !is_named("email") && !is_named("phone") {
            faults.push(FieldFault { field: "email".into(), message: "must be given, or 'phone'".into() });
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let password = match input.password.iter().flatten().next() {
            Some(password) => Some(self.hashed(password, act.at).await?),
            None => None,
        };
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            if let Some(id) = idempotency::done(connection, once.as_ref(), act.at)? {
                let made = users::find(connection, &By::Id(id.parse().unwrap_or_default()))?;
                return made.ok_or_else(|| Error::Conflict("The user that was made under this Idempotency-Key was deleted since.".into()));
            }
            let verified = input.verified.unwrap_or(false);
            let name = input.name.clone().unwrap_or_else(|| input.usual_name());
            let (email, phone) = (input.email.flatten(), input.phone.flatten());
            let addresses: Vec<Address> = email.clone().map(Address::Email).into_iter().chain(phone.clone().map(Address::Phone)).collect();
            check_free(connection, email.as_ref().map(Email::as_str), phone.as_deref(), None)?;
            for address in email.as_ref().map(Email::as_str).into_iter().chain(phone.as_deref()) {
                // Whoever registered with it, and never proved it, has nothing.
                proofs::end_of_address(connection, address, act.at)?;
            }
            let newcomer = Newcomer {
                name,
                email: email.map(|email| (email.as_str().to_owned(), verified)),
                phone: phone.map(|phone| (phone, verified)),
                password,
                is_admin: input.is_admin.unwrap_or(false),
                ..Newcomer::default()
            };
            let mut user = services.make_user(connection, newcomer, &act)?;
            if input.disabled == Some(true) {
                user.disabled = true;
                users::update(connection, &user)?;
            }
            services.ask_for_proof(connection, &user, Purpose::Verify, &addresses, &act)?;
            idempotency::remember(connection, once.as_ref(), &user.id.to_string(), act.at)?;
            Ok(user)
        };
        let services = self.clone();
        let after = move |user: &UserRecord| {
            services.end_first_link(user);
            services.user_changed(user.id);
        };
        self.store.write(job, after).await
    }

    /// Changes a user. Whoever is switched off, or gets another password, is signed out everywhere. A new address counts as proven
    /// only where that is said; else a proof is sent to it, and another wherever it is named again or its proof is taken back.
    pub async fn set_user(self: &Arc<Self>, id: i64, input: UserInput, act: &Act) -> Result<UserRecord> {
        let faults = input.check(self);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        if input.is_grave() {
            check_other(id, act)?;
        }
        let password = match &input.password {
            Some(Some(password)) => Some(Some(self.hashed(password, act.at).await?)),
            Some(None) => Some(None),
            None => None,
        };
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            let before = found(connection, id)?;
            act.check_revision(before.revision)?;
            let mut user = before.clone();
            let asked = to_prove(&input, &before);
            apply(input, password, &mut user, &act);
            check_reachable(connection, &user)?;
            if is_self(id, &act) && before.is_admin && (!user.is_admin || user.disabled) {
                services.check_other_administrator(connection, id)?;
            }
            let (email, phone) = (user.email.as_deref(), user.phone.as_deref());
            check_free(connection, email, phone, Some(id))?;
            services.write_user(connection, &before, &mut user, &act)?;
            services.ask_for_proof(connection, &user, Purpose::Change, &asked, &act)?;
            Ok(user)
        };
        let services = self.clone();
        let after = move |user: &UserRecord| {
            services.end_first_link(user);
            services.user_changed(user.id);
        };
        self.store.write(job, after).await
    }

    /// Stores a changed user, and what must follow from what was changed.
    fn write_user(&self, connection: &Connection, before: &UserRecord, user: &mut UserRecord, act: &Act) -> Result<()> {
        let is_moved = user.email != before.email || user.phone != before.phone;
        let is_rekeyed = user.password != before.password;
        if is_moved || is_rekeyed || user.disabled {
            // What was sent so far was sent elsewhere, or for another password.
            proofs::end_of_user(connection, user.id, act.at)?;
        }
        for address in user.email.iter().filter(|_| is_moved).chain(user.phone.iter().filter(|_| is_moved)) {
            proofs::end_of_address(connection, address, act.at)?;
        }
        let why = if user.disabled { "disabled" } else { "password" };
        if user.disabled || is_rekeyed {
            self.end_sessions(connection, user.id, None, None, why, &visit(act))?;
        }
        let (was, is) = (views::user(before), views::user(user));
        if was == is && !is_rekeyed {
            return Ok(());
        }
        user.revision += 1;
        users::update(connection, user)?;
        if is_rekeyed {
            self.journal_quietly(connection, Event::PasswordChanged, user, act)?;
            self.tell_of_password(connection, before, act.at)?;
        }
        for (channel, is) in [(Channel::Email, &user.email), (Channel::Phone, &user.phone)] {
            // The first of its kind is theirs once it is proven.
            let counts = before.proven(channel).is_some() || user.proven(channel).is_some();
            self.tell_of_address(connection, before, channel, is.as_deref().filter(|_| counts), act.at)?;
        }
        if was != is { self.journal_user(connection, Event::UserChanged, was, user, act) } else { Ok(()) }
    }

    /// Whoever administrates the server goes only where somebody is left who does, and can sign in. Service tokens and the operator's
    /// shell, which reach everything anyhow, are not asked.
    pub(super) fn check_other_administrator(&self, connection: &Connection, id: i64) -> Result<()> {
        for other in users::other_administrators(connection, id)? {
            if self.has_way_in(&other, &identities::of_user(connection, other.id)?) {
                return Ok(());
            }
        }
        Err(Error::Conflict("You are the only administrator who can sign in: make somebody else one first.".into()))
    }

    /// Signs a user out everywhere.
    pub async fn sign_out_user(self: &Arc<Self>, id: i64, act: &Act) -> Result<()> {
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            let user = found(connection, id)?;
            services.end_sessions(connection, user.id, None, None, "revoked", &visit(&act))
        };
        let services = self.clone();
        self.store.write(job, move |()| services.user_changed(id)).await
    }

    /// Takes a user's second factor away, with its recovery codes: for somebody who lost it. There may be none.
    pub async fn remove_second_factor(self: &Arc<Self>, id: i64, act: &Act) -> Result<()> {
        check_other(id, act)?;
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            let user = found(connection, id)?;
            let had_one = second_factors::is_in_force(connection, id)?;
            second_factors::remove(connection, id)?;
            if !had_one {
                return Ok(());
            }
            let target = handle(id);
            let (before, after) = (json!({ "second_factor": true }), json!({ "user": id, "second_factor": false }));
            let change = Change { event: Event::SecondFactorChanged, target: &target, account: Some(&user.account), before, after };
            services.journal(connection, &act, change)?;
            services.tell_of_second_factor(connection, &user, false, act.at)
        };
        self.store.write(job, |()| ()).await
    }

    /// One user, and what else there is of them.
    pub async fn user(&self, id: i64) -> Result<UserFile> {
        self.store.read(move |connection| file(connection, id)).await
    }

    /// A page of users, oldest first.
    pub async fn users(&self, ask: PageAsk) -> Result<Page<UserRecord>> {
        let filter = users::Filter { search: ask.search.clone(), after: ask.cursor.parse().unwrap_or_default(), limit: ask.limit + 1 };
        let rows = self.store.list(move |connection| users::list(connection, &filter)).await?;
        Ok(ask.page(rows, |user| user.id.to_string()))
    }
}

/// Whoever is signed in does to themselves what is grave only as everybody does: with their password, and their second factor.
pub(super) fn check_other(id: i64, act: &Act) -> Result<()> {
    let told = "That is you: on your own profile (or user/me) this asks for your password and second factor.";
    if is_self(id, act) { Err(Error::Forbidden(told.into())) } else { Ok(()) }
}

fn is_self(id: i64, act: &Act) -> bool {
    act.actor.user().is_some_and(|own| own.id == id)
}

/// There is no such user.
pub(super) fn no_such(id: i64) -> Error {
    Error::NotFound(if id > 0 { format!("user {id}") } else { "such user".into() })
}

pub(super) fn found(connection: &Connection, id: i64) -> Result<UserRecord> {
    users::find(connection, &By::Id(id))?.ok_or_else(|| no_such(id))
}

fn file(connection: &Connection, id: i64) -> Result<UserFile> {
    let record = found(connection, id)?;
    let identities = identities::of_user(connection, id)?.into_iter().map(|identity| (identity.provider, identity.label)).collect();
    let mut belongs_to = Vec::new();
    for member in members::of_user(connection, id)? {
        let account = accounts::by_id(connection, &member.account)?;
        let name = account.map(|account| account.record.name).unwrap_or_default();
        belongs_to.push((member.account, name, member.role));
    }
    Ok(UserFile { has_second_factor: second_factors::is_in_force(connection, id)?, record, identities, accounts: belongs_to })
}

fn apply(input: UserInput, password: Option<Option<String>>, user: &mut UserRecord, act: &Act) {
    user.name = input.name.unwrap_or_else(|| std::mem::take(&mut user.name));
    if let Some(email) = input.email.map(|email| email.map(|email| email.as_str().to_owned()))
        && email != user.email
    {
        (user.email, user.email_verified_at) = (email, None);
    }
    if let Some(phone) = input.phone.filter(|phone| *phone != user.phone) {
        (user.phone, user.phone_verified_at) = (phone, None);
    }
    if let Some(verified) = input.verified {
        let at = |known: Option<_>, is_there: bool| if verified && is_there { known.or(Some(act.at)) } else { None };
        user.email_verified_at = at(user.email_verified_at, user.email.is_some());
        user.phone_verified_at = at(user.phone_verified_at, user.phone.is_some());
    }
    user.password = password.unwrap_or_else(|| user.password.take());
    user.is_admin = input.is_admin.unwrap_or(user.is_admin);
    user.disabled = input.disabled.unwrap_or(user.disabled);
}

/// The addresses that a change is about: those that it names, and those that it takes the proof from.
fn to_prove(input: &UserInput, before: &UserRecord) -> Vec<Address> {
    let is_doubted = input.verified == Some(false);
    let known_email = before.proven_email().filter(|_| is_doubted).and_then(|email| Email::parse(email).ok());
    let known_phone = before.proven_phone().filter(|_| is_doubted).map(str::to_owned);
    let email = input.email.clone().unwrap_or(known_email).map(Address::Email);
    let phone = input.phone.clone().unwrap_or(known_phone).map(Address::Phone);
    email.into_iter().chain(phone).collect()
}

/// Somebody whom nothing reaches could never sign in again.
fn check_reachable(connection: &Connection, user: &UserRecord) -> Result<()> {
    let is_reached = user.email.is_some() || user.phone.is_some() || !identities::of_user(connection, user.id)?.is_empty();
    if is_reached { Ok(()) } else { Err(Error::field("email", "is all that they could sign in with: give another address, or a number")) }
}

/// An address, and a number, is one user's.
fn check_free(connection: &Connection, email: Option<&str>, phone: Option<&str>, own: Option<i64>) -> Result<()> {
    let holder = |by: By| -> Result<Option<i64>> { Ok(users::find(connection, &by)?.map(|user| user.id).filter(|id| Some(*id) != own)) };
    let mut taken = Vec::new();
    for (what, by) in [("address", email.map(|email| By::Email(email.into()))), ("number", phone.map(|phone| By::Phone(phone.into())))] {
        if let Some(user) = by.map(&holder).transpose()?.flatten() {
            taken.push(format!("The {what} belongs to user {user}."));
        }
    }
    if taken.is_empty() { Ok(()) } else { Err(Error::Conflict(taken.join(" "))) }
}

/// An operator's act, where a visit is asked for.
pub(super) fn visit(act: &Act) -> Visit {
    Visit { act: act.clone(), address: None, agent: String::new() }
}

/// The whole of a user, as it is shown.
pub fn file_view(file: &UserFile) -> Value {
    let mut view = views::user(&file.record);
    view["second_factor"] = file.has_second_factor.into();
    let identities = file.identities.iter().map(|(provider, label)| json!({ "provider": provider, "label": label }));
    view["identities"] = identities.collect::<Vec<_>>().into();
    let accounts = file.accounts.iter().map(|(id, name, role)| json!({ "id": id, "name": name, "role": role.name() }));
    view["accounts"] = accounts.collect::<Vec<_>>().into();
    view
}
