//! Wrong input: every wrong field is named in one answer, and nothing is half-made.

use serde_json::json;

use super::access::{ROUTES, Subjects};
use super::{NO_ACCOUNT, NO_KEY, NO_TOKEN, PLANS, assert_problem, everything, wrong_fields};
use crate::support::Stage;
use crate::support::server::text;

#[test]
fn wrong_ids_are_404() {
    let stage = Stage::with(PLANS);
    let body = json!({ "name": "n" });
    for (method, path, body) in [
        ("GET", format!("/accounts/{NO_ACCOUNT}"), None),
        ("PATCH", format!("/accounts/{NO_ACCOUNT}"), Some(&body)),
        ("GET", format!("/keys/{NO_KEY}"), None),
        ("PATCH", format!("/keys/{NO_KEY}"), Some(&body)),
        ("DELETE", format!("/keys/{NO_KEY}"), None),
        ("POST", format!("/keys/{NO_KEY}/rotate"), Some(&json!({}))),
        ("DELETE", format!("/tokens/{NO_TOKEN}"), None),
        ("POST", "/keys".into(), Some(&json!({ "account": NO_ACCOUNT, "name": "n" }))),
        ("POST", "/balance".into(), Some(&json!({ "account": NO_ACCOUNT, "tokens": 5 }))),
        ("GET", "/accounts/nonsense".into(), None),
        ("GET", format!("/accounts/{NO_KEY}"), None),
        ("GET", "/keys/%27%20OR%201=1--".into(), None),
        ("GET", "/keys/a/b".into(), None),
        ("GET", "/keys/".into(), None),
        ("GET", "/nothing".into(), None),
        ("GET", "".into(), None),
    ] {
        assert_problem(&stage.call(method, &path, body), 404);
    }
    for arguments in [
        &["account", "show", NO_ACCOUNT][..],
        &["account", "set", NO_ACCOUNT, "--name", "n"],
        &["key", "show", NO_KEY],
        &["key", "revoke", NO_KEY],
        &["key", "rotate", NO_KEY],
        &["token", "revoke", NO_TOKEN],
    ] {
        let output = stage.folder.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_body_that_is_no_json_object_is_400_and_another_type_415() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let before = everything(&stage);
    for route in ROUTES.iter().filter(|route| route.is_json() && !route.body.is_empty()) {
        let send = |content_type: &str, body: &[u8]| {
            let request = subjects.request_by(route.method, route, "").bearer(&stage.token);
            stage.server.send(&request.header("Content-Type", content_type).body(body))
        };
        for wrong in [&b""[..], b"{", b"5", b"null", b"\"x\"", b"[5]", b"{\"name\": \"\xff\"}", b"{\"a\": 1,}", b"name=n"] {
            assert_problem(&send("application/json", wrong), 400);
        }
        for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json2", ""] {
            assert_problem(&send(wrong, subjects.fill(route.body).as_bytes()), 415);
        }
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
        assert_problem(&send("application/json", large.as_bytes()), 413);
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn every_wrong_field_is_named_in_one_answer() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    let key = text(&stage.key(&account, json!({}))["id"]);
    let before = everything(&stage);
    let of_account = json!({
        "name": "", "kind": "robot", "plan": "gold", "plan_until": "soon", "balance": "much", "limits": { "minute": 0, "hour": 5 },
        "disabled": "yes", "colour": "red",
    });
    let of_key = json!({
        "name": 5, "plan": "gold", "limits": { "minute": -1, "hour": 5 }, "scopes": ["a b"], "ips": ["here"],
        "expires_at": "2020-01-01T00:00:00Z", "disabled": 0, "metadata": [], "colour": "red",
    });
    let account_fields = ["balance", "colour", "disabled", "kind", "limits.hour", "limits.minute", "name", "plan", "plan_until"];
    let key_fields = ["colour", "disabled", "expires_at", "ips", "limits.hour", "limits.minute", "metadata", "name", "plan", "scopes"];
    for (method, path, body, fields) in [
        ("POST", "/accounts".to_owned(), &of_account, &account_fields[..]),
        ("PATCH", format!("/accounts/{account}"), &of_account, &account_fields),
        ("PATCH", format!("/keys/{key}"), &of_key, &key_fields),
    ] {
        let reply = stage.call(method, &path, Some(body));
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), fields, "{method} {path}");
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn fields_that_are_readable_but_wrong_are_all_named() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    for (path, body, fields) in [
        ("/accounts", json!({}), &["name"][..]),
        (
            "/accounts",
            json!({ "name": " ", "plan": "gold", "plan_until": "2020-01-01T00:00:00Z", "limits": { "hour": 5 } }),
            &["limits.hour", "name", "plan", "plan_until"],
        ),
        ("/accounts", json!({ "name": "x".repeat(201) }), &["name"]),
        ("/accounts", json!({ "name": "a\nb" }), &["name"]),
        ("/keys", json!({ "name": "n" }), &["account"]),
        ("/keys", json!({ "account": account }), &["name"]),
        (
            "/keys",
            json!({ "account": account, "name": "", "environment": "moon", "plan": "gold", "scopes": ["a b", "\""], "limits": { "hour": 1 }, "expires": "0s" }),
            &["environment", "expires_at", "limits.hour", "name", "plan", "scopes"],
        ),
        ("/keys", json!({ "account": account, "name": "n", "metadata": { "a": "x".repeat(5000) } }), &["metadata"]),
        ("/keys", json!({ "account": account, "name": "n", "expires": "soon" }), &["expires"]),
    ] {
        let reply = stage.post(path, &body);
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), fields, "{path} {body}");
    }
    assert_eq!(stage.get("/keys").json()["data"], json!([]));
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest_known_one() {
    let stage = Stage::with(PLANS);
    let reply = stage.post("/accounts", &json!({ "name": "n", "balence": 5 }));
    assert_problem(&reply, 400);
    assert!(reply.body.contains("balance"), "{reply:?}");
}

