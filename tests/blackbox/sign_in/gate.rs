//! Access tokens where keys are taken: the same check, the same limits, the same refusals.

use serde_json::json;

use super::door::{AT_GATE, BASE, Door, NOT_AT_GATE, Session};
use crate::support::server::text;
use crate::support::{App, Request, app};

const PLANS: &str = r#"
[[plans]]
name = "free"
default = true
limits = [
  { name = "each", requests = 4, per = "3650d", shape = "fixed", count = "key" },
  { name = "all", requests = 6, per = "3650d", shape = "fixed", count = "account" },
]

[[plans]]
name = "none"
api = false

[[plans]]
name = "paid"
needs_balance = true

[[plans]]
name = "room"

[[routes]]
path = "/open/**"
open = true

[[routes]]
path = "/room/**"
plans = ["room"]
"#;

fn door(config: &str) -> Door {
    Door::with(&format!("{config}{PLANS}"))
}

#[test]
fn a_token_is_taken_where_a_key_is_and_nowhere_unless_that_is_said() {
    let asked = |path: &str| Request::get(path).header("X-Forwarded-Uri", "/x").header("X-Forwarded-Method", "GET");
    for (config, passes) in [(AT_GATE, true), (NOT_AT_GATE, false)] {
        let door = door(config);
        let user = door.user("ada");
        door.stage.patch(&format!("/accounts/{}", user.account), &json!({ "plan": "room" })).expect(200);
        let session = door.sign_in(&user);
        for request in [Request::get("/x"), asked("/auth/v1/check"), asked("/auth/v1/check/nginx"), Request::get("/auth/v1/me")] {
            let reply = door.stage.server.send(&request.clone().bearer(&session.token));
            assert_eq!(reply.status, if passes { 200 } else { 401 }, "{request:?} {reply:?}");
            if passes && !format!("{request:?}").contains("/me") {
                let identity = |name: &str| reply.header(name).unwrap_or_else(|| panic!("{name} in {reply:?}"));
                assert_eq!(identity("X-Auth-User"), user.id.to_string());
                assert_eq!((identity("X-Auth-Account"), identity("X-Auth-Key")), (user.account.clone(), String::new()));
                assert_eq!((identity("X-Auth-Plan"), identity("X-Auth-Verdict")), ("room".into(), "ok".into()));
            }
        }
        // An app may ask about one in any case; with `key` it asks what the gate would say.
        let told = door.stage.verify(&json!({ "token": session.token }));
        assert_eq!((told["valid"].as_bool(), &told["key"]), (Some(true), &json!(null)));
        assert_eq!(told["user"], json!({ "id": user.id, "name": "ada", "email": user.email }));
        assert_eq!(told["account"]["id"], user.account);
        assert_eq!(door.stage.verify(&json!({ "key": session.token }))["valid"], passes);
        // What is no token is not one by being sent as one.
        let key = door.stage.raw_key("room");
        assert_eq!(door.verdict(&key), "unknown");
        assert_eq!(door.verdict(&session.cookie), "unknown");
        // The app's own paths of sign-in take one in any case.
        door.ask("GET", "/user/me", &session.token, None).expect(200);
    }
}

