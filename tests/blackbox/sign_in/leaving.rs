//! Whoever is deleted is gone: nothing of theirs lets anybody in, nothing personal is left, and what others need stays.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use super::door::{AT_GATE, Door, PASSWORD, Session, User};
use super::post::{faults, refused};
use super::second_factor::Authenticator;
use crate::support::server::text;
use crate::support::{Reply, eventually};

const WEBHOOK: &str = "[webhooks.app]\nurl = \"http://127.0.0.1:9/hooks\"\nsecret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"\nallow_private = true\nevents = [\"user.deleted\"]\n";

fn delete(door: &Door, session: &Session, body: &Value) -> Reply {
    door.ask("DELETE", "/user/me", &session.token, Some(body))
}

/// Makes an organization of whoever is signed in there.
fn organization(door: &Door, owner: &Session, name: &str) -> String {
    text(&door.ask("POST", "/accounts", &owner.token, Some(&json!({ "name": name }))).expect(201).json()["id"])
}

fn add(door: &Door, account: &str, user: &User, role: &str) {
    door.stage.patch(&format!("/accounts/{account}/members/{}", user.id), &json!({ "role": role })).expect(200);
}

/// Every table in which a text stands, but for the audit, which goes in its time.
fn tables_with(database: &Connection, needle: &str) -> Vec<String> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'audit'";
    let mut statement = database.prepare(names).unwrap();
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let holds = |table: &String| {
        let mut statement = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut found = false;
        while let Some(row) = rows.next().unwrap() {
            found |= (0..columns)
                .any(|at| matches!(row.get_ref(at).unwrap(), ValueRef::Text(text) if String::from_utf8_lossy(text).contains(needle)));
        }
        found
    };
    tables.into_iter().filter(holds).collect()
}

