//! The second factor: asked for after the first, set up, and taken away. A step of the authenticator app counts once, wherever it is
//! used, and so does a recovery code.

use std::sync::Arc;

use serde_json::{Value, json};

use super::login::is_familiar;
use super::session::Opened;
use super::throttle::{Caller, Guess, Ticket};
use super::{SignedIn, Visit, people};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::key::KeyHash;
use crate::domain::letter::{Template, spoken_instant};
use crate::domain::password::Password;
use crate::domain::proof::{ProofRecord, Purpose};
use crate::domain::refusal::Refusal;
use crate::domain::time::{Span, Timestamp};
use crate::domain::totp::{Code, Secret, Totp6, recovery_codes};
use crate::domain::user::{UserFacts, UserRecord, handle};
use crate::domain::verdict::Verdict;
use crate::service::Services;
use crate::service::journal::Change;
use crate::service::mails::link::service_name;
use crate::store::second_factors::{self, SecondFactor};
use crate::store::users::By;
use crate::store::{Connection, proofs, sessions};

/// How long after it was begun one may be confirmed.
const BEGUN_FOR: Span = Span::from_secs(3600);

/// Who has no password shows who they are by having signed in so shortly before.
const FRESH: Span = Span::from_secs(600);

/// A second factor that was begun: what an authenticator app is told.
pub struct Begun {
    /// In base32, to be typed.
    pub secret: String,
    /// `otpauth://…`, to be scanned.
    pub url: String,
}

/// What became of a code, inside its transaction: a wrong one is counted, and so must be committed.
enum Tried {
    Right(Box<Opened>),
    Wrong,
}

/// Somebody who waits for the second factor.
struct Waiting {
    user: i64,
    is_familiar: bool,
}

impl Services {
    /// Ends the wait of somebody who has proven the first factor: opens their session. Five wrong codes end it, too.
    pub async fn enter_second_factor(self: &Arc<Self>, token: &str, code: Code, visit: &Visit) -> Result<SignedIn> {
        let (hash, now) = (self.hash_of_refresh_token(token)?, visit.act.at);
        let waiting = self.waiting(hash, visit).await?;
        let ticket = self.guess(waiting.user, waiting.is_familiar, &code, visit)?;
        let (services, visit) = (self.clone(), visit.clone());
        let job = move |connection: &Connection| services.try_code(connection, &hash, &code, &visit);
        let services = self.clone();
        let after = move |tried: &Tried| {
            if let Tried::Right(opened) = tried {
                services.after_opening(opened);
            }
        };
        match self.store.write(job, after).await? {
            Tried::Wrong => Err(Error::refused(Verdict::Unknown)),
            Tried::Right(opened) => {
                ticket.into_iter().for_each(|ticket| self.sign_in.throttles.forgive(ticket));
                self.answer_opened(*opened, now)
            }
        }
    }

    /// Whether somebody still waits with this token.
    pub async fn waits_for_second_factor(&self, token: &str, now: Timestamp) -> Result<bool> {
        let Ok(hash) = self.hash_of_refresh_token(token) else { return Ok(false) };
        let read = move |connection: &Connection| {
            let user = proofs::by_hash(connection, &hash)?.filter(|proof| is_waiting(proof, now)).and_then(|proof| proof.user);
            user.map_or(Ok(false), |user| second_factors::is_in_force(connection, user))
        };
        self.store.read(read).await
    }

    async fn waiting(&self, hash: KeyHash, visit: &Visit) -> Result<Waiting> {
        let (now, visitor) = (visit.act.at, visit.address);
        let read = move |connection: &Connection| {
            let proof = waiting(connection, &hash, now)?;
            let user = proof.user.unwrap_or_default();
            Ok(Waiting { user, is_familiar: is_familiar(connection, user, visitor)? })
        };
        self.store.read(read).await
    }

    fn try_code(&self, connection: &Connection, hash: &KeyHash, code: &Code, visit: &Visit) -> Result<Tried> {
        let now = visit.act.at;
        let proof = waiting(connection, hash, now)?;
        let user = people::user_of(connection, proof.user)?;
        if user.disabled {
            return Err(Error::refused(Verdict::Disabled));
        }
        let factor = second_factors::of_user(connection, user.id)?.filter(|factor| factor.confirmed_at.is_some());
        let factor = factor.ok_or_else(|| Error::refused(Verdict::Unknown))?;
        if !self.use_code(connection, &user, &factor, code, visit)? {
            proofs::count_try(connection, &proof.id)?;
            return Ok(Tried::Wrong);
        }
        proofs::spend(connection, &proof.id, now)?;
        let method = proof.payload["method"].as_str().unwrap_or("password").to_owned();
        self.open_session(connection, user, &method, false, visit).map(|opened| Tried::Right(Box::new(opened)))
    }

