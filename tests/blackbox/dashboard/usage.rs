//! Usage in a browser: real requests, and then the numbers on the page and in the file.

use rusqlite::{Connection, params};
use serde_json::json;

use super::{QUICK, signed_in};
use crate::support::browser::{Browser, Page};
use crate::support::person::{PASSWORD, Person};
use crate::support::server::text;
use crate::support::{Folder, Request, Stage, eventually};

const PLANS: &str = r#"
[[plans]]
name = "free"
limits = [
  { requests = 3, per = "month" },
  { name = "together", requests = 100, per = "hour", count = "account" },
  { name = "near", requests = 5000, per = "day", count = "address" },
]
"#;

/// What somebody may call a key.
const NASTY: &str = "=1+1,\"<script>alert(1)</script>";

fn call(stage: &Stage, key: &str, times: usize) {
    for _ in 0..times {
        stage.server.get("/anything", key);
    }
}

/// The page once it says this: what was counted is there within a second.
#[track_caller]
fn opened(browser: &mut Browser<'_>, place: &str, says: &str) -> Page {
    eventually(says, || Some(browser.open(place)).filter(|page| page.reply.body.contains(says))).says(200, says)
}

/// The cells of the rows that begin like this.
fn rows(page: &Page, first: &str) -> Vec<Vec<String>> {
    let rows = page.reply.body.split("<tr>").skip(1).filter(|row| row.contains(first));
    let plain = |cell: &str| {
        let inner = cell.split("</td>").next().unwrap_or_default();
        inner.split_once('>').map_or("", |(_, text)| text).split('<').next().unwrap_or_default().trim().to_owned()
    };
    rows.map(|row| row.split("<td").skip(1).map(plain).collect()).collect()
}

#[test]
fn requests_are_told_by_time_verdict_and_key_with_what_is_left() {
    let stage = Stage::with(&format!("{QUICK}{PLANS}"));
    let person = Person::new(&stage);
    let (first, second) = (stage.key(&person.account, json!({ "name": NASTY })), stage.key(&person.account, json!({ "name": "second" })));
    let (mut browser, _) = signed_in(&stage, &person);
    browser.open("/auth/usage").says(200, "There were no requests in this time.").says(200, "Choose a key to see what is left");
    call(&stage, &text(&first["key"]), 5);
    call(&stage, &text(&second["key"]), 1);
    for period in ["", "?period=24h", "?period=7d", "?period=30d", "?period=90d"] {
        let page = opened(&mut browser, &format!("/auth/usage{period}"), "6 requests: 4 passed, 2 were refused, 0 failed");
        let page =
            page.says(200, "<code class=\"quiet\">quota_exceeded</code>").says_not("<script>alert").says(200, "&#60;script&#62;alert");
        assert_eq!(rows(&page, "</code>"), [["4"], ["2"]], "verdicts, the most frequent first");
        assert_eq!(rows(&page, "script&#62;"), [["5", "3", "2", "0"]], "of the first key");
        assert_eq!(rows(&page, ">second<"), [["1", "1", "0", "0"]]);
        assert_eq!(rows(&page, "3 a month"), [["each key", "–", "–", "–"]]);
        assert_eq!(rows(&page, "100 an hour")[0][..3], ["the account", "4", "96"]);
        assert_eq!(rows(&page, "5,000 a day"), [["each address", "–", "–", "–"]]);
        let page = page.says(200, "role=\"img\"").says(200, "<path class=\"passed\" d=\"M");
        // By hour they may be of two hours.
        let by_start = rows(&page, "<th scope=\"row\">20");
        let sum = |column: usize| by_start.iter().map(|row| row[column].parse::<u64>().expect("a number")).sum::<u64>();
        assert_eq!([sum(0), sum(1), sum(2), sum(3)], [6, 4, 2, 0], "{by_start:?}");
    }
    let id = text(&first["id"]);
    let page = browser.open(&format!("/auth/usage?key={id}")).says(200, "5 requests: 3 passed, 2 were refused, 0 failed");
    let page = page.says_not("By key").says_not("Choose a key to see");
    assert_eq!(rows(&page, "3 a month")[0][..3], ["each key", "3", "0"]);
    assert_eq!(rows(&page, "100 an hour")[0][..3], ["the account", "4", "96"]);
    assert!(page.form("usage").fields.contains(&("key".into(), id.clone())), "it stays chosen");
    let key = browser.open(&format!("/auth/keys/{id}")).says(200, "5 requests");
    let link = key.links().into_iter().find(|link| link.contains("/usage?key=")).expect("a link to its usage");
    browser.open(&link).says(200, "5 requests: 3 passed");
}

#[test]
fn the_file_has_the_same_numbers_and_no_formula() {
    let stage = Stage::with(&format!("{QUICK}{PLANS}"));
    let person = Person::new(&stage);
    let key = stage.key(&person.account, json!({ "name": NASTY }));
    call(&stage, &text(&key["key"]), 5);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = opened(&mut browser, "/auth/usage?period=7d", "5 requests: 3 passed");
    let link = page.links().into_iter().find(|link| link.contains("usage.csv")).expect("a link to the file");
    let reply = stage.server.send(&browser.request("GET", &link, None));
    assert_eq!((reply.status, reply.header("Content-Type").as_deref()), (200, Some("text/csv; charset=utf-8; header=present")));
    assert_eq!(reply.header("Content-Disposition").as_deref(), Some("attachment; filename=\"usage.csv\""));
    assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"));
    let mut lines = reply.body.lines();
    assert_eq!(lines.next(), Some("start,key,name,verdict,count"));
    let name = "\"'=1+1,\"\"<script>alert(1)</script>\"";
    let ends: Vec<String> = lines.map(|line| line.split_once(',').expect("a start").1.to_owned()).collect();
    let id = text(&key["id"]);
    assert_eq!(ends, [format!("{id},{name},ok,3"), format!("{id},{name},quota_exceeded,2")]);
}

