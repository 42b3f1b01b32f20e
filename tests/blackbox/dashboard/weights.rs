//! No page weighs more than 30 KB with its style sheet, whatever people wrote: here they wrote as much as they may, of what weighs most.

use rusqlite::Connection;
use serde_json::json;

use super::operator::{config, operator};
use super::{QUICK, signed_in};
use crate::support::Stage;
use crate::support::browser::{Browser, Page};
use crate::support::person::Person;

/// So much of what is five bytes each in HTML.
fn heavy(length: usize) -> String {
    "<".repeat(length)
}

/// Runs a statement for each number from 1 to 99, as `n`: into a table, what is selected.
#[track_caller]
fn fill(stage: &Stage, table: &str, select: &str) {
    let database = Connection::open(stage.folder.database()).expect("it opens");
    let numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99)";
    database.execute_batch(&format!("INSERT INTO {table} {numbers} SELECT {select} FROM numbers")).expect(table);
}

/// An id of this kind, in SQL.
fn id(kind: &str) -> String {
    format!("printf('{kind}_01ARZ3NDEKTSV4RRFFQ69%05d', n)")
}

/// Opens a page, and fails where it weighs too much.
#[track_caller]
fn is_light(browser: &mut Browser<'_>, path: &str, says: &str) -> Page {
    let sheet = browser.open("/auth/dashboard.css").reply.body.len();
    let page = browser.open(path).says(200, says);
    let weight = page.reply.body.len() + sheet;
    assert!(weight < 30_000, "{path} weighs {weight}");
    page
}

/// The link on a page that leads to one that holds this.
#[track_caller]
fn link(page: &Page, holds: &str) -> String {
    page.links().into_iter().find(|link| link.contains(holds)).unwrap_or_else(|| panic!("no {holds} in {:?}", page.links()))
}

#[test]
fn what_somebody_wrote_about_their_account_is_cut_and_stands_whole_behind() {
    let stage = Stage::with(&config(""));
    let person = Person::with(&stage, json!({ "name": heavy(200) }));
    let account = &person.account;
    let (use_case, volume, note) = (heavy(4000), heavy(500), heavy(2000));
    let select =
        format!("{}, '{account}', {}, 'elite', '{use_case}', '{volume}', 1, 'rejected', 2, 'operator', '{note}'", id("app"), person.id);
    fill(&stage, "applications", &select);
    for number in 0..60 {
        let reason = format!("{number:02}{}", heavy(498));
        stage.post("/balance", &json!({ "account": account, "tokens": 1, "reason": reason })).expect(200);
    }
    let (mut browser, _) = signed_in(&stage, &person);
    is_light(&mut browser, "/auth/plan", "What was sent");
    let list = is_light(&mut browser, "/auth/plan/applications", "What was sent");
    assert_eq!(list.reply.body.matches("What was sent").count(), 25);
    browser.open(&link(&list, "cursor=")).says(200, "What was sent");
    let page = is_light(&mut browser, &link(&list, "/plan/applications/app_"), "Application for elite");
    let whole = browser.open(&link(&page, "/text")).reply;
    assert_eq!(whole.header("Content-Type").as_deref(), Some("text/plain; charset=utf-8"));
    for text in [&use_case, &volume, &note] {
        assert!(whole.body.contains(&format!("\n{text}\n")), "{whole:?}");
    }
    let list = is_light(&mut browser, "/auth/plan/balance", "59&#60;");
    assert_eq!(list.reply.body.matches("/plan/balance/bal_").count(), 25);
    let page = is_light(&mut browser, &link(&list, "/plan/balance/bal_"), "59&#60;");
    assert!(page.reply.body.contains(&"&#60;".repeat(498)), "the whole of it");
    // All this is nobody else's.
    let (mut others, _) = signed_in(&stage, &Person::with(&stage, json!({ "admin": true })));
    for path in [&page.path, &link(&browser.open("/auth/plan"), "/plan/applications/app_")] {
        others.open(path).says(404, "There is no such thing here.");
    }
    let text = format!("{}/text", link(&browser.open("/auth/plan"), "/plan/applications/app_"));
    others.open(&text).says(404, "There is no such thing here.");
    let operators =
        is_light(&mut others, &link(&browser.open("/auth/plan"), "/app_").replace("/plan/", "/admin/"), "Application for elite");
    assert!(others.open(&link(&operators, "/text")).reply.body.contains(&use_case));
}

#[test]
fn invitations_and_accounts_come_page_by_page() {
    let stage = Stage::with(QUICK);
    let person = Person::with(&stage, json!({ "name": heavy(200) }));
    let owner = Person::with(&stage, json!({ "name": heavy(200) }));
    let team = |name: String, member: &Person<'_>| {
        let team = stage.account(json!({ "kind": "organization", "name": name }));
        stage.patch(&format!("/accounts/{team}/members/{}", member.id), &json!({ "role": "owner" })).expect(200);
        team
    };
    for number in 0..30 {
        team(format!("{number:02}{}", heavy(198)), &person);
    }
    let asking = team(heavy(200), &owner);
    let (email, by) = (&person.email, owner.id);
    let select = format!("{}, randomblob(32), '{asking}', '{email}', 'member', {by}, 1, 99999999999999, NULL, NULL", id("inv"));
    fill(&stage, "invitations", &select);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = is_light(&mut browser, "/auth/organization", "Invitations for you");
    let (mut seen, mut next) = (0, Some(page.path.clone()));
    while let Some(path) = next {
        let page = is_light(&mut browser, &path, "Invitations for you");
        seen += page.forms().iter().filter(|form| form.action.ends_with("/accept")).count();
        next = page.links().into_iter().find(|link| link.contains("cursor="));
    }
    assert_eq!(seen, 99, "each is there once");
    let further = browser.open(&link(&page, "after="));
    let options = |page: &Page| page.reply.body.matches("<option ").count();
    assert_eq!((options(&page), options(&further)), (20, 10));
    let last = further.says(200, "29&#60;");
    browser.send(&last, "organization/switch", &[]).says(200, "You act for this account now.");
    is_light(&mut browser, "/auth/organization", "Rename");
}

