//! Tokens that are bound to one account, and tokens that expire: of all other accounts they know nothing.

use serde_json::{Value, json};

use super::{Holder, PLANS, assert_problem, data, everything, ids, wrong_fields};
use crate::support::server::text;
use crate::support::{Request, Stage, eventually};

/// Where callers without a credential, and open paths, make an answer that is not `unknown`.
const ANONYMOUS: &str = r#"
[keys]
anonymous = "nobody"

[[plans]]
name = "nobody"
limits = [{ requests = 5, per = "minute", count = "address" }]

[[plans]]
name = "free"
default = true
limits = [{ requests = 60, per = "minute" }, { requests = 1000, per = "day", count = "account" }]

[[routes]]
path = "/open"
open = true

[[routes]]
path = "/dear"
tokens = 5
"#;

/// Two accounts that have the same of everything, and a token bound to the first.
struct Pair {
    own: String,
    foreign: String,
    own_key: Value,
    foreign_key: Value,
}

impl Pair {
    fn of(stage: &Stage) -> Self {
        let [own, foreign] = ["Ada", "Eve"].map(|name| stage.account(json!({ "name": name, "balance": 100 })));
        let [own_key, foreign_key] = [&own, &foreign].map(|account| stage.key(account, json!({ "name": format!("of {account}") })));
        for account in [&own, &foreign] {
            stage.post("/tokens", &json!({ "scopes": ["verify"], "account": account })).expect(201);
            stage.post("/balance", &json!({ "account": account, "tokens": -7 })).expect(200);
        }
        Self { own, foreign, own_key, foreign_key }
    }
}

#[test]
fn lists_show_what_belongs_to_the_account_and_nothing_else() {
    let stage = Stage::with(PLANS);
    let pair = Pair::of(&stage);
    let holder = Holder::bound(&stage, &pair.own);
    let account_of = |record: &Value| record["account"].clone();
    assert_eq!(ids(&holder.get("/accounts").expect(200).json()), std::slice::from_ref(&pair.own));
    for (path, count) in [("/keys", 1), ("/tokens", 2), ("/audit", 5)] {
        let page = holder.get(path).expect(200).json();
        assert!(data(&page).iter().all(|record| account_of(record) == pair.own), "{path}: {page}");
        assert_eq!(data(&page).len(), count, "{path}: {page}");
        let page = holder.get(&format!("{path}?limit=1")).expect(200).json();
        assert_eq!(data(&page).len(), 1, "{path}");
    }
    let [foreign, key, raw, prefix] =
        [&pair.foreign, &text(&pair.foreign_key["id"]), &text(&pair.foreign_key["key"]), &text(&pair.foreign_key["prefix"])];
    let unbound = stage.get("/tokens").json();
    let (operators, of_foreign) = (&data(&unbound)[0], data(&unbound).iter().find(|token| token["account"] == **foreign).unwrap());
    for path in [
        format!("/accounts?search={foreign}"),
        "/accounts?search=Eve".into(),
        format!("/keys?account={foreign}"),
        format!("/keys?account={foreign}&search={raw}"),
        format!("/keys?search={raw}"),
        format!("/keys?search={key}"),
        format!("/keys?search={prefix}"),
        format!("/keys?search={foreign}"),
        "/keys?search=Eve".into(),
        format!("/audit?account={foreign}"),
        format!("/audit?target={foreign}"),
        format!("/audit?target={key}"),
        format!("/audit?target={}", text(&of_foreign["id"])),
        format!("/audit?target={}", text(&operators["id"])),
    ] {
        let page = holder.get(&path).expect(200).json();
        assert_eq!(page, json!({ "data": [], "next_cursor": null }), "{path}");
        if !path.contains(&text(&operators["id"])) {
            assert_ne!(data(&stage.get(&path).json()), [] as [Value; 0], "who is bound to none finds it: {path}");
        }
    }
    let own_raw = text(&pair.own_key["key"]);
    assert_eq!(ids(&holder.get(&format!("/keys?search={own_raw}")).json()), [text(&pair.own_key["id"])]);
    // A cursor of another's record shows nothing of it either.
    for path in ["/accounts", "/keys", "/tokens", "/audit"] {
        for id in ids(&stage.get(path).json()) {
            let page = holder.get(&format!("{path}?cursor={id}")).expect(200).json();
            let foreign_ones = data(&page).iter().filter(|record| record["id"] != *pair.own && account_of(record) != pair.own).count();
            assert_eq!(foreign_ones, 0, "{path} {page}");
        }
    }
}

