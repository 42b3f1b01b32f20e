//! One row of an import, checked: nothing comes of it that the admin API could not have made, but for its past.

use super::{AccountRow, KeyRow, fault};
use crate::config::Policy;
use crate::domain::balance::{self, Balance};
use crate::domain::error::FieldFault;
use crate::domain::id;
use crate::domain::key::{Environment, KeyHash, LONGEST, Looks, PlainKey, SHOWN};
use crate::domain::time::Timestamp;
use crate::service::{accounts, keys, require_name};
use crate::store::accounts::StoredAccount;
use crate::store::keys::StoredKey;

type Faults = Vec<FieldFault>;

/// A key; without an id of its own it has none yet.
pub fn key(policy: &Policy, mut row: KeyRow, now: Timestamp) -> Result<StoredKey, Faults> {
    // It may have ended already.
    let expires_at = row.input.expires_at.take();
    let mut faults = row.input.check(policy, now);
    require_name(row.input.name.as_deref(), &mut faults);
    let account = row.account.as_deref().unwrap_or_default();
    if account.is_empty() && faults.iter().all(|fault| fault.field != "account") {
        faults.push(fault("account", "must be given"));
    }
    let past = [("created_at", row.created_at), ("last_used_at", row.last_used_at), ("revoked_at", row.revoked_at)];
    faults.extend(past.into_iter().filter_map(|(field, at)| check_past(field, at, now)));
    let id = own_id(id::KEY, "id", row.id.as_deref(), now, &mut faults);
    let replaced_by = own_id(id::KEY, "replaced_by", row.replaced_by.as_deref(), now, &mut faults);
    let known = credential(policy, &row, &mut faults);
    let Some((hash, environment, prefix)) = known.filter(|_| faults.is_empty()) else { return Err(faults) };
    let mut record = keys::new_record(policy, account, environment, row.created_at.unwrap_or(now));
    row.input.apply(&mut record);
    (record.id, record.prefix, record.replaced_by) = (id.unwrap_or_default(), prefix, replaced_by);
    (record.last_used_at, record.revoked_at) = (row.last_used_at, row.revoked_at);
    record.expires_at = expires_at.flatten();
    Ok(StoredKey { hash, record })
}

/// What is kept of the key itself: its hash, where it belongs, and what is shown of it.
fn credential<'p>(policy: &'p Policy, row: &KeyRow, faults: &mut Faults) -> Option<(KeyHash, &'p Environment, String)> {
    match (&row.key, row.hash) {
        (Some(key), None) => {
            let environment = environment_of(policy, key, row.input.environment.as_deref(), faults)?;
            let shown = environment.shown(key);
            if row.prefix.as_ref().is_some_and(|prefix| *prefix != shown) {
                faults.push(fault("prefix", "is not what is shown of this key: leave it out"));
            }
            Some((key.hash(), environment, shown))
        }
        (None, Some(hash)) => {
            let environment = keys::named_environment(policy, row.input.environment.as_deref(), faults)?;
            let prefix = row.prefix.clone().unwrap_or_else(|| environment.prefix.clone());
            if let Err(message) = check_prefix(&prefix, environment) {
                faults.push(fault("prefix", message));
            }
            Some((hash, environment, prefix))
        }
        (Some(_), Some(_)) => {
            faults.push(fault("hash", "stands beside 'key': give one of them"));
            None
        }
        (None, None) => {
            if faults.iter().all(|fault| fault.field != "key" && fault.field != "hash") {
                faults.push(fault("key", "must be given, or its 'hash'"));
            }
            None
        }
    }
}

/// The environment of a raw key: one in which the gate would recognise it.
fn environment_of<'p>(policy: &'p Policy, key: &PlainKey, named: Option<&str>, faults: &mut Faults) -> Option<&'p Environment> {
    let (environments, raw) = (&policy.keys.environments, key.expose());
    if raw.is_empty() || raw.len() > LONGEST || !raw.bytes().all(|b| b.is_ascii_graphic()) {
        faults.push(fault("key", format!("must have 1 to {LONGEST} visible ASCII characters: no request carries anything else")));
        return None;
    }
    let (found, of) = match named {
        Some(name) => (Some(keys::named_environment(policy, named, faults)?), format!("the environment '{name}'")),
        None => (environments.of_key(raw), "any environment".to_owned()),
    };
    let found = found.filter(|environment| environments.looks(raw) == Looks::Plausible && environment.takes(raw));
    if found.is_none() {
        faults.push(fault("key", format!("does not look like a key of {of}: declare one with its prefix and imported = true")));
    }
    found
}