#[test]
fn who_deletes_themselves_is_gone() {
    let door = Door::with(&format!("{AT_GATE}{WEBHOOK}"));
    let (ada, eve) = (door.user("ada-lovelace"), door.user("eve"));
    let (own, other, of_eve) = (door.sign_in(&ada), door.sign_in(&ada), door.sign_in(&eve));
    let (alone, shared, asking) =
        (organization(&door, &own, "Alone"), organization(&door, &of_eve, "Shared"), organization(&door, &of_eve, "Asking"));
    add(&door, &shared, &ada, "admin");
    let [lost, lost_too, kept] = [&ada.account, &alone, &shared].map(|account| text(&door.stage.key(account, json!({}))["key"]));
    let switched = door.ask("POST", "/auth/switch", &of_eve.token, Some(&json!({ "account": asking }))).expect(200).json();
    let invitation = json!({ "email": ada.email, "role": "member" });
    door.ask("POST", &format!("/accounts/{asking}/invitations"), &text(&switched["access_token"]), Some(&invitation)).expect(201);
    door.forgot(&ada.email).expect(202);
    let (invited, forgotten) = (door.token(&ada.email, 1), door.token(&ada.email, 2));
    door.alter(&format!("INSERT INTO identities VALUES ('https://id.example', '7', {}, 'ada-lovelace', 1, 1)", ada.id));
    door.alter(&format!(
        "UPDATE users SET phone = '+4915112345678', phone_verified_at = 1, picture = 'https://x/ada-lovelace' WHERE id = {}",
        ada.id
    ));
    for key in [&lost, &lost_too, &kept] {
        assert_eq!(door.stage.server.get("/x", key).verdict(), "ok");
    }

    let reply = delete(&door, &own, &json!({ "password": PASSWORD })).expect(204);
    let cookie = reply.header("Set-Cookie").expect("the cookie is taken away");
    assert!(cookie.starts_with("refresh_token=;") && cookie.contains("Max-Age=0"), "{cookie}");
    for session in [&own, &other] {
        assert!(!door.passes(&session.token) && !door.refreshes(&session.cookie));
    }
    assert_eq!([&lost, &lost_too, &kept].map(|key| door.stage.server.get("/x", key).verdict()), ["revoked", "revoked", "ok"]);
    refused(&door.login(&ada.email, PASSWORD), 401, "unknown");
    refused(&door.login("+4915112345678", PASSWORD), 401, "unknown");
    refused(&door.reset(&json!({ "token": forgotten, "password": "another fine passphrase" })), 401, "unknown");
    refused(&door.post("/auth/invitation", &json!({ "token": invited, "name": "Ada", "password": PASSWORD })), 401, "unknown");

    // Nobody sees them, and what was theirs alone lets nobody in.
    door.stage.get(&format!("/users/{}", ada.id)).expect(404);
    assert!(!door.stage.get("/users").expect(200).body.contains("ada-lovelace"));
    assert!(!door.stage.get(&format!("/accounts/{shared}/members")).expect(200).body.contains("ada-lovelace"));
    for (account, name) in [(&ada.account, "deleted"), (&alone, "Alone")] {
        let closed = door.stage.get(&format!("/accounts/{account}")).expect(200).json();
        assert_eq!((&closed["disabled"], &closed["name"]), (&json!(true), &json!(name)));
    }
    for table in ["sessions", "refresh_tokens", "identities", "members"] {
        let of_eve: i64 = if table == "identities" { 0 } else { 1 };
        assert!(door.count(table) >= of_eve);
        if table != "refresh_tokens" {
            assert_eq!(door.count(&format!("{table} WHERE user = {}", ada.id)), 0, "{table}");
        }
    }
    // What was written to them is their last mail, and whom somebody invited stands with the invitation.
    assert_eq!(door.letters(&ada.email), ["deleted"]);
    for personal in ["ada-lovelace", "4915112345678"] {
        let mut left = tables_with(&door.database(), personal);
        left.retain(|table| !["mails", "invitations"].contains(&table.as_str()));
        assert_eq!(left, Vec::<String>::new(), "{personal}");
    }
    let row = |column: &str| -> i64 {
        door.database().query_row(&format!("SELECT count({column}) FROM users WHERE id = {}", ada.id), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(["id", "deleted_at", "email", "phone", "password", "picture"].map(row), [1, 1, 0, 0, 0, 0]);
    let entry = door.stage.get(&format!("/audit?target=user_{}&action=user.deleted", ada.id)).expect(200).json()["data"][0].clone();
    assert_eq!((&entry["actor"], &entry["before"]), (&json!(format!("user_{}", ada.id)), &json!({ "id": ada.id, "account": ada.account })));
    eventually("the webhook is told", || {
        let told = door.stage.get("/webhooks/messages").expect(200).body;
        told.contains("user.deleted").then_some(())
    });

    // The address is free.
    let anew = door.join(&ada.email, PASSWORD);
    assert_ne!(anew.answer["user"]["id"], json!(ada.id));
}

#[test]
fn what_holds_somebody_back_changes_nothing() {
    let door = Door::with(AT_GATE);
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    let session = door.sign_in(&ada);
    for (body, wrong) in [
        (json!({}), vec!["password"]),
        (json!({ "password": "another horse battery" }), vec!["password"]),
        (json!({ "password": null }), vec!["password"]),
        (json!({ "password": 1, "code": 2, "sure": true }), vec!["code", "password", "sure"]),
        (json!({ "password": PASSWORD, "code": "12" }), vec!["code"]),
    ] {
        let reply = delete(&door, &session, &body);
        refused(&reply, 400, "bad_request");
        assert_eq!(faults(&reply), wrong, "{body}");
    }
    // The only owner of what others belong to.
    let (mills, engines) = (organization(&door, &session, "Mills"), organization(&door, &session, "Engines"));
    add(&door, &mills, &eve, "admin");
    add(&door, &engines, &eve, "owner");
    let told = text(&delete(&door, &session, &json!({ "password": PASSWORD })).expect(409).json()["detail"]);
    assert!(told.contains("Mills") && told.contains(&mills) && !told.contains("Engines"), "{told}");
    door.stage.delete(&format!("/users/{}", ada.id)).expect(409);
    // An owner who is switched off is none.
    add(&door, &mills, &eve, "owner");
    door.stage.patch(&format!("/users/{}", eve.id), &json!({ "disabled": true })).expect(200);
    delete(&door, &session, &json!({ "password": PASSWORD })).expect(409);
    door.stage.patch(&format!("/users/{}", eve.id), &json!({ "disabled": false })).expect(200);
    assert!(door.passes(&session.token) && door.letters(&ada.email).is_empty());
    assert!(!door.audit(&ada).contains(&"session.ended".into()));
    delete(&door, &session, &json!({ "password": PASSWORD })).expect(204);
    assert_eq!(door.stage.get(&format!("/accounts/{mills}")).expect(200).json()["disabled"], false);
    // Who has no password has signed in a moment ago.
    let young = door.sign_in(&eve);
    door.alter("UPDATE users SET password = NULL WHERE deleted_at IS NULL");
    door.alter("UPDATE sessions SET created_at = created_at - 600000");
    assert_eq!(faults(&delete(&door, &young, &json!({}))), ["password"]);
    door.alter("UPDATE sessions SET created_at = created_at + 600000");
    delete(&door, &young, &json!({})).expect(204);
    delete(&door, &young, &json!({})).expect(401);
}

#[test]
fn a_second_factor_is_asked_for() {
    let door = Door::with(AT_GATE);
    let ada = door.user("ada");
    let session = door.sign_in(&ada);
    let begun = door.ask("POST", "/user/second-factor", &session.token, Some(&json!({ "password": PASSWORD }))).expect(200).json();
    let code = json!({ "code": Authenticator::of(&text(&begun["secret"])).code(0) });
    let codes = door.ask("POST", "/user/second-factor/confirm", &session.token, Some(&code)).expect(200).json();
    for body in [
        json!({ "password": PASSWORD }),
        json!({ "password": PASSWORD, "code": code["code"] }),
        json!({ "password": PASSWORD, "code": "aaaa-bbbb-cccc-dddd" }),
    ] {
        let reply = delete(&door, &session, &body);
        refused(&reply, 400, "bad_request");
        assert_eq!(faults(&reply), ["code"], "{body}");
    }
    assert!(door.passes(&session.token));
    delete(&door, &session, &json!({ "password": PASSWORD, "code": codes["recovery_codes"][0] })).expect(204);
    assert_eq!((door.count("second_factors"), door.count("recovery_codes")), (0, 0));
    assert_eq!(door.letters(&ada.email), ["deleted"]);
}

#[test]
fn the_operator_deletes_without_a_password() {
    let door = Door::with(AT_GATE);
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    let (of_ada, of_eve) = (door.sign_in(&ada), door.sign_in(&eve));
    door.stage.delete(&format!("/users/{}", ada.id)).expect(204);
    door.stage.delete(&format!("/users/{}", ada.id)).expect(404);
    door.stage.patch(&format!("/users/{}", ada.id), &json!({ "name": "x" })).expect(404);
    let told = door.stage.folder.json(&["user", "delete", &eve.id.to_string()]);
    assert_eq!(told, json!({ "id": eve.id, "deleted": true }));
    let again = door.stage.folder.run(&["user", "delete", &eve.id.to_string()]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    for session in [&of_ada, &of_eve] {
        assert!(!door.passes(&session.token));
    }
    for (user, actor) in [(&ada, "tok_"), (&eve, "operator")] {
        let entry = door.stage.get(&format!("/audit?target=user_{}&action=user.deleted", user.id)).expect(200).json()["data"][0].clone();
        assert!(text(&entry["actor"]).starts_with(actor), "{entry}");
        assert_eq!(door.letters(&user.email), ["deleted"]);
    }
    // Their id is given to nobody else, also not after a restart.
    let door = door.restart();
    assert!(door.user("ada").id > eve.id);
}

/// Of thousands of sessions nothing is left, and a service token that is bound to an account goes with it.
#[test]
fn what_there_is_much_of_is_gone_too() {
    let door = Door::with(AT_GATE);
    let ada = door.user("ada");
    let own = door.sign_in(&ada);
    let alone = organization(&door, &own, "Alone");
    let made = [&ada.account, &alone].map(|account| {
        let settings = json!({ "scopes": ["verify", "admin"], "account": account });
        door.stage.post("/tokens", &settings).expect(201).json()
    });
    let works = |token: &Value| door.stage.server.post("/auth/v1/verify", &text(&token["token"]), &json!({})).status;
    assert_eq!(made.each_ref().map(works), [200, 200]);
    door.alter(&format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 5000)
         INSERT INTO sessions (id, user, account, method, origin, agent, created_at, used_at, expires_at, ended_at, ended_by)
         SELECT 'ses_old' || n, {}, '{}', 'password', '192.0.2.1', 'old', 1, 1, 2, 2, 'signed_out' FROM number",
        ada.id, ada.account
    ));
    delete(&door, &own, &json!({ "password": PASSWORD })).expect(204);
    assert_eq!(door.count(&format!("sessions WHERE user = {}", ada.id)), 0);
    assert_eq!(made.each_ref().map(works), [401, 401]);
    for token in &made {
        let entries = door.stage.get(&format!("/audit?target={}&action=token.revoked", text(&token["id"]))).expect(200).json();
        assert_eq!(entries["data"].as_array().map(Vec::len), Some(1), "{entries}");
    }
}
