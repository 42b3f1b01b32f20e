//! What users change of themselves: name, password and addresses. A password and an address want the password of now; an address
//! changes only once it is proven, and goes only where another way in is left.

use std::sync::Arc;

use serde_json::json;

use super::Visit;
use super::login::Address;
use super::proof::Wanted;
use super::second_factor::still_in;
use super::throttle::{Caller, Guess, Sending};
use crate::domain::email::Email;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::letter::Template;
use crate::domain::password::Password;
use crate::domain::proof::{Channel, Purpose};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::user::{UserFacts, UserRecord};
use crate::domain::verdict::Verdict;
use crate::service::{Services, check_discreet, check_name, views};
use crate::store::users::{self, By};
use crate::store::{Connection, identities, proofs};

/// What somebody wants changed of themselves.
#[derive(Default)]
pub struct OwnChange {
    /// What they call themselves.
    pub name: Option<String>,
    /// A new address, which holds once it is proven; `Some(None)`: none any more.
    pub email: Option<Option<Email>>,
    /// A new number, which holds once it is proven; `Some(None)`: none any more.
    pub phone: Option<Option<String>>,
    /// A new password.
    pub password: Option<Password>,
    /// The one of now: needed for all but the name.
    pub current_password: Option<Password>,
    /// What could not even be read.
    pub faults: Vec<FieldFault>,
}

/// The new addresses of a user that wait to be proven.
#[derive(Debug, Default)]
pub struct Pending {
    /// In lower case.
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
}

impl Services {
    /// What a user has asked for and has not proven yet, the newest of each kind; whoever has it already, they are told the same.
    pub async fn pending_addresses(&self, user: i64, now: Timestamp) -> Result<Pending> {
        let found = self.store.read(move |connection| proofs::changes_of(connection, user, now)).await?;
        let newest = |channel| found.iter().find(|proof| proof.channel == channel).map(|proof| proof.address.clone());
        Ok(Pending { email: newest(Channel::Email), phone: newest(Channel::Phone) })
    }

    /// Changes a user, as they ask themselves, in the session `session`, which outlives a new password.
    pub async fn change_oneself(self: &Arc<Self>, own: &UserFacts, change: OwnChange, visit: &Visit) -> Result<UserRecord> {
        let now = visit.act.at;
        let found = self.user_by(By::Id(own.id)).await?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
        self.check_change(&found, &own.session, &change, visit).await?;
        let (email, phone) = (change.email, change.phone);
        let gone: Vec<Channel> = [(Channel::Email, email == Some(None)), (Channel::Phone, phone == Some(None))]
            .into_iter()
            .filter_map(|(channel, is_gone)| is_gone.then_some(channel))
            .collect();
        let new = email.flatten().map(Address::Email).into_iter().chain(phone.flatten().map(Address::Phone));
        let new: Vec<Address> = new.filter(|new| !is_theirs(new, &found)).collect();
        for address in &new {
            self.count_sending(Sending::Proof, address, visit.address, visit.act.at)?;
        }
        let hash = match &change.password {
            Some(password) => Some(self.hashed(password, now).await?),
            None => None,
        };
        let (services, visit, own, seen) = (self.clone(), visit.clone(), own.clone(), found.password);
        let name = change.name;
        let job = move |connection: &Connection| {
            let mut user = still_in(connection, &own, now)?;
            if user.password != seen {
                return Err(Error::Conflict("The password was changed meanwhile: sign in again.".into()));
            }
            if let Some(name) = name.filter(|name| *name != user.name) {
                let before = views::user(&user);
                (user.name, user.revision) = (name, user.revision + 1);
                users::update(connection, &user)?;
                services.journal_user(connection, Event::UserChanged, before, &user, &visit.act)?;
            }
            if let Some(hash) = hash {
                services.set_password(connection, &mut user, hash, Some(&own.session), &visit)?;
            }
            for channel in gone {
                services.take_address(connection, &mut user, channel, &visit)?;
            }
            for address in &new {
                services.begin_change(connection, &user, address, &visit)?;
            }
            Ok(user)
        };
        let services = self.clone();
        self.store.write(job, move |user: &UserRecord| services.user_changed(user.id)).await
    }

