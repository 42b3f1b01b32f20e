//! Lists, page by page: nothing is skipped and nothing repeated, whoever writes meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{PLANS, assert_problem, ids, wrong_fields};
use crate::support::server::text;
use crate::support::{Raise, Stage};

/// Walks through a list page by page, doing something between two pages; every id in the order it came. The path ends where
/// another parameter can follow.
fn walk(stage: &Stage, path: &str, limit: usize, mut between: impl FnMut()) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stage.get(&format!("{path}limit={limit}{cursor}")).expect(200).json();
        let found = ids(&page);
        assert!(found.len() <= limit, "{path}: {}", found.len());
        all.extend(found);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
        assert!(all.len() < 5000, "{path} never ends");
        between();
    }
}

#[test]
fn pages_neither_repeat_nor_skip() {
    let stage = Stage::with(PLANS);
    let accounts: Vec<String> = (0..23).map(|_| stage.account(json!({}))).collect();
    let keys: Vec<String> = (0..23).map(|_| text(&stage.key(&accounts[0], json!({}))["id"])).collect();
    let tokens: Vec<String> = (0..7)
        .map(|_| text(&stage.post("/tokens", &json!({ "scopes": ["metrics"] })).expect(201).json()["id"]))
        .chain(ids(&stage.get("/tokens").json()).into_iter().take(1))
        .collect();
    for (path, made) in [("/accounts?", &accounts), ("/keys?", &keys), ("/tokens?", &tokens)] {
        let mut made = made.clone();
        made.sort();
        for limit in [1, 5, 22, 23, 24, 1000] {
            let mut found = walk(&stage, path, limit, || ());
            assert!(found.is_sorted() && found.windows(2).all(|pair| pair[0] != pair[1]), "{path} {limit}: oldest first, none twice");
            found.sort();
            assert_eq!(found, made, "{path} {limit}");
        }
    }
    let found = walk(&stage, "/keys?", 4, || {
        stage.key(&accounts[1], json!({}));
    });
    for id in &keys {
        assert_eq!(found.iter().filter(|other| *other == id).count(), 1, "also while others are made");
    }
    let of_account = walk(&stage, &format!("/keys?account={}&search=test&", accounts[0]), 4, || ());
    let mut sorted = keys.clone();
    sorted.sort();
    assert_eq!(of_account, sorted);
}

#[test]
fn a_page_that_cannot_be_asked_for_is_400() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    for path in ["/accounts", "/keys", "/tokens"] {
        for query in ["limit=0", "limit=-1", "limit=1001", "limit=many", "limit=", "cursor=nonsense", "limit=5&limit=6", "colour=red"] {
            let reply = stage.get(&format!("{path}?{query}"));
            assert_problem(&reply, 400);
            assert_eq!(wrong_fields(&reply), [query.split('=').next().unwrap()], "{path}?{query}");
        }
    }
    let other_kind = stage.get(&format!("/keys?cursor={account}"));
    assert_problem(&other_kind, 400);
    assert_eq!(stage.get("/keys?limit=1").expect(200).json(), json!({ "data": [], "next_cursor": null }));
}

/// Pages through a list with small pages until it ends, while others add to it; every id in the order it came.
fn walk_under_writers(stage: &Stage, path: &str, limit: usize, write: impl Fn(usize) + Sync) -> Vec<String> {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = Raise(&is_done);
        for writer in 0..2 {
            let (is_done, write) = (&is_done, &write);
            scope.spawn(move || {
                // Never so many that the reader does not come to the end.
                for _ in 0..40 {
                    if is_done.load(Ordering::Relaxed) {
                        return;
                    }
                    write(writer);
                }
            });
        }
        walk(stage, path, limit, || ())
    })
}

/// Each is there at most once, and in order; what was there before is there whole.
#[track_caller]
fn assert_whole(found: &[String], before: &[String], path: &str) {
    let mut once = found.to_vec();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), found.len(), "{path}: one is repeated");
    let missing: Vec<&String> = before.iter().filter(|id| !once.contains(id)).collect();
    assert!(missing.is_empty(), "{path}: {missing:?} are skipped");
}

