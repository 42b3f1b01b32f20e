//! An address that an operator writes down with somebody: whoever proves it otherwise than by the letter it brings gets nothing of
//! theirs, once they have ever proven who they are.

use serde_json::{Value, json};

use super::door::{Door, NOT_AT_GATE, PASSWORD, Session, User};
use super::post::{bare, refused};
use crate::support::server::text;

const OTHER: &str = "another fine passphrase of mine";
const NEW: &str = "new@example.com";

fn set(door: &Door, user: &User, settings: &Value) -> Value {
    door.stage.patch(&format!("/users/{}", user.id), settings).expect(200).json()
}

/// Ada has proven her address, has a key and an organization; an operator writes another down.
fn moved() -> (Door, User, String, String) {
    let door = Door::with(NOT_AT_GATE);
    let ada = door.user("ada");
    let session = door.sign_in(&ada);
    let organization = text(&door.ask("POST", "/accounts", &session.token, Some(&json!({ "name": "Hers" }))).expect(201).json()["id"]);
    let key = text(&door.stage.key(&ada.account, json!({}))["key"]);
    set(&door, &ada, &json!({ "email": NEW }));
    assert_eq!(door.letters(NEW), ["change"]);
    (door, ada, organization, key)
}

fn is_whole(door: &Door, ada: &User, organization: &str, key: &str) {
    let file = door.stage.get(&format!("/users/{}", ada.id)).expect(200).json();
    let accounts: Vec<String> = file["accounts"].as_array().unwrap().iter().map(|account| text(&account["id"])).collect();
    assert_eq!((&file["name"], &file["disabled"]), (&json!("ada"), &json!(false)));
    assert!(accounts.contains(&organization.to_owned()) && accounts.contains(&ada.account), "{file}");
    assert_eq!(door.stage.verify(&json!({ "key": key }))["verdict"], "ok");
}

#[test]
fn who_registers_with_it_becomes_somebody_else() {
    let (door, ada, organization, key) = moved();
    door.register(&json!({ "email": NEW, "password": OTHER, "name": "Eve" })).expect(202);
    let eve = Session::of(&door.verify(&door.token(NEW, 2)));
    assert_ne!(eve.answer["user"]["id"], json!(ada.id));
    assert_ne!(eve.claims()["acc"], json!(ada.account));
    is_whole(&door, &ada, &organization, &key);
    assert_eq!(door.stage.get(&format!("/users/{}", ada.id)).json()["email"], Value::Null, "it is Eve's");
    // The letter of the change is nobody's key any more.
    refused(&door.verify(&door.token(NEW, 1)), 401, "unknown");
}

#[test]
fn who_forgot_a_password_there_is_sent_nothing_until_it_is_proven() {
    let (door, ada, organization, key) = moved();
    door.forgot(NEW).expect(202);
    assert_eq!(door.letters(NEW), ["change"]);
    is_whole(&door, &ada, &organization, &key);
    door.verify(&door.token(NEW, 1)).expect(200);
    Session::of(&door.login(NEW, PASSWORD));
    door.forgot(NEW).expect(202);
    assert_eq!(door.letters(NEW), ["change", "reset"]);
    is_whole(&door, &ada, &organization, &key);
}

#[test]
fn it_is_asked_for_again_where_it_is_named_again_or_its_proof_is_taken_back() {
    let (door, ada, ..) = moved();
    set(&door, &ada, &json!({ "name": "Ada" }));
    assert_eq!(door.letters(NEW), ["change"], "nothing was said of it");
    set(&door, &ada, &json!({ "email": NEW }));
    assert_eq!(door.letters(NEW), ["change", "change"]);
    door.verify(&door.token(NEW, 2)).expect(200);
    set(&door, &ada, &json!({ "email": NEW }));
    assert_eq!(door.letters(NEW).len(), 2, "it is proven");
    let changed = set(&door, &ada, &json!({ "verified": false }));
    assert_eq!(changed["email_verified"], json!(false));
    assert_eq!(door.letters(NEW), ["change", "change", "change"]);
    refused(&door.login(NEW, PASSWORD), 403, "not_verified");
    door.verify(&door.token(NEW, 3)).expect(200);
    Session::of(&door.login(NEW, PASSWORD));
}

