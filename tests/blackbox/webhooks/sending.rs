//! How messages are sent: signed, again and again until they are taken, and nothing lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::support::app::Latch;

/// Answers with the first that are scripted, then takes everything.
fn answering(first: &'static [&'static str]) -> App {
    let count = AtomicUsize::new(0);
    App::answering(move |_| match first.get(count.fetch_add(1, Ordering::SeqCst)) {
        Some(status) => answer(status, "", "whsec_ is what I say"),
        None => answer("200 OK", "", ""),
    })
}

#[test]
fn a_message_is_signed_and_says_what_happened() {
    let app = App::answering(|_| answer("200 OK", "", "thanks"));
    let stage = Stage::with(&endpoint("main", &format!("{}/hooks?for=me", app.url), "events = [\"key.*\"]"));
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({ "name": "laptop" }));
    wait_for(&app, 1);
    let heard = app.only();
    let id = signed(&heard);
    assert!(id.starts_with("msg_"), "{id}");
    assert_eq!((heard.head.method(), heard.head.target()), ("POST", "/hooks?for=me"));
    assert_eq!(heard.one("content-type"), "application/json");
    assert!(heard.one("user-agent").starts_with("tollgate/"));
    assert_eq!(heard.one("host"), app.url.trim_start_matches("http://"));
    let message = message(&heard);
    assert_eq!(message["type"], "key.created");
    assert_eq!((&message["data"]["id"], &message["data"]["name"]), (&key["id"], &json!("laptop")));
    assert!(message["timestamp"].as_str().unwrap().ends_with('Z'), "{message}");
    assert!(!String::from_utf8_lossy(&heard.body).contains(key["key"].as_str().unwrap()), "never a raw key");
    let taken = wait_for_state(&stage, "taken", |message| message["id"] == *id);
    assert_eq!((&taken["tries"], &taken["event"], &taken["endpoint"]), (&json!(1), &json!("key.created"), &json!("main")));
    assert_eq!((&taken["body"], &taken["due_at"], &taken["fault"]), (&message, &Value::Null, &Value::Null));
    stage.delete(&format!("/keys/{}", text(&key["id"]))).expect(204);
    assert_eq!(wait_for(&app, 2)[1]["type"], "key.revoked");
    assert_eq!(of_event(&app, "account.created"), Vec::<Value>::new(), "nobody asked for that");
}

#[test]
fn what_was_not_taken_is_sent_again_as_it_was() {
    let app = answering(&["500 Internal Server Error", "404 Not Found", "302 Found"]);
    let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = [\"100ms\", \"100ms\", \"100ms\"]"));
    stage.account(json!({}));
    wait_for(&app, 4);
    let heard = app.heard();
    let ids: Vec<String> = heard.iter().map(signed).collect();
    assert!(ids.iter().all(|id| *id == ids[0]) && heard.iter().all(|one| one.body == heard[0].body), "{heard:?}");
    let taken = wait_for_state(&stage, "taken", |_| true);
    assert_eq!((&taken["tries"], &taken["fault"]), (&json!(4), &Value::Null));
    assert_eq!(app.heard().len(), 4, "and then no more");
}

#[test]
fn what_nobody_takes_is_given_up_and_told_and_can_be_sent_again() {
    let app = answering(&["500 Internal Server Error", "503 Service Unavailable"]);
    let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = [\"100ms\"]"));
    stage.account(json!({}));
    let given_up = wait_for_state(&stage, "given_up", |_| true);
    assert_eq!((&given_up["tries"], &given_up["fault"], &given_up["due_at"]), (&json!(2), &json!("it answered 503"), &Value::Null));
    let counts = || stage.get("/webhooks").expect(200).json()["data"][0].clone();
    assert_eq!((&counts()["waiting"], &counts()["given_up"]), (&json!(0), &json!(1)));
    let id = text(&given_up["id"]);
    let again = stage.folder.json(&["webhook", "retry", &id]);
    assert_eq!((&again["state"], &again["tries"]), (&json!("waiting"), &json!(0)));
    wait_for_state(&stage, "taken", |message| message["id"] == *id);
    assert_eq!(counts()["given_up"], 0);
    assert_eq!(app.heard().len(), 3);
    let (_, log) = stage.server.stop();
    let told = log.lines().find(|line| line.contains("given up")).expect("it is told");
    assert!(told.contains("WARN") && told.contains(&id) && told.contains("main") && told.contains("503"), "{told}");
}

