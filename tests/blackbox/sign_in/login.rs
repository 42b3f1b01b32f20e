//! Signing in with a password: however the address is spelled, and told alike whatever is wrong.

use serde_json::json;

use super::door::{BASE, Door, NOT_AT_GATE, PASSWORD, Session};
use super::post::{bare, faults, refused};
use crate::support::Request;

const PHONE: &str = "+4915112345678";

fn door(more: &str) -> Door {
    let door = Door::with(&format!("[sign_in]\ncountry = \"DE\"\n{NOT_AT_GATE}{more}"));
    let body = json!({ "email": "ada@example.com", "phone": PHONE, "password": PASSWORD, "verified": true, "name": "Ada" });
    door.stage.post("/users", &body).expect(201);
    door
}

#[test]
fn one_user_however_the_address_is_spelled() {
    let door = door("");
    for spelled in [
        "ada@example.com",
        "ADA@EXAMPLE.COM",
        " Ada@Example.Com ",
        PHONE,
        "0151 12345678",
        "0151/123 456-78",
        "+49 (0)151 12345678",
        "0049 151 12345678",
    ] {
        let session = Session::of(&door.login(spelled, PASSWORD));
        assert_eq!(session.answer["user"]["name"], json!("Ada"), "{spelled}");
        assert_eq!((&session.answer["token_type"], &session.answer["is_new_user"]), (&json!("bearer"), &json!(false)));
        assert!(session.answer["expires_in"].as_u64().is_some_and(|seconds| (895..=900).contains(&seconds)), "{:?}", session.answer);
    }
    for spelled in [PHONE, "0151 12345678", "+49 151 123 456 78"] {
        Session::of(&door.post("/auth/login-phone", &json!({ "phone": spelled, "password": PASSWORD })));
    }
}

#[test]
fn what_is_wrong_is_told_alike() {
    let door = door("");
    door.stage.post("/users", &json!({ "email": "bare@example.com", "verified": true })).expect(201);
    door.stage.post("/users", &json!({ "email": "unproven@example.com", "password": PASSWORD })).expect(201);
    let gone = door.stage.post("/users", &json!({ "email": "off@example.com", "password": PASSWORD, "verified": true })).expect(201).json();
    door.stage.patch(&format!("/users/{}", gone["id"]), &json!({ "disabled": true })).expect(200);
    let wrong = "wrong horse battery staple";
    let wanted = bare(&door.login("unknown@example.com", wrong));
    refused(&door.login("unknown@example.com", wrong), 401, "unknown");
    for (address, password) in [
        ("unknown@example.com", PASSWORD),
        ("ada@example.com", wrong),
        ("ada@example.com", "Correct horse battery staple"),
        ("ada@example.com", " correct horse battery staple"),
        ("ada@example.com", "correct horse battery staple "),
        ("ada@example.com", "correct horse battery staple\0"),
        ("ada@example.com", "c"),
        ("bare@example.com", PASSWORD),
        ("bare@example.com", "null"),
        ("unproven@example.com", wrong),
        ("off@example.com", wrong),
        (PHONE, wrong),
        ("+4915112345679", PASSWORD),
    ] {
        assert_eq!(bare(&door.login(address, password)), wanted, "{address} {password}");
    }
    let by_phone = |phone: &str, password: &str| door.post("/auth/login-phone", &json!({ "phone": phone, "password": password }));
    assert_eq!(bare(&by_phone(PHONE, wrong)), wanted);
    assert_eq!(bare(&by_phone("+4915112345679", PASSWORD)), wanted);
    // Only who knows the password is told more.
    refused(&door.login("unproven@example.com", PASSWORD), 403, "not_verified");
    refused(&door.login("off@example.com", PASSWORD), 403, "disabled");
    assert_eq!(door.count("sessions"), 0);
}

#[test]
fn what_is_no_address_is_told_as_that() {
    let door = door("");
    for wrong in [
        "",
        " ",
        "ada",
        "@example.com",
        "ada@",
        "ada@example",
        "ada@@example.com",
        "ada@evil.com@example.com",
        "ada@example.com@evil.com",
        "\"ada@evil.com\"@example.com",
        "ada@example.com,eve@evil.com",
        "ada@example.com;eve@evil.com",
        "ada@example.com\r\nBcc: eve@evil.com",
        "ada@example.com\n",
        "\tada@example.com",
        "ada@example.com\0",
        "ada@example.com%00",
        "<ada@example.com>",
        "Ada <ada@example.com>",
        "ada@[127.0.0.1]",
        "ada@example.com.",
        "аda@example.com",
        "ada@exаmple.com",
        "ａda@example.com",
        "ada@example。com",
        "ada\u{200b}@example.com",
        "\u{202e}ada@example.com",
        "ı@example.com",
        "ada@examp\u{212a}le.com",
        "+4915112345678 ext 1",
        "+49151123",
        "110",
        "０１５１１２３４５６７８",
    ] {
        for (path, field) in [("login", "email"), ("register", "email"), ("forgot", "email")] {
            let mut body = json!({ field: wrong });
            if path != "forgot" {
                body["password"] = PASSWORD.into();
            }
            let reply = door.post(&format!("/auth/{path}"), &body);
            refused(&reply, 400, "bad_request");
            assert_eq!(faults(&reply), [field], "{path} {wrong:?}");
        }
    }
    assert_eq!((door.count("proofs"), door.count("mails")), (0, 0));
}

