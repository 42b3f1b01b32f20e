//! What the operator does to users, and to who belongs to an organization.

use serde_json::json;

use super::{audited, config, operator, post};
use crate::dashboard::{alter, signed_in};
use crate::sign_in::second_factor::Authenticator;
use crate::support::Stage;
use crate::support::browser::Browser;
use crate::support::person::{PASSWORD, Person};

#[test]
fn a_user_is_made_and_comes_in() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let page = browser.open("/auth/admin/users/new").says(200, "New user");
    let wrong = browser.send(&page, "admin/users", &[("email", "not an address"), ("password", "short")]);
    wrong.says(400, "must have at least").says_not("value=\"short\"");
    let typed = [("email", "grace@example.com"), ("name", "Grace"), ("password", PASSWORD), ("verified", "yes")];
    let made = browser.send(&page, "admin/users", &typed).says(200, "Made.").says(200, "grace@example.com");
    assert_eq!(browser.send(&page, "admin/users", &typed).path, made.path, "once");
    // Another form with the same address is told so.
    let page = browser.open("/auth/admin/users/new");
    browser.send(&page, "admin/users", &typed).says(409, "The address belongs to user").says_not(PASSWORD);
    let mut theirs = Browser::new(&stage);
    let page = theirs.open("/auth/sign-in");
    theirs.send(&page, "sign-in", &[("who", "grace@example.com"), ("password", PASSWORD)]).says(200, "API keys");
}

#[test]
fn a_user_is_changed_signed_out_switched_off_and_deleted() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let person = Person::new(&stage);
    let (mut theirs, _) = signed_in(&stage, &person);
    let id = person.id.to_string();
    let key = stage.key(&person.account, json!({}))["key"].as_str().expect("a key").to_owned();
    let open = |browser: &mut Browser<'_>| browser.open(&format!("/auth/admin/users/{id}"));
    let page = open(&mut browser).says(200, &person.email).says(200, "owner");
    browser.send(&page, &format!("{id}/sign-out"), &[]).says(200, "Signed out everywhere.");
    assert!(theirs.open("/auth/keys").path.starts_with("/auth/sign-in"));
    // What a form merely repeats changes nothing, and asks nobody to confirm anything.
    let page = open(&mut browser);
    let page = browser.send(&page, &id, &[("name", "Ada Lovelace")]).says(200, "Ada Lovelace");
    let held = stage.get(&format!("/users/{id}")).expect(200).json();
    assert_eq!((&held["email_verified"], &held["admin"], &held["has_password"]), (&json!(true), &json!(false), &json!(true)));
    let page = browser.send(&page, &id, &[("admin", "yes")]).says(200, "Saved.");
    assert_eq!(stage.get(&format!("/users/{id}")).expect(200).json()["admin"], true);
    let page = browser.send(&page, &id, &[("email", "elsewhere@example.com")]).says(200, "not confirmed");
    let page = browser.send(&page, &id, &[("verified", "yes")]).says(200, "Saved.");
    assert_eq!(stage.get(&format!("/users/{id}")).expect(200).json()["email_verified"], true);
    let page = browser.send(&page, &id, &[("email", ""), ("name", "")]).says(400, "must not be empty");
    let page = browser.send(&page, &id, &[("email", ""), ("name", "Ada")]).says(400, "all that they could sign in with");
    let page = browser.send(&page, &id, &[("email", "elsewhere@example.com"), ("disabled", "yes")]).says(200, "switched off");
    assert_ne!(person.try_sign_in(PASSWORD).status, 200);
    assert_eq!(stage.server.get("/anything", &key).status, 200, "keys are the account's");
    browser.send(&page, &format!("{id}/delete"), &[]).says(200, "Deleted.");
    stage.get(&format!("/users/{id}")).expect(404);
    assert_ne!(stage.server.get("/anything", &key).status, 200);
    open(&mut browser).says(404, "There is no such thing here.");
}

/// What proves an address may be lost: a button sends it again, and the audit says who did.
#[test]
fn a_proof_is_sent_again() {
    let stage = Stage::with(&config("[sign_in.throttle]\nsent_by_target = \"2/1h\"\n"));
    let (mut browser, root) = operator(&stage);
    let person = Person::new(&stage);
    let path = format!("/auth/admin/users/{}", person.id);
    let proven = browser.open(&path).says_not("Send the link or code again");
    let action = format!("{}/proof", person.id);
    assert_eq!(post(&browser, &stage, Some(&proven), &format!("{path}/proof"), &[]).status, 409);
    stage.patch(&format!("/users/{}", person.id), &json!({ "email": "new@example.com" })).expect(200);
    let page = browser.open(&path).says(200, "Send the link or code again");
    browser.send(&page, &action, &[]).says(200, "Sent again.");
    browser.send(&page, &action, &[]).says(429, "Too many tries");
    let mails = stage.get("/mails?address=new@example.com").expect(200).json();
    assert_eq!(mails["data"].as_array().map(Vec::len), Some(2), "{mails}");
    let told = audited(&stage, "user.proof_sent");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["actor"], &told[0]["target"]), (&json!(format!("user_{}", root.id)), &json!(format!("user_{}", person.id))));
    assert_eq!(told[0]["after"], json!({ "sent_to": ["new@example.com"] }));
    stage.patch(&format!("/users/{}", person.id), &json!({ "disabled": true })).expect(200);
    browser.open(&path).says_not("Send the link or code again");
}

