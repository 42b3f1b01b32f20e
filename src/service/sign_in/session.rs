//! Sessions: where every way to sign in ends, and what keeps somebody signed in. The refresh token is rotated on every use; one that is
//! used again ends its family.

use std::sync::Arc;

use serde_json::{Value, json};

use super::login::is_familiar;
use super::second_factor::still_in;
use super::throttle::Caller;
use super::{Entered, SignedIn, Visit, people};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::key::{KeyHash, PlainKey};
use crate::domain::proof::{Channel, ProofRecord, Purpose};
use crate::domain::refusal::Refusal;
use crate::domain::session::{GRACE, SessionRecord, Turn};
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::{UserFacts, UserRecord, handle};
use crate::domain::verdict::Verdict;
use crate::service::journal::Change;
use crate::service::{Services, views};
use crate::store::accounts::StoredAccount;
use crate::store::users::{self, By};
use crate::store::{Connection, accounts, members, proofs, second_factors, sessions};

/// Where a user may be signed in at once: beyond it the oldest session ends.
const MOST_SESSIONS: usize = 100;

/// How many refresh tokens of one session may be in use: siblings that were made within the grace.
const MOST_SIBLINGS: u64 = 100;

/// How many tokens a session may have had lately before it ends, and how long one that was replaced is known as used.
const MOST_TOKENS: u64 = 50_000;
const REPLACED_KEPT: Span = Span::from_secs(30 * 86_400);

/// How long somebody may take from the first factor to the second.
pub const SECOND_FACTOR_LIFETIME: Span = Span::from_secs(600);

/// A session that goes on, as it was written down; the access token is made when that is committed.
#[derive(Debug)]
pub(crate) struct Opened {
    user: UserRecord,
    account: StoredAccount,
    session: SessionRecord,
    refresh_token: PlainKey,
    is_new_user: bool,
    /// Whether another session of the user had to end for it.
    ended_another: bool,
}

/// What became of a first factor, inside its transaction.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Somebody is in.
    Opened(Box<Opened>),
    /// The second factor comes next, for whoever has this.
    Waits(PlainKey),
}

/// What became of a refresh token.
enum Refreshed {
    Opened(Box<Opened>),
    /// It was used before, or too often: its family has ended.
    Ended(i64),
    Nobody,
}

impl Services {
    /// Where every first factor ends: asks for the second where there is one, and else opens a session. Each is counted: it writes.
    /// Called inside the transaction of whatever else the sign-in changes.
    pub(crate) fn begin_session(
        &self,
        connection: &Connection,
        user: UserRecord,
        method: &str,
        is_new_user: bool,
        visit: &Visit,
    ) -> Result<Begun> {
        if user.disabled {
            return Err(Error::refused(Verdict::Disabled));
        }
        let caller = Caller { address: visit.address, is_familiar: is_familiar(connection, user.id, visit.address)? };
        self.sign_in.throttles.sign_in(user.id, caller, visit.act.at).map_err(Refusal::until)?;
        if second_factors::is_in_force(connection, user.id)? {
            return self.wait_for_second_factor(connection, &user, method, visit).map(Begun::Waits);
        }
        self.open_session(connection, user, method, is_new_user, visit).map(|opened| Begun::Opened(Box::new(opened)))
    }

    /// Opens a session for somebody who has proven all that there is to prove.
    pub(crate) fn open_session(
        &self,
        connection: &Connection,
        user: UserRecord,
        method: &str,
        is_new_user: bool,
        visit: &Visit,
    ) -> Result<Opened> {
        let now = visit.act.at;
        let session = SessionRecord {
            id: self.next_id(connection, id::SESSION, now)?,
            user: user.id,
            account: user.account.clone(),
            method: method.to_owned(),
            origin: visit.act.origin.clone(),
            agent: visit.agent.clone(),
            created_at: now,
            used_at: now,
            expires_at: self.end_of(now, now),
            ended_at: None,
        };
        sessions::insert(connection, &session)?;
        let refresh_token = self.add_refresh_token(connection, &session.id, now)?;
        self.journal_session(connection, Event::SessionStarted, &session, &user, visit)?;
        let too_many: Vec<_> = sessions::of_user(connection, user.id, now)?.into_iter().skip(MOST_SESSIONS).collect();
        for oldest in &too_many {
            self.end_sessions(connection, user.id, Some(&oldest.id), None, "too_many", visit)?;
        }
        let account = self.account_of(connection, &session, now)?;
        Ok(Opened { user, account, session, refresh_token, is_new_user, ended_another: !too_many.is_empty() })
    }

