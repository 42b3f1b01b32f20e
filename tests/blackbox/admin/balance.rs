//! Balances: once for each Idempotency-Key, never over-spent, and a history that adds up.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Holder, assert_problem, data, list, names, wrong_fields};
use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Stage, eventually};

const FIELDS: [&str; 8] = ["id", "at", "kind", "tokens", "balance", "reason", "actor", "request_id"];

/// Plans that give tokens, and routes that cost some.
const TOKENS: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ requests = 100000, per = "minute" }]

[[plans]]
name = "pro"
monthly_tokens = 500
limits = [{ requests = 100000, per = "minute" }]

[[plans]]
name = "elite"
monthly_tokens = 2000
limits = [{ requests = 100000, per = "minute" }]

[[routes]]
path = "/dear"
tokens = 3
"#;

fn history(stage: &Stage, account: &str) -> Vec<Value> {
    data(&list(stage, &format!("/accounts/{account}/balance"))).to_vec()
}

fn balance(stage: &Stage, account: &str) -> i64 {
    stage.get(&format!("/accounts/{account}")).expect(200).json()["balance"].as_i64().unwrap()
}

fn tokens(entry: &Value) -> i64 {
    entry["tokens"].as_i64().unwrap()
}

/// The whole history adds up to the balance, and each entry follows on the one before it.
#[track_caller]
fn assert_adds_up(stage: &Stage, account: &str) {
    let history = history(stage, account);
    let mut held = 0;
    for entry in history.iter().rev() {
        held += tokens(entry);
        assert_eq!(entry["balance"], held, "after {entry} of {history:#?}");
    }
    assert_eq!(held, balance(stage, account), "{history:#?}");
}

fn move_tokens(stage: &Stage, account: &str, tokens: i64, once: &str) -> Reply {
    let body = json!({ "account": account, "tokens": tokens, "reason": format!("for {once}") });
    stage
        .server
        .send(&Request::post("/auth/v1/balance", &body).bearer(&stage.token).header("Idempotency-Key", &format!("{account} {once}")))
}

#[test]
fn every_kind_of_movement_stands_in_the_history() {
    let stage = Stage::with(TOKENS);
    let actor = text(&data(&stage.get("/tokens").json())[0]["id"]);
    let account = stage.account(json!({ "plan": "pro" }));
    let path = format!("/accounts/{account}");
    let key = text(&stage.key(&account, json!({}))["key"]);
    let charged = move_tokens(&stage, &account, -20, "a").expect(200);
    let credited = move_tokens(&stage, &account, 50, "b").expect(200);
    let set = stage.patch(&path, &json!({ "balance": 100 })).expect(200);
    let moved = stage.patch(&path, &json!({ "plan": "elite" })).expect(200);
    for _ in 0..4 {
        stage.server.get("/dear", &key).expect(200);
    }
    let mut entries = history(&stage, &account);
    assert_eq!(entries.iter().map(|entry| names(entry)).collect::<Vec<_>>(), vec![FIELDS; 6]);
    entries.reverse();
    let told: Vec<Value> = entries.iter().map(|entry| json!([entry["kind"], entry["tokens"], entry["balance"], entry["reason"]])).collect();
    let expected = [
        json!(["plan", 500, 500, ""]),
        json!(["charged", -20, 480, "for a"]),
        json!(["credited", 50, 530, "for b"]),
        json!(["set", -430, 100, ""]),
        json!(["plan", 1900, 2000, ""]),
        json!(["used", -12, 1988, ""]),
    ];
    assert_eq!(told, expected);
    for (entry, reply) in [(&entries[1], &charged), (&entries[2], &credited), (&entries[3], &set), (&entries[4], &moved)] {
        assert_eq!((text(&entry["actor"]), entry["request_id"].as_str()), (actor.clone(), reply.header("X-Request-Id").as_deref()));
    }
    assert_eq!([&entries[5]["actor"], &entries[5]["request_id"]], ["tollgate", ""], "requests are summed up");
    assert!(text(&entries[5]["at"]).ends_with(":00:00.000Z"), "by the hour: {}", entries[5]);
    assert_adds_up(&stage, &account);
    let by_hand = stage.folder.json(&["account", "history", &account]);
    assert_eq!(by_hand, list(&stage, &format!("{path}/balance")));
    assert_eq!(data(&stage.folder.json(&["account", "history", &account, "--limit", "2"])), &data(&by_hand)[..2]);
    let table = String::from_utf8(stage.folder.run(&["account", "history", &account]).stdout).unwrap();
    assert!(["charged", "credited", "set", "plan", "used", "for b", "-430"].iter().all(|word| table.contains(word)), "{table}");
    let empty = stage.account(json!({}));
    assert_eq!(history(&stage, &empty), [] as [Value; 0], "nothing moved");
    assert_problem(&stage.get(&format!("/accounts/{}/balance", super::NO_ACCOUNT)), 404);
    assert_eq!(stage.folder.run(&["account", "history", super::NO_ACCOUNT]).status.code(), Some(1));
}

