//! Registration. Nobody is a user before an address is proven: until then there is a proof that knows what they are to have. What is
//! answered is the same for every address, known or not.

use std::sync::Arc;

use serde_json::json;

use super::Visit;
use super::link::has_rivals;
use super::login::Address;
use super::people::Newcomer;
use super::proof::Wanted;
use super::throttle::Sending;
use crate::domain::email::Email;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::letter::Template;
use crate::domain::password::Password;
use crate::domain::proof::{ProofRecord, Purpose};
use crate::domain::time::Timestamp;
use crate::domain::user::UserRecord;
use crate::domain::verdict::Verdict;
use crate::service::mails::Letter;
use crate::service::{Services, check_discreet, check_name};
use crate::store::users::{self, By};
use crate::store::{Connection, proofs};

/// What somebody gives who registers; what is missing has its fault.
pub struct Registration {
    /// Where they are written to.
    pub address: Option<Address>,
    /// What they will sign in with.
    pub password: Option<Password>,
    /// What they call themselves; none: as the address does.
    pub name: Option<String>,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

impl Services {
    /// Takes a registration. A mail or SMS follows: to prove the address, or to say that there is an account already.
    pub async fn register(self: &Arc<Self>, registration: Registration, visit: &Visit) -> Result<()> {
        if !self.policy.sign_in.registration {
            return Err(Error::refused(Verdict::NotConfigured));
        }
        let faults = self.check_registration(&registration, visit.act.at).await?;
        let (Some(address), Some(password), true) = (registration.address, registration.password, faults.is_empty()) else {
            return Err(Error::Invalid(faults));
        };
        let name = registration.name.unwrap_or_else(|| usual_name(&address));
        self.count_sending(Sending::Registration, &address, visit.address, visit.act.at)?;
        // Whoever it is: the same work for each.
        let hash = self.hashed(&password, visit.act.at).await?;
        let (services, now, origin) = (self.clone(), visit.act.at, visit.act.origin.clone());
        let job = move |connection: &Connection| {
            let known = users::find(connection, &address.by())?.filter(|user| address.is_proven_by(user));
            let (purpose, template, payload) = (Purpose::Register, Template::Verify, json!({ "name": name, "password": hash }));
            let wanted = Wanted { purpose, address: &address, user: None, payload, template, name: &name, origin: &origin };
            match known {
                Some(user) => {
                    services.tell_known(connection, &address, &user, now)?;
                    services.write_as_much(connection, &wanted, now).map(drop)
                }
                None => services.send_proof(connection, wanted, now),
            }
        };
        self.store.write(job, |()| ()).await
    }

    async fn check_registration(&self, registration: &Registration, now: Timestamp) -> Result<Vec<FieldFault>> {
        let Registration { address, password, name, faults } = registration;
        let mut faults = faults.clone();
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        if let Some(Err(message)) = name.as_deref().map(|name| check_name(name).and_then(|()| check_discreet(&self.policy, name))) {
            fault("name", message);
        }
        let own: Vec<&str> = address.as_ref().map(Address::as_str).into_iter().chain(name.as_deref()).collect();
        if let Some(password) = password
            && let Some(weakness) = self.check_strength(password, &own, now).await?
        {
            fault("password", weakness);
        }
        Ok(faults)
    }

    /// Tells somebody, in place of the proof that was counted and asked for, that they have the address already.
    pub(super) fn tell_known(&self, connection: &Connection, address: &Address, user: &UserRecord, now: Timestamp) -> Result<()> {
        let fields = json!({ "name": user.name });
        let letter = Letter { channel: address.channel(), address: address.as_str(), template: Template::Known, fields, secret_of: None };
        self.post_mail(connection, letter, now).map(drop)
    }

    /// Makes the user of a registration that was proven. Whoever has held the address without proving it is taken over.
    /// `knows_password`: whoever proves it has shown that the registration is their own.
    pub(super) fn register_proven(
        &self,
        connection: &Connection,
        proof: &ProofRecord,
        knows_password: bool,
        visit: &Visit,
    ) -> Result<(UserRecord, bool)> {
        let is_doubtful = !knows_password && has_rivals(connection, proof, visit.act.at)?;
        let text = |field: &str| proof.payload[field].as_str().map(str::to_owned);
        let is_phone = proof.channel == crate::domain::proof::Channel::Phone;
        let proven = Some((proof.address.clone(), true));
        let newcomer = Newcomer {
            name: text("name").unwrap_or_default(),
            password: text("password"),
            email: proven.clone().filter(|_| !is_phone),
            phone: proven.filter(|_| is_phone),
            ..Newcomer::default()
        };
        let by = if is_phone { By::Phone(proof.address.clone()) } else { By::Email(proof.address.clone()) };
        let user = match users::find(connection, &by)? {
            // Somebody else has proven it meanwhile.
            Some(user) if user.proven(proof.channel).is_some() => {
                return Err(Error::refused(Verdict::Unknown));
            }
            Some(user) => self.take_over(connection, user, newcomer, visit)?,
            None => self.make_user(connection, newcomer, &visit.act)?,
        };
        proofs::end_of_address(connection, &proof.address, visit.act.at)?;
        if let Some(email) = Email::parse(&proof.address).ok().filter(|_| is_doubtful) {
            self.tell_of_rivals(connection, &Address::Email(email), &user, visit.act.at)?;
        }
        Ok((user, true))
    }
}

/// What somebody is called who does not say.
fn usual_name(address: &Address) -> String {
    match address {
        Address::Email(email) => email.as_str().split('@').next().unwrap_or_default().to_owned(),
        // Its end: nobody else should read the whole of it.
        Address::Phone(phone) => format!("…{}", &phone[phone.len().saturating_sub(4)..]),
    }
}