/// Never more of a key than is shown of one that is made here.
fn check_prefix(prefix: &str, environment: &Environment) -> Result<(), String> {
    let most = environment.prefix.len() + SHOWN;
    if prefix.len() > most || !prefix.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("must have at most {most} visible ASCII characters: what is shown of a key, and no more"));
    }
    Ok(())
}

/// An account; without an id of its own it has none yet.
pub fn account(policy: &Policy, mut row: AccountRow, now: Timestamp) -> Result<StoredAccount, Faults> {
    // Its plan may have ended already.
    let plan_until = row.input.plan_until.take();
    let mut faults = row.input.check(policy, now);
    require_name(row.input.name.as_deref(), &mut faults);
    faults
        .extend([("created_at", row.created_at), ("period", row.period)].into_iter().filter_map(|(field, at)| check_past(field, at, now)));
    let id = own_id(id::ACCOUNT, "id", row.id.as_deref(), now, &mut faults);
    let total = row.input.balance.take();
    check_tokens(&row, total, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut account = accounts::new_account(policy, now);
    row.input.plan_until = plan_until;
    row.input.apply(&mut account, policy, now);
    let record = &mut account.record;
    (record.id, record.created_at) = (id.unwrap_or_default(), row.created_at.unwrap_or(now));
    let opening = Balance { period: row.created_at.unwrap_or(now), ..account.balance };
    let monthly = record.plan_at(&policy.plans, now).monthly_tokens;
    let current = opening.at(now, record.created_at, monthly);
    account.balance = match (row.plan_tokens.zip(row.bonus_tokens), total) {
        (Some((plan_tokens, bonus_tokens)), _) => Balance { plan_tokens, bonus_tokens, period: row.period.unwrap_or(current.period) },
        (None, Some(total)) => current.set_to(total),
        (None, None) => current,
    };
    Ok(account)
}

/// The parts of a balance, and its whole where that is told, too.
fn check_tokens(row: &AccountRow, total: Option<i64>, faults: &mut Faults) {
    let (plan, bonus) = (row.plan_tokens, row.bonus_tokens);
    if plan.is_some_and(|tokens| tokens < 0) {
        faults.push(fault("plan_tokens", "must not be below 0"));
    }
    if let (Some(_), None) | (None, Some(_)) = (plan, bonus) {
        faults.push(fault("plan_tokens", "goes with 'bonus_tokens': give both, or 'balance'"));
    }
    if row.period.is_some() && plan.is_none() {
        faults.push(fault("period", "goes with 'plan_tokens': give both"));
    }
    let sum = plan.zip(bonus).map(|(plan, bonus)| plan + bonus);
    if sum.is_some_and(|sum| sum > balance::MOST) {
        faults.push(fault("bonus_tokens", format!("make more than {} with 'plan_tokens'", balance::MOST)));
    }
    if total.zip(sum).is_some_and(|(total, sum)| total != sum) {
        faults.push(fault("balance", "is not 'plan_tokens' and 'bonus_tokens' together: give the one, or the two"));
    }
}

fn own_id(kind: &str, field: &str, id: Option<&str>, now: Timestamp, faults: &mut Faults) -> Option<String> {
    match id::parse(kind, id?, now) {
        Ok(id) => Some(id),
        Err(message) => {
            faults.push(fault(field, message));
            None
        }
    }
}

/// An instant that has been; none is older than the Unix epoch.
pub(super) fn check_past(field: &str, at: Option<Timestamp>, now: Timestamp) -> Option<FieldFault> {
    let wrong = at.is_some_and(|at| at > now || at < Timestamp::default());
    wrong.then(|| fault(field, "must be between 1970 and now"))
}
