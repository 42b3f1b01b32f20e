//! The second factor: asked for whichever way somebody comes, no step used twice, and nothing to be had without it.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::door::{AT_GATE, BASE, Door, PASSWORD, Session, User, cookie, roomy};
pub use crate::support::authenticator::Authenticator;
use crate::support::server::text;
use crate::support::{Folder, Reply, Request};

/// Somebody with a second factor.
pub struct Guarded {
    pub user: User,
    pub session: Session,
    pub app: Authenticator,
    pub recovery_codes: Vec<String>,
}

/// Sets one up. Afterwards it is as if no step had been used yet.
pub fn guarded(door: &Door, name: &str) -> Guarded {
    let user = door.user(name);
    guard(door, user)
}

/// The same for somebody who is there.
pub fn guard(door: &Door, user: User) -> Guarded {
    let session = door.sign_in(&user);
    let begun = door.ask("POST", "/user/second-factor", &session.token, Some(&json!({ "password": PASSWORD }))).expect(200).json();
    let app = Authenticator::of(&text(&begun["secret"]));
    let told = text(&begun["url"]);
    assert!(told.starts_with("otpauth://totp/") && told.contains(&text(&begun["secret"])), "{told}");
    let codes = door.ask("POST", "/user/second-factor/confirm", &session.token, Some(&json!({ "code": app.code(0) }))).expect(200).json();
    let recovery_codes: Vec<String> = codes["recovery_codes"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(recovery_codes.len(), 10);
    forget_steps(door);
    Guarded { user, session, app, recovery_codes }
}

/// No step counts as used: so a test need not wait for the next.
pub fn forget_steps(door: &Door) {
    door.database().execute("UPDATE second_factors SET last_step = -1", []).unwrap();
}

/// The first factor; the cookie of whoever waits.
#[track_caller]
fn first(door: &Door, user: &User) -> String {
    let reply = door.try_sign_in(user, PASSWORD);
    assert_eq!((reply.status, reply.verdict().as_str()), (403, "second_factor_needed"), "{reply:?}");
    assert!(!reply.body.contains("access_token") && !reply.body.contains("eyJ"), "{reply:?}");
    assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"));
    let set = reply.header("Set-Cookie").unwrap();
    assert!(set.contains("HttpOnly") && set.contains("Secure") && set.contains("Max-Age=600"), "{set}");
    cookie(&reply)
}

pub fn second(door: &Door, waiting: &str, code: &str) -> Reply {
    door.post_with("/auth/second-factor", waiting, &json!({ "code": code }))
}

#[test]
fn it_is_asked_for_and_signs_in() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    let waiting = first(&door, &ada.user);
    assert_eq!(second(&door, &waiting, &ada.app.wrong()).expect(401).verdict(), "unknown");
    let reply = second(&door, &waiting, &ada.app.code(0));
    let session = Session::of(&reply);
    assert_eq!(session.answer["user"]["id"], ada.user.id);
    assert!(door.passes(&session.token) && door.refreshes(&session.cookie) && session.cookie != waiting);
    // The wait is over.
    for code in [ada.app.code(1), ada.recovery_codes[0].clone()] {
        assert_eq!(second(&door, &waiting, &code).expect(401).verdict(), "unknown");
    }
    assert_eq!(second(&door, &session.cookie, &ada.app.code(1)).expect(401).verdict(), "unknown");
    // Whoever has none is asked for none.
    assert!(door.passes(&door.sign_in(&door.user("eve")).token));
    // All of it is counted.
    let token = text(&door.stage.folder.json(&["token", "create", "--scope", "metrics"])["token"]);
    let metrics = door.stage.server.get("/auth/metrics", &token).expect(200).body;
    for (verdict, count) in [("ok", 3), ("unknown", 4), ("second_factor_needed", 1)] {
        assert!(metrics.contains(&format!("tollgate_sign_ins_total{{verdict=\"{verdict}\"}} {count}\n")), "{verdict}: {metrics}");
    }
}