#[test]
fn who_is_gone_is_asked_no_more() {
    let app = answering(&["410 Gone"]);
    let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = [\"100ms\", \"100ms\"]"));
    stage.account(json!({}));
    let gone = wait_for_state(&stage, "given_up", |_| true);
    assert_eq!((&gone["tries"], app.heard().len()), (&json!(1), 1));
    assert!(text(&gone["fault"]).contains("410"), "{gone}");
    let (_, log) = stage.server.stop();
    assert!(log.lines().any(|line| line.contains("given up") && line.contains("410")), "{log}");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = App::answering(|_| answer("200 OK", "", ""));
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let to = format!("Location: {}/\r\n", elsewhere.url);
        let app = App::answering(move |_| answer(status, &to, ""));
        let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = []"));
        stage.account(json!({}));
        let given_up = wait_for_state(&stage, "given_up", |_| true);
        assert!(text(&given_up["fault"]).contains(&status[..3]) && text(&given_up["fault"]).contains("not followed"), "{given_up}");
    }
    assert_eq!(elsewhere.heard().len(), 0);
}

#[test]
fn a_receiver_may_ask_to_wait_longer() {
    for (status, asks, seconds) in [
        ("503 Service Unavailable", "3600", 3600..=3960),
        ("429 Too Many Requests", "600", 600..=660),
        ("429 Too Many Requests", "99999999", 86_400..=95_040),
        ("429 Too Many Requests", "1", 60..=66),
        ("503 Service Unavailable", "soon", 60..=66),
        ("500 Internal Server Error", "3600", 60..=66),
    ] {
        let app = App::answering(move |_| answer(status, &format!("Retry-After: {asks}\r\n"), ""));
        let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = [\"60s\"]"));
        stage.account(json!({}));
        let waiting = wait_for_state(&stage, "waiting", |message| message["tries"] == 1);
        let at = |field: &str| text(&waiting[field]).parse::<jiff::Timestamp>().unwrap().as_second();
        let wait = at("due_at") - at("created_at");
        assert!((*seconds.start()..=seconds.end() + 5).contains(&wait), "{status} {asks}: {wait}");
    }
}

#[test]
fn one_that_is_slow_holds_up_nobody_else_and_is_not_overrun() {
    const EVENTS: usize = 30;
    let (latch, at_once) = (Latch::default(), Arc::new(AtomicUsize::new(0)));
    let slow = App::scripted({
        let (latch, at_once) = (latch.clone(), at_once.clone());
        move |call| {
            at_once.fetch_add(1, Ordering::SeqCst);
            if call.try_body().is_ok() {
                latch.wait();
                call.say(answer("200 OK", "", ""));
            }
        }
    });
    let fast = App::answering(|_| answer("200 OK", "", ""));
    let events = "events = [\"account.*\"]";
    let stage = Stage::with(&format!("{}{}", endpoint("slow", &slow.url, events), endpoint("fast", &fast.url, events)));
    (0..EVENTS).for_each(|_| drop(stage.account(json!({}))));
    wait_for(&fast, EVENTS);
    assert!((1..=8).contains(&at_once.load(Ordering::SeqCst)), "{at_once:?}");
    latch.open();
    wait_for(&slow, EVENTS);
    let ids: std::collections::BTreeSet<String> = slow.heard().iter().map(signed).collect();
    assert_eq!((ids.len(), slow.heard().len()), (EVENTS, EVENTS), "each once");
}

