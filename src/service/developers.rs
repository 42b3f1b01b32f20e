//! What users may do with what is theirs: the same as whoever administrates, but for what is the operator's to set; and only as long
//! as they are signed in, and belong to the account. That is looked at again inside each change: whoever was let in may have been
//! taken out meanwhile.

use super::Services;
use super::accounts::{AccountInput, no_such};
use super::keys::KeyInput;
use super::limits::OverrideChanges;
use crate::config::Policy;
use crate::domain::act::Act;
use crate::domain::caller::{KeyRecord, Kind};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::key::Environment;
use crate::domain::refusal::Refusal;
use crate::domain::scope;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, UserRecord};
use crate::domain::verdict::Verdict;
use crate::store::users::{self, By};
use crate::store::{Connection, accounts, members, sessions};

/// What is said of a field that is not for them.
const OPERATORS: &str = "is the operator's to set";

impl Services {
    /// Counts something that a user who is signed in changes; fails where it is too much. Called once a request.
    pub fn count_change(&self, user: i64, now: Timestamp) -> Result<(), Refusal> {
        self.sign_in.throttles.change(user, now).map_err(Refusal::until)
    }

    /// The user who acts, where one does: as they are now, in this change, and still signed in.
    pub(super) fn acting_user(&self, connection: &Connection, act: &Act) -> Result<Option<UserRecord>> {
        let Some(user) = act.actor.user() else { return Ok(None) };
        let session = sessions::by_id(connection, &user.session)?;
        let lasts = session.is_some_and(|session| session.user == user.id && session.lasts_at(act.at));
        // Whoever came as an administrator, and is none any more, does nothing at all.
        let still_may = |found: &UserRecord| lasts && !found.disabled && (found.is_admin || !user.is_admin);
        let found = users::find(connection, &By::Id(user.id))?.filter(still_may);
        found.map(Some).ok_or_else(|| Error::refused(Verdict::Unknown))
    }

    /// Fails where whoever acts was let in as an administrator, and is none any more. Called first inside a change of the whole server.
    pub(super) fn check_administrator(&self, connection: &Connection, act: &Act) -> Result<()> {
        match self.acting_user(connection, act)? {
            Some(user) if !user.is_admin => Err(may_not()),
            _ => Ok(()),
        }
    }

    /// What whoever acts is to an account, now and in this change; where they are nothing to it, or their access token names another,
    /// it is not there for them. Whoever administrates is like an owner.
    pub(super) fn role_of(&self, connection: &Connection, act: &Act, account: &str) -> Result<Role> {
        let role = match self.acting_user(connection, act)? {
            None => act.reaches(account).then_some(Role::Owner),
            Some(user) if user.is_admin => Some(Role::Owner),
            Some(user) => members::find(connection, account, user.id)?.filter(|_| act.reaches(account)).map(|member| member.role),
        };
        role.map_or_else(|| Err(out_of_reach(connection, act, account)?), Ok)
    }

    /// Fails where an account is not there for whoever acts.
    pub(super) async fn check_reach(&self, account: &str, act: &Act) -> Result<()> {
        if act.reaches(account) {
            return Ok(());
        }
        let (account, act) = (account.to_owned(), act.clone());
        Err(self.store.read(move |connection| out_of_reach(connection, &act, &account)).await?)
    }

    /// Fails where whoever acts is less than that to an account, or where it is switched off and theirs.
    pub(super) fn check_role(&self, connection: &Connection, act: &Act, account: &str, needed: Role) -> Result<Role> {
        let role = self.role_of(connection, act, account)?;
        if act.developer().is_some() && accounts::by_id(connection, account)?.is_some_and(|account| account.record.disabled) {
            return Err(Error::refused(Verdict::Disabled));
        }
        if role < needed { Err(may_not()) } else { Ok(role) }
    }
}

/// Why an account is not there: whoever belongs to it has to go on for it first.
fn out_of_reach(connection: &Connection, act: &Act, account: &str) -> Result<Error> {
    let user = act.actor.user().filter(|_| !act.reaches(account));
    let member = user.map(|user| members::find(connection, account, user.id)).transpose()?.flatten();
    let elsewhere =
        || format!("account {account} for this access token, which names another of yours: POST auth/switch goes on for this one");
    Ok(if member.is_some() { Error::NotFound(elsewhere()) } else { no_such(account) })
}

