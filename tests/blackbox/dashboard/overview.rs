//! The overview tells what was sent through the gate, whoever sent it, and nothing of what somebody wrote is more than text.

use rusqlite::Connection;
use serde_json::json;

use super::{QUICK, signed_in};
use crate::support::browser::{Browser, Page};
use crate::support::person::Person;
use crate::support::server::text;
use crate::support::{Request, Stage, eventually};

const MARKUP: &str = "<script>alert('1')</script>";

fn boss(stage: &Stage) -> Browser<'_> {
    signed_in(stage, &Person::with(stage, json!({ "admin": true }))).0
}

/// The numbers of the row whose head begins so.
#[track_caller]
fn row(page: &Page, name: &str) -> Vec<u64> {
    found(page, name).unwrap_or_else(|| panic!("no row {name}: {}", page.reply.body))
}

fn found(page: &Page, name: &str) -> Option<Vec<u64>> {
    let rows = page.reply.body.split("<tr>").filter(|row| row.starts_with("<th scope=\"row\">"));
    let is_it = |row: &&str| {
        let head = row.split("</th>").next().unwrap_or_default();
        let head = head.split('<').map(|piece| piece.split('>').nth(1).unwrap_or_default()).collect::<String>();
        head.trim().starts_with(name)
    };
    let row = rows.into_iter().find(is_it)?;
    let cells = row.split("<td").skip(1).map(|cell| cell.split_once('>').expect("a cell").1.split('<').next().unwrap_or_default());
    Some(cells.filter_map(|cell| cell.replace(',', "").parse().ok()).collect())
}

/// The page, once it tells so many requests in all, and as many of this account: who is busiest is kept for a second.
#[track_caller]
fn told(browser: &mut Browser<'_>, place: &str, all: u64, (account, count): (&str, u64)) -> Page {
    let requests = format!("id=\"told\">{all} requests");
    eventually("the page tells all requests", || {
        let page = browser.open(place);
        let is_counted = found(&page, account).is_some_and(|counts| counts[0] == count);
        (page.reply.body.contains(&requests) && is_counted).then_some(page)
    })
}

#[test]
fn it_tells_what_was_sent_through_the_gate() {
    let stage = Stage::with(QUICK);
    let mut browser = boss(&stage);
    browser.open("/auth/admin").says(200, "There were no requests in this time.").says_not("Busiest");
    let (busy, quiet) = (stage.account(json!({ "name": "Busy" })), stage.account(json!({ "name": "Quiet" })));
    let (first, second) = (stage.key(&busy, json!({ "name": "first" })), stage.key(&busy, json!({ "name": "second" })));
    let (third, ended) = (stage.key(&quiet, json!({ "name": "third" })), stage.key(&quiet, json!({ "name": "ended" })));
    stage.delete(&format!("/keys/{}", text(&ended["id"]))).expect(204);
    for (key, times) in [(&first, 7), (&second, 3), (&third, 2), (&ended, 4)] {
        for _ in 0..times {
            stage.server.get("/v1/sets", &text(&key["key"]));
        }
    }
    (0..5).for_each(|_| drop(stage.server.send(&Request::get("/v1/sets"))));
    for place in ["/auth/admin", "/auth/admin?period=24h", "/auth/admin?period=30d"] {
        let page = told(&mut browser, place, 21, ("Busy", 10)).says(200, "21 requests: 12 passed, 9 were refused, 0 failed");
        assert_eq!((row(&page, "Passed"), row(&page, "No key"), row(&page, "Key revoked")), (vec![12], vec![5], vec![4]), "{place}");
        // Requests, passed, refused, failed.
        for (name, counts) in [
            ("Busy", [10, 10, 0, 0]),
            ("Quiet", [6, 2, 4, 0]),
            ("first", [7, 7, 0, 0]),
            ("ended", [4, 0, 4, 0]),
            ("second", [3, 3, 0, 0]),
            ("third", [2, 2, 0, 0]),
        ] {
            assert_eq!(row(&page, name), counts, "{name} at {place}");
        }
        let at = |name: &str| page.reply.body.find(&format!(">{name}")).unwrap_or_else(|| panic!("{name}"));
        assert!(at("Busy") < at("Quiet") && at("first") < at("ended") && at("ended") < at("second"), "the busiest first");
        let requests = *row(&page, "Requests through the gate").last().expect("a count");
        assert_eq!(requests, 21, "each was timed");
    }
    browser.open("/auth/admin?period=1y").says(400, "must be 24h");
}

#[test]
fn it_goes_on_after_a_restart() {
    let stage = Stage::with(QUICK);
    let key = stage.raw_key("free");
    (0..3).for_each(|_| drop(stage.server.get("/v1/sets", &key).expect(200)));
    let stage = stage.restart();
    (0..2).for_each(|_| drop(stage.server.get("/v1/sets", &key).expect(200)));
    let mut browser = boss(&stage);
    let page = told(&mut browser, "/auth/admin", 5, ("tester", 5));
    assert_eq!(*row(&page, "Requests through the gate").last().expect("a count"), 2, "times are since the start");
    drop(browser);
    let (_, log) = stage.server.stop();
    let connection = Connection::open(stage.folder.database()).expect("the database opens");
    let sum =
        |table: &str| connection.query_row(&format!("SELECT sum(count) FROM {table}"), [], |row| row.get::<_, i64>(0)).expect("a sum");
    assert_eq!((sum("usage"), sum("usage_totals")), (5, 5), "{log}");
}

