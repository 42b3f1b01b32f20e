//! A forgotten password: alike for whoever asks, one use, and with it everything else that was open is over.

use serde_json::json;

use super::door::{AT_GATE, Door, NOT_AT_GATE, PASSWORD, Session};
use super::post::{bare, faults, refused};
use crate::support::server::text;
use crate::support::smtp::{Setup, Smtp};

const OTHER: &str = "another fine passphrase of mine";

#[test]
fn every_address_is_answered_alike() {
    let door = Door::with(NOT_AT_GATE);
    let known = door.user("known");
    let disabled = door.user("disabled");
    door.stage.patch(&format!("/users/{}", disabled.id), &json!({ "disabled": true })).expect(200);
    door.stage.post("/users", &json!({ "email": "unproven@example.com" })).expect(201);
    door.register(&json!({ "email": "pending@example.com", "password": PASSWORD })).expect(202);
    let wanted = bare(&door.forgot("unknown@example.com").expect(202));
    for (address, letters) in [
        (known.email.as_str(), &["reset"][..]),
        ("KNOWN@example.com", &[]),
        (&disabled.email, &[]),
        ("unproven@example.com", &["verify", "reset"]),
        ("pending@example.com", &["verify"]),
        ("unknown@example.com", &[]),
    ] {
        assert_eq!(bare(&door.forgot(address)), wanted, "{address}");
        assert_eq!(door.letters(address), letters, "{address}");
    }
    assert_eq!(door.letters(&known.email), ["reset", "reset"]);
    assert!(door.links(&known.email).iter().all(|link| link.contains("/auth/reset?token=")));
}

#[test]
fn a_link_sets_one_password_and_ends_everything() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let sessions = [door.sign_in(&user), door.sign_in(&user)];
    assert!(door.passes(&sessions[0].token) && door.passes(&sessions[1].token));
    // What else is open: another link, and a change of the address.
    door.forgot(&user.email).expect(202);
    door.forgot(&user.email).expect(202);
    door.change(&sessions[0], &json!({ "email": "new@example.com", "current_password": PASSWORD })).expect(200);
    let (first, second, change) = (door.token(&user.email, 1), door.token(&user.email, 2), door.token("new@example.com", 1));
    // It proves nothing elsewhere.
    refused(&door.verify(&second), 401, "unknown");
    for weak in ["short", "password123", "ada@example.com"] {
        let reply = door.reset(&json!({ "token": second, "password": weak }));
        refused(&reply, 400, "bad_request");
        assert_eq!(faults(&reply), ["password"]);
    }
    assert!(door.passes(&sessions[0].token), "nothing has happened so far");
    let reply = door.reset(&json!({ "token": second, "password": OTHER })).expect(204);
    assert!(reply.header("Set-Cookie").is_none() && reply.body.is_empty(), "they sign in with it: {reply:?}");
    for session in &sessions {
        assert!(!door.passes(&session.token));
        assert!(!door.refreshes(&session.cookie));
    }
    for token in [&first, &second] {
        refused(&door.reset(&json!({ "token": token, "password": PASSWORD })), 401, "unknown");
    }
    refused(&door.verify(&change), 401, "unknown");
    refused(&door.login(&user.email, PASSWORD), 401, "unknown");
    Session::of(&door.login(&user.email, OTHER));
    assert_eq!(door.letters(&user.email), ["reset", "reset", "password_changed"]);
    assert!(door.audit(&user).contains(&"password.changed".to_owned()), "{:?}", door.audit(&user));
}

#[test]
fn many_at_once_set_one_password() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    door.forgot(&user.email).expect(202);
    let token = door.token(&user.email, 1);
    let passwords: Vec<String> = (0..6).map(|nth| format!("a passphrase of number {nth}")).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |password: &String| door.reset(&json!({ "token": token, "password": password })).status;
        let asked: Vec<_> = passwords.iter().map(|password| scope.spawn(move || ask(password))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    for (password, status) in passwords.iter().zip(&statuses) {
        let reply = door.login(&user.email, password);
        if *status == 204 { drop(Session::of(&reply)) } else { refused(&reply, 401, "unknown") }
    }
}

