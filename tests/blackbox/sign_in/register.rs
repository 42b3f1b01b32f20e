//! Registering: alike for whoever asks, nobody made before they prove who they are, and then whole or not at all.

use serde_json::{Value, json};

use super::door::{AT_GATE, Door, NOT_AT_GATE, PASSWORD, Session, roomy};
use super::post::{bare, faults, refused};
use crate::support::server::text;
use crate::support::{Folder, Stage, eventually};

const OTHER: &str = "another fine passphrase of mine";

fn door() -> Door {
    Door::with(&format!("[sign_in]\ncountry = \"DE\"\n{}", NOT_AT_GATE))
}

#[test]
fn every_address_is_answered_alike() {
    let door = door();
    door.user("proven");
    let disabled = door.user("disabled");
    door.stage.patch(&format!("/users/{}", disabled.id), &json!({ "disabled": true })).expect(200);
    for (email, phone) in [("unproven@example.com", Value::Null), ("by-phone@example.com", json!("+4915112345670"))] {
        let verified = !phone.is_null();
        let body = json!({ "email": email, "phone": phone, "password": PASSWORD, "verified": verified });
        door.stage.post("/users", &body).expect(201);
    }
    door.register(&json!({ "email": "pending@example.com", "password": OTHER })).expect(202);
    let wanted = bare(&door.register(&json!({ "email": "unknown@example.com", "password": PASSWORD })).expect(202));
    assert_eq!(wanted.2, r#"{"status":"accepted"}"#);
    for (body, address, letters) in [
        (json!({ "email": "unknown@example.com" }), "unknown@example.com", &["verify", "verify"][..]),
        (json!({ "email": " UNKNOWN@Example.com " }), "unknown@example.com", &["verify", "verify", "verify"]),
        (json!({ "email": "pending@example.com" }), "pending@example.com", &["verify", "verify"]),
        (json!({ "email": "unproven@example.com" }), "unproven@example.com", &["verify", "verify"]),
        (json!({ "email": "proven@example.com" }), "proven@example.com", &["known"]),
        (json!({ "email": "Proven@EXAMPLE.com", "name": "Eve" }), "proven@example.com", &["known", "known"]),
        (json!({ "email": "disabled@example.com" }), "disabled@example.com", &["known"]),
        (json!({ "phone": "0151 12345670" }), "+4915112345670", &["known"]),
        (json!({ "email": "+49 151 12345670" }), "+4915112345670", &["known", "known"]),
        (json!({ "phone": "+4915112345671" }), "+4915112345671", &["verify"]),
        (json!({ "email": "0151/12345671" }), "+4915112345671", &["verify", "verify"]),
    ] {
        let mut body = body;
        body["password"] = PASSWORD.into();
        assert_eq!(bare(&door.register(&body)), wanted, "{body}");
        assert_eq!(door.letters(address), letters, "{body}");
    }
    // And what is wrong with the rest is told alike as well.
    for password in ["short", "password123"] {
        let answers = ["proven@example.com", "nobody-yet@example.com"]
            .map(|email| bare(&door.register(&json!({ "email": email, "password": password, "name": "Ada" }))));
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 400);
    }
    assert_eq!(door.count("users"), 4);
}

/// Who registers somebody else's address with a password of their own learns by no sign-in whether there is a user already.
#[test]
fn nor_does_a_sign_in_tell_who_is_known() {
    let door = door();
    let (known, unproven) = (door.user("known"), "unproven@example.com");
    door.stage.post("/users", &json!({ "email": unproven, "password": PASSWORD })).expect(201);
    door.stage.post("/users", &json!({ "email": "bare@example.com", "verified": true })).expect(201);
    door.stage.post("/users", &json!({ "phone": "+4915112345670", "password": PASSWORD, "verified": true })).expect(201);
    let addresses = [known.email.as_str(), unproven, "bare@example.com", "+4915112345670", "unknown@example.com", "+4915112345671"];
    let own = "an attacker's own passphrase";
    for address in addresses {
        let field = if address.starts_with('+') { "phone" } else { "email" };
        refused(&door.login(address, own), 401, "unknown");
        door.register(&json!({ field: address, "password": own })).expect(202);
        refused(&door.login(address, own), 403, "not_verified");
        refused(&door.login(address, "some other password"), 401, "unknown");
        // Whoever registers last decides what waits for a proof.
        door.register(&json!({ field: address, "password": OTHER })).expect(202);
        refused(&door.login(address, own), 401, "unknown");
        refused(&door.login(address, OTHER), 403, "not_verified");
    }
    // It opens nothing, and the user's own password still does.
    Session::of(&door.login(&known.email, PASSWORD));
    Session::of(&door.login("+4915112345670", PASSWORD));
    refused(&door.login(unproven, PASSWORD), 403, "not_verified");
    door.alter("UPDATE proofs SET expires_at = 1");
    for address in addresses {
        refused(&door.login(address, OTHER), 401, "unknown");
    }
}

