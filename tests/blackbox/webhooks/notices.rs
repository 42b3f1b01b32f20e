//! What is told before it happens, each once: quotas, keys that end, balances that run low.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::support::Request;

/// A plan with a quota by key and one by account, and one that is no quota.
const PLANS: &str = r#"
[[plans]]
name = "free"
default = true
limits = [
  { requests = 1000, per = "minute" },
  { requests = 500, per = "hour" },
  { name = "watched", requests = 5, per = "day", observe = true },
  { requests = 10, per = "month" },
]

[[plans]]
name = "team"
limits = [{ name = "all", requests = 10, per = "month", count = "account" }]
"#;

/// Asks so many times; how many passed.
#[track_caller]
fn ask(stage: &Stage, key: &Value, times: usize) -> usize {
    let request = Request::get("/x").bearer(key["key"].as_str().unwrap());
    (0..times).filter(|_| stage.verdict(&request) == "ok").count()
}

/// Which percentages were told of a key or an account, in the order of their size. One that came twice under one id came once.
fn percentages(app: &App, of: &str) -> Vec<i64> {
    let heard = app.heard().into_iter().filter(|heard| heard.is_whole);
    let messages: BTreeMap<String, Value> = heard.map(|heard| (heard.one("webhook-id"), message(&heard)["data"].clone())).collect();
    let is_its = |data: &&Value| data["key"] == *of || (data["key"].is_null() && data["account"] == *of);
    let mut told: Vec<i64> = messages.values().filter(is_its).map(|data| data["percent"].as_i64().unwrap()).collect();
    told.sort_unstable();
    told
}

#[track_caller]
fn wait_for_percentages(app: &App, of: &str, wanted: &[i64]) {
    eventually(&format!("{wanted:?}"), || (percentages(app, of) == wanted).then_some(()));
}

#[test]
fn a_quota_is_told_of_at_80_and_at_100_percent() {
    let (app, stage) = receiver_with("[\"quota.*\"]", PLANS);
    let account = stage.account(json!({}));
    let (key, other) = (stage.key(&account, json!({})), stage.key(&account, json!({})));
    let (id, other_id) = (text(&key["id"]), text(&other["id"]));
    assert_eq!(ask(&stage, &key, 7), 7);
    // Another key is told of afterwards: by then the first one would have been, too.
    assert_eq!(ask(&stage, &other, 8), 8);
    wait_for_percentages(&app, &other_id, &[80]);
    assert_eq!(percentages(&app, &id), Vec::<i64>::new(), "70 % is nothing yet");
    assert_eq!(ask(&stage, &key, 1), 1);
    wait_for_percentages(&app, &id, &[80]);
    let warning = of_event(&app, "quota.warning").into_iter().find(|message| message["data"]["key"] == *id).unwrap();
    let data = &warning["data"];
    assert_eq!(data["account"], *account);
    assert_eq!(data["limit"], json!({ "name": "month", "window": "month", "unit": "requests", "requests": 10 }));
    assert_eq!((&data["used"], &data["percent"]), (&json!(8), &json!(80)));
    assert!(text(&data["since"]) < text(&data["until"]), "{data}");
    assert_eq!(ask(&stage, &key, 5), 2);
    wait_for_percentages(&app, &id, &[80, 100]);
    assert_eq!(of_event(&app, "quota.reached").len(), 1);
    ask(&stage, &key, 5);
    assert_eq!(ask(&stage, &other, 3), 2);
    wait_for_percentages(&app, &other_id, &[80, 100]);
    assert_eq!(percentages(&app, &id), [80, 100], "once each");
}

#[test]
fn a_quota_of_an_account_is_told_of_once_for_all_its_keys() {
    let (app, stage) = receiver_with("[\"quota.*\"]", PLANS);
    let account = stage.account(json!({ "plan": "team" }));
    let (one, two) = (stage.key(&account, json!({})), stage.key(&account, json!({})));
    assert_eq!(ask(&stage, &one, 6) + ask(&stage, &two, 6), 10);
    wait_for_percentages(&app, &account, &[80, 100]);
    assert!(got(&app).iter().all(|message| message["data"]["key"].is_null()), "{:?}", got(&app));
}