/// One address that is written to too often keeps nothing from the other.
#[test]
fn a_proof_is_sent_where_it_may_be() {
    let stage = Stage::with(&config("[sign_in.throttle]\nsent_by_target = \"2/1h\"\n"));
    let (mut browser, _) = operator(&stage);
    let body = json!({ "email": "new@example.com", "phone": "+4915112345678" });
    let id = stage.post("/users", &body).expect(201).json()["id"].clone();
    stage.patch(&format!("/users/{id}"), &json!({ "phone": "+4915112345678" })).expect(200);
    let (path, action) = (format!("/auth/admin/users/{id}"), format!("{id}/proof"));
    let page = browser.open(&path);
    browser.send(&page, &action, &[]).says(200, "Sent again.");
    assert_eq!(audited(&stage, "user.proof_sent")[0]["after"], json!({ "sent_to": ["new@example.com"] }));
    let mails = stage.get("/mails?address=new@example.com").expect(200).json();
    assert_eq!(mails["data"].as_array().map(Vec::len), Some(2), "{mails}");
    browser.send(&page, &action, &[]).says(429, "Too many tries");
}

/// A number that no SMS goes to waits for nothing that anybody could send.
#[test]
fn what_cannot_be_sent_has_no_button() {
    let stage = Stage::with(&config("[mail]\nsmtp_url = \"smtp://127.0.0.1:9\"\nfrom = \"noreply@example.com\"\n"));
    let (mut browser, _) = operator(&stage);
    let person = Person::new(&stage);
    alter(&stage, &format!("UPDATE users SET phone = '+4915112345678' WHERE id = {}", person.id));
    let path = format!("/auth/admin/users/{}", person.id);
    browser.open(&path).says(200, "+4915112345678").says_not("Send the link or code again");
    alter(&stage, &format!("UPDATE users SET email_verified_at = NULL WHERE id = {}", person.id));
    browser.open(&path).says(200, "Send the link or code again");
}

#[test]
fn sessions_are_told_in_words() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let person = Person::new(&stage);
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";
    alter(&stage, &format!("UPDATE sessions SET agent = '{agent}', method = 'link' WHERE user = {}", person.id));
    let page = browser.open(&format!("/auth/admin/users/{}", person.id));
    page.says(200, "Chrome on Linux").says(200, "link by mail").says_not("Mozilla");
}

/// What is grave is done to oneself on one's own profile alone, where the password is asked for.
#[test]
fn nobody_changes_here_how_they_come_in_themselves() {
    let stage = Stage::with(&config(""));
    let (mut browser, root) = operator(&stage);
    let (path, id) = (format!("/users/{}", root.id), root.id.to_string());
    let told = "That is you";
    let page = browser.open(&format!("/auth/admin/users/{id}"));
    browser.send(&page, &id, &[("email", "elsewhere@example.com")]).says(403, told);
    for body in [
        json!({ "email": "elsewhere@example.com", "verified": true }),
        json!({ "email": root.email }),
        json!({ "phone": "+4915112345678" }),
        json!({ "phone": null }),
        json!({ "verified": true }),
        json!({ "verified": false }),
        json!({ "password": "another horse battery" }),
    ] {
        let reply = root.patch(&path, &body).expect(403);
        assert!(reply.body.contains(told), "{body}: {reply:?}");
    }
    let held = stage.get(&path).expect(200).json();
    assert_eq!((&held["email"], &held["phone"], &held["email_verified"]), (&json!(root.email), &json!(null), &json!(true)));
    browser.send(&page, &id, &[("name", "Grace")]).says(200, "Saved.");
    // Another administrator may, and so may the operator's tokens and shell.
    let other = Person::with(&stage, json!({ "admin": true }));
    other.patch(&path, &json!({ "phone": "+4915112345678" })).expect(200);
    stage.patch(&path, &json!({ "verified": true })).expect(200);
    stage.folder.json(&["user", "set", &id, "--email", "elsewhere@example.com", "--verified"]);
}