#[test]
fn pages_oldest_first_skip_and_repeat_nothing_under_writers() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let make = |path: &str| {
        let body = match path {
            "/accounts?" => json!({ "name": "n" }),
            "/tokens?" => json!({ "scopes": ["verify"] }),
            _ => json!({ "account": account, "name": "n" }),
        };
        text(&stage.post(path.split('?').next().unwrap(), &body).expect(201).json()["id"])
    };
    let of_account = format!("/keys?account={account}&");
    for path in ["/accounts?", "/keys?", "/tokens?", &of_account] {
        for limit in [1, 7] {
            (0..10).for_each(|_| drop(make(path)));
            let before = walk(&stage, path, 1000, || ());
            let made = Mutex::new(Vec::new());
            let found = walk_under_writers(&stage, path, limit, |_| {
                let id = make(path);
                made.lock().unwrap().push(id);
            });
            assert!(found.is_sorted(), "{path}: oldest first");
            assert_whole(&found, &before, path);
            // What was made before the last page was asked for, and acknowledged, is there, or lies behind its end.
            let last = found.last().unwrap();
            for id in made.into_inner().unwrap().iter().filter(|id| *id <= last) {
                assert!(found.contains(id), "{path}: {id} was made behind the cursor");
            }
        }
    }
}

#[test]
fn pages_newest_first_skip_and_repeat_nothing_under_writers() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let movements = format!("/accounts/{account}/balance?");
    let of_account = format!("/audit?account={account}&");
    let credited = "/audit?action=balance.credited&";
    let credit = |_| drop(stage.post("/balance", &json!({ "account": account, "tokens": 1 })).expect(200));
    (0..20).for_each(credit);
    for path in ["/audit?", &of_account, credited, &movements] {
        for limit in [1, 7] {
            let before = walk(&stage, path, 1000, || ());
            let found = walk_under_writers(&stage, path, limit, credit);
            assert!(found.iter().rev().is_sorted(), "{path}: newest first");
            assert_whole(&found, &before, path);
            // Newer ones come before the first page, never into the middle.
            let begun = found.iter().position(|id| before.contains(id)).unwrap();
            assert_eq!(found[begun..], before[..], "{path}");
        }
    }
}

#[test]
fn ids_rise_in_the_order_of_commits() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    // Whatever is acknowledged before another is asked for has the smaller id, of any kind, by whichever way.
    let ulid = |record: &Value| text(&record["id"]).split_once('_').unwrap().1.to_owned();
    let rising: Vec<Vec<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let post = |path: &str, body: Value| ulid(&stage.post(path, &body).expect(201).json());
                    (0..10)
                        .flat_map(|_| {
                            [
                                post("/accounts", json!({ "name": "n" })),
                                post("/keys", json!({ "account": account, "name": "n" })),
                                post("/tokens", json!({ "scopes": ["verify"] })),
                            ]
                        })
                        .collect()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ids in &rising {
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }
    let stage = stage.restart();
    let after = ulid(&stage.post("/accounts", &json!({ "name": "n" })).expect(201).json());
    assert!(rising.iter().flatten().all(|id| *id < after), "after a restart too");
}

