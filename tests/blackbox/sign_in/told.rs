//! What users are told of: each change by which somebody could come in, or keep them out, at an address that was theirs before.

use serde_json::json;

use super::door::{AT_GATE, Door, PASSWORD};
use super::second_factor::{Guarded, guarded};
use super::telegram;
use crate::support::eventually;

const NUMBER: &str = "+4915112345678";

type Act = fn(&Door, &Guarded);

fn door() -> Door {
    Door::with(&format!("{AT_GATE}[sign_in.telegram]\nbot_token = \"{}\"\n", telegram::BOT))
}

fn link(door: &Door, ada: &Guarded) {
    let mut payload = telegram::signed(telegram::person(42));
    payload["password"] = PASSWORD.into();
    door.ask("POST", "/user/identities/telegram", &ada.session.token, Some(&payload)).expect(204);
}

/// What is done, what is told of it, and what the letter says.
const ACTS: &[(&str, Act, &[&str], &str)] = &[
    ("nothing", |_, _| {}, &[], "was switched on"),
    ("a linked sign-in", link, &["identity_changed"], "signing in by Telegram was added to your account"),
    (
        "one that is linked no more",
        |door, ada| {
            link(door, ada);
            door.ask("DELETE", "/user/identities/telegram", &ada.session.token, None).expect(204);
        },
        &["identity_changed", "identity_changed"],
        "signing in by Telegram was taken from your account",
    ),
    (
        "a first number",
        |door, ada| {
            door.change(&ada.session, &json!({ "phone": NUMBER, "current_password": PASSWORD })).expect(200);
            door.verify_code(NUMBER, &door.code(NUMBER, 1)).expect(403);
        },
        &["address_added"],
        NUMBER,
    ),
    (
        "a recovery code",
        |door, ada| {
            let body = json!({ "password": PASSWORD, "code": ada.recovery_codes[0] });
            door.ask("POST", "/user/second-factor/recovery-codes", &ada.session.token, Some(&body)).expect(200);
        },
        &["recovery_code_used"],
        "9 of them are left",
    ),
    (
        "the second factor switched off",
        |door, ada| {
            let body = json!({ "password": PASSWORD, "code": ada.app.code(0) });
            door.ask("DELETE", "/user/second-factor", &ada.session.token, Some(&body)).expect(204);
        },
        &["second_factor_changed"],
        "was switched off",
    ),
    (
        "the same by the operator",
        |door, ada| {
            for _ in 0..2 {
                door.stage.delete(&format!("/users/{}/second-factor", ada.user.id)).expect(204);
            }
        },
        &["second_factor_changed"],
        "was switched off",
    ),
    (
        "a password by the operator",
        |door, ada| set(door, ada, &json!({ "password": "another fine passphrase" })),
        &["password_changed"],
        "was changed on",
    ),
    ("none any more", |door, ada| set(door, ada, &json!({ "password": null })), &["password_changed"], "was changed on"),
    (
        "another address by the operator",
        |door, ada| set(door, ada, &json!({ "email": "new@example.com" })),
        &["changed"],
        "now has the address new@example.com",
    ),
    (
        "both at once",
        |door, ada| set(door, ada, &json!({ "email": "new@example.com", "verified": true, "password": "another fine passphrase" })),
        &["password_changed", "changed"],
        "now has the address new@example.com",
    ),
    (
        "an address taken by the operator",
        |door, ada| {
            set(door, ada, &json!({ "phone": NUMBER, "verified": true }));
            set(door, ada, &json!({ "email": null }));
        },
        &["address_added", "address_removed"],
        "this address was taken from your account",
    ),
    ("a number that is not proven", |door, ada| set(door, ada, &json!({ "phone": NUMBER })), &[], "was switched on"),
    ("nothing new by the operator", |door, ada| set(door, ada, &json!({ "email": ada.user.email, "name": "Eve" })), &[], "was switched on"),
];

fn set(door: &Door, ada: &Guarded, body: &serde_json::Value) {
    door.stage.patch(&format!("/users/{}", ada.user.id), body).expect(200);
}

#[test]
fn each_change_is_told_once() {
    for (what, act, letters, _) in ACTS {
        let door = door();
        let ada = guarded(&door, "ada");
        act(&door, &ada);
        let expected: Vec<&str> = ["second_factor_changed"].into_iter().chain(letters.iter().copied()).collect();
        assert_eq!(door.letters(&ada.user.email), expected, "{what}");
    }
}

/// As a mail says it, word by word.
#[test]
fn the_letters_say_what_was_changed() {
    use crate::support::Smtp;
    use crate::support::smtp::Setup;
    for (what, act, letters, says) in ACTS.iter().filter(|(what, ..)| *what != "a first number") {
        let smtp = Smtp::new(Setup::plain());
        let config = format!("[mail]\nsmtp_url = \"{}\"\nfrom = \"noreply@example.com\"\n{AT_GATE}", smtp.url());
        let door = Door::with(&format!("{config}[sign_in.telegram]\nbot_token = \"{}\"\n", telegram::BOT));
        let ada = guarded(&door, "ada");
        act(&door, &ada);
        let told = || smtp.received().into_iter().filter(|mail| mail.to.contains(&ada.user.email)).nth(letters.len());
        let last = eventually(what, told).text();
        assert!(last.split_whitespace().collect::<Vec<_>>().join(" ").contains(says), "{what}: {last}");
    }
}

/// Whoever has a number alone is told by SMS, at that number and not at the address that came to it.
#[test]
fn without_a_mail_address_it_is_told_by_sms() {
    let door = door();
    let session = door.join_by_phone(NUMBER, PASSWORD);
    door.change(&session, &json!({ "email": "ada@example.com", "current_password": PASSWORD })).expect(200);
    door.verify(&door.token("ada@example.com", 1)).expect(200);
    assert_eq!(door.letters(NUMBER), ["verify", "address_added"]);
    assert_eq!(door.letters("ada@example.com"), ["change"]);
    // A number that went is told there.
    door.change(&session, &json!({ "phone": null, "current_password": PASSWORD })).expect(200);
    assert_eq!(door.letters(NUMBER), ["verify", "address_added", "address_removed"]);
}
