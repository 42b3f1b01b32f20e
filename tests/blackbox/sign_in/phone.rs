//! Codes by SMS: six digits, five tries, one number, one use, and no more of them than the configuration allows.

use serde_json::{Value, json};

use super::door::{Door, NOT_AT_GATE, PASSWORD, Session};
use super::post::{bare, faults, refused};
use crate::support::app::answer;
use crate::support::smtp::Setup;
use crate::support::{App, Smtp, eventually};

const PHONE: &str = "+4915112345678";
const OTHER: &str = "another fine passphrase of mine";

fn door(more: &str) -> Door {
    Door::with(&format!("[sign_in]\ncountry = \"DE\"\n{NOT_AT_GATE}[sign_in.throttle]\nwrong_by_target = \"1000/1h\"\n{more}"))
}

#[test]
fn a_code_makes_a_user_once() {
    let door = door("");
    door.register(&json!({ "phone": "0151 12345678", "password": PASSWORD, "name": "Ada" })).expect(202);
    let code = door.code(PHONE, 1);
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    assert!(door.links(PHONE).is_empty() && door.count("users") == 0);
    refused(&door.post("/auth/login-phone", &json!({ "phone": PHONE, "password": PASSWORD })), 403, "not_verified");
    let session = Session::of(&door.verify_code("0151/12345678", &code));
    let me = door.ask("GET", "/user/me", &session.token, None).expect(200).json();
    assert_eq!((&me["phone"], &me["email"], &session.answer["is_new_user"]), (&json!(PHONE), &Value::Null, &json!(true)));
    refused(&door.verify_code(PHONE, &code), 401, "unknown");
    Session::of(&door.post("/auth/login-phone", &json!({ "phone": "0151-12345678", "password": PASSWORD })));
    Session::of(&door.login("0151-12345678", PASSWORD));
    assert_eq!((door.count("users"), door.count("accounts")), (1, 1));
}

