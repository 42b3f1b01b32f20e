//! Sessions: how somebody stays signed in, and how that ends, everywhere at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::door::{AT_GATE, BASE, Door, PASSWORD, Session, User, cookie, refresh};
use crate::support::server::text;
use crate::support::{Raise, Request};

/// Makes it as if a session's refresh tokens had been replaced eleven seconds earlier.
fn age(door: &Door, session: &Session) {
    let sql = "UPDATE refresh_tokens SET replaced_at = replaced_at - 11000 WHERE session = ?1 AND replaced_at IS NOT NULL";
    assert!(door.database().execute(sql, [session.id()]).unwrap() > 0);
}

fn sessions(door: &Door, token: &str) -> Vec<Value> {
    door.ask("GET", "/auth/sessions", token, None).expect(200).json()["data"].as_array().unwrap().clone()
}

#[test]
fn what_a_sign_in_answers() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let reply = door.try_sign_in(&user, PASSWORD);
    let session = Session::of(&reply);
    let answer = &session.answer;
    assert_eq!((answer["token_type"].as_str(), answer["expires_in"].as_i64()), (Some("bearer"), Some(900)));
    assert_eq!(answer["user"], json!({ "id": user.id, "name": "ada", "plan": "free", "token_balance": 0 }));
    assert_eq!(answer["is_new_user"], false);
    let set = reply.header("Set-Cookie").unwrap();
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/auth/v1", "Max-Age="] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"));
    let claims = session.claims();
    assert_eq!((text(&claims["sub"]), text(&claims["acc"])), (user.id.to_string(), user.account.clone()));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert!(door.passes(&session.token));
    assert_eq!(door.try_sign_in(&user, "another password").expect(401).verdict(), "unknown");
}

#[test]
fn a_refresh_token_is_rotated_and_a_moment_ago_is_forgiven() {
    let door = Door::with(AT_GATE);
    let first = door.sign_in(&door.user("ada"));
    let next = door.try_refresh(&first.cookie).expect(200);
    let answer = next.json();
    let mut fields: Vec<&String> = answer.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["access_token", "expires_in", "token_type"]);
    assert_eq!(next.header("Cache-Control").as_deref(), Some("no-store"));
    let next = Session::of(&next);
    assert_ne!(next.cookie, first.cookie);
    // A second tab with the same old token gets a sibling; all of them go on.
    let sibling = Session::of(&door.try_refresh(&first.cookie));
    assert!(![&next.cookie, &first.cookie].contains(&&sibling.cookie));
    assert_eq!((first.id(), next.id()), (next.id(), sibling.id()));
    for session in [&first, &next, &sibling] {
        assert!(door.passes(&session.token));
    }
    assert_eq!(sessions(&door, &next.token).len(), 1);
    assert!(door.refreshes(&next.cookie) && door.refreshes(&sibling.cookie));
}

#[test]
fn a_refresh_token_used_again_ends_its_family_and_no_other() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let (other, first) = (door.sign_in(&user), door.sign_in(&user));
    let next = Session::of(&door.try_refresh(&first.cookie));
    let newest = Session::of(&door.try_refresh(&next.cookie));
    age(&door, &first);
    assert!(door.passes(&newest.token));
    assert_eq!(door.try_refresh(&first.cookie).expect(401).verdict(), "unknown");
    for session in [&first, &next, &newest] {
        assert!(!door.passes(&session.token) && !door.refreshes(&session.cookie));
    }
    assert!(door.passes(&other.token) && door.refreshes(&other.cookie));
    assert_eq!(door.audit(&user)[0], "session.reused");
}

#[test]
fn what_is_no_refresh_token_is_told_alike() {
    let door = Door::with(AT_GATE);
    let session = door.sign_in(&door.user("ada"));
    let mut mistyped = session.cookie.clone();
    mistyped.replace_range(10..11, if &mistyped[10..11] == "a" { "b" } else { "a" });
    for (cookies, verdict) in [
        (vec![], "missing"),
        (vec![""], "missing"),
        (vec!["other=1"], "missing"),
        (vec!["refresh_token="], "unknown"),
        (vec!["refresh_token=x"], "unknown"),
        (vec!["refresh_token=;;;===;"], "unknown"),
        (vec![&*format!("refresh_token={mistyped}")], "unknown"),
        (vec![&*format!("Refresh_Token={}", session.cookie)], "missing"),
        (vec![&*format!("refresh_token={}; refresh_token=tgr_x", session.cookie)], "missing"),
        (vec![&*format!("refresh_token={}", session.cookie), "refresh_token=tgr_x"], "missing"),
        (vec![&*format!("refresh_token={}", session.token)], "unknown"),
    ] {
        let request =
            cookies.iter().fold(Request::new("POST", &format!("{BASE}/auth/refresh")), |asked, cookie| asked.header("Cookie", cookie));
        let reply = door.stage.server.send(&request).expect(401);
        assert_eq!(reply.verdict(), verdict, "{cookies:?}");
        assert!(reply.header("Set-Cookie").is_none(), "{cookies:?}");
    }
    let twice = format!("a=1; refresh_token={0}; b=\"2\"; refresh_token={0}", session.cookie);
    door.stage.server.send(&Request::new("POST", &format!("{BASE}/auth/refresh")).header("Cookie", &twice)).expect(200);
}

