//! How users sign in by others, as they see and change it themselves.

use serde_json::{Value, json};

use super::door::{AT_GATE, Door, PASSWORD, Session, User};
use super::telegram;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider};
use crate::support::server::text;
use crate::support::{Folder, Reply};

const HERE: &str = "https://app.example.com/signed-in";

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

/// Providers of OpenID Connect by these names, each with its issuer.
fn door_of(providers: &[(&str, &FakeProvider)]) -> Door {
    let table = |(name, provider): &(&str, &FakeProvider)| {
        format!(
            "[[sign_in.oidc]]\nname = \"{name}\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = \"{CLIENT_SECRET}\"\nredirect_uris = [\"{HERE}\"]\n",
            provider.issuer
        )
    };
    Door::with(&format!("{AT_GATE}{}", providers.iter().map(table).collect::<String>()))
}

fn enter(door: &Door, name: &str, provider: &FakeProvider) -> Reply {
    door.post(&format!("/auth/oidc/{name}"), &json!({ "code": provider.code_for(HERE), "redirect_uri": HERE }))
}

/// What the sessions of a user say that they were begun by, the newest first.
fn methods(door: &Door, session: &Session) -> Vec<String> {
    let list = door.ask("GET", "/auth/sessions", &session.token, None).expect(200).json();
    list["data"].as_array().unwrap().iter().map(|session| text(&session["method"])).collect()
}

/// A session says which provider it was begun by; taking one away ends what was begun by it, and nothing else.
#[test]
fn who_came_in_by_another_stays() {
    let [house, shop] = [FakeProvider::start(), FakeProvider::start()];
    let door = door_of(&[("house", &house), ("shop", &shop), ("market", &shop)]);
    let user = door.user("ada");
    let by_password = door.sign_in(&user);
    let [by_house, by_shop, by_market, renamed] = [("house", &house), ("shop", &shop), ("market", &shop), ("house", &house)]
        .map(|(name, provider)| Session::of(&enter(&door, name, provider)));
    assert_eq!(by_market.answer["user"]["id"], json!(user.id), "{}", by_market.answer);
    assert_eq!(methods(&door, &by_password), ["house", "market", "shop", "house", "password"]);
    // Of one whose provider was called otherwise when it began, nobody knows which it was.
    door.alter(&format!("UPDATE sessions SET method = 'oidc' WHERE id = '{}'", renamed.id()));
    assert_eq!(unlink(&door, &by_password, "shop"), 204);
    for (session, stays) in [(&by_house, true), (&by_password, true), (&by_shop, false), (&by_market, false), (&renamed, false)] {
        assert_eq!(door.passes(&session.token), stays, "{}", session.answer);
    }
    assert_eq!(methods(&door, &by_password), ["house", "password"]);
}

/// What a session says of other ways in is no provider's name.
#[test]
fn no_provider_is_called_as_another_way_in() {
    for name in ["password", "code", "link", "invitation"] {
        let config = format!(
            "[[sign_in.oidc]]\nname = \"{name}\"\nissuer = \"https://id.example.com\"\nclient_id = \"x\"\nredirect_uris = [\"{HERE}\"]\n"
        );
        let output = Folder::with(&config).run(&["validate"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && told.contains("sign_in.oidc[0].name"), "{told}");
    }
}