#[test]
fn usage_is_of_the_account_and_of_no_other() {
    let stage = Stage::with(PLANS);
    let pair = Pair::of(&stage);
    let holder = Holder::bound(&stage, &pair.own);
    for key in [&pair.own_key, &pair.foreign_key] {
        stage.server.get("/x", &text(&key["key"])).expect(200);
    }
    stage.server.get("/x", "tg_live_nobody").expect(401);
    let counted = |page: &Value| data(page).iter().map(|row| row["account"].clone()).collect::<Vec<_>>();
    eventually("all is counted", || (counted(&stage.get("/usage?of=account").expect(200).json()).len() == 3).then_some(()));
    assert_eq!(counted(&holder.get("/usage?of=account").expect(200).json()), [json!(pair.own)]);
    let rows = holder.get("/usage?of=key").expect(200).json();
    assert_eq!(data(&rows).iter().map(|row| &row["key"]).collect::<Vec<_>>(), [&pair.own_key["id"]]);
    let all = holder.get("/usage?of=all").expect(200).json();
    assert_eq!(data(&all).iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>(), 1, "{all}");
    let csv = holder.get("/usage?of=account&format=csv").expect(200).body;
    assert!(csv.contains(&pair.own) && !csv.contains(&pair.foreign), "{csv}");
}

#[test]
fn a_foreign_key_is_unknown_and_charges_nothing() {
    let stage = Stage::with(ANONYMOUS);
    let pair = Pair::of(&stage);
    let holder = Holder::bound(&stage, &pair.own);
    let [own, foreign] = [&pair.own_key, &pair.foreign_key].map(|key| text(&key["key"]));
    let nonsense = {
        let revoked = stage.key(&pair.foreign, json!({}));
        stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
        text(&revoked["key"])
    };
    let standing = || {
        let me = stage.verify(&json!({ "key": foreign, "dry_run": true }));
        (me["limits"].as_array().unwrap().iter().map(|limit| limit["remaining"].clone()).collect::<Vec<_>>(), me["account"].clone())
    };
    let before = (standing(), everything(&stage));
    let asks = |key: &str| {
        [
            json!({ "key": key }),
            json!({ "key": key, "path": "/x" }),
            json!({ "key": key, "path": "/dear" }),
            json!({ "key": key, "tokens": 3, "cost": 5 }),
            json!({ "key": key, "tokens": 1000 }),
            json!({ "key": key, "scopes": ["other"], "plans": ["nobody"] }),
            json!({ "key": key, "dry_run": true }),
        ]
    };
    for key in [&foreign, &nonsense] {
        for ask in asks(key) {
            let answer = holder.post("/verify", &ask).expect(200).json();
            assert_eq!((&answer["verdict"], &answer["valid"]), (&json!("unknown"), &json!(false)), "{ask}");
            assert_eq!([&answer["key"], &answer["account"], &answer["limits"]], [&json!(null), &json!(null), &json!([])], "{ask}");
        }
        // On an open path nobody is recognised by it.
        let open = holder.post("/verify", &json!({ "key": key, "path": "/open" })).expect(200).json();
        assert_eq!([&open["verdict"], &open["key"], &open["account"]], [&json!("ok"), &json!(null), &json!(null)]);
    }
    let list: Vec<Value> = asks(&foreign).into_iter().chain([json!({ "key": own })]).chain(asks(&nonsense)).collect();
    let answers = holder.post("/verify", &list.clone().into()).expect(200).json();
    let verdicts: Vec<&str> = answers.as_array().unwrap().iter().map(|answer| answer["verdict"].as_str().unwrap()).collect();
    let mut expected = vec!["unknown"; list.len()];
    expected[7] = "ok";
    assert_eq!(verdicts, expected);
    // Those without a credential are of the whole server: a token of one account asks nothing of them.
    for ask in [json!({}), json!({ "ip": "192.0.2.7" }), json!([{}, {}])] {
        let answer = holder.post("/verify", &ask).expect(200).json();
        let first = if answer.is_array() { &answer[0] } else { &answer };
        assert_eq!((&first["verdict"], &first["limits"]), (&json!("missing"), &json!([])), "{ask}");
    }
    assert_eq!(stage.verify(&json!({}))["verdict"], "ok", "who is bound to none asks for them");
    assert_eq!(standing(), before.0);
    let without_use =
        |lists: Vec<Value>| lists.into_iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, list)| list).collect::<Vec<_>>();
    assert_eq!(without_use(everything(&stage)), without_use(before.1));
}