    /// Begins a session as the only thing that a transaction does with a user.
    pub(crate) async fn begin(self: &Arc<Self>, job: impl FnOnce(&Connection) -> Result<Begun> + Send + 'static) -> Result<Begun> {
        let services = self.clone();
        let after = move |begun: &Begun| {
            if let Begun::Opened(opened) = begun {
                services.after_opening(opened);
            }
        };
        self.store.write(job, after).await
    }

    /// What must follow once a session was opened.
    pub(crate) fn after_opening(&self, opened: &Opened) {
        if opened.ended_another {
            self.user_changed(opened.user.id);
        }
    }

    /// Answers what was begun, once that is committed.
    pub(crate) fn answer(&self, begun: Begun, now: Timestamp) -> Result<Entered> {
        Ok(match begun {
            Begun::Opened(opened) => Entered::SignedIn(Box::new(self.answer_opened(*opened, now)?)),
            Begun::Waits(token) => Entered::SecondFactor(token),
        })
    }

    /// Signs the access token of a session.
    pub(crate) fn answer_opened(&self, opened: Opened, now: Timestamp) -> Result<SignedIn> {
        let Opened { user, account, session, refresh_token, is_new_user, .. } = opened;
        let lifetime = self.policy.sign_in.access_lifetime;
        let plan = &account.record.plan_at(&self.policy.plans, now).name;
        Ok(SignedIn {
            access_token: self.sign_in.signer.sign(user.id, &session.id, &account.record.id, now, lifetime)?,
            expires_in: lifetime.seconds_up(),
            refresh_token,
            refresh_for: session.expires_at.millis_since(now) / 1000,
            session: session.id,
            user: json!({ "id": user.id, "name": user.name, "plan": plan, "token_balance": account.balance.total() }),
            is_new_user,
        })
    }

    /// Goes on with the session of a refresh token. What is wrong with a token is told to nobody.
    pub async fn refresh(self: &Arc<Self>, token: &str, visit: &Visit) -> Result<SignedIn> {
        let hash = self.hash_of_refresh_token(token)?;
        let (services, visit, now) = (self.clone(), visit.clone(), visit.act.at);
        let job = move |connection: &Connection| services.turn(connection, hash, &visit);
        let refreshed = self.change_session(job).await?;
        self.answer_refreshed(refreshed, now)
    }

    /// Goes on with a session for another account of its user. Its refresh tokens so far are replaced by the new one: where somebody
    /// else asked, the next use of the old one tells.
    pub async fn switch(self: &Arc<Self>, session: &str, account: &str, visit: &Visit) -> Result<SignedIn> {
        let (services, visit, now) = (self.clone(), visit.clone(), visit.act.at);
        let (session, account) = (session.to_owned(), account.to_owned());
        let job = move |connection: &Connection| {
            let Some(mut session) = sessions::by_id(connection, &session)?.filter(|session| session.lasts_at(now)) else {
                return Ok(Refreshed::Nobody);
            };
            let Some(user) = users::find(connection, &By::Id(session.user))?.filter(|user| !user.disabled) else {
                return Ok(Refreshed::Nobody);
            };
            if members::find(connection, &account, user.id)?.is_none() {
                return Err(Error::no_such("account", id::ACCOUNT, &account));
            }
            sessions::replace_tokens(connection, &session.id, now)?;
            session.account = account;
            services.go_on(connection, user, session, &visit)
        };
        let services = self.clone();
        let after = move |refreshed: &Refreshed| match refreshed {
            // Its pages are for another account from here on.
            Refreshed::Opened(opened) => services.user_changed(opened.user.id),
            Refreshed::Ended(user) => services.user_changed(*user),
            Refreshed::Nobody => {}
        };
        let refreshed = self.store.write(job, after).await?;
        self.answer_refreshed(refreshed, now)
    }

    async fn change_session(self: &Arc<Self>, job: impl FnOnce(&Connection) -> Result<Refreshed> + Send + 'static) -> Result<Refreshed> {
        let services = self.clone();
        let after = move |refreshed: &Refreshed| {
            if let Refreshed::Ended(user) = refreshed {
                services.user_changed(*user);
            }
        };
        self.store.write(job, after).await
    }

    fn answer_refreshed(&self, refreshed: Refreshed, now: Timestamp) -> Result<SignedIn> {
        match refreshed {
            Refreshed::Opened(opened) => self.answer_opened(*opened, now),
            Refreshed::Ended(_) | Refreshed::Nobody => Err(Error::refused(Verdict::Unknown)),
        }
    }

