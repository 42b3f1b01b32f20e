//! Whoever administrates the whole server is let in, and nobody else: every path of the table, by every method that it has.

use serde_json::json;

use super::{config, operator, post};
use crate::dashboard::{Route, routes, signed_in};
use crate::support::person::Person;
use crate::support::{Request, Stage};

/// Method and path of every page of the operator's, with something in place of each id.
fn pages() -> Vec<(String, String)> {
    let rows = routes().into_iter().filter(|route| route.path.starts_with("/admin"));
    let pages: Vec<_> = rows
        .map(|Route { method, path, access }| {
            assert_eq!(access, "OVERSEEN", "{path}");
            (method, format!("/auth{}", path.replace("{id}", "1").replace("{user}", "1")))
        })
        .collect();
    assert!(pages.len() > 40 && pages.iter().any(|(method, _)| method == "POST"), "{pages:?}");
    pages
}

#[test]
fn nobody_but_administrators_is_let_in_anywhere() {
    let stage = Stage::with(&config(""));
    let team = stage.account(json!({ "kind": "organization" }));
    let (member, mut owner) = (Person::new(&stage), Person::new(&stage));
    stage.patch(&format!("/accounts/{team}/members/{}", owner.id), &json!({ "role": "owner" })).expect(200);
    owner.switch(&team);
    let (own, others) = (signed_in(&stage, &member), signed_in(&stage, &owner));
    let (mut root, _) = operator(&stage);
    let root_page = root.open("/auth/keys/new");
    let told = || stage.get("/audit?limit=1000").expect(200).json()["data"].as_array().expect("a list").len();
    let before = told();
    for (method, path) in pages() {
        let what = format!("{method} {path}");
        // Who is not signed in, be it with a service token of all there is, is sent to sign in.
        for request in [Request::new(&method, &path), Request::new(&method, &path).bearer(&stage.token)] {
            let request = if method == "POST" { request.header("Content-Type", "application/x-www-form-urlencoded") } else { request };
            let reply = stage.server.send(&request);
            assert_eq!(reply.status, 303, "{what}: {reply:?}");
            assert!(reply.header("Location").is_some_and(|place| place.contains("sign-in")), "{what}");
        }
        // Whoever has an account, or owns an organization, is not; their form's token is sound.
        for (browser, page) in [&own, &others] {
            let reply = match method.as_str() {
                "GET" => stage.server.send(&browser.request("GET", &path, None)),
                _ => post(browser, &stage, Some(page), &path, &[("name", "x"), ("id", "1"), ("revision", "1")]),
            };
            assert_eq!(reply.status, 403, "{what}: {reply:?}");
            assert!(reply.body.contains("Your part in this account does not let you do this"), "{what}: {}", reply.body);
        }
        // An administrator's own browser without the token changes nothing; with it the page is there.
        if method == "POST" {
            let reply = post(&root, &stage, None, &path, &[("name", "x"), ("id", "1")]);
            assert_eq!(reply.status, 403, "{what}: {reply:?}");
            assert!(reply.body.contains("This form is not one of yours"), "{what}: {}", reply.body);
        }
    }
    assert_eq!(told(), before, "nothing was done");
    for (method, path) in pages().into_iter().filter(|(_, path)| !path.ends_with(".csv")) {
        let reply = match method.as_str() {
            "GET" => stage.server.send(&root.request("GET", &path, None)),
            _ => post(&root, &stage, Some(&root_page), &path, &[]),
        };
        assert!([200, 303, 400, 404, 409, 412].contains(&reply.status), "{method} {path}: {reply:?}");
    }
}

#[test]
fn whoever_is_no_administrator_any_more_is_out_at_once() {
    let stage = Stage::with(&config(""));
    let (mut browser, person) = operator(&stage);
    let page = browser.open("/auth/admin/accounts/new").says(200, "New account");
    stage.patch(&format!("/users/{}", person.id), &json!({ "admin": false })).expect(200);
    browser.open("/auth/admin/accounts").says(403, "does not let you do this");
    let reply = post(&browser, &stage, Some(&page), "/auth/admin/accounts", &[("name", "mine"), ("once", "1")]);
    assert_eq!(reply.status, 403, "{reply:?}");
}

#[test]
fn a_form_of_the_operators_counts_from_our_own_pages_alone() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let page = browser.open("/auth/admin/accounts/new").says(200, "New account");
    let fields = page.form("admin/accounts").fields;
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).append_pair("name", "foreign").finish();
    for origin in ["https://evil.example", "null"] {
        let request = browser.request("POST", "/auth/admin/accounts", None).header("Origin", origin);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes());
        stage.server.send(&request).expect(403);
    }
    browser.open("/auth/admin/accounts?search=foreign").says(200, "There is nothing to show.");
}
