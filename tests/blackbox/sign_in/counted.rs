//! Each SMS that goes out is counted once, by number and by day, whoever has it sent and whatever it tells.

use serde_json::{Value, json};

use super::abuse::throttled;
use super::door::{Door, NOT_AT_GATE, PASSWORD};
use crate::support::server::text;

const NUMBER: &str = "+4915112345678";
const DAY: i64 = 86_400;

fn door(throttle: &str) -> Door {
    Door::with(&format!("{NOT_AT_GATE}[sign_in.throttle]\n{throttle}\n"))
}

fn number(nth: u32) -> String {
    format!("+491511234{nth:04}")
}

#[test]
fn codes_that_the_operator_has_sent_are_counted_by_day() {
    let door = door("sms_overall_daily = \"2/1d\"");
    let make = |nth: u32, more: Value| {
        let mut body = json!({ "phone": number(nth) });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        door.stage.post("/users", &body)
    };
    let made = make(0, json!({})).expect(201).json();
    make(1, json!({})).expect(201);
    throttled(&make(2, json!({})), DAY / 2 + 1);
    assert_eq!((door.count("users"), door.count("mails")), (2, 2), "nothing is half made");
    throttled(&door.stage.patch(&format!("/users/{}", made["id"]), &json!({ "phone": number(3) })), DAY / 2 + 1);
    // They used up what everybody has.
    throttled(&door.register(&json!({ "phone": number(4), "password": PASSWORD })), DAY / 2 + 1);
    // Whom the operator vouches for is sent none, and mails cost nothing.
    make(2, json!({ "verified": true })).expect(201);
    door.stage.post("/users", &json!({ "email": "ada@example.com" })).expect(201);
}

#[test]
fn codes_that_the_operator_has_sent_are_counted_by_number() {
    let door = door("sent_by_target = \"2/1h\"");
    let user = door.user("ada");
    let set = |phone: &Value| door.stage.patch(&format!("/users/{}", user.id), &json!({ "phone": phone }));
    for _ in 0..2 {
        set(&NUMBER.into()).expect(200);
        set(&Value::Null).expect(200);
    }
    throttled(&set(&NUMBER.into()), DAY);
    set(&number(1).into()).expect(200);
    assert_eq!(door.letters(NUMBER), ["change", "change"]);
}

#[test]
fn what_tells_of_something_is_counted_by_number() {
    let door = door("sent_by_target = \"2/1h\"");
    let session = door.join_by_phone(NUMBER, PASSWORD);
    let passwords = [PASSWORD, "another fine passphrase of mine", "a third one of many words", "and yet another of them"];
    for pair in passwords.windows(2) {
        door.change(&session, &json!({ "password": pair[1], "current_password": pair[0] })).expect(200);
    }
    assert_eq!(door.letters(NUMBER), ["verify", "password_changed", "password_changed"]);
    assert!(door.stage.server.log().contains("an SMS was not sent"));
    // Nobody's codes are used up by it.
    door.forgot(NUMBER).expect(202);
}

/// Whoever asks for somebody else's number has one SMS sent there, and it is one.
#[test]
fn a_number_that_is_somebody_elses_costs_one() {
    let door = door("sms_overall_daily = \"3/1d\"");
    let session = door.sign_in(&door.user("ada"));
    for nth in 0..3 {
        door.stage.post("/users", &json!({ "phone": number(nth), "verified": true })).expect(201);
    }
    for nth in 0..3 {
        door.change(&session, &json!({ "phone": number(nth), "current_password": PASSWORD })).expect(200);
        assert_eq!(door.letters(&number(nth)), ["known"]);
    }
    throttled(&door.change(&session, &json!({ "phone": number(3), "current_password": PASSWORD })), DAY / 3 + 1);
}

#[test]
fn what_the_operator_tries_or_sends_again_is_counted() {
    let door = door("sms_overall_daily = \"3/1d\"");
    let test = || door.stage.post("/mails/test", &json!({ "address": NUMBER }));
    let first = text(&test().expect(201).json()["id"]);
    test().expect(201);
    crate::support::eventually("it was taken", || (door.count("mails WHERE taken_at IS NOT NULL") == 2).then_some(()));
    let retry = || door.stage.call("POST", &format!("/mails/{first}/retry"), None);
    retry().expect(200);
    throttled(&test(), DAY / 3 + 1);
    crate::support::eventually("it was taken again", || (door.count("mails WHERE taken_at IS NOT NULL") == 2).then_some(()));
    throttled(&retry(), DAY / 3 + 1);
}

/// Where none goes, none is written down.
#[test]
fn a_number_that_none_are_sent_to_gets_none() {
    let elsewhere = "+79161234567";
    for config in [
        "[sms]\ncountries = [\"DE\"]\n".to_owned(),
        // A server of mail, and none for SMS; nobody listens there.
        "[mail]\nsmtp_url = \"smtp://127.0.0.1:9\"\nfrom = \"noreply@example.com\"\n".to_owned(),
    ] {
        let door = Door::with(&format!("{config}{NOT_AT_GATE}"));
        // Neither a code nor what tells of something.
        door.stage.post("/users", &json!({ "phone": elsewhere })).expect(201);
        let body = json!({ "phone": "+79161234568", "password": PASSWORD, "verified": true });
        let user = door.stage.post("/users", &body).expect(201).json();
        let session = super::door::Session::of(&door.login("+79161234568", PASSWORD));
        let change = json!({ "password": "another fine passphrase of mine", "current_password": PASSWORD });
        door.change(&session, &change).expect(200);
        door.stage.patch(&format!("/users/{}", user["id"]), &json!({ "phone": "+79161234569" })).expect(200);
        assert_eq!(door.count("mails"), 0, "{config}");
    }
}