    /// One turn of a refresh token.
    fn turn(&self, connection: &Connection, hash: KeyHash, visit: &Visit) -> Result<Refreshed> {
        let now = visit.act.at;
        let found = sessions::by_token(connection, &hash)?.filter(|(session, _)| session.lasts_at(now));
        let Some((session, replaced_at)) = found else { return Ok(Refreshed::Nobody) };
        let user = users::find(connection, &By::Id(session.user))?.filter(|user| !user.disabled);
        let Some(user) = user else { return Ok(Refreshed::Nobody) };
        match Turn::of(replaced_at, now) {
            Turn::Reused => {
                tracing::warn!(session = session.id, user = user.id, "a refresh token was used again: its session has ended");
                sessions::end(connection, &session.id, "reuse", now)?;
                self.journal_session(connection, Event::SessionReused, &session, &user, visit)?;
                return Ok(Refreshed::Ended(user.id));
            }
            Turn::Next => sessions::replace_token(connection, &hash, now)?,
            Turn::Sibling if sessions::tokens_in_use(connection, &session.id)? >= MOST_SIBLINGS => {
                return Err(Refusal::until(now.plus(GRACE)).into());
            }
            Turn::Sibling => {}
        }
        self.go_on(connection, user, session, visit)
    }

    /// Goes on with a session: from where it is used now, with the next refresh token. Each is counted: it writes.
    fn go_on(&self, connection: &Connection, user: UserRecord, mut session: SessionRecord, visit: &Visit) -> Result<Refreshed> {
        let now = visit.act.at;
        self.sign_in.throttles.refresh(&session.id, now).map_err(Refusal::until)?;
        sessions::forget_replaced(connection, &session.id, now.minus(REPLACED_KEPT))?;
        if sessions::tokens(connection, &session.id)? >= MOST_TOKENS {
            tracing::warn!(session = session.id, user = user.id, "a session was refreshed too often: it has ended");
            self.end_sessions(connection, user.id, Some(&session.id), None, "worn_out", visit)?;
            return Ok(Refreshed::Ended(user.id));
        }
        // Whoever is no member any more goes on for themselves.
        if members::find(connection, &session.account, user.id)?.is_none() {
            session.account.clone_from(&user.account);
        }
        (session.used_at, session.origin, session.agent) = (now, visit.act.origin.clone(), visit.agent.clone());
        session.expires_at = self.end_of(session.created_at, now);
        sessions::touch(connection, &session)?;
        let refresh_token = self.add_refresh_token(connection, &session.id, now)?;
        let account = self.account_of(connection, &session, now)?;
        let opened = Opened { user, account, session, refresh_token, is_new_user: false, ended_another: false };
        Ok(Refreshed::Opened(Box::new(opened)))
    }

    /// When a session ends by itself that began then and is used now.
    pub(super) fn end_of(&self, began: Timestamp, now: Timestamp) -> Timestamp {
        let settings = &self.policy.sign_in;
        now.plus(settings.session_idle).min(began.plus(settings.session_lifetime))
    }

    /// Ends the session of a refresh token, or all of its user's. Without one there is nothing to do.
    pub async fn sign_out(self: &Arc<Self>, token: &str, everywhere: bool, visit: &Visit) -> Result<()> {
        let Ok(hash) = self.hash_of_refresh_token(token) else { return Ok(()) };
        let (services, visit) = (self.clone(), visit.clone());
        let job = move |connection: &Connection| {
            let found = sessions::by_token(connection, &hash)?.filter(|(session, _)| session.lasts_at(visit.act.at));
            let Some((session, _)) = found else { return Ok(None) };
            services.end_sessions(connection, session.user, (!everywhere).then_some(&session.id), None, "signed_out", &visit)?;
            Ok(Some(session.user))
        };
        let services = self.clone();
        let ended = self.store.write(job, move |user: &Option<i64>| user.iter().for_each(|user| services.user_changed(*user))).await;
        ended.map(|_| ())
    }

    /// Ends the session of an access token, or all of its user's.
    pub async fn sign_out_of(self: &Arc<Self>, own: &UserFacts, everywhere: bool, visit: &Visit) -> Result<()> {
        let (services, visit, user, session) = (self.clone(), visit.clone(), own.id, own.session.clone());
        let job = move |connection: &Connection| {
            services.end_sessions(connection, user, (!everywhere).then_some(session.as_str()), None, "signed_out", &visit)
        };
        let services = self.clone();
        self.store.write(job, move |()| services.user_changed(user)).await
    }

    /// Where a user is signed in, the newest first.
    pub async fn sessions(&self, user: i64, now: Timestamp) -> Result<Vec<SessionRecord>> {
        self.store.read(move |connection| sessions::of_user(connection, user, now)).await
    }

