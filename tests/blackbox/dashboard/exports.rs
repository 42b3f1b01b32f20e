//! Downloads as CSV: begun by a page of ours alone, and over once whoever asked may not read it any more.

use serde_json::json;

use super::operator::{audited, config, operator};
use super::usage::seed;
use super::{go_on_for, routes, signed_in};
use crate::support::browser::Browser;
use crate::support::person::Person;
use crate::support::server::text;
use crate::support::wire::Body;
use crate::support::{Line, Request, Stage};

/// All of them, each as its path ends.
fn lists() -> Vec<String> {
    let lists: Vec<String> = routes().into_iter().filter_map(|route| route.path.strip_suffix(".csv").map(str::to_owned)).collect();
    assert!(lists.len() > 9, "{lists:?}");
    lists
}

#[test]
fn no_other_site_begins_one_and_its_head_does_nothing() {
    let stage = Stage::with(&config(""));
    let (browser, _) = operator(&stage);
    for list in lists() {
        let path = format!("/auth{list}.csv");
        for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "https://elsewhere.example")] {
            let reply = stage.server.send(&browser.request("GET", &path, None).header(name, value));
            assert_eq!(reply.status, 403, "{path} {value}: {reply:?}");
        }
        let head = stage.server.send(&browser.request("HEAD", &path, None));
        assert_eq!((head.status, head.body.as_str(), head.header("Content-Length")), (200, "", None), "{path}: {head:?}");
        assert!(head.header("Content-Disposition").is_some_and(|file| file.ends_with(".csv\"")), "{path}: {head:?}");
        assert!(head.header("Content-Type").is_some_and(|media| media.starts_with("text/csv")), "{path}: {head:?}");
    }
    assert!(audited(&stage, "list.exported").is_empty());
    for site in ["same-origin", "none"] {
        stage.server.send(&browser.request("GET", "/auth/admin/accounts.csv", None).header("Sec-Fetch-Site", site)).expect(200);
    }
    assert_eq!(audited(&stage, "list.exported").len(), 2);
}

/// More accounts than the buffers between a server and who reads slowly can hold.
fn many_accounts(stage: &Stage) {
    let row = |number: usize| format!("{}\n", json!({ "name": format!("{number:05}{}", "\u{1f600}".repeat(195)) }));
    let rows: String = (0..20_000).map(row).collect();
    let import = Request::new("POST", "/auth/v1/accounts/import").bearer(&stage.token).header("Content-Type", "application/jsonl");
    stage.server.send(&import.body(rows.as_bytes())).expect(200);
}

/// Begins a download, has something happen, and reads on: whether all of it comes.
#[track_caller]
fn comes_whole(stage: &Stage, browser: &Browser<'_>, path: &str, happens: impl FnOnce()) -> bool {
    let cookies: Vec<String> = browser.cookies.iter().map(|((name, _), value)| format!("{name}={value}")).collect();
    let (mut line, cookies) = (Line::to(&stage.server.address), cookies.join("; "));
    line.say(format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-Forwarded-Proto: https\r\nCookie: {cookies}\r\n\r\n"));
    let head = line.head();
    assert_eq!(head.status(), Some(200), "{path}: {head:?}");
    happens();
    let mut body = Body::of_reply("GET", &head);
    loop {
        match line.piece(&mut body) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

#[test]
fn one_under_way_ends_with_the_session_and_with_the_right_to_it() {
    let stage = Stage::with(&config(""));
    many_accounts(&stage);
    type Ends = fn(&Stage, &Person<'_>);
    let cases: [(&str, Ends, bool); 3] = [
        ("nothing happens", |_, _| (), true),
        ("signed out", |stage, person| drop(stage.delete(&format!("/users/{}/sessions", person.id)).expect(204)), false),
        (
            "no administrator",
            |stage, person| drop(stage.patch(&format!("/users/{}", person.id), &json!({ "admin": false })).expect(200)),
            false,
        ),
    ];
    for (what, happens, is_whole) in cases {
        let (browser, person) = operator(&stage);
        assert_eq!(comes_whole(&stage, &browser, "/auth/admin/accounts.csv", || happens(&stage, &person)), is_whole, "{what}");
    }
}

/// More of it than those buffers can hold: the names of keys are long.
fn much_usage(stage: &Stage, account: &str) {
    let key = |_| text(&stage.key(account, json!({ "name": "\u{1f600}".repeat(200) }))["id"]);
    let keys: Vec<String> = (0..24).map(key).collect();
    let verdicts =
        ["ok", "revoked", "expired", "disabled", "wrong_scope", "rate_limited", "quota_exceeded", "too_large", "upstream_down", "unknown"];
    seed(stage, account, &keys, 90, &verdicts.map(|verdict| (verdict, 1)));
}

#[test]
fn usage_under_way_ends_with_the_session_the_membership_and_a_switch() {
    let stage = Stage::with(&config(""));
    let team = stage.account(json!({ "kind": "organization" }));
    much_usage(&stage, &team);
    let owner = Person::new(&stage);
    stage.patch(&format!("/accounts/{team}/members/{}", owner.id), &json!({ "role": "owner" })).expect(200);
    type Ends = fn(&Stage, &Browser<'_>, &Person<'_>, &str);
    let cases: [(&str, Ends, bool); 4] = [
        ("nothing happens", |_, _, _, _| (), true),
        ("signed out", |stage, _, person, _| drop(stage.delete(&format!("/users/{}/sessions", person.id)).expect(204)), false),
        ("taken out", |stage, _, person, team| drop(stage.delete(&format!("/accounts/{team}/members/{}", person.id)).expect(204)), false),
        ("goes on for another account", |stage, browser, person, _| go_on_for(stage, browser, &person.account), false),
    ];
    for (what, happens, is_whole) in cases {
        let person = Person::of(&stage, &team, "member");
        let (browser, _) = signed_in(&stage, &person);
        go_on_for(&stage, &browser, &team);
        let whole = comes_whole(&stage, &browser, "/auth/usage.csv?period=90d", || happens(&stage, &browser, &person, &team));
        assert_eq!(whole, is_whole, "{what}");
    }
}