/// What happens to a link that was sent before something else did.
#[test]
fn a_link_that_something_overtook() {
    for (what, works) in [
        ("nothing", true),
        ("signed in", true),
        ("name changed", true),
        ("expired", false),
        ("disabled", false),
        ("disabled and enabled", false),
        ("address changed by the user", false),
        ("address changed and changed back", false),
        ("address changed by the operator", false),
        ("password changed by the user", false),
        ("password changed by the operator", false),
        ("password reset by another link", false),
    ] {
        let door = Door::with(NOT_AT_GATE);
        let user = door.user("ada");
        door.forgot(&user.email).expect(202);
        let token = door.token(&user.email, 1);
        let (path, mut password) = (format!("/users/{}", user.id), PASSWORD);
        let mut email = user.email.clone();
        let move_to = |session: &Session, to: &str| {
            let before = door.links(to).len();
            door.change(session, &json!({ "email": to, "current_password": PASSWORD })).expect(200);
            Session::of(&door.verify(&door.token(to, before + 1)));
        };
        match what {
            "signed in" => drop(door.sign_in(&user)),
            "name changed" => drop(door.change(&door.sign_in(&user), &json!({ "name": "Eve" })).expect(200)),
            "expired" => door.alter("UPDATE proofs SET expires_at = created_at + 1"),
            "disabled" => drop(door.stage.patch(&path, &json!({ "disabled": true })).expect(200)),
            "disabled and enabled" => {
                for disabled in [true, false] {
                    door.stage.patch(&path, &json!({ "disabled": disabled })).expect(200);
                }
            }
            "address changed by the user" => {
                move_to(&door.sign_in(&user), "new@example.com");
                email = "new@example.com".into();
            }
            "address changed and changed back" => {
                let session = door.sign_in(&user);
                move_to(&session, "new@example.com");
                move_to(&session, &user.email);
            }
            "address changed by the operator" => {
                email = "new@example.com".into();
                door.stage.patch(&path, &json!({ "email": email, "verified": true })).expect(200);
            }
            "password changed by the user" => {
                let session = door.sign_in(&user);
                password = "a third passphrase, quite long";
                door.change(&session, &json!({ "password": password, "current_password": PASSWORD })).expect(200);
            }
            "password changed by the operator" => {
                password = "a third passphrase, quite long";
                door.stage.patch(&path, &json!({ "password": password })).expect(200);
            }
            "password reset by another link" => {
                password = "a third passphrase, quite long";
                door.forgot(&user.email).expect(202);
                door.reset(&json!({ "token": door.token(&user.email, 2), "password": password })).expect(204);
            }
            _ => {}
        }
        let reply = door.reset(&json!({ "token": token, "password": OTHER }));
        if works {
            reply.expect(204);
            Session::of(&door.login(&email, OTHER));
        } else {
            refused(&reply, 401, "unknown");
            refused(&door.login(&email, OTHER), 401, "unknown");
            let reply = door.login(&email, password);
            if what == "disabled" { refused(&reply, 403, "disabled") } else { drop(Session::of(&reply)) }
        }
    }
}

#[test]
fn a_link_of_one_sets_nothing_of_another() {
    let door = Door::with(NOT_AT_GATE);
    let users = [door.user("ada"), door.user("eve")];
    for user in &users {
        door.forgot(&user.email).expect(202);
    }
    door.reset(&json!({ "token": door.token(&users[1].email, 1), "password": OTHER })).expect(204);
    Session::of(&door.login(&users[0].email, PASSWORD));
    Session::of(&door.login(&users[1].email, OTHER));
    // A field more says nothing about whose it is.
    let reply = door.reset(&json!({ "token": door.token(&users[0].email, 1), "password": OTHER, "email": users[1].email }));
    refused(&reply, 400, "bad_request");
    assert_eq!(faults(&reply), ["email"]);
}

#[test]
fn it_does_not_skip_the_second_factor() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    let begun = door.ask("POST", "/user/second-factor", &session.token, Some(&json!({ "password": PASSWORD }))).expect(200).json();
    assert!(text(&begun["secret"]).len() >= 26);
    door.alter("UPDATE second_factors SET confirmed_at = 1");
    door.forgot(&user.email).expect(202);
    let reply = door.reset(&json!({ "token": door.token(&user.email, 1), "password": OTHER })).expect(204);
    assert!(reply.header("Set-Cookie").is_none(), "{reply:?}");
    let reply = door.login(&user.email, OTHER);
    assert_eq!((reply.status, reply.verdict().as_str()), (403, "second_factor_needed"), "{reply:?}");
    assert_eq!(door.count("second_factors"), 1);
    assert_eq!(door.count("sessions WHERE ended_at IS NULL"), 0);
}

#[test]
fn who_had_no_password_gets_one() {
    let door = Door::with(NOT_AT_GATE);
    door.stage.post("/users", &json!({ "email": "ada@example.com", "verified": true })).expect(201);
    door.forgot("ada@example.com").expect(202);
    door.reset(&json!({ "token": door.token("ada@example.com", 1), "password": OTHER })).expect(204);
    Session::of(&door.login("ada@example.com", OTHER));
}

/// What it is that somebody gets, and that they are told afterwards.
#[test]
fn by_a_real_mail_server() {
    let smtp = Smtp::new(Setup::plain());
    let door = Door::with(&format!(
        "[server]\npublic_url = \"https://api.example.com\"\n{NOT_AT_GATE}[mail]\nsmtp_url = \"{}\"\nfrom = \"Example <noreply@example.com>\"\n",
        smtp.url()
    ));
    door.register(&json!({ "email": "Ada@Example.org", "password": PASSWORD, "name": "Ada" })).expect(202);
    let mail = smtp.wait_for_mail_to("ada@example.org");
    assert!(mail.link().starts_with("https://api.example.com/auth/verify?token="), "{mail:?}");
    Session::of(&door.verify(&mail.token()));
    door.forgot("ada@example.org").expect(202);
    let reset = smtp.wait_for(2).pop().unwrap();
    assert!(reset.link().starts_with("https://api.example.com/auth/reset?token="), "{reset:?}");
    door.reset(&json!({ "token": reset.token(), "password": OTHER })).expect(204);
    let told = smtp.wait_for(3).pop().unwrap();
    assert!(told.to == ["ada@example.org"] && told.header("Subject").contains("password"), "{told:?}");
    assert!(!told.data.contains("token=") && !told.data.contains(OTHER) && !told.data.contains(PASSWORD), "{told:?}");
    for secret in [mail.token(), reset.token(), PASSWORD.into(), OTHER.into()] {
        assert!(!door.stage.server.log().contains(&secret));
    }
}
