//! ETag and If-Match: a change that was decided on an old state is not made.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::{PLANS, assert_problem, data, everything, list};
use crate::support::server::text;
use crate::support::{Reply, Request, Stage};

/// The tag of an answer: strong, and nothing but digits inside.
#[track_caller]
fn tag(reply: &Reply) -> String {
    let tag = reply.header("ETag").unwrap_or_else(|| panic!("no ETag: {reply:?}"));
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    tag
}

/// A request of the operator's below `/auth/v1`, with If-Match headers.
fn request(stage: &Stage, method: &str, path: &str, body: Option<&Value>, tags: &[&str]) -> Request {
    let request = Request::new(method, &format!("/auth/v1{path}")).bearer(&stage.token);
    let request = tags.iter().fold(request, |request, tag| request.header("If-Match", tag));
    match body {
        Some(body) => request.json(body),
        None => request,
    }
}

fn send(stage: &Stage, method: &str, path: &str, body: Option<&Value>, tags: &[&str]) -> Reply {
    stage.server.send(&request(stage, method, path, body, tags))
}

/// The path of a new account, and of a new key.
fn paths(stage: &Stage) -> [String; 2] {
    let account = stage.account(json!({}));
    let key = text(&stage.key(&account, json!({}))["id"]);
    [format!("/accounts/{account}"), format!("/keys/{key}")]
}

#[test]
fn every_answer_with_a_record_has_its_tag_which_changes_with_it() {
    let stage = Stage::with(PLANS);
    let made = stage.post("/accounts", &json!({ "name": "n" })).expect(201);
    let account = text(&made.json()["id"]);
    let key = stage.post("/keys", &json!({ "account": account, "name": "n" })).expect(201);
    for (made, path) in [(made, format!("/accounts/{account}")), (key.clone(), format!("/keys/{}", text(&key.json()["id"])))] {
        let mut known = vec![tag(&made)];
        assert_eq!(tag(&stage.get(&path)), known[0], "{path}: reading changes nothing");
        for change in
            [json!({ "name": "m" }), json!({ "disabled": true }), json!({ "disabled": false }), json!({ "limits": { "minute": 5 } })]
        {
            let changed = stage.patch(&path, &change).expect(200);
            assert!(!known.contains(&tag(&changed)), "{path} {change}: a tag comes never again");
            known.push(tag(&changed));
            assert_eq!(tag(&stage.get(&path)), known[known.len() - 1], "{path} {change}");
        }
    }
    let path = format!("/keys/{}", text(&key.json()["id"]));
    let before = tag(&stage.get(&path));
    let rotated = stage.post(&format!("{path}/rotate"), &json!({})).expect(201);
    assert_ne!(tag(&stage.get(&path)), before, "the old one has an end now");
    let new = format!("/keys/{}", text(&rotated.json()["id"]));
    assert_eq!(tag(&stage.get(&new)), tag(&rotated), "the tag of a rotation is the new key's");
    let before = tag(&stage.get(&new));
    stage.delete(&new).expect(204);
    let revoked = tag(&stage.get(&new));
    assert_ne!(revoked, before);
    stage.delete(&new).expect(204);
    assert_eq!(tag(&stage.get(&new)), revoked, "what was revoked is revoked");
}

#[test]
fn what_changes_nothing_leaves_no_trace() {
    let stage = Stage::with(PLANS);
    for path in paths(&stage) {
        let name = stage.get(&path).json()["name"].clone();
        let (before, lists) = (tag(&stage.get(&path)), everything(&stage));
        for change in [
            json!({}),
            json!({ "name": name }),
            json!({ "disabled": false }),
            json!({ "limits": {} }),
            json!({ "limits": { "minute": null } }),
        ] {
            let reply = stage.patch(&path, &change).expect(200);
            assert_eq!(tag(&reply), before, "{path} {change}");
            assert_eq!(everything(&stage), lists, "{path} {change}");
        }
    }
}

#[test]
fn use_and_charges_do_not_change_a_tag() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({ "balance": 100 }));
    let key = stage.key(&account, json!({}));
    let paths = [format!("/accounts/{account}"), format!("/keys/{}", text(&key["id"]))];
    let tags = || paths.clone().map(|path| tag(&stage.get(&path)));
    let before = tags();
    stage.server.get("/x", &text(&key["key"])).expect(200);
    assert_eq!(stage.verify(&json!({ "key": key["key"], "tokens": 3 }))["verdict"], "ok");
    stage.post("/balance", &json!({ "account": account, "tokens": -5 })).expect(200);
    stage.post("/balance", &json!({ "account": account, "tokens": 9 })).expect(200);
    crate::support::eventually("the use is noted", || stage.get(&paths[1]).json()["last_used_at"].is_string().then_some(()));
    assert_eq!(stage.get(&paths[0]).json()["balance"], 101);
    assert_eq!(tags(), before);
    // So a change on what was read before the charges is made, and takes no charge back.
    let change = json!({ "name": "m" });
    let changed = send(&stage, "PATCH", &paths[0], Some(&change), &[&before[0]]).expect(200).json();
    assert_eq!((&changed["name"], &changed["balance"]), (&json!("m"), &json!(101)));
}

