//! A forgotten password: a proof is sent to the address, and whoever brings it back sets another. Every session ends with that.

use std::sync::Arc;

use serde_json::json;

use super::login::Address;
use super::people::Newcomer;
use super::proof::{Brought, Wanted, spent};
use super::throttle::Sending;
use super::{Visit, people};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::letter::Template;
use crate::domain::password::Password;
use crate::domain::proof::{Channel, Purpose};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRecord;
use crate::domain::verdict::Verdict;
use crate::service::Services;
use crate::service::mails::Letter;
use crate::store::{Connection, proofs, users};

/// A new password for whoever brings a proof back; what is missing has its fault.
pub struct NewPassword {
    /// The proof.
    pub brought: Option<Brought>,
    /// The password.
    pub password: Option<Password>,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

impl Services {
    /// Sends a proof with which a new password can be set, where there is somebody to send it to. Answered alike in any case.
    pub async fn forgot(self: &Arc<Self>, address: Address, visit: &Visit) -> Result<()> {
        self.count_sending(Sending::Reset, &address, visit.address, visit.act.at)?;
        let (services, now, origin) = (self.clone(), visit.act.at, visit.act.origin.clone());
        let job = move |connection: &Connection| {
            // An address that merely stands with somebody who has proven another is not theirs to sign in by.
            let found = users::find(connection, &address.by())?.filter(|user| !user.disabled);
            let is_reached = match &found {
                Some(user) => address.is_proven_by(user) || !user.is_somebody(),
                None => false,
            };
            let found = found.filter(|_| is_reached);
            let (id, name) = found.as_ref().map_or((None, address.as_str()), |user| (Some(user.id), user.name.as_str()));
            let (purpose, template) = (Purpose::Reset, Template::Reset);
            let wanted = Wanted { purpose, address: &address, user: id, payload: json!({}), template, name, origin: &origin };
            if found.is_some() { services.send_proof(connection, wanted, now) } else { services.send_nothing(connection, wanted, now) }
        };
        self.store.write(job, |()| ()).await
    }

    /// Sets a new password for whoever brings the proof back. They sign in with it afterwards: a second factor is not skipped.
    pub async fn reset(self: &Arc<Self>, new: NewPassword, visit: &Visit) -> Result<()> {
        let now = visit.act.at;
        let (Some(brought), Some(password), true) = (new.brought, &new.password, new.faults.is_empty()) else {
            let weakness = match &new.password {
                Some(password) => self.check_strength(password, &[], now).await?,
                None => None,
            };
            let weak = weakness.map(|message| FieldFault { field: "password".into(), message });
            return Err(Error::Invalid(new.faults.into_iter().chain(weak).collect()));
        };
        let proof = self.brought_back(&brought, &[Purpose::Reset], visit).await?;
        let user = self.user_by(users::By::Id(proof.user.unwrap_or_default())).await?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
        let own = [Some(user.name.as_str()), user.email.as_deref(), user.phone.as_deref()].into_iter().flatten().collect::<Vec<_>>();
        if let Some(message) = self.check_strength(password, &own, now).await? {
            return Err(Refusal::fields(vec![FieldFault { field: "password".into(), message }]).into());
        }
        let hash = self.hashed(password, now).await?;
        let (services, visit) = (self.clone(), visit.clone());
        let job = move |connection: &Connection| {
            let proof = spent(connection, &proof, now)?;
            let mut user = people::user_of(connection, proof.user)?;
            let has = if proof.channel == Channel::Phone { &user.phone } else { &user.email };
            // The address was changed since it was sent.
            if user.disabled || has.as_deref() != Some(proof.address.as_str()) {
                return Err(Error::refused(Verdict::Unknown));
            }
            let is_first = !user.is_somebody();
            // Whoever has proven who they are otherwise is not this address's.
            if !is_first && user.proven(proof.channel).is_none() {
                return Err(Error::refused(Verdict::Unknown));
            }
            if is_first {
                let own = Some((proof.address.clone(), true));
                let (phone, email) = if proof.channel == Channel::Phone { (own, None) } else { (None, own) };
                // The operator has made them for this address, and tells them to come in by this.
                let newcomer = Newcomer { name: user.name.clone(), email, phone, is_admin: user.is_admin, ..Newcomer::default() };
                user = services.take_over(connection, user, newcomer, &visit)?;
            }
            services.set_password(connection, &mut user, hash, None, &visit)?;
            proofs::end_of_address(connection, &proof.address, now)?;
            Ok(user)
        };
        let services = self.clone();
        self.store.write(job, move |user: &UserRecord| services.taken_over(user)).await.map(drop)
    }

    /// Writes a new password, ends every session but one, and whatever was sent; tells the user. Inside a transaction; whoever
    /// commits it calls [`Services::user_changed`], or [`Services::taken_over`].
    pub(crate) fn set_password(
        &self,
        connection: &Connection,
        user: &mut UserRecord,
        hash: String,
        but: Option<&str>,
        visit: &Visit,
    ) -> Result<()> {
        let now = visit.act.at;
        user.password = Some(hash);
        user.revision += 1;
        users::update(connection, user)?;
        self.end_sessions(connection, user.id, None, but, "password", visit)?;
        proofs::end_of_user(connection, user.id, now)?;
        self.journal_quietly(connection, Event::PasswordChanged, user, &visit.act)?;
        self.tell_of_password(connection, user, now)
    }

    /// Tells a user something: by mail, or where they have none proven, by SMS; else there is nobody to tell.
    pub(crate) fn tell_user(
        &self,
        connection: &Connection,
        user: &UserRecord,
        template: Template,
        fields: serde_json::Value,
        now: Timestamp,
    ) -> Result<()> {
        let by_mail = user.proven_email().map(|email| (Channel::Email, email));
        let by_phone = user.proven_phone().map(|phone| (Channel::Phone, phone));
        let Some((channel, address)) = by_mail.or(by_phone).filter(|(channel, _)| template.goes_by(*channel)) else { return Ok(()) };
        self.tell(connection, Letter { channel, address, template, fields, secret_of: None }, now)
    }
}
