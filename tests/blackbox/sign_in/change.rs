//! What users change of themselves: with the password of now, an address only once it is proven, and everybody is told.

use serde_json::{Value, json};

use super::door::{AT_GATE, Door, NOT_AT_GATE, PASSWORD, Session};
use super::post::{bare, faults, refused};

const OTHER: &str = "another fine passphrase of mine";
const NEW: &str = "new@example.com";

fn me(door: &Door, session: &Session) -> Value {
    door.ask("GET", "/user/me", &session.token, None).expect(200).json()
}

#[test]
fn a_new_password_ends_the_other_sessions() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let (own, others) = (door.sign_in(&user), [door.sign_in(&user), door.sign_in(&user)]);
    door.forgot(&user.email).expect(202);
    for session in [&own, &others[0], &others[1]] {
        assert!(door.passes(&session.token));
    }
    let reply = door.change(&own, &json!({ "password": OTHER, "current_password": PASSWORD })).expect(200);
    assert!(!reply.body.contains(OTHER) && !reply.body.contains("argon2"), "{reply:?}");
    assert!(door.passes(&own.token) && door.refreshes(&own.cookie));
    for other in &others {
        assert!(!door.passes(&other.token));
        assert!(!door.refreshes(&other.cookie));
    }
    refused(&door.reset(&json!({ "token": door.token(&user.email, 1), "password": PASSWORD })), 401, "unknown");
    refused(&door.login(&user.email, PASSWORD), 401, "unknown");
    Session::of(&door.login(&user.email, OTHER));
    assert_eq!(door.letters(&user.email), ["reset", "password_changed"]);
}

#[test]
fn what_is_wrong_changes_nothing() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let before = door.stage.get(&format!("/users/{}", user.id)).expect(200).json();
    for (body, wrong) in [
        (json!({ "password": OTHER }), &["current_password"][..]),
        (json!({ "email": NEW }), &["current_password"]),
        (json!({ "phone": "+4915112345678" }), &["current_password"]),
        (json!({ "password": OTHER, "current_password": OTHER }), &["current_password"]),
        (json!({ "email": NEW, "current_password": "" }), &["current_password"]),
        (json!({ "email": NEW, "current_password": null }), &["current_password"]),
        (json!({ "email": NEW, "current_password": 5 }), &["current_password"]),
        (json!({ "password": "password", "current_password": PASSWORD }), &["password"]),
        (json!({ "password": user.email, "current_password": PASSWORD }), &["password"]),
        (json!({ "password": null, "current_password": PASSWORD }), &["password"]),
        (json!({ "email": null }), &["current_password"]),
        (json!({ "phone": null, "current_password": OTHER }), &["current_password"]),
        (json!({ "email": "", "current_password": PASSWORD }), &["email"]),
        (json!({ "email": "a@b@example.com", "phone": "110", "password": "x", "name": "" }), &["email", "name", "password", "phone"]),
        (json!({ "name": "x".repeat(1000) }), &["name"]),
        (json!({ "name": "a\nb" }), &["name"]),
        (json!({ "name": null }), &["name"]),
        (
            json!({ "name": "Eve", "id": 7, "plan": "pro", "is_admin": true, "email_verified": true }),
            &["email_verified", "id", "is_admin", "plan"],
        ),
        // One that is right beside one that is wrong.
        (json!({ "name": "Eve", "password": OTHER, "current_password": OTHER }), &["current_password"]),
        (json!({ "name": "Eve", "email": "nobody" }), &["email"]),
    ] {
        let reply = door.change(&session, &body);
        refused(&reply, 400, "bad_request");
        for field in wrong {
            assert!(faults(&reply).contains(&(*field).to_owned()), "{body}: {reply:?}");
        }
        assert!(!reply.body.contains(PASSWORD) && !reply.body.contains(OTHER), "{reply:?}");
    }
    assert_eq!(door.stage.get(&format!("/users/{}", user.id)).expect(200).json(), before);
    assert_eq!((door.count("proofs"), door.count("mails")), (0, 0));
    door.sign_in(&user);
}