/// If-Match headers, where CURRENT stands for the tag and STALE for the one before; and how a change with them is answered.
const CONDITIONS: &[(&[&str], u16)] = &[
    (&["CURRENT"], 200),
    (&["*"], 200),
    (&[" CURRENT "], 200),
    (&["STALE, CURRENT"], 200),
    (&["CURRENT,STALE"], 200),
    (&["\"other\", CURRENT"], 200),
    (&["W/CURRENT, CURRENT"], 200),
    (&["STALE", "CURRENT"], 200),
    (&["CURRENT", "STALE"], 200),
    // Empty elements count for nothing (RFC 9110, 5.6.1.2).
    (&["CURRENT, , STALE,"], 200),
    (&["STALE"], 412),
    (&["STALE", "\"999\""], 412),
    (&["W/CURRENT"], 412),
    (&["W/CURRENT, STALE"], 412),
    (&["\"\""], 412),
    (&["\"other\""], 412),
    (&["\"*\""], 412),
    // Octet by octet (RFC 9110, 8.8.3.2): what counts alike is not alike.
    (&["\"+BARE\""], 412),
    (&["\"0BARE\""], 412),
    (&["\" BARE\""], 400),
    (&["\"99999999999999999999999\""], 412),
    (&["\"a,b\""], 412),
    (&["BARE"], 400),
    (&["\"BARE"], 400),
    (&["BARE\""], 400),
    (&["'BARE'"], 400),
    (&["CURRENT CURRENT"], 400),
    (&["CURRENT; STALE"], 400),
    (&["W/W/CURRENT"], 400),
    (&["w/CURRENT"], 400),
    (&["W/"], 400),
    (&["W/*"], 400),
    (&["\"a\"b\""], 400),
    (&[""], 400),
    (&[","], 400),
    (&["**"], 400),
    (&["*, CURRENT"], 400),
    (&["CURRENT, *"], 400),
    (&["*", "*"], 400),
    (&["*", "STALE"], 400),
    (&["STALE", "*"], 400),
    (&["CURRENT", "nonsense"], 400),
    (&["nonsense", "CURRENT"], 400),
];

#[test]
fn a_change_is_made_on_the_state_it_was_decided_on_and_on_no_other() {
    let stage = Stage::with(PLANS);
    for path in paths(&stage) {
        let mut stale = tag(&stage.get(&path));
        let mut current = tag(&stage.patch(&path, &json!({ "name": "start" })).expect(200));
        for (round, (tags, status)) in CONDITIONS.iter().enumerate() {
            let bare = current.trim_matches('"');
            let tags: Vec<String> =
                tags.iter().map(|tag| tag.replace("CURRENT", &current).replace("STALE", &stale).replace("BARE", bare)).collect();
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let (before, change) = (everything(&stage), json!({ "name": format!("round {round}") }));
            let reply = send(&stage, "PATCH", &path, Some(&change), &tags);
            assert_eq!(reply.status, *status, "{path} {tags:?}: {reply:?}");
            if *status == 200 {
                assert_eq!(reply.json()["name"], change["name"]);
                (stale, current) = (current, tag(&reply));
            } else {
                assert_problem(&reply, *status);
                assert_eq!(everything(&stage), before, "{path} {tags:?}");
            }
        }
    }
}

#[test]
fn rotation_and_revocation_ask_for_the_state_too() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    for (method, suffix, body, status) in [("POST", "/rotate", Some(json!({ "grace": "1d" })), 201), ("DELETE", "", None, 204)] {
        let path = format!("/keys/{}", text(&stage.key(&account, json!({}))["id"]));
        let stale = tag(&stage.get(&path));
        let current = tag(&stage.patch(&path, &json!({ "name": "m" })).expect(200));
        let before = everything(&stage);
        for (tags, status) in [(&[&*stale][..], 412), (&[&*format!("W/{current}")], 412), (&["nonsense"], 400)] {
            let reply = send(&stage, method, &format!("{path}{suffix}"), body.as_ref(), tags);
            assert_problem(&reply, status);
            assert_eq!(everything(&stage), before, "{method} {tags:?}");
        }
        let done = send(&stage, method, &format!("{path}{suffix}"), body.as_ref(), &[&current]);
        assert_eq!(done.status, status, "{done:?}");
        let again = send(&stage, method, &format!("{path}{suffix}"), body.as_ref(), &[&current]);
        assert_eq!(again.status, 412, "it is another one now: {again:?}");
    }
}

#[test]
fn a_condition_on_what_is_not_there_is_404() {
    let stage = Stage::with(PLANS);
    let change = json!({ "name": "n" });
    for (method, path, body) in [
        ("PATCH", format!("/accounts/{}", super::NO_ACCOUNT), Some(&change)),
        ("PATCH", format!("/keys/{}", super::NO_KEY), Some(&change)),
        ("DELETE", format!("/keys/{}", super::NO_KEY), None),
    ] {
        for tags in ["*", "\"1\"", "W/\"1\""] {
            assert_problem(&send(&stage, method, &path, body, &[tags]), 404);
        }
    }
}

#[test]
fn of_two_changes_on_the_same_state_exactly_one_is_made() {
    let stage = Stage::with(PLANS);
    for path in paths(&stage) {
        for round in 0..40 {
            let current = tag(&stage.get(&path));
            let barrier = Barrier::new(3);
            let replies: Vec<Reply> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3)
                    .map(|which| {
                        let (stage, path, current, barrier) = (&stage, &path, &current, &barrier);
                        scope.spawn(move || {
                            let change = json!({ "name": format!("{round} {which}") });
                            barrier.wait();
                            send(stage, "PATCH", path, Some(&change), &[current])
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let won: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 200).collect();
            assert_eq!(won.len(), 1, "{path} {replies:?}");
            assert_eq!(replies.iter().filter(|reply| reply.status == 412).count(), 2, "{path} {replies:?}");
            let now = stage.get(&path);
            assert_eq!((&now.json()["name"], tag(&now)), (&won[0].json()["name"], tag(won[0])), "{path}");
        }
        let target = path.rsplit('/').next().unwrap();
        let changes = list(&stage, "/audit");
        let of_it = data(&changes).iter().filter(|entry| entry["target"] == target && text(&entry["action"]).ends_with(".changed")).count();
        assert_eq!(of_it, 40, "each that was made stands in the audit, and no other");
    }
}