#[test]
fn who_waits_can_do_nothing_else() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    let waiting = first(&door, &ada.user);
    let before = door.ask("GET", "/auth/sessions", &ada.session.token, None).expect(200).body;
    assert_eq!(door.try_refresh(&waiting).expect(401).verdict(), "unknown");
    for (method, path, body) in [
        ("GET", "/user/me", None),
        ("PATCH", "/user/me", Some(json!({ "name": "x" }))),
        ("GET", "/balance", None),
        ("GET", "/auth/sessions", None),
        ("POST", "/auth/switch", Some(json!({ "account": ada.user.account }))),
        ("POST", "/user/second-factor", Some(json!({ "password": PASSWORD }))),
        ("POST", "/user/second-factor/confirm", Some(json!({ "code": "000000" }))),
        ("POST", "/user/second-factor/recovery-codes", Some(json!({ "password": PASSWORD, "code": ada.recovery_codes[0] }))),
        ("DELETE", "/user/second-factor", Some(json!({ "password": PASSWORD, "code": ada.recovery_codes[0] }))),
    ] {
        let request = Request::new(method, &format!("{BASE}{path}")).header("Cookie", &format!("refresh_token={waiting}"));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        door.stage.server.send(&request).expect(401);
        door.stage.server.send(&request.bearer(&waiting)).expect(401);
    }
    // As the token of a mailed link it is nothing either.
    assert_eq!(door.post("/auth/verify", &json!({ "token": waiting })).expect(401).verdict(), "unknown");
    assert_eq!(door.post("/auth/reset", &json!({ "token": waiting, "password": "a whole new password" })).expect(401).verdict(), "unknown");
    door.post_with("/auth/logout", &waiting, &json!({ "everywhere": true })).expect(204);
    assert_eq!(door.ask("GET", "/auth/sessions", &ada.session.token, None).expect(200).body, before);
    assert!(!door.passes(&waiting));
    Session::of(&second(&door, &waiting, &ada.app.code(0)));
}

#[test]
fn a_step_counts_once_wherever_it_was_used() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let begun = door.ask("POST", "/user/second-factor", &session.token, Some(&json!({ "password": PASSWORD }))).expect(200).json();
    let app = Authenticator::of(&text(&begun["secret"]));
    let (early, now, late) = (app.code(-1), app.code(0), app.code(1));
    door.ask("POST", "/user/second-factor/confirm", &session.token, Some(&json!({ "code": now }))).expect(200);
    // What confirmed it, and what came before that, signs nobody in.
    let waiting = first(&door, &user);
    assert_eq!((second(&door, &waiting, &now).status, second(&door, &waiting, &early).status), (401, 401));
    Session::of(&second(&door, &waiting, &late));
    // What signed in signs in no more, and takes nothing away either.
    let waiting = first(&door, &user);
    assert_eq!(second(&door, &waiting, &late).status, 401);
    let change = json!({ "password": PASSWORD, "code": late });
    for (method, path) in [("DELETE", "/user/second-factor"), ("POST", "/user/second-factor/recovery-codes")] {
        let refused = door.ask(method, path, &session.token, Some(&change)).expect(400).json();
        assert_eq!(refused["errors"][0]["field"], "code");
    }
    first(&door, &user);
}

#[test]
fn of_many_uses_of_one_code_at_once_one_counts() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    for code in [ada.app.code(0), ada.recovery_codes[3].clone()] {
        let waiting: Vec<String> = (0..8).map(|_| first(&door, &ada.user)).collect();
        let replies: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = waiting.iter().map(|waiting| scope.spawn(|| second(&door, waiting, &code).status)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(replies.iter().filter(|status| **status == 200).count(), 1, "{replies:?}");
    }
}

#[test]
fn five_wrong_codes_end_the_wait() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    let waiting = first(&door, &ada.user);
    for _ in 0..5 {
        assert_eq!(second(&door, &waiting, &ada.app.wrong()).expect(401).verdict(), "unknown");
    }
    for code in [ada.app.code(0), ada.recovery_codes[0].clone()] {
        assert_eq!(second(&door, &waiting, &code).expect(401).verdict(), "unknown");
    }
    // What cannot be a code is told so, and is no try.
    let waiting = first(&door, &ada.user);
    for wrong in
        [json!({}), json!({ "code": "12345" }), json!({ "code": 123456 }), json!({ "code": "x".repeat(1000) }), json!({ "code": null })]
    {
        let refused = second_with(&door, &waiting, &wrong).expect(400).json();
        assert_eq!(refused["errors"][0]["field"], "code", "{wrong}");
    }
    Session::of(&second(&door, &waiting, &ada.app.code(0)));
}

fn second_with(door: &Door, waiting: &str, body: &Value) -> Reply {
    door.post_with("/auth/second-factor", waiting, body)
}

#[test]
fn a_wait_has_an_end() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    let waiting = first(&door, &ada.user);
    let sql = "UPDATE proofs SET expires_at = expires_at - 600000 WHERE purpose = 'second_factor'";
    assert_eq!(door.database().execute(sql, []).unwrap(), 1);
    assert_eq!(second(&door, &waiting, &ada.app.code(0)).expect(401).verdict(), "unknown");
    door.post("/auth/second-factor", &json!({ "code": ada.app.code(0) })).expect(401);
}

