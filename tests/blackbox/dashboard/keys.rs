//! Keys in a browser: made, called with, looked after, rotated, revoked.

use serde_json::json;

use super::{QUICK, signed_in};
use crate::support::person::Person;
use crate::support::server::text;
use crate::support::{Request, Stage};

fn call(stage: &Stage, key: &str) -> u16 {
    stage.server.get("/anything", key).status
}

/// Fields that are there twice, once as a text and once as an object, are a fault of whoever sends them, and no more.
#[test]
fn a_field_that_is_two_things_is_refused() {
    let stage = Stage::with(&format!("{QUICK}[keys]\nlimits = [{{ name = \"minute\", minimum = 1, maximum = 9 }}]\n"));
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let key = text(&stage.key(&person.account, json!({}))["id"]);
    let page = browser.open("/auth/keys/new").says(200, "New key");
    let made = browser.send(&page, "keys", &[("name", "x"), ("name.y", "1")]);
    assert!([201, 400].contains(&made.reply.status), "{made:?}");
    let page = browser.open(&format!("/auth/keys/{key}")).says(200, "Rotate");
    for fields in [&[("name", "x"), ("limits", "foo")][..], &[("name", "x"), ("limits", "foo"), ("limits.minute", "5")]] {
        let changed = browser.send(&page, &key, fields);
        assert_eq!(changed.reply.status, 400, "{changed:?}");
    }
    for path in ["/auth/register", "/auth/forgot"] {
        let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
        let reply = stage.server.send(&request.body(b"email=a%40example.com&email.x=1&password=p"));
        assert!([200, 202, 400].contains(&reply.status), "{path}: {reply:?}");
    }
}

#[test]
fn a_key_is_made_used_rotated_and_revoked() {
    let stage = Stage::with(&format!("{QUICK}[[plans]]\nname = \"free\"\nunlimited = true\n"));
    let person = Person::new(&stage);
    let (mut browser, page) = signed_in(&stage, &person);
    page.says(200, "There are no keys yet.");
    let page = browser.open("/auth/keys/new");
    let made = browser.send(&page, "keys", &[("name", "<b>server</b>"), ("ips", "203.0.113.0/24, 10.9.0.1")]).says(201, "shown this once");
    let key = made.text_of("plain");
    stage.server.handed_out(&key);
    let from = |address: &str| stage.server.send(&Request::get("/anything").bearer(&key).header("X-Forwarded-For", address)).status;
    assert_eq!((from("203.0.113.9"), from("192.0.2.1")), (200, 403));
    // The same form again makes no second one, and shows nothing.
    browser
        .send(&page, "keys", &[("name", "<b>server</b>"), ("ips", "203.0.113.0/24, 10.9.0.1")])
        .says(201, "was made already")
        .says_not(&key);
    let list = browser.open("/auth/keys").says(200, "&#60;b&#62;server").says_not("<b>server").says_not(&key);
    let link = list.links().into_iter().find(|link| link.contains("/keys/key_")).expect("a link to it");
    let page = browser.open(&link).says(200, "203.0.113.0/24").says_not(&key);
    let id = link.rsplit('/').next().expect("an id").to_owned();
    let page = browser.send(&page, &id, &[("name", "renamed"), ("ips", "")]).says(200, "Saved.").says_not("203.0.113.0/24");
    assert_eq!(call(&stage, &key), 200);
    let rotated = browser.send(&page, &format!("{id}/rotate"), &[("grace", "7d")]).says(201, "shown this once");
    let next = rotated.text_of("plain");
    stage.server.handed_out(&next);
    assert_eq!((call(&stage, &key), call(&stage, &next)), (200, 200));
    let page = browser.open(&link).says(200, "Replaced by");
    browser.send(&page, &format!("{id}/revoke"), &[]).says(200, "Revoked: from now on").says(200, "revoked").says_not("Rotate");
    assert_eq!((call(&stage, &key), call(&stage, &next)), (401, 200));
}

#[test]
fn what_is_wrong_is_said_at_its_field_and_what_was_typed_stays() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/keys/new");
    let wrong = browser.send(&page, "keys", &[("name", "a \"name\""), ("ips", "here"), ("expires_at", "2020-01-01"), ("scopes", "a b")]);
    let wrong = wrong.says(400, "class=\"fault\"").says_not("<plain");
    let fields = wrong.form("keys").fields;
    for (name, text) in [("name", "a \"name\""), ("ips", "here"), ("expires_at", "2020-01-01"), ("scopes", "a b")] {
        assert!(fields.contains(&(name.to_owned(), text.to_owned())), "{fields:?}");
    }
    browser.open("/auth/keys").says(200, "There are no keys yet.");
}

#[test]
fn what_belongs_to_others_is_not_there() {
    let stage = Stage::with(QUICK);
    let (ada, eve) = (Person::new(&stage), Person::new(&stage));
    let key = stage.key(&ada.account, serde_json::json!({}));
    let id = key["id"].as_str().expect("an id").to_owned();
    let (mut browser, page) = signed_in(&stage, &eve);
    browser.open(&format!("/auth/keys/{id}")).says(404, "There is no such thing here.");
    let token = page.form("sign-out").fields.remove(0).1;
    for path in ["", "/rotate", "/revoke"] {
        let body = format!("form_token={token}&name=mine&grace=7d&once=1");
        let reply = stage.server.send(&browser.request("POST", &format!("/auth/keys/{id}{path}"), Some(&body)));
        assert_eq!(reply.status, 404, "{reply:?}");
    }
    let shown = stage.get(&format!("/keys/{id}")).expect(200).json();
    assert_eq!(
        (&shown["name"], &shown["revoked_at"], &shown["replaced_by"]),
        (&key["name"], &serde_json::Value::Null, &serde_json::Value::Null)
    );
}

#[test]
fn an_emptied_limit_is_the_plans_again() {
    let config = format!("{QUICK}[keys]\nlimits = [{{ name = \"minute\", minimum = 1, maximum = 60 }}]\n");
    let stage = Stage::with(&config);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/keys/new");
    let made = browser.send(&page, "keys", &[("name", "server"), ("limits.minute", "7")]).says(201, "shown this once");
    stage.server.handed_out(&made.text_of("plain"));
    let link = browser.open("/auth/keys").links().into_iter().find(|link| link.contains("/keys/key_")).expect("a link to it");
    let (page, id) = (browser.open(&link), link.rsplit('/').next().expect("an id").to_owned());
    assert_eq!(stage.get(&format!("/keys/{id}")).expect(200).json()["limits"]["minute"], 7);
    browser.send(&page, &id, &[("limits.minute", "")]).says(200, "Saved.");
    assert_eq!(stage.get(&format!("/keys/{id}")).expect(200).json()["limits"], serde_json::json!({}));
}
