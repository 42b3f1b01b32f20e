//! Downloads as CSV: begun by a page of ours alone, and over once whoever asked may not read it any more.

use serde_json::json;

use super::operator::{audited, config, operator};
use crate::support::person::Person;
use crate::support::wire::Body;
use crate::support::{Line, Request, Stage};

const LISTS: [&str; 9] = [
    "usage",
    "admin/accounts",
    "admin/users",
    "admin/keys",
    "admin/plans",
    "admin/applications",
    "admin/audit",
    "admin/tokens",
    "admin/outbox/webhooks",
];

#[test]
fn no_other_site_begins_one_and_its_head_does_nothing() {
    let stage = Stage::with(&config(""));
    let (browser, _) = operator(&stage);
    for list in LISTS {
        let path = format!("/auth/{list}.csv");
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
        let cookies: Vec<String> = browser.cookies.iter().map(|((name, _), value)| format!("{name}={value}")).collect();
        let (mut line, cookies) = (Line::to(&stage.server.address), cookies.join("; "));
        line.say(format!("GET /auth/admin/accounts.csv HTTP/1.1\r\nHost: test\r\nX-Forwarded-Proto: https\r\nCookie: {cookies}\r\n\r\n"));
        let head = line.head();
        assert_eq!(head.status(), Some(200), "{what}: {head:?}");
        happens(&stage, &person);
        let mut body = Body::of_reply("GET", &head);
        let ended = loop {
            match line.piece(&mut body) {
                Ok(Some(_)) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        assert_eq!(ended, is_whole, "{what}");
    }
}