#[test]
fn guessing_is_slowed_and_the_owner_gets_in() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    // From elsewhere, with the right password.
    let from = |request: Request| door.stage.server.send(&request.header("X-Forwarded-For", "203.0.113.9"));
    let login = || from(Request::post(&format!("{BASE}/auth/login"), &json!({ "email": ada.user.email, "password": PASSWORD })));
    let guess = |waiting: &str, code: &str| {
        from(
            Request::post(&format!("{BASE}/auth/second-factor"), &json!({ "code": code }))
                .header("Cookie", &format!("refresh_token={waiting}")),
        )
    };
    let mut last = String::new();
    // Four of each five tries: the last wait stays open.
    loop {
        let reply = login();
        assert!([403, 429].contains(&reply.status), "{reply:?}");
        if reply.status == 429 {
            break;
        }
        last = cookie(&reply);
        let told: Vec<u16> = (0..4).map(|_| guess(&last, &ada.app.wrong()).status).collect();
        assert!(told.iter().all(|status| [401, 429].contains(status)), "{told:?}");
        if told.contains(&429) {
            break;
        }
    }
    let refused = guess(&last, &ada.app.code(0)).expect(429);
    assert_eq!(refused.verdict(), "too_many_tries");
    assert!(refused.number("Retry-After").unwrap() > 0);
    // The owner from where they have signed in before; and from anywhere with a recovery code.
    Session::of(&second(&door, &first(&door, &ada.user), &ada.app.code(0)));
    Session::of(&guess(&last, &ada.recovery_codes[0]));
}

#[test]
fn recovery_codes_count_once_and_new_ones_end_the_old() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    let [one, two, ..] = &ada.recovery_codes[..] else { panic!("ten") };
    Session::of(&second(&door, &first(&door, &ada.user), &one.to_uppercase().replace('-', " ")));
    assert_eq!(second(&door, &first(&door, &ada.user), one).status, 401);
    let eve = guarded(&door, "eve");
    assert_eq!(second(&door, &first(&door, &eve.user), two).status, 401);
    let change = json!({ "password": PASSWORD, "code": ada.app.code(0) });
    let renewed = door.ask("POST", "/user/second-factor/recovery-codes", &ada.session.token, Some(&change)).expect(200).json();
    let renewed: Vec<String> = renewed["recovery_codes"].as_array().unwrap().iter().map(text).collect();
    assert!(renewed.len() == 10 && !renewed.contains(two));
    assert_eq!(second(&door, &first(&door, &ada.user), two).status, 401);
    Session::of(&second(&door, &first(&door, &ada.user), &renewed[9]));
}

#[test]
fn setting_up_asks_for_the_password_and_ends_the_other_sessions() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let (own, other) = (door.sign_in(&user), door.sign_in(&user));
    assert!(door.passes(&own.token) && door.passes(&other.token));
    for wrong in [json!({}), json!({ "password": "another password" }), json!({ "password": 1 }), json!({ "password": null })] {
        let refused = door.ask("POST", "/user/second-factor", &own.token, Some(&wrong)).expect(400).json();
        assert_eq!(refused["errors"][0]["field"], "password", "{wrong}");
    }
    door.ask("POST", "/user/second-factor/confirm", &own.token, Some(&json!({ "code": "123456" }))).expect(409);
    let begin = || door.ask("POST", "/user/second-factor", &own.token, Some(&json!({ "password": PASSWORD })));
    let abandoned = Authenticator::of(&text(&begin().expect(200).json()["secret"]));
    // Begun only: it is not asked for.
    assert!(door.passes(&door.sign_in(&user).token));
    let app = Authenticator::of(&text(&begin().expect(200).json()["secret"]));
    let confirm = |code: &str| door.ask("POST", "/user/second-factor/confirm", &own.token, Some(&json!({ "code": code })));
    for code in [&abandoned.code(0), &app.wrong(), "abcd-efgh-jkmn-pqrs"] {
        assert_eq!(confirm(code).expect(400).json()["errors"][0]["field"], "code");
    }
    confirm(&app.code(0)).expect(200);
    confirm(&app.code(1)).expect(409);
    begin().expect(409);
    assert!(door.passes(&own.token) && !door.passes(&other.token) && !door.refreshes(&other.cookie));
    assert!(door.audit(&user).contains(&"second_factor.changed".into()));
    let told = door.stage.get("/audit?action=second_factor.changed").expect(200).json();
    assert!(told["data"].as_array().unwrap().iter().all(|entry| entry["after"]["user"] == user.id), "a webhook has no other word: {told}");
    // What lies in the database opens nothing.
    let sealed: Vec<u8> = door.database().query_row("SELECT secret FROM second_factors", [], |row| row.get(0)).unwrap();
    assert!(!sealed.windows(app.0.len()).any(|part| part == app.0));
    // Taken away, it is asked for no more.
    forget_steps(&door);
    for wrong in [json!({ "password": "another password", "code": app.code(0) }), json!({ "code": app.code(0) })] {
        assert_eq!(
            door.ask("DELETE", "/user/second-factor", &own.token, Some(&wrong)).expect(400).json()["errors"][0]["field"],
            "password"
        );
    }
    let right = json!({ "password": PASSWORD, "code": app.code(0) });
    door.ask("DELETE", "/user/second-factor", &own.token, Some(&right)).expect(204);
    assert!(door.passes(&door.sign_in(&user).token));
    door.ask("DELETE", "/user/second-factor", &own.token, Some(&right)).expect(404);
}