    /// Sends a proof to a new address. To one that somebody else has, it says so to them: who asks is told the same.
    fn begin_change(&self, connection: &Connection, user: &UserRecord, address: &Address, visit: &Visit) -> Result<()> {
        let (now, origin) = (visit.act.at, visit.act.origin.as_str());
        let (purpose, template) = (Purpose::Change, Template::Change);
        let wanted = Wanted { purpose, address, user: Some(user.id), payload: json!({}), template, name: &user.name, origin };
        let holder = users::find(connection, &address.by())?.filter(|holder| holder.id != user.id && address.is_proven_by(holder));
        let Some(holder) = holder else { return self.send_proof(connection, wanted, now) };
        self.write_as_much(connection, &wanted, now)?;
        self.tell_known(connection, address, &holder, now)
    }

    /// Takes an address from a user, who is told there; nothing that was sent to it counts any more.
    fn take_address(&self, connection: &Connection, user: &mut UserRecord, channel: Channel, visit: &Visit) -> Result<()> {
        let (was, now) = (user.clone(), visit.act.at);
        let (address, verified_at) = match channel {
            Channel::Phone => (&mut user.phone, &mut user.phone_verified_at),
            _ => (&mut user.email, &mut user.email_verified_at),
        };
        if address.take().is_none() {
            return Ok(());
        }
        *verified_at = None;
        user.revision += 1;
        self.check_way_in(user, &identities::of_user(connection, user.id)?)?;
        users::update(connection, user)?;
        proofs::end_of_user_by(connection, user.id, channel, now)?;
        self.journal_user(connection, Event::UserChanged, views::user(&was), user, &visit.act)?;
        self.tell_of_address(connection, &was, channel, None, now)
    }

    async fn check_change(&self, user: &UserRecord, session: &str, change: &OwnChange, visit: &Visit) -> Result<()> {
        let mut faults = change.faults.clone();
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        if let Some(Err(message)) = change.name.as_deref().map(|name| check_name(name).and_then(|()| check_discreet(&self.policy, name))) {
            fault("name", message);
        }
        let own = [Some(user.name.as_str()), user.email.as_deref(), user.phone.as_deref()].into_iter().flatten().collect::<Vec<_>>();
        if let Some(password) = &change.password
            && let Some(message) = self.check_strength(password, &own, visit.act.at).await?
        {
            fault("password", message);
        }
        let is_grave = change.password.is_some() || change.email.is_some() || change.phone.is_some();
        // Who signs in by others only, and has no password yet, sets the first without one.
        let needs_current = is_grave && user.password.is_some();
        let is_named = change.faults.iter().any(|fault| fault.field == "current_password");
        if needs_current && change.current_password.is_none() && !is_named {
            fault("current_password", "must be given to change a password or an address".into());
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        match &change.current_password {
            Some(current) if needs_current => self.confirm_password(user, current, "current_password", visit).await,
            _ if is_grave && !self.is_fresh_session(session, visit.act.at).await? => {
                Err(Error::field("current_password", "you have none: sign in again, and do this within ten minutes"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is the user's password, asked again before something grave; `field` is where a wrong one is told.
    pub(crate) async fn confirm_password(&self, user: &UserRecord, password: &Password, field: &str, visit: &Visit) -> Result<()> {
        let now = visit.act.at;
        // Wherever it is asked from: whoever has stolen a session has one count.
        let caller = Caller { address: None, is_familiar: true };
        let target = crate::domain::user::handle(user.id);
        let ticket = self.sign_in.throttles.guess(Guess::Password, caller, &target, now);
        let ticket = ticket.map_err(|until| Error::from(Refusal::until(until)))?;
        let checked = self.is_password(user.password.as_deref(), password, now).await;
        let is_wrong = matches!(&checked, Ok(checked) if !checked.matches);
        if !is_wrong {
            self.sign_in.throttles.forgive(ticket);
        }
        checked?;
        if is_wrong {
            let faults = vec![FieldFault { field: field.into(), message: "is not your password".into() }];
            return Err(Refusal::fields(faults).into());
        }
        Ok(())
    }
}

fn is_theirs(address: &Address, user: &UserRecord) -> bool {
    let own = match address {
        Address::Email(_) => &user.email,
        Address::Phone(_) => &user.phone,
    };
    own.as_deref() == Some(address.as_str()) && address.is_proven_by(user)
}