/// How somebody signs out: whose sessions are over then, of the first, the second and another user's.
#[test]
fn sessions_end_here_there_and_everywhere() {
    type Act = fn(&Door, &User, &Session, &Session);
    const ACTS: &[(&str, Act, [bool; 3])] = &[
        ("sign out", |door, _, first, _| drop(door.post_with("/auth/logout", &first.cookie, &json!({})).expect(204)), [false, true, true]),
        (
            "sign out everywhere",
            |door, _, first, _| drop(door.post_with("/auth/logout", &first.cookie, &json!({ "everywhere": true })).expect(204)),
            [false, false, true],
        ),
        (
            "revoke another",
            |door, _, first, second| {
                let path = format!("/auth/sessions/{}", second.id());
                door.ask("DELETE", &path, &first.token, None).expect(204);
                door.ask("DELETE", &path, &first.token, None).expect(204);
            },
            [true, false, true],
        ),
        (
            "revoke itself",
            |door, _, first, _| drop(door.ask("DELETE", &format!("/auth/sessions/{}", first.id()), &first.token, None).expect(204)),
            [false, true, true],
        ),
        (
            "a new password",
            |door, _, first, _| {
                let change = json!({ "password": "quite another horse battery", "current_password": PASSWORD });
                door.ask("PATCH", "/user/me", &first.token, Some(&change)).expect(200);
            },
            [true, false, true],
        ),
        (
            "switched off",
            |door, user, _, _| drop(door.stage.patch(&format!("/users/{}", user.id), &json!({ "disabled": true })).expect(200)),
            [false, false, true],
        ),
        (
            "signed out by the operator",
            |door, user, _, _| drop(door.stage.delete(&format!("/users/{}/sessions", user.id)).expect(204)),
            [false, false, true],
        ),
    ];
    let door = Door::with(AT_GATE);
    for (number, (what, act, left)) in ACTS.iter().enumerate() {
        let (user, other) = (door.user(&format!("user{number}")), door.user(&format!("other{number}")));
        let all = [door.sign_in(&user), door.sign_in(&user), door.sign_in(&other)];
        // In the hot set, and the first once refreshed.
        all.iter().for_each(|session| assert!(door.passes(&session.token)));
        let refreshed = Session::of(&door.try_refresh(&all[0].cookie));
        act(&door, &user, &Session { cookie: refreshed.cookie.clone(), ..all[0].clone() }, &all[1]);
        for (session, lasts) in all.iter().zip(left) {
            assert_eq!(door.passes(&session.token), *lasts, "{what}");
            assert_eq!(door.ask("GET", "/user/me", &session.token, None).status == 200, *lasts, "{what}");
        }
        assert_eq!(door.passes(&refreshed.token), left[0], "{what}");
        let cookies = [&refreshed.cookie, &all[1].cookie, &all[2].cookie];
        for (cookie, lasts) in cookies.into_iter().zip(left) {
            assert_eq!(door.refreshes(cookie), *lasts, "{what}");
        }
    }
}

#[test]
fn sessions_are_listed_and_others_are_not_there() {
    let door = Door::with(AT_GATE);
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    let (first, second, of_eve) = (door.sign_in(&ada), door.sign_in(&ada), door.sign_in(&eve));
    let listed = sessions(&door, &first.token);
    let told: Vec<_> = listed.iter().map(|session| (text(&session["id"]), session["current"].as_bool().unwrap())).collect();
    assert_eq!(told, [(second.id(), false), (first.id(), true)]);
    assert_eq!((text(&listed[0]["method"]), text(&listed[0]["address"])), ("password".into(), "127.0.0.1".into()));
    let forgotten = format!("/auth/sessions/{}", of_eve.id());
    door.ask("DELETE", &forgotten, &first.token, None).expect(404);
    door.ask("DELETE", "/auth/sessions/ses_00000000000000000000000000", &first.token, None).expect(404);
    assert!(door.passes(&of_eve.token));
    door.ask("GET", "/auth/sessions", "x", None).expect(401);
    let key = door.stage.raw_key("free");
    door.ask("GET", "/auth/sessions", &key, None).expect(401);
}