    /// Takes a guess at a code of six digits. A recovery code cannot be guessed: with one its owner gets in, however many guess.
    fn guess(&self, user: i64, is_familiar: bool, code: &Code, visit: &Visit) -> Result<Option<Ticket>> {
        if matches!(code, Code::Recovery(_)) {
            return Ok(None);
        }
        let caller = Caller { address: visit.address, is_familiar };
        let ticket = self.sign_in.throttles.guess(Guess::SecondFactor, caller, &handle(user), visit.act.at);
        ticket.map(Some).map_err(|until| Refusal::until(until).into())
    }

    /// The same of a code that is asked for again: wherever that is from, whoever has stolen a session has one count.
    pub(crate) fn guess_again(&self, user: i64, code: &Code, visit: &Visit) -> Result<Option<Ticket>> {
        self.guess(user, true, code, &Visit { address: None, ..visit.clone() })
    }

    /// What deleting and closing ask for before anything is written: whoever asks shows again who they are, and a code is counted as a
    /// guess, to be forgiven afterwards.
    pub(crate) async fn confirm_parting(
        &self,
        own: &UserFacts,
        password: Option<Password>,
        code: Option<&Code>,
        visit: &Visit,
    ) -> Result<Option<Ticket>> {
        self.confirm_oneself(own, password, visit).await?;
        Ok(code.map(|code| self.guess_again(own.id, code, visit)).transpose()?.flatten())
    }

    /// Fails where a user has a second factor and this is no code of it. It is used up.
    /// Takes the guess at a code back, unless the code is what was wrong.
    pub(crate) fn forgive_code<T>(&self, ticket: Option<Ticket>, done: &Result<T>) {
        let is_wrong = matches!(done, Err(Error::Invalid(faults)) if faults.iter().any(|fault| fault.field == "code"))
            || matches!(done, Err(Error::Refused(refusal)) if refusal.errors.iter().any(|fault| fault.field == "code"));
        ticket.filter(|_| !is_wrong).into_iter().for_each(|ticket| self.sign_in.throttles.forgive(ticket));
    }

    pub(crate) fn check_code(&self, connection: &Connection, user: &UserRecord, code: Option<&Code>, visit: &Visit) -> Result<()> {
        let factor = second_factors::of_user(connection, user.id)?.filter(|factor| factor.confirmed_at.is_some());
        let Some(factor) = factor else { return Ok(()) };
        let code = code.ok_or_else(|| Error::field("code", "must be given: six digits of your app, or a recovery code"))?;
        if self.use_code(connection, user, &factor, code, visit)? { Ok(()) } else { Err(wrong_code()) }
    }

    /// Whether a code is right. It is used up then.
    fn use_code(&self, connection: &Connection, user: &UserRecord, factor: &SecondFactor, code: &Code, visit: &Visit) -> Result<bool> {
        match code {
            Code::Totp(digits) => match self.step_of(factor, digits, visit.act.at)? {
                Some(step) => second_factors::use_step(connection, user.id, &factor.sealed, step),
                None => Ok(false),
            },
            Code::Recovery(hash) => {
                let is_right = second_factors::use_recovery_code(connection, user.id, hash, visit.act.at)?;
                if is_right {
                    let left = second_factors::recovery_codes_left(connection, user.id)?;
                    self.journal_second_factor(connection, user, json!({ "recovery_codes_left": left }), visit)?;
                    let fields = json!({ "name": user.name, "left": left, "at": spoken_instant(visit.act.at) });
                    self.tell_user(connection, user, Template::RecoveryCodeUsed, fields, visit.act.at)?;
                }
                Ok(is_right)
            }
        }
    }

    /// The step that a code is of, where it is still to be used.
    fn step_of(&self, factor: &SecondFactor, digits: &Totp6, now: Timestamp) -> Result<Option<i64>> {
        let label = label(factor.user);
        let plain = self.sign_in.secret.open(&label, &factor.sealed)?;
        let secret = Secret::from_bytes(&plain).ok_or_else(|| Error::Internal(format!("{label} is none")))?;
        Ok(secret.check(digits, factor.last_step, now))
    }