#[test]
fn who_guesses_the_password_of_now_is_slowed() {
    let door = Door::with(&format!("{NOT_AT_GATE}[sign_in.throttle]\nwrong_when_familiar = \"3/1h\"\n"));
    let user = door.user("ada");
    let sessions = [door.sign_in(&user), door.sign_in(&user)];
    for nth in 0..3 {
        let reply = door.change(&sessions[nth % 2], &json!({ "password": OTHER, "current_password": "a guess" }));
        refused(&reply, 400, "bad_request");
    }
    let reply = door.change(&sessions[0], &json!({ "password": OTHER, "current_password": PASSWORD }));
    refused(&reply, 429, "too_many_tries");
    assert!(reply.number("Retry-After").is_some(), "{reply:?}");
    // The name wants none.
    door.change(&sessions[0], &json!({ "name": "Eve" })).expect(200);
}

#[test]
fn a_new_address_holds_once_it_is_proven() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let reply = door.change(&session, &json!({ "email": "New@Example.com", "current_password": PASSWORD })).expect(200).json();
    assert_eq!((&reply["email"], me(&door, &session)["email"].as_str()), (&json!(user.email), Some(user.email.as_str())));
    Session::of(&door.login(&user.email, PASSWORD));
    refused(&door.login(NEW, PASSWORD), 401, "unknown");
    assert_eq!((door.letters(&user.email).len(), door.letters(NEW)), (0, vec!["change".to_owned()]));
    let token = door.token(NEW, 1);
    refused(&door.reset(&json!({ "token": token, "password": OTHER })), 401, "unknown");
    let proven = Session::of(&door.verify(&token));
    assert_eq!((&proven.answer["user"]["id"], &proven.answer["is_new_user"]), (&json!(user.id), &json!(false)));
    assert_eq!(me(&door, &session)["email"], json!(NEW), "who asked is still in");
    refused(&door.login(&user.email, PASSWORD), 401, "unknown");
    Session::of(&door.login(NEW, PASSWORD));
    refused(&door.verify(&token), 401, "unknown");
    // The old one is told, and is free.
    assert_eq!(door.letters(&user.email), ["changed"]);
    assert_ne!(door.join(&user.email, OTHER).answer["user"]["id"], json!(user.id));
    assert_eq!(door.count("users"), 2);
}

#[test]
fn a_new_number_holds_once_it_is_proven() {
    let (old, new) = ("+4915112345678", "+4915112345679");
    let door = Door::with(&format!("[sign_in]\ncountry = \"DE\"\n{NOT_AT_GATE}"));
    let session = door.join_by_phone(old, PASSWORD);
    door.change(&session, &json!({ "phone": "0151 12345679", "current_password": PASSWORD })).expect(200);
    Session::of(&door.login(old, PASSWORD));
    refused(&door.login(new, PASSWORD), 401, "unknown");
    let code = door.code(new, 1);
    refused(&door.verify_code(old, &code), 401, "unknown");
    Session::of(&door.verify_code(new, &code));
    refused(&door.login(old, PASSWORD), 401, "unknown");
    Session::of(&door.login(new, PASSWORD));
    assert_eq!(me(&door, &session)["phone"], json!(new));
    assert_eq!(door.letters(old), ["verify", "changed"], "the old one is told");
}

#[test]
fn both_addresses_may_be_changed_at_once() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let phone = "+4915112345678";
    door.change(&session, &json!({ "email": NEW, "phone": phone, "current_password": PASSWORD })).expect(200);
    let (token, code) = (door.token(NEW, 1), door.code(phone, 1));
    Session::of(&door.verify(&token));
    Session::of(&door.verify_code(phone, &code));
    let me = me(&door, &session);
    assert_eq!((&me["email"], &me["phone"]), (&json!(NEW), &json!(phone)));
    for address in [NEW, phone] {
        assert_eq!(Session::of(&door.login(address, PASSWORD)).answer["user"]["id"], json!(user.id));
    }
}

