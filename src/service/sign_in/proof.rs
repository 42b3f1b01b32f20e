//! Proving that an address is one's own: a proof is sent, and what comes back is looked at. A token is looked up by its hash; a code
//! belongs to a number, and may be entered wrongly a few times.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::link::PROVING;
use super::link::is_link;
use super::login::{Address, told};
use super::second_factor::still_in;
use super::secret::ServerSecret;
use super::throttle::{Caller, Guess, Sending};
use super::{Entered, Visit, people};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::key::KeyHash;
use crate::domain::letter::{Template, spoken};
use crate::domain::password::Password;
use crate::domain::proof::{Channel, ProofRecord, Purpose};
use crate::domain::refusal::Refusal;
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::{UserFacts, UserRecord};
use crate::domain::verdict::Verdict;
use crate::service::mails::Letter;
use crate::service::{Services, views};
use crate::store::users::{self, By};
use crate::store::{Connection, mails, proofs};

/// How many numbers that wait for a code are looked at, the newest first.
const MOST_OPEN: usize = 3;

/// What somebody brings back.
#[derive(Clone, Debug)]
pub enum Brought {
    /// The token of a link.
    Token(String),
    /// The code that a number got.
    Code {
        /// E.164.
        phone: String,
        /// Six digits.
        code: String,
    },
}

/// A proof that is to be sent.
pub(crate) struct Wanted<'a> {
    /// What it is good for.
    pub purpose: Purpose,
    /// Where it goes.
    pub address: &'a Address,
    /// Whose address it is.
    pub user: Option<i64>,
    /// What they are to have for it.
    pub payload: Value,
    /// What it is sent as.
    pub template: Template,
    /// What it calls them.
    pub name: &'a str,
    /// From where it is asked for.
    pub origin: &'a str,
}

impl Address {
    /// How it is written to.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) => Channel::Phone,
        }
    }
}

impl Services {
    /// Makes a proof and posts it, inside a transaction. What it holds is worked out when it is sent.
    pub(crate) fn send_proof(&self, connection: &Connection, wanted: Wanted<'_>, now: Timestamp) -> Result<()> {
        let proof = self.new_proof(connection, &wanted, now)?;
        proofs::insert(connection, &proof)?;
        self.post_proof(connection, &wanted, &proof).map(drop)
    }

    /// Does all that [`Services::send_proof`] does, but sends nothing: the time that an answer takes tells nobody whether there was
    /// something to send.
    pub(crate) fn send_nothing(&self, connection: &Connection, wanted: Wanted<'_>, now: Timestamp) -> Result<()> {
        let proof = self.write_as_much(connection, &wanted, now)?;
        let mail = self.post_proof(connection, &wanted, &proof)?;
        mails::remove(connection, &mail)
    }

    /// Writes the proof that would be sent, but as one that nobody can bring back: neither time nor a code that is tried tells whether
    /// there is a user, nor does a sign-in with what somebody else registered.
    pub(crate) fn write_as_much(&self, connection: &Connection, wanted: &Wanted<'_>, now: Timestamp) -> Result<ProofRecord> {
        let hash = KeyHash::from_bytes(rand::random());
        // Of a change somebody sees that it waits, as of any other.
        let user = wanted.user.filter(|_| wanted.purpose == Purpose::Change);
        let proof = ProofRecord { hash, user, ..self.new_proof(connection, wanted, now)? };
        proofs::insert(connection, &proof)?;
        Ok(proof)
    }

    fn new_proof(&self, connection: &Connection, wanted: &Wanted<'_>, now: Timestamp) -> Result<ProofRecord> {
        let id = self.next_id(connection, id::PROOF, now)?;
        let channel = wanted.address.channel();
        let secret = &self.sign_in.secret;
        let hash = match channel {
            Channel::Phone => secret.hash_of_code(&id, secret.code_of(&id).expose()),
            _ => ServerSecret::hash_of_token(secret.token_of(&id).expose()),
        };
        Ok(ProofRecord {
            id,
            hash,
            purpose: wanted.purpose,
            channel,
            address: wanted.address.as_str().to_owned(),
            user: wanted.user,
            payload: wanted.payload.clone(),
            origin: wanted.origin.to_owned(),
            tries: 0,
            tries_elsewhere: 0,
            created_at: now,
            expires_at: now.plus(self.lifetime(wanted.purpose, channel)),
            used_at: None,
        })
    }

    /// Posts a proof; answers the mail's id.
    fn post_proof(&self, connection: &Connection, wanted: &Wanted<'_>, proof: &ProofRecord) -> Result<String> {
        let lifetime = self.lifetime(proof.purpose, proof.channel);
        let letter = Letter {
            channel: proof.channel,
            address: &proof.address,
            template: wanted.template,
            fields: json!({ "name": wanted.name, "valid_for": spoken(lifetime) }),
            secret_of: Some(&proof.id),
        };
        self.post_mail(connection, letter, proof.created_at)
    }

