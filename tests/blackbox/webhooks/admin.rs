//! Webhooks as whoever administrates sees them.

use super::*;
use crate::support::Request;

#[test]
fn endpoints_and_messages_are_for_who_reaches_all_accounts() {
    let (_app, stage) = receiver("[\"*\"]");
    let account = stage.account(json!({}));
    let token = |more: &[&str]| text(&stage.folder.json(&[&["token", "create"], more].concat())["token"]);
    let (verify, bound) = (token(&["--scope", "verify"]), token(&["--scope", "admin", "--account", &account]));
    for (method, path) in [
        ("GET", "/webhooks"),
        ("GET", "/webhooks/messages"),
        ("POST", "/webhooks/messages/msg_00000000000000000000000000/retry"),
        ("POST", "/webhooks/main/test"),
    ] {
        let ask = Request::new(method, &format!("/auth/v1{path}"));
        stage.server.send(&ask.clone()).expect(401);
        for refused in [&verify, &bound] {
            stage.server.send(&ask.clone().bearer(refused)).expect(403);
        }
    }
}

#[test]
fn endpoints_are_shown_as_they_are_configured() {
    let (app, stage) = receiver("[\"key.*\", \"quota.reached\"]");
    let list = stage.get("/webhooks").expect(200).json();
    assert_eq!(
        list,
        json!({
            "data": [{
                "name": "main",
                "url": app.url,
                "events": ["key.*", "quota.reached"],
                "allow_private": true,
                "retries": ["5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "1d"],
                "waiting": 0,
                "given_up": 0
            }],
            "next_cursor": null
        })
    );
    assert_eq!(stage.folder.json(&["webhook", "list"]), list);
}

#[test]
fn a_test_goes_to_its_endpoint_alone_whatever_it_wants() {
    let (app, other) = (App::answering(|_| answer("200 OK", "", "")), App::answering(|_| answer("200 OK", "", "")));
    let config = endpoint("main", &app.url, "events = [\"key.revoked\"]") + &endpoint("other-one", &other.url, "");
    let stage = Stage::with(&config);
    let made = stage.post("/webhooks/main/test", &json!({})).expect(201).json();
    assert_eq!((&made["event"], &made["state"]), (&json!("webhook.test"), &json!("waiting")));
    assert_eq!(wait_for(&app, 1)[0]["data"], json!({ "endpoint": "main" }));
    assert_eq!(signed(&app.only()), text(&made["id"]));
    let made = stage.folder.json(&["webhook", "test", "other-one"]);
    wait_for_state(&stage, "taken", |message| message["id"] == made["id"]);
    assert_eq!((app.heard().len(), of_event(&other, "webhook.test").len()), (1, 1));
    stage.post("/webhooks/nobody/test", &json!({})).expect(404);
    assert_eq!(stage.folder.run(&["webhook", "test", "nobody"]).status.code(), Some(1));
}

#[test]
fn messages_are_listed_page_by_page() {
    let (app, stage) = receiver("[\"account.created\"]");
    (0..5).for_each(|_| drop(stage.account(json!({}))));
    wait_for(&app, 5);
    eventually("all of them are noted", || {
        let page = stage.get("/webhooks/messages?state=taken&endpoint=main").expect(200).json();
        (page["data"].as_array().unwrap().len() == 5).then_some(())
    });
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage.get(&format!("/webhooks/messages?limit=2{cursor}")).expect(200).json();
        seen.extend(page["data"].as_array().unwrap().iter().map(|message| text(&message["id"])));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (5, &sorted), "each once, oldest first");
    for (query, count) in
        [("endpoint=main", 5), ("endpoint=nobody", 0), ("state=waiting", 0), ("state=given_up", 0), ("state=taken&limit=3", 3)]
    {
        let page = stage.get(&format!("/webhooks/messages?{query}")).expect(200).json();
        assert_eq!(page["data"].as_array().unwrap().len(), count, "{query}");
    }
    for query in ["state=lost", "limit=0", "cursor=key_1", "what=1"] {
        stage.get(&format!("/webhooks/messages?{query}")).expect(400);
    }
}

#[test]
fn only_what_is_there_can_be_sent_again() {
    let (app, stage) = receiver("[\"account.created\"]");
    stage.post("/webhooks/messages/msg_00000000000000000000000000/retry", &json!({})).expect(404);
    stage.account(json!({}));
    let taken = wait_for_state(&stage, "taken", |_| true);
    let path = format!("/webhooks/messages/{}/retry", text(&taken["id"]));
    stage.post(&path, &json!({})).expect(200);
    wait_for(&app, 2);
    let heard = app.heard();
    assert_eq!(signed(&heard[0]), signed(&heard[1]), "one that was taken goes out again, too");
    let Stage { folder, server, token } = stage;
    server.stop();
    std::fs::write(folder.path("auth.toml"), endpoint("another", &app.url, "")).unwrap();
    let stage = Stage { server: folder.serve(), folder, token };
    stage.post(&path, &json!({})).expect(409);
}

#[test]
fn what_waits_for_an_endpoint_that_is_gone_is_shown() {
    let folder = Folder::with(&endpoint("old", &quiet(), ""));
    folder.account(&[]);
    std::fs::write(folder.path("auth.toml"), "").unwrap();
    let list = folder.json(&["webhook", "list"]);
    assert_eq!((&list["data"][0]["name"], &list["data"][0]["url"], &list["data"][0]["waiting"]), (&json!("old"), &Value::Null, &json!(1)));
}

#[test]
fn all_that_is_wrong_with_a_list_of_messages_is_told_at_once() {
    let stage = Stage::with("");
    let reply = stage.get("/webhooks/messages?limit=0&cursor=x&state=lost&colour=red").expect(400).json();
    let fields: Vec<String> = reply["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect();
    for field in ["limit", "cursor", "state", "colour"] {
        assert!(fields.iter().any(|told| told == field), "{field}: {reply}");
    }
}