#[test]
fn signing_out_again_does_no_harm_and_takes_the_cookie_away() {
    let door = Door::with(AT_GATE);
    let session = door.sign_in(&door.user("ada"));
    for _ in 0..2 {
        let reply = door.post_with("/auth/logout", &session.cookie, &json!({})).expect(204);
        let set = reply.header("Set-Cookie").unwrap();
        assert!(set.starts_with("refresh_token=;") && set.contains("Max-Age=0") && set.contains("Path=/auth/v1"), "{set}");
    }
    door.post("/auth/logout", &json!({})).expect(204);
    let wrong = door.post_with("/auth/logout", &session.cookie, &json!({ "everywhere": "yes", "more": 1 })).expect(400).json();
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 2, "{wrong}");
}

#[test]
fn a_session_is_never_the_one_that_a_cookie_brings() {
    let door = Door::with(AT_GATE);
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    let of_eve = door.sign_in(&eve);
    let body = json!({ "email": ada.email, "password": PASSWORD });
    let of_ada = Session::of(&door.post_with("/auth/login", &of_eve.cookie, &body));
    assert_ne!((of_ada.cookie.clone(), of_ada.id()), (of_eve.cookie.clone(), of_eve.id()));
    let chosen = of_eve.cookie.replace("tgr_", "tgr-");
    assert_ne!(cookie(&door.post_with("/auth/login", &chosen, &body)), chosen);
    // Whoever slipped it in has nothing of ada's.
    let eve_again = Session::of(&door.try_refresh(&of_eve.cookie));
    assert_eq!(eve_again.claims()["sub"], eve.id.to_string());
}

#[test]
fn many_sign_in_at_once_and_nobody_becomes_another() {
    let door = Door::with(&format!("{AT_GATE}at_once = 4\n"));
    let users: Vec<User> = (0..6).map(|number| door.user(&format!("user{number}"))).collect();
    // Fewer at a time than one address may guess, right guesses under way included.
    let wave = || {
        std::thread::scope(|scope| {
            let all: Vec<_> = users.iter().cycle().take(12).map(|user| (user, scope.spawn(|| door.sign_in(user)))).collect();
            for (user, signing_in) in all {
                let session = signing_in.join().unwrap();
                assert_eq!(session.answer["user"]["id"], user.id);
                assert_eq!(session.answer["user"]["name"], user.email.split('@').next().unwrap());
                let refreshed = Session::of(&door.try_refresh(&session.cookie));
                for token in [&session.token, &refreshed.token] {
                    let me = door.ask("GET", "/user/me", token, None).expect(200).json();
                    assert_eq!((me["id"].as_i64(), me["account"].as_str()), (Some(user.id), Some(&*user.account)));
                }
                assert_eq!(refreshed.id(), session.id());
            }
        })
    };
    (0..3).for_each(|_| wave());
    let all: BTreeSet<String> =
        users.iter().flat_map(|user| sessions(&door, &door.sign_in(user).token)).map(|one| text(&one["id"])).collect();
    assert_eq!(all.len(), 42);
}

