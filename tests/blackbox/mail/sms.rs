//! SMS by a gateway: what it is sent, and what becomes of an SMS that it does not take.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::support::App;
use crate::support::app::answer;

const NUMBER: &str = "+4915112345678";

fn gateway(url: &str, more: &str) -> String {
    format!("[server]\npublic_url = \"https://api.example.com\"\n[sms]\nurl = \"{url}\"\n{more}\n")
}

/// A gateway that takes everything, and a server that sends one code by it.
fn sent(path: &str, more: &str) -> (App, Stage, Seed) {
    let app = App::answering(|_| answer("200 OK", "", "thanks"));
    let folder = folder(&gateway(&format!("{}{path}", app.url), more));
    let seed = reset(&folder, 1, "phone", NUMBER);
    let stage = on(folder);
    wait_for_state(&stage, &seed.id, "taken");
    (app, stage, seed)
}

#[test]
fn with_its_address_alone_it_gets_the_number_and_the_text() {
    let (app, stage, seed) = sent("/send", "");
    let heard = app.only();
    assert_eq!((heard.head.method(), heard.head.target(), heard.one("content-type").as_str()), ("POST", "/send", "application/json"));
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(body["phone"], NUMBER);
    let told = text(&body["text"]);
    assert!(
        told.starts_with(&format!("{} is your code for a new password at api.example.com", seed.code)) && told.contains("1 hour"),
        "{told}"
    );
    assert_eq!(body.as_object().unwrap().len(), 2);
    let Stage { folder, server, .. } = stage;
    let (_, log) = server.stop();
    assert!(!log.contains(&seed.code) && !holds(&bytes_of(&folder), &seed.code), "{log}");
}

#[test]
fn it_gets_what_its_operator_says() {
    let more = "content_type = \"application/x-www-form-urlencoded\"\nbody = \"to={digits}&msg={text}&ref={id}\"\nmethod = \"PUT\"\n\
                [sms.headers]\nAuthorization = { env = \"GATEWAY\" }\nX-Own = \"1\"";
    let app = App::answering(|_| answer("202 Accepted", "", ""));
    let folder = Folder::with(&gateway(&app.url, more)).variable("GATEWAY", "Bearer hush-hush").variable("TOLLGATE_LOG", "trace");
    folder.account(&[]);
    let seed = reset(&folder, 1, "phone", NUMBER);
    let stage = on(folder);
    wait_for_state(&stage, &seed.id, "taken");
    let heard = app.only();
    assert_eq!((heard.head.method(), heard.one("authorization").as_str(), heard.one("x-own").as_str()), ("PUT", "Bearer hush-hush", "1"));
    let body = String::from_utf8(heard.body).unwrap();
    assert!(body.starts_with(&format!("to=4915112345678&msg={}%20is%20your%20code", seed.code)), "{body}");
    assert!(body.ends_with(&format!("&ref={}", seed.id)), "{body}");
    let (_, log) = stage.server.stop();
    assert!(!log.contains("hush-hush") && !log.contains(&seed.code), "{log}");
}

#[test]
fn one_that_wants_all_in_its_address_gets_it_there() {
    let (app, _stage, seed) = sent("/send?key=own&to={phone}&code={code}", "method = \"GET\"");
    let heard = app.only();
    assert_eq!(
        (heard.head.method(), heard.head.target()),
        ("GET", format!("/send?key=own&to=%2B4915112345678&code={}", seed.code).as_str())
    );
    assert!(heard.body.is_empty());
    heard.assert_without("content-type");
}

#[test]
fn what_is_told_without_a_code_goes_out_where_there_is_a_text() {
    let (app, stage, _seed) = sent("/", "");
    let id = test(&stage, NUMBER);
    wait_for_state(&stage, &id, "taken");
    let body: Value = serde_json::from_slice(&app.latest().body).unwrap();
    assert!(text(&body["text"]).starts_with("api.example.com: this was sent"), "{body}");
    let (app, stage, _seed) = sent("/?to={digits}&code={code}", "method = \"GET\"");
    let id = test(&stage, NUMBER);
    let given_up = wait_for_state(&stage, &id, "given_up");
    assert!(text(&given_up["fault"]).contains("codes alone") && app.heard().len() == 1, "{given_up}");
}

#[test]
fn what_it_does_not_take_is_sent_again() {
    let count = AtomicUsize::new(0);
    let app = App::answering(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => answer("500 Internal Server Error", "", "123456"),
        1 => answer("401 Unauthorized", "", ""),
        2 => answer("302 Found", "Location: https://evil.example/\r\n", ""),
        _ => answer("201 Created", "", ""),
    });
    let folder = folder(&gateway(&app.url, "retries = [\"100ms\", \"100ms\", \"100ms\"]"));
    let seed = reset(&folder, 1, "phone", NUMBER);
    let stage = on(folder);
    let taken = wait_for_state(&stage, &seed.id, "taken");
    assert_eq!((&taken["tries"], app.heard().len()), (&json!(4), 4));
    let bodies: Vec<_> = app.heard().into_iter().map(|heard| heard.body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "the same each time");
}

#[test]
fn what_it_never_takes_is_given_up_and_told() {
    let app = App::answering(|heard| answer("400 Bad Request", "", &String::from_utf8_lossy(&heard.body)));
    let folder = folder(&gateway(&app.url, "retries = [\"100ms\"]"));
    let seed = reset(&folder, 1, "phone", NUMBER);
    let stage = on(folder);
    let given_up = wait_for_state(&stage, &seed.id, "given_up");
    assert_eq!((&given_up["fault"], &given_up["tries"]), (&json!("the gateway answered 400"), &json!(2)));
    let (_, log) = stage.server.stop();
    assert!(log.contains("an SMS was not taken") && log.contains("an SMS was given up") && !log.contains(&seed.code), "{log}");
}

#[test]
fn by_which_statuses_it_takes_one_is_its_operators_to_say() {
    let app = App::answering(|_| answer("200 OK", "", "{\"error\": 1}"));
    let folder = folder(&gateway(&app.url, "success = [201, 202]\nretries = []"));
    let seed = reset(&folder, 1, "phone", NUMBER);
    let stage = on(folder);
    let given_up = wait_for_state(&stage, &seed.id, "given_up");
    assert_eq!(given_up["fault"], "the gateway answered 200");
}