#[test]
fn what_requests_used_begins_anew_after_any_other_movement() {
    let stage = Stage::with(TOKENS);
    let account = stage.account(json!({ "balance": 100 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    for credit in ["a", "b"] {
        stage.server.get("/dear", &key).expect(200);
        stage.server.get("/dear", &key).expect(200);
        move_tokens(&stage, &account, 50, credit).expect(200);
    }
    stage.server.get("/dear", &key).expect(200);
    let mut told: Vec<Value> =
        history(&stage, &account).iter().map(|entry| json!([entry["kind"], entry["tokens"], entry["balance"]])).collect();
    told.reverse();
    let expected = [
        json!(["set", 100, 100]),
        json!(["used", -6, 94]),
        json!(["credited", 50, 144]),
        json!(["used", -6, 138]),
        json!(["credited", 50, 188]),
        json!(["used", -3, 185]),
    ];
    assert_eq!(told, expected);
    assert_adds_up(&stage, &account);
}

#[test]
fn a_month_that_began_stands_in_the_history_as_soon_as_it_counts() {
    let stage = Stage::with(TOKENS);
    let accounts: Vec<String> = (0..4).map(|_| stage.account(json!({ "plan": "pro" }))).collect();
    for account in &accounts {
        move_tokens(&stage, account, -150, "a").expect(200);
        move_tokens(&stage, account, 40, "b").expect(200);
    }
    let key = text(&stage.key(&accounts[3], json!({}))["key"]);
    assert_eq!(stage.server.stop().0, Some(0));
    accounts.iter().for_each(|account| backdate(&stage.folder, account));
    let server = stage.folder.serve();
    let stage = Stage { server, folder: stage.folder, token: stage.token };
    // Whatever comes first: a look, a move, a change of settings, a request.
    move_tokens(&stage, &accounts[1], -1, "c").expect(200);
    stage.patch(&format!("/accounts/{}", accounts[2]), &json!({ "name": "m" })).expect(200);
    stage.server.get("/dear", &key).expect(200);
    for (account, after, last) in [(0, 540, "refilled"), (1, 539, "charged"), (2, 540, "refilled"), (3, 537, "used")]
        .map(|(at, after, last)| (&accounts[at], after, last))
    {
        assert_eq!(balance(&stage, account), after, "500 anew, and 40 that stay");
        let entries = history(&stage, account);
        let refilled: Vec<&Value> = entries.iter().filter(|entry| entry["kind"] == "refilled").collect();
        assert_eq!(refilled.len(), 1, "{last} {entries:#?}");
        assert_eq!(
            (tokens(refilled[0]), &refilled[0]["balance"], &refilled[0]["actor"]),
            (150, &json!(540), &json!("tollgate")),
            "{entries:#?}"
        );
        assert!(text(&refilled[0]["at"]).ends_with("T00:00:00.000Z"), "the billing day's midnight: {entries:#?}");
        assert_eq!(entries[0]["kind"], last);
        assert_adds_up(&stage, account);
        // Once, however often somebody looks.
        assert_eq!(history(&stage, account), entries);
    }
    let audit = list(&stage, &format!("/audit?target={}", accounts[0]));
    assert_eq!(data(&audit).len(), 3, "nobody did it");
}

/// The account as if it had been made, and last refilled, forty days ago.
fn backdate(folder: &Folder, account: &str) {
    let connection = Connection::open(folder.database()).unwrap();
    let sql = "UPDATE accounts SET created_at = created_at - ?2, period = period - ?2 WHERE id = ?1";
    assert_eq!(connection.execute(sql, rusqlite::params![account, 40 * 86_400_000_i64]).unwrap(), 1);
}

#[test]
fn a_move_that_the_balance_does_not_cover_leaves_nothing() {
    let stage = Stage::with(TOKENS);
    let account = stage.account(json!({ "balance": 10 }));
    let before = super::everything(&stage);
    for tokens in [-11, -1000, -9_007_199_254_740_991] {
        let reply = move_tokens(&stage, &account, tokens, "a");
        assert_problem(&reply, 402);
    }
    assert_eq!(super::everything(&stage), before);
    move_tokens(&stage, &account, -10, "a").expect(200);
    assert_eq!(balance(&stage, &account), 0);
    assert_problem(&move_tokens(&stage, &account, -1, "b"), 402);
    // Below nothing, where the operator set it so: nothing is taken, and what is added counts.
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": -5 })).expect(200);
    assert_problem(&move_tokens(&stage, &account, -1, "c"), 402);
    assert_eq!(move_tokens(&stage, &account, 7, "d").expect(200).json()["balance"], 2);
    assert_adds_up(&stage, &account);
}

#[test]
fn a_reason_and_tokens_are_bounded() {
    let stage = Stage::with(TOKENS);
    let account = stage.account(json!({ "balance": 10 }));
    let before = super::everything(&stage);
    for (body, fields) in [
        (json!({ "tokens": 0 }), &["tokens"][..]),
        (json!({ "tokens": 1.5 }), &["tokens"]),
        (json!({ "tokens": "5" }), &["tokens"]),
        (json!({ "tokens": null }), &["tokens"]),
        (json!({}), &["tokens"]),
        (json!({ "tokens": 9_007_199_254_740_992_i64 }), &["tokens"]),
        (json!({ "tokens": -9_007_199_254_740_992_i64 }), &["tokens"]),
        (json!({ "tokens": i64::MIN }), &["tokens"]),
        (json!({ "tokens": u64::MAX }), &["tokens"]),
        (json!({ "tokens": 9_007_199_254_740_991_i64 }), &["tokens"]),
        (json!({ "tokens": 5, "reason": "x".repeat(501) }), &["reason"]),
        (json!({ "tokens": 5, "reason": "é".repeat(251) }), &["reason"]),
        (json!({ "tokens": 5, "reason": "a\nb" }), &["reason"]),
        (json!({ "tokens": 5, "reason": 5 }), &["reason"]),
        (json!({ "tokens": 5, "colour": "red" }), &["colour"]),
        (json!({ "tokens": 0, "reason": 5, "colour": "red", "account": 7 }), &["account", "colour", "reason", "tokens"]),
    ] {
        let mut body = body;
        if body["account"].is_null() {
            body["account"] = json!(account);
        }
        let reply = stage.post("/balance", &body);
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), fields, "{body}");
    }
    assert_eq!(super::everything(&stage), before);
    let longest = json!({ "account": account, "tokens": 5, "reason": "x".repeat(500) });
    stage.post("/balance", &longest).expect(200);
    assert_eq!(history(&stage, &account)[0]["reason"], longest["reason"]);
    stage.post("/balance", &json!({ "account": account, "tokens": 5, "reason": null })).expect(200);
    assert_eq!(history(&stage, &account)[0]["reason"], "");
}

#[test]
fn a_balance_that_is_full_takes_no_more() {
    let stage = Stage::with(TOKENS);
    const MOST: i64 = 9_007_199_254_740_991;
    for plan in ["free", "pro"] {
        let account = stage.account(json!({ "plan": plan, "balance": MOST - 5 }));
        assert_eq!(move_tokens(&stage, &account, 5, "a").expect(200).json()["balance"], MOST);
        let reply = move_tokens(&stage, &account, 1, "b");
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), ["tokens"], "{plan}: every JSON reader must still read it exactly");
        assert_eq!(balance(&stage, &account), MOST);
        assert_adds_up(&stage, &account);
    }
}

