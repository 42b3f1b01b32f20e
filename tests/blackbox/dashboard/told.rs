//! What goes wrong is told on a page to whoever opens pages, and as JSON to programs.

use rusqlite::Connection;

use super::{QUICK, signed_in};
use crate::support::browser::{Browser, Page};
use crate::support::person::{PASSWORD, Person};
use crate::support::{Reply, Request, Stage};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// What a method answers to who accepts these types.
fn answered(stage: &Stage, method: &str, path: &str, accept: &str) -> Reply {
    stage.server.send(&Request::new(method, path).header("Accept", accept))
}

/// Fails unless it runs no script and tells no other site of its address.
#[track_caller]
fn is_discreet(page: &Page) {
    let policy = page.reply.header("Content-Security-Policy").expect("a policy");
    assert!(!policy.contains("script-src") && !page.reply.body.contains("<script"), "{policy}: {}", page.reply.body);
    assert_eq!(page.reply.header("Referrer-Policy").as_deref(), Some("no-referrer"));
}

#[test]
fn a_page_that_is_not_there_is_told_on_one() {
    let stage = Stage::with(QUICK);
    for (method, path, status, says) in [
        ("GET", "/auth/nothing", 404, "There is no such thing here."),
        ("GET", "/auth/keys/a/b/c", 404, "There is no such thing here."),
        ("GET", "/auth/verify/", 404, "There is no such thing here."),
        ("PUT", "/auth/verify", 405, "This page is not opened this way."),
        ("PUT", "/auth/keys", 405, "This page is not opened this way."),
        ("PUT", "/auth/first?token=x", 405, "This page is not opened this way."),
    ] {
        let reply = answered(&stage, method, path, HTML);
        is_discreet(&Page { path: path.into(), reply }.says(status, says));
        for accept in ["*/*", "application/json", "application/json, text/html", "application/problem+json,text/html", ""] {
            let reply = answered(&stage, method, path, accept);
            assert_eq!((reply.status, reply.json()["status"].as_u64()), (status, Some(status.into())), "{path} {accept}: {reply:?}");
        }
    }
    // What programs ask stays theirs.
    for (method, path, status) in [("GET", "/auth/v1/nothing", 404), ("PUT", "/auth/v1/keys", 405), ("GET", "/auth/v1", 404)] {
        let reply = answered(&stage, method, path, HTML);
        assert_eq!((reply.status, reply.json()["status"].as_u64()), (status, Some(status.into())), "{path}: {reply:?}");
    }
    // Where nobody signs in there are no pages.
    let stage = Stage::with("[sign_in]\nenabled = false\n");
    assert_eq!(answered(&stage, "GET", "/auth/keys", HTML).expect(404).json()["status"], 404);
}

#[test]
fn links_that_cannot_be_read_are_told_on_a_page() {
    let stage = Stage::with(QUICK);
    let database = Connection::open(stage.folder.database()).expect("it opens");
    database
        .execute_batch("ALTER TABLE proofs RENAME TO p; ALTER TABLE invitations RENAME TO i; ALTER TABLE users RENAME TO u;")
        .expect("it is done");
    let token = "a".repeat(43);
    for page in ["verify", "reset", "invitation"] {
        let path = format!("/auth/{page}?token={token}");
        let reply = answered(&stage, "GET", &path, HTML);
        let status = reply.status;
        assert!([500, 503].contains(&status), "{reply:?}");
        is_discreet(&Page { path: path.clone(), reply }.says(status, "Something went wrong on our side."));
        assert!(answered(&stage, "GET", &path, "*/*").json()["request_id"].is_string());
    }
}

#[test]
fn what_is_refused_of_the_first_administrators_link_runs_no_script() {
    let stage = Stage::with(QUICK);
    let mut browser = Browser::new(&stage);
    is_discreet(&browser.open("/auth/first?token=x").says(404, "There is nothing to do here"));
    let reply = stage.server.send(&browser.request("POST", "/auth/first", Some("token=x")).header("Origin", "https://elsewhere.example"));
    is_discreet(&Page { path: "/auth/first".into(), reply }.says(403, "Not for you"));
}

#[test]
fn what_takes_too_long_is_told_on_a_page() {
    let stage = Stage::with(&format!("[server]\nrequest_timeout = \"1s\"\n{QUICK}"));
    let person = Person::new(&stage);
    let page = Browser::new(&stage).open("/auth/sign-in").says(200, "Sign in");
    let database = Connection::open(stage.folder.database()).expect("it opens");
    database.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let reply = Browser::new(&stage).send(&page, "sign-in", &[("who", &person.email), ("password", PASSWORD)]);
    database.execute_batch("ROLLBACK").expect("it ends");
    reply.says(503, "This took too long. Try again.");
}

#[test]
fn an_organization_that_is_made_is_there_though_the_switch_fails() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/organization").says(200, "New organization");
    let database = Connection::open(stage.folder.database()).expect("it opens");
    let stops = "CREATE TRIGGER stops BEFORE UPDATE OF account ON sessions BEGIN SELECT RAISE(ABORT, 'not now'); END";
    database.execute_batch(stops).expect("it is done");
    let page = browser.send(&page, "organization", &[("name", "Acme")]).says(200, "Made. Switch to it below.").says(200, "Acme");
    database.execute_batch("DROP TRIGGER stops").expect("it is done");
    assert!(browser.send(&page, "organization/switch", &[]).says(200, "You act for this account now.").reply.body.contains("<h1>Acme"));
}

#[test]
fn a_number_is_not_asked_for_where_none_can_be_written_to() {
    let mail = "[mail]\nfrom = \"us@example.com\"\nsmtp_url = \"smtp://127.0.0.1:1\"\n";
    let stage = Stage::with(&format!("{QUICK}{mail}"));
    let person = Person::new(&stage);
    let (mut browser, page) = signed_in(&stage, &person);
    let phone = browser.open("/auth/profile/phone").says(200, "No code can be sent from here").says_not("New phone number");
    assert!(phone.forms().iter().all(|form| !form.action.ends_with("profile/phone")), "{:?}", phone.forms());
    browser.open("/auth/profile/email").says(200, "New address").says_not("No code can be sent");
    let token = page.form("sign-out").fields.remove(0).1;
    let body = format!("form_token={token}&phone=%2B4915112345678&current_password={PASSWORD}");
    let reply = stage.server.send(&browser.request("POST", "/auth/profile/phone", Some(&body)));
    Page { path: "/auth/profile/phone".into(), reply }.says(404, "This is not set up here.").says_not("Your part in this account");
}
