//! Whoever proves an address of a user who never proved anything gets that user, and nothing that somebody else may have set up: the
//! same by every way in which an address can be proven.

use serde_json::{Value, json};

use super::door::{Door, PASSWORD, Session, User};
use super::post::refused;
use super::providers::{signed_in, with_google};
use crate::support::Request;
use crate::support::provider::FakeProvider;
use crate::support::server::text;

const EMAIL: &str = "ada@example.com";
const PHONE: &str = "+4915112345678";
const OTHER: &str = "another fine passphrase of mine";

/// What an operator has made, and never heard of again.
struct Made {
    user: User,
    /// Others belong to it.
    shared: String,
    /// Nobody else does.
    alone: String,
    old: Session,
    key: Value,
}

fn made(door: &Door) -> Made {
    let member = door.user("member");
    let body = json!({ "email": EMAIL, "phone": PHONE, "password": PASSWORD, "admin": true, "name": "Old" });
    let made = door.stage.post("/users", &body).expect(201).json();
    let (id, account) = (made["id"].as_i64().unwrap(), text(&made["account"]));
    let [shared, alone] = ["Shared", "Alone"].map(|name| door.stage.account(json!({ "name": name, "kind": "organization" })));
    for account in [&shared, &alone] {
        door.stage.patch(&format!("/accounts/{account}/members/{id}"), &json!({ "role": "owner" })).expect(200);
    }
    door.stage.patch(&format!("/accounts/{shared}/members/{}", member.id), &json!({ "role": "member" })).expect(200);
    let key = door.stage.key(&account, json!({}));
    // Whoever it was was in, for a while.
    door.stage.patch(&format!("/users/{id}"), &json!({ "verified": true })).expect(200);
    let old = Session::of(&door.login(EMAIL, PASSWORD));
    door.alter(&format!(
        "UPDATE users SET email_verified_at = NULL, phone_verified_at = NULL, proven_at = NULL, agreement = '1' WHERE id = {id}"
    ));
    door.alter(&format!("INSERT INTO second_factors (user, secret, confirmed_at, last_step, created_at) VALUES ({id}, x'00', 1, -1, 1)"));
    door.alter(&format!("INSERT INTO identities VALUES ('https://old.example', '1', {id}, 'old', 1, 1)"));
    Made { user: User { id, email: EMAIL.into(), account }, shared, alone, old, key }
}

