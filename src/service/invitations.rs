//! Invitations: whoever looks after an organization asks an address to join it. Only a user who has proven that very address can
//! accept, once, as long as whoever asked them still may.

use std::sync::Arc;

use serde_json::{Value, json};

use super::accounts::no_such as no_such_account;
use super::developers::may_not;
use super::journal::Change;
use super::mails::Letter;
use super::members::{lacks_owner, no_owner};
use super::sign_in::login::Address;
use super::sign_in::secret::ServerSecret;
use super::sign_in::throttle::Sending;
use super::{Page, PageAsk, Services, users, views};
use crate::domain::act::Act;
use crate::domain::email::Email;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::invitation::InvitationRecord;
use crate::domain::letter::{Template, spoken};
use crate::domain::proof::Channel;
use crate::domain::refusal::Refusal;
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::{Role, UserRecord};
use crate::domain::verdict::Verdict;
use crate::store::members::{self, Member};
use crate::store::users::{self as stored_users, By};
use crate::store::{Connection, accounts, invitations};

/// How many may be open for one account.
const MOST_OPEN: i64 = 50;

/// How many an account may send in a day.
const MOST_A_DAY: i64 = 200;

const DAY: Span = Span::from_secs(86_400);

/// Which invitation somebody means.
#[derive(Clone, Debug)]
pub enum Which {
    /// That of the token in the mail.
    Token(String),
    /// The one of this id.
    Id(String),
}

/// An invitation, as whoever is invited sees it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Itself.
    pub record: InvitationRecord,
    /// What the account is called.
    pub account_name: String,
    /// What whoever asks is called.
    pub inviter: String,
}

impl Services {
    /// Asks an address to join an account, as no more than whoever asks is. An open one for the same address is replaced.
    pub async fn invite(self: &Arc<Self>, account: &str, email: Email, role: Role, act: &Act) -> Result<InvitationRecord> {
        let (account, act, services) = (account.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let inviter = services.acting_user(connection, &act)?.ok_or_else(|| Error::refused(Verdict::Missing))?;
            let own = services.check_people(connection, &account, &act)?;
            if own < Role::Admin || own < role {
                return Err(may_not());
            }
            if lacks_owner(connection, &account, role)? {
                return Err(no_owner());
            }
            let known = stored_users::find(connection, &By::Email(email.as_str().to_owned()))?;
            let known = known.filter(|user| user.proven_email().is_some());
            if let Some(user) = known
                && members::find(connection, &account, user.id)?.is_some()
            {
                return Err(Error::field("email", "belongs to somebody who is a member already"));
            }
            // Only now: whoever may not invite takes nothing of what may be sent to an address.
            services.count_sending(Sending::Invitation, &Address::Email(email.clone()), act.origin.parse().ok(), act.at)?;
            invitations::end_of_email(connection, &account, email.as_str(), act.at)?;
            check_bounds(connection, &account, act.at)?;
            services.write_invitation(connection, &account, &email, role, &inviter, &act)
        };
        self.store.write(job, |_| ()).await
    }

    fn write_invitation(
        &self,
        connection: &Connection,
        account: &str,
        email: &Email,
        role: Role,
        inviter: &UserRecord,
        act: &Act,
    ) -> Result<InvitationRecord> {
        let id = self.next_id(connection, id::INVITATION, act.at)?;
        let record = InvitationRecord {
            hash: ServerSecret::hash_of_token(self.sign_in.secret.token_of(&id).expose()),
            id,
            account: account.to_owned(),
            email: email.as_str().to_owned(),
            role,
            invited_by: inviter.id,
            created_at: act.at,
            expires_at: act.at.plus(self.policy.sign_in.invitation_lifetime),
            accepted_at: None,
            ended_at: None,
        };
        invitations::insert(connection, &record)?;
        self.send_invitation(connection, &record, inviter)?;
        self.journal_invitation(connection, act, Event::InvitationSent, &record)?;
        Ok(record)
    }

    fn send_invitation(&self, connection: &Connection, record: &InvitationRecord, inviter: &UserRecord) -> Result<()> {
        let account = accounts::by_id(connection, &record.account)?.ok_or_else(|| no_such_account(&record.account))?;
        let fields = json!({
            "account": account.record.name,
            "inviter": inviter.name,
            "role": record.role.name(),
            "valid_for": spoken(self.policy.sign_in.invitation_lifetime),
        });
        let (channel, template, secret_of) = (Channel::Email, Template::Invitation, Some(record.id.as_str()));
        let letter = Letter { channel, address: &record.email, template, fields, secret_of };
        self.post_mail(connection, letter, record.created_at).map(drop)
    }