#[test]
fn fifty_uses_at_once_of_one_refresh_token_make_one_family_that_lives() {
    let door = Door::with(AT_GATE);
    let session = door.sign_in(&door.user("ada"));
    let all: Vec<Session> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50).map(|_| scope.spawn(|| Session::of(&door.try_refresh(&session.cookie)))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let cookies: BTreeSet<&String> = all.iter().map(|one| &one.cookie).collect();
    assert_eq!(cookies.len(), 50);
    assert!(all.iter().all(|one| one.id() == session.id() && door.verdict(&one.token) == "ok"));
    assert_eq!(sessions(&door, &session.token).len(), 1);
    assert!(all.iter().step_by(7).all(|one| door.refreshes(&one.cookie)));
    // There is an end to siblings, and it harms nobody.
    let mut last = 200;
    for _ in 0..70 {
        last = door.try_refresh(&session.cookie).status;
        if last != 200 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert!(door.refreshes(&all[1].cookie) && door.passes(&session.token));
}

#[test]
fn no_check_passes_after_signing_out_was_answered() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    for everywhere in [false, true, false, true] {
        let session = door.sign_in(&user);
        let (is_out, is_done) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _done = Raise(&is_done);
            let checks: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut passed, mut wrong) = (0, 0);
                        while !is_done.load(Ordering::Acquire) {
                            let was_out = is_out.load(Ordering::Acquire);
                            match door.stage.server.get("/x", &session.token).verdict().as_str() {
                                "ok" => passed += 1,
                                "unknown" if !was_out => {}
                                "unknown" => continue,
                                other => panic!("{other}"),
                            }
                            wrong += u32::from(was_out);
                        }
                        (passed, wrong)
                    })
                })
                .collect();
            let refreshed = Session::of(&door.try_refresh(&session.cookie));
            std::thread::sleep(Duration::from_millis(30));
            door.post_with("/auth/logout", &refreshed.cookie, &json!({ "everywhere": everywhere })).expect(204);
            is_out.store(true, Ordering::Release);
            std::thread::sleep(Duration::from_millis(50));
            is_done.store(true, Ordering::Release);
            let counts: Vec<_> = checks.into_iter().map(|one| one.join().unwrap()).collect();
            assert!(counts.iter().all(|(_, wrong)| *wrong == 0), "{counts:?}");
            assert!(counts.iter().any(|(passed, _)| *passed > 0), "{counts:?}");
        });
    }
}

#[test]
fn refreshing_races_with_signing_out_and_never_wins() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    for _ in 0..5 {
        let session = door.sign_in(&user);
        let all: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..6).map(|_| scope.spawn(|| door.try_refresh(&session.cookie))).collect();
            door.post_with("/auth/logout", &session.cookie, &json!({})).expect(204);
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for reply in all.iter().filter(|reply| reply.status == 200) {
            let refreshed = Session::of(reply);
            assert!(!door.passes(&refreshed.token) && !door.refreshes(&refreshed.cookie));
        }
    }
}

#[test]
fn sessions_and_their_ends_outlive_a_crash() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let (kept, over) = (door.sign_in(&user), door.sign_in(&user));
    let kept = Session::of(&door.try_refresh(&kept.cookie));
    door.post_with("/auth/logout", &over.cookie, &json!({})).expect(204);
    let door = door.crash();
    assert!(door.passes(&kept.token) && !door.passes(&over.token) && !door.refreshes(&over.cookie));
    assert!(door.refreshes(&kept.cookie));
}

#[test]
fn beyond_a_hundred_sessions_the_oldest_ends() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let (oldest, second) = (door.sign_in(&user), door.sign_in(&user));
    assert!(door.passes(&oldest.token) && door.passes(&second.token));
    let more = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 98)
        INSERT INTO sessions (id, user, account, method, origin, agent, created_at, used_at, expires_at)
        SELECT substr(id, 1, 26) || printf('%04d', n), user, account, method, origin, agent, created_at, used_at, expires_at
        FROM sessions, numbers WHERE id = ?1";
    assert_eq!(door.database().execute(more, [second.id()]).unwrap(), 98);
    assert_eq!(sessions(&door, &oldest.token).len(), 100);
    let newest = door.sign_in(&user);
    assert!(!door.passes(&oldest.token) && !door.refreshes(&oldest.cookie));
    assert!(door.passes(&second.token) && door.passes(&newest.token));
    assert_eq!(sessions(&door, &newest.token).len(), 100);
}

#[test]
fn a_session_goes_on_for_another_account() {
    let door = Door::with(AT_GATE);
    let (ada, eve) = (door.user("ada"), door.user("eve"));
    let shared = door.stage.account(json!({ "name": "shared", "kind": "organization" }));
    let joins = "INSERT INTO members (account, user, role, joined_at) VALUES (?1, ?2, 'member', 0)";
    door.database().execute(joins, (&shared, ada.id)).unwrap();
    let session = door.sign_in(&ada);
    let switched = Session::of(&door.ask("POST", "/auth/switch", &session.token, Some(&json!({ "account": shared }))));
    assert_eq!((switched.id(), text(&switched.claims()["acc"])), (session.id(), shared.clone()));
    let account = |token: &str| text(&door.stage.verify(&json!({ "token": token }))["account"]["id"]);
    assert_eq!((account(&session.token), account(&switched.token)), (ada.account.clone(), shared.clone()));
    // It stays with that account.
    let next = Session::of(&door.try_refresh(&switched.cookie));
    assert_eq!(text(&next.claims()["acc"]), shared);
    // Into nobody else's account, be it there or not.
    for account in [&*eve.account, "acc_00000000000000000000000000", "x", ""] {
        door.ask("POST", "/auth/switch", &next.token, Some(&json!({ "account": account }))).expect(404);
    }
    door.ask("POST", "/auth/switch", &next.token, Some(&json!({}))).expect(400);
    // Whoever is no member any more goes on for themselves.
    door.database().execute("DELETE FROM members WHERE account = ?1", [&shared]).unwrap();
    let left = Session::of(&door.try_refresh(&next.cookie));
    assert_eq!(text(&left.claims()["acc"]), ada.account);
}