/// Their part in an account is not enough.
pub(super) fn may_not() -> Error {
    Error::Forbidden("Your part in this account does not let you do this.".into())
}

/// What developers may not say of an account: all but its name.
pub(super) fn account_faults(input: &AccountInput) -> Vec<FieldFault> {
    let fields = [
        ("kind", input.kind.is_some()),
        ("plan", input.plan.is_some()),
        ("plan_until", input.plan_until.is_some()),
        ("balance", input.balance.is_some()),
        ("limits", !input.limits.is_empty()),
        ("disabled", input.disabled.is_some()),
    ];
    fields.into_iter().filter(|(_, is_said)| *is_said).map(|(field, _)| fault(field, OPERATORS)).collect()
}

/// The same of an organization that they make.
pub(super) fn organization_faults(input: &AccountInput) -> Vec<FieldFault> {
    let mut faults = account_faults(input);
    faults.retain(|fault| fault.field != "kind");
    if input.kind == Some(Kind::Personal) {
        faults.push(fault("kind", "must be organization: everybody has a personal account already"));
    }
    faults
}

/// What developers may not say of a key. What is as it was does no harm; `held` is the key as it is, where there is one.
pub(super) fn key_faults(
    policy: &Policy,
    input: &KeyInput,
    environment: Option<&Environment>,
    held: Option<&KeyRecord>,
) -> Vec<FieldFault> {
    let mut faults = limit_faults(policy, &input.limits, held);
    if environment.is_some_and(|environment| environment.reserved) {
        faults.push(fault("environment", "is reserved: its keys never authenticate"));
    }
    if input.plan.as_ref().is_some_and(|plan| plan.as_deref() != held.and_then(|key| key.plan.as_deref())) {
        faults.push(fault("plan", OPERATORS));
    }
    if input.disabled.is_some_and(|disabled| disabled != held.is_some_and(|key| key.disabled)) {
        faults.push(fault("disabled", "is the operator's to set: revoke a key that must not be used"));
    }
    let is_kept = |metadata| held.map_or(serde_json::Map::is_empty(metadata), |key| key.metadata == *metadata);
    if input.metadata.as_ref().is_some_and(|metadata| !is_kept(metadata)) {
        faults.push(fault("metadata", OPERATORS));
    }
    let granted =
        |scope: &&String| scope::covers(&policy.keys.default_scopes, scope) || held.is_some_and(|key| scope::covers(&key.scopes, scope));
    for scope in input.scopes.iter().flatten().filter(|scope| !granted(scope)) {
        faults.push(fault("scopes", &format!("'{scope}' is more than keys here may do")));
    }
    // What a key has that its holder could not give it lasts as long as the operator said.
    let ends = held.and_then(|key| key.expires_at);
    if ends.is_some_and(|ends| input.expires_at.is_some_and(|at| at.is_none_or(|at| at > ends))) {
        faults.push(fault("expires_at", "can only be brought forward: make a new key"));
    }
    faults
}

/// They may choose within a range, and nothing without one.
fn limit_faults(policy: &Policy, changes: &OverrideChanges, held: Option<&KeyRecord>) -> Vec<FieldFault> {
    let wrong = changes.iter().filter_map(|(name, value)| {
        let is_known = policy.plans.all().iter().any(|plan| plan.limits.iter().any(|limit| *limit.name == **name));
        if !is_known || held.is_some_and(|key| *value == key.limits.get(name).copied()) {
            return None;
        }
        let message = match policy.keys.ranges.iter().find(|range| range.name == *name) {
            None => OPERATORS.to_owned(),
            // The plan's own value is for keys of ranges that have none.
            Some(range) if value.is_none() && range.default.is_some() => format!("must be from {} to {}", range.minimum, range.maximum),
            Some(_) => return None,
        };
        Some(fault(&format!("limits.{name}"), &message))
    });
    wrong.collect()
}

fn fault(field: &str, message: &str) -> FieldFault {
    FieldFault { field: field.into(), message: message.into() }
}