    /// A page of an account's invitations, oldest first, whatever became of them.
    pub async fn invitations(&self, account: &str, ask: PageAsk, act: &Act) -> Result<Page<InvitationRecord>> {
        self.check_reach(account, act).await?;
        let (account, wanted) = (account.to_owned(), ask.clone());
        let job = move |connection: &Connection| {
            accounts::by_id(connection, &account)?.ok_or_else(|| no_such_account(&account))?;
            invitations::list(connection, &account, &wanted.cursor, wanted.limit + 1)
        };
        Ok(ask.page(self.store.list(job).await?, |record| record.id.clone()))
    }

    /// Those of an account that wait for an answer: a few at the most.
    pub async fn open_invitations(&self, account: &str, act: &Act) -> Result<Vec<InvitationRecord>> {
        self.check_reach(account, act).await?;
        let (account, now) = (account.to_owned(), act.at);
        self.store.read(move |connection| invitations::open_of(connection, &account, now)).await
    }

    /// Takes one back; again does no harm.
    pub async fn end_invitation(self: &Arc<Self>, account: &str, id: &str, act: &Act) -> Result<()> {
        let (account, id, act, services) = (account.to_owned(), id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            services.check_role(connection, &act, &account, Role::Admin)?;
            let found = invitations::by_id(connection, &id)?.filter(|record| record.account == account);
            let record = found.ok_or_else(|| Error::no_such("invitation", id::INVITATION, &id))?;
            if !invitations::end(connection, &id, act.at)? {
                return Ok(());
            }
            services.journal_invitation(connection, &act, Event::InvitationEnded, &record)
        };
        self.store.write(job, |()| ()).await
    }

    /// A page of those that are open for a user: for the address that they have proven.
    pub async fn received_invitations(&self, user: i64, ask: PageAsk, now: Timestamp) -> Result<Page<Received>> {
        let job = move |connection: &Connection| {
            let user = users::found(connection, user)?;
            let open = user.proven_email().map(|email| invitations::open_for(connection, email, now)).transpose()?;
            let after = open.into_iter().flatten().filter(|record| record.id > ask.cursor);
            let mut received = Vec::new();
            for record in after {
                received.extend(received_one(connection, record)?);
                if received.len() > ask.limit {
                    break;
                }
            }
            Ok(ask.page(received, |one| one.record.id.clone()))
        };
        self.store.read(job).await
    }

    /// Accepts one. What is wrong with it is told to nobody: used, taken back, expired, for another address, or none at all.
    pub async fn accept_invitation(self: &Arc<Self>, which: Which, act: &Act) -> Result<(Member, UserRecord)> {
        let (act, services) = (act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let user = services.acting_user(connection, &act)?.ok_or_else(|| Error::refused(Verdict::Missing))?;
            let found = match &which {
                Which::Token(token) => invitations::by_hash(connection, &ServerSecret::hash_of_token(token))?,
                Which::Id(id) => invitations::by_id(connection, id)?,
            };
            let record = found.filter(|record| is_for(record, &user, act.at)).ok_or_else(no_such)?;
            let member = services.accept_for(connection, &record, &user, &act, act.at)?;
            Ok((member, user))
        };
        let services = self.clone();
        self.store.write(job, move |(_, user)| services.user_changed(user.id)).await
    }

    /// An open invitation by its token, where whoever asked still may.
    pub(crate) fn found_open(&self, connection: &Connection, token: &str, now: Timestamp) -> Result<Received> {
        let found = invitations::by_hash(connection, &ServerSecret::hash_of_token(token))?;
        let record = found.filter(|record| record.is_open_at(now)).ok_or_else(no_such)?;
        received_one(connection, record)?.ok_or_else(no_such)
    }

    /// Ends one for whoever was asked and does not want to: they have its token, or are signed in as whose address it went to.
    pub async fn decline_invitation(self: &Arc<Self>, which: Which, act: &Act) -> Result<()> {
        let (act, services) = (act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let record = match &which {
                Which::Token(token) => services.found_open(connection, token, act.at)?.record,
                Which::Id(id) => {
                    let user = services.acting_user(connection, &act)?.ok_or_else(|| Error::refused(Verdict::Missing))?;
                    invitations::by_id(connection, id)?.filter(|record| is_for(record, &user, act.at)).ok_or_else(no_such)?
                }
            };
            invitations::end(connection, &record.id, act.at)?;
            services.journal_invitation(connection, &act, Event::InvitationEnded, &record)
        };
        self.store.write(job, |()| ()).await
    }

