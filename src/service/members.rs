//! Who belongs to an organization, and as what. While anybody does, it keeps an owner; whoever leaves, or is taken out, has no access from the very
//! next request on. Its keys stay: they are the account's, whoever made them.

use std::sync::Arc;

use serde_json::Value;

use super::accounts::{AccountInput, no_such};
use super::developers::{may_not, organization_faults};
use super::journal::Change;
use super::{Page, PageAsk, Services, require_name, users, views};
use crate::domain::act::Act;
use crate::domain::caller::Kind;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::user::{Role, UserRecord, handle};
use crate::domain::verdict::Verdict;
use crate::store::accounts::{self, StoredAccount};
use crate::store::idempotency::{self, Once};
use crate::store::members::{self, Member};
use crate::store::{Connection, invitations, sessions};

/// A member, and who that is.
pub type Known = (Member, UserRecord);

impl Services {
    /// Makes an organization of whoever acts, who owns it; once for each [`Once`].
    pub async fn create_organization(self: &Arc<Self>, input: AccountInput, once: Option<Once>, act: &Act) -> Result<StoredAccount> {
        let mut faults = input.check(&self.policy, act.at);
        require_name(input.name.as_deref(), &mut faults);
        faults.extend(organization_faults(&input));
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let input = AccountInput { kind: Some(Kind::Organization), ..input };
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            let user = services.acting_user(connection, &act)?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
            if let Some(id) = idempotency::done(connection, once.as_ref(), act.at)? {
                return Ok((accounts::by_id(connection, &id)?.ok_or_else(|| no_such(&id))?, user.id));
            }
            let most = services.policy.sign_in.organizations;
            if members::owned(connection, user.id)?.unsigned_abs() >= most {
                return Err(Error::Conflict(format!("You may have {most} organizations of your own, and have them.")));
            }
            let account = services.opened(connection, input, &act)?;
            accounts::insert(connection, &account)?;
            let (id, after) = (account.record.id.as_str(), views::account(&account));
            let change = Change { event: Event::AccountCreated, target: id, account: Some(id), before: Value::Null, after };
            services.journal(connection, &act, change)?;
            let owner = Member { account: id.to_owned(), user: user.id, role: Role::Owner, joined_at: act.at };
            services.join(connection, &owner, &user, &act)?;
            idempotency::remember(connection, once.as_ref(), id, act.at)?;
            Ok((account, user.id))
        };
        let services = self.clone();
        self.store.write(job, move |(_, user)| services.user_changed(*user)).await.map(|(account, _)| account)
    }

    /// A page of those who belong to an account, in the order of their ids.
    pub async fn members(&self, account: &str, ask: PageAsk, act: &Act) -> Result<Page<Known>> {
        self.check_reach(account, act).await?;
        let (account, after, limit) = (account.to_owned(), ask.cursor.parse().unwrap_or_default(), ask.limit + 1);
        let job = move |connection: &Connection| {
            accounts::by_id(connection, &account)?.ok_or_else(|| no_such(&account))?;
            let members = members::list(connection, &account, after, limit)?;
            members.into_iter().map(|member| users::found(connection, member.user).map(|user| (member, user))).collect()
        };
        let rows: Vec<Known> = self.store.list(job).await?;
        Ok(ask.page(rows, |(member, _)| member.user.to_string()))
    }

    /// One who belongs to an account.
    pub async fn member(&self, account: &str, user: i64, act: &Act) -> Result<Known> {
        self.check_reach(account, act).await?;
        let account = account.to_owned();
        let job = move |connection: &Connection| {
            let member = members::find(connection, &account, user)?.ok_or_else(no_member)?;
            Ok((member, users::found(connection, user)?))
        };
        self.store.read(job).await
    }

    /// Gives a member another role; whoever administrates the server may make anybody a member so.
    pub async fn set_member(self: &Arc<Self>, account: &str, user: i64, role: Role, act: &Act) -> Result<Known> {
        let (account, act, services) = (account.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let own = services.check_people(connection, &account, &act)?;
            let known = members::find(connection, &account, user)?;
            let (held, event) = match &known {
                Some(member) => (member.role, Event::MemberChanged),
                None if act.bound_to().is_none() => {
                    if lacks_owner(connection, &account, role)? {
                        return Err(no_owner());
                    }
                    (Role::Member, Event::MemberJoined)
                }
                None => return Err(no_member()),
            };
            if own < Role::Admin || (own < Role::Owner && held.max(role) == Role::Owner) {
                return Err(may_not());
            }
            if held == Role::Owner && role < Role::Owner {
                check_owners(connection, &account, user)?;
            }
            let record = users::found(connection, user)?;
            let joined_at = known.as_ref().map_or(act.at, |member| member.joined_at);
            let member = Member { account: account.clone(), user, role, joined_at };
            match known {
                Some(before) if before.role == role => {}
                before => {
                    members::put(connection, &member)?;
                    services.journal_member(connection, &act, event, before.as_ref(), Some(&member), &record)?;
                }
            }
            Ok((member, record))
        };
        let services = self.clone();
        self.store.write(job, move |(member, _)| services.user_changed(member.user)).await
    }

    /// Takes a member out, or lets them leave.
    pub async fn remove_member(self: &Arc<Self>, account: &str, user: i64, act: &Act) -> Result<()> {
        let (account, act, services) = (account.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            // Leaving needs no part in it, and no access token that names it.
            let leaver = services.acting_user(connection, &act)?.filter(|own| own.id == user);
            let own = if leaver.is_some() { None } else { Some(services.check_people(connection, &account, &act)?) };
            let member = members::find(connection, &account, user)?;
            let member = member.ok_or_else(|| if leaver.is_some() { no_such(&account) } else { no_member() })?;
            if own.is_some_and(|own| own < Role::Admin || own < member.role) {
                return Err(may_not());
            }
            check_organization(connection, &account)?;
            if member.role == Role::Owner {
                check_owners(connection, &account, user)?;
            }
            let record = users::found(connection, user)?;
            if let Some(email) = &record.email {
                // They come back when they are asked anew.
                invitations::end_of_email(connection, &account, email, act.at)?;
            }
            services.leave(connection, &member, &record, &act)
        };
        let services = self.clone();
        self.store.write(job, move |()| services.user_changed(user)).await
    }

    /// Somebody comes to belong to an account. Whoever commits it calls [`Services::user_changed`] afterwards.
    pub(super) fn join(&self, connection: &Connection, member: &Member, user: &UserRecord, act: &Act) -> Result<()> {
        members::put(connection, member)?;
        self.journal_member(connection, act, Event::MemberJoined, None, Some(member), user)
    }

    /// Somebody belongs to an account no more. Whoever commits it calls [`Services::user_changed`] afterwards.
    pub(super) fn leave(&self, connection: &Connection, member: &Member, user: &UserRecord, act: &Act) -> Result<()> {
        members::remove(connection, &member.account, user.id)?;
        sessions::leave_account(connection, user.id, &member.account, &user.account)?;
        self.journal_member(connection, act, Event::MemberLeft, Some(member), None, user)
    }

    /// What whoever acts is to an account of several people; a personal one has no others.
    pub(super) fn check_people(&self, connection: &Connection, account: &str, act: &Act) -> Result<Role> {
        let role = self.check_role(connection, act, account, Role::Member)?;
        check_organization(connection, account)?;
        Ok(role)
    }

    fn journal_member(
        &self,
        connection: &Connection,
        act: &Act,
        event: Event,
        before: Option<&Member>,
        after: Option<&Member>,
        user: &UserRecord,
    ) -> Result<()> {
        let view = |member: Option<&Member>| member.map_or(Value::Null, |member| views::member(member, user));
        let (target, account) = (handle(user.id), before.or(after).map(|member| member.account.as_str()));
        // Of whoever left, webhooks are told who that was.
        let told = if after.is_some() { view(after) } else { view(before) };
        self.announce(connection, event, &told, act.at)?;
        self.enter(connection, act, Change { event, target: &target, account, before: view(before), after: view(after) })
    }
}

/// Fails where an account is one person's.
fn check_organization(connection: &Connection, account: &str) -> Result<()> {
    let found = accounts::by_id(connection, account)?.ok_or_else(|| no_such(account))?;
    match found.record.kind {
        Kind::Organization => Ok(()),
        Kind::Personal => Err(Error::Conflict("A personal account is one person's: make an organization.".into())),
    }
}

fn no_member() -> Error {
    Error::NotFound("such member".into())
}

/// Whether an organization would be of people who do not own it: nobody does so far who is not switched off, and whoever comes is to be
/// less than an owner.
pub(super) fn lacks_owner(connection: &Connection, account: &str, role: Role) -> Result<bool> {
    const NOBODY: i64 = 0;
    Ok(role < Role::Owner && members::other_owners(connection, account, NOBODY)? == 0)
}

/// What is told then.
pub(super) fn no_owner() -> Error {
    Error::Conflict("This organization has no owner who is not switched off: an owner must come first.".into())
}

/// Fails where an owner is the only one.
fn check_owners(connection: &Connection, account: &str, user: i64) -> Result<()> {
    if members::other_owners(connection, account, user)? > 0 {
        return Ok(());
    }
    Err(Error::Conflict("This is the organization's only owner: make somebody else one first.".into()))
}
