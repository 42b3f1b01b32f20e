//! Closing an organization, by one who owns it: keys and service tokens count no more, and everybody goes on for themselves. The account
//! stays as a record that is switched off: usage, balance and audit stay true.

use std::sync::Arc;

use super::Visit;
use super::second_factor::still_in;
use crate::domain::act::Act;
use crate::domain::error::{Error, Result};
use crate::domain::key::KeyHash;
use crate::domain::letter::spoken_instant;
use crate::domain::password::Password;
use crate::domain::time::{Span, Timestamp};
use crate::domain::totp::Code;
use crate::domain::user::{Role, UserFacts};
use crate::service::developers::may_not;
use crate::service::{Services, users};
use crate::store::accounts::{self, StoredAccount};
use crate::store::{Connection, members};

/// How old one must be: else `[sign_in] organizations` would bound nothing, where one is made and closed after the other.
const LEAST_AGE: Span = Span::from_secs(86_400);

/// What nothing that is remembered may count of any more.
struct Closed {
    account: StoredAccount,
    members: Vec<i64>,
    tokens: Vec<KeyHash>,
}

impl Services {
    /// Closes an organization for an owner of it, who shows again who they are: as whoever deletes themselves.
    pub async fn close_organization(
        self: &Arc<Self>,
        account: &str,
        own: &UserFacts,
        password: Option<Password>,
        code: Option<Code>,
        visit: &Visit,
    ) -> Result<()> {
        let ticket = self.confirm_parting(own, password, code.as_ref(), visit).await?;
        let (services, account, own, visit) = (self.clone(), account.to_owned(), own.clone(), visit.clone());
        let job = move |connection: &Connection| {
            let user = still_in(connection, &own, visit.act.at)?;
            services.check_code(connection, &user, code.as_ref(), &visit)?;
            services.check_people(connection, &account, &visit.act)?;
            // Whoever administrates the server does this, too, only where they are an owner.
            members::find(connection, &account, user.id)?.filter(|member| member.role == Role::Owner).ok_or_else(may_not)?;
            check_age(connection, &account, visit.act.at)?;
            services.end_organization(connection, &account, &visit.act)
        };
        let services = self.clone();
        let after = move |closed: &Closed| {
            closed.members.iter().for_each(|user| services.user_changed(*user));
            services.account_changed(&closed.account);
            closed.tokens.iter().for_each(|hash| services.tokens.forget(hash));
        };
        let closed = self.store.write(job, after).await;
        self.forgive_code(ticket, &closed);
        closed.map(drop)
    }

    fn end_organization(&self, connection: &Connection, account: &str, act: &Act) -> Result<Closed> {
        let tokens = self.revoke_tokens_of(connection, account, act)?;
        self.end_invitations_of(connection, account, act)?;
        let mut left = Vec::new();
        for member in members::of_account(connection, account)? {
            self.leave(connection, &member, &users::found(connection, member.user)?, act)?;
            left.push(member.user);
        }
        let account = self.close_account(connection, account, None, act)?;
        Ok(Closed { account, members: left, tokens })
    }
}

/// Fails where an organization is too young to be closed, and says from when on it can be.
fn check_age(connection: &Connection, account: &str, now: Timestamp) -> Result<()> {
    let made_at = accounts::by_id(connection, account)?.map(|account| account.record.created_at);
    let from = made_at.map(|at| at.plus(LEAST_AGE)).filter(|from| now < *from);
    let told = |from| format!("An organization can be closed a day after it was made: this one from {} on.", spoken_instant(from));
    from.map_or(Ok(()), |from| Err(Error::Conflict(told(from))))
}