#[test]
fn who_is_bound_can_give_no_more_than_that() {
    let stage = Stage::with(PLANS);
    let pair = Pair::of(&stage);
    let holder = Holder::bound(&stage, &pair.own);
    let before = everything(&stage);
    assert_problem(&holder.post("/tokens", &json!({ "scopes": ["verify"], "account": pair.foreign })), 404);
    for scopes in [json!(["metrics"]), json!(["admin", "metrics"])] {
        let reply = holder.post("/tokens", &json!({ "scopes": scopes }));
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), ["scopes"]);
        // Nor can anybody bind such a token.
        assert_problem(&stage.post("/tokens", &json!({ "scopes": scopes, "account": pair.own })), 400);
    }
    for token in ids(&stage.get("/tokens").json()) {
        if !ids(&holder.get("/tokens").json()).contains(&token) {
            assert_problem(&holder.call("DELETE", &format!("/tokens/{token}"), None), 404);
        }
    }
    assert_eq!(everything(&stage), before);

    // Nobody named: its own account.
    for body in [
        json!({ "scopes": ["admin"] }),
        json!({ "scopes": ["admin"], "account": null }),
        json!({ "scopes": ["admin"], "account": pair.own }),
    ] {
        let made = holder.post("/tokens", &body).expect(201).json();
        assert_eq!(made["account"], *pair.own, "{body}");
        let made = Holder { stage: &stage, id: text(&made["id"]), token: text(&made["token"]) };
        assert_eq!(ids(&made.get("/accounts").expect(200).json()), std::slice::from_ref(&pair.own));
        assert_problem(&made.get(&format!("/accounts/{}", pair.foreign)), 404);
        holder.call("DELETE", &format!("/tokens/{}", made.id), None).expect(204);
        made.get("/accounts").expect(401);
    }
    // It may end itself, and it reaches nothing by an account that is switched off or renamed.
    stage.patch(&format!("/accounts/{}", pair.own), &json!({ "name": "Eve" })).expect(200);
    assert_problem(&holder.get(&format!("/keys/{}", text(&pair.foreign_key["id"]))), 404);
    holder.call("DELETE", &format!("/tokens/{}", holder.id), None).expect(204);
    holder.get("/accounts").expect(401);
}

#[test]
fn a_field_that_is_missing_is_told_to_who_is_bound_too() {
    let stage = Stage::with(PLANS);
    let own = stage.account(json!({}));
    let holder = Holder::bound(&stage, &own);
    for (path, body, fields) in [
        ("/keys", json!({ "name": "n" }), &["account"][..]),
        ("/keys", json!({ "colour": "red" }), &["account", "colour", "name"]),
        ("/balance", json!({ "reason": "r" }), &["account", "tokens"]),
        ("/tokens", json!({ "account": own }), &["scopes"]),
    ] {
        let reply = holder.post(path, &body);
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply), fields, "{path} {body}");
    }
}

