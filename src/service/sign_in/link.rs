//! What a mailed link comes to: whether several have registered with the address, so that the link alone does not say whose password
//! counts; whether the link signs in; and what is written to whom it may have brought the wrong password.

use std::sync::Arc;

use serde_json::json;

use super::Visit;
use super::login::Address;
use super::proof::Wanted;
use super::secret::ServerSecret;
use super::throttle::{Caller, Guess};
use crate::domain::error::{Error, Result};
use crate::domain::letter::Template;
use crate::domain::password::Password;
use crate::domain::proof::{Channel, ProofRecord, Purpose};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRecord;
use crate::domain::verdict::Verdict;
use crate::service::Services;
use crate::store::{Connection, proofs};

/// What a link that proves an address may be for.
pub const PROVING: &[Purpose] = &[Purpose::Register, Purpose::Verify, Purpose::Change];

/// What a link that sets a password is for.
pub const RESETTING: &[Purpose] = &[Purpose::Reset];

/// What a link comes to.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where it was sent.
    pub address: String,
    /// Of a registration: with which name, and when it was asked for.
    pub registered: Option<(String, Timestamp)>,
    /// Several have registered: whoever opens the link shows that it is theirs by the password that they chose.
    pub asks_password: bool,
    /// Whether whoever opens it is signed in: not where an address of somebody changes, who is signed in already.
    pub signs_in: bool,
}

impl Services {
    /// What an open link comes to that is for one of these; `None` where it counts no more.
    pub async fn link_of(self: &Arc<Self>, token: &str, purposes: &'static [Purpose], now: Timestamp) -> Result<Option<Link>> {
        let hash = ServerSecret::hash_of_token(token);
        let read = move |connection: &Connection| {
            let Some(proof) = proofs::by_hash(connection, &hash)?.filter(|proof| is_link(proof, purposes, now)) else { return Ok(None) };
            let asks_password = has_rivals(connection, &proof, now)?;
            let signs_in = proof.purpose != Purpose::Change;
            let name = || proof.payload["name"].as_str().unwrap_or_default().to_owned();
            let registered = (proof.purpose == Purpose::Register).then(|| (name(), proof.created_at));
            Ok(Some(Link { address: proof.address, registered, asks_password, signs_in }))
        };
        self.store.read(read).await
    }

    /// Fails where it is not the password that was chosen with this registration. Without one there is nothing that could be wrong.
    pub(super) async fn check_chosen(&self, proof: &ProofRecord, password: Option<&Password>, visit: &Visit) -> Result<()> {
        let Some(password) = password.filter(|_| proof.purpose == Purpose::Register) else { return Ok(()) };
        let now = visit.act.at;
        let caller = Caller { address: visit.address, is_familiar: false };
        let ticket = self.sign_in.throttles.guess(Guess::Password, caller, &proof.address, now);
        let ticket = ticket.map_err(|until| Error::from(Refusal::until(until)))?;
        let checked = self.is_password(proof.payload["password"].as_str(), password, now).await;
        if !matches!(&checked, Ok(checked) if !checked.matches) {
            self.sign_in.throttles.forgive(ticket);
        }
        if checked?.matches { Ok(()) } else { Err(Error::refused(Verdict::NotVerified)) }
    }

    /// Tells an address that one of several registrations with it was confirmed: its owner may not know the password of that one. The
    /// letter has a link to set another.
    pub(super) fn tell_of_rivals(&self, connection: &Connection, address: &Address, user: &UserRecord, now: Timestamp) -> Result<()> {
        let (purpose, template) = (Purpose::Reset, Template::Several);
        // Nobody asked for it: it is a link, and no code that is tried from somewhere.
        let wanted = Wanted { purpose, address, user: Some(user.id), payload: json!({}), template, name: &user.name, origin: "" };
        self.send_proof(connection, wanted, now)
    }
}

/// Whether a proof counts that came by a link, and is for one of these.
pub(super) fn is_link(proof: &ProofRecord, purposes: &[Purpose], now: Timestamp) -> bool {
    proof.counts_at(now) && purposes.contains(&proof.purpose) && proof.channel == Channel::Email
}

/// Whether others have registered with the same address of mail, and still could confirm that. A number's codes each tell of one.
pub(super) fn has_rivals(connection: &Connection, proof: &ProofRecord, now: Timestamp) -> Result<bool> {
    if proof.purpose != Purpose::Register || proof.channel != Channel::Email {
        return Ok(false);
    }
    let open = proofs::open(connection, &proof.address, Purpose::Register, now)?;
    Ok(open.iter().any(|other| other.id != proof.id))
}
