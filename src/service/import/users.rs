//! One row of an import of users, checked: nothing comes of it that could not have registered here, but for its password's hash and its past.

use serde::{Deserialize, Serialize};

use super::{AccountRow, check, fault};
use crate::config::Policy;
use crate::domain::email::Email;
use crate::domain::error::FieldFault;
use crate::domain::phone::Phone;
use crate::domain::time::Timestamp;
use crate::service::sign_in::password::check_importable;
use crate::service::{check_discreet, check_name};
use crate::store::accounts::StoredAccount;

/// A user as a row tells of them. Without `Debug`: a hash is in it.
#[derive(Default)]
pub struct UserRow {
    /// Their address.
    pub email: Option<String>,
    /// Their number, as one writes it in the country of the configuration.
    pub phone: Option<String>,
    /// What they are called; else what stands before the `@`, or the number.
    pub name: Option<String>,
    /// Their password as another program hashed it; without it they ask for a new one.
    pub password_hash: Option<String>,
    /// Whether address and number were proven theirs (they were not).
    pub verified: Option<bool>,
    /// Whether they are switched off (no).
    pub disabled: Option<bool>,
    /// When they were made (now): their account's billing day.
    pub created_at: Option<Timestamp>,
    /// What their own account is to be: its id, its name (theirs), its plan, its balance.
    pub account: AccountRow,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

/// A user who may be made. Without `Debug`: a hash is in it.
#[derive(Serialize, Deserialize)]
pub struct CheckedUser {
    /// Their address, in lower case.
    pub email: Option<String>,
    /// Their number, E.164.
    pub phone: Option<String>,
    /// What they are called.
    pub name: String,
    /// A hash that can be checked at their next sign-in.
    pub password: Option<String>,
    /// When address and number were proven theirs, as far as anybody knows.
    pub verified_at: Option<Timestamp>,
    /// Whether they are switched off.
    pub disabled: bool,
    /// When they were made.
    pub created_at: Timestamp,
    /// Their own account; without an id of its own it has none yet.
    pub account: StoredAccount,
}

/// Checks a row; every wrong field at once. Whether somebody has the address already is for the database to say.
pub fn user(policy: &Policy, row: UserRow, now: Timestamp) -> Result<CheckedUser, Vec<FieldFault>> {
    let mut faults = row.faults;
    let (verified, is_named) = (row.verified.unwrap_or(false), row.account.input.name.is_some());
    let email = read(row.email.as_deref(), "email", Email::parse, &mut faults);
    let phone = read(row.phone.as_deref(), "phone", |text| Phone::parse(text, policy.sign_in.country), &mut faults);
    if row.email.is_none() && row.phone.is_none() && faults.iter().all(|fault| fault.field != "email" && fault.field != "phone") {
        faults.push(fault("email", "must be given, or 'phone'"));
    }
    let name = row.name.or_else(|| usual_name(email.as_ref(), phone.as_ref()));
    read(name.as_deref(), "name", |name| check_name(name).and_then(|()| check_discreet(policy, name)), &mut faults);
    read(row.password_hash.as_deref(), "password_hash", check_importable, &mut faults);
    faults.extend(check::check_past("created_at", row.created_at, now));
    let (created_at, name) = (row.created_at.unwrap_or(now), name.unwrap_or_default());
    let mut account = AccountRow { created_at: row.created_at, ..row.account };
    account.input.name.get_or_insert_with(|| name.clone());
    match check::account(policy, account, now) {
        Ok(account) if faults.is_empty() => Ok(CheckedUser {
            email: email.map(|email| email.as_str().to_owned()),
            phone: phone.map(|phone| phone.as_str().to_owned()),
            name,
            password: row.password_hash,
            verified_at: verified.then_some(created_at),
            disabled: row.disabled.unwrap_or(false),
            created_at,
            account,
        }),
        account => {
            faults.extend(account.err().into_iter().flatten().filter_map(|fault| of_account(fault, is_named)));
            Err(faults)
        }
    }
}

/// A fault of the account as one of the row; what was told of the user already is not told twice.
fn of_account(fault: FieldFault, is_named: bool) -> Option<FieldFault> {
    match fault.field.as_str() {
        "id" => Some(FieldFault { field: "account".into(), ..fault }),
        "name" => is_named.then(|| FieldFault { field: "account_name".into(), ..fault }),
        "created_at" => None,
        _ => Some(fault),
    }
}

fn read<T>(text: Option<&str>, field: &str, parse: impl Fn(&str) -> Result<T, String>, faults: &mut Vec<FieldFault>) -> Option<T> {
    parse(text?).map_err(|message| faults.push(fault(field, message))).ok()
}

fn usual_name(email: Option<&Email>, phone: Option<&Phone>) -> Option<String> {
    let email = email.and_then(|email| email.as_str().split('@').next());
    email.or(phone.map(Phone::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::accounts::AccountInput;

    const NOW: Timestamp = Timestamp::from_millis(1_775_000_000_000);
    const BCRYPT: &str = "$2b$12$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn account(id: &str, name: &str, plan: &str) -> AccountRow {
        let input = AccountInput { name: some(name), plan: some(plan), ..AccountInput::default() };
        AccountRow { id: some(id), input, ..AccountRow::default() }
    }

    fn checked(row: UserRow) -> Result<CheckedUser, Vec<FieldFault>> {
        user(&Policy::load(None).expect("the defaults are sound"), row, NOW)
    }

    /// The fields that are wrong.
    fn wrong(row: UserRow) -> Vec<String> {
        checked(row).err().unwrap_or_default().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_whole_row() {
        let created_at = Some(Timestamp::from_millis(1_600_000_000_000));
        let row = UserRow {
            email: some("Leopold@Example.com"),
            phone: some("+353 86 123 4567"),
            name: some("Leopold"),
            password_hash: some(BCRYPT),
            verified: Some(true),
            disabled: Some(true),
            created_at,
            account: account("acc_00000000000000000000000007", "Bloom's", "free"),
            faults: Vec::new(),
        };
        let user = checked(row).ok().unwrap();
        assert_eq!(user.email.as_deref(), Some("leopold@example.com"));
        assert_eq!(user.phone.as_deref(), Some("+353861234567"));
        let theirs = &user.account.record;
        assert_eq!((user.disabled, theirs.id.as_str(), theirs.name.as_str()), (true, "acc_00000000000000000000000007", "Bloom's"));
        assert_eq!(Some(user.account.record.created_at), created_at, "its billing day");
        assert_eq!((user.name.as_str(), user.password.as_deref()), ("Leopold", Some(BCRYPT)));
        assert_eq!((user.verified_at, Some(user.created_at)), (created_at, created_at));
    }

    #[test]
    fn what_a_row_does_not_say() {
        let user = checked(UserRow { email: some("leopold@example.com"), ..UserRow::default() }).ok().unwrap();
        assert_eq!((user.name.as_str(), user.password, user.verified_at, user.created_at), ("leopold", None, None, NOW));
        assert_eq!((user.disabled, user.account.record.id.as_str(), user.account.record.name.as_str()), (false, "", "leopold"));
        let user = checked(UserRow { phone: some("+353861234567"), ..UserRow::default() }).ok().unwrap();
        assert_eq!(user.name, "+353861234567");
    }

    #[test]
    fn each_wrong_field_in_one_answer() {
        assert_eq!(wrong(UserRow::default()), ["email"]);
        let all = UserRow {
            email: some("leopold@@example.com"),
            phone: some("0861"),
            name: some(" "),
            password_hash: some("correct horse"),
            verified: Some(true),
            disabled: None,
            created_at: Some(Timestamp::MAX),
            account: account("acc_7", "", "gold"),
            faults: Vec::new(),
        };
        assert_eq!(wrong(all), ["email", "phone", "name", "password_hash", "created_at", "account_name", "plan", "account"]);
        let unread = UserRow { faults: vec![fault("email", "must be a text")], ..UserRow::default() };
        assert_eq!(wrong(unread), ["email"], "told once");
    }

    #[test]
    fn no_fault_repeats_a_password() {
        for secret in ["correct horse battery", "$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", ""] {
            let row = UserRow { email: some("leopold@example.com"), password_hash: some(secret), ..UserRow::default() };
            let faults = checked(row).err().unwrap();
            assert_eq!(faults.len(), 1);
            assert!(secret.is_empty() || !faults[0].message.contains(secret), "{}", faults[0].message);
        }
    }

    #[test]
    fn a_name_holds_no_key() {
        let policy = Policy::load(None).expect("the defaults are sound");
        let key = policy.keys.environments.all()[0].generate().expose().to_owned();
        assert_eq!(wrong(UserRow { email: some("leopold@example.com"), name: Some(key), ..UserRow::default() }), ["name"]);
    }
}