#[test]
fn it_tells_how_much_there_is_and_how_much_is_new() {
    let stage = Stage::with(QUICK);
    let mut browser = boss(&stage);
    let account = stage.account(json!({}));
    (0..3).for_each(|_| drop(stage.key(&account, json!({}))));
    // One user, with an account of their own, and the other account.
    let page = eventually("all is counted", || {
        let page = browser.open("/auth/admin");
        (page.reply.body.contains("In all") && row(&page, "In all") == [2, 1, 3]).then_some(page)
    });
    let day = page.reply.body.split("In all</th>").nth(1).and_then(|rest| rest.split("<th scope=\"row\">").nth(1)).expect("a day");
    let day = day.split('<').next().expect("a date").to_owned();
    assert_eq!((day.len(), row(&page, &day)), (10, vec![2, 1, 3]), "{day}");
}

#[test]
fn it_tells_what_needs_a_look() {
    let config = format!("[server]\nmax_connections = 100\n[upstream]\nurl = \"http://127.0.0.1:1\"\n{QUICK}");
    let plans = "[[plans]]\nname = \"free\"\ndefault = true\n[[plans]]\nname = \"big\"\nreview = true\n";
    let stage = Stage::with(&format!("{config}{plans}"));
    let mut browser = boss(&stage);
    let page = browser.open("/auth/admin").says(200, "Needs a look").says(200, "No backup is known");
    page.says_not("Errors in the log").says_not("class=\"count\"");
    let person = Person::new(&stage);
    person.post("/applications", &json!({ "plan": "big", "use_case": MARKUP, "volume": "much" })).expect(201);
    stage.server.get("/v1/sets", &stage.raw_key("free")).expect(502);
    stage.folder.json(&["backup", stage.folder.path("copy.db").to_str().expect("a path")]);
    let page = eventually("the fault is told", || {
        let page = browser.open("/auth/admin");
        page.reply.body.contains("Errors in the log since the start: 1").then_some(page)
    });
    let page = page.says(200, "Applications to decide: 1").says_not("No backup is known").says_not("given up");
    assert!(page.links().contains(&"/auth/admin/system".to_owned()), "{:?}", page.links());
    // What was given up is told apart, and leads to what it is.
    let database = rusqlite::Connection::open(stage.folder.database()).expect("it opens");
    let rows = "INSERT INTO mails SELECT 'eml_' || value, 'email', 'a@example.com', 'verify', '{}', NULL, 1, NULL, 9, 'gone', NULL FROM json_each('[1, 2]');
        INSERT INTO outbox VALUES ('msg_1', 'main', 'key.revoked', '{}', 1, NULL, 9, 'gone', NULL);";
    database.execute_batch(rows).expect("they are there");
    let page = browser
        .open("/auth/admin")
        .says(200, "Mails and SMS that were given up: 2")
        .says(200, "Messages of webhooks that were given up: 1");
    for (place, holds) in [("outbox", "a@example.com"), ("outbox/webhooks", "key.revoked")] {
        let link = format!("/auth/admin/{place}?state=given_up");
        assert!(page.links().contains(&link), "{:?}", page.links());
        browser.open(&link).says(200, holds);
    }
}

#[test]
fn what_somebody_wrote_is_text_and_makes_no_page_heavy() {
    let stage = Stage::with(QUICK);
    for number in 0..12 {
        let long = format!("{MARKUP}{number} {}", "<".repeat(150));
        let account = stage.account(json!({ "name": long }));
        let key = stage.key(&account, json!({ "name": long }));
        stage.server.get("/v1/sets", &text(&key["key"])).expect(200);
    }
    let boss = Person::with(&stage, json!({ "admin": true, "name": MARKUP }));
    let (mut browser, _) = signed_in(&stage, &boss);
    let page = told(&mut browser, "/auth/admin", 12, ("&#60;script", 1)).says_not("<script>alert").says_not("alert('1')");
    assert!(page.reply.body.matches("alert(").count() >= 4, "it is shown: {}", page.reply.body);
    let sheet = browser.open("/auth/dashboard.css").reply.body.len();
    assert!(page.reply.body.len() + sheet < 30 * 1024, "it weighs {} with {sheet}", page.reply.body.len());
}

#[test]
fn it_is_for_administrators_alone() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    owner.organization("Everyone");
    let (mut browser, _) = signed_in(&stage, &owner);
    for place in ["/auth/admin", "/auth/admin?period=30d"] {
        browser.open(place).says(403, "does not let you do this").says_not("In all");
    }
    // Whoever is none any more is out at once.
    let boss = Person::with(&stage, json!({ "admin": true }));
    let (mut browser, _) = signed_in(&stage, &boss);
    browser.open("/auth/admin").says(200, "Growth");
    stage.patch(&format!("/users/{}", boss.id), &json!({ "admin": false })).expect(200);
    browser.open("/auth/admin").says(403, "does not let you do this").says_not("In all");
}