#[test]
fn a_quota_is_told_of_once_across_a_crash() {
    let (app, stage) = receiver_with("[\"quota.*\"]", PLANS);
    let account = stage.account(json!({}));
    let keys: Vec<Value> = (0..4).map(|_| stage.key(&account, json!({}))).collect();
    let ids: Vec<String> = keys.iter().map(|key| text(&key["id"])).collect();
    // One of which all was told, and one that was used up just before the crash.
    assert_eq!(ask(&stage, &keys[0], 11), 10);
    wait_for_percentages(&app, &ids[0], &[80, 100]);
    assert_eq!(ask(&stage, &keys[1], 11), 10);
    let Stage { folder, server, token } = stage;
    server.kill();
    let stage = Stage { server: folder.serve(), folder, token };
    assert_eq!(ask(&stage, &keys[0], 3) + ask(&stage, &keys[1], 3), 0);
    wait_for_percentages(&app, &ids[1], &[80, 100]);
    let stage = stage.restart();
    assert_eq!(ask(&stage, &keys[0], 3) + ask(&stage, &keys[1], 3), 0);
    assert_eq!(ask(&stage, &keys[2], 11), 10);
    wait_for_percentages(&app, &ids[2], &[80, 100]);
    assert_eq!(ids.iter().map(|id| percentages(&app, id).len()).collect::<Vec<_>>(), [2, 2, 2, 0]);
}

#[test]
fn which_percentages_are_told_is_configured() {
    let (app, stage) = receiver_with("[\"quota.*\"]", &format!("[notices]\nquota = [50, 20]\n{PLANS}"));
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({}));
    ask(&stage, &key, 12);
    wait_for_percentages(&app, &text(&key["id"]), &[20, 50]);
    let (silent, stage) = receiver_with("[\"*\"]", &format!("[notices]\nquota = []\n{PLANS}"));
    let key = stage.key(&stage.account(json!({})), json!({}));
    ask(&stage, &key, 12);
    stage.restart();
    assert_eq!(of_event(&silent, "quota.warning").len() + of_event(&silent, "quota.reached").len(), 0);
}

#[test]
fn a_key_is_told_of_once_before_it_ends() {
    let (app, stage) = receiver("[\"key.expiring\"]");
    let account = stage.account(json!({}));
    let ends =
        |key: &Value, expires: &str| stage.patch(&format!("/keys/{}", text(&key["id"])), &json!({ "expires_at": expires })).expect(200);
    let key = stage.key(&account, json!({ "name": "laptop", "expires_at": "8d" }));
    let never = stage.key(&account, json!({}));
    let rotated = stage.key(&account, json!({}));
    stage.post(&format!("/keys/{}/rotate", text(&rotated["id"])), &json!({ "grace": "1d" })).expect(201);
    ends(&key, "6d");
    eventually("it is told of", || of_event(&app, "key.expiring").into_iter().find(|message| message["data"]["id"] == key["id"]));
    // One that came twice under one id came once.
    let told = |key: &Value| {
        let its = |heard: &crate::support::app::Heard| message(heard)["data"]["id"] == key["id"];
        app.heard().iter().filter(|heard| heard.is_whole && its(heard)).map(|heard| heard.one("webhook-id")).collect::<BTreeSet<_>>().len()
    };
    let message = of_event(&app, "key.expiring").into_iter().find(|message| message["data"]["id"] == key["id"]).unwrap();
    assert_eq!((&message["data"]["name"], &message["data"]["account"]), (&json!("laptop"), &json!(account)));
    assert!(message["data"]["expires_at"].is_string() && message["data"]["key"].is_null(), "{message}");
    // Another end is told of anew, the same one never again.
    ends(&key, "5d");
    eventually("the new end is told of", || (told(&key) == 2).then_some(()));
    let stage = stage.restart();
    let last = stage.key(&account, json!({ "expires_at": "2d" }));
    eventually("a key after the restart is told of", || (told(&last) == 1).then_some(()));
    assert_eq!((told(&key), told(&never), told(&rotated)), (2, 0, 0));
}

/// A database that was slow once makes nobody wait who changes an end afterwards.
#[test]
fn however_long_the_last_look_took_the_next_end_is_told_of() {
    let (app, stage) = receiver("[\"key.expiring\"]");
    let key = stage.key(&stage.account(json!({})), json!({ "expires_at": "8d" }));
    let path = format!("/keys/{}", text(&key["id"]));
    stage.patch(&path, &json!({ "expires_at": "6d" })).expect(200);
    // Another program holds the database over a whole look, and so what was seen cannot be written down.
    let other = rusqlite::Connection::open(stage.folder.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2500));
    other.execute_batch("ROLLBACK").unwrap();
    wait_for(&app, 1);
    stage.patch(&path, &json!({ "expires_at": "5d" })).expect(200);
    wait_for(&app, 2);
}

