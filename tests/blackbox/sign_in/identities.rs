//! How users sign in by others, as they see and change it themselves.

use serde_json::{Value, json};

use super::door::{AT_GATE, Door, PASSWORD, Session, User};
use super::telegram;
use crate::support::server::text;

fn door() -> Door {
    Door::with(&format!("{AT_GATE}[sign_in.telegram]\nbot_token = \"{}\"\n", telegram::BOT))
}

/// An identity of a provider that the configuration does not have, or has no more.
fn link(door: &Door, user: &User, provider: &str, subject: &str) {
    door.alter(&format!("INSERT INTO identities VALUES ('{provider}', '{subject}', {}, 'ada', 1, 1)", user.id));
}

fn listed(door: &Door, session: &Session) -> Vec<String> {
    let list = door.ask("GET", "/user/identities", &session.token, None).expect(200).json();
    list["data"].as_array().unwrap().iter().map(|identity| text(&identity["provider"])).collect()
}

fn unlink(door: &Door, session: &Session, name: &str) -> u16 {
    door.ask("DELETE", &format!("/user/identities/{name}"), &session.token, None).status
}

#[test]
fn one_whose_provider_is_configured_no_more_goes_by_the_name_that_the_list_has() {
    let door = door();
    let (user, other) = (door.user("ada"), door.user("eve"));
    let session = door.sign_in(&user);
    for (provider, subject) in [("https://gone.example/realms/a", "1"), ("https://gone.example/realms/b", "2")] {
        link(&door, &user, provider, subject);
    }
    link(&door, &other, "https://gone.example/realms/a", "3");
    assert_eq!(listed(&door, &session), ["gone.example:realms:a", "gone.example:realms:b"]);
    for (name, status) in
        [("gone.example", 404), ("gone.example:realms:c", 404), ("gone.example:realms:a", 204), ("gone.example:realms:a", 404)]
    {
        assert_eq!(unlink(&door, &session, name), status, "{name}");
    }
    assert_eq!(listed(&door, &session), ["gone.example:realms:b"]);
    assert_eq!(door.count(&format!("identities WHERE user = {}", other.id)), 1, "another's stays");
}

/// One that lets nobody in is no other way in.
#[test]
fn the_last_way_in_stays() {
    for (what, set, others, status) in [
        ("a password and an address", "disabled = 0", &[][..], 204),
        ("no password", "password = NULL", &[], 409),
        ("an address that is not proven", "email_verified_at = NULL", &[], 409),
        ("a provider that is configured no more", "password = NULL", &["https://gone.example"], 409),
    ] {
        let door = door();
        let user = door.user("ada");
        let session = door.sign_in(&user);
        link(&door, &user, "telegram", "42");
        others.iter().for_each(|provider| link(&door, &user, provider, "1"));
        door.alter(&format!("UPDATE users SET {set}"));
        assert_eq!(unlink(&door, &session, "telegram"), status, "{what}");
        assert_eq!(listed(&door, &session).contains(&"telegram".to_owned()), status == 409, "{what}");
    }
}

/// Where somebody came in by what is linked no more, they are out; the session that asks stays.
#[test]
fn who_came_in_by_it_is_signed_out() {
    let door = door();
    let user = door.user("ada");
    link(&door, &user, "telegram", "42");
    let payload = |name: &str| -> Value {
        let mut person = telegram::person(42);
        person["first_name"] = name.into();
        telegram::signed(person)
    };
    let [by_telegram, own] = ["Ada", "Augusta"].map(|name| Session::of(&door.post("/auth/telegram", &payload(name))));
    let by_password = door.sign_in(&user);
    assert_eq!(unlink(&door, &own, "telegram"), 204);
    assert!(!door.passes(&by_telegram.token) && !door.refreshes(&by_telegram.cookie));
    assert!(door.passes(&own.token) && door.passes(&by_password.token));
    assert_ne!(Session::of(&door.post("/auth/telegram", &payload("Eve"))).answer["user"]["id"], json!(user.id), "whose it is now, is new");
    Session::of(&door.login(&user.email, PASSWORD));
}