#[test]
fn one_that_says_nothing_is_left_after_a_while() {
    let app = App::scripted(|call| drop(call.ended()));
    let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = []"));
    let began = std::time::Instant::now();
    stage.account(json!({}));
    let given_up = wait_for_state(&stage, "given_up", |_| true);
    assert!(text(&given_up["fault"]).contains("within 15 s"), "{given_up}");
    assert!((14..19).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn an_answer_may_be_anything_and_is_not_read_for_long() {
    let endless = |start: &'static str| {
        App::scripted(move |call| {
            let piece = [b'x'; 4096];
            if call.try_body().is_err() || call.try_say(start).is_err() {
                return;
            }
            // Some hundred megabytes, where somebody took them.
            for _ in 0..50_000 {
                if call.try_say(piece).is_err() {
                    break;
                }
            }
            call.hang_up();
        })
    };
    let broken = |bytes: &'static str| {
        App::scripted(move |call| {
            if call.try_body().is_ok() {
                call.say(bytes);
                call.hang_up();
            }
        })
    };
    for (what, app, state, fault) in [
        ("an endless body", endless("HTTP/1.1 200 OK\r\n\r\n"), "taken", None),
        ("a body of a said length", endless("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"), "taken", None),
        ("an endless head", endless("HTTP/1.1 200 OK\r\nX: "), "given_up", Some("cannot be read")),
        ("no HTTP", broken("220 smtp.example.com ESMTP\r\n"), "given_up", Some("cannot be read")),
        ("nothing", broken(""), "given_up", Some("cannot be read")),
        ("half a head", broken("HTTP/1.1 200 OK\r\nContent-"), "given_up", Some("cannot be read")),
        ("half a body", broken("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "taken", None),
        ("another protocol", broken("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "given_up", Some("")),
    ] {
        let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = []"));
        stage.account(json!({}));
        let message = wait_for_state(&stage, state, |_| true);
        assert!(fault.is_none_or(|fault| text(&message["fault"]).contains(fault)), "{what}: {message}");
    }
}

#[test]
fn a_dead_receiver_loses_nothing_across_a_restart() {
    let url = quiet();
    let stage =
        Stage::with(&endpoint("main", &url, "events = [\"account.*\"]\nretries = [\"100ms\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]"));
    let account = stage.account(json!({}));
    let waiting = wait_for_state(&stage, "waiting", |message| message["tries"] != 0);
    assert!(text(&waiting["fault"]).contains("no connection"), "{waiting}");
    let stage = stage.restart();
    let app = App::at(&url, crate::support::app::by_answers(|_| answer("200 OK", "", "")));
    assert_eq!(wait_for(&app, 1)[0]["data"]["id"], *account);
    assert_eq!(signed(&app.latest()), text(&waiting["id"]));
    wait_for_state(&stage, "taken", |_| true);
}

/// A receiver that takes each message once it is let go on; and what tells that one has arrived.
fn holding() -> (App, Latch, Latch) {
    let (arrived, go) = (Latch::default(), Latch::default());
    let app = App::scripted({
        let (arrived, go) = (arrived.clone(), go.clone());
        move |call| {
            if call.try_body().is_ok() {
                arrived.open();
                go.wait();
                call.say(answer("200 OK", "", ""));
            }
        }
    });
    (app, arrived, go)
}

#[test]
fn a_kill_before_the_answer_sends_it_again_under_the_same_id() {
    let (app, arrived, go) = holding();
    let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]"));
    stage.account(json!({}));
    arrived.wait();
    let Stage { folder, server, token } = stage;
    server.kill();
    go.open();
    let stage = Stage { server: folder.serve(), folder, token };
    wait_for_state(&stage, "taken", |_| true);
    let heard = app.heard();
    assert_eq!(heard.len(), 2);
    assert_eq!((signed(&heard[0]), &heard[0].body), (signed(&heard[1]), &heard[1].body));
}

#[test]
fn a_stop_lets_what_is_under_way_end() {
    let (app, arrived, go) = holding();
    let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]"));
    stage.account(json!({}));
    arrived.wait();
    let Stage { folder, server, .. } = stage;
    let stopping = std::thread::spawn(move || server.stop());
    go.open();
    assert_eq!(stopping.join().unwrap().0, Some(0));
    let messages = folder.json(&["webhook", "messages"]);
    assert_eq!(messages["data"][0]["state"], "taken", "{messages}");
    assert_eq!(app.heard().len(), 1);
}

#[test]
fn an_embedded_gate_sends_too() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let folder = Folder::with(&endpoint("main", &app.url, "events = [\"key.created\"]"));
    let key = folder.key(&folder.account(&[]), &[]);
    let _gate = crate::embed::Embedded::start(&folder);
    assert_eq!(wait_for(&app, 1)[0]["data"]["id"], key["id"]);
}

#[test]
fn what_a_command_does_without_a_server_is_sent_by_the_next_one() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let folder = Folder::with(&endpoint("main", &app.url, "events = [\"key.created\"]"));
    let key = folder.key(&folder.account(&[]), &[]);
    let waiting = folder.json(&["webhook", "messages", "--state", "waiting"]);
    assert_eq!((&waiting["data"][0]["event"], &waiting["data"][0]["tries"]), (&json!("key.created"), &json!(0)));
    assert_eq!(app.heard().len(), 0, "a command sends nothing by itself");
    let _server: Server = folder.serve();
    assert_eq!(wait_for(&app, 1)[0]["data"]["id"], key["id"]);
}