/// The letter of the operator may be lost: whoever signs in with the right password gets another, as often as anybody does, and is told
/// the same whether it was sent or not.
#[test]
fn who_has_the_password_is_sent_it_again() {
    let door = Door::with(&format!("{NOT_AT_GATE}[sign_in.throttle]\nsent_by_target = \"3/1h\"\n"));
    let ada = door.user("ada");
    set(&door, &ada, &json!({ "email": NEW }));
    refused(&door.login(NEW, OTHER), 401, "unknown");
    assert_eq!(door.letters(NEW), ["change"], "a guess sends nothing");
    let told = bare(&door.login(NEW, PASSWORD));
    assert_eq!(door.letters(NEW), ["change", "change"]);
    for _ in 0..3 {
        assert_eq!(bare(&door.login(NEW, PASSWORD)), told);
    }
    assert_eq!(door.letters(NEW), ["change", "change", "change"], "no more than three an hour");
    assert_eq!(told.0, 403);
    let proven = Session::of(&door.verify(&door.token(NEW, 3)));
    assert_eq!(proven.answer["user"]["id"], json!(ada.id));
    Session::of(&door.login(NEW, PASSWORD));
    // Who never proved anything is sent their first letter again; whoever is switched off, nothing.
    for (email, more, letters) in [("bo@example.com", json!(false), 2), ("cy@example.com", json!(true), 0)] {
        door.stage.post("/users", &json!({ "email": email, "password": PASSWORD, "disabled": more })).expect(201);
        refused(&door.login(email, PASSWORD), 403, "not_verified");
        assert_eq!(door.letters(email), vec!["verify"; letters], "{email}");
    }
    // A number gets a code.
    door.stage.post("/users", &json!({ "phone": "+4915112345678", "password": PASSWORD })).expect(201);
    refused(&door.login("+4915112345678", PASSWORD), 403, "not_verified");
    Session::of(&door.verify_code("+4915112345678", &door.code("+4915112345678", 2)));
}

/// Whoever was vouched for by others is somebody, also once that sign-in is gone.
#[test]
fn who_came_in_by_others_has_proven_who_they_are() {
    let door = Door::with(NOT_AT_GATE);
    let ada = door.user("ada");
    door.alter(&format!("UPDATE users SET email_verified_at = NULL WHERE id = {}", ada.id));
    assert!(door.count(&format!("users WHERE proven_at IS NOT NULL AND id = {}", ada.id)) == 1);
    door.forgot(&ada.email).expect(202);
    assert_eq!(door.letters(&ada.email), [""; 0]);
}

/// Whoever never proved anything is taken over by whoever does; an organization that others belong to keeps its owner all the same.
#[test]
fn an_organization_keeps_its_owner() {
    let door = Door::with(NOT_AT_GATE);
    let made = door.stage.post("/users", &json!({ "email": "new@example.com", "admin": true })).expect(201).json();
    let (id, member) = (made["id"].as_i64().unwrap(), door.user("member"));
    let [shared, alone] = ["Shared", "Alone"].map(|name| door.stage.account(json!({ "name": name, "kind": "organization" })));
    for account in [&shared, &alone] {
        door.stage.patch(&format!("/accounts/{account}/members/{id}"), &json!({ "role": "owner" })).expect(200);
    }
    door.stage.patch(&format!("/accounts/{shared}/members/{}", member.id), &json!({ "role": "member" })).expect(200);
    door.register(&json!({ "email": NEW, "password": OTHER, "name": "Eve" })).expect(202);
    let eve = Session::of(&door.verify(&door.token(NEW, 2)));
    assert_eq!(eve.answer["user"]["id"], json!(id));
    let file = door.stage.get(&format!("/users/{id}")).expect(200).json();
    let accounts: Vec<String> = file["accounts"].as_array().unwrap().iter().map(|account| text(&account["id"])).collect();
    assert!(accounts.contains(&shared) && !accounts.contains(&alone), "{file}");
    assert_eq!(file["admin"], json!(false));
    let entry = door.stage.get(&format!("/audit?target=user_{id}&action=user.taken_over")).expect(200).json()["data"][0].clone();
    assert_eq!((&entry["before"]["accounts"], &entry["before"]["admin"]), (&json!([alone]), &json!(true)));
}