/// Proves an address by a way; the id of whom it led to.
fn prove(door: &Door, provider: &FakeProvider, way: &str) -> Value {
    let id_of = |reply| Session::of(&reply).answer["user"]["id"].clone();
    match way {
        "register" => {
            door.register(&json!({ "email": EMAIL, "password": OTHER })).expect(202);
            id_of(door.verify(&door.token(EMAIL, 2)))
        }
        "register by phone" => {
            door.register(&json!({ "phone": PHONE, "password": OTHER })).expect(202);
            id_of(door.verify_code(PHONE, &door.code(PHONE, 2)))
        }
        "forgot" => {
            door.forgot(EMAIL).expect(202);
            door.reset(&json!({ "token": door.token(EMAIL, 2), "password": OTHER })).expect(204);
            id_of(door.login(EMAIL, OTHER))
        }
        "forgot by phone" => {
            door.forgot(PHONE).expect(202);
            door.reset(&json!({ "phone": PHONE, "code": door.code(PHONE, 2), "password": OTHER })).expect(204);
            id_of(door.login(PHONE, OTHER))
        }
        "invitation" => {
            let owner = door.sign_in(&door.user("owner"));
            let account = json!({ "name": "Inviting", "kind": "organization" });
            let account = text(&door.ask("POST", "/accounts", &owner.token, Some(&account)).expect(201).json()["id"]);
            let owner = Session::of(&door.ask("POST", "/auth/switch", &owner.token, Some(&json!({ "account": account }))));
            let invited = json!({ "email": EMAIL, "role": "member" });
            door.ask("POST", &format!("/accounts/{account}/invitations"), &owner.token, Some(&invited)).expect(201);
            id_of(door.post("/auth/invitation", &json!({ "token": door.token(EMAIL, 2), "name": "Ada", "password": OTHER })))
        }
        "provider" => signed_in(&door.stage.server, provider)["user"]["id"].clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_same_is_taken_by_every_way() {
    let provider = FakeProvider::start();
    for way in ["register", "register by phone", "forgot", "forgot by phone", "invitation", "provider"] {
        let door = with_google(&provider, "", "");
        let Made { user, shared, alone, old, key } = made(&door);
        assert_eq!(prove(&door, &provider, way), json!(user.id), "{way}");
        let file = door.stage.get(&format!("/users/{}", user.id)).expect(200).json();
        // Whoever forgot a password is whom the operator has made: they keep what they were made for.
        let (by_phone, is_made_for) = (way.ends_with("phone"), way.starts_with("forgot"));
        let (email, phone) = if by_phone { (Value::Null, json!(PHONE)) } else { (json!(EMAIL), Value::Null) };
        for (field, is) in [
            ("email", email),
            ("email_verified", json!(!by_phone)),
            ("phone", phone),
            ("phone_verified", json!(by_phone)),
            ("admin", json!(is_made_for)),
            ("agreement", Value::Null),
            ("second_factor", json!(false)),
            ("has_password", json!(way != "provider")),
        ] {
            assert_eq!(file[field], is, "{way}: {field} of {file}");
        }
        let providers: Vec<_> = file["identities"].as_array().unwrap().iter().map(|one| &one["provider"]).collect();
        assert_eq!(providers.len(), usize::from(way == "provider"), "{way}: {file}");
        let has = |account: &str| file["accounts"].as_array().unwrap().iter().any(|own| own["id"] == account);
        assert!(has(&user.account) && has(&shared) && !has(&alone), "{way}: {file}");
        assert!(!door.refreshes(&old.cookie), "{way}");
        refused(&door.login(if by_phone { PHONE } else { EMAIL }, PASSWORD), 401, "unknown");
        assert_ne!(door.stage.verify(&json!({ "key": key["key"] }))["verdict"], "ok", "{way}");
        let entry = door.stage.get(&format!("/audit?target=user_{}&action=user.taken_over", user.id)).expect(200).json();
        let before = json!({
            "email": EMAIL, "phone": PHONE, "password": true, "admin": !is_made_for, "agreement": "1", "sessions": 1, "second_factor": true,
            "identities": [{ "provider": "https://old.example", "label": "old" }], "keys": [key["id"]], "accounts": [alone],
        });
        let told = &entry["data"][0]["before"];
        for (field, was) in before.as_object().unwrap() {
            let told = if field == "identities" {
                json!([{ "provider": told[field][0]["provider"], "label": told[field][0]["label"] }])
            } else {
                told[field].clone()
            };
            assert_eq!(told, *was, "{way}: {field} of {entry}");
        }
        // What the operator sent when they made the user counts no more.
        let sent = Request::post("/auth/v1/auth/verify", &json!({ "token": door.token(EMAIL, 1) }));
        assert_eq!(door.stage.server.send(&sent).status, 401, "{way}");
    }
}

/// The letter that the operator has sent is no take-over: it is what the user was made for.
#[test]
fn the_letter_of_the_operator_brings_all_of_it() {
    let door = with_google(&FakeProvider::start(), "", "");
    let Made { user, alone, .. } = made(&door);
    door.alter("DELETE FROM second_factors");
    let session = Session::of(&door.verify(&door.token(EMAIL, 1)));
    assert_eq!(session.answer["user"]["id"], json!(user.id));
    let file = door.stage.get(&format!("/users/{}", user.id)).expect(200).json();
    assert_eq!((&file["admin"], &file["phone"], &file["agreement"]), (&json!(true), &json!(PHONE), &json!("1")));
    assert!(file["accounts"].to_string().contains(&alone), "{file}");
}