/// The disk is not for those who never answer: beyond so many the oldest are given up, and it is told.
#[test]
fn no_more_than_so_many_wait() {
    const MOST: usize = 100_000;
    let config = endpoint("main", &quiet(), "events = [\"key.revoked\"]");
    let stage = Stage::with(&config);
    assert_eq!(stage.server.stop().0, Some(0));
    let mut database = rusqlite::Connection::open(stage.folder.database()).unwrap();
    let transaction = database.transaction().unwrap();
    let id = |at: usize| format!("msg_01ARZ3NDEKTSV4RRFFQ{at:07}");
    let now = jiff::Timestamp::now().as_millisecond();
    for at in 0..MOST + 2500 {
        let sql =
            "INSERT INTO outbox (id, endpoint, event, body, created_at, due_at, tries) VALUES (?1, 'main', 'key.revoked', '{}', ?2, ?3, 1)";
        transaction.prepare_cached(sql).unwrap().execute(rusqlite::params![id(at), now, now + 86_400_000]).unwrap();
    }
    transaction.commit().unwrap();
    let stage = Stage { server: stage.folder.serve(), folder: stage.folder, token: stage.token };
    let counts = eventually("the oldest are given up", || {
        let list = stage.get("/webhooks").expect(200).json();
        (list["data"][0]["given_up"] == 2500).then(|| list["data"][0].clone())
    });
    assert_eq!(counts["waiting"], MOST);
    let page = stage.get("/webhooks/messages?limit=1&state=waiting").expect(200).json();
    assert_eq!(page["data"][0]["id"], id(2500), "those that waited longest went");
    let given_up = stage.get("/webhooks/messages?limit=1&state=given_up").expect(200).json();
    assert!(given_up["data"][0]["fault"].as_str().unwrap().contains("too many"), "{given_up}");
    let metrics = eventually("it is counted", || {
        let text = stage.server.get("/auth/metrics", &stage.folder.token("metrics")).expect(200).body;
        text.contains("tollgate_webhooks_overflowed_messages_total 2500\n").then_some(text)
    });
    assert!(metrics.contains(&format!("tollgate_webhooks_waiting_messages {MOST}\n")), "{metrics}");
    eventually("it is logged", || stage.server.log().contains("2500 webhooks were given up").then_some(()));
}

/// What waits for an endpoint that is gone is given up once it is old, however much it is.
#[test]
fn what_waits_for_an_endpoint_that_is_gone_is_given_up() {
    let stage = Stage::with("[history]\nwebhooks = \"1d\"\n");
    assert_eq!(stage.server.stop().0, Some(0));
    let mut database = rusqlite::Connection::open(stage.folder.database()).unwrap();
    let transaction = database.transaction().unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    for at in 0..5000 {
        let created_at = if at < 4500 { now - 2 * 86_400_000 } else { now };
        let sql =
            "INSERT INTO outbox (id, endpoint, event, body, created_at, due_at, tries) VALUES (?1, 'gone', 'key.revoked', '{}', ?2, ?2, 1)";
        transaction.prepare_cached(sql).unwrap().execute(rusqlite::params![format!("msg_01ARZ3NDEKTSV4RRFFQ{at:07}"), created_at]).unwrap();
    }
    transaction.commit().unwrap();
    let stage = Stage { server: stage.folder.serve(), folder: stage.folder, token: stage.token };
    eventually("the old ones are given up, and forgotten", || {
        let list = stage.get("/webhooks").expect(200).json();
        let endpoint = &list["data"][0];
        (endpoint["waiting"] == 500 && endpoint["given_up"] == 0).then_some(())
    });
}

#[test]
fn one_that_never_comes_to_its_answer_is_left() {
    // Interim answers without end: neither a head nor a body bounds them.
    let app = App::scripted(|call| {
        let _ = call.try_body();
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        while call.try_say(&interim).is_ok() {}
    });
    let stage = Stage::with(&endpoint("main", &app.url, "events = [\"account.*\"]\nretries = [\"1h\"]"));
    stage.account(json!({}));
    let message = wait_for_state(&stage, "waiting", |message| message["tries"] == 1);
    assert!(text(&message["fault"]).contains("cannot be read"), "{message}");
}