#[test]
fn five_wrong_tries_end_a_code() {
    for wrong in [4, 5] {
        let door = door("");
        door.register(&json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
        let code = door.code(PHONE, 1);
        let no = door.wrong_code(PHONE);
        let wanted = bare(&door.verify_code("+4915112345679", &no));
        for _ in 0..wrong {
            assert_eq!(bare(&door.verify_code(PHONE, &no)), wanted, "as for a number that waits for none");
        }
        let reply = door.verify_code(PHONE, &code);
        if wrong == 4 {
            drop(Session::of(&reply))
        } else {
            assert_eq!(bare(&reply), wanted)
        }
        // A new one is another code with five tries of its own.
        if wrong == 5 {
            door.register(&json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
            Session::of(&door.verify_code(PHONE, &door.code(PHONE, 2)));
        }
    }
}

/// Whoever guesses from elsewhere uses up nothing of who asked for the code; each side has its five.
#[test]
fn who_guesses_elsewhere_does_not_end_a_code() {
    let guess = |door: &Door, address: &str, code: &str| door.post_from(address, "/auth/verify", &json!({ "phone": PHONE, "code": code }));
    let (home, away) = ("203.0.113.7", "192.0.2.1");
    for (at_home, right_from, gets_in) in [(4, home, true), (5, home, false), (0, "2001:db8::1", false)] {
        let door = door("");
        door.post_from(home, "/auth/register", &json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
        let (code, no) = (door.code(PHONE, 1), door.wrong_code(PHONE));
        for nth in 0..8 {
            // One who guesses from many addresses is one.
            refused(&guess(&door, &format!("192.0.2.{nth}"), &no), 401, "unknown");
        }
        refused(&guess(&door, away, &code), 401, "unknown");
        for _ in 0..at_home {
            refused(&guess(&door, home, &no), 401, "unknown");
        }
        let reply = guess(&door, right_from, &code);
        if gets_in {
            drop(Session::of(&reply))
        } else {
            refused(&reply, 401, "unknown")
        }
        assert_eq!(door.count(&format!("proofs WHERE tries = {at_home} AND tries_elsewhere = 5")), 1, "no try is looked at beyond");
    }
    // Whoever asks in one place and enters it in another has five tries, too; an IPv6 network is one place.
    let door = door("");
    door.post_from("2001:db8:1:1::1", "/auth/register", &json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
    let (code, no) = (door.code(PHONE, 1), door.wrong_code(PHONE));
    refused(&guess(&door, "2001:db8:1:1:ffff::9", &no), 401, "unknown");
    refused(&guess(&door, away, &no), 401, "unknown");
    assert_eq!(door.count("proofs WHERE tries = 1 AND tries_elsewhere = 1"), 1);
    Session::of(&guess(&door, away, &code));
}

#[test]
fn many_at_once_get_five_tries_as_well() {
    let door = door("wrong_by_address = \"1000/1h\"\n");
    door.register(&json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
    let code = door.code(PHONE, 1);
    let wrong: Vec<String> = (200_000..200_020).map(|number| number.to_string()).filter(|wrong| *wrong != code).collect();
    std::thread::scope(|scope| {
        for wrong in &wrong {
            scope.spawn(|| refused(&door.verify_code(PHONE, wrong), 401, "unknown"));
        }
    });
    refused(&door.verify_code(PHONE, &code), 401, "unknown");
    assert_eq!(door.count("proofs WHERE tries = 5"), 1, "no try is counted, or looked at, beyond the fifth");
}

#[test]
fn a_code_is_of_one_number_and_not_for_long() {
    let door = door("");
    let phones = [PHONE, "+4915112345679"];
    for phone in phones {
        door.register(&json!({ "phone": phone, "password": PASSWORD })).expect(202);
    }
    let codes = phones.map(|phone| door.code(phone, 1));
    assert_ne!(codes[0], codes[1], "once in a million times: run it again");
    refused(&door.verify_code(phones[0], &codes[1]), 401, "unknown");
    // Nor is it a token, or a password's.
    refused(&door.verify(&codes[0]), 401, "unknown");
    refused(&door.reset(&json!({ "phone": phones[0], "code": codes[0], "password": OTHER })), 401, "unknown");
    door.alter(&format!("UPDATE proofs SET expires_at = created_at + 1 WHERE address = '{}'", phones[0]));
    refused(&door.verify_code(phones[0], &codes[0]), 401, "unknown");
    Session::of(&door.verify_code(phones[1], &codes[1]));
    let lasted: i64 = door.database().query_row("SELECT max(expires_at - created_at) FROM proofs", [], |row| row.get(0)).unwrap();
    assert_eq!(lasted, 600_000);
}

#[test]
fn a_second_sms_does_not_lengthen_the_first() {
    let door = door("");
    let expiries = || -> Vec<i64> {
        let database = door.database();
        let mut statement = database.prepare("SELECT expires_at FROM proofs ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    door.register(&json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
    let first = door.code(PHONE, 1);
    let before = expiries();
    for _ in 0..3 {
        refused(&door.verify_code(PHONE, &door.wrong_code(PHONE)), 401, "unknown");
    }
    door.register(&json!({ "phone": PHONE, "password": OTHER })).expect(202);
    let second = door.code(PHONE, 2);
    assert_eq!(expiries()[0], before[0]);
    // Nor does it give the first one more tries.
    for _ in 0..2 {
        let wrong = [&first, &second];
        let no = (300_000..).map(|number| number.to_string()).find(|no| !wrong.contains(&no)).unwrap();
        refused(&door.verify_code(PHONE, &no), 401, "unknown");
    }
    refused(&door.verify_code(PHONE, &first), 401, "unknown");
    Session::of(&door.verify_code(PHONE, &second));
    refused(&door.login(PHONE, PASSWORD), 401, "unknown");
    Session::of(&door.login(PHONE, OTHER));
}

#[test]
fn a_number_gets_so_many_and_no_more() {
    let door = door("sent_by_target = \"2/10m\"\nsent_by_target_daily = \"3/1d\"\nsent_by_address = \"1000/1h\"\n");
    let body = json!({ "phone": PHONE, "password": PASSWORD });
    for nth in 0..2 {
        // From wherever it is asked.
        door.post_from(&format!("192.0.2.{nth}"), "/auth/register", &body).expect(202);
    }
    let reply = door.post_from("192.0.2.9", "/auth/register", &body);
    refused(&reply, 429, "too_many_tries");
    assert!(reply.number("Retry-After").is_some_and(|seconds| (1..=300).contains(&seconds)), "{reply:?}");
    // However it is spelled, and by which field; another number and another purpose have their own.
    refused(&door.post("/auth/register", &json!({ "email": "0151 12345678", "password": PASSWORD })), 429, "too_many_tries");
    door.register(&json!({ "phone": "+4915112345679", "password": PASSWORD })).expect(202);
    door.forgot(PHONE).expect(202);
    assert_eq!(door.letters(PHONE).len(), 2);
}

#[test]
fn a_day_has_its_own_cap() {
    let door = door("sent_by_target = \"100/10m\"\nsent_by_target_daily = \"3/1d\"\n");
    for nth in 0..5 {
        let reply = door.register(&json!({ "phone": PHONE, "password": PASSWORD }));
        if nth < 3 {
            reply.expect(202);
        } else {
            refused(&reply, 429, "too_many_tries");
            assert!(reply.number("Retry-After").is_some_and(|seconds| (3600..=8 * 3600 + 1).contains(&seconds)), "{reply:?}");
        }
    }
    assert_eq!(door.letters(PHONE).len(), 3);
}

#[test]
fn a_new_password_by_code() {
    let door = door("");
    let session = door.join_by_phone(PHONE, PASSWORD);
    let wanted = bare(&door.forgot("+4915112345679").expect(202));
    assert_eq!(bare(&door.forgot("0151 12345678").expect(202)), wanted);
    assert_eq!((door.letters(PHONE).len(), door.letters("+4915112345679").len()), (2, 0));
    let code = door.code(PHONE, 2);
    // Not the other way: this one signs nobody in.
    refused(&door.verify_code(PHONE, &code), 401, "unknown");
    for weak in ["short", "password", "qwertyuiop", "aaaaaaaaaaaa", "123456789", "iloveyou1"] {
        let reply = door.reset(&json!({ "phone": PHONE, "code": code, "password": weak }));
        refused(&reply, 400, "bad_request");
        assert_eq!(faults(&reply), ["password"], "a weak password uses no try up");
    }
    door.reset(&json!({ "phone": "0151 12345678", "code": code, "password": OTHER })).expect(204);
    refused(&door.reset(&json!({ "phone": PHONE, "code": code, "password": PASSWORD })), 401, "unknown");
    assert_eq!((door.verdict(&session.token), door.refreshes(&session.cookie)), ("unknown".into(), false));
    refused(&door.login(PHONE, PASSWORD), 401, "unknown");
    Session::of(&door.login(PHONE, OTHER));
    assert_eq!(door.letters(PHONE).last().map(String::as_str), Some("password_changed"));
    for wrong in 0..6 {
        let no = door.wrong_code(PHONE);
        let reply = door.reset(&json!({ "phone": PHONE, "code": no, "password": OTHER }));
        refused(&reply, 401, "unknown");
        assert!(wrong < 6);
    }
}

#[test]
fn a_reset_code_has_five_tries_too() {
    let door = door("");
    door.join_by_phone(PHONE, PASSWORD);
    door.forgot(PHONE).expect(202);
    let (code, no) = (door.code(PHONE, 2), door.wrong_code(PHONE));
    for _ in 0..5 {
        refused(&door.reset(&json!({ "phone": PHONE, "code": no, "password": OTHER })), 401, "unknown");
    }
    refused(&door.reset(&json!({ "phone": PHONE, "code": code, "password": OTHER })), 401, "unknown");
    Session::of(&door.login(PHONE, PASSWORD));
}

/// By a real gateway: the code goes there, and neither the log nor the database has it.
#[test]
fn through_a_gateway() {
    let app = App::answering(|_| answer("200 OK", "", "thanks"));
    let door = Door::with(&format!("{NOT_AT_GATE}[sms]\nurl = \"{}/send\"\n", app.url));
    door.register(&json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
    let heard = eventually("an SMS", || app.heard().pop());
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(body["phone"], json!(PHONE));
    let said = body["text"].as_str().unwrap().to_owned();
    let code = said.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap().to_owned();
    assert!(!door.stage.server.log().contains(&code));
    Session::of(&door.verify_code(PHONE, &code));
}

/// A gateway that is down holds nobody up, and tells nobody anything.
#[test]
fn with_a_gateway_that_is_down() {
    let app = App::answering(|_| answer("500 Internal Server Error", "", "no"));
    let door = Door::with(&format!("{NOT_AT_GATE}[sms]\nurl = \"{}/send\"\nretries = [\"1h\"]\n", app.url));
    door.register(&json!({ "phone": PHONE, "password": PASSWORD })).expect(202);
    eventually("it was tried", || (!app.heard().is_empty()).then_some(()));
    assert_eq!(door.letters(PHONE), ["verify"]);
}

#[test]
fn without_a_gateway_beside_mail_no_number_is_taken() {
    let smtp = Smtp::new(Setup::plain());
    let mail = format!("[mail]\nsmtp_url = \"{}\"\nfrom = \"a@example.com\"\n", smtp.url());
    let door = door(&mail);
    let known = json!({ "email": "ada@example.com", "phone": PHONE, "password": PASSWORD, "verified": true });
    door.stage.post("/users", &known).expect(201);
    let methods = |door: &Door| door.ask("GET", "/auth/methods", "", None).expect(200).json()["phone"].clone();
    assert_eq!(methods(&door), false);
    for phone in [PHONE, "+4915112345679"] {
        refused(&door.register(&json!({ "phone": phone, "password": PASSWORD })), 501, "not_configured");
        refused(&door.forgot(phone), 501, "not_configured");
    }
    // Whoever has one already still signs in by it.
    let session = Session::of(&door.post("/auth/login-phone", &json!({ "phone": PHONE, "password": PASSWORD })));
    let change = json!({ "phone": "+4915112345679", "current_password": PASSWORD });
    refused(&door.change(&session, &change), 501, "not_configured");
    door.register(&json!({ "email": "eve@example.com", "password": PASSWORD })).expect(202);
    smtp.wait_for_mail_to("eve@example.com");
    assert!(!door.stage.server.log().contains("the code for"));
    assert_eq!(door.count("mails WHERE channel = 'phone'"), 0);
    assert_eq!(methods(&self::door("")), true, "where neither is set, tollgate is tried");
}
