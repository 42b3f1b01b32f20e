//! The lists: from the first row to the last, searched, exported, and safe whatever people wrote.

use std::collections::BTreeSet;

use serde_json::json;

use super::{audited, config, exported, operator};
use crate::support::browser::Browser;
use crate::support::person::Person;
use crate::support::server::text;
use crate::support::{Stage, eventually};

const SCRIPT: &str = "<script>alert(1)</script>";

/// What the pages of a list link to in a folder, from the first to the last.
#[track_caller]
fn walked(browser: &mut Browser<'_>, list: &str, folder: &str) -> Vec<String> {
    let (mut found, mut page) = (Vec::new(), browser.open(list).says(200, "<table"));
    loop {
        let links = page.links();
        found.extend(
            links
                .iter()
                .filter_map(|link| link.split_once(&format!("/admin/{folder}/")))
                .map(|(_, id)| id.to_owned())
                .filter(|id| id != "new"),
        );
        let Some(next) = links.into_iter().find(|link| link.contains("cursor=")) else { return found };
        page = browser.open(&next).says(200, "<table");
    }
}

#[test]
fn paging_to_the_end_neither_repeats_nor_skips() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    for number in 0..120 {
        stage.account(json!({ "name": format!("{number} {}", "long & lasting ".repeat(10)) }));
    }
    let account = stage.account(json!({ "name": "holder" }));
    for number in 0..60 {
        stage.server.handed_out(&text(&stage.key(&account, json!({ "name": format!("key {number}") }))["key"]));
    }
    for (list, folder, api) in [
        ("/auth/admin/accounts", "accounts", "/accounts?limit=1000"),
        ("/auth/admin/keys", "keys", "/keys?limit=1000"),
        ("/auth/admin/audit?action=account.created", "audit", "/audit?limit=1000&action=account.created"),
    ] {
        let there: Vec<String> =
            stage.get(api).expect(200).json()["data"].as_array().unwrap().iter().map(|record| text(&record["id"])).collect();
        assert!(there.len() > 50, "{list}");
        let found = walked(&mut browser, list, folder);
        assert_eq!(found, there, "{list}");
        let (path, query) = list.split_once('?').unwrap_or((list, ""));
        let rows = exported(&mut browser, &format!("{path}.csv?{query}"));
        assert_eq!(rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), there, "{list}");
    }
    // What was searched for stays so on the next page.
    let found = walked(&mut browser, "/auth/admin/accounts?search=LASTING", "accounts");
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (120, 120));
}

#[test]
fn each_list_finds_what_is_asked_for() {
    let config = config(
        "[webhooks.main]\nurl = \"http://127.0.0.1:9/\"\nsecret = \"whsec_c3BlYWsgZnJpZW5kIGFuZCBlbnRlciwgbm93ISE=\"\nallow_private = true\nevents = [\"account.created\"]\n",
    );
    let stage = Stage::with(&config);
    let (mut browser, root) = operator(&stage);
    let (one, other) = (stage.account(json!({ "name": "Acme Ltd" })), stage.account(json!({ "name": "Umbrella" })));
    let key = stage.key(&one, json!({ "name": "first key" }));
    let second = stage.key(&other, json!({ "name": "second key" }));
    let person = Person::with(&stage, json!({ "name": "Grace Hopper" }));
    stage.delete(&format!("/keys/{}", text(&key["id"]))).expect(204);
    let today = text(&stage.get(&format!("/accounts/{one}")).expect(200).json()["created_at"])[..10].to_owned();
    for (list, there, not_there) in [
        ("accounts?search=acme".to_owned(), "Acme Ltd", "Umbrella"),
        (format!("accounts?search={other}"), "Umbrella", "Acme"),
        ("users?search=hopper".to_owned(), "Grace Hopper", ">Root</td>"),
        (format!("users?search={}", root.email), "Root", "Grace"),
        (format!("keys?account={one}"), "first key", "second key"),
        ("keys?search=second&account=".to_owned(), "second key", "first key"),
        (format!("keys?search={}", text(&second["key"])), "second key", "first key"),
        (format!("audit?target={}", text(&key["id"])), "key.revoked", ">account.created</td>"),
        ("audit?action=key.revoked&account=&from=&to=".to_owned(), "key.revoked", ">account.created</td>"),
        (format!("audit?account={one}&action=account.created"), ">account.created</td>", "Umbrella"),
        (format!("audit?from={today}&action=user.created"), "Grace", "nobody"),
        ("outbox/webhooks?endpoint=main".to_owned(), "account.created", "There is nothing"),
    ] {
        browser.open(&format!("/auth/admin/{list}")).says(200, there).says_not(not_there);
    }
    for nothing in [
        "accounts?search=nowhere",
        "users?search=nowhere",
        "keys?account=acc_none",
        "audit?to=2020-01-01",
        "audit?actor=tok_none",
        "applications",
        "outbox?state=given_up",
        "outbox/webhooks?endpoint=none",
    ] {
        browser.open(&format!("/auth/admin/{nothing}")).says(200, "There is nothing to show.");
    }
    for wrong in [
        "accounts?cursor=x",
        "audit?from=soon",
        "audit?action=key.eaten",
        "outbox?state=lost",
        "applications?state=lost",
        "accounts?seek=x",
        "users?cursor=-1",
    ] {
        browser.open(&format!("/auth/admin/{wrong}")).says(400, "This did not work");
    }
    assert_eq!(person.stage.token, stage.token);
}