#[test]
fn every_list_refuses_a_page_that_cannot_be_asked_for_and_says_all_that_is_wrong() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let key = text(&stage.key(&account, json!({}))["id"]);
    stage.post("/balance", &json!({ "account": account, "tokens": 5 })).expect(200);
    let movements = format!("/accounts/{account}/balance");
    let of = |path: &str| ids(&stage.get(path).json()).first().cloned().unwrap();
    let kinds = ["/accounts", "/keys", "/tokens", "/audit", &movements].map(|path| (path, of(path)));
    for (path, own) in &kinds {
        for (limit, status) in [
            ("1", 200),
            ("1000", 200),
            ("0", 400),
            ("1001", 400),
            ("-1", 400),
            ("abc", 400),
            ("1.5", 400),
            ("1e2", 400),
            ("", 400),
            ("99999999999999999999", 400),
        ] {
            let reply = stage.get(&format!("{path}?limit={limit}"));
            assert_eq!(reply.status, status, "{path}?limit={limit}: {reply:?}");
            if status == 400 {
                assert_problem(&reply, 400);
                assert_eq!(wrong_fields(&reply), ["limit"], "{path}?limit={limit}");
            }
        }
        for (other, id) in &kinds {
            let reply = stage.get(&format!("{path}?cursor={id}"));
            if other == path {
                reply.expect(200);
            } else {
                assert_problem(&reply, 400);
                assert_eq!(wrong_fields(&reply), ["cursor"], "{path} {other}");
            }
        }
        for wrong in ["nonsense", &own[..own.len() - 1], &format!("{own}0"), &own.to_uppercase(), &format!("{own}%27"), "%00", &key[4..]] {
            let reply = stage.get(&format!("{path}?cursor={wrong}"));
            assert_problem(&reply, 400);
            assert_eq!(wrong_fields(&reply), ["cursor"], "{path}?cursor={wrong}");
        }
        let reply = stage.get(&format!("{path}?limit=0&cursor=x&colour=red&shape=round&limit=5"));
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), ["colour", "cursor", "limit", "shape"], "{path}");
    }
    for query in ["limit=0", "limit=x", "cursor=gold", "cursor=nonsense"] {
        assert_eq!(wrong_fields(&stage.get(&format!("/plans?{query}"))), [query.split('=').next().unwrap()], "{query}");
    }
    let plan = |query: &str| stage.get(&format!("/plans?{query}")).expect(200).json();
    let names = |page: &Value| page["data"].as_array().unwrap().iter().map(|plan| text(&plan["name"])).collect::<Vec<_>>();
    assert_eq!((names(&plan("limit=2")), &plan("limit=2")["next_cursor"]), (vec!["free".into(), "pro".into()], &json!("pro")));
    assert_eq!((names(&plan("limit=2&cursor=pro")), &plan("limit=2&cursor=pro")["next_cursor"]), (vec!["elite".into()], &json!(null)));
    let reply = stage.get("/audit?limit=0&from=yesterday&to=now&action=key.eaten");
    assert_problem(&reply, 400);
    assert_eq!(wrong_fields(&reply), ["action", "from", "limit", "to"]);
}

#[test]
fn ids_rise_though_the_clock_steps_back_while_it_does_not_run() {
    let entry =
        "INSERT INTO audit SELECT 'aud_' || ?1, at, actor, origin, request_id, action, target, account, before, after FROM audit LIMIT 1";
    let movement =
        "INSERT INTO balance_history SELECT 'bal_' || ?1, id, unixepoch() * 1000, 'used', -1, -1, '', 'tollgate', '' FROM accounts LIMIT 1";
    for (sql, ulid) in [(entry, "7ZZZZZZZZA0000000000000000"), (movement, "7ZZZZZZZZB0000000000000000")] {
        let stage = Stage::with(PLANS);
        let account = stage.account(json!({}));
        assert_eq!(stage.server.stop().0, Some(0));
        // As if it had been written under a clock that was far ahead.
        let database = rusqlite::Connection::open(stage.folder.database()).unwrap();
        assert_eq!(database.execute(sql, [ulid]).unwrap(), 1);
        drop(database);
        let server = stage.folder.serve();
        let stage = Stage { server, folder: stage.folder, token: stage.token };
        let mut last = ulid.to_owned();
        for body in [json!({ "account": account, "name": "n" }), json!({ "account": account, "name": "m" })] {
            let id = text(&stage.post("/keys", &body).expect(201).json()["id"]);
            assert!(id[4..] > *last, "{id} is behind {last}");
            last = id[4..].to_owned();
        }
    }
}