    /// Ends one session of a user.
    pub async fn end_session(self: &Arc<Self>, user: i64, session: &str, visit: &Visit) -> Result<()> {
        let (services, session, visit) = (self.clone(), session.to_owned(), visit.clone());
        let job = move |connection: &Connection| {
            let found = sessions::by_id(connection, &session)?.filter(|session| session.user == user);
            let found = found.ok_or_else(|| Error::no_such("session", id::SESSION, &session))?;
            if found.lasts_at(visit.act.at) {
                services.end_sessions(connection, user, Some(&found.id), None, "revoked", &visit)?;
            }
            Ok(())
        };
        let services = self.clone();
        self.store.write(job, move |()| services.user_changed(user)).await
    }

    /// Ends every session of the user who asks but theirs.
    pub async fn end_other_sessions(self: &Arc<Self>, own: &UserFacts, visit: &Visit) -> Result<()> {
        let (services, own, visit) = (self.clone(), own.clone(), visit.clone());
        let user = own.id;
        let job = move |connection: &Connection| {
            still_in(connection, &own, visit.act.at)?;
            services.end_sessions(connection, user, None, Some(&own.session), "revoked", &visit)
        };
        let services = self.clone();
        self.store.write(job, move |()| services.user_changed(user)).await
    }

    /// Ends one session of a user, or all of them but one, inside a transaction. Whoever commits it calls
    /// [`Services::user_changed`] afterwards.
    pub(crate) fn end_sessions(
        &self,
        connection: &Connection,
        user: i64,
        only: Option<&str>,
        but: Option<&str>,
        why: &str,
        visit: &Visit,
    ) -> Result<()> {
        let lasting = sessions::of_user(connection, user, visit.act.at)?;
        let record = people::user_of(connection, Some(user))?;
        let act = people::by_themselves(&visit.act, &record);
        let ended = lasting.iter().filter(|session| only.is_none_or(|only| only == session.id) && but.is_none_or(|but| but != session.id));
        for session in ended {
            sessions::end(connection, &session.id, why, visit.act.at)?;
            let target = handle(user);
            let before = views::session(session, None);
            let after = json!({ "ended_by": why });
            let account = Some(record.account.as_str());
            self.journal(connection, &act, Change { event: Event::SessionEnded, target: &target, account, before, after })?;
        }
        Ok(())
    }

    fn journal_session(
        &self,
        connection: &Connection,
        event: Event,
        session: &SessionRecord,
        user: &UserRecord,
        visit: &Visit,
    ) -> Result<()> {
        let (target, after) = (handle(user.id), views::session(session, None));
        let act = people::by_themselves(&visit.act, user);
        self.journal(connection, &act, Change { event, target: &target, account: Some(&user.account), before: Value::Null, after })
    }

    /// The account that a session is for, its balance as it stands now.
    fn account_of(&self, connection: &Connection, session: &SessionRecord, now: Timestamp) -> Result<StoredAccount> {
        let account = accounts::by_id(connection, &session.account)?;
        let account = account.ok_or_else(|| Error::Internal(format!("{} is for no account", session.id)))?;
        Ok(self.refilled(account, now))
    }

    fn add_refresh_token(&self, connection: &Connection, session: &str, now: Timestamp) -> Result<PlainKey> {
        let token = self.new_secret()?;
        sessions::add_token(connection, &token.hash(), session, now)?;
        Ok(token)
    }

    /// A random token for a cookie.
    pub(super) fn new_secret(&self) -> Result<PlainKey> {
        let shape = self.policy.sessions.default().ok_or_else(|| Error::Internal("refresh tokens have no shape".into()))?;
        Ok(shape.generate())
    }

    pub(crate) fn hash_of_refresh_token(&self, token: &str) -> Result<KeyHash> {
        let is_one = self.policy.sessions.looks(token) == crate::domain::key::Looks::Plausible;
        if is_one { Ok(KeyHash::of(token)) } else { Err(Error::refused(Verdict::Unknown)) }
    }

    /// Notes that somebody has proven the first factor, and nothing more: no session, until the second comes.
    fn wait_for_second_factor(&self, connection: &Connection, user: &UserRecord, method: &str, visit: &Visit) -> Result<PlainKey> {
        let (token, now) = (self.new_secret()?, visit.act.at);
        let proof = ProofRecord {
            id: self.next_id(connection, id::PROOF, now)?,
            hash: token.hash(),
            purpose: Purpose::SecondFactor,
            channel: Channel::None,
            address: String::new(),
            user: Some(user.id),
            payload: json!({ "method": method }),
            origin: String::new(),
            tries: 0,
            tries_elsewhere: 0,
            created_at: now,
            expires_at: now.plus(SECOND_FACTOR_LIFETIME),
            used_at: None,
        };
        proofs::insert(connection, &proof)?;
        Ok(token)
    }
}
