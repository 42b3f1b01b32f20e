//! Deleting a user: the row and its id stay, and so do the accounts that were theirs alone, as records that let nobody in; nothing
//! personal is left, and the address may register anew.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Visit;
use super::second_factor::still_in;
use crate::domain::act::{Act, Actor, Expected};
use crate::domain::caller::Kind;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::key::KeyHash;
use crate::domain::letter::{Template, spoken_instant};
use crate::domain::password::Password;
use crate::domain::proof::Channel;
use crate::domain::totp::Code;
use crate::domain::user::{UserFacts, UserRecord, handle};
use crate::service::accounts::AccountInput;
use crate::service::journal::Change;
use crate::service::{Services, users};
use crate::store::accounts::{self, StoredAccount};
use crate::store::members::{self, Member};
use crate::store::users as stored;
use crate::store::{Connection, agreements, identities, mails, proofs, second_factors, sessions};

/// What the personal account of a deleted user is called.
const NOBODYS: &str = "deleted";

/// A user who is gone, and what nothing that is remembered may count of any more.
struct Gone {
    user: i64,
    closed: Vec<StoredAccount>,
    tokens: Vec<KeyHash>,
}

/// What a user belongs to, when they go.
struct Leaves {
    /// Nobody else belongs to it: it is closed.
    alone: Vec<Member>,
    /// Others do: they keep it.
    to_others: Vec<Member>,
}

impl Services {
    /// Deletes the user who asks: by the password or a session that is young, and a code where there is a second factor.
    pub async fn delete_oneself(
        self: &Arc<Self>,
        own: &UserFacts,
        password: Option<Password>,
        code: Option<Code>,
        visit: &Visit,
    ) -> Result<()> {
        let ticket = self.confirm_parting(own, password, code.as_ref(), visit).await?;
        let (services, own, visit) = (self.clone(), own.clone(), visit.clone());
        let job = move |connection: &Connection| {
            let user = still_in(connection, &own, visit.act.at)?;
            services.check_code(connection, &user, code.as_ref(), &visit)?;
            if user.is_admin {
                services.check_other_administrator(connection, user.id)?;
            }
            services.delete(connection, &user, &visit)
        };
        let deleted = self.deleting(job).await;
        self.forgive_code(ticket, &deleted);
        deleted
    }

