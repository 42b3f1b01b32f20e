//! What the page of a mailed link has to know: whether several have registered with the address, so that the link alone does not say
//! whose password counts; and whether the link signs in.

use std::sync::Arc;

use super::Visit;
use super::secret::ServerSecret;
use super::throttle::{Caller, Guess};
use crate::domain::error::{Error, Result};
use crate::domain::password::Password;
use crate::domain::proof::{ProofRecord, Purpose};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::service::Services;
use crate::store::{Connection, proofs};

/// What a link comes to.
#[derive(Clone, Debug)]
pub struct Link {
    proof: ProofRecord,
    /// Several have registered: whoever opens the link shows that it is theirs by the password that they chose.
    pub asks_password: bool,
    /// Whether whoever opens it is signed in: not where an address of somebody changes, who is signed in already.
    pub signs_in: bool,
}

impl Services {
    /// What an open link comes to; `None` where it counts no more.
    pub async fn link_of(self: &Arc<Self>, token: &str, now: Timestamp) -> Result<Option<Link>> {
        let hash = ServerSecret::hash_of_token(token);
        let read = move |connection: &Connection| {
            let Some(proof) = proofs::by_hash(connection, &hash)?.filter(|proof| proof.counts_at(now)) else { return Ok(None) };
            let is_registration = proof.purpose == Purpose::Register;
            let asks_password = is_registration && proofs::open(connection, &proof.address, Purpose::Register, now)?.len() > 1;
            let signs_in = proof.purpose != Purpose::Change;
            Ok(Some(Link { proof, asks_password, signs_in }))
        };
        self.store.read(read).await
    }

    /// Fails where it is not the password that was chosen with this link.
    pub async fn check_chosen(&self, link: &Link, password: &Password, visit: &Visit) -> Result<()> {
        let now = visit.act.at;
        let caller = Caller { address: visit.address, is_familiar: false };
        let ticket = self.sign_in.throttles.guess(Guess::Password, caller, &link.proof.address, now);
        let ticket = ticket.map_err(|until| Error::from(Refusal::until(until)))?;
        let checked = self.is_password(link.proof.payload["password"].as_str(), password, now).await;
        if !matches!(&checked, Ok(checked) if !checked.matches) {
            self.sign_in.throttles.forgive(ticket);
        }
        if checked?.matches { Ok(()) } else { Err(Error::refused(Verdict::NotVerified)) }
    }
}