#[test]
fn it_is_refused_for_what_a_key_is_refused_for() {
    let door = door(AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let account = format!("/accounts/{}", user.account);
    for (settings, path, verdict) in [
        (json!({ "plan": "none" }), "/x", "wrong_plan"),
        (json!({ "plan": "paid" }), "/x", "no_balance"),
        (json!({ "plan": "paid", "balance": 5 }), "/x", "ok"),
        (json!({ "plan": "paid" }), "/room/x", "wrong_plan"),
        (json!({ "plan": "room" }), "/room/x", "ok"),
        (json!({ "disabled": true }), "/x", "disabled"),
        (json!({ "disabled": true }), "/open/x", "ok"),
        (json!({ "disabled": false }), "/x", "ok"),
    ] {
        // It is in the hot set by then: each change holds at once.
        door.stage.patch(&account, &settings).expect(200);
        assert_eq!(door.stage.server.get(path, &session.token).verdict(), verdict, "{settings} {path}");
        assert_eq!(door.stage.verify(&json!({ "token": session.token, "path": path }))["verdict"], verdict, "{settings} {path}");
    }
    // On any plan, with no balance, it says who it is; switched off with its account, it does not.
    for settings in [json!({ "plan": "none" }), json!({ "plan": "paid", "balance": 0 })] {
        door.stage.patch(&account, &settings).expect(200);
        door.ask("GET", "/user/me", &session.token, None).expect(200);
        door.ask("GET", "/balance", &session.token, None).expect(200);
    }
    door.stage.patch(&account, &json!({ "disabled": true })).expect(200);
    assert_eq!(door.ask("GET", "/user/me", &session.token, None).expect(403).verdict(), "disabled");
    // Who they are themselves is another thing: they go on for another account.
    door.ask("GET", "/auth/sessions", &session.token, None).expect(200);
}

#[test]
fn limits_count_for_each_user_of_an_account_and_for_the_account() {
    let door = door(AT_GATE);
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    let joins = "INSERT INTO members (account, user, role, joined_at) VALUES (?1, ?2, 'member', 0)";
    door.database().execute(joins, (&ada.account, eve.id)).unwrap();
    let (first, second, of_eve) = (door.sign_in(&ada), door.sign_in(&ada), door.sign_in(&eve));
    let for_ada = Session::of(&door.ask("POST", "/auth/switch", &of_eve.token, Some(&json!({ "account": ada.account }))));
    let verdict = |token: &str| door.stage.server.get("/x", token).verdict();
    // Two sessions of a user are one caller.
    let told: Vec<_> = [&first, &second, &first, &second, &first].iter().map(|session| verdict(&session.token)).collect();
    assert_eq!(told, ["ok", "ok", "ok", "ok", "quota_exceeded"]);
    // Another user of the same account has their own, as far as the account's goes; for themselves they have all of it.
    let told: Vec<_> = (0..3).map(|_| verdict(&for_ada.token)).collect();
    assert_eq!(told, ["ok", "ok", "quota_exceeded"]);
    let told: Vec<_> = (0..5).map(|_| verdict(&of_eve.token)).collect();
    assert_eq!(told, ["ok", "ok", "ok", "ok", "quota_exceeded"]);
    // And so after a restart: what was counted for one account is not the other's.
    let door = door.restart();
    let verdict = |token: &str| door.stage.server.get("/x", token).verdict();
    for token in [&first.token, &for_ada.token, &of_eve.token] {
        assert_eq!(verdict(token), "quota_exceeded");
    }
    door.stage.patch(&format!("/accounts/{}", ada.account), &json!({ "limits": { "all": 7 } })).expect(200);
    assert_eq!((verdict(&for_ada.token), verdict(&first.token)), ("ok".into(), "quota_exceeded".into()));
}

#[test]
fn what_a_user_asked_for_is_counted_as_theirs() {
    let door = door(AT_GATE);
    let (user, other) = (door.user("ada"), door.user("eve"));
    let (session, of_other) = (door.sign_in(&user), door.sign_in(&other));
    for _ in 0..3 {
        door.stage.server.get("/x", &session.token).expect(200);
    }
    door.stage.server.get("/x", &of_other.token).expect(200);
    let handle = format!("user_{}", user.id);
    let counted = crate::support::eventually("it is counted", || {
        let me = door.stage.server.get("/auth/v1/me", &session.token).expect(200).json();
        (me["usage"]["hour"]["ok"] == 3).then_some(me)
    });
    assert_eq!((counted["user"]["id"].as_i64(), &counted["key"]), (Some(user.id), &json!(null)));
    let own = door.stage.server.get("/auth/v1/me/usage", &session.token).expect(200).json();
    let row = &own["data"][0];
    assert_eq!((row["key"].as_str(), row["account"].as_str(), row["count"].as_i64()), (Some(&*handle), Some(&*user.account), Some(3)));
    assert_eq!(own["data"].as_array().unwrap().len(), 1);
    let csv = door.stage.server.get("/auth/v1/me/usage?format=csv", &session.token).expect(200).body;
    assert!(csv.contains(&format!(",{},{handle},ok,3\r\n", user.account)) && csv.lines().count() == 2, "{csv}");
    let of = |query: &str| door.stage.get(&format!("/usage?{query}"));
    let row = of(&format!("key={handle}&account={}&of=key", user.account)).expect(200).json()["data"][0].clone();
    assert_eq!((row["key"].as_str(), row["count"].as_i64()), (Some(&*handle), Some(3)));
    let missing = of(&format!("key={handle}")).expect(400).json();
    assert_eq!(missing["errors"][0]["field"], "account");
    for wrong in ["user_", "user_x", "user_01", "user_-1", "acc_1"] {
        assert_eq!(of(&format!("key={wrong}")).expect(400).json()["errors"][0]["field"], "key", "{wrong}");
    }
}

#[test]
fn a_token_in_a_query_is_misplaced() {
    let door = door(AT_GATE);
    let session = door.sign_in(&door.user("ada"));
    let key = door.stage.raw_key("room");
    let foreign = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    let cut = session.token.rsplit_once('.').unwrap().0;
    let token = &session.token;
    for (query, verdict) in [
        (format!("token={token}"), "misplaced"),
        (format!("a=1&{token}"), "misplaced"),
        (format!("a=Bearer%20{token}"), "misplaced"),
        (format!("access_token={}", token.replace("eyJ", "%65yJ")), "misplaced"),
        (format!("a={}", token.replace('.', "%252E")), "misplaced"),
        (format!("a={cut}.forged"), "misplaced"),
        (format!("a={foreign}"), "ok"),
        (format!("a={cut}"), "ok"),
        ("a=eyJ".into(), "ok"),
        ("a=eyJ..".into(), "ok"),
    ] {
        for credential in [&key, token] {
            assert_eq!(door.stage.server.get(&format!("/open/x?{query}"), credential).verdict(), verdict, "{query}");
        }
    }
    // Where it is not taken at the gate, it does not belong in an address either.
    let door = Door::with(NOT_AT_GATE);
    let session = door.sign_in(&door.user("ada"));
    let key = door.stage.raw_key("free");
    assert_eq!(door.stage.server.get(&format!("/x?t={}", session.token), &key).verdict(), "misplaced");
}

#[test]
fn the_app_sees_no_token_that_is_not_its_own() {
    let foreign = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    for (pass_credential, at_gate) in [(false, true), (true, true), (false, false)] {
        let app = App::answering(|_| app::ok("fine"));
        let upstream = format!("[upstream]\nurl = \"{}\"\npass_credential = {pass_credential}\n", app.url);
        let door = door(&format!("{upstream}{}", if at_gate { AT_GATE } else { NOT_AT_GATE }));
        let user = door.user("ada");
        door.stage.patch(&format!("/accounts/{}", user.account), &json!({ "plan": "room" })).expect(200);
        let session = door.sign_in(&user);
        let cookies = format!("a=\"1\";b=2 ; refresh_token={};c=; refresh_token=theirs", session.cookie);
        let paths: &[&str] = if at_gate { &["/x", "/open/x"] } else { &["/open/x"] };
        for path in paths {
            let request = Request::get(path)
                .bearer(&session.token)
                .header("Cookie", &cookies)
                .header("Cookie", &format!("refresh_token={}", session.cookie));
            door.stage.server.send(&request.header("Cookie", "d=4")).expect(200);
            let heard = app.latest();
            assert!(!heard.head.text().contains(&session.cookie), "{}", heard.head.text());
            assert_eq!(heard.head.all("Cookie"), ["a=\"1\";b=2 ;c=; refresh_token=theirs", "d=4"]);
            assert_eq!(heard.head.text().contains(&session.token), pass_credential, "{path}");
            if at_gate {
                assert_eq!(heard.one("X-Auth-User"), user.id.to_string());
            }
        }
        // On an open path an app's own tokens are its own.
        door.stage.server.get("/open/x", foreign).expect(200);
        assert_eq!(app.latest().one("Authorization"), format!("Bearer {foreign}"));
    }
}

#[test]
fn a_request_that_the_app_failed_is_given_back_to_a_user_too() {
    let upstream = "[upstream]\nurl = \"http://127.0.0.1:1\"\n";
    let door = door(&format!("{upstream}{AT_GATE}"));
    let session = door.sign_in(&door.user("ada"));
    for _ in 0..6 {
        assert_eq!(door.stage.server.get("/x", &session.token).expect(502).verdict(), "upstream_down");
    }
}

#[test]
fn a_token_that_is_not_looked_at_harms_nothing() {
    let door = Door::with(&format!("[keys]\ncarriers = [\"header:api-key\"]\n{AT_GATE}"));
    let session = door.sign_in(&door.user("ada"));
    let key = door.stage.raw_key("free");
    let with = |name: &str, value: &str| Request::get("/x").header(name, value);
    let bearer = format!("Bearer {}", session.token);
    assert_eq!(door.stage.verdict(&with("Authorization", &bearer)), "missing");
    assert_eq!(door.stage.verdict(&with("Api-Key", &session.token)), "ok");
    assert_eq!(door.stage.verdict(&with("Api-Key", &key).header("Authorization", &bearer)), "ok");
    assert_eq!(door.stage.verdict(&with("Api-Key", &key).header("Api-Key", &session.token)), "malformed");
    // The paths of sign-in take both, wherever they are carried.
    for request in
        [Request::get(&format!("{BASE}/user/me")).bearer(&session.token), Request::get(&format!("{BASE}/user/me")).header("Api-Key", &key)]
    {
        door.stage.server.send(&request).expect(200);
    }
    assert_eq!(text(&door.ask("GET", "/balance", &session.token, None).expect(200).json()["plan"]), "free");
}