    /// Makes a user, whose the address is, a member. Called inside the transaction.
    pub(crate) fn accept_for(
        &self,
        connection: &Connection,
        record: &InvitationRecord,
        user: &UserRecord,
        act: &Act,
        now: Timestamp,
    ) -> Result<Member> {
        // Whoever asked may have been taken out meanwhile.
        received_one(connection, record.clone())?.ok_or_else(no_such)?;
        if members::find(connection, &record.account, user.id)?.is_some() {
            return Err(Error::Conflict("You belong to this account already.".into()));
        }
        if lacks_owner(connection, &record.account, record.role)? || !invitations::accept(connection, &record.id, now)? {
            return Err(no_such());
        }
        let member = Member { account: record.account.clone(), user: user.id, role: record.role, joined_at: now };
        self.join(connection, &member, user, act)?;
        Ok(member)
    }

    /// Ends those that are open for the address of somebody who goes.
    pub(super) fn end_received(&self, connection: &Connection, user: &UserRecord, act: &Act) -> Result<()> {
        let Some(email) = user.proven_email() else { return Ok(()) };
        for record in invitations::open_for(connection, email, act.at)? {
            invitations::end(connection, &record.id, act.at)?;
            self.journal_invitation(connection, act, Event::InvitationEnded, &record)?;
        }
        Ok(())
    }

    /// Ends those of an account that wait for an answer.
    pub(super) fn end_invitations_of(&self, connection: &Connection, account: &str, act: &Act) -> Result<()> {
        for record in invitations::open_of(connection, account, act.at)? {
            invitations::end(connection, &record.id, act.at)?;
            self.journal_invitation(connection, act, Event::InvitationEnded, &record)?;
        }
        Ok(())
    }

    fn journal_invitation(&self, connection: &Connection, act: &Act, event: Event, record: &InvitationRecord) -> Result<()> {
        let found = invitations::by_id(connection, &record.id)?;
        let after = views::invitation(found.as_ref().unwrap_or(record), act.at);
        let before = if event == Event::InvitationSent { Value::Null } else { views::invitation(record, act.at) };
        self.journal(connection, act, Change { event, target: &record.id, account: Some(&record.account), before, after })
    }
}

/// One as whoever is invited sees it: only where the account is not switched off, and whoever asked is still enough to it.
fn received_one(connection: &Connection, record: InvitationRecord) -> Result<Option<Received>> {
    let account = accounts::by_id(connection, &record.account)?.filter(|account| !account.record.disabled);
    let inviter = stored_users::find(connection, &By::Id(record.invited_by))?.filter(|user| !user.disabled);
    let (Some(account), Some(inviter)) = (account, inviter) else { return Ok(None) };
    let role = members::find(connection, &record.account, inviter.id)?.map(|member| member.role);
    let still_may = inviter.is_admin || role.is_some_and(|role| role >= Role::Admin && role >= record.role);
    Ok(still_may.then_some(Received { record, account_name: account.record.name, inviter: inviter.name }))
}

/// Whether one is open, and for the address that a user has proven.
fn is_for(record: &InvitationRecord, user: &UserRecord, now: Timestamp) -> bool {
    record.is_open_at(now) && user.proven_email() == Some(record.email.as_str())
}

fn check_bounds(connection: &Connection, account: &str, now: Timestamp) -> Result<()> {
    if invitations::count_open(connection, account, now)? >= MOST_OPEN {
        return Err(Error::Conflict(format!("{MOST_OPEN} invitations are open already: wait for an answer, or take some back.")));
    }
    if invitations::count_since(connection, account, now.minus(DAY))? >= MOST_A_DAY {
        return Err(Refusal::until(now.plus(Span::from_secs(3600))).into());
    }
    Ok(())
}

fn no_such() -> Error {
    Error::NotFound("such invitation for you".into())
}

/// One as whoever is invited sees it.
pub fn received_view(received: &Received) -> Value {
    let Received { record, account_name, inviter } = received;
    json!({
        "id": record.id,
        "account": record.account,
        "account_name": account_name,
        "role": record.role.name(),
        "inviter": inviter,
        "created_at": record.created_at.rfc3339(),
        "expires_at": record.expires_at.rfc3339(),
    })
}