    /// Begins a second factor: it is asked for once a code of it was entered.
    pub async fn begin_second_factor(self: &Arc<Self>, own: &UserFacts, password: Option<Password>, visit: &Visit) -> Result<Begun> {
        let user = self.confirm_oneself(own, password, visit).await?;
        let secret = Secret::random();
        let sealed = self.sign_in.secret.seal(&label(user.id), secret.expose())?;
        let name = user.email.as_deref().or(user.phone.as_deref()).unwrap_or(&user.name);
        let name = if name.trim().is_empty() { &own.handle } else { name };
        let url = secret.url(&service_name(&self.policy), name).map_err(Error::Internal)?;
        let (own, now) = (own.clone(), visit.act.at);
        let job = move |connection: &Connection| {
            still_in(connection, &own, now)?;
            match second_factors::begin(connection, own.id, &sealed, now)? {
                true => Ok(()),
                false => Err(Error::Conflict("You have a second factor already: take it away first.".into())),
            }
        };
        self.store.write(job, |()| ()).await?;
        Ok(Begun { secret: secret.base32(), url })
    }

    /// Confirms it: from now on it is asked for. Every other session ends. Answers the recovery codes, this once.
    pub async fn confirm_second_factor(self: &Arc<Self>, own: &UserFacts, code: Code, visit: &Visit) -> Result<Vec<String>> {
        let (services, own, visit) = (self.clone(), own.clone(), visit.clone());
        let id = own.id;
        let job = move |connection: &Connection| {
            let now = visit.act.at;
            let user = still_in(connection, &own, now)?;
            let begun = second_factors::of_user(connection, user.id)?.filter(|factor| now < factor.created_at.plus(BEGUN_FOR));
            let begun = begun.filter(|factor| factor.confirmed_at.is_none());
            let begun = begun.ok_or_else(|| Error::Conflict("No second factor waits to be confirmed: begin one first.".into()))?;
            let Code::Totp(digits) = &code else { return Err(wrong_code()) };
            let step = services.step_of(&begun, digits, now)?.ok_or_else(wrong_code)?;
            if !second_factors::confirm(connection, user.id, &begun.sealed, step, now)? {
                return Err(wrong_code());
            }
            let codes = new_recovery_codes(connection, user.id)?;
            services.end_sessions(connection, user.id, None, Some(&own.session), "second_factor", &visit)?;
            services.tell_of_change(connection, &user, true, &visit)?;
            Ok(codes)
        };
        let services = self.clone();
        self.store.write(job, move |_| services.user_changed(id)).await
    }

    /// Makes new recovery codes; the old ones count no more.
    pub async fn renew_recovery_codes(
        self: &Arc<Self>,
        own: &UserFacts,
        password: Option<Password>,
        code: Code,
        visit: &Visit,
    ) -> Result<Vec<String>> {
        let change = |services: &Self, connection: &Connection, user: &UserRecord, visit: &Visit| {
            let codes = new_recovery_codes(connection, user.id)?;
            services.journal_second_factor(connection, user, json!({ "recovery_codes_left": codes.len() }), visit)?;
            Ok(codes)
        };
        self.with_second_factor(own, password, code, visit, change).await
    }

    /// Takes it away, with its recovery codes.
    pub async fn end_second_factor(self: &Arc<Self>, own: &UserFacts, password: Option<Password>, code: Code, visit: &Visit) -> Result<()> {
        let change = |services: &Self, connection: &Connection, user: &UserRecord, visit: &Visit| {
            second_factors::remove(connection, user.id)?;
            services.tell_of_change(connection, user, false, visit)
        };
        self.with_second_factor(own, password, code, visit, change).await
    }

