//! The credential: taken away before the app by default, kept where the config says so, and nothing else touched.

use base64::Engine as _;
use serde_json::json;

use super::{Front, head};
use crate::support::server::text;
use crate::support::{App, app};

const BASE64: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

/// Each carrier, how a request carries a key in it: a header and a query.
fn carried(carrier: &str, key: &str) -> (String, String) {
    let basic = |pair: String| (format!("Authorization: Basic {}\r\n", BASE64.encode(pair)), String::new());
    match carrier {
        "bearer" => (format!("Authorization: Bearer {key}\r\n"), String::new()),
        "header:api-key" => (format!("Api-Key: {key}\r\n"), String::new()),
        "basic:user" => basic(format!("{key}:")),
        "basic:password" => basic(format!("api:{key}")),
        "scheme:Bot" => (format!("Authorization: Bot {key}\r\n"), String::new()),
        _ => (String::new(), format!("api_key={key}")),
    }
}

const CARRIERS: [&str; 6] = ["bearer", "header:api-key", "basic:user", "basic:password", "scheme:Bot", "query:api_key"];

fn front(carrier: &str, upstream: &str) -> Front {
    let routes = "[[routes]]\npath = \"/open/**\"\nopen = true\n";
    Front::with(App::answering(|_| app::ok("fine")), &format!("{upstream}[keys]\ncarriers = [\"{carrier}\"]\n{routes}"))
}

#[test]
fn the_app_does_not_see_it() {
    for carrier in CARRIERS {
        let front = front(carrier, "");
        let (header, query) = carried(carrier, &front.key);
        for path in ["/x", "/open/x"] {
            let target = if query.is_empty() { format!("{path}?a=1") } else { format!("{path}?a=1&{query}") };
            front.line().ask(head("GET", &target, &format!("{header}X-Kept: yes\r\nCookie: b=2\r\n"))).expect(200);
            let heard = front.app.latest();
            let text = heard.head.text();
            assert!(!text.contains(&front.key) && !text.contains("Basic") && !text.contains("api_key"), "{carrier}: {text}");
            assert_eq!(heard.head.target(), format!("{path}?a=1"), "{carrier}");
            assert_eq!((heard.one("X-Kept"), heard.one("Cookie")), ("yes".into(), "b=2".into()));
            heard.assert_without("Authorization");
            heard.assert_without("Api-Key");
            assert!(heard.one("X-Auth-Key").starts_with("key_"), "{carrier}");
        }
    }
}

#[test]
fn the_app_sees_it_as_it_came_where_it_may() {
    for carrier in CARRIERS {
        let front = front(carrier, "pass_credential = true\n");
        let (header, query) = carried(carrier, &front.key);
        let target = format!("/x?a=1&{query}&b=%C3%A9");
        front.line().ask(head("GET", &target, &header)).expect(200);
        let heard = front.app.only();
        assert_eq!(heard.head.target(), target);
        if let Some((name, value)) = header.trim().split_once(": ") {
            assert_eq!(heard.one(name), value, "{carrier}");
        }
    }
}

#[test]
fn of_a_query_only_the_credential_is_taken_away() {
    let front = front("query:api_key", "");
    let key = &front.key;
    for (sent, expected) in [
        (format!("/x?api_key={key}"), "/x"),
        (format!("/x?a=1%20b+c&api_key={key}&b=%C3%A9&&c"), "/x?a=1%20b+c&b=%C3%A9&&c"),
        (format!("/x?api_key={key}&a=%2f%2F;b"), "/x?a=%2f%2F;b"),
        (format!("/x?a=1&api_key={key}"), "/x?a=1"),
        (format!("/x?api_key={key}&a=1&api_key={key}"), "/x?a=1"),
        (format!("/x?api%5Fkey={key}&api_keys=1&api_key2=3"), "/x?api_keys=1&api_key2=3"),
        (format!("/x?a=api_key&api_key={key}&b=x=y"), "/x?a=api_key&b=x=y"),
    ] {
        front.line().ask(head("GET", &sent, "")).expect(200);
        let heard = front.app.latest();
        assert!(!heard.head.text().contains(key.as_str()), "{sent}: {}", heard.head.text());
        // Of nothing but a question mark either is the same.
        let target = heard.head.target().trim_end_matches('?');
        assert_eq!(target, expected, "{sent}");
    }
}

#[test]
fn where_several_carriers_hold_it_all_are_emptied() {
    let front = Front::with(App::answering(|_| app::ok("fine")), "[keys]\ncarriers = [\"bearer\", \"header:api-key\", \"header:x-key\"]\n");
    let key = &front.key;
    let more = format!("Authorization: Bearer {key}\r\nApi-Key: {key}\r\nX-Key: {key}\r\nAPI-KEY: {key}\r\n");
    front.line().ask(head("GET", "/x", &more)).expect(200);
    let text = front.app.only().head.text();
    assert!(!text.contains(key.as_str()), "{text}");
}

#[test]
fn on_an_open_path_what_is_none_of_ours_is_kept() {
    let front = front("bearer", "");
    let account = front.stage.account(json!({}));
    let revoked = front.stage.key(&account, json!({}));
    front.stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    let disabled = front.stage.key(&account, json!({ "disabled": true }));
    let (revoked, disabled) = (text(&revoked["key"]), text(&disabled["key"]));
    let other = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    let rows = [
        (format!("Bearer {other}"), true),
        ("Basic dXNlcjpwYXNz".into(), true),
        ("Digest username=\"a\"".into(), true),
        (format!("Bearer {}", front.key), false),
        (format!("Bearer {revoked}"), false),
        (format!("Bearer {disabled}"), false),
        (format!("Bearer {}", mistyped(&front.key)), false),
    ];
    for (value, is_kept) in rows {
        front.line().ask(head("GET", "/open/x", &format!("Authorization: {value}\r\n"))).expect(200);
        let heard = front.app.latest();
        assert_eq!(heard.head.header("Authorization"), is_kept.then(|| value.clone()), "{value}");
    }
}

/// A key of ours with its last letter changed.
fn mistyped(key: &str) -> String {
    format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' })
}

#[test]
fn a_carrier_that_is_not_looked_at_is_not_touched() {
    let front = front("header:api-key", "");
    let (key, more) = (&front.key, "Authorization: Bearer of-the-apps-own\r\n");
    front.line().ask(head("GET", "/x?api_key=1", &format!("Api-Key: {key}\r\n{more}"))).expect(200);
    let heard = front.app.only();
    assert_eq!((heard.one("Authorization").as_str(), heard.head.target()), ("Bearer of-the-apps-own", "/x?api_key=1"));
}