#[test]
fn the_operators_lists_are_light() {
    let stage = Stage::with(&config(""));
    let root = Person::with(&stage, json!({ "admin": true, "name": heavy(200) }));
    let (account, user) = (&root.account, root.id);
    let (name, fault) = (heavy(200), heavy(300));
    for number in 0..50 {
        let team = stage.account(json!({ "name": name, "plan_until": "2099-01-01", "balance": -1_000_000_000_000_i64 }));
        stage.key(&team, json!({ "name": name, "expires_at": "2099-01-01T00:00:00Z" }));
        let email = format!("{}{number:02}@{}.example", "a".repeat(60), "b".repeat(60));
        stage.post("/users", &json!({ "email": email, "name": name })).expect(201);
        let scopes = ["verify", "admin"];
        stage.post("/tokens", &json!({ "name": name, "scopes": scopes, "account": team })).expect(201);
    }
    fill(
        &stage,
        "applications",
        &format!("{}, '{account}', {user}, 'elite' || n, '{}', '{fault}', 1, 'open', NULL, NULL, ''", id("app"), heavy(4000)),
    );
    let mail = format!("{}, 'email', '{}', 'account_deleted', '{{}}', NULL, 1, NULL, 1000000, '{fault}', NULL", id("eml"), heavy(254));
    fill(&stage, "mails", &mail.replace("account_deleted", "verify"));
    fill(
        &stage,
        "outbox",
        &format!("{}, '{}', 'account.balance_changed', '{{}}', 1, NULL, 1000000, '{fault}', NULL", id("msg"), heavy(60)),
    );
    let after = json!({ "name": heavy(200) }).to_string();
    let audit = format!(
        "{}, 1, '{}', '::1', 'req', 'user.second_factor_removed', '{}', '{account}', 'null', '{after}'",
        id("aud"),
        heavy(60),
        heavy(60)
    );
    fill(&stage, "audit", &audit);
    let (mut browser, _) = signed_in(&stage, &root);
    let search = "%3C".repeat(200);
    for path in ["accounts", "users", "keys", "plans", "applications", "audit", "tokens", "outbox", "outbox/webhooks"] {
        is_light(&mut browser, &format!("/auth/admin/{path}"), "<tbody>");
    }
    let long = format!("audit?account={0}&target={0}&actor={0}", "%3C".repeat(200));
    is_light(&mut browser, &format!("/auth/admin/{long}"), "There is nothing to show.");
    for wrong in [format!("{long}%3C"), format!("outbox?address={search}%3C"), format!("tokens?search={search}%3C")] {
        browser.open(&format!("/auth/admin/{wrong}")).says(400, "must have at most 200 characters");
    }
    for path in ["accounts", "users", "keys", "tokens"] {
        is_light(&mut browser, &format!("/auth/admin/{path}?search={search}"), "Search");
        is_light(&mut browser, &format!("/auth/admin/{path}?search=%3C%3C"), if path == "users" { "Search" } else { "<tbody>" });
    }
}

#[test]
fn plans_and_tokens_are_searched() {
    let plans: String = (0..60).map(|n| format!("[[plans]]\nname = \"plan{n}\"\ntitle = \"Plan <{n}>\"\nlimits = [{{ name = \"minute\", requests = 60, per = \"minute\" }}]\n")).collect();
    let stage = Stage::with(&format!("{QUICK}{plans}[[plans]]\nname = \"free\"\ntitle = \"Gratis\"\ndefault = true\n"));
    let (mut browser, _) = operator(&stage);
    for name in ["build server", "<b>other</b>"] {
        stage.post("/tokens", &json!({ "name": name, "scopes": ["verify"] })).expect(201);
    }
    let page = is_light(&mut browser, "/auth/admin/plans", "Plan &#60;0&#62;").says_not("Plan &#60;59&#62;").says_not("Gratis");
    let mut found = page.reply.body.matches("Plan &#60;").count();
    let mut next = page.links().into_iter().find(|link| link.contains("cursor="));
    while let Some(path) = next {
        let page = browser.open(&path).says(200, "<tbody>");
        found += page.reply.body.matches("Plan &#60;").count();
        next = page.links().into_iter().find(|link| link.contains("cursor="));
    }
    assert_eq!(found, 60);
    for (list, there, not_there) in [
        ("plans?search=GRAT", "<code>free</code>", "plan0"),
        ("plans?search=plan59", "Plan &#60;59&#62;", "plan58"),
        ("tokens?search=BUILD", "build server", "other"),
        ("tokens?search=%3Cb%3E", "other", "build server"),
        ("tokens?search=nowhere", "There is nothing to show.", "build server"),
        ("plans?search=nowhere", "There is nothing to show.", "plan0"),
    ] {
        browser.open(&format!("/auth/admin/{list}")).says(200, there).says_not(not_there);
        let (list, query) = list.split_once('?').expect("a query");
        let csv = browser.open(&format!("/auth/admin/{list}.csv?{query}")).reply;
        assert!(!csv.body.contains(not_there), "{list}: {csv:?}");
    }
    browser.open("/auth/admin/plans?cursor=none").says(400, "is none that this list gave");
}