/// Who has proven once who they are, and can sign in no more, goes on in nobody's place.
#[test]
fn an_administrator_who_cannot_sign_in_is_no_other() {
    let telegram = "[sign_in.telegram]\nbot_token = \"1:abcdefghijklmnopqrstuvwxyzabcdefghi\"\n";
    let stage = Stage::with(&config(telegram));
    let root = Person::with(&stage, json!({ "admin": true }));
    let other = Person::with(&stage, json!({ "admin": true }));
    let set = |sql: &str| alter(&stage, &format!("UPDATE users SET {sql} WHERE id = {}", other.id));
    let linked = |provider: &str| alter(&stage, &format!("INSERT INTO identities VALUES ('{provider}', '1', {}, 'ada', 1, 1)", other.id));
    let step = |status: u16| drop(root.patch(&format!("/users/{}", root.id), &json!({ "admin": false })).expect(status));
    stage.patch(&format!("/users/{}", other.id), &json!({ "email": "elsewhere@example.com" })).expect(200);
    step(409);
    set("email_verified_at = 1, password = NULL");
    step(409);
    linked("https://gone.example");
    step(409);
    linked("telegram");
    step(200);
}

/// Nobody is left outside of their own server by a slip; on the server itself everything can be done.
#[test]
fn the_only_administrator_stays_one() {
    let stage = Stage::with(&config(""));
    let (mut browser, root) = operator(&stage);
    let (path, id) = (format!("/users/{}", root.id), root.id.to_string());
    // One who is switched off, and one who has proven nothing, cannot go on in their place.
    Person::with(&stage, json!({ "admin": true, "verified": true, "name": "Off" }))
        .patch("/user/me", &json!({ "name": "off" }))
        .expect(200);
    let off = stage.get("/users?search=off").expect(200).json()["data"][0]["id"].clone();
    stage.patch(&format!("/users/{off}"), &json!({ "disabled": true })).expect(200);
    stage.post("/users", &json!({ "email": "new@example.com", "admin": true })).expect(201);
    let told = "You are the only administrator who can sign in";
    let page = browser.open(&format!("/auth/admin/users/{id}")).says(200, "Root");
    let form = page.form(&format!("users/{id}"));
    let unticked: Vec<_> = form.fields.iter().filter(|(name, _)| name != "admin").map(|(name, text)| (&**name, &**text)).collect();
    let reply = post(&browser, &stage, None, &format!("/auth/admin/users/{id}"), &unticked).expect(409);
    assert!(reply.body.contains(told), "{reply:?}");
    for body in [json!({ "admin": false }), json!({ "disabled": true })] {
        let reply = root.patch(&path, &body).expect(409);
        assert!(reply.body.contains(told), "{reply:?}");
    }
    let reply = root.call("DELETE", "/user/me", Some(&json!({ "password": PASSWORD }))).expect(409);
    assert!(reply.body.contains(told), "{reply:?}");
    root.patch(&path, &json!({ "name": "Still" })).expect(200);
    // With another one they may; and on the server anybody goes.
    let other = Person::with(&stage, json!({ "admin": true }));
    root.patch(&path, &json!({ "admin": false })).expect(200);
    other.patch(&format!("/users/{}", other.id), &json!({ "admin": false })).expect(409);
    stage.folder.json(&["user", "set", &other.id.to_string(), "--no-admin"]);
    assert_eq!(stage.get(&format!("/users/{}", other.id)).expect(200).json()["admin"], false);
}

#[test]
fn a_second_factor_is_taken_away() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let person = Person::new(&stage);
    let path = format!("/auth/admin/users/{}", person.id);
    let none = browser.open(&path).says_not("Take the second factor away");
    let begun = person.post("/user/second-factor", &json!({ "password": PASSWORD })).expect(200).json();
    let code = Authenticator::of(begun["secret"].as_str().expect("a secret")).code(0);
    person.post("/user/second-factor/confirm", &json!({ "code": code })).expect(200);
    let page = browser.open(&path).says(200, "Take the second factor away");
    assert!(person.try_sign_in(PASSWORD).json()["access_token"].is_null(), "it is asked for");
    browser.send(&page, &format!("{}/second-factor", person.id), &[]).says(200, "The second factor is gone.");
    person.try_sign_in(PASSWORD).expect(200);
    // Again does no harm.
    assert_eq!(post(&browser, &stage, Some(&none), &format!("{path}/second-factor"), &[]).status, 303);
}

#[test]
fn members_are_added_and_taken_out() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let team = stage.account(json!({ "kind": "organization" }));
    let (ada, eve) = (Person::new(&stage), Person::new(&stage));
    let page = browser.open(&format!("/auth/admin/accounts/{team}"));
    let (action, id) = (format!("{team}/members"), |person: &Person<'_>| person.id.to_string());
    browser.send(&page, &action, &[("user", &id(&ada)), ("role", "member")]).says(409, "an owner must come first");
    let page = browser.send(&page, &action, &[("user", &id(&ada)), ("role", "owner")]).says(200, "Saved.");
    let page = browser.send(&page, &action, &[("user", &id(&eve)), ("role", "member")]).says(200, "Saved.");
    browser.send(&page, &format!("{team}/members/{}/remove", ada.id), &[]).says(409, "only owner");
    browser.send(&page, &format!("{team}/members/{}/remove", eve.id), &[]).says(200, "Taken out.");
    let members = stage.get(&format!("/accounts/{team}/members")).expect(200).json();
    assert_eq!(members["data"].as_array().map(Vec::len), Some(1));
}