#[test]
fn nobody_is_a_user_before_the_proof() {
    let door = door();
    let (email, name) = ("ada@example.com", "Ada Lovelace");
    door.register(&json!({ "email": "Ada@Example.com", "password": PASSWORD, "name": name })).expect(202);
    let token = door.token(email, 1);
    for table in ["users", "accounts", "members", "sessions"] {
        assert_eq!(door.count(table), 0, "{table}");
    }
    assert_eq!(door.stage.get("/users").expect(200).json()["data"], json!([]));
    refused(&door.login(email, PASSWORD), 403, "not_verified");
    refused(&door.login(email, OTHER), 401, "unknown");
    let reply = door.verify(&token);
    let session = Session::of(&reply);
    let user = &session.answer["user"];
    assert_eq!((&session.answer["is_new_user"], &user["name"], &user["plan"]), (&json!(true), &json!(name), &json!("free")));
    let cookie = reply.header("Set-Cookie").unwrap();
    assert!(["HttpOnly", "Secure", "SameSite=Strict", "Path=/auth/v1"].iter().all(|part| cookie.contains(part)), "{cookie}");
    let me = door.ask("GET", "/user/me", &session.token, None).expect(200).json();
    assert_eq!((&me["email"], &me["name"], &me["id"], &me["phone"]), (&json!(email), &json!(name), &user["id"], &Value::Null));
    let account = door.stage.get(&format!("/accounts/{}", text(&me["account"]))).expect(200).json();
    assert_eq!((&account["kind"], &account["name"]), (&json!("personal"), &json!(name)));
    assert_eq!(door.count(&format!("members WHERE role = 'owner' AND user = {}", user["id"])), 1);
    let entries = door.stage.get(&format!("/audit?target=user_{}", user["id"])).expect(200).json();
    let made = entries["data"].as_array().unwrap().iter().find(|entry| entry["action"] == "user.created").expect("it is written down");
    assert_eq!(made["actor"], json!(format!("user_{}", user["id"])));
    assert!(!entries.to_string().contains("$argon2id$") && !entries.to_string().contains(PASSWORD), "{entries}");
    let again = Session::of(&door.login("ADA@example.COM", PASSWORD));
    assert_eq!(again.answer["is_new_user"], json!(false));
    refused(&door.verify(&token), 401, "unknown");
}

#[test]
fn who_says_no_name_is_called_as_the_address_and_no_number_is_shown() {
    let door = door();
    assert_eq!(door.join("grace.hopper+api@example.com", PASSWORD).answer["user"]["name"], json!("grace.hopper+api"));
    let name = text(&door.join_by_phone("+4915112345678", PASSWORD).answer["user"]["name"]);
    assert!(name.ends_with("5678") && !name.contains("1234"), "{name}");
}

#[test]
fn each_link_gives_its_own_password_and_the_first_ends_the_others() {
    let door = door();
    for (nth, opened) in [0, 1, 2].into_iter().enumerate() {
        let email = format!("ada{nth}@example.com");
        let passwords = ["a fine passphrase of mine", "another passphrase of mine", "yet another passphrase of mine"];
        for password in passwords {
            door.register(&json!({ "email": email, "password": password, "name": format!("Name {}", password.len()) })).expect(202);
        }
        let tokens = [1, 2, 3].map(|nth| door.token(&email, nth));
        let session = Session::of(&door.verify(&tokens[opened]));
        assert_eq!(session.answer["user"]["name"], json!(format!("Name {}", passwords[opened].len())));
        for (other, token) in tokens.iter().enumerate() {
            refused(&door.verify(token), 401, "unknown");
            let reply = door.login(&email, passwords[other]);
            if other == opened { drop(Session::of(&reply)) } else { refused(&reply, 401, "unknown") }
        }
    }
    assert_eq!(door.count("users"), 3);
}