/// An address goes where another way in is left, and is told at the address that went.
#[test]
fn an_address_goes_where_another_way_in_is_left() {
    const PHONE: &str = "phone = '+4915112345678', phone_verified_at = 1";
    const LINKED: &str = "INSERT INTO identities VALUES ('telegram', '7', 1, 'ada', 1, 1)";
    let of_none = "INSERT INTO identities VALUES ('https://gone.example', '7', 1, 'ada', 1, 1)";
    for (what, set, linked, body, status) in [
        ("the last", "disabled = 0", None, json!({ "email": null }), 409),
        ("a proven number is left", PHONE, None, json!({ "email": null }), 200),
        ("a number that is not proven", "phone = '+4915112345678'", None, json!({ "email": null }), 409),
        ("both", PHONE, None, json!({ "email": null, "phone": null }), 409),
        ("the number", PHONE, None, json!({ "phone": null }), 200),
        ("there is none", "disabled = 0", None, json!({ "phone": null }), 200),
        ("a new one is not proven yet", "disabled = 0", None, json!({ "email": null, "phone": "+4915112345679" }), 409),
        ("a linked sign-in is left", "disabled = 0", Some(LINKED), json!({ "email": null }), 200),
        ("one that nobody can use", "disabled = 0", Some(of_none), json!({ "email": null }), 409),
        ("one that is not proven", "email_verified_at = NULL", Some(LINKED), json!({ "email": null }), 200),
    ] {
        let door = Door::with(&format!("{AT_GATE}[sign_in.telegram]\nbot_token = \"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw\"\n"));
        let user = door.user("ada");
        let session = door.sign_in(&user);
        door.forgot(&user.email).expect(202);
        let token = door.token(&user.email, 1);
        door.alter(&format!("UPDATE users SET {set}"));
        if let Some(linked) = linked {
            door.alter(linked);
        }
        let mut body = body.clone();
        body["current_password"] = PASSWORD.into();
        let reply = door.change(&session, &body);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        let told: Vec<String> = [&user.email, "+4915112345678"].into_iter().flat_map(|address| door.letters(address)).collect();
        let now = door.stage.get(&format!("/users/{}", user.id)).expect(200).json();
        if status == 409 {
            assert_eq!((&now["email"], told), (&json!(user.email), vec!["reset".to_owned()]), "{what}");
            continue;
        }
        for field in ["email", "phone"] {
            assert!(body.get(field).is_none() || now[field].is_null(), "{what}: {now}");
        }
        assert!(door.passes(&session.token), "{what}");
        let expected =
            if ["there is none", "one that is not proven"].contains(&what) { &["reset"][..] } else { &["reset", "address_removed"] };
        assert_eq!(told, expected, "{what}");
        if now["email"].is_null() {
            refused(&door.login(&user.email, PASSWORD), 401, "unknown");
            refused(&door.reset(&json!({ "token": token, "password": OTHER })), 401, "unknown");
            assert_ne!(door.join(&user.email, OTHER).answer["user"]["id"], json!(user.id), "{what}: the address is free");
        }
    }
}

#[test]
fn a_password_and_an_address_at_once() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    door.change(&session, &json!({ "email": NEW, "password": OTHER, "current_password": PASSWORD, "name": "Eve" })).expect(200);
    Session::of(&door.verify(&door.token(NEW, 1)));
    Session::of(&door.login(NEW, OTHER));
    assert_eq!(me(&door, &session)["name"], json!("Eve"));
}

#[test]
fn an_address_of_somebody_else_is_told_alike() {
    let door = Door::with(NOT_AT_GATE);
    let (user, other) = (door.user("ada"), door.user("eve"));
    door.stage.post("/users", &json!({ "phone": "+4915112345678", "verified": true })).expect(201);
    let session = door.sign_in(&user);
    // Each alike but for the address that it names.
    let ask = |field: &str, address: &str| {
        let mut reply = door.change(&session, &json!({ field: address, "current_password": PASSWORD })).expect(200);
        let mut body = reply.json();
        let waits = body.as_object_mut().unwrap().shift_remove(&format!("{field}_pending"));
        let is_own = address == user.email;
        assert_eq!(waits, Some(json!(address.to_ascii_lowercase())).filter(|_| !is_own));
        reply.body = body.to_string();
        reply.headers.retain(|(name, _)| name != "content-length");
        bare(&reply)
    };
    let wanted = ask("email", "free@example.com");
    assert_eq!(ask("email", "EVE@example.com"), wanted);
    assert_eq!(ask("phone", "+4915112345678"), wanted);
    assert_eq!(ask("phone", "+4915112345679"), wanted);
    // Their own: nothing happens, and nothing is sent.
    assert_eq!(ask("email", &user.email), wanted);
    assert_eq!((door.letters(&other.email), door.letters("+4915112345678")), (vec!["known".into()], vec!["known".into()]));
    assert_eq!((door.letters("free@example.com"), door.letters(&user.email).len()), (vec!["change".to_owned()], 0));
    Session::of(&door.login(&other.email, PASSWORD));
}

