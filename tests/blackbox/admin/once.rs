//! Idempotency-Key: what was asked twice is done once.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::{PLANS, assert_problem, data, everything, ids, list};
use crate::support::server::text;
use crate::support::{Reply, Request, Stage};

/// What can be asked once: a path, a body, another body, one that is refused, and the field of what is shown once.
struct Ask {
    path: String,
    body: Value,
    other: Value,
    wrong: Value,
    secret: Option<&'static str>,
}

fn asks(stage: &Stage) -> Vec<Ask> {
    let account = stage.account(json!({ "balance": 100 }));
    let key = text(&stage.key(&account, json!({}))["id"]);
    let ask = |path: &str, body: Value, other: Value, wrong: Value, secret| Ask { path: path.to_owned(), body, other, wrong, secret };
    vec![
        ask("/accounts", json!({ "name": "n" }), json!({ "name": "m" }), json!({ "name": "" }), None),
        ask(
            "/keys",
            json!({ "account": account, "name": "n" }),
            json!({ "account": account, "name": "m" }),
            json!({ "account": super::NO_ACCOUNT, "name": "n" }),
            Some("key"),
        ),
        ask("/tokens", json!({ "scopes": ["verify"] }), json!({ "scopes": ["admin"] }), json!({ "scopes": [] }), Some("token")),
        ask(&format!("/keys/{key}/rotate"), json!({ "grace": "1d" }), json!({ "grace": "2d" }), json!({ "grace": "soon" }), Some("key")),
        ask(
            "/balance",
            json!({ "account": account, "tokens": -7, "reason": "r" }),
            json!({ "account": account, "tokens": -8, "reason": "r" }),
            json!({ "account": account, "tokens": -1000, "reason": "r" }),
            None,
        ),
    ]
}

fn post(stage: &Stage, path: &str, once: &str, body: &Value) -> Reply {
    let request = Request::post(&format!("/auth/v1{path}"), body).bearer(&stage.token);
    stage.server.send(&request.header("Idempotency-Key", once))
}

/// Every answer is the same record, and what is shown once is in exactly one of them.
#[track_caller]
fn assert_one(replies: &[Reply], ask: &Ask) {
    let records: Vec<Value> = replies.iter().map(Reply::json).collect();
    assert!(replies.iter().all(|reply| [200, 201].contains(&reply.status)), "{replies:?}");
    assert!(records.iter().all(|record| record["id"] == records[0]["id"]), "{records:?}");
    if let Some(secret) = ask.secret {
        assert_eq!(records.iter().filter(|record| record.get(secret).is_some()).count(), 1, "{records:?}");
    }
    let without = |record: &Value| {
        let mut record = record.clone();
        ask.secret.and_then(|secret| record.as_object_mut().unwrap().shift_remove(secret));
        record
    };
    assert!(records.iter().all(|record| without(record) == without(&records[0])), "{records:?}");
}

#[test]
fn what_is_asked_twice_is_done_once() {
    let mut stage = Stage::with(PLANS);
    for ask in asks(&stage) {
        // What fails is not remembered.
        let refused = post(&stage, &ask.path, "once", &ask.wrong);
        assert!([400, 402, 404].contains(&refused.status), "{} {refused:?}", ask.path);
        let before = everything(&stage);
        let mut replies = vec![post(&stage, &ask.path, "once", &ask.body)];
        let after = everything(&stage);
        assert_ne!(after, before, "{}", ask.path);
        replies.extend((0..3).map(|_| post(&stage, &ask.path, "once", &ask.body)));
        assert_problem(&post(&stage, &ask.path, "once", &ask.other), 409);
        assert_eq!(everything(&stage), after, "{}", ask.path);
        stage = stage.restart();
        replies.push(post(&stage, &ask.path, "once", &ask.body));
        assert_one(&replies, &ask);
        assert_problem(&post(&stage, &ask.path, "once", &ask.other), 409);
        assert_eq!(everything(&stage), after, "{}", ask.path);
    }
}

#[test]
fn of_many_at_once_one_is_done() {
    let stage = Stage::with(PLANS);
    for ask in asks(&stage) {
        let entries = data(&list(&stage, "/audit")).len();
        let barrier = Barrier::new(20);
        let replies: Vec<Reply> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        post(&stage, &ask.path, "together", &ask.body)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_one(&replies, &ask);
        let made = data(&list(&stage, "/audit")).len() - entries;
        assert_eq!(made, if ask.path.ends_with("/rotate") { 2 } else { 1 }, "{}", ask.path);
    }
}

#[test]
fn of_different_asks_under_one_key_at_once_one_is_done() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    for round in 0..10 {
        let barrier = Barrier::new(6);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|which| {
                    let (stage, account, barrier) = (&stage, &account, &barrier);
                    scope.spawn(move || {
                        let body = json!({ "account": account, "name": format!("{round} {which}") });
                        barrier.wait();
                        post(stage, "/keys", &round.to_string(), &body).status
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5, "{statuses:?}");
        assert_eq!(ids(&stage.get("/keys").json()).len(), round + 1);
    }
}

#[test]
fn one_key_may_be_used_for_each_kind_of_thing() {
    let stage = Stage::with(PLANS);
    for ask in asks(&stage) {
        let reply = post(&stage, &ask.path, "shared", &ask.body);
        assert!([200, 201].contains(&reply.status), "{} {reply:?}", ask.path);
    }
    // A rotation of another key under the same Idempotency-Key is another request.
    let account = stage.account(json!({}));
    let other = text(&stage.key(&account, json!({}))["id"]);
    assert_problem(&post(&stage, &format!("/keys/{other}/rotate"), "shared", &json!({ "grace": "1d" })), 409);
}

#[test]
fn an_idempotency_key_that_cannot_be_one_is_400_and_nothing_is_done() {
    let stage = Stage::with(PLANS);
    for ask in asks(&stage) {
        let before = everything(&stage);
        let send = |keys: &[&str]| {
            let request = Request::post(&format!("/auth/v1{}", ask.path), &ask.body).bearer(&stage.token);
            stage.server.send(&keys.iter().fold(request, |request, key| request.header("Idempotency-Key", key)))
        };
        for wrong in [&[""][..], &["  "], &[&"x".repeat(256)], &["é"], &["a", "b"], &["a", "a"]] {
            assert_problem(&send(wrong), 400);
        }
        assert_eq!(everything(&stage), before, "{}", ask.path);
        let longest = send(&[&"x".repeat(255)]);
        assert!([200, 201].contains(&longest.status), "{longest:?}");
    }
}

#[test]
fn a_rotation_that_was_done_is_answered_again_whatever_became_of_its_keys() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({}));
    let path = format!("/keys/{}/rotate", text(&key["id"]));
    let rotate = |tag: &str| {
        let request = Request::post(&format!("/auth/v1{path}"), &json!({ "grace": "0s" })).bearer(&stage.token);
        stage.server.send(&request.header("Idempotency-Key", "once").header("If-Match", tag))
    };
    let first = rotate("\"1\"").expect(201).json();
    // The old key has another state by now, and is revoked; whoever did not hear the answer asks as before.
    let again = rotate("\"1\"").expect(201).json();
    assert_eq!((&again["id"], again.get("key")), (&first["id"], None));
    assert_eq!(stage.get(&format!("/keys/{}", text(&key["id"]))).json()["replaced_by"], first["id"]);
}