    /// Deletes a user, for whoever administrates.
    pub async fn delete_user(self: &Arc<Self>, id: i64, act: &Act) -> Result<()> {
        users::check_other(id, act)?;
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            services.check_administrator(connection, &act)?;
            let user = users::found(connection, id)?;
            act.check_revision(user.revision)?;
            services.delete(connection, &user, &users::visit(&act))
        };
        self.deleting(job).await
    }

    async fn deleting(self: &Arc<Self>, job: impl FnOnce(&Connection) -> Result<Gone> + Send + 'static) -> Result<()> {
        let services = self.clone();
        let after = move |gone: &Gone| {
            services.user_changed(gone.user);
            gone.closed.iter().for_each(|account| services.account_changed(account));
            gone.tokens.iter().for_each(|hash| services.tokens.forget(hash));
        };
        let user = self.store.write(job, after).await?.user;
        self.forget_sessions(user).await;
        Ok(())
    }

    /// Forgets where a deleted user was signed in: round by round, so that no other change waits long behind it.
    async fn forget_sessions(&self, user: i64) {
        let round = || self.store.write(move |connection| sessions::remove_some(connection, user), |_| ());
        loop {
            match round().await {
                Ok(true) => {}
                Ok(false) => return,
                // They let nobody in any more, and go in their time like all that have ended.
                Err(error) => return tracing::warn!("the ended sessions of user {user}, who was deleted, could not be forgotten: {error}"),
            }
        }
    }

    fn delete(&self, connection: &Connection, user: &UserRecord, visit: &Visit) -> Result<Gone> {
        let act = &visit.act;
        let leaves = leaves(connection, user)?;
        self.end_sessions(connection, user.id, None, None, "deleted", visit)?;
        self.end_received(connection, user, act)?;
        for member in &leaves.to_others {
            self.leave(connection, member, user, act)?;
        }
        let (mut closed, mut tokens) = (Vec::new(), Vec::new());
        for member in &leaves.alone {
            tokens.extend(self.revoke_tokens_of(connection, &member.account, act)?);
            members::remove(connection, &member.account, user.id)?;
            let name = (member.account == user.account).then(|| NOBODYS.to_owned());
            closed.push(self.close_account(connection, &member.account, name, &unbound(act))?);
        }
        self.forget(connection, user, act)?;
        let target = handle(user.id);
        // Who they were is gone: what is written down now names no more than the id.
        let before = json!({ "id": user.id, "account": user.account });
        self.announce(connection, Event::UserDeleted, &before, act.at)?;
        let change = Change { event: Event::UserDeleted, target: &target, account: Some(&user.account), before, after: Value::Null };
        self.enter(connection, act, change)?;
        let fields = json!({ "name": user.name, "at": spoken_instant(act.at) });
        self.tell_user(connection, user, Template::Deleted, fields, act.at)?;
        Ok(Gone { user: user.id, closed, tokens })
    }

    /// Closes an account that nobody belongs to any more: its keys count no more. Usage, balance and audit stay true. `name`: another one.
    pub(super) fn close_account(&self, connection: &Connection, id: &str, name: Option<String>, act: &Act) -> Result<StoredAccount> {
        self.revoke_keys_of(connection, id, act)?;
        self.withdraw_all(connection, id, act)?;
        let input = AccountInput { name, disabled: Some(true), ..AccountInput::default() };
        self.change_account(connection, id, input, act)
    }

    /// Takes all that is personal from the database, but for what others wrote down: the audit and invitations go in their time.
    fn forget(&self, connection: &Connection, user: &UserRecord, act: &Act) -> Result<()> {
        identities::remove_all(connection, user.id)?;
        second_factors::remove(connection, user.id)?;
        mails::remove_of_proofs(connection, user.id)?;
        proofs::end_of_user(connection, user.id, act.at)?;
        agreements::forget_origins(connection, user.id)?;
        for (channel, address) in [(Channel::Email, &user.email), (Channel::Phone, &user.phone)] {
            let Some(address) = address else { continue };
            proofs::end_of_address(connection, address, act.at)?;
            mails::remove_to(connection, channel, address)?;
        }
        stored::delete(connection, user.id, act.at)
    }
}

/// What becomes of each account of a user. Fails, naming them, where organizations would be left to people who do not own them.
fn leaves(connection: &Connection, user: &UserRecord) -> Result<Leaves> {
    let mut leaves = Leaves { alone: Vec::new(), to_others: Vec::new() };
    let mut left = Vec::new();
    for member in members::of_user(connection, user.id)? {
        let account = accounts::by_id(connection, &member.account)?.ok_or_else(|| Error::Internal("a membership of no account".into()))?;
        if members::others(connection, &member.account, user.id)? == 0 || account.record.kind == Kind::Personal {
            leaves.alone.push(member);
            continue;
        }
        if members::is_needed(connection, &member)? {
            left.push(format!("{} ({})", account.record.name, account.record.id));
        }
        leaves.to_others.push(member);
    }
    if left.is_empty() {
        return Ok(leaves);
    }
    let of = left.join(", ");
    Err(Error::Conflict(format!("The only owner of {of}, to which others belong: make one of them an owner, or take them out, first.")))
}

/// The same act where an access token bounds nothing: what closes is all of theirs.
fn unbound(act: &Act) -> Act {
    let actor = match act.actor.user() {
        Some(user) => Actor::Entering(user.handle.clone()),
        None => act.actor.clone(),
    };
    Act { actor, expected: Expected::Any, ..act.clone() }
}