#[test]
fn what_is_not_theirs_is_not_there() {
    let stage = Stage::with(&format!("{QUICK}{PLANS}"));
    let (ada, admin) = (Person::new(&stage), Person::with(&stage, json!({ "admin": true })));
    let theirs = text(&stage.key(&stage.account(json!({})), json!({}))["id"]);
    for person in [&ada, &admin] {
        let (mut browser, _) = signed_in(&stage, person);
        let nowhere = browser.open("/auth/usage?key=key_01ARZ3NDEKTSV4RRFFQ69G5FAV").says(404, "There is no such thing here.");
        let page = browser.open(&format!("/auth/usage?key={theirs}")).says(404, "There is no such thing here.");
        let told = |page: &Page| page.reply.body.split("<code>").next().map(str::to_owned);
        assert_eq!(told(&page), told(&nowhere));
        browser.open(&format!("/auth/usage.csv?key={theirs}")).says(404, "There is no such thing here.");
        for wrong in ["period=1y", "key=x", "key=%3Cscript%3E", "account=acc_1", "period=7d&period=7d"] {
            browser.open(&format!("/auth/usage?{wrong}")).says(400, "This did not work").says_not("<script>");
        }
    }
}

#[test]
fn whoever_signs_in_first_comes_back_to_the_same_numbers() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let mut browser = Browser::new(&stage);
    let page = browser.open("/auth/usage?period=24h&key=").says(200, "E-mail or phone");
    let page = browser.send(&page, "sign-in", &[("who", &person.email), ("password", PASSWORD)]).says(200, "Usage");
    assert_eq!(page.path, "/auth/usage?period=24h&key=");
    assert_eq!(page.form("usage").fields, [("period".to_owned(), "24h".to_owned()), ("key".to_owned(), String::new())]);
    assert_eq!(stage.server.send(&Request::get("/auth/usage.csv")).status, 303);
}

/// Counts of each key on each of so many days up to today; each key has one more than the one before it.
fn seed(stage: &Stage, account: &str, keys: &[String], days: i64, verdicts: &[(&str, i64)]) {
    let mut database = Connection::open(stage.folder.database()).unwrap();
    let transaction = database.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO usage_days (day, account, key, verdict, count) VALUES (?1, ?2, ?3, ?4, ?5)").unwrap();
    let today = jiff::Timestamp::now().as_millisecond() / 86_400_000 * 86_400_000;
    for (at, key) in keys.iter().enumerate() {
        for day in 0..days {
            for (verdict, count) in verdicts {
                insert.execute(params![today - day * 86_400_000, account, key, verdict, count + at as i64]).unwrap();
            }
        }
    }
    drop(insert);
    transaction.commit().unwrap();
}

#[test]
fn where_there_are_too_many_keys_to_tell_apart_the_sums_are_whole() {
    let stage = Stage::with(&format!("{QUICK}{PLANS}"));
    let person = Person::new(&stage);
    let keys: Vec<String> = (0..10_001).map(|at| format!("key_{at:026}")).collect();
    seed(&stage, &person.account, &keys, 3, &[("ok", 1), ("revoked", 0)]);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/usage").says(200, "There are too many keys to be told apart here.").says_not("this is a part of it");
    let (ok, revoked) = (3 * (1..=10_001).sum::<u64>(), 3 * (0..10_001).sum::<u64>());
    assert_eq!((ok, revoked), (150_045_003, 150_015_000));
    page.says(200, "300,060,003 requests: 150,045,003 passed, 150,015,000 were refused, 0 failed");
    browser.open(&format!("/auth/usage?key={}", text(&stage.key(&person.account, json!({}))["id"]))).says(200, "There were no requests");
}

#[test]
fn a_page_of_many_keys_stays_light() {
    let folder = Folder::with(&format!("{QUICK}{PLANS}"));
    let stage = Stage::of(folder);
    let person = Person::new(&stage);
    let name = "n".repeat(200);
    let keys: Vec<String> = (0..40).map(|_| text(&stage.key(&person.account, json!({ "name": name }))["id"])).collect();
    let verdicts = [("ok", 1_000_000), ("rate_limited", 54_321), ("upstream_down", 7)];
    seed(&stage, &person.account, &keys, 90, &verdicts);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/usage?period=90d").says(200, "All others").says(200, "requests: 3,600,070,200 passed");
    let sheet = stage.server.send(&Request::get("/auth/dashboard.css")).body.len();
    let page_alone = page.reply.body.len();
    println!("a page of many keys weighs {page_alone} bytes, its style sheet {sheet}");
    assert!(page_alone + sheet < 30_000);
    assert_eq!(rows(&page, "nnn…</a>").len(), 20);
    let shown: u64 = rows(&page, "<th scope=\"row\">20").iter().map(|row| row[0].replace(',', "").parse::<u64>().unwrap()).sum();
    assert_eq!(shown, 90 * (40 * 1_054_328 + 3 * (0..40).sum::<u64>()));
}