#[test]
fn what_is_revoked_or_replaced_is_not_told_of() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let folder = Folder::with(&endpoint("main", &app.url, "events = [\"key.expiring\"]"));
    let account = folder.account(&[]);
    let [revoked, replaced, other] = [(), (), ()].map(|()| text(&folder.key(&account, &["--expires", "2d"])["id"]));
    folder.json(&["key", "revoke", &revoked]);
    let new = text(&folder.json(&["key", "rotate", &replaced])["id"]);
    let _server = folder.serve();
    let mut told: Vec<String> = wait_for(&app, 2).iter().map(|message| text(&message["data"]["id"])).collect();
    told.sort();
    let mut expected = vec![other, new];
    expected.sort();
    assert_eq!(told, expected, "a new key ends when the old one would have");
}

#[test]
fn a_key_comes_near_its_end_by_itself() {
    let (app, stage) = receiver_with("[\"key.expiring\"]", "[notices]\nexpiring = \"1h\"\n");
    let account = stage.account(json!({}));
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3605);
    let key = stage.key(&account, json!({ "expires_at": soon.to_string() }));
    assert_eq!(wait_for(&app, 1)[0]["data"]["id"], key["id"]);
    assert!(jiff::Timestamp::now() > soon - jiff::SignedDuration::from_secs(3601), "not before its time");
}

/// What was told of low balances: the balance each time.
fn lows(app: &App) -> Vec<i64> {
    of_event(app, "balance.low").iter().map(|message| message["data"]["balance"].as_i64().unwrap()).collect()
}

#[test]
fn a_balance_is_told_of_once_when_it_falls_low() {
    let routes = "[notices]\nbalance_low = 3\n[[routes]]\npath = \"/paid\"\ntokens = 2\n";
    let (app, stage) = receiver_with("[\"balance.low\"]", routes);
    let account = stage.account(json!({ "balance": 10 }));
    let key = stage.key(&account, json!({}));
    let request = Request::get("/paid").bearer(key["key"].as_str().unwrap());
    let told = |count: usize| eventually(&format!("{count} notices"), || Some(lows(&app)).filter(|told| told.len() >= count));
    let charge = |tokens: i64| stage.post("/balance", &json!({ "account": account, "tokens": tokens })).expect(200);
    // Requests at the gate: 8, 6, 4, 2, 0.
    for _ in 0..5 {
        assert_eq!(stage.verdict(&request), "ok");
    }
    assert_eq!(told(1), [2], "once, when it fell, and not again at 0");
    let message = &of_event(&app, "balance.low")[0];
    assert_eq!(message["data"], json!({ "account": account, "balance": 2, "threshold": 3 }));
    // Topped up, it may fall again; what stays low is not told again.
    charge(2);
    charge(-1);
    charge(10);
    charge(-9);
    assert_eq!(told(2), [2, 2]);
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 100 })).expect(200);
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 3 })).expect(200);
    assert_eq!(told(3), [2, 2, 3]);
    let stage = stage.restart();
    stage.post("/balance", &json!({ "account": account, "tokens": -1 })).expect(200);
    let other = stage.account(json!({ "balance": 4 }));
    stage.post("/balance", &json!({ "account": other, "tokens": -4 })).expect(200);
    assert_eq!(eventually("the other account", || Some(lows(&app)).filter(|told| told.len() >= 4)), [2, 2, 3, 0]);
}

#[test]
fn what_is_given_back_is_not_told_of_again() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let failing = App::answering(|_| answer("500 Internal Server Error", "", ""));
    let stage = Stage::with(&format!(
        "{}[upstream]\nurl = \"{}\"\nrefund = \"errors\"\n[[routes]]\npath = \"/paid\"\ntokens = 5\n",
        endpoint("main", &app.url, "events = [\"balance.low\"]"),
        failing.url
    ));
    let account = stage.account(json!({ "balance": 5 }));
    let key = stage.key(&account, json!({}));
    for _ in 0..4 {
        stage.server.get("/paid", key["key"].as_str().unwrap()).expect(500);
    }
    let other = stage.account(json!({ "balance": 1 }));
    stage.post("/balance", &json!({ "account": other, "tokens": -1 })).expect(200);
    eventually("the other account is told of", || {
        of_event(&app, "balance.low").iter().any(|message| message["data"]["account"] == *other).then_some(())
    });
    assert_eq!(lows(&app), [0, 0], "one of each account");
}
