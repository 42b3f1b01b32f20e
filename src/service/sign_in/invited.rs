//! Whoever is invited and has no user yet becomes one by the invitation itself: its link went to their address, so that is proven.
//! This works also where nobody else may register. Whoever is signed in where the link is opened joins by that session.

use std::sync::Arc;

use super::people::{Newcomer, by_themselves};
use super::{Entered, Visit};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::key::KeyHash;
use crate::domain::password::Password;
use crate::domain::refusal::Refusal;
use crate::domain::session::Turn;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRecord;
use crate::domain::verdict::Verdict;
use crate::service::invitations::Received;
use crate::service::{Services, check_discreet, check_name};
use crate::store::users::{self, By};
use crate::store::{Connection, proofs, sessions};

/// Who would join what.
#[derive(Clone, Debug)]
pub struct Guest {
    /// What they call themselves.
    pub name: String,
    /// Their address, which the invitation went to.
    pub email: String,
    /// What the account is called.
    pub account: String,
}

impl Services {
    /// Who would join by an invitation where this refresh token is kept, which it does not use up. `None`: nobody is signed in there.
    /// Refused where the invitation counts no more, or is for somebody else.
    pub async fn guest(self: &Arc<Self>, token: &str, refresh_token: &str, now: Timestamp) -> Result<Option<Guest>> {
        let (services, token, hash) = (self.clone(), token.to_owned(), self.hash_of_refresh_token(refresh_token));
        let read = move |connection: &Connection| {
            let Some(user) = hash.ok().map(|hash| user_of_session(connection, &hash, now)).transpose()?.flatten() else { return Ok(None) };
            let Received { record, account_name, .. } = services.found_for(connection, &token, &user, now)?;
            Ok(Some(Guest { name: user.name, email: record.email, account: account_name }))
        };
        self.store.read(read).await
    }

    /// Joins by an invitation as whoever is signed in where this refresh token is kept.
    pub async fn join_signed_in(self: &Arc<Self>, token: &str, refresh_token: &str, visit: &Visit) -> Result<()> {
        // What can be no refresh token keeps nobody signed in.
        let hash = self.hash_of_refresh_token(refresh_token).map_err(|_| Error::refused(Verdict::Missing))?;
        let (services, visit, token) = (self.clone(), visit.clone(), token.to_owned());
        let job = move |connection: &Connection| {
            let now = visit.act.at;
            let user = user_of_session(connection, &hash, now)?.ok_or_else(|| Error::refused(Verdict::Missing))?;
            let invitation = services.found_for(connection, &token, &user, now)?.record;
            services.accept_for(connection, &invitation, &user, &by_themselves(&visit.act, &user), now)?;
            Ok(user.id)
        };
        let services = self.clone();
        self.store.write(job, move |user: &i64| services.user_changed(*user)).await.map(drop)
    }

    /// An open invitation that is for this user.
    fn found_for(&self, connection: &Connection, token: &str, user: &UserRecord, now: Timestamp) -> Result<Received> {
        let found = self.found_open(connection, token, now)?;
        let is_theirs = user.proven_email() == Some(found.record.email.as_str());
        if is_theirs { Ok(found) } else { Err(Error::refused(Verdict::Unknown)) }
    }

    /// Makes a user of whoever was invited, who joins the account and is signed in. Where the address has a user already, they have to
    /// sign in instead.
    pub async fn join_as_newcomer(self: &Arc<Self>, token: &str, name: &str, password: Password, visit: &Visit) -> Result<Entered> {
        let now = visit.act.at;
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        if let Err(message) = check_name(name).and_then(|()| check_discreet(&self.policy, name)) {
            fault("name", message);
        }
        if let Some(message) = self.check_strength(&password, &[name], now).await? {
            fault("password", message);
        }
        if !faults.is_empty() {
            return Err(Refusal::fields(faults).into());
        }
        // Before the work of a hash: whoever has no invitation makes none.
        self.invitation_of(token, now).await?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
        let hash = self.hashed(&password, now).await?;
        let (services, visit, token, name) = (self.clone(), visit.clone(), token.to_owned(), name.to_owned());
        let job = move |connection: &Connection| {
            let invitation = services.found_open(connection, &token, now)?.record;
            let newcomer = Newcomer { name, email: Some((invitation.email.clone(), true)), password: Some(hash), ..Newcomer::default() };
            let user = match users::find(connection, &By::Email(invitation.email.clone()))? {
                Some(user) if user.proven_email().is_some() => {
                    return Err(Error::Conflict("This address has a user already: sign in, and accept the invitation.".into()));
                }
                Some(user) => services.take_over(connection, user, newcomer, &visit)?,
                None => services.make_user(connection, newcomer, &visit.act)?,
            };
            proofs::end_of_address(connection, &invitation.email, now)?;
            services.accept_for(connection, &invitation, &user, &by_themselves(&visit.act, &user), now)?;
            let entering = user.clone();
            services.begin_session(connection, user, "invitation", true, &visit).map(|begun| (begun, entering))
        };
        let services = self.clone();
        let (begun, _) = self.store.write(job, move |(_, user): &(_, UserRecord)| services.taken_over(user)).await?;
        self.answer(begun, now)
    }

    /// The open invitation of a token, as whoever was asked sees it; `None` where it counts no more.
    pub async fn invitation_of(self: &Arc<Self>, token: &str, now: Timestamp) -> Result<Option<Received>> {
        let (services, token) = (self.clone(), token.to_owned());
        let found = self.store.read(move |connection| services.found_open(connection, &token, now)).await;
        match found {
            Ok(received) => Ok(Some(received)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Who is signed in with a refresh token that is in use, or was a moment ago.
fn user_of_session(connection: &Connection, hash: &KeyHash, now: Timestamp) -> Result<Option<UserRecord>> {
    let Some((session, replaced_at)) = sessions::by_token(connection, hash)? else { return Ok(None) };
    if !session.lasts_at(now) || Turn::of(replaced_at, now) == Turn::Reused {
        return Ok(None);
    }
    Ok(users::find(connection, &By::Id(session.user))?.filter(|user| !user.disabled))
}
