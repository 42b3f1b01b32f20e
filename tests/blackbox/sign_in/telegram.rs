//! Telegram's Login Widget: what it says is good once, for ten minutes, as it was signed.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::{digest, hmac};
use serde_json::{Map, Value, json};

use crate::support::{Folder, Reply, Request, Server};

pub const BOT: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const PATH: &str = "/auth/v1/auth/telegram";

fn config() -> String {
    format!("[sign_in.telegram]\nbot_token = \"{BOT}\"\n")
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The fields with Telegram's signature, as its page says how it is made.
fn signed_by(token: &str, fields: Value) -> Value {
    let mut fields: Map<String, Value> = fields.as_object().expect("an object").clone();
    let mut lines: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect();
    lines.sort();
    let key = hmac::Key::new(hmac::HMAC_SHA256, digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    let hash: String = hmac::sign(&key, lines.join("\n").as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    fields.insert("hash".into(), hash.into());
    fields.into()
}

pub fn signed(fields: Value) -> Value {
    signed_by(BOT, fields)
}

pub fn person(id: i64) -> Value {
    json!({ "id": id, "first_name": "Ada", "username": "ada", "photo_url": "https://t.me/i/userpic/320/ada.jpg", "auth_date": now() })
}

/// With this in place of what stands there; null takes it away.
fn but(mut fields: Value, over: Value) -> Value {
    for (name, value) in over.as_object().expect("an object") {
        match value {
            Value::Null => drop(fields.as_object_mut().unwrap().remove(name)),
            value => fields[name] = value.clone(),
        }
    }
    fields
}

fn send(server: &Server, payload: &Value) -> Reply {
    server.send(&Request::post(PATH, payload))
}

#[test]
fn somebody_signs_in_and_is_known_again() {
    let folder = Folder::with(&config());
    let server = folder.serve();
    let first = send(&server, &signed(person(42))).expect(200);
    let answer = first.json();
    assert_eq!((&answer["user"]["name"], &answer["is_new_user"], &answer["token_type"]), (&json!("Ada"), &json!(true), &json!("bearer")));
    assert!(first.header("set-cookie").unwrap().starts_with("refresh_token="), "{first:?}");
    // Whatever they are called by now.
    let again = send(&server, &signed(but(person(42), json!({ "first_name": "Augusta", "username": null })))).expect(200).json();
    assert_eq!((&again["user"]["id"], &again["is_new_user"]), (&answer["user"]["id"], &json!(false)));
    // The name alone is nobody.
    let other = send(&server, &signed(person(43))).expect(200).json();
    assert_ne!(other["user"]["id"], answer["user"]["id"]);
    let me = server.get("/auth/v1/user/me", answer["access_token"].as_str().unwrap()).expect(200).json();
    assert_eq!(me["auth_methods"], json!({ "telegram": true, "google": false, "email": false, "phone": false, "oidc": [] }));
}

#[test]
fn what_is_not_as_telegram_signed_it_is_refused() {
    let folder = Folder::with(&config());
    let server = folder.serve();
    let at = |seconds: i64| signed(but(person(42), json!({ "auth_date": now() + seconds })));
    for (what, payload, status, field) in [
        ("ten minutes old", at(-595), 200, ""),
        ("older", at(-610), 401, ""),
        ("a day old", at(-86_400), 401, ""),
        ("ahead", at(50), 200, ""),
        ("further ahead", at(90), 401, ""),
        ("another bot's", signed_by("1:other", person(42)), 401, ""),
        ("another id", but(signed(person(42)), json!({ "id": 43 })), 401, ""),
        ("another name", but(signed(person(42)), json!({ "first_name": "Eve" })), 401, ""),
        ("less", but(signed(person(42)), json!({ "username": null })), 401, ""),
        ("a hash of nothing", but(person(42), json!({ "hash": "0".repeat(64) })), 401, ""),
        ("no hash", person(42), 400, "hash"),
        ("no id", signed(but(person(42), json!({ "id": null }))), 400, "id"),
        ("no date", signed(but(person(42), json!({ "auth_date": null }))), 400, "auth_date"),
        ("a line's end", signed(but(person(42), json!({ "first_name": "Ada\nid=1" }))), 400, "first_name"),
        ("another line's end", signed(but(person(42), json!({ "username": "ada\r" }))), 400, "username"),
        ("a field too many", signed(but(person(42), json!({ "is_admin": true }))), 400, "is_admin"),
        ("a field that is none, unsigned", but(signed(person(42)), json!({ "state": "x" })), 400, "state"),
        ("no whole number", signed(but(person(42), json!({ "id": 42.5 }))), 400, "id"),
        ("a list", signed(but(person(42), json!({ "id": [42] }))), 400, "id"),
        ("no object", json!([1]), 400, "body"),
    ] {
        let reply = send(&server, &payload).expect(status);
        let body = reply.json();
        match status {
            200 => {}
            401 => assert_eq!(body["verdict"], "unknown", "{what}: {reply:?}"),
            _ => {
                assert_eq!(body["verdict"], "bad_request", "{what}: {reply:?}");
                assert_eq!(body["errors"][0]["field"], field, "{what}: {reply:?}");
            }
        }
        assert_eq!(status == 200, reply.header("set-cookie").is_some(), "{what}: {reply:?}");
    }
    // Each wrong field is named, in one answer.
    let errors = send(&server, &json!({ "id": "x", "auth_date": null, "more": 1 })).expect(400).json()["errors"].clone();
    let fields: Vec<&str> = errors.as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap()).collect();
    for field in ["id", "auth_date", "hash", "more"] {
        assert!(fields.contains(&field), "{field}: {errors}");
    }
}

#[test]
fn a_field_stands_there_once() {
    let folder = Folder::with(&config());
    let server = folder.serve();
    let text = signed(person(42)).to_string();
    for repeated in [r#"{"id": 43, "#, r#"{"id": 42, "#, r#"{"\u0069d": 43, "#] {
        let body = text.replacen('{', repeated, 1);
        let reply = server.send(&Request::new("POST", PATH).header("Content-Type", "application/json").body(body.as_bytes())).expect(400);
        assert_eq!(reply.verdict(), "bad_request");
    }
    server.send(&Request::new("POST", PATH).header("Content-Type", "application/json").body(text.as_bytes())).expect(200);
}

#[test]
fn a_payload_is_good_once() {
    let folder = Folder::with(&config());
    let server = folder.serve();
    let payload = signed(person(42));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| send(&server, &payload).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    // However it is written, and after a new start too.
    let written = |hash: String| but(payload.clone(), json!({ "id": "42", "hash": hash }));
    let hash = payload["hash"].as_str().unwrap();
    assert_eq!(send(&server, &written(hash.to_uppercase())).expect(401).verdict(), "unknown");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    let server = folder.serve();
    assert_eq!(send(&server, &payload).expect(401).verdict(), "unknown");
    send(&server, &signed(but(person(42), json!({ "auth_date": now() - 1 })))).expect(200);
}

#[test]
fn without_a_bot_there_is_none() {
    for (config, variable) in [
        ("", None),
        ("[sign_in.telegram]\nbot_token = \"\"\n", None),
        ("[sign_in.telegram]\nbot_token = { env = \"NOT_SET_ANYWHERE\" }\n", None),
        ("[sign_in.telegram]\nbot_token = { env = \"BOT\" }\n", Some(("BOT", ""))),
        ("", Some(("TOLLGATE_SIGN_IN__TELEGRAM__BOT_TOKEN", ""))),
    ] {
        let folder = Folder::with(config);
        let folder = match variable {
            Some((name, value)) => folder.variable(name, value),
            None => folder,
        };
        assert_eq!(send(&folder.serve(), &signed(person(42))).expect(501).verdict(), "not_configured", "{config}");
    }
    for (config, name) in [("[sign_in.telegram]\nbot_token = { env = \"BOT\" }\n", "BOT"), ("", "TOLLGATE_SIGN_IN__TELEGRAM__BOT_TOKEN")] {
        send(&Folder::with(config).variable(name, BOT).serve(), &signed(person(42))).expect(200);
    }
}
