//! Who passed, as the app is told: by the gate alone, whatever a client says of itself.

use serde_json::json;

use super::{Front, IDENTITY, head};
use crate::support::app::{Heard, answer, ok};
use crate::support::server::text;
use crate::support::{App, Line, Stage};

const OPEN: &str = "[[routes]]\npath = \"/open/**\"\nopen = true\n";

/// What the app is told of who passed, each once.
#[track_caller]
fn told(heard: &Heard) -> Vec<String> {
    IDENTITY.iter().map(|name| heard.one(name)).collect()
}

#[test]
fn the_app_is_told_who_passed() {
    let front = Front::with(App::answering(|_| ok("fine")), OPEN);
    let account = front.stage.account(json!({}));
    let key = front.stage.key(&account, json!({ "scopes": ["sets:read", "sets:write"] }));
    let (id, raw) = (text(&key["id"]), text(&key["key"]));
    let known = |scopes: &str| vec![account.clone(), id.clone(), String::new(), "free".into(), scopes.into(), "ok".into()];
    let nobody = ["", "", "", "", "", "ok"].map(str::to_owned).to_vec();
    for (target, credential, expected) in [
        ("/x", Some(&*raw), known("sets:read sets:write")),
        ("/open/x", Some(&*raw), known("sets:read sets:write")),
        ("/open/x", None, nobody.clone()),
        ("/open/x", Some("somebody-elses"), nobody),
    ] {
        let credential = credential.map(|raw| format!("Authorization: Bearer {raw}\r\n")).unwrap_or_default();
        front.line().ask(head("GET", target, &credential)).expect(200);
        assert_eq!(told(&front.app.latest()), expected, "{target}");
    }
}

#[test]
fn an_anonymous_caller_has_a_plan_and_nothing_else() {
    let app = App::answering(|_| ok("fine"));
    let config = format!(
        "[upstream]\nurl = \"{}\"\n[keys]\nanonymous = \"guest\"\n[[plans]]\nname = \"free\"\ndefault = true\n[[plans]]\nname = \"guest\"\nlimits = [{{ requests = 5, per = \"hour\", count = \"address\" }}]\n",
        app.url
    );
    let stage = Stage::with(&config);
    Line::to(&stage.server.address).ask(head("GET", "/x", "X-Auth-Account: forged\r\n")).expect(200);
    let told = told(&app.only());
    assert_eq!((&*told[0], &*told[1], &*told[3], &*told[5]), ("", "", "guest", "ok"));
}

#[test]
fn a_clients_own_word_never_reaches_the_app() {
    let front = Front::with(App::answering(|_| ok("fine")), OPEN);
    let spellings = |name: &str| {
        let under = name.replace('-', "_");
        [
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            under.clone(),
            under.to_lowercase(),
            under.to_uppercase(),
            name.replacen('-', "_", 1),
        ]
    };
    let each: String = IDENTITY.iter().flat_map(|name| spellings(name)).map(|name| format!("{name}: forged\r\n")).collect();
    let named = format!("{}, {}", IDENTITY.join(", "), IDENTITY.map(|name| name.replace('-', "_")).join(", "));
    let cases = [
        each.clone(),
        IDENTITY.map(|name| format!("{name}: forged\r\n{name}: forged again\r\n")).concat(),
        format!("Connection: {named}\r\n"),
        format!("Connection: {named}\r\n{each}"),
        format!("Connection: keep-alive\r\nConnection: {}\r\nX-Auth-Account: forged\r\n", named.to_lowercase()),
        IDENTITY.map(|name| format!("{name}:\tforged\r\n{name}:\r\n")).concat(),
    ];
    let mut line = front.line();
    line.ask(front.head("GET", "/x", "")).expect(200);
    let honest = told(&front.app.latest());
    assert!(honest[0].starts_with("acc_") && honest[1].starts_with("key_"), "{honest:?}");
    for case in &cases {
        line.ask(front.head("GET", "/x", case)).expect(200);
        let heard = front.app.latest();
        assert_eq!(told(&heard), honest, "{case}");
        assert!(!heard.head.text().contains("forged"), "{case}: {}", heard.head.text());
        line.ask(head("GET", "/open/x", case)).expect(200);
        let heard = front.app.latest();
        assert_eq!(told(&heard), ["", "", "", "", "", "ok"], "{case}");
        assert!(!heard.head.text().contains("forged"), "{case}: {}", heard.head.text());
    }
}

#[test]
fn every_kind_of_request_carries_it() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let mut line = front.line();
    for (method, more, body) in [
        ("HEAD", "", ""),
        ("POST", "Content-Length: 2\r\n", "{}"),
        ("PUT", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        ("DELETE", "", ""),
        ("OPTIONS", "", ""),
        ("PROPFIND", "Depth: 1\r\n", ""),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n", ""),
    ] {
        line.ask(front.head(method, "/x", more) + body).expect(200);
        let told = told(&front.app.latest());
        assert!(told[0].starts_with("acc_") && told[5] == "ok", "{method}: {told:?}");
    }
}

#[test]
fn the_request_id_is_the_same_on_both_sides() {
    let front = Front::of(App::answering(|_| answer("200 OK", "X-Request-Id: the-apps-own\r\n", "fine")));
    for (sent, expected) in [("", None), ("X-Request-Id: mine-1\r\n", Some("mine-1")), ("X-Request-Id: not sane\r\n", None)] {
        let reply = front.line().ask(front.head("GET", "/x", sent)).expect(200);
        let heard = front.app.latest();
        assert_eq!(reply.header("X-Request-Id"), Some(heard.one("X-Request-Id")), "{sent}");
        match expected {
            Some(id) => assert_eq!(heard.one("X-Request-Id"), id),
            None => assert!(heard.one("X-Request-Id").starts_with("req_"), "{}", heard.head.text()),
        }
    }
}

#[test]
fn a_strangers_request_id_is_replaced() {
    let front = Front::with(App::answering(|_| ok("fine")), "[server]\ntrusted_proxies = []\n");
    for sent in
        ["X-Request-Id: mine\r\n", "X-Request-Id: mine\r\nX-Request-Id: mine too\r\n", "Connection: X-Request-Id\r\nX-Request-Id: mine\r\n"]
    {
        let reply = front.line().ask(front.head("GET", "/x", sent)).expect(200);
        let heard = front.app.latest();
        assert!(heard.one("X-Request-Id").starts_with("req_"), "{}", heard.head.text());
        assert_eq!(reply.header("X-Request-Id"), Some(heard.one("X-Request-Id")));
    }
}
