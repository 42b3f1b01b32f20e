//! Coming in, going out, and who is let in where.

use super::{QUICK, go_on_for, signed_in};
use crate::support::Stage;
use crate::support::browser::Browser;
use crate::support::person::{PASSWORD, Person};

#[test]
fn whoever_is_not_signed_in_is_sent_to_sign_in_and_back() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let mut browser = Browser::new(&stage);
    let page = browser.open("/auth/keys/new").says(200, "E-mail or phone");
    assert_eq!(page.path, "/auth/sign-in?next=keys%2Fnew");
    let wrong = browser.send(&page, "sign-in", &[("who", &person.email), ("password", "wrong, and long enough")]);
    let wrong = wrong.says(401, "That is not right").says_not("wrong, and long enough");
    assert!(browser.cookies.is_empty());
    let page = browser.send(&wrong, "sign-in", &[("who", &person.email), ("password", PASSWORD)]).says(200, "New key");
    assert_eq!(page.path, "/auth/keys/new");
    let page = browser.open("/auth").says(200, "API keys");
    assert_eq!(page.path, "/auth/keys");
    browser.send(&page, "sign-out", &[]).says(200, "You are signed out.");
    assert!(browser.cookies.is_empty());
    assert_eq!(browser.open("/auth/keys").path, "/auth/sign-in?next=keys");
}

#[test]
fn nobody_is_sent_elsewhere_after_signing_in() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    for next in [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "..%2f..%2fevil",
        "javascript:alert(1)",
        "keys\r\nX: y",
        "%2e%2e/app",
    ] {
        let mut browser = Browser::new(&stage);
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = browser.open(&format!("/auth/sign-in?next={query}")).says(200, "Sign in");
        let page = browser.send(&page, "sign-in", &[("who", &person.email), ("password", PASSWORD)]).says(200, "API keys");
        assert_eq!(page.path, "/auth/keys", "{next}");
    }
}

#[test]
fn a_session_that_ended_is_out_on_every_page_at_once() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let (mut other, _) = signed_in(&stage, &person);
    stage.delete(&format!("/users/{}/sessions", person.id)).expect(204);
    for browser in [&mut browser, &mut other] {
        assert!(browser.open("/auth/keys").path.starts_with("/auth/sign-in"));
    }
    let (mut browser, _) = signed_in(&stage, &person);
    stage.patch(&format!("/users/{}", person.id), &serde_json::json!({ "disabled": true })).expect(200);
    assert!(browser.open("/auth/keys").path.starts_with("/auth/sign-in"));
}

#[test]
fn a_form_counts_only_with_the_token_of_its_session() {
    let stage = Stage::with(QUICK);
    let (ada, eve) = (Person::new(&stage), Person::new(&stage));
    let (mut browser, _) = signed_in(&stage, &ada);
    let (mut others, _) = signed_in(&stage, &eve);
    let page = browser.open("/auth/keys/new").says(200, "New key");
    let foreign = others.open("/auth/keys/new").form("keys").fields.into_iter().find(|(name, _)| name == "form_token").expect("a token").1;
    for token in ["", "x", &foreign] {
        browser.send(&page, "keys", &[("name", "stolen"), ("form_token", token)]).says(403, "This form is not one of yours");
    }
    let body = page.form("keys").fields;
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(body).append_pair("name", "stolen").finish();
    // The right token from a page of another site.
    for origin in ["https://evil.example", "null", "http://test"] {
        let request = browser.request("POST", "/auth/keys", None).header("Origin", origin);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes());
        stage.server.send(&request).expect(403);
    }
    browser.open("/auth/keys").says(200, "There are no keys yet.").says_not("stolen");
}

#[test]
fn a_form_of_one_account_counts_for_no_other() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let team = stage.account(serde_json::json!({ "kind": "organization" }));
    stage.patch(&format!("/accounts/{team}/members/{}", person.id), &serde_json::json!({ "role": "owner" })).expect(200);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/keys/new").says(200, "New key");
    // In another tab the same session goes on for the organization.
    go_on_for(&stage, &browser, &team);
    browser.send(&page, "keys", &[("name", "stray")]).says(403, "This form is not one of yours");
    browser.open("/auth/keys").says(200, "There are no keys yet.");
    // What is switched off shows nothing, and lets go.
    stage.patch(&format!("/accounts/{team}"), &serde_json::json!({ "disabled": true })).expect(200);
    browser.open("/auth/keys").says(403, "This account is switched off.");
}