#[test]
fn idempotency_keys_of_two_accounts_never_meet() {
    let stage = Stage::with(PLANS);
    let pair = Pair::of(&stage);
    let [own, foreign] = [&pair.own, &pair.foreign].map(|account| Holder::bound(&stage, account));
    let second = Holder::bound(&stage, &pair.own);
    let asked = [
        ("/tokens", json!({ "scopes": ["verify"], "name": "same" })),
        ("/keys", json!({ "account": pair.own, "name": "same" })),
        ("/balance", json!({ "account": pair.own, "tokens": -1 })),
    ];
    let post = |holder: &Holder<'_>, path: &str, body: &Value| {
        let request = Request::post(&format!("/auth/v1{path}"), body).bearer(&holder.token);
        stage.server.send(&request.header("Idempotency-Key", "same"))
    };
    for (path, body) in &asked {
        let first = post(&own, path, body);
        assert!([200, 201].contains(&first.status), "{first:?}");
        let other = post(&foreign, path, body);
        if *path == "/tokens" {
            let (first, other) = (first.json(), other.expect(201).json());
            assert_ne!(first["id"], other["id"]);
            assert_eq!((&first["account"], &other["account"]), (&json!(pair.own), &json!(pair.foreign)));
            assert!(other["token"].is_string(), "{other}");
        } else {
            assert_problem(&other, 404);
        }
        // A token that took another's place repeats what that one began.
        let again = post(&second, path, body);
        if *path == "/balance" {
            assert_eq!(again.json()["balance"], first.json()["balance"], "{path}");
        } else {
            assert_eq!(again.expect(201).json()["id"], first.json()["id"], "{path}");
        }
        let repeated = post(&own, path, body);
        if *path != "/balance" {
            assert_eq!(repeated.json()["id"], first.json()["id"], "{path}");
        }
    }
    // What somebody else asked under the same key stands in nobody's way.
    let other = json!({ "account": pair.foreign, "name": "another" });
    post(&foreign, "/keys", &other).expect(201);
}

#[test]
fn a_token_that_expires_is_refused_from_then_on() {
    let stage = Stage::with(PLANS);
    let account = stage.account(json!({}));
    for arguments in [&["--expires", "700ms"][..], &["--expires", "700ms", "--account", &account]] {
        let made = stage.folder.json(&[&["token", "create", "--scope", "admin"], arguments].concat());
        let token = text(&made["token"]);
        assert!(made["expires_at"].is_string(), "{made}");
        let get = || stage.server.get("/auth/v1/accounts", &token).status;
        assert_eq!(get(), 200, "it is remembered before it expires");
        eventually("it expires", || (get() == 401).then_some(()));
    }
    for (expires, fields) in [
        ("2020-01-01", &["expires_at"][..]),
        ("0s", &["expires_at"]),
        ("soon", &["expires"]),
        ("-5s", &["expires"]),
        ("99999d", &["expires"]),
    ] {
        let reply = stage.post("/tokens", &json!({ "scopes": ["verify"], "expires": expires }));
        assert_problem(&reply, 400);
        assert_eq!(wrong_fields(&reply).len(), 1, "{fields:?} {reply:?}");
        let by_hand = stage.folder.run(&["token", "create", "--scope", "verify", "--expires", expires]);
        assert_ne!(by_hand.status.code(), Some(0), "{expires}");
    }
    let lasting = stage.folder.json(&["token", "create", "--scope", "admin", "--expires", "2999-01-01"]);
    assert_eq!(lasting["expires_at"], "2999-01-01T00:00:00Z");
    stage.server.get("/auth/v1/accounts", &text(&lasting["token"])).expect(200);
}