    fn lifetime(&self, purpose: Purpose, channel: Channel) -> Span {
        let settings = &self.policy.sign_in;
        match (channel, purpose) {
            (Channel::Phone, _) => settings.code_lifetime,
            (_, Purpose::Reset) => settings.reset_lifetime,
            _ => settings.verify_lifetime,
        }
    }

    /// Counts something that is to be sent; fails where it is too much, or where nothing goes to such an address, whosever it is.
    pub(crate) fn count_sending(&self, why: Sending, to: &Address, from: Option<IpAddr>, now: Timestamp) -> Result<()> {
        if !self.policy.sends_by(to.channel()) {
            return Err(Error::refused(Verdict::NotConfigured));
        }
        // Whoever proves an address is signed in already: strangers use up nothing of theirs.
        let caller = Caller { address: from, is_familiar: why == Sending::Proof };
        let counted = self.sign_in.throttles.send(why, caller, to.channel(), to.as_str(), now);
        counted.map_err(|until| Refusal::until(until).into())
    }

    /// Counts an SMS that nobody asked for; fails where it is too much.
    pub(crate) fn count_notice(&self, phone: &str, now: Timestamp) -> Result<()> {
        let nobody = Caller { address: None, is_familiar: true };
        let counted = self.sign_in.throttles.send(Sending::Notice, nobody, Channel::Phone, phone, now);
        counted.map_err(|until| Refusal::until(until).into())
    }

    /// Forgets guesses and sendings that are not worth remembering.
    pub fn tidy_throttles(&self, now: Timestamp) {
        self.sign_in.throttles.tidy(now);
    }

    /// `verify`: whoever brings a proof back has shown that the address is theirs, and is signed in. A password that comes along must be
    /// the one that was chosen with the link of a registration; other links have none.
    pub async fn verify(self: &Arc<Self>, brought: Brought, password: Option<Password>, visit: &Visit) -> Result<Entered> {
        let now = visit.act.at;
        let proof = self.brought_back(&brought, PROVING, visit).await?;
        self.check_chosen(&proof, password.as_ref(), visit).await?;
        let (services, visit) = (self.clone(), visit.clone());
        let job = move |connection: &Connection| {
            let proof = spent(connection, &proof, now)?;
            let (user, is_new) = match proof.purpose {
                Purpose::Register => services.register_proven(connection, &proof, password.is_some(), &visit)?,
                _ => (services.address_proven(connection, &proof, &visit)?, false),
            };
            let method = if proof.channel == Channel::Phone { "code" } else { "link" };
            let touched = user.clone();
            services.begin_session(connection, user, method, is_new, &visit).map(|begun| (begun, touched))
        };
        let services = self.clone();
        let (begun, _) = self.store.write(job, move |(_, user)| services.taken_over(user)).await?;
        self.answer(begun, now)
    }

    /// Proves the new address of a user by the token of its link, and nothing more: they are signed in where they asked for it.
    pub async fn confirm_address(self: &Arc<Self>, token: String, visit: &Visit) -> Result<()> {
        let (services, visit, now) = (self.clone(), visit.clone(), visit.act.at);
        let proof = self.brought_back(&Brought::Token(token), &[Purpose::Change], &visit).await?;
        let job = move |connection: &Connection| {
            let proof = spent(connection, &proof, now)?;
            services.address_proven(connection, &proof, &visit)
        };
        let services = self.clone();
        self.store.write(job, move |user: &UserRecord| services.taken_over(user)).await.map(drop)
    }

    /// Proves the new number of the user who asks by the code that it got: theirs, and nobody else's who wants the same number.
    pub async fn confirm_number(self: &Arc<Self>, own: &UserFacts, phone: String, code: String, visit: &Visit) -> Result<()> {
        let (services, own, visit, now) = (self.clone(), own.clone(), visit.clone(), visit.act.at);
        let proof = self.brought_back(&Brought::Code { phone, code }, &[Purpose::Change], &visit).await?;
        let job = move |connection: &Connection| {
            still_in(connection, &own, now)?;
            let proof = spent(connection, &proof, now)?;
            if proof.user != Some(own.id) {
                return Err(Error::refused(Verdict::Unknown));
            }
            services.address_proven(connection, &proof, &visit)
        };
        let services = self.clone();
        self.store.write(job, move |user: &UserRecord| services.taken_over(user)).await.map(drop)
    }

