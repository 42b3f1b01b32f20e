//! The agreement in a browser: asked for before a key is made, accepted, and back.

use serde_json::json;

use super::{QUICK, signed_in};
use crate::support::Stage;
use crate::support::person::Person;

fn config(version: &str) -> String {
    format!("{QUICK}[sign_in.agreement]\nversion = '{version}'\nurl = \"https://example.com/terms\"\n")
}

#[test]
fn whoever_makes_a_key_accepts_it_first_and_comes_back() {
    let stage = Stage::with(&config("1 <b>"));
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/keys/new").says(200, "accept the Developer Agreement").says_not("Create the key");
    // A form that was open before leads there, too.
    let token = page.form("sign-out").fields.remove(0).1;
    let body = format!("form_token={token}&name=server&once=1");
    let reply = stage.server.send(&browser.request("POST", "/auth/keys", Some(&body)));
    assert_eq!((reply.status, reply.header("Location").as_deref()), (303, Some("./agreement?next=keys/new")));
    let link = page.links().into_iter().find(|link| link.contains("/agreement?")).expect("a link to it");
    let page = browser.open(&link).says(200, "Version 1 &#60;b&#62;.").says_not("1 <b>").says_not("You accepted it");
    assert!(page.reply.body.contains("href=\"https://example.com/terms\" rel=\"noopener\""), "{page:?}");
    browser.send(&page, "agreement", &[("form_token", "")]).says(403, "This form is not one of yours");
    // Another version than that of now is shown that of now.
    browser.send(&page, "agreement", &[("version", "0")]).says(200, "Version 1").says_not("You accepted it");
    let page = browser.send(&page, "agreement", &[]).says(200, "Create the key");
    assert_eq!(page.path, "/auth/keys/new");
    let made = browser.send(&page, "keys", &[("name", "server")]).says(201, "shown this once");
    stage.server.handed_out(&made.text_of("plain"));
    browser.open("/auth/agreement").says(200, "You accepted it on 20").says_not("</button></form></main>");
    assert_eq!(stage.get(&format!("/users/{}", person.id)).expect(200).json()["agreement"], "1 <b>");
}

#[test]
fn nobody_is_sent_elsewhere_by_it() {
    let stage = Stage::with(&config("1"));
    for next in ["//evil.example", "https://evil.example/", "..%2f..%2fevil", "javascript:alert(1)", "\"><script>"] {
        let person = Person::new(&stage);
        let (mut browser, _) = signed_in(&stage, &person);
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = browser.open(&format!("/auth/agreement?next={query}")).says(200, "Accept").says_not("<script>");
        assert_eq!(browser.send(&page, "agreement", &[]).says(200, "API keys").path, "/auth/keys", "{next}");
    }
}

#[test]
fn where_there_is_none_nobody_is_asked() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    browser.open("/auth/agreement").says(404, "There is no such thing here.");
    browser.open("/auth/keys/new").says(200, "Create the key").says_not("Agreement");
}

#[test]
fn a_key_is_rotated_under_the_version_of_now() {
    let stage = Stage::with(&config("1"));
    let person = Person::new(&stage);
    let key = stage.key(&person.account, json!({}));
    let id = key["id"].as_str().expect("an id").to_owned();
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open(&format!("/auth/keys/{id}")).says(200, "Rotate");
    let page = browser.send(&page, &format!("{id}/rotate"), &[("grace", "7d")]).says(200, "Developer Agreement");
    let page = browser.send(&page, "agreement", &[]).says(200, "Rotate");
    assert_eq!(page.path, format!("/auth/keys/{id}"));
}

/// The profile says which version somebody has accepted, and when; and that another is asked for now.
#[test]
fn the_profile_says_what_was_accepted() {
    let stage = Stage::with(&config("1 <b>"));
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile").says(200, "not accepted yet");
    let link = page.links().into_iter().find(|link| link == "/auth/agreement").expect("a link to it");
    let page = browser.open(&link);
    browser.send(&page, "agreement", &[]);
    let page = browser.open("/auth/profile").says(200, "Version 1 &#60;b&#62;. You accepted it on 20");
    page.says_not("not accepted yet").says_not("a newer version");
    stage.folder.rewrite(&config("2"));
    stage.server.reload();
    browser.open("/auth/profile").says(200, "Version 1 &#60;b&#62;. You accepted it on 20").says(200, "There is a newer version.");
}