/// For each POST and PATCH: a body in which everything is wrong, and what is told of it.
#[test]
fn everything_that_is_wrong_is_named_at_once_and_nothing_is_made() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({ "balance": 5 }));
    let key = text(&stage.key(&account, json!({}))["id"]);
    let before = everything(&stage);
    let limits = json!({ "minute": 0, "day": "many", "hour": 5 });
    let of_limits = ["limits.day", "limits.hour", "limits.minute"];
    for (method, path, body, fields) in [
        (
            "POST",
            "/accounts".to_owned(),
            json!({ "kind": "robot", "plan": 5, "plan_until": "soon", "balance": 1.5, "limits": limits, "disabled": "no", "size": 1, "shape": 2 }),
            &["balance", "disabled", "kind", "name", "plan", "plan_until", "shape", "size"][..],
        ),
        (
            "PATCH",
            format!("/accounts/{account}"),
            json!({ "name": 5, "kind": "personal", "organization": true, "plan": "gold", "plan_until": "2020-01-01", "balance": [], "limits": limits, "id": "acc_1", "created_at": "2020-01-01", "revision": 5 }),
            &["balance", "created_at", "id", "name", "organization", "plan", "plan_until", "revision"],
        ),
        (
            "POST",
            "/keys".into(),
            json!({ "account": 5, "name": "a\u{0}b", "environment": "moon", "plan": "gold", "limits": limits, "scopes": [1], "ips": ["192.0.2.0/99"], "expires": "soon", "disabled": 1, "metadata": "m", "key": "tg_live_mine", "hash": "00" }),
            &["account", "disabled", "environment", "expires", "hash", "ips", "key", "metadata", "name", "plan", "scopes"],
        ),
        (
            "PATCH",
            format!("/keys/{key}"),
            json!({ "name": " ", "environment": "live", "account": account, "plan": [], "limits": limits, "scopes": "all", "ips": "192.0.2.1", "expires_at": "2020-01-01", "expires": "1d", "disabled": {}, "metadata": [], "revoked_at": null, "prefix": "x" }),
            &[
                "account",
                "disabled",
                "environment",
                "expires",
                "expires_at",
                "ips",
                "metadata",
                "name",
                "plan",
                "prefix",
                "revoked_at",
                "scopes",
            ],
        ),
        ("POST", format!("/keys/{key}/rotate"), json!({ "grace": "soon", "colour": "red", "limits": 5 }), &["colour", "grace", "limits"]),
        (
            "POST",
            "/tokens".into(),
            json!({ "scopes": ["verify", "root"], "name": "\n", "account": 5, "expires_at": "2020-01-01", "token": "tgs_mine" }),
            &["account", "expires_at", "name", "scopes", "token"],
        ),
        ("POST", "/tokens".into(), json!({ "name": 5, "expires": "soon" }), &["expires", "name", "scopes"]),
        ("POST", "/balance".into(), json!({ "tokens": "5", "reason": ["r"], "amount": 5 }), &["account", "amount", "reason", "tokens"]),
        (
            "POST",
            "/verify".into(),
            json!({ "key": 5, "method": "a b", "scopes": "s", "plans": 1, "cost": -1, "tokens": 1.5, "dry_run": "yes", "colour": 1 }),
            &["colour", "cost", "dry_run", "key", "method", "plans", "scopes", "tokens"],
        ),
        ("POST", "/verify".into(), json!([{ "key": "k" }, { "cost": -1 }, { "ip": 5, "path": [] }]), &["[1].cost", "[2].ip", "[2].path"]),
    ] {
        let mut fields: Vec<&str> = fields.to_vec();
        if body["limits"].is_object() {
            fields.extend(of_limits);
        }
        fields.sort_unstable();
        let reply = stage.call(method, &path, Some(&body));
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), fields, "{method} {path}: {reply:?}");
        for error in reply.json()["errors"].as_array().unwrap() {
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "each says what to do: {reply:?}");
        }
    }
    assert_eq!(everything(&stage), before);
}
