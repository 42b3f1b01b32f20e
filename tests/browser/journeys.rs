//! Whole ways through the dashboard, each as somebody goes it who knows no more than the pages say, with scripts and without.

use serde_json::json;

use super::driver::{BOTH, Browser, Setup};
use super::site::{CONFIG, enter, path_of, signed_in, user, whole};
use super::support::person::PASSWORD;
use super::support::provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider};
use super::support::{Smtp, Stage, eventually};

/// Registers, opens the link of the mail, and is in.
fn registered(stage: &Stage, smtp: &Smtp, setup: Setup, email: &str) -> Browser {
    let browser = Browser::new(setup, &stage.server.address);
    browser.open("/auth/");
    browser.follow("Register");
    browser.fill("Your name", "Ada <script>alert(1)</script>");
    browser.fill("E-mail", email);
    browser.fill("Choose a password", PASSWORD);
    browser.press("Register");
    browser.see("Look into your mail");
    browser.open(&path_of(&smtp.wait_for_mail_to(email).link()));
    browser.press("Confirm");
    browser.see("Your address is confirmed");
    browser.open("/auth/keys");
    browser.see("API keys");
    browser
}

/// A key of whoever is signed in; the raw one.
fn made(browser: &Browser, name: &str) -> String {
    browser.open("/auth/keys/new");
    browser.fill("Name", name);
    browser.press("Create the key");
    browser.see("shown this once");
    browser.read(".secret code")
}

#[test]
#[ignore = "needs a browser: tests/browse"]
fn from_registering_to_a_key_that_is_refused() {
    for setup in BOTH {
        let (smtp, stage) = whole();
        let browser = registered(&stage, &smtp, setup, "ada@example.com");
        browser.see("Ada <script>alert(1)</script>");
        browser.open("/auth/keys/new");
        browser.see("Before you make a key, accept the Developer Agreement.");
        browser.follow("Look at it");
        browser.press("Accept");
        browser.see("New key");
        let key = made(&browser, "server");
        for _ in 0..3 {
            assert_eq!(stage.server.get("/x", &key).verdict(), "ok");
        }
        eventually("the usage tells of it", || {
            browser.open("/auth/usage");
            browser.text().contains("3 requests: 3 passed").then_some(())
        });
        browser.open("/auth/keys");
        browser.follow("server");
        browser.press("Rotate");
        browser.see("shown this once");
        let next = browser.read(".secret code");
        assert_eq!([&key, &next].map(|key| stage.server.get("/x", key).verdict()), ["ok", "ok"]);
        browser.follow("Look at server");
        browser.unfold("Revoke");
        browser.press("Revoke it now");
        browser.see("Revoked: from now on it is refused.");
        assert_eq!([&key, &next].map(|key| stage.server.get("/x", key).verdict()), ["ok", "revoked"]);
        browser.press("Sign out");
        browser.see("You are signed out.");
        assert_eq!(browser.complaints(), [""; 0]);
    }
}

#[test]
#[ignore = "needs a browser: tests/browse"]
fn an_organization_and_whoever_is_invited_to_it() {
    for setup in BOTH {
        let (smtp, stage) = whole();
        let ada = signed_in(&stage, setup, "ada");
        ada.follow("Organization");
        ada.fill("Name", "Engines & Co");
        ada.press("Make it");
        ada.see("Engines & Co");
        ada.follow("Invite somebody");
        ada.fill("E-mail", "bo@example.com");
        ada.press("Invite");
        ada.see("bo@example.com");
        let bo = Browser::new(setup, &stage.server.address);
        bo.open(&path_of(&smtp.wait_for_mail_to("bo@example.com").link()));
        bo.see("Engines & Co");
        bo.fill("Your name", "Bo");
        bo.fill("Choose a password", PASSWORD);
        bo.press("Join");
        bo.see("You belong to the account now");
        ada.open("/auth/organization/members");
        ada.see("Bo");
        ada.follow("Bo");
        ada.unfold("Take out");
        ada.press("Take them out now");
        ada.open("/auth/organization/members");
        ada.see_no("Bo");
        for browser in [&ada, &bo] {
            assert_eq!(browser.complaints(), [""; 0]);
        }
    }
}

#[test]
#[ignore = "needs a browser: tests/browse"]
fn an_application_and_what_its_grant_gives() {
    for setup in BOTH {
        let (_smtp, stage) = whole();
        let ada = signed_in(&stage, setup, "ada");
        let operator = user(&stage, "olga");
        let id = stage.get("/users?search=olga").json()["data"][0]["id"].to_string();
        stage.patch(&format!("/users/{id}"), &json!({ "admin": true })).expect(200);
        ada.open("/auth/agreement");
        ada.press("Accept");
        ada.see("Accepted.");
        let key = made(&ada, "server");
        let minute = || stage.verify(&json!({ "key": key, "dry_run": true }))["limits"][0]["requests"].clone();
        assert_eq!(minute(), 100);
        ada.follow("Plan");
        ada.follow("Apply");
        ada.fill("What you want to do", "A shop <b>for</b> engines");
        ada.fill("Expected volume", "5,000 a day");
        ada.press("Send the application");
        ada.see("open");
        let olga = Browser::new(setup, &stage.server.address);
        olga.open("/auth/admin/applications");
        enter(&olga, &operator);
        olga.see("partner");
        olga.follow("partner");
        olga.see("A shop <b>for</b> engines");
        olga.fill("Note", "Welcome.");
        olga.press("Approve");
        olga.see("Approved: the account has the plan.");
        assert_eq!(minute(), 7777);
        ada.open("/auth/plan");
        ada.see("Welcome.");
        for browser in [&ada, &olga] {
            assert_eq!(browser.complaints(), [""; 0]);
        }
    }
}

/// By way of another origin: a form may be sent to this server alone, and what comes of it leads on all the same.
#[test]
#[ignore = "needs a browser: tests/browse"]
fn another_sign_in_is_linked() {
    for setup in BOTH {
        let (provider, stage) = (FakeProvider::start(), Stage::with(CONFIG));
        let public = format!("http://localhost:{}", stage.server.address.rsplit(':').next().expect("it has a port"));
        stage.folder.rewrite(&format!(
            "{CONFIG}[server]\npublic_url = \"{public}\"\n[sign_in.google]\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
             issuer = \"{}\"\nredirect_uris = [\"{public}/auth/v1/auth/google/callback\"]\n",
            provider.issuer
        ));
        assert!(stage.server.reload().contains("is in force"), "{}", stage.server.log());
        let bo = signed_in(&stage, setup, "bo");
        bo.follow("bo");
        bo.follow("Link one");
        bo.fill("Your password now", PASSWORD);
        // What looks for barriers is a script.
        let inspect = |name: &str| if setup.scripts { bo.inspect(name) } else { Vec::new() };
        assert_eq!(inspect("sign-ins-to-link"), [""; 0]);
        bo.press("Link Google");
        bo.see("Linked. You can sign in with it from now on.");
        bo.see("ada@example.com");
        bo.see_no("Link Google");
        assert_eq!(inspect("sign-ins-linked"), [""; 0]);
        bo.press("Sign out");
        bo.follow("Sign in with Google");
        bo.see("API keys");
        bo.see("bo");
        assert_eq!(bo.complaints(), [""; 0]);
    }
}