    /// Does something that wants the password and a code.
    async fn with_second_factor<T: Send + 'static>(
        self: &Arc<Self>,
        own: &UserFacts,
        password: Option<Password>,
        code: Code,
        visit: &Visit,
        change: impl FnOnce(&Self, &Connection, &UserRecord, &Visit) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.confirm_oneself(own, password, visit).await?;
        let ticket = self.guess_again(own.id, &code, visit)?;
        let (services, own, visit) = (self.clone(), own.clone(), visit.clone());
        let job = move |connection: &Connection| {
            let user = still_in(connection, &own, visit.act.at)?;
            if !second_factors::is_in_force(connection, user.id)? {
                return Err(Error::NotFound("second factor of yours".into()));
            }
            services.check_code(connection, &user, Some(&code), &visit)?;
            change(&services, connection, &user, &visit)
        };
        let changed = self.store.write(job, |_| ()).await;
        self.forgive_code(ticket, &changed);
        changed
    }

    /// Whether whoever has no password has signed in a moment ago.
    pub(crate) async fn is_fresh_session(&self, session: &str, now: Timestamp) -> Result<bool> {
        let session = session.to_owned();
        let found = self.store.read(move |connection| sessions::by_id(connection, &session)).await?;
        Ok(found.is_some_and(|session| session.lasts_at(now) && now < session.created_at.plus(FRESH)))
    }

    /// The user who asks, once they have shown again who they are: by their password, or, who has none, by a session that is young.
    pub(crate) async fn confirm_oneself(&self, own: &UserFacts, password: Option<Password>, visit: &Visit) -> Result<UserRecord> {
        let (id, session, now) = (own.id, own.session.clone(), visit.act.at);
        let read = move |connection: &Connection| {
            let found = crate::store::users::find(connection, &By::Id(id))?;
            Ok(found.zip(sessions::by_id(connection, &session)?))
        };
        let (user, session) = self.store.read(read).await?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
        let fault = |message: &str| Error::field("password", message);
        match (&user.password, password) {
            _ if !session.lasts_at(now) => return Err(Error::refused(Verdict::Unknown)),
            (Some(_), Some(password)) => self.confirm_password(&user, &password, "password", visit).await?,
            (Some(_), None) => return Err(fault("must be given")),
            (None, _) if now < session.created_at.plus(FRESH) => {}
            (None, _) => return Err(fault("you have none: sign in again, and do this within ten minutes")),
        }
        Ok(user)
    }

    fn tell_of_change(&self, connection: &Connection, user: &UserRecord, is_on: bool, visit: &Visit) -> Result<()> {
        self.journal_second_factor(connection, user, json!({ "second_factor": is_on }), visit)?;
        self.tell_of_second_factor(connection, user, is_on, visit.act.at)
    }

    /// Tells a user that their second factor was switched on or off.
    pub(crate) fn tell_of_second_factor(&self, connection: &Connection, user: &UserRecord, is_on: bool, now: Timestamp) -> Result<()> {
        let fields = json!({ "name": user.name, "is_on": is_on, "at": spoken_instant(now) });
        self.tell_user(connection, user, Template::SecondFactorChanged, fields, now)
    }

    fn journal_second_factor(&self, connection: &Connection, user: &UserRecord, mut after: Value, visit: &Visit) -> Result<()> {
        // A webhook has no other word of whose it is.
        after["user"] = user.id.into();
        let (target, act) = (handle(user.id), people::by_themselves(&visit.act, user));
        let event = Event::SecondFactorChanged;
        self.journal(connection, &act, Change { event, target: &target, account: Some(&user.account), before: Value::Null, after })
    }
}

/// The proof of whoever waits with this token.
fn waiting(connection: &Connection, hash: &KeyHash, now: Timestamp) -> Result<ProofRecord> {
    let found = proofs::by_hash(connection, hash)?.filter(|proof| is_waiting(proof, now));
    found.ok_or_else(|| Error::refused(Verdict::Unknown))
}

fn is_waiting(proof: &ProofRecord, now: Timestamp) -> bool {
    proof.purpose == Purpose::SecondFactor && proof.counts_at(now)
}

/// The user of a session that lasts: it may have ended since they were let in.
pub(crate) fn still_in(connection: &Connection, own: &UserFacts, now: Timestamp) -> Result<UserRecord> {
    let lasts = sessions::by_id(connection, &own.session)?.is_some_and(|session| session.lasts_at(now));
    let user = people::user_of(connection, Some(own.id))?;
    if lasts && !user.disabled { Ok(user) } else { Err(Error::refused(Verdict::Unknown)) }
}

fn new_recovery_codes(connection: &Connection, user: i64) -> Result<Vec<String>> {
    let codes = recovery_codes();
    let hashes: Vec<_> = codes.iter().map(|code| code.hash).collect();
    second_factors::set_recovery_codes(connection, user, &hashes)?;
    Ok(codes.into_iter().map(|code| code.plain).collect())
}

fn wrong_code() -> Error {
    Refusal::fields(vec![FieldFault { field: "code".into(), message: "is not right, or was used already".into() }]).into()
}

/// What a secret is sealed as: it opens for nobody else.
fn label(user: i64) -> String {
    format!("the second factor of {}", handle(user))
}