#[test]
fn a_number_of_no_country_wants_its_code() {
    let door = Door::with(NOT_AT_GATE);
    door.stage.post("/users", &json!({ "phone": PHONE, "password": PASSWORD, "verified": true })).expect(201);
    Session::of(&door.login("+49 151 12345678", PASSWORD));
    for path in ["login", "login-phone"] {
        let field = if path == "login" { "email" } else { "phone" };
        let reply = door.post(&format!("/auth/{path}"), &json!({ field: "0151 12345678", "password": PASSWORD }));
        refused(&reply, 400, "bad_request");
        assert_eq!(faults(&reply), [field]);
    }
}

#[test]
fn however_the_keyboard_spells_it() {
    let door = Door::with(NOT_AT_GATE);
    door.join("ada@example.com", "ein gru\u{308}nes Pferd frisst Heu");
    Session::of(&door.login("ada@example.com", "ein gr\u{fc}nes Pferd frisst Heu"));
    refused(&door.login("ada@example.com", "ein grunes Pferd frisst Heu"), 401, "unknown");
}

/// Raised parameters hold from a user's next sign-in on.
#[test]
fn hashes_follow_the_configuration() {
    let config = |more: &str| format!("[[plans]]\nname = \"free\"\nunlimited = true\n[sign_in.passwords]\n{more}");
    let door = Door::with(&config("memory_kib = 4096\npasses = 1\n"));
    let user = door.user("ada");
    let hash = || door.database().query_row("SELECT password FROM users", [], |row| row.get::<_, String>(0)).unwrap();
    let first = hash();
    assert!(first.starts_with("$argon2id$v=19$m=4096,t=1,p=1$"), "{first}");
    door.sign_in(&user);
    assert_eq!(hash(), first, "it is as it should be");
    door.stage.folder.rewrite(&config("memory_kib = 8192\npasses = 2\n"));
    door.stage.server.reload();
    refused(&door.try_sign_in(&user, "wrong"), 401, "unknown");
    assert_eq!(hash(), first, "only who knows it can raise it");
    let session = door.sign_in(&user);
    assert!(hash().starts_with("$argon2id$v=19$m=8192,t=2,p=1$"), "{}", hash());
    door.sign_in(&user);
    assert!(door.refreshes(&session.cookie), "and nobody is signed out by that");
    // What is no hash lets nobody in, and what is one is not replaced by a wrong password.
    for foreign in ["$2b$04$abcdefghijklmnopqrstuuXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "", "$argon2id$", "plain", PASSWORD] {
        door.database().execute("UPDATE users SET password = ?1", [foreign]).unwrap();
        refused(&door.try_sign_in(&user, PASSWORD), 401, "unknown");
        assert_eq!(hash(), foreign);
    }
}

#[test]
fn the_style_tells_it() {
    let style = r#"
[style]
content_type = "application/json"
body = '{"error": "{code}", "text": "{message}"}'
[[style.answers]]
verdicts = ["unknown"]
status = 422
code = "nope"
message = "Wrong."
headers = [{ name = "X-Nope", value = "{verdict}" }]
[[style.answers]]
verdicts = ["bad_request"]
status = 422
body = '{"fields": "{errors}", "detail": "{detail}"}'
[[style.answers]]
verdicts = ["too_many_tries"]
status = 420
body = '{"error": "{code}", "wait": "{retry_after}"}'
[[style.answers]]
verdicts = ["not_verified", "disabled"]
status = 418
[sign_in.throttle]
wrong_by_address = "2/1h"
"#;
    let door = Door::with(&format!("{NOT_AT_GATE}{style}"));
    door.stage.post("/users", &json!({ "email": "unproven@example.com", "password": PASSWORD })).expect(201);
    let ask = |body: serde_json::Value| door.stage.server.send(&Request::post(&format!("{BASE}/auth/login"), &body));
    let reply = ask(json!({ "email": "x@example.com", "password": "x" })).expect(422);
    assert_eq!(reply.json(), json!({ "error": "nope", "text": "Wrong." }));
    assert_eq!(reply.header("X-Nope").as_deref(), Some("unknown"));
    let reply = ask(json!({ "email": "x", "pass": 1 })).expect(422).json();
    let fields: Vec<_> = reply["fields"].as_array().unwrap().iter().map(|fault| fault["field"].clone()).collect();
    assert_eq!(fields, ["email", "password", "pass"], "{reply}");
    assert!(reply["detail"].as_str().unwrap().contains("password"), "{reply}");
    let told = ask(json!({ "email": "unproven@example.com", "password": PASSWORD })).expect(418).json();
    assert_eq!(told["error"], json!("not_verified"));
    ask(json!({ "email": "x@example.com", "password": "x" })).expect(422);
    let reply = ask(json!({ "email": "x@example.com", "password": "x" })).expect(420);
    let wait = reply.json()["wait"].as_i64().expect("whole seconds");
    assert!((1..=3600).contains(&wait) && reply.number("Retry-After") == Some(wait), "{reply:?}");
}