    /// The open proof that belongs to what somebody brings. It is looked at again when it is used.
    pub(crate) async fn brought_back(&self, brought: &Brought, purposes: &[Purpose], visit: &Visit) -> Result<ProofRecord> {
        let now = visit.act.at;
        let refused = || Error::refused(Verdict::Unknown);
        match brought {
            Brought::Token(token) => {
                let hash = ServerSecret::hash_of_token(token);
                let found = self.store.read(move |connection| proofs::by_hash(connection, &hash)).await?;
                found.filter(|proof| is_link(proof, purposes, now)).ok_or_else(refused)
            }
            Brought::Code { phone, code } => {
                let caller = Caller { address: visit.address, is_familiar: false };
                let ticket = self.sign_in.throttles.guess(Guess::Code, caller, phone, now);
                let ticket = ticket.map_err(|until| Error::from(Refusal::until(until)))?;
                let found = self.matching_code(phone, code, purposes, visit).await;
                // A right one, and one that nobody could look at, is no guess.
                if !matches!(found, Ok(None)) {
                    self.sign_in.throttles.forgive(ticket);
                }
                found?.ok_or_else(refused)
            }
        }
    }

    /// The proof that this code is of; a wrong one counts against each that it could have been.
    async fn matching_code(&self, phone: &str, code: &str, purposes: &[Purpose], visit: &Visit) -> Result<Option<ProofRecord>> {
        let (visitor, now) = (visit.address, visit.act.at);
        let (phone, code, purposes, secret) = (phone.to_owned(), code.to_owned(), purposes.to_vec(), self.sign_in.secret.clone());
        let job = move |connection: &Connection| {
            let mut open = Vec::new();
            for purpose in purposes {
                open.extend(proofs::open(connection, &phone, purpose, now)?);
            }
            open.retain(|proof| proof.channel == Channel::Phone && proof.counts_from(visitor, now));
            open.sort_by(|a, b| b.id.cmp(&a.id));
            open.truncate(MOST_OPEN);
            if let Some(at) = open.iter().position(|proof| secret.confirms_code(&proof.id, &code, &proof.hash)) {
                return Ok(Some(open.swap_remove(at)));
            }
            for proof in &open {
                let count = if proof.was_asked_from(visitor) { proofs::count_try } else { proofs::count_try_elsewhere };
                count(connection, &proof.id)?;
            }
            Ok(None)
        };
        self.store.write(job, |_| ()).await
    }

    /// An address of a user who is there, proven: their first, or the one that they change to.
    fn address_proven(&self, connection: &Connection, proof: &ProofRecord, visit: &Visit) -> Result<UserRecord> {
        let (now, mut user) = (visit.act.at, people::user_of(connection, proof.user)?);
        let was = user.clone();
        let place = if proof.channel == Channel::Phone { By::Phone(proof.address.clone()) } else { By::Email(proof.address.clone()) };
        let holder = users::find(connection, &place)?.filter(|holder| holder.id != user.id);
        let holder = match holder {
            // It merely stands with them: whoever proves it has it.
            Some(holder) if holder.proven(proof.channel).is_none() => {
                self.take_unproven(connection, holder, proof.channel, &people::by_themselves(&visit.act, &user))?;
                None
            }
            holder => holder,
        };
        match (&holder, proof.purpose) {
            // Somebody else has proven it meanwhile.
            (Some(_), _) => return Err(Error::refused(Verdict::Unknown)),
            (None, Purpose::Change) => {}
            // The first proof is of the very address that the user has.
            (None, _) if [&user.email, &user.phone].into_iter().any(|own| own.as_deref() == Some(proof.address.as_str())) => {}
            (None, _) => return Err(Error::refused(Verdict::Unknown)),
        }
        match proof.channel {
            Channel::Phone => (user.phone, user.phone_verified_at) = (Some(proof.address.clone()), Some(now)),
            _ => (user.email, user.email_verified_at) = (Some(proof.address.clone()), Some(now)),
        }
        user.revision += 1;
        users::update(connection, &user)?;
        // Whatever was sent before counts no more, but for what proves an address of the other kind.
        proofs::end_of_user_by(connection, user.id, proof.channel, now)?;
        proofs::end_of_address(connection, &proof.address, now)?;
        self.journal_user(connection, Event::UserChanged, views::user(&was), &user, &visit.act)?;
        self.tell_of_address(connection, &was, proof.channel, Some(&proof.address), now)?;
        Ok(user)
    }

    /// What is wrong with a password that somebody chose, if anything is; `own` is what others know of them.
    pub(crate) async fn check_strength(&self, password: &Password, own: &[&str], now: Timestamp) -> Result<Option<String>> {
        self.sign_in.passwords.weakness(password, own).await.map_err(|trouble| told(trouble, now))
    }
}

/// Uses a proof up; one that was used meanwhile, or has expired, counts no more.
pub(crate) fn spent(connection: &Connection, proof: &ProofRecord, now: Timestamp) -> Result<ProofRecord> {
    let found = proofs::by_id(connection, &proof.id)?;
    let is_first = proofs::spend(connection, &proof.id, now)?;
    found.filter(|_| is_first).ok_or_else(|| Error::refused(Verdict::Unknown))
}