/// Going on for another account makes a refresh token as a refresh does, and is bounded alike: what was replaced long ago is forgotten,
/// and one session does not turn without end.
#[test]
fn however_a_session_goes_on_it_is_bounded() {
    type Turn = fn(&Door, &Session) -> crate::support::Reply;
    let refreshes: Turn = |door, session| door.try_refresh(&session.cookie);
    let switches: Turn = |door, session| {
        let account = session.claims()["acc"].clone();
        door.ask("POST", "/auth/switch", &session.token, Some(&json!({ "account": account })))
    };
    let used = |door: &Door, session: &Session, count: i64, at: &str| {
        let sql = format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO refresh_tokens SELECT randomblob(32), '{}', 1, {at} FROM n",
            session.id()
        );
        door.alter(&sql);
    };
    let (long_ago, lately) = ("(unixepoch() - 31 * 86400) * 1000", "(unixepoch() - 86400) * 1000");
    for turn in [refreshes, switches] {
        let door = Door::with(&format!("{AT_GATE}[sign_in.throttle]\nrefreshed_by_session = \"3/1h\"\n"));
        let user = door.user("ada");
        let session = door.sign_in(&user);
        used(&door, &session, 50_000, long_ago);
        let mut session = Session::of(&turn(&door, &session));
        assert_eq!(door.count("refresh_tokens"), 2, "those of long ago are forgotten");
        for _ in 0..2 {
            session = Session::of(&turn(&door, &session));
        }
        let reply = turn(&door, &session);
        assert_eq!((reply.status, reply.verdict().as_str()), (429, "too_many_tries"), "{reply:?}");
        assert!(door.passes(&session.token) && door.count("refresh_tokens") == 4);
        let session = door.sign_in(&user);
        used(&door, &session, 50_000, lately);
        let reply = turn(&door, &session);
        assert_eq!((reply.status, reply.verdict().as_str()), (401, "unknown"), "{reply:?}");
        assert!(!door.passes(&session.token), "one that has turned so often has ended");
    }
}

#[test]
fn a_session_that_was_not_used_for_long_is_over() {
    let door = Door::with(AT_GATE);
    let session = door.sign_in(&door.user("ada"));
    door.database().execute("UPDATE sessions SET expires_at = 1000", []).unwrap();
    assert_eq!(door.stage.server.send(&refresh(&session.cookie)).expect(401).verdict(), "unknown");
    assert_eq!(door.verdict(&session.token), "unknown");
}

#[test]
fn an_access_token_signs_out_too() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let [one, two, three, four] = std::array::from_fn(|_| door.sign_in(&user));
    let out = |token: &str, body: Option<&Value>| door.ask("POST", "/auth/logout", token, body);
    out(&one.token, None).expect(204);
    assert!(!door.passes(&one.token) && !door.refreshes(&one.cookie) && door.passes(&two.token));
    // What counts no more ends nothing, and neither does a key.
    out(&one.token, None).expect(204);
    out(&one.token, Some(&json!({ "everywhere": true }))).expect(204);
    out(&door.stage.raw_key("free"), Some(&json!({ "everywhere": true }))).expect(204);
    door.post("/auth/logout", &json!({ "everywhere": true })).expect(204);
    assert!(door.passes(&two.token) && door.refreshes(&two.cookie));
    // With the cookie of one session and the token of another both end.
    let both = Request::new("POST", &format!("{BASE}/auth/logout")).bearer(&two.token);
    door.stage.server.send(&both.header("Cookie", &format!("refresh_token={}", three.cookie))).expect(204);
    assert!(!door.passes(&two.token) && !door.passes(&three.token) && door.passes(&four.token));
    let last = door.sign_in(&user);
    out(&last.token, Some(&json!({ "everywhere": true }))).expect(204);
    assert!(!door.passes(&last.token) && !door.passes(&four.token) && !door.refreshes(&four.cookie));
    assert!(door.audit(&user).iter().filter(|action| *action == "session.ended").count() == 5);
}
