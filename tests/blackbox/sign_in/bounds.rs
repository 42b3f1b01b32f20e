//! Whoever is signed in is bounded, too: what they change, how often they sign in and refresh, how many keys they have; and so are SMS.

use serde_json::{Value, json};

use super::abuse::throttled;
use super::door::{Door, NOT_AT_GATE, PASSWORD, Session, User};
use super::post::{faults, refused};
use super::second_factor::guarded;
use crate::support::server::text;
use crate::support::{Folder, Reply};

const HOME: &str = "203.0.113.7";

fn door(throttle: &str) -> Door {
    Door::with(&format!("{NOT_AT_GATE}[sign_in.throttle]\n{throttle}\n"))
}

fn login(door: &Door, address: &str, user: &User) -> Reply {
    door.post_from(address, "/auth/login", &json!({ "email": user.email, "password": PASSWORD }))
}

/// How often somebody who did this was told to wait, as the metrics have it.
fn told_to_wait(door: &Door, deed: &str) -> String {
    let token = text(&door.stage.folder.json(&["token", "create", "--scope", "metrics"])["token"]);
    let metrics = door.stage.server.get("/auth/metrics", &token).expect(200).body;
    let begin = format!("tollgate_throttled_total{{deed=\"{deed}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("{metrics}")).to_owned()
}

#[test]
fn a_user_who_changes_in_a_loop_has_to_wait_and_nobody_else() {
    let door = door("changed_by_user = \"5/1h\"");
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    let (session, other) = (door.sign_in(&ada), door.sign_in(&eve));
    let make = |session: &Session| door.ask("POST", "/keys", &session.token, Some(&json!({ "name": "mine" })));
    let mut replies: Vec<Reply> = (0..8).map(|_| make(&session)).collect();
    replies.split_off(5).iter().for_each(|reply| throttled(reply, 720));
    replies.iter().for_each(|reply| drop(reply.clone().expect(201)));
    // By user: another session of theirs is no way around it, nor is another path.
    let again = door.sign_in(&ada);
    let key = text(&replies[0].json()["id"]);
    let before = (door.count("audit"), door.count("keys"), door.count("refresh_tokens"));
    for (method, path, body) in [
        ("POST", "/keys".to_owned(), json!({ "name": "x" })),
        ("PATCH", format!("/keys/{key}"), json!({ "name": "x" })),
        ("POST", format!("/keys/{key}/rotate"), json!({})),
        ("PATCH", format!("/accounts/{}", ada.account), json!({ "name": "x" })),
        ("POST", "/accounts".into(), json!({ "name": "x" })),
        ("POST", "/applications".into(), json!({})),
        ("POST", "/auth/switch".into(), json!({ "account": ada.account })),
        ("PATCH", "/user/me".into(), json!({ "name": "x" })),
        ("POST", "/user/second-factor".into(), json!({ "password": PASSWORD })),
    ] {
        throttled(&door.ask(method, &path, &again.token, Some(&body).filter(|body| !body.is_null())), 720);
    }
    assert_eq!((door.count("audit"), door.count("keys"), door.count("refresh_tokens")), before, "nothing is written");
    // What only ends something goes on: nobody who has stolen a token is safe from its owner by it.
    door.ask("DELETE", &format!("/keys/{key}"), &again.token, None).expect(204);
    // What only reads is not counted, and staying signed in is no change.
    for path in ["/keys", "/accounts", "/user/me", "/auth/sessions"] {
        door.ask("GET", path, &session.token, None).expect(200);
    }
    assert!(door.refreshes(&session.cookie));
    door.ask("DELETE", &format!("/auth/sessions/{}", session.id()), &again.token, None).expect(204);
    make(&other).expect(201);
    // The operator is not bound, with a service token or without.
    for _ in 0..8 {
        door.stage.post("/keys", &json!({ "account": ada.account, "name": "theirs" })).expect(201);
    }
    door.stage.folder.json(&["key", "create", "--account", &ada.account, "--name", "theirs"]);
    assert_eq!(told_to_wait(&door, "change"), "12");
}

#[test]
fn whoever_is_not_let_in_is_not_counted() {
    let door = door("changed_by_user = \"2/1h\"");
    let user = door.user("ada");
    let session = door.sign_in(&user);
    for _ in 0..5 {
        door.ask("PATCH", &format!("/users/{}", user.id), &session.token, Some(&json!({ "admin": true }))).expect(403);
        refused(&door.ask("POST", "/keys", "eyJx.y.z", Some(&json!({ "name": "x" }))), 401, "unknown");
    }
    door.ask("POST", "/keys", &session.token, Some(&json!({ "name": "x" }))).expect(201);
}

#[test]
fn sign_ins_of_a_user_are_bounded_but_from_where_they_have_been() {
    let door = door("signed_in_by_user = \"3/1h\"");
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    Session::of(&login(&door, HOME, &ada));
    for nth in 1..3 {
        Session::of(&login(&door, &format!("192.0.2.{nth}"), &ada));
    }
    let before = (door.count("sessions"), door.count("audit"));
    for nth in 3..6 {
        throttled(&login(&door, &format!("192.0.2.{nth}"), &ada), 1200);
    }
    assert_eq!((door.count("sessions"), door.count("audit")), before);
    for _ in 0..3 {
        Session::of(&login(&door, HOME, &ada));
    }
    throttled(&login(&door, HOME, &ada), 1200);
    Session::of(&login(&door, "192.0.2.1", &ada));
    Session::of(&login(&door, "192.0.2.9", &eve));
    assert_eq!(told_to_wait(&door, "sign_in"), "4");
}

/// Each first factor that is right is written down, too; who has no more than the password uses up nothing of the owner's at home.
#[test]
fn a_stolen_password_does_not_keep_the_owner_out() {
    let door = door("signed_in_by_user = \"3/1h\"");
    let ada = guarded(&door, "ada").user;
    // The test itself is at home, and so was the owner.
    for nth in 0..6 {
        let reply = login(&door, &format!("192.0.2.{nth}"), &ada);
        // One of three went to the first sign-in.
        if nth < 2 {
            assert_eq!((reply.status, reply.verdict().as_str()), (403, "second_factor_needed"), "{reply:?}");
        } else {
            throttled(&reply, 1200);
        }
    }
    let waits = door.count("proofs WHERE purpose = 'second_factor'");
    assert_eq!(waits, 2);
    let reply = door.try_sign_in(&ada, PASSWORD);
    assert_eq!((reply.status, reply.verdict().as_str()), (403, "second_factor_needed"), "{reply:?}");
}

/// What proves an address is not used up by a sign-in that has to wait.
#[test]
fn a_code_still_counts_after_the_wait() {
    let door = door("signed_in_by_user = \"1/1h\"");
    let user = door.user("ada");
    Session::of(&login(&door, HOME, &user));
    let session = Session::of(&login(&door, HOME, &user));
    door.change(&session, &json!({ "phone": "+4915112345678", "current_password": PASSWORD })).expect(200);
    let code = door.code("+4915112345678", 1);
    throttled(&door.verify_code("+4915112345678", &code), 3600);
    assert_eq!(door.count("proofs WHERE used_at IS NULL AND tries = 0"), 1);
}

#[test]
fn a_session_is_refreshed_so_often_and_a_stolen_cookie_still_ends_it() {
    let door = door("refreshed_by_session = \"2/1h\"");
    let user = door.user("ada");
    let (session, other) = (door.sign_in(&user), door.sign_in(&user));
    let second = Session::of(&door.try_refresh(&session.cookie));
    let third = Session::of(&door.try_refresh(&second.cookie));
    let before = door.count("refresh_tokens");
    throttled(&door.try_refresh(&third.cookie), 1800);
    assert_eq!(door.count("refresh_tokens"), before);
    assert!(door.refreshes(&other.cookie));
    door.alter("UPDATE refresh_tokens SET replaced_at = replaced_at - 60000 WHERE replaced_at IS NOT NULL");
    refused(&door.try_refresh(&second.cookie), 401, "unknown");
    assert_eq!(door.verdict(&third.token), "unknown", "used again later, it ends its session, however often that was refreshed");
}

#[test]
fn the_users_of_an_account_have_so_many_keys() {
    let door = Door::with(&format!("[sign_in]\nkeys = 2\n{NOT_AT_GATE}"));
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let make = |body: &Value| door.ask("POST", "/keys", &session.token, Some(body));
    let rotate = |key: &Value, grace: &str| {
        let path = format!("/keys/{}/rotate", text(&key["id"]));
        door.ask("POST", &path, &session.token, Some(&json!({ "grace": grace })))
    };
    let first = make(&json!({ "name": "one" })).expect(201).json();
    let second = make(&json!({ "name": "two" })).expect(201).json();
    let full = make(&json!({ "name": "three" })).expect(409);
    let detail = text(&full.json()["detail"]);
    assert!(detail.contains("2 keys") && detail.contains("revoke"), "{detail}");
    // A rotation makes no new one; and those that live on for their grace are no way around it.
    let mut newest = rotate(&first, "0s").expect(201).json();
    for _ in 0..2 {
        newest = rotate(&newest, "7d").expect(201).json();
    }
    make(&json!({ "name": "three" })).expect(409);
    rotate(&newest, "7d").expect(409);
    newest = rotate(&newest, "0s").expect(201).json();
    // The operator is not bound by it, whoever's they are.
    door.stage.post("/keys", &json!({ "account": user.account, "name": "theirs" })).expect(201);
    // What is revoked, or has expired, makes room.
    for key in [&newest, &second] {
        make(&json!({ "name": "four" })).expect(409);
        door.ask("DELETE", &format!("/keys/{}", text(&key["id"])), &session.token, None).expect(204);
    }
    make(&json!({ "name": "four" })).expect(201);
    make(&json!({ "name": "five" })).expect(409);
    door.alter("UPDATE keys SET expires_at = 1 WHERE name = 'four'");
    make(&json!({ "name": "five" })).expect(201);
    // In another account there is room of its own.
    let org = text(&door.ask("POST", "/accounts", &session.token, Some(&json!({ "name": "Engines" }))).expect(201).json()["id"]);
    let session = Session::of(&door.ask("POST", "/auth/switch", &session.token, Some(&json!({ "account": org }))));
    door.ask("POST", "/keys", &session.token, Some(&json!({ "name": "six" }))).expect(201);
}

/// How many an account has is one bound, whoever made them; how often they are made is another, and of users alone.
#[test]
fn what_the_operator_made_takes_room_and_no_turn() {
    let door = Door::with(&format!("[sign_in]\nkeys = 2\n{NOT_AT_GATE}[sign_in.throttle]\nchanged_by_user = \"2/1h\"\n"));
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let ids: Vec<String> = (0..4)
        .map(|_| text(&door.stage.post("/keys", &json!({ "account": user.account, "name": "theirs" })).expect(201).json()["id"]))
        .collect();
    let full = door.ask("POST", "/keys", &session.token, Some(&json!({ "name": "mine" }))).expect(409);
    let detail = text(&full.json()["detail"]);
    assert!(detail.contains("2 keys or more") && detail.contains("revoke"), "{detail}");
    ids[1..].iter().for_each(|id| drop(door.stage.delete(&format!("/keys/{id}")).expect(204)));
    door.ask("POST", "/keys", &session.token, Some(&json!({ "name": "mine" }))).expect(201);
}

#[test]
fn all_sms_of_a_day_are_bounded_and_mails_go_on() {
    let door = door("sms_overall_daily = \"3/1d\"");
    let session = door.join_by_phone("+4915112345670", PASSWORD);
    let body = |phone: &str| json!({ "phone": phone, "password": PASSWORD });
    door.register(&body("+4915112345671")).expect(202);
    // For somebody unknown none is sent, and it counts all the same: else the answer would tell.
    door.forgot("+4915112345679").expect(202);
    throttled(&door.register(&body("+4915112345672")), 86_400 / 3 + 1);
    throttled(&door.forgot("+4915112345670"), 86_400 / 3 + 1);
    throttled(&door.change(&session, &json!({ "phone": "+4915112345673", "current_password": PASSWORD })), 86_400 / 3 + 1);
    // What merely tells somebody of something does not fail for it; it is not sent.
    door.change(&session, &json!({ "password": "another fine passphrase of mine", "current_password": PASSWORD })).expect(200);
    assert_eq!(door.letters("+4915112345670"), ["verify"]);
    assert!(door.stage.server.log().contains("sms_overall_daily"));
    door.register(&json!({ "email": "eve@example.com", "password": PASSWORD })).expect(202);
    Session::of(&door.login("+4915112345670", "another fine passphrase of mine"));
}

#[test]
fn sms_go_to_the_countries_that_are_named() {
    let door = Door::with(&format!("[sms]\ncountries = [\"DE\", \"AT\"]\n{NOT_AT_GATE}"));
    let (here, elsewhere) = ("+4915112345678", "+79161234567");
    let body = json!({ "phone": elsewhere, "email": "eve@example.com", "password": PASSWORD, "verified": true });
    door.stage.post("/users", &body).expect(201);
    for phone in [elsewhere, "+79161234568"] {
        // Alike for known and unknown, and by whichever field.
        for (path, body, field) in [
            ("/auth/register", json!({ "phone": phone, "password": PASSWORD }), "phone"),
            ("/auth/register", json!({ "email": phone, "password": PASSWORD }), "email"),
            ("/auth/forgot", json!({ "phone": phone }), "phone"),
            ("/auth/forgot", json!({ "email": phone }), "email"),
        ] {
            let reply = door.post(path, &body);
            refused(&reply, 400, "bad_request");
            assert_eq!(faults(&reply), [field]);
            assert!(reply.body.contains("DE or AT") && !reply.body.contains(phone), "{reply:?}");
        }
    }
    // Who has such a number signs in, and may change it for one of here.
    Session::of(&door.post("/auth/login", &json!({ "email": elsewhere, "password": PASSWORD })));
    let session = Session::of(&door.post("/auth/login-phone", &json!({ "phone": elsewhere, "password": PASSWORD })));
    let reply = door.change(&session, &json!({ "phone": "+79161234568", "current_password": PASSWORD }));
    assert_eq!(faults(&reply), ["phone"]);
    door.change(&session, &json!({ "phone": "+43 664 1234567", "current_password": PASSWORD })).expect(200);
    door.join_by_phone(here, PASSWORD);
    let wrong = Folder::with("[sms]\ncountries = [\"DE\", \"Germany\"]\n").run(&["validate"]);
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned() + &String::from_utf8_lossy(&wrong.stdout);
    assert!(!wrong.status.success() && told.contains("sms.countries[1]") && told.contains("ISO 3166"), "{told}");
}
