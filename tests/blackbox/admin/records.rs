//! The records of accounts, keys, tokens and plans, by HTTP and at the command line.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{PLANS, assert_problem, ids, names, wrong_fields};
use crate::support::server::text;
use crate::support::{Stage, eventually};

const ACCOUNT_FIELDS: [&str; 8] = ["id", "name", "plan", "plan_until", "kind", "balance", "limits", "disabled"];

const KEY_FIELDS: [&str; 14] = [
    "id",
    "prefix",
    "name",
    "account",
    "environment",
    "plan",
    "limits",
    "scopes",
    "ips",
    "metadata",
    "disabled",
    "created_at",
    "expires_at",
    "revoked_at",
];

#[track_caller]
fn assert_has(record: &Value, fields: &[&str]) {
    let missing: Vec<&&str> = fields.iter().filter(|field| !names(record).contains(field)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {record}");
}

#[test]
fn an_account_is_made_shown_and_changed_as_on_the_command_line() {
    let stage = Stage::with(PLANS);
    let plain = stage.post("/accounts", &json!({ "name": "Ada" })).expect(201).json();
    assert_has(&plain, &ACCOUNT_FIELDS);
    assert!(text(&plain["id"]).starts_with("acc_"));
    let told = ["name", "plan", "plan_until", "kind", "balance", "limits", "disabled"].map(|name| plain[name].clone());
    assert_eq!(told, [json!("Ada"), json!("free"), json!(null), json!("personal"), json!(0), json!({}), json!(false)]);

    let whole = json!({
        "name": "Ada", "kind": "organization", "plan": "pro", "plan_until": "2999-01-01T00:00:00Z", "balance": 70,
        "limits": { "minute": 600 }, "disabled": true,
    });
    let made = stage.post("/accounts", &whole).expect(201).json();
    for (name, value) in whole.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    assert_ne!(made["id"], plain["id"], "names may repeat");
    let path = format!("/accounts/{}", text(&made["id"]));
    assert_eq!(stage.get(&path).expect(200).json(), made);
    assert_eq!(stage.folder.json(&["account", "show", &text(&made["id"])]), made, "the command line shows the same");

    for (change, field, value) in [
        (json!({ "name": "Eve" }), "name", json!("Eve")),
        (json!({ "plan": "free" }), "plan", json!("free")),
        (json!({ "plan_until": null }), "plan_until", json!(null)),
        (json!({ "balance": -5 }), "balance", json!(-5)),
        (json!({ "limits": { "day": 5 } }), "limits", json!({ "minute": 600, "day": 5 })),
        (json!({ "limits": { "minute": null } }), "limits", json!({ "day": 5 })),
        (json!({ "disabled": false }), "disabled", json!(false)),
    ] {
        assert_eq!(stage.patch(&path, &change).expect(200).json()[field], value, "{change}");
        assert_eq!(stage.get(&path).json()[field], value, "{change}");
    }
    let listed = stage.get("/accounts").json();
    assert_eq!(names(&listed), ["data", "next_cursor"]);
    assert_eq!(listed["data"][1], stage.get(&path).json());
    assert_eq!(stage.folder.json(&["account", "list"]), listed);
}

#[test]
fn the_command_line_makes_accounts_with_everything_that_set_takes() {
    let stage = Stage::with(PLANS);
    let made = stage.folder.json(&[
        "account",
        "create",
        "--name",
        "Ada",
        "--organization",
        "--plan",
        "pro",
        "--plan-until",
        "2999-01-01",
        "--balance",
        "70",
        "--limit",
        "minute=600",
        "--disable",
    ]);
    assert_has(&made, &ACCOUNT_FIELDS);
    assert_eq!((&made["kind"], &made["plan"], &made["balance"]), (&json!("organization"), &json!("pro"), &json!(70)));
    assert_eq!((&made["plan_until"], &made["limits"]), (&json!("2999-01-01T00:00:00Z"), &json!({ "minute": 600 })));
    assert_eq!(made["disabled"], true);
    let id = text(&made["id"]);
    let set = stage.folder.json(&["account", "set", &id, "--enable", "--limit", "minute=", "--name", "Eve", "--plan-until", ""]);
    assert_eq!(
        (&set["disabled"], &set["limits"], &set["name"], &set["plan_until"]),
        (&json!(false), &json!({}), &json!("Eve"), &json!(null))
    );
    assert_eq!(stage.get(&format!("/accounts/{id}")).json(), set);
}

#[test]
fn a_plan_that_ends_gives_way_to_the_default_one() {
    let stage = Stage::with(PLANS);
    let until = (Timestamp::now() + SignedDuration::from_secs(2)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let account = stage.account(json!({ "plan": "elite", "plan_until": until }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let plan = || stage.server.get("/x", &key).expect(200).header("X-Auth-Plan").unwrap();
    assert_eq!(plan(), "elite");
    eventually("the plan ends", || (plan() == "free").then_some(()));
    assert!(Timestamp::now() >= until.parse().unwrap(), "not before its time");
    assert_eq!(stage.verify(&json!({ "key": key }))["account"]["plan"], "free");
}

#[test]
fn a_key_is_made_shown_and_listed_with_the_same_fields() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let made = stage.post("/keys", &json!({ "account": account, "name": "laptop" })).expect(201).json();
    assert_has(&made, &KEY_FIELDS);
    assert!(text(&made["key"]).starts_with(&text(&made["prefix"])));
    let shown = stage.get(&format!("/keys/{}", text(&made["id"]))).expect(200).json();
    let mut without = made.clone();
    without.as_object_mut().unwrap().shift_remove("key");
    assert_eq!(shown, without);
    assert_eq!(stage.get("/keys").json()["data"], json!([shown]));
    let rotated = stage.post(&format!("/keys/{}/rotate", text(&made["id"])), &json!({ "grace": "1d" })).expect(201).json();
    assert_eq!(names(&rotated), names(&made));
}

#[test]
fn a_token_is_made_shown_once_and_listed() {
    let stage = Stage::with(PLANS);
    let before = ids(&stage.get("/tokens").json());
    let made = stage.post("/tokens", &json!({ "name": "app", "scopes": ["verify", "metrics"] })).expect(201).json();
    assert!(text(&made["token"]).starts_with("tgs_") && text(&made["id"]).starts_with("tok_"), "{made}");
    assert_eq!((&made["scopes"], &made["name"]), (&json!(["verify", "metrics"]), &json!("app")));
    let listed = stage.get("/tokens").json();
    let mut without = made.clone();
    without.as_object_mut().unwrap().shift_remove("token");
    assert_eq!(listed["data"].as_array().unwrap().last(), Some(&without));
    assert_eq!(ids(&listed).len(), before.len() + 1);
    let by_hand = stage.folder.json(&["token", "create", "--scope", "verify", "--scope", "admin"]);
    assert_eq!(by_hand["scopes"], json!(["verify", "admin"]));
    for wrong in
        [json!({}), json!({ "scopes": [] }), json!({ "scopes": ["root"] }), json!({ "scopes": "verify" }), json!({ "scopes": [1] })]
    {
        let reply = stage.post("/tokens", &wrong);
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), ["scopes"], "{wrong}");
    }
}

#[test]
fn plans_are_told_as_the_config_has_them() {
    let stage = Stage::with(PLANS);
    let plans = stage.get("/plans").expect(200).json();
    assert_eq!((names(&plans), &plans["next_cursor"]), (vec!["data", "next_cursor"], &Value::Null));
    let data = plans["data"].as_array().unwrap();
    let told: Vec<[Value; 5]> = data
        .iter()
        .map(|plan| ["name", "title", "unlimited", "needs_balance", "monthly_tokens"].map(|field| plan[field].clone()))
        .collect();
    assert_eq!(
        told,
        [
            [json!("free"), json!("Free"), json!(false), json!(false), json!(0)],
            [json!("pro"), json!("Pro"), json!(false), json!(true), json!(500)],
            [json!("elite"), json!("elite"), json!(true), json!(false), json!(0)],
        ]
    );
    let limits = |at: usize| data[at]["limits"].as_array().unwrap().clone();
    assert_eq!((limits(0).len(), limits(1).len(), limits(2).len()), (2, 1, 0));
    for (limit, expected) in [
        (
            &limits(0)[0],
            json!({ "name": "minute", "requests": 60, "per": "minute", "shape": "rolling", "count": "key", "unit": "requests", "observe": false }),
        ),
        (
            &limits(0)[1],
            json!({ "name": "day", "requests": 1000, "per": "day", "shape": "fixed", "count": "account", "unit": "requests", "observe": false }),
        ),
        (&limits(1)[0], json!({ "name": "burst", "requests": 100, "per": "10s", "shape": "rolling", "burst": 20, "observe": true })),
    ] {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(limit[name], *value, "{name} of {limit}");
        }
    }
}