/// What happens to the link for a new address that something else overtook.
#[test]
fn a_link_that_something_overtook() {
    for (what, works) in [
        ("nothing", true),
        ("signed out", true),
        ("expired", false),
        ("disabled", false),
        ("somebody else registered and proved it", false),
        ("the operator gave it to somebody else", false),
        ("another change was proven", false),
        ("password changed", false),
        ("password reset", false),
        ("the operator changed the address", false),
    ] {
        let door = Door::with(NOT_AT_GATE);
        let user = door.user("ada");
        let session = door.sign_in(&user);
        door.change(&session, &json!({ "email": NEW, "current_password": PASSWORD })).expect(200);
        let (token, path) = (door.token(NEW, 1), format!("/users/{}", user.id));
        match what {
            "signed out" => drop(door.post_with("/auth/logout", &session.cookie, &json!({})).expect(204)),
            "expired" => door.alter("UPDATE proofs SET expires_at = created_at + 1"),
            "disabled" => drop(door.stage.patch(&path, &json!({ "disabled": true })).expect(200)),
            "somebody else registered and proved it" => drop(door.join(NEW, OTHER)),
            "the operator gave it to somebody else" => {
                door.stage.post("/users", &json!({ "email": NEW, "password": OTHER, "verified": true })).expect(201);
            }
            "another change was proven" => {
                door.change(&session, &json!({ "email": "third@example.com", "current_password": PASSWORD })).expect(200);
                Session::of(&door.verify(&door.token("third@example.com", 1)));
            }
            "password changed" => drop(door.change(&session, &json!({ "password": OTHER, "current_password": PASSWORD })).expect(200)),
            "password reset" => {
                door.forgot(&user.email).expect(202);
                door.reset(&json!({ "token": door.token(&user.email, 1), "password": OTHER })).expect(204);
            }
            "the operator changed the address" => {
                door.stage.patch(&path, &json!({ "email": "third@example.com", "verified": true })).expect(200);
            }
            _ => {}
        }
        let before = door.count("sessions");
        let reply = door.verify(&token);
        let now: Option<String> = door.database().query_row("SELECT email FROM users WHERE id = ?1", [user.id], |row| row.get(0)).unwrap();
        if works {
            assert_eq!(Session::of(&reply).answer["user"]["id"], json!(user.id), "{what}");
            assert_eq!(now.as_deref(), Some(NEW));
        } else {
            refused(&reply, 401, "unknown");
            assert_ne!(now.as_deref(), Some(NEW), "{what}");
            assert_eq!(door.count("sessions"), before, "{what}");
        }
    }
}

/// Who changes to an address for which a registration waits ends that, and the other way round.
#[test]
fn who_proves_first_has_it() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    door.register(&json!({ "email": NEW, "password": OTHER })).expect(202);
    let registered = door.token(NEW, 1);
    door.change(&session, &json!({ "email": NEW, "current_password": PASSWORD })).expect(200);
    Session::of(&door.verify(&door.token(NEW, 2)));
    refused(&door.verify(&registered), 401, "unknown");
    refused(&door.login(NEW, OTHER), 401, "unknown");
    Session::of(&door.login(NEW, PASSWORD));
    assert_eq!(door.count("users"), 1);
}

/// A second factor is asked for, too, where a link for a new address would sign in.
#[test]
fn a_link_does_not_skip_the_second_factor() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    door.ask("POST", "/user/second-factor", &session.token, Some(&json!({ "password": PASSWORD }))).expect(200);
    door.alter("UPDATE second_factors SET confirmed_at = 1");
    door.change(&session, &json!({ "email": NEW, "current_password": PASSWORD })).expect(200);
    let reply = door.verify(&door.token(NEW, 1));
    assert_eq!((reply.status, reply.verdict().as_str()), (403, "second_factor_needed"), "{reply:?}");
    assert!(!reply.body.contains("access_token"));
    assert_eq!(me(&door, &session)["email"], json!(NEW), "the address is proven all the same");
}

#[test]
fn two_at_once_leave_one_password() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let sessions: Vec<Session> = (0..4).map(|_| door.sign_in(&user)).collect();
    let passwords: Vec<String> = (0..4).map(|nth| format!("a passphrase of number {nth}")).collect();
    let replies: Vec<u16> = std::thread::scope(|scope| {
        let ask = |nth: usize| door.change(&sessions[nth], &json!({ "password": passwords[nth], "current_password": PASSWORD })).status;
        let asked: Vec<_> = (0..4).map(|nth| scope.spawn(move || ask(nth))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(replies.iter().filter(|status| **status == 200).count(), 1, "{replies:?}");
    assert!(replies.iter().all(|status| *status < 500), "{replies:?}");
    for (password, status) in passwords.iter().zip(&replies) {
        assert_eq!(door.login(&user.email, password).status == 200, *status == 200, "{replies:?}");
    }
}
