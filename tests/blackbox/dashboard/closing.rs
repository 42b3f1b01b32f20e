//! Closing an organization in a browser: by an owner who shows again who they are, and by nobody else.

use serde_json::json;

use super::organization::switched;
use super::{QUICK, alter, signed_in};
use crate::support::Stage;
use crate::support::authenticator::Authenticator;
use crate::support::browser::{Browser, Page};
use crate::support::person::{PASSWORD, Person};
use crate::support::server::text;

fn closes(stage: &Stage, browser: &Browser<'_>, page: &Page, fields: &str) -> u16 {
    let token = page.form("sign-out").fields.remove(0).1;
    let body = format!("form_token={token}&{fields}");
    stage.server.send(&browser.request("POST", "/auth/organization/close", Some(&body))).status
}

/// An organization that was made a day ago.
#[track_caller]
fn age(stage: &Stage, account: &str) {
    alter(stage, &format!("UPDATE accounts SET created_at = created_at - 86400000 WHERE id = '{account}'"));
}

#[test]
fn an_owner_closes_it_and_everybody_goes_on_for_themselves() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    let team = owner.organization("Team <b>");
    let (second, member) = (Person::of(&stage, &team, "owner"), Person::of(&stage, &team, "member"));
    let key = text(&stage.key(&team, json!({}))["key"]);
    let own = text(&stage.key(&owner.account, json!({}))["key"]);
    let token = stage.post("/tokens", &json!({ "name": "bound", "account": team, "scopes": ["admin"] })).expect(201).json();
    let bound = text(&token["token"]);
    stage.server.handed_out(&bound);
    let (mut browser, _) = signed_in(&stage, &owner);
    let page = switched(&mut browser, &team);
    let page = browser.open(page.links().iter().find(|link| link.ends_with("organization/close")).expect("a link to it"));
    let page = page.says(200, "Close Team &#60;b&#62;").says_not("Team <b>");
    for (password, told) in [("", "must be given"), ("wrong, and long", "is not your password")] {
        browser.send(&page, "organization/close", &[("password", password)]).says(400, told);
    }
    browser.send(&page, "organization/close", &[("password", PASSWORD), ("form_token", "x")]).says(403, "not one of yours");
    let invite = browser.open("/auth/organization/invitations");
    browser.send(&invite, "organization/invitations", &[("email", &Person::new(&stage).email), ("role", "member")]);
    // One that is made and closed at once bounds nobody.
    let young = browser.send(&page, "organization/close", &[("password", PASSWORD)]).says(409, "a day after it was made: this one from ");
    assert!(young.reply.body.contains(" UTC on."), "{young:?}");
    age(&stage, &team);
    assert_eq!(stage.server.get("/x", &key).verdict(), "ok");
    assert_eq!(member.get("/user/me").expect(200).status, 200);
    let done = browser.send(&page, "organization/close", &[("password", PASSWORD)]).says(200, "It is closed. You go on for yourself.");
    done.says(200, "You act for yourself now.").says_not("Team");
    // From the very next request on.
    assert_eq!(stage.server.get("/x", &key).verdict(), "revoked");
    assert_eq!(stage.server.get("/x", &own).verdict(), "ok");
    assert_eq!(stage.server.get("/auth/v1/keys", &bound).status, 401);
    for person in [&second, &member] {
        let (mut others, _) = signed_in(&stage, person);
        others.open("/auth/organization").says(200, "You act for yourself now.").says_not("Team");
        // Where they were signed in for it, they go on for themselves, too.
        person.refresh().expect(200);
        assert_eq!(person.get(&format!("/accounts/{team}")).status, 401);
    }
    let account = stage.get(&format!("/accounts/{team}")).expect(200).json();
    assert_eq!((&account["disabled"], &account["name"]), (&json!(true), &json!("Team <b>")));
    assert_eq!(stage.get(&format!("/accounts/{team}/members")).expect(200).json()["data"], json!([]));
    let invited = stage.get(&format!("/accounts/{team}/invitations")).expect(200).json();
    assert_ne!(invited["data"][0]["state"], "open", "{invited}");
    let audit = stage.get(&format!("/audit?account={team}")).expect(200).body;
    for action in ["key.revoked", "token.revoked", "invitation.ended", "member.left", "account.changed"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
    assert!(audit.contains(&format!("user_{}", owner.id)), "{audit}");
}

#[test]
fn nobody_else_closes_it_nor_closes_what_is_none() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    let team = owner.organization("Team");
    let password = format!("password={}", PASSWORD.replace(' ', "+"));
    for role in ["admin", "member"] {
        let person = Person::of(&stage, &team, role);
        // Whoever administrates the server can switch it off; that is something else.
        for is_administrator in [false, true] {
            stage.patch(&format!("/users/{}", person.id), &json!({ "admin": is_administrator })).expect(200);
            let (mut browser, _) = signed_in(&stage, &person);
            let page = switched(&mut browser, &team).says_not("Close this organization");
            assert_eq!(closes(&stage, &browser, &page, &password), 403, "{role} {is_administrator}");
        }
    }
    let (mut browser, _) = signed_in(&stage, &owner);
    let page = browser.open("/auth/organization").says_not("Close this organization");
    browser.open("/auth/organization/close").says(404, "There is no such thing here.");
    assert_ne!(closes(&stage, &browser, &page, &password), 303);
    // The second factor is asked for, too.
    let begin = browser.open("/auth/profile/second-factor");
    let begun = browser.send(&begin, "profile/second-factor", &[("password", PASSWORD)]);
    let app = Authenticator::of(&begun.text_of("secret"));
    let made = browser.send(&begun, "profile/second-factor/confirm", &[("code", &app.code(0))]).says(200, "Recovery codes");
    let code = made.text_of("codes").split_whitespace().next().expect("a code").to_owned();
    switched(&mut browser, &team);
    let page = browser.open("/auth/organization/close").says(200, "Close Team");
    for (code, told) in [("", "must be given"), ("000000", "is not right")] {
        browser.send(&page, "organization/close", &[("password", PASSWORD), ("code", code)]).says(400, told);
    }
    assert_eq!(stage.get(&format!("/accounts/{team}")).expect(200).json()["disabled"], false);
    assert_eq!(stage.get(&format!("/accounts/{}", owner.account)).expect(200).json()["disabled"], false);
    age(&stage, &team);
    browser.send(&page, "organization/close", &[("password", PASSWORD), ("code", &code)]).says(200, "It is closed.");
}
