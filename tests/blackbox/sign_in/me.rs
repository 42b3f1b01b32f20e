//! `user/me` and `balance`: who calls, for a session and a key alike; and what users change of themselves.

use serde_json::{Value, json};

use super::door::{BASE, Door, NOT_AT_GATE, PASSWORD, Session};
use crate::support::server::text;
use crate::support::{Reply, Request};

const PLANS: &str = r#"
[[plans]]
name = "starter"
title = "Starter"
default = true
api = false
needs_balance = true
limits = [{ requests = 5, per = "hour", count = "account" }, { requests = 20, per = "day", count = "account" }]

[[plans]]
name = "vip"
monthly_tokens = 1000
limits = [
  { name = "spent", requests = 7, per = "hour", unit = "tokens" },
  { name = "watched", requests = 8, per = "hour", observe = true },
  { requests = 100, per = "hour" },
  { requests = 1000, per = "day" },
]

[[plans]]
name = "elite"
unlimited = true
"#;

fn door() -> Door {
    Door::with(&format!("{NOT_AT_GATE}{PLANS}"))
}

#[test]
fn a_session_and_a_key_are_told_the_same() {
    let door = door();
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let key = text(&door.stage.key(&user.account, json!({}))["key"]);
    let until = "2099-01-01T00:00:00Z";
    for (settings, plan, expires, balance, tokens, hourly, daily) in [
        (json!({}), "starter", Value::Null, 0, 0, json!(5), json!(20)),
        (json!({ "limits": { "hour": 9 } }), "starter", Value::Null, 0, 0, json!(9), json!(20)),
        (
            json!({ "plan": "vip", "plan_until": until, "limits": { "hour": null } }),
            "vip",
            json!(until),
            1000,
            1000,
            json!(100),
            json!(1000),
        ),
        (json!({ "balance": 7 }), "vip", json!(until), 7, 1000, json!(100), json!(1000)),
        (json!({ "plan": "elite", "plan_until": null, "balance": 7 }), "elite", Value::Null, 7, 0, Value::Null, Value::Null),
    ] {
        door.stage.patch(&format!("/accounts/{}", user.account), &settings).expect(200);
        let wanted = json!({
            "id": user.id, "name": "ada", "email": "ada@example.com", "phone": null, "telegram_username": null, "avatar_url": null,
            "account": user.account, "plan": plan, "plan_expires_at": expires, "token_balance": balance, "token_limit": tokens,
            "rate_limit_hourly": hourly, "rate_limit_daily": daily,
            "auth_methods": { "telegram": false, "google": false, "email": true, "phone": false, "oidc": [] },
        });
        // Of a second factor a key is told nothing.
        for (credential, second_factor) in [(&session.token, json!(false)), (&key, Value::Null)] {
            let reply = door.ask("GET", "/user/me", credential, None).expect(200);
            let mut wanted = wanted.clone();
            wanted["second_factor"] = second_factor;
            assert_eq!(reply.json(), wanted, "{settings}");
            assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"));
            let left = json!({ "token_balance": balance, "plan": plan, "plan_expires_at": expires });
            assert_eq!(door.ask("GET", "/balance", credential, None).expect(200).json(), left, "{settings}");
        }
    }
    // It charges nothing and uses nothing up.
    assert_eq!(door.stage.verify(&json!({ "token": session.token, "dry_run": true }))["limits"], json!([]));
}

#[test]
fn a_key_of_an_account_without_users_is_the_account() {
    let door = door();
    let account = door.stage.account(json!({ "name": "tester", "plan": "vip" }));
    let key = text(&door.stage.key(&account, json!({}))["key"]);
    let me = door.ask("GET", "/user/me", &key, None).expect(200).json();
    assert_eq!((&me["id"], &me["name"], &me["email"], &me["account"]), (&Value::Null, &json!("tester"), &Value::Null, &json!(account)));
    assert_eq!(me["auth_methods"], json!({ "telegram": false, "google": false, "email": false, "phone": false, "oidc": [] }));
}

#[test]
fn who_is_nobody_is_told_as_at_the_gate() {
    let door = door();
    let key = door.stage.raw_key("vip");
    for path in ["/user/me", "/balance"] {
        let asked = |request: Request| door.stage.server.send(&request);
        assert_eq!(asked(Request::get(&format!("{BASE}{path}"))).expect(401).verdict(), "missing");
        for (credential, verdict) in [("x", "unknown"), ("eyJ.x.y", "unknown"), ("a b", "malformed")] {
            assert_eq!(door.ask("GET", path, credential, None).expect(401).verdict(), verdict, "{credential}");
        }
        door.ask("GET", path, &door.stage.token, None).expect(401);
    }
    door.ask("POST", "/user/me", &key, None).expect(405);
    door.ask("PATCH", "/user/me", &key, Some(&json!({ "name": "x" }))).expect(401);
}

fn errors(reply: &Reply) -> Vec<String> {
    let mut fields: Vec<String> = reply.json()["errors"].as_array().unwrap().iter().map(|fault| text(&fault["field"])).collect();
    fields.sort();
    fields
}

#[test]
fn users_change_themselves_and_each_wrong_field_is_named() {
    let door = door();
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let set = |change: &Value| door.ask("PATCH", "/user/me", &session.token, Some(change));
    let changed = set(&json!({ "name": "Ada Lovelace" })).expect(200).json();
    assert_eq!(changed, door.ask("GET", "/user/me", &session.token, None).json());
    assert_eq!(changed["name"], "Ada Lovelace");
    assert_eq!(set(&json!({})).expect(200).json(), changed);
    let many = json!({ "name": "", "email": "a@b@c", "phone": "x", "password": "short", "current_password": 5, "admin": true });
    assert_eq!(errors(&set(&many).expect(400)), ["admin", "current_password", "email", "name", "password", "phone"]);
    for (change, fields) in [
        (json!({ "name": null }), &["name"][..]),
        (json!({ "email": null }), &["current_password"]),
        (json!({ "password": "quite another horse battery" }), &["current_password"]),
        (json!({ "email": "new@example.com" }), &["current_password"]),
        (json!({ "password": "password", "current_password": PASSWORD }), &["password"]),
        (json!({ "password": "quite another horse battery", "current_password": "wrong" }), &["current_password"]),
        (json!({ "id": 1, "plan": "elite", "token_balance": 5 }), &["id", "plan", "token_balance"]),
    ] {
        assert_eq!(errors(&set(&change).expect(400)), fields, "{change}");
    }
    assert_eq!(door.ask("GET", "/user/me", &session.token, None).json(), changed);
    // A new address holds once it is proven: until then it is the old one, and the answer says what waits.
    let new = json!({ "email": "New@example.com", "phone": "+4915112345678", "current_password": PASSWORD });
    let mut waiting = changed.clone();
    (waiting["email_pending"], waiting["phone_pending"]) = (json!("new@example.com"), json!("+4915112345678"));
    assert_eq!(set(&new).expect(200).json(), waiting);
    let own = json!({ "email": user.email, "current_password": PASSWORD });
    assert_eq!(set(&own).expect(200).json(), changed, "what is theirs already waits for nothing");
    let change = json!({ "password": "quite another horse battery", "current_password": PASSWORD });
    set(&change).expect(200);
    assert_eq!(door.try_sign_in(&user, PASSWORD).status, 401);
    Session::of(&door.try_sign_in(&user, "quite another horse battery"));
}
