//! Coming in, going out, and who is let in where.

use super::{QUICK, go_on_for, signed_in};
use crate::sign_in::door::{self, Door};
use crate::sign_in::providers::sign_ins;
use crate::sign_in::second_factor::{Guarded, guarded};
use crate::support::Request;
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

/// Shows the first factor; the page that asks for the second.
#[track_caller]
fn waiting<'s>(door: &'s Door, ada: &Guarded) -> (Browser<'s>, crate::support::browser::Page) {
    let mut browser = Browser::new(&door.stage);
    let page = browser.open("/auth/keys/new").says(200, "Sign in");
    let page = browser.send(&page, "sign-in", &[("who", &ada.user.email), ("password", door::PASSWORD)]).says(200, "Enter your code");
    assert_eq!(page.path, "/auth/second-factor");
    (browser, page)
}

#[test]
fn every_sign_in_is_counted_as_what_it_came_to() {
    let door = Door::with(QUICK);
    let (ada, eve) = (guarded(&door, "ada"), door.user("eve"));
    let (mut browser, page) = waiting(&door, &ada);
    browser.send(&page, "second-factor", &[("code", &ada.app.wrong())]).says(401, "This code is not right");
    browser.send(&page, "second-factor", &[("code", "12")]).says(400, "must be the 6 digits");
    browser.send(&page, "second-factor", &[("code", &ada.app.code(0))]).says(200, "New key");
    let mut browser = Browser::new(&door.stage);
    let page = browser.open("/auth/sign-in").says(200, "Sign in");
    browser.send(&page, "sign-in", &[("who", &eve.email), ("password", "wrong, and long enough")]).says(401, "That is not right");
    browser.send(&page, "sign-in", &[("who", &eve.email), ("password", door::PASSWORD)]).says(200, "API keys");
    door.stage.patch(&format!("/users/{}", eve.id), &serde_json::json!({ "disabled": true })).expect(200);
    let mut browser = Browser::new(&door.stage);
    browser.send(&page, "sign-in", &[("who", &eve.email), ("password", door::PASSWORD)]).says(403, "switched off");
    // One more by the API, where the second factor was set up.
    sign_ins(&door.stage, &[("ok", 3), ("second_factor_needed", 1), ("unknown", 2), ("disabled", 1), ("bad_request", 1)]);
}

/// Whoever waited too long, or guessed too often, begins anew, and is told so.
#[test]
fn a_wait_that_is_over_begins_anew() {
    let door = Door::with(QUICK);
    let ada = guarded(&door, "ada");
    type End = fn(&Door, &Guarded, &mut Browser<'_>, &crate::support::browser::Page);
    let ends: [(&str, End); 3] = [
        ("expired", |door, _, _, _| door.alter("UPDATE proofs SET expires_at = created_at WHERE purpose = 'second_factor'")),
        ("five wrong codes", |_, ada, browser, page| {
            for _ in 0..4 {
                browser.send(page, "second-factor", &[("code", &ada.app.wrong())]).says(401, "This code is not right");
            }
            browser.send(page, "second-factor", &[("code", &ada.app.wrong())]).says(401, "Sign in again");
        }),
        ("another browser", |_, _, browser, _| browser.cookies.clear()),
    ];
    for (what, end) in ends {
        let (mut browser, page) = waiting(&door, &ada);
        end(&door, &ada, &mut browser, &page);
        let anew = browser.send(&page, "second-factor", &[("code", &ada.app.code(0))]).says(401, "Sign in again");
        assert!(!anew.reply.body.contains("is not right"), "{what}: {}", anew.reply.body);
        browser.open("/auth/second-factor").says(401, "Sign in again");
        // To the page that was wanted, where this browser knows it still.
        let next = if what == "expired" { "/auth/sign-in?next=keys%2Fnew" } else { "/auth/sign-in" };
        assert!(anew.links().contains(&next.to_owned()), "{what}: {anew:?}");
        let anew = browser.open("/auth/keys/new").says(200, "Sign in");
        let page = browser.send(&anew, "sign-in", &[("who", &ada.user.email), ("password", door::PASSWORD)]).says(200, "Enter your code");
        assert_eq!(page.path, "/auth/second-factor", "{what}");
        crate::sign_in::second_factor::forget_steps(&door);
        browser.send(&page, "second-factor", &[("code", &ada.app.code(0))]).says(200, "New key");
        crate::sign_in::second_factor::forget_steps(&door);
    }
}

#[test]
fn a_page_that_is_asked_for_in_another_way_says_so_on_a_page() {
    let stage = Stage::with(QUICK);
    for (method, path, allowed) in
        [("PUT", "/auth/keys", "GET, POST, HEAD"), ("GET", "/auth/sign-out", "POST"), ("DELETE", "/auth/", "GET, HEAD")]
    {
        let reply = stage.server.send(&Request::new(method, path).header("Accept", "text/html"));
        assert_eq!(reply.header("Allow").as_deref(), Some(allowed), "{reply:?}");
        crate::support::browser::Page { path: path.into(), reply }.says(405, "This page is not opened this way.");
    }
    // What programs ask stays theirs.
    let reply = stage.server.send(&Request::new("PUT", "/auth/v1/keys")).expect(405);
    assert_eq!(reply.header("Content-Type").as_deref(), Some("application/problem+json"));
}
