//! Whoever is invited and has no user yet becomes one by the invitation itself: its link went to their address, so that is proven.
//! This works also where nobody else may register.

use std::sync::Arc;

use super::people::Newcomer;
use super::{Entered, Visit};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::password::Password;
use crate::domain::refusal::Refusal;
use crate::domain::user::UserRecord;
use crate::domain::verdict::Verdict;
use crate::service::{Services, check_discreet, check_name};
use crate::store::users::{self, By};
use crate::store::{Connection, proofs};

impl Services {
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
        self.open_invitation(token, now).await?;
        let hash = self.hashed(&password, now).await?;
        let (services, visit, token, name) = (self.clone(), visit.clone(), token.to_owned(), name.to_owned());
        let job = move |connection: &Connection| {
            let invitation = services.found_open(connection, &token, now)?;
            let newcomer = Newcomer { name, email: Some((invitation.email.clone(), true)), password: Some(hash), ..Newcomer::default() };
            let user = match users::find(connection, &By::Email(invitation.email.clone()))? {
                Some(user) if user.proven_email().is_some() => {
                    return Err(Error::Conflict("This address has a user already: sign in, and accept the invitation.".into()));
                }
                Some(user) => services.take_over(connection, user, newcomer, &visit)?,
                None => services.make_user(connection, newcomer, &visit.act)?,
            };
            proofs::end_of_address(connection, &invitation.email, now)?;
            services.accept_for(connection, &invitation, &user, &super::people::by_themselves(&visit.act, &user), now)?;
            let entering = user.clone();
            services.begin_session(connection, user, "invitation", true, &visit).map(|begun| (begun, entering))
        };
        let services = self.clone();
        let (begun, _) = self.store.write(job, move |(_, user): &(_, UserRecord)| services.taken_over(user)).await?;
        self.answer(begun, now)
    }

    /// Fails where there is no such invitation any more.
    async fn open_invitation(self: &Arc<Self>, token: &str, now: crate::domain::time::Timestamp) -> Result<()> {
        let (services, token) = (self.clone(), token.to_owned());
        let found = self.store.read(move |connection| services.found_open(connection, &token, now)).await;
        match found {
            Ok(_) => Ok(()),
            Err(Error::NotFound(_)) => Err(Error::refused(Verdict::Unknown)),
            Err(error) => Err(error),
        }
    }
}