#[test]
fn many_at_once_make_one_user() {
    let door = door();
    let email = "ada@example.com";
    for _ in 0..3 {
        door.register(&json!({ "email": email, "password": PASSWORD })).expect(202);
    }
    let tokens = [1, 2, 3].map(|nth| door.token(email, nth));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let door = &door;
        let asked: Vec<_> = tokens.iter().cycle().take(12).map(|token| scope.spawn(move || door.verify(token).status)).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    assert_eq!((door.count("users"), door.count("accounts"), door.count("members"), door.count("sessions")), (1, 1, 1, 1));
}

#[test]
fn a_link_is_good_for_nothing_else_and_not_for_long() {
    let door = door();
    let email = "ada@example.com";
    door.register(&json!({ "email": email, "password": PASSWORD })).expect(202);
    let token = door.token(email, 1);
    refused(&door.reset(&json!({ "token": token, "password": OTHER })), 401, "unknown");
    for wrong in [
        String::new(),
        "x".into(),
        token[1..].to_owned(),
        format!("{token}0"),
        token.to_lowercase(),
        token.chars().rev().collect(),
        format!(" {token}"),
        format!("{token}\n"),
        "0".repeat(128),
    ] {
        refused(&door.verify(&wrong), 401, "unknown");
    }
    // Of the row there is nothing that could be brought instead.
    let (id, hash): (String, Vec<u8>) =
        door.database().query_row("SELECT id, hash FROM proofs", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    for wrong in [id, hex] {
        refused(&door.verify(&wrong), 401, "unknown");
    }
    let (made, expires): (i64, i64) =
        door.database().query_row("SELECT created_at, expires_at FROM proofs", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(expires - made, 86_400_000);
    door.alter("UPDATE proofs SET expires_at = created_at");
    refused(&door.verify(&token), 401, "unknown");
    refused(&door.login(email, PASSWORD), 401, "unknown");
    assert_eq!(door.count("users"), 0);
    // And a new one works.
    door.join(email, OTHER);
}

#[test]
fn where_nobody_may_register() {
    let door = Door::with(&format!("[sign_in]\nregistration = false\n{NOT_AT_GATE}"));
    let user = door.user("ada");
    for email in ["ada@example.com", "eve@example.com"] {
        refused(&door.register(&json!({ "email": email, "password": PASSWORD })), 501, "not_configured");
    }
    assert_eq!((door.count("proofs"), door.count("mails")), (0, 0));
    // Who is there signs in, and gets a new password.
    door.sign_in(&user);
    door.forgot(&user.email).expect(202);
    door.reset(&json!({ "token": door.token(&user.email, 1), "password": OTHER })).expect(204);
    Session::of(&door.login(&user.email, OTHER));
}

#[test]
fn registrations_that_wait_still_count_once_nobody_may_register() {
    let config = |more: &str| roomy(&format!("[sign_in]\n{more}{NOT_AT_GATE}"));
    let door = Door::with(&config(""));
    door.register(&json!({ "email": "ada@example.com", "password": PASSWORD })).expect(202);
    let token = door.token("ada@example.com", 1);
    door.stage.folder.rewrite(&config("registration = false\n"));
    door.stage.server.reload();
    let reply = door.verify(&token);
    // It was taken while it was open; what matters is that it is one or the other.
    if reply.status == 200 {
        assert_eq!(door.count("users"), 1);
    } else {
        refused(&reply, 501, "not_configured");
        assert_eq!(door.count("users"), 0);
    }
}

/// The operator's users who never proved their address: whoever proves it has it, and nothing that was there before opens anything.
#[test]
fn who_proves_an_address_takes_over_who_never_did() {
    for way in ["register", "forgot"] {
        let door = Door::with(AT_GATE);
        let made = door.stage.folder.run_with_input(
            &["user", "create", "--email", "Ada@example.com", "--name", "Old", "--password", "-", "--json"],
            &format!("{PASSWORD}\n"),
        );
        let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{made:?}"));
        let (id, account, email) = (made["id"].as_i64().unwrap(), text(&made["account"]), "ada@example.com");
        assert_eq!((&made["email"], &made["email_verified"]), (&json!(email), &json!(false)));
        let key = text(&door.stage.key(&account, json!({}))["key"]);
        let operators = door.token(email, 1);
        // Whoever it was that had it was in, for a while.
        door.stage.patch(&format!("/users/{id}"), &json!({ "verified": true })).expect(200);
        let old = Session::of(&door.login(email, PASSWORD));
        assert!(door.passes(&old.token));
        door.alter("UPDATE users SET email_verified_at = NULL, proven_at = NULL");
        door.alter(&format!(
            "INSERT INTO second_factors (user, secret, confirmed_at, last_step, created_at) VALUES ({id}, x'00', 1, -1, 1)"
        ));
        door.alter(&format!("INSERT INTO recovery_codes (user, hash) VALUES ({id}, x'{}')", "00".repeat(32)));
        assert_eq!(door.stage.server.get("/x", &key).verdict(), "ok");
        refused(&door.login(email, PASSWORD), 403, "not_verified");
        if way == "register" {
            door.register(&json!({ "email": email, "password": OTHER, "name": "Ada" })).expect(202);
            assert!(door.stage.server.get("/x", &key).verdict() == "ok", "asking alone does nothing");
            let session = Session::of(&door.verify(&door.token(email, 3)));
            assert_eq!((&session.answer["user"]["id"], &session.answer["user"]["name"]), (&json!(id), &json!("Ada")));
        } else {
            door.forgot(email).expect(202);
            door.reset(&json!({ "token": door.token(email, 3), "password": OTHER })).expect(204);
        }
        assert!(!door.passes(&old.token), "{way}");
        assert!(!door.refreshes(&old.cookie), "{way}");
        assert_ne!(door.stage.server.get("/x", &key).verdict(), "ok", "{way}: the key of before");
        for table in ["second_factors", "recovery_codes"] {
            assert_eq!(door.count(table), 0, "{way}: {table}");
        }
        refused(&door.login(email, PASSWORD), 401, "unknown");
        refused(&door.verify(&operators), 401, "unknown");
        let session = Session::of(&door.login(email, OTHER));
        assert_eq!(session.answer["user"]["id"], json!(id), "{way}");
        assert_eq!(door.count("users"), 1);
        // The audit names what was taken, and who proved the address: theirs it is now.
        let entries = door.stage.get("/audit?limit=1000").expect(200).json();
        let of = |action: &str| {
            let found = entries["data"].as_array().unwrap().iter().find(|entry| entry["action"] == action);
            found.unwrap_or_else(|| panic!("{way}: no {action} in {entries}")).clone()
        };
        let (taken, key) = (of("user.taken_over"), of("key.revoked"));
        for entry in [&taken, &key] {
            assert_eq!(entry["actor"], json!(format!("user_{id}")), "{way}: {entry}");
        }
        let before = json!({
            "email": email, "phone": null, "password": true, "admin": false, "agreement": null, "sessions": 1, "identities": [], "second_factor": true,
            "keys": [key["target"]], "accounts": [],
        });
        assert_eq!(taken["before"], before, "{way}");
    }
}

/// A user with another way in that is proven, or for whom others vouch, is somebody: who proves an address that merely stands with them
/// gets a user of their own, and nothing of theirs.
#[test]
fn nobody_is_taken_over_who_has_proven_another_address() {
    for (way, vouched) in [("register", false), ("register", true), ("forgot", false), ("forgot", true)] {
        let door = Door::with(AT_GATE);
        let (phone, email) = ("+4915112345678", "stranger@example.com");
        let made = door.stage.post("/users", &json!({ "phone": phone, "password": PASSWORD, "verified": true })).expect(201).json();
        let id = made["id"].as_i64().unwrap();
        let key = text(&door.stage.key(&text(&made["account"]), json!({}))["key"]);
        door.stage.patch(&format!("/users/{id}"), &json!({ "email": email })).expect(200);
        door.token(email, 1);
        if vouched {
            door.alter("UPDATE users SET phone_verified_at = NULL");
            door.alter(&format!(
                "INSERT INTO identities (provider, subject, user, label, created_at, used_at) VALUES ('https://id.example', '1', {id}, 'ada', 1, 1)"
            ));
        }
        if way == "register" {
            let session = door.join(email, OTHER);
            assert_ne!(session.answer["user"]["id"], json!(id), "not their account, nor its balance");
            let left = door.stage.get(&format!("/users/{id}")).expect(200).json();
            assert_eq!(left["email"], Value::Null);
            // Whoever proved the address took it, and not who lost it.
            let entry = door.stage.get(&format!("/audit?target=user_{id}&action=user.changed")).expect(200).json()["data"][0].clone();
            assert_eq!((&entry["before"], &entry["after"]), (&json!({ "email": email }), &json!({ "email": null })), "{entry}");
            assert_eq!(entry["actor"], json!(format!("user_{}", session.answer["user"]["id"])));
        } else {
            door.forgot(email).expect(202);
            assert!(!door.letters(email).contains(&"reset".to_owned()), "{:?}", door.letters(email));
        }
        assert_eq!(door.stage.server.get("/x", &key).verdict(), "ok");
        assert_eq!(door.count("identities"), i64::from(vouched));
        if !vouched {
            assert_eq!(Session::of(&door.login(phone, PASSWORD)).answer["user"]["id"], json!(id));
        }
    }
}

#[test]
fn the_operators_users_come_in_as_they_were_made() {
    let door = Door::with(NOT_AT_GATE);
    let create = |more: &[&str], input: &str| -> Value {
        let arguments = [&["user", "create"][..], more, &["--json"]].concat();
        let output = door.stage.folder.run_with_input(&arguments, input);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let line = format!("{PASSWORD}\r\n");
    let proven = create(&["--email", "a@example.com", "--phone", "+4915112345678", "--password", "-", "--verified", "--admin"], &line);
    assert_eq!((&proven["admin"], &proven["email_verified"], &proven["phone_verified"]), (&json!(true), &json!(true), &json!(true)));
    for address in ["a@example.com", "+4915112345678"] {
        assert_eq!(Session::of(&door.login(address, PASSWORD)).answer["user"]["id"], proven["id"]);
    }
    let unproven = create(&["--email", "b@example.com", "--password", "-"], &line);
    refused(&door.login("b@example.com", PASSWORD), 403, "not_verified");
    refused(&door.login("b@example.com", OTHER), 401, "unknown");
    // Who has the password is sent the link again. They choose another by themselves, and are proven by that: the same user.
    door.forgot("b@example.com").expect(202);
    door.reset(&json!({ "token": door.token("b@example.com", 3), "password": OTHER })).expect(204);
    assert_eq!(Session::of(&door.login("b@example.com", OTHER)).answer["user"]["id"], unproven["id"]);
    // Or they open the link that they were sent, and come in with the password that they were given.
    let asked = create(&["--email", "d@example.com", "--phone", "+4915112345670", "--password", "-", "--admin"], &line);
    let session = Session::of(&door.verify(&door.token("d@example.com", 1)));
    assert_eq!((&session.answer["user"]["id"], &session.answer["is_new_user"]), (&asked["id"], &json!(false)));
    Session::of(&door.login("d@example.com", PASSWORD));
    refused(&door.login("+4915112345670", PASSWORD), 403, "not_verified");
    Session::of(&door.verify_code("+4915112345670", &door.code("+4915112345670", 1)));
    Session::of(&door.login("+4915112345670", PASSWORD));
    assert_eq!(door.stage.get(&format!("/users/{}", asked["id"])).expect(200).json()["admin"], json!(true));
    create(&["--email", "c@example.com", "--verified"], "");
    for password in [PASSWORD, OTHER] {
        refused(&door.login("c@example.com", password), 401, "unknown");
    }
}

/// Whoever was answered is there, whole; and of nobody there is half.
#[test]
fn a_kill_leaves_nobody_half_made() {
    const AT_ONCE: usize = 4;
    let mut folder = Folder::with(&roomy(&format!(
        "[sign_in.throttle]\nsent_by_address = \"100000/1h\"\nregistered_by_address = \"100000/1h\"\n{NOT_AT_GATE}"
    )));
    for round in 0..3 {
        let door = Door::of(folder);
        let emails: Vec<String> = (0..40).map(|nth| format!("user{round}-{nth}@example.com")).collect();
        std::thread::scope(|scope| {
            let door = &door;
            for part in emails.chunks(emails.len() / AT_ONCE) {
                scope.spawn(move || {
                    for email in part {
                        door.register(&json!({ "email": email, "password": PASSWORD })).expect(202);
                    }
                });
            }
        });
        let tokens: Vec<String> = emails.iter().map(|email| door.token(email, 1)).collect();
        let address = door.stage.server.address.clone();
        let answered: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE)
                .map(|thread| {
                    let (emails, tokens, address) = (&emails, &tokens, &address);
                    scope.spawn(move || {
                        let mut answered = Vec::new();
                        for nth in (thread..emails.len()).step_by(AT_ONCE) {
                            let request = crate::support::Request::post("/auth/v1/auth/verify", &json!({ "token": tokens[nth] }));
                            match request.try_send(address) {
                                Ok(reply) if reply.status == 200 => answered.push(emails[nth].clone()),
                                Ok(reply) => panic!("{reply:?}"),
                                Err(_) => break,
                            }
                        }
                        answered
                    })
                })
                .collect();
            let sessions = || door.count("sessions") > i64::from(round) * 40 + 8;
            eventually("some are in", || sessions().then_some(()));
            let pid = door.stage.server.pid().to_string();
            assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let Stage { folder: left, server, .. } = door.stage;
        server.kill();
        folder = left;
        let door = Door::of(folder);
        for email in &answered {
            Session::of(&door.login(email, PASSWORD));
        }
        for half in [
            "users u WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = u.account AND a.kind = 'personal')",
            "users u WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.account = u.account AND m.user = u.id AND m.role = 'owner')",
            "accounts a WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.account = a.id)",
            "members m WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = m.user)",
            "sessions s WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.session = s.id)",
            "users u WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user = u.id)",
            "users u WHERE NOT EXISTS (SELECT 1 FROM audit a WHERE a.action = 'user.created' AND a.target = 'user_' || u.id)",
            // Who is a user has used the link up; who is none still has it.
            "proofs p WHERE p.used_at IS NULL AND EXISTS (SELECT 1 FROM users u WHERE u.email = p.address)",
        ] {
            assert_eq!(door.count(half), 0, "{half}");
        }
        assert_eq!(door.count("proofs WHERE used_at IS NOT NULL"), door.count("users"));
        // Who was cut off opens the link again, or is in already.
        for (email, token) in emails.iter().zip(&tokens) {
            let reply = door.verify(token);
            assert!([200, 401].contains(&reply.status), "{reply:?}");
            Session::of(&door.login(email, PASSWORD));
        }
        let Stage { folder: left, server, .. } = door.stage;
        server.kill();
        folder = left;
    }
}

#[test]
fn what_is_wrong_is_told_at_once() {
    let door = door();
    let weak = json!({ "email": "nobody", "password": "password", "name": " ", "plan": "pro" });
    let reply = door.register(&weak);
    refused(&reply, 400, "bad_request");
    assert_eq!(faults(&reply), ["email", "name", "password", "plan"]);
    // What others know of somebody is no password.
    for (email, name, password) in [
        ("leopoldbloom@example.com", "Leopold", "leopoldbloom"),
        ("a@example.com", "Bartholomew Featherstone", "Featherstone"),
        ("a@example.com", "Ada", "aaaaaaaaaaaa"),
        ("a@example.com", "Ada", "qwertyuiop"),
        ("a@example.com", "Ada", "1234567"),
    ] {
        let reply = door.register(&json!({ "email": email, "name": name, "password": password }));
        refused(&reply, 400, "bad_request");
        assert_eq!(faults(&reply), ["password"]);
        assert!(!reply.body.contains(password), "{reply:?}");
    }
    assert_eq!((door.count("proofs"), door.count("mails")), (0, 0));
}
