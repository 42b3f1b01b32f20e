//! Who an access token, or the cookie of a browser on the dashboard, belongs to, as the gate knows callers: the user, and the account
//! that they act for. What is remembered dies with any change of the user, of their sessions or of their memberships.

use std::sync::Arc;

use super::Visit;
use crate::domain::caller::Caller;
use crate::domain::error::{Error, Result};
use crate::domain::jwt;
use crate::domain::key::KeyHash;
use crate::domain::time::Timestamp;
use crate::domain::user::{UserFacts, handle};
use crate::service::gate::Known;
use crate::service::meter::subject::SubjectId;
use crate::service::{Services, slot_of};
use crate::store::users::{self, By};
use crate::store::{Connection, accounts, members, sessions};

/// What a token says, before anything of it is looked at.
#[derive(Clone)]
struct Claim {
    user: i64,
    session: String,
    account: Option<String>,
    expires_at: Timestamp,
}

/// What was found out about an access token that is ours, which may be that it counts for nothing.
#[derive(Debug)]
pub struct Signed {
    /// Who it is, if anybody.
    known: Option<Arc<Known>>,
    user_slot: usize,
    user_generation: u64,
    /// The token's own end, and the configuration under which its signature was looked at.
    expires_at: Timestamp,
    epoch: u64,
}

impl Services {
    /// Whether a credential is meant to be an access token.
    pub fn is_access_token(&self, credential: &str) -> bool {
        self.policy.sign_in.enabled && jwt::looks_like_one(credential)
    }

    /// Whether a text is an access token of this server, though it may have expired or be forged.
    pub fn is_own_access_token(&self, text: &str) -> bool {
        self.is_access_token(text) && self.sign_in.signer.is_meant(text)
    }

    /// The public keys of access tokens, as a JWK set; empty where nobody signs in.
    pub fn public_keys(&self) -> serde_json::Value {
        if self.policy.sign_in.enabled { self.sign_in.signer.public_keys() } else { serde_json::json!({ "keys": [] }) }
    }

    /// Who an access token belongs to, if it counts: from the hot set, else from the database in one trip. The signature is looked at
    /// once; from then on the token is known by its hash, as keys are. One that is not ours leaves nothing behind.
    pub async fn signed_in(&self, token: &str, now: Timestamp) -> Result<Option<Arc<Known>>> {
        if !self.is_access_token(token) {
            return Ok(None);
        }
        let fresh = |signed: &Arc<Signed>| self.is_fresh_claim(signed, now);
        let hash = KeyHash::of(token);
        if let Some(remembered) = self.signed_in.remembered(&hash, now, &fresh) {
            return Ok(remembered.and_then(|signed| signed.known.clone()));
        }
        let Some((user, claims)) = self.sign_in.signer.read(token, now) else { return Ok(None) };
        let claim = Claim { user, expires_at: claims.expires_at(), session: claims.sid, account: Some(claims.acc) };
        let signed = self.signed_in.get(&hash, now, fresh, || self.read_signed_in(claim.clone(), now)).await?;
        Ok(signed.and_then(|signed| signed.known.clone()))
    }

    /// Who a browser on the dashboard is, by its cookie. What was read of a session is read again after a while, which also is when
    /// the session is noted as used.
    pub async fn signed_in_by_page(&self, token: &str, visit: &Visit) -> Result<Option<Arc<Known>>> {
        let now = visit.act.at;
        let Ok(hash) = self.hash_of_refresh_token(token) else { return Ok(None) };
        let fresh = |signed: &Arc<Signed>| self.is_fresh_claim(signed, now);
        if let Some(remembered) = self.signed_in.remembered(&hash, now, &fresh) {
            return Ok(remembered.and_then(|signed| signed.known.clone()));
        }
        let Some(session) = self.session_of_page(hash, visit).await? else { return Ok(None) };
        let expires_at = session.expires_at.min(now.plus(self.policy.sign_in.access_lifetime));
        let claim = Claim { user: session.user, expires_at, session: session.id, account: None };
        let signed = self.signed_in.get(&hash, now, fresh, || self.read_signed_in(claim.clone(), now)).await?;
        Ok(signed.and_then(|signed| signed.known.clone()))
    }

    /// Whether what was found out about a token still holds.
    fn is_fresh_claim(&self, signed: &Signed, now: Timestamp) -> bool {
        let of_user = signed.user_generation == self.users.of(signed.user_slot);
        let of_token = signed.epoch == self.epoch && now < signed.expires_at;
        of_user && of_token && signed.known.as_ref().is_none_or(|known| self.is_fresh(known, now))
    }

    async fn read_signed_in(&self, claim: Claim, now: Timestamp) -> Result<Option<Arc<Signed>>> {
        let Claim { user, expires_at, session, account } = claim;
        let (policy, epoch, meter) = (self.policy.clone(), self.epoch, self.meter.clone());
        let (account_generations, user_generations) = (self.accounts.clone(), self.users.clone());
        let read = move |connection: &Connection| {
            // Each generation is taken hold of before what raises it is read: the user's before all else, the account's before the account.
            let user_slot = slot_of_user(user);
            let user_generation = user_generations.of(user_slot);
            let nobody = || Ok(Some(Arc::new(Signed { known: None, user_slot, user_generation, expires_at, epoch })));
            let session = sessions::by_id(connection, &session)?.filter(|session| session.user == user && session.lasts_at(now));
            let Some(session) = session else { return nobody() };
            // A page is for whichever account its session is for; an access token names one.
            let account = account.unwrap_or_else(|| session.account.clone());
            let of_key = meter.subject(SubjectId::User { id: handle(user).into(), account: account.as_str().into() }, now);
            let of_account = meter.subject(SubjectId::Account(account.as_str().into()), now);
            let account_slot = slot_of(&account);
            let account_generation = account_generations.of(account_slot);
            let found = users::find(connection, &By::Id(user))?.filter(|user| !user.disabled);
            let member = members::find(connection, &account, user)?;
            let (Some(user), Some(member)) = (found, member) else { return nobody() };
            let owner = accounts::by_id(connection, &account)?.ok_or_else(|| Error::Internal(format!("there is no {account}")))?;
            of_account.set_balance(owner.version, owner.balance);
            of_key.load(connection)?;
            of_account.load(connection)?;
            let facts = UserFacts {
                id: user.id,
                handle: handle(user.id),
                email: user.proven_email().map(str::to_owned),
                name: user.name,
                is_admin: user.is_admin,
                scopes: policy.keys.default_scopes.clone(),
                session: session.id,
                role: member.role,
            };
            let caller = Caller::of_user(facts, session.expires_at, owner.record, &policy.plans, now);
            let known = Known { caller: Arc::new(caller), key: of_key, account: of_account, account_slot, account_generation, epoch };
            Ok(Some(Arc::new(Signed { known: Some(Arc::new(known)), user_slot, user_generation, expires_at, epoch })))
        };
        self.store.read(read).await
    }

    /// A user, one of their sessions or memberships was changed: what is remembered of them counts no more.
    pub(crate) fn user_changed(&self, user: i64) {
        self.users.raise(slot_of_user(user));
    }
}

/// Spreads users over slots.
fn slot_of_user(user: i64) -> usize {
    user.unsigned_abs() as usize
}
