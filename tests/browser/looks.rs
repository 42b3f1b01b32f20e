//! Every page that can be opened by its address, wide and narrow, light and dark: nothing wider than the screen, no barrier, no
//! complaint of the browser. Their pictures are for people to look at.

use serde_json::json;

use super::driver::{BOTH, Browser};
use super::site::{enter, path_of, user, whole};
use super::support::Stage;
use super::support::authenticator::Authenticator;
use super::support::person::PASSWORD;
use super::support::server::text;

/// Pages of whoever is not signed in.
const ENTRY: [&str; 4] = ["sign-in", "register", "forgot", "docs"];

/// Pages of a developer.
const DEVELOPER: [&str; 24] = [
    "keys",
    "keys?search=nothing",
    "keys/new",
    "keys/KEY",
    "usage",
    "usage?period=90d",
    "usage?key=KEY",
    "plan",
    "plan/balance",
    "plan/applications",
    "plan/applications/new",
    "plan/applications/APPLICATION",
    "agreement",
    "organization",
    "organization/members",
    "organization/invitations",
    "organization/close",
    "profile",
    "profile/email",
    "profile/phone",
    "profile/password",
    "profile/sign-ins",
    "profile/sessions",
    "profile/second-factor",
];

/// Pages of whoever administrates the server.
const OPERATOR: [&str; 21] = [
    "admin",
    "admin?done=first",
    "admin/system",
    "admin/accounts",
    "admin/accounts/new",
    "admin/accounts/ACCOUNT",
    "admin/users",
    "admin/users/new",
    "admin/users/USER",
    "admin/keys",
    "admin/keys/new",
    "admin/keys/KEY",
    "admin/plans",
    "admin/applications",
    "admin/applications/APPLICATION",
    "admin/audit",
    "admin/tokens",
    "admin/tokens/new",
    "admin/outbox",
    "admin/outbox/webhooks",
    "profile/delete",
];

/// An administrator with something on every page: an organization, keys that were used, an application, an invitation.
fn peopled(stage: &Stage, browser: &Browser) -> Vec<(&'static str, String)> {
    let email = user(stage, "ada");
    let ada = stage.get("/users?search=ada").json()["data"][0].clone();
    stage.patch(&format!("/users/{}", ada["id"]), &json!({ "admin": true })).expect(200);
    browser.open("/auth/agreement");
    enter(browser, &email);
    browser.press("Accept");
    browser.see("Accepted.");
    browser.open("/auth/organization");
    browser.fill("Name", "Engines & Company of a rather long name");
    browser.press("Make it");
    browser.see("Engines & Company");
    browser.open("/auth/organization/invitations");
    browser.fill("E-mail", "somebody.with.a.long.name@example.com");
    browser.press("Invite");
    browser.see("somebody.with");
    browser.open("/auth/plan/applications/new");
    browser.fill("What you want to do", "A shop for engines.\nAnd for parts.");
    browser.fill("Expected volume", "5,000 a day");
    browser.press("Send the application");
    browser.see("open");
    let application = text(&stage.get("/applications").json()["data"][0]["id"]);
    let accounts = stage.get("/accounts").json();
    let account = accounts["data"].as_array().unwrap().iter().find(|account| account["kind"] == "organization").unwrap().clone();
    let account = text(&account["id"]);
    let key = stage.key(&account, json!({ "name": "server", "limits": { "minute": 3 } }));
    (0..5).for_each(|_| drop(stage.server.get("/x", &text(&key["key"]))));
    for number in 0..5 {
        stage.key(&account, json!({ "name": format!("key number {number} of a long name") }));
    }
    vec![("KEY", text(&key["id"])), ("ACCOUNT", account), ("USER", ada["id"].to_string()), ("APPLICATION", application)]
}

/// Sets the second factor up, page by page; what is wrong with them, and with those that know of it.
fn second_factor(browser: &Browser) -> Vec<String> {
    let mut wrong = Vec::new();
    browser.open("/auth/profile/second-factor");
    browser.fill("Your password now", PASSWORD);
    browser.press("Set it up");
    browser.see("Scan this with your app.");
    wrong.extend(browser.inspect("second-factor-begun"));
    browser.fill("Code that your app shows now", &Authenticator::of(&browser.read("#secret")).code(0));
    browser.press("Confirm");
    browser.see("Recovery codes");
    wrong.extend(browser.inspect("recovery-codes"));
    for (path, name) in
        [("profile", "profile-guarded"), ("profile/second-factor", "second-factor-on"), ("profile/delete", "delete-guarded")]
    {
        browser.open(&format!("/auth/{path}"));
        wrong.extend(browser.inspect(name));
    }
    wrong
}

fn filled(path: &str, names: &[(&str, String)]) -> String {
    names.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
}

/// What a page's pictures are called.
fn called(path: &str) -> String {
    path.replace(['/', '?', '='], "-")
}

#[test]
#[ignore = "needs a browser: tests/browse"]
fn every_page_can_be_read_by_everybody() {
    let (smtp, stage) = whole();
    let browser = Browser::new(BOTH[0], &stage.server.address);
    let mut wrong = Vec::new();
    for path in ENTRY {
        browser.open(&format!("/auth/{path}"));
        wrong.extend(browser.inspect(&called(path)));
    }
    let names = peopled(&stage, &browser);
    for path in DEVELOPER.iter().chain(&OPERATOR) {
        browser.open(&format!("/auth/{}", filled(path, &names)));
        assert!(!browser.text().contains("There is no such thing"), "{path}");
        wrong.extend(browser.inspect(&called(path)));
    }
    wrong.extend(second_factor(&browser));
    let guest = Browser::new(BOTH[0], &stage.server.address);
    guest.open(&path_of(&smtp.wait_for_mail_to("somebody.with.a.long.name@example.com").link()));
    wrong.extend(guest.inspect("invitation"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
