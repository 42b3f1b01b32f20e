//! No page weighs more than 30 KB with its style sheet, whatever people wrote: here they wrote as much as they may, of what weighs most.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::json;

use super::operator::{config, operator};
use super::{QUICK, Route, routes, signed_in};
use crate::support::Stage;
use crate::support::browser::{Browser, Page};
use crate::support::person::Person;
use crate::support::server::text;

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

/// What stands in place of the ids of the table's paths: of each, the heaviest.
struct Heaviest(Vec<(&'static str, String)>);

impl Heaviest {
    /// The page of a row of the table.
    #[track_caller]
    fn page(&self, route: &Route) -> String {
        let path = self.0.iter().fold(route.path.clone(), |path, (place, with)| path.replace(place, with));
        assert!(!path.contains('{'), "nothing heavy is known for {path}");
        format!("/auth{path}")
    }
}

/// Somebody who administrates the server and owns an organization, belongs to many others, and has as much as may be of all there is.
#[track_caller]
fn heaviest(stage: &Stage) -> (Browser<'_>, Heaviest) {
    let root = Person::with(stage, json!({ "admin": true, "name": heavy(200) }));
    let (user, name, fault) = (root.id, heavy(200), heavy(300));
    let organization = || stage.account(json!({ "kind": "organization", "name": name }));
    let belongs =
        |team: &str, user: i64| drop(stage.patch(&format!("/accounts/{team}/members/{user}"), &json!({ "role": "owner" })).expect(200));
    let team = organization();
    belongs(&team, user);
    for number in 0..40 {
        belongs(&organization(), user);
        let email = format!("{}{number:02}@{}.example", "&".repeat(60), "b".repeat(60));
        let member = stage.post("/users", &json!({ "email": email, "name": name, "verified": true })).expect(201).json();
        belongs(&team, member["id"].as_i64().expect("a number"));
        stage.key(&team, json!({ "name": name, "expires_at": "2099-01-01T00:00:00Z" }));
    }
    let ips: Vec<String> = (0..100).map(|number| format!("2001:db8:ffff:ffff:ffff:ffff:ffff:{number:x}")).collect();
    let scopes: Vec<String> = (0..50).map(|number| format!("{number:03}{}", "s".repeat(61))).collect();
    let metadata = json!({ "of": heavy(4000) });
    let key = text(&stage.key(&team, json!({ "name": name, "ips": ips, "scopes": scopes, "metadata": metadata }))["id"]);
    stage.post("/balance", &json!({ "account": team, "tokens": 1, "reason": heavy(500) })).expect(200);
    let token = stage.post("/tokens", &json!({ "name": name, "scopes": ["verify", "admin"], "account": team })).expect(201).json();
    let written = format!("'{}', '{}'", heavy(4000), heavy(500));
    let note = heavy(2000);
    fill(
        stage,
        "applications",
        &format!("{}, '{team}', {user}, 'elite' || n, {written}, 1, 'rejected', 2, 'operator', '{note}'", id("app")),
    );
    let email = format!("'{}' || n || '@{}.example'", "&".repeat(60), "b".repeat(60));
    fill(
        stage,
        "invitations",
        &format!("{}, randomblob(32), '{team}', {email}, 'member', {user}, 1, 99999999999999, NULL, NULL", id("inv")),
    );
    let of_me = format!("{}, randomblob(32), '{team}', '{}', 'member', {user}, 1, 99999999999999, NULL, NULL", id("inv"), root.email);
    fill(stage, "invitations", &of_me.replace("inv_01AR", "inv_01AS"));
    let agent = format!("'password', '::1', '{}', 1, 99999999999000, 99999999999999, NULL, NULL, NULL", heavy(200));
    fill(stage, "sessions", &format!("{}, {user}, '{team}', {agent}", id("ses")));
    fill(stage, "mails", &format!("{}, 'email', '{}', 'verify', '{{}}', NULL, 1, NULL, 1000000, '{fault}', NULL", id("eml"), heavy(254)));
    fill(stage, "outbox", &format!("{}, '{}', 'account.closed', '{{}}', 1, NULL, 1000000, '{fault}', NULL", id("msg"), heavy(60)));
    let wrote = json!({ "name": name, "use_case": heavy(4000), "volume": heavy(500), "note": note, "metadata": metadata }).to_string();
    let by = heavy(60);
    fill(
        stage,
        "audit",
        &format!(
            "{}, 1, '{by}', '::1', 'req', 'user.second_factor_removed', '{by}', '{team}', '{wrote}', '{}'",
            id("aud"),
            wrote.replace("<\"", "!\"")
        ),
    );
    let movement = text(&stage.get(&format!("/accounts/{team}/balance")).expect(200).json()["data"][0]["id"]);
    let (browser, _) = signed_in(stage, &root);
    super::go_on_for(stage, &browser, &team);
    let places = [
        ("/keys/{id}", format!("/keys/{key}")),
        ("/balance/{id}", format!("/balance/{movement}")),
        ("/applications/{id}", "/applications/app_01ARZ3NDEKTSV4RRFFQ6900001".into()),
        ("/audit/{id}", "/audit/aud_01ARZ3NDEKTSV4RRFFQ6900001".into()),
        ("/tokens/{id}", format!("/tokens/{}", text(&token["id"]))),
        ("/accounts/{id}", format!("/accounts/{team}")),
        ("/users/{id}", format!("/users/{user}")),
        ("/members/{user}", format!("/members/{user}")),
        ("/sign-ins/{id}", "/sign-ins/google".into()),
    ];
    (browser, Heaviest(places.into()))
}

/// Those that lead to another page.
const LEAD_ON: [&str; 3] = ["", "/", "/profile/sign-ins/{id}/linked"];

#[test]
fn every_page_of_the_table_is_light() {
    let agreement = "[sign_in.agreement]\nversion = \"1\"\nurl = \"https://example.com/terms\"\n";
    let stage = Stage::with(&config(agreement));
    let (mut browser, heaviest) = heaviest(&stage);
    let sheet = browser.open("/auth/dashboard.css").reply.body.len();
    let is_page = |route: &&Route| {
        route.method == "GET" && !route.path.contains('.') && !["/logo", "/text"].iter().any(|end| route.path.ends_with(end))
    };
    let (mut pages, mut heavy) = (0, Vec::new());
    for route in routes().iter().filter(is_page).filter(|route| !LEAD_ON.contains(&route.path.as_str())) {
        let path = heaviest.page(route);
        let reply = stage.server.send(&browser.request("GET", &path, None));
        assert!(reply.status == 200 || route.access == "VISITOR", "{path}: {reply:?}");
        assert!(reply.header("Content-Type").is_some_and(|media| media.starts_with("text/html")), "{path}: {reply:?}");
        let weight = reply.body.len() + sheet;
        println!("{path} weighs {weight}");
        if weight >= 30_000 {
            heavy.push(format!("{path} weighs {weight}"));
        }
        pages += 1;
    }
    assert!(pages > 45 && heavy.is_empty(), "of {pages}: {heavy:?}");
}

/// The links that hold this, on a page and on all that follow it.
#[track_caller]
fn walked(browser: &mut Browser<'_>, path: &str, holds: &str, further: &str) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let links = is_light(browser, &path, "Settings").links();
        found.extend(links.iter().filter(|link| link.contains(holds)).cloned());
        next = links.into_iter().find(|link| link.contains(further));
    }
    found
}

#[test]
fn what_does_not_fit_stands_behind() {
    let stage = Stage::with(&config(""));
    let (mut browser, heaviest) = heaviest(&stage);
    let place =
        |holds: &str| heaviest.0.iter().find(|(place, _)| *place == holds).map(|(_, with)| format!("/auth/admin{with}")).expect("one");
    assert_eq!(walked(&mut browser, &place("/users/{id}"), "/admin/accounts/acc_", "after=").len(), 42, "their own, the team, and 40");
    assert_eq!(walked(&mut browser, &place("/accounts/{id}"), "/admin/users/", "cursor=").len(), 41);
    let page = is_light(&mut browser, &place("/audit/{id}"), "All of it");
    let whole = browser.open(&link(&page, "/text")).reply;
    assert_eq!(whole.header("Content-Type").as_deref(), Some("text/plain; charset=utf-8"));
    assert!(whole.body.contains(&format!("use_case, Before:\n{}\n", heavy(4000))), "{whole:?}");
    let csv = browser.open("/auth/admin/keys.csv").reply;
    assert!(csv.body.contains(&heavy(4000)), "what is kept with a key");
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
    let theirs = format!("{}/text", link(&browser.open("/auth/plan"), "/plan/applications/app_"));
    others.open(&theirs).says(404, "There is no such thing here.");
    let operators =
        is_light(&mut others, &link(&browser.open("/auth/plan"), "/app_").replace("/plan/", "/admin/"), "Application for elite");
    assert!(others.open(&link(&operators, "/text")).reply.body.contains(&use_case));
    // Also from the page of a form that came back.
    let asked = json!({ "plan": "elite", "use_case": use_case, "volume": volume });
    let open = text(&person.post("/applications", &asked).expect(201).json()["id"]);
    let page = others.open(&format!("/auth/admin/applications/{open}"));
    let page =
        others.send(&page, &format!("admin/applications/{open}/approve"), &[("plan_until", "never")]).says(400, "Application for elite");
    assert!(others.open(&link(&page, "/text")).reply.body.contains(&use_case));
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