#[test]
fn charges_at_once_never_overdraw() {
    let stage = Stage::with(TOKENS);
    let account = stage.account(json!({ "balance": 100 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let bound = Holder::bound(&stage, &account);
    let paid = AtomicI64::new(0);
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Settings that change meanwhile give nothing back and take nothing away.
        scope.spawn(|| {
            for round in 0..20 {
                stage.patch(&format!("/accounts/{account}"), &json!({ "name": format!("round {round}") })).expect(200);
            }
        });
        for thread in 0..4 {
            let (stage, account, key, bound, paid, refused) = (&stage, &account, &key, &bound, &paid, &refused);
            scope.spawn(move || {
                for round in 0..12 {
                    // The app's charges, a bound token's, requests at the gate and asks of the app: all at once.
                    let (status, price) = match (thread + round) % 4 {
                        0 => (move_tokens(stage, account, -4, &format!("{thread} {round}")).status, 4),
                        1 => (bound.post("/balance", &json!({ "account": account, "tokens": -5 })).status, 5),
                        2 => (stage.server.get("/dear", key).status, 3),
                        _ => (if stage.verify(&json!({ "key": key, "tokens": 6 }))["valid"] == true { 200 } else { 402 }, 6),
                    };
                    match status {
                        200 => drop(paid.fetch_add(price, Ordering::SeqCst)),
                        402 => drop(refused.fetch_add(1, Ordering::SeqCst)),
                        other => panic!("{other}"),
                    }
                }
            });
        }
    });
    let left = balance(&stage, &account);
    assert!((0..=6).contains(&left), "{left} left: all that fitted was taken");
    assert_eq!(paid.into_inner(), 100 - left);
    assert!(refused.into_inner() > 0);
    assert_adds_up(&stage, &account);
    let stage = stage.restart();
    assert_eq!(balance(&stage, &account), left);
    assert_adds_up(&stage, &account);
}

#[test]
fn any_sequence_of_movements_adds_up() {
    let mut stage = Stage::with(TOKENS);
    let account = stage.account(json!({ "plan": "pro" }));
    let path = format!("/accounts/{account}");
    let key = text(&stage.key(&account, json!({}))["key"]);
    let mut held = 500;
    let mut done = Vec::new();
    for step in 0..120 {
        let amount = rand::random_range(1..=300_i64);
        let what = rand::random_range(0..8);
        done.push((what, amount));
        match what {
            0 | 1 => {
                let status = move_tokens(&stage, &account, -amount, &step.to_string()).status;
                assert_eq!(status, if amount <= held { 200 } else { 402 }, "{done:?}");
                held -= if status == 200 { amount } else { 0 };
            }
            2 => {
                move_tokens(&stage, &account, amount, &step.to_string()).expect(200);
                held += amount;
            }
            3 => {
                held = amount - 100;
                stage.patch(&path, &json!({ "balance": held })).expect(200);
            }
            4 => {
                let plan = ["free", "pro", "elite"][amount as usize % 3];
                held = stage.patch(&path, &json!({ "plan": plan })).expect(200).json()["balance"].as_i64().unwrap();
            }
            5 | 6 => {
                let status = stage.server.get("/dear", &key).status;
                assert_eq!(status, if held >= 3 { 200 } else { 402 }, "{done:?}");
                held -= if status == 200 { 3 } else { 0 };
            }
            _ if step % 5 == 0 => stage = stage.restart(),
            _ => drop(move_tokens(&stage, &account, -1, "0").status),
        }
        let now = balance(&stage, &account);
        if what != 7 {
            assert_eq!(now, held, "{done:?}");
        }
        held = now;
        assert_adds_up(&stage, &account);
    }
    let entries = history(&stage, &account);
    assert!(entries.iter().all(|entry| tokens(entry) != 0 || entry["kind"] == "used"), "{entries:#?}");
}

#[test]
fn requests_before_and_after_something_else_stand_apart() {
    let stage = Stage::with(TOKENS);
    let account = stage.account(json!({ "balance": 100 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    for round in ["a", "b"] {
        for _ in 0..2 {
            stage.server.get("/dear", &key).expect(200);
        }
        move_tokens(&stage, &account, 50, round).expect(200);
    }
    let told: Vec<i64> = history(&stage, &account).iter().rev().map(|entry| entry["balance"].as_i64().unwrap()).collect();
    assert!(told == [100, 94, 144, 138, 188], "within one hour: {told:?}");
    assert_adds_up(&stage, &account);
}

#[test]
fn a_charge_is_taken_once_however_often_the_server_is_killed() {
    let mut stage = Stage::with(TOKENS);
    let account = stage.account(json!({ "balance": 100_000 }));
    let mut expected = 100_000;
    for round in 0..5 {
        let acknowledged = AtomicUsize::new(0);
        let address = stage.server.address.clone();
        let charge = |which: usize| {
            let body = json!({ "account": account, "tokens": -10, "reason": "r" });
            let once = format!("{round} {which}");
            Request::post("/auth/v1/balance", &body).bearer(&stage.token).header("Idempotency-Key", &once)
        };
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (charge, address, acknowledged) = (&charge, &address, &acknowledged);
                scope.spawn(move || {
                    for which in (thread..300).step_by(3) {
                        match charge(which).try_send(address) {
                            Ok(reply) if reply.status == 200 => drop(acknowledged.fetch_add(1, Ordering::SeqCst)),
                            _ => return,
                        }
                    }
                });
            }
            eventually("some are charged", || (acknowledged.load(Ordering::SeqCst) >= 20).then_some(()));
            let killed = std::process::Command::new("kill").args(["-9", &stage.server.pid().to_string()]).status().unwrap();
            assert!(killed.success());
        });
        let server = stage.folder.serve();
        stage = Stage { server, folder: stage.folder, token: stage.token };
        // Whoever is not sure asks again, for all of them: what was done is not done again.
        let address = stage.server.address.clone();
        let charge = |which: usize| {
            let body = json!({ "account": account, "tokens": -10, "reason": "r" });
            let once = format!("{round} {which}");
            Request::post("/auth/v1/balance", &body).bearer(&stage.token).header("Idempotency-Key", &once)
        };
        let before = balance(&stage, &account);
        assert!(before <= expected - 10 * acknowledged.into_inner() as i64, "what was acknowledged is there");
        for which in 0..60 {
            charge(which).send(&address).expect(200);
        }
        let entries = history(&stage, &account);
        assert_eq!(entries.iter().map(tokens).sum::<i64>(), balance(&stage, &account));
        expected = balance(&stage, &account);
        let charged = entries.iter().filter(|entry| entry["kind"] == "charged").count() as i64;
        assert_eq!(expected, 100_000 - 10 * charged);
        let audit = stage.get("/audit?action=balance.charged&limit=1000").expect(200).json();
        assert_eq!(data(&audit).len() as i64, charged, "each with its entry of the audit");
    }
}

#[test]
fn movements_go_in_their_time_and_the_balance_stays() {
    let stage = Stage::with(&format!("[history]\nbalance = \"40d\"\n{TOKENS}"));
    let account = stage.account(json!({ "balance": 10 }));
    let young = history(&stage, &account);
    assert_eq!(stage.server.stop().0, Some(0));
    let database = Connection::open(stage.folder.database()).unwrap();
    // More than go in one round, of long ago; and one that is young enough.
    let old = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
         INSERT INTO balance_history SELECT printf('bal_000000000000%02d%012d', ?3, i), ?1, (unixepoch() - ?3 * 86400) * 1000, 'credited', 1, 1, '', 'operator', '' FROM n";
    database.execute(old, rusqlite::params![account, 2500, 44]).unwrap();
    database.execute(old, rusqlite::params![account, 1, 22]).unwrap();
    drop(database);
    let server = stage.folder.serve();
    let stage = Stage { server, folder: stage.folder, token: stage.token };
    let left = eventually("what is past its time goes", || {
        let page = stage.get(&format!("/accounts/{account}/balance?limit=5")).expect(200).json();
        (data(&page).len() == 2).then(|| data(&page).to_vec())
    });
    assert_eq!(left[0], young[0]);
    assert_eq!(balance(&stage, &account), 10);
}