#[test]
fn an_export_holds_the_same_without_a_formula_or_a_secret_and_the_audit_tells_of_it() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    for name in ["=1+1", "+1", "-1", "@SUM(A1)", "a, \"b\"", "plain"] {
        stage.account(json!({ "name": name, "balance": -7 }));
    }
    let account = stage.account(json!({ "name": "holder" }));
    let key = stage.key(&account, json!({ "name": "=HYPERLINK(\"https://evil.example\")" }));
    let rows = exported(&mut browser, "/auth/admin/accounts.csv");
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str()).collect();
    for name in ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "a, \"b\"", "plain"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let one = rows.iter().find(|row| row["name"] == "plain").expect("it is there");
    assert_eq!((one["balance"].as_str(), one["state"].as_str(), one["plan"].as_str()), ("-7", "active", "free"));
    let keys = browser.open("/auth/admin/keys.csv").reply.body;
    assert!(keys.contains("'=HYPERLINK") && !keys.contains(&text(&key["key"])), "{keys}");
    let hash = crate::support::Request::get("/auth/v1/keys/export").bearer(&stage.token);
    let hash = stage.server.send(&hash).expect(200).body;
    let hash = serde_json::from_str::<serde_json::Value>(hash.lines().next().expect("a row")).expect("JSON")["hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    assert!(!keys.contains(&hash));
    for list in ["users", "plans", "applications", "audit", "tokens", "outbox", "outbox/webhooks"] {
        exported(&mut browser, &format!("/auth/admin/{list}.csv"));
    }
    let told: Vec<String> = audited(&stage, "list.exported").iter().map(|entry| text(&entry["after"]["list"])).collect();
    assert_eq!(told, ["outbox/webhooks", "outbox", "tokens", "audit", "applications", "plans", "users", "keys", "accounts"]);
    // Places are given back, and what is asked wrongly takes none.
    browser.open("/auth/admin/accounts.csv?cursor=x").says(400, "This did not work");
    eventually("a place is free", || (browser.open("/auth/admin/accounts.csv?search=plain").reply.status == 200).then_some(()));
    assert_eq!(exported(&mut browser, "/auth/admin/accounts.csv?search=plain").len(), 1);
}

#[test]
fn whatever_people_wrote_is_shown_and_never_run() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let person = Person::with(&stage, json!({ "name": SCRIPT }));
    stage.patch(&format!("/accounts/{}", person.account), &json!({ "name": SCRIPT })).expect(200);
    let key = stage.key(&person.account, json!({ "name": SCRIPT, "metadata": { "note": SCRIPT } }));
    let token = stage.post("/tokens", &json!({ "name": SCRIPT, "scopes": ["verify"] })).expect(201).json();
    let application = json!({ "plan": "elite", "use_case": SCRIPT, "volume": SCRIPT });
    let application = text(&person.post("/applications", &application).expect(201).json()["id"]);
    let entry = text(&audited(&stage, "application.opened")[0]["id"]);
    for path in [
        "accounts".to_owned(),
        format!("accounts/{}", person.account),
        "users".to_owned(),
        format!("users/{}", person.id),
        "keys".to_owned(),
        format!("keys/{}", text(&key["id"])),
        "tokens".to_owned(),
        format!("tokens/{}", text(&token["id"])),
        "applications".to_owned(),
        format!("applications/{application}"),
        "audit?action=account.changed".to_owned(),
        format!("audit/{entry}"),
    ] {
        browser.open(&format!("/auth/admin/{path}")).says(200, "&#60;script&#62;alert(1)").says_not("<script>alert");
    }
    let page = browser.open(&format!("/auth/admin/accounts?search={}", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"));
    page.says(200, "There is nothing to show.").says_not("<script>alert");
}
