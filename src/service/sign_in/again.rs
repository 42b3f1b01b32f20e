//! What proves the address of a user who is there: asked for by whoever administrates, or sent once more to whoever has the password.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Visit;
use super::login::Address;
use super::people::user_of;
use super::proof::Wanted;
use super::throttle::Sending;
use crate::domain::act::Act;
use crate::domain::email::Email;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::letter::Template;
use crate::domain::proof::Purpose;
use crate::domain::user::{UserRecord, handle};
use crate::service::journal::Change;
use crate::service::{Services, users};
use crate::store::Connection;

impl Services {
    /// Asks a user to prove those addresses that are not proven theirs, as often as anybody may have that sent; answers which were
    /// written to. Fails only where that was none, because it would be too much.
    pub(crate) fn ask_for_proof(
        &self,
        connection: &Connection,
        user: &UserRecord,
        purpose: Purpose,
        addresses: &[Address],
        act: &Act,
    ) -> Result<Vec<String>> {
        let template = if purpose == Purpose::Change { Template::Change } else { Template::Verify };
        let (mut sent, mut refused) = (Vec::new(), None);
        for address in addresses.iter().filter(|address| waits(user, address)) {
            if !self.writes_to(address) {
                tracing::warn!(user = user.id, "their number cannot be proven: no SMS go there, by [sms]");
                continue;
            }
            if let Err(error) = self.count_sending(Sending::Proof, address, None, act.at) {
                tracing::info!(user = user.id, channel = address.channel().name(), "no proof was sent there: {error}");
                refused = refused.or(Some(error));
                continue;
            }
            let wanted =
                Wanted { purpose, address, user: Some(user.id), payload: json!({}), template, name: &user.name, origin: &act.origin };
            self.send_proof(connection, wanted, act.at)?;
            sent.push(address.as_str().to_owned());
        }
        refused.filter(|_| sent.is_empty()).map_or(Ok(sent), Err)
    }

    /// Whether anything goes to an address.
    fn writes_to(&self, address: &Address) -> bool {
        match address {
            Address::Email(_) => true,
            Address::Phone(phone) => self.policy.reaches(phone),
        }
    }

    /// Whether an address of a user waits to be proven, and can be written to.
    pub fn awaits_proof(&self, user: &UserRecord) -> bool {
        addresses(user).iter().any(|address| waits(user, address) && self.writes_to(address))
    }

    /// Sends a user whatever proves the address that they sign in with, whose password was right. Where that would be too much nothing
    /// is sent, and they are told the same.
    pub(super) async fn prove_again(self: &Arc<Self>, user: i64, address: Address, visit: &Visit) -> Result<()> {
        let (services, act) = (self.clone(), visit.act.clone());
        let job = move |connection: &Connection| {
            let user = user_of(connection, Some(user))?;
            let asked: Vec<Address> = addresses(&user).into_iter().filter(|own| *own == address).collect();
            services.ask_for_proof(connection, &user, purpose(&user), &asked, &act).map(drop)
        };
        match self.store.write(job, |()| ()).await {
            Err(Error::Refused(_)) => Ok(()),
            sent => sent,
        }
    }

    /// Sends a user what proves each address that is not proven theirs, for whoever administrates.
    pub async fn send_proof_again(self: &Arc<Self>, id: i64, act: &Act) -> Result<()> {
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            let user = users::found(connection, id)?;
            let sent = services.ask_for_proof(connection, &user, purpose(&user), &addresses(&user), &act)?;
            if sent.is_empty() {
                return Err(Error::Conflict(
                    "Nothing was sent: they are switched off, or none of their addresses waits to be proven.".into(),
                ));
            }
            let (target, account, after) = (handle(id), Some(user.account.as_str()), json!({ "sent_to": sent }));
            services.enter(connection, &act, Change { event: Event::UserProofSent, target: &target, account, before: Value::Null, after })
        };
        self.store.write(job, |()| ()).await
    }
}

/// Whoever is somebody already proves another address; else it is their first.
fn purpose(user: &UserRecord) -> Purpose {
    if user.is_somebody() { Purpose::Change } else { Purpose::Verify }
}

/// Whether a user is to prove an address.
fn waits(user: &UserRecord, address: &Address) -> bool {
    !user.disabled && !address.is_proven_by(user)
}

fn addresses(user: &UserRecord) -> Vec<Address> {
    let email = user.email.as_deref().and_then(|email| Email::parse(email).ok()).map(Address::Email);
    email.into_iter().chain(user.phone.clone().map(Address::Phone)).collect()
}