#[test]
fn who_has_no_password_must_have_signed_in_a_moment_ago() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    door.database().execute("UPDATE users SET password = NULL", []).unwrap();
    let begin = || door.ask("POST", "/user/second-factor", &session.token, Some(&json!({})));
    begin().expect(200);
    door.database().execute("UPDATE sessions SET created_at = created_at - 600000", []).unwrap();
    assert_eq!(begin().expect(400).json()["errors"][0]["field"], "password");
}

#[test]
fn what_happens_meanwhile_ends_the_wait() {
    type Act = fn(&Door, &Guarded);
    const ACTS: &[(&str, Act)] = &[
        ("switched off", |door, ada| drop(door.stage.patch(&format!("/users/{}", ada.user.id), &json!({ "disabled": true })).expect(200))),
        ("a new password", |door, ada| {
            let change = json!({ "password": "quite another horse battery", "current_password": PASSWORD });
            door.ask("PATCH", "/user/me", &ada.session.token, Some(&change)).expect(200);
        }),
        ("taken away", |door, ada| {
            let change = json!({ "password": PASSWORD, "code": ada.recovery_codes[1] });
            door.ask("DELETE", "/user/second-factor", &ada.session.token, Some(&change)).expect(204);
        }),
        ("taken away by the operator", |door, ada| {
            door.stage.delete(&format!("/users/{}/second-factor", ada.user.id)).expect(204);
        }),
    ];
    let door = Door::with(AT_GATE);
    for (number, (what, act)) in ACTS.iter().enumerate() {
        let ada = guarded(&door, &format!("user{number}"));
        let waiting = first(&door, &ada.user);
        act(&door, &ada);
        for code in [ada.app.code(0), ada.recovery_codes[0].clone()] {
            let reply = second(&door, &waiting, &code);
            assert!(reply.status == 401 || reply.status == 403, "{what}: {reply:?}");
            assert!(!reply.body.contains("access_token"), "{what}");
        }
    }
}

#[test]
fn it_outlives_a_crash_and_a_wait_does_too() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    let waiting = first(&door, &ada.user);
    let door = door.crash();
    Session::of(&second(&door, &waiting, &ada.app.code(0)));
    first(&door, &ada.user);
}

#[test]
fn after_a_copy_was_restored_elsewhere_all_goes_on() {
    let config = roomy(AT_GATE);
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    let copy = door.stage.folder.path("copy.db");
    let copied = door.stage.folder.json(&["backup", &copy.display().to_string()]);
    let secret = format!("{}.secret", copy.display());
    assert_eq!(copied["secret"], std::path::absolute(&secret).unwrap().display().to_string());
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    // Once with the secret, once without.
    for has_secret in [true, false] {
        if !has_secret {
            std::fs::remove_file(&secret).unwrap();
        }
        let folder = Folder::with(&config);
        let restored = folder.run(&["restore", &copy.display().to_string()]);
        let told = String::from_utf8(restored.stdout).unwrap();
        assert!(told.contains(if has_secret { "came with it" } else { "no FILE.secret" }), "{told}");
        let kept = folder.path("tollgate.db.secret");
        assert_eq!(kept.exists(), has_secret);
        if has_secret {
            assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let elsewhere = Door::of(folder);
        assert_eq!(elsewhere.passes(&ada.session.token), has_secret);
        assert!(elsewhere.refreshes(&ada.session.cookie), "a session needs no secret");
        let waiting = first(&elsewhere, &ada.user);
        let reply = second(&elsewhere, &waiting, &ada.app.code(0));
        assert_eq!(reply.status == 200, has_secret, "{reply:?}");
    }
}
