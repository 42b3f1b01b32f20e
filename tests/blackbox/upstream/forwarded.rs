//! What the app is told of the client's address, host and protocol: what a trusted proxy says is continued, what anybody else
//! says is replaced.

use super::{Front, HOST};
use crate::support::app::{Heard, ok};
use crate::support::{App, Request};

/// The last element of `Forwarded`, its parameters in lower case and without quotes.
#[track_caller]
fn last_hop(heard: &Heard) -> Vec<String> {
    let forwarded = heard.head.header("Forwarded").unwrap_or_else(|| panic!("no Forwarded in {}", heard.head.text()));
    let last = forwarded.rsplit(',').next().unwrap().to_ascii_lowercase().replace('"', "");
    last.split(';').map(|pair| pair.trim().to_owned()).collect()
}

#[track_caller]
fn assert_last_hop(heard: &Heard, expected: &[&str]) {
    let told = last_hop(heard);
    for pair in expected {
        assert!(told.iter().any(|known| known == pair), "{pair} in {}", heard.head.text());
    }
}

#[test]
fn a_stranger_is_told_of_as_it_is_seen() {
    let front = Front::with(App::answering(|_| ok("fine")), "[server]\ntrusted_proxies = []\n");
    for sent in [
        "",
        "X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: forged.example\r\nForwarded: for=203.0.113.5;proto=https;host=forged.example\r\n",
        "X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-For: 203.0.113.6\r\nForwarded: for=203.0.113.5\r\nForwarded: for=203.0.113.6\r\n",
        "X_Forwarded_For: 203.0.113.5\r\nX_Forwarded_Host: forged.example\r\nX-Forwarded_Proto: forged\r\n",
        "X-Real-IP: 203.0.113.5\r\nX_Real_IP: 203.0.113.5\r\n",
        "X-Forwarded-Port: 203.0.113.5\r\nX-Forwarded-Server: forged\r\nX-Forwarded-Prefix: /forged\r\nX-Forwarded-Ssl: forged\r\nX-Forwarded-Uri: /forged\r\nX-Forwarded-Method: FORGED\r\nX-Forwarded-User: forged\r\nX-Forwarded-Scheme: forged\r\n",
        "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded\r\n",
    ] {
        front.line().ask(front.head("GET", "/x", sent)).expect(200);
        let heard = front.app.latest();
        assert_eq!(heard.one("X-Forwarded-For"), "127.0.0.1", "{sent}");
        assert_eq!(heard.one("X-Forwarded-Proto"), "http", "{sent}");
        assert_eq!(heard.one("X-Forwarded-Host"), HOST, "{sent}");
        assert!(!heard.one("Forwarded").contains(','), "{sent}: {}", heard.head.text());
        assert_last_hop(&heard, &["for=127.0.0.1", "proto=http", &format!("host={HOST}")]);
        let text = heard.head.text().to_ascii_lowercase();
        assert!(!text.contains("203.0.113.") && !text.contains("forged"), "{sent}: {text}");
    }
}

#[test]
fn a_trusted_proxys_word_is_continued() {
    let front = Front::of(App::answering(|_| ok("fine")));
    for (sent, addresses, proto, host) in [
        ("", "127.0.0.1", "http", HOST),
        ("X-Forwarded-For: 203.0.113.5\r\n", "203.0.113.5, 127.0.0.1", "http", HOST),
        ("X-Forwarded-For: 198.51.100.7, 203.0.113.5\r\n", "198.51.100.7, 203.0.113.5, 127.0.0.1", "http", HOST),
        ("X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n", "2001:db8::1, 127.0.0.1", "https", HOST),
        ("X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Host: www.example.com\r\n", "203.0.113.5, 127.0.0.1", "http", "www.example.com"),
    ] {
        front.line().ask(front.head("GET", "/x", sent)).expect(200);
        let heard = front.app.latest();
        assert_eq!(heard.one("X-Forwarded-For").replace(' ', ""), addresses.replace(' ', ""), "{sent}");
        assert_eq!(heard.one("X-Forwarded-Proto"), proto, "{sent}");
        assert_eq!(heard.one("X-Forwarded-Host"), host, "{sent}");
        assert_eq!(heard.one("Host"), HOST, "{sent}");
        assert_last_hop(&heard, &["for=127.0.0.1"]);
    }
}

#[test]
fn forwarded_is_appended_to_behind_a_trusted_proxy() {
    let front = Front::of(App::answering(|_| ok("fine")));
    for sent in
        ["Forwarded: for=203.0.113.5;proto=https;host=www.example.com\r\n", "Forwarded: for=198.51.100.7\r\nForwarded: for=203.0.113.5\r\n"]
    {
        front.line().ask(front.head("GET", "/x", sent)).expect(200);
        let heard = front.app.latest();
        let all = heard.head.header("Forwarded").unwrap();
        assert!(all.contains("for=203.0.113.5"), "{all}");
        let first = sent.split([' ', '\r']).nth(1).unwrap();
        assert!(all.starts_with(first), "what was there stays in front: {all}");
        assert_last_hop(&heard, &["for=127.0.0.1"]);
    }
}

#[test]
fn an_ipv6_client_is_told_of_as_the_standard_writes_it() {
    let app = App::answering(|_| ok("fine"));
    let folder = crate::support::Folder::with(&format!("[server]\ntrusted_proxies = []\n[upstream]\nurl = \"{}\"\n", app.url))
        .variable("TOLLGATE_SERVER__LISTEN", "[::1]:0");
    let key = folder.raw_key("free");
    let server = folder.serve();
    server.send(&Request::get("/x").bearer(&key)).expect(200);
    let heard = app.only();
    assert_eq!(heard.one("X-Forwarded-For"), "::1");
    assert!(heard.one("Forwarded").to_ascii_lowercase().contains("for=\"[::1]\""), "{}", heard.head.text());
}

#[test]
fn what_could_say_that_it_is_another_request_never_reaches_the_app() {
    let dropped = ["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"];
    let all = dropped.map(|name| format!("{name}: /forged\r\n{}: /forged\r\n", name.replace('-', "_"))).concat();
    for trusted in ["", "[server]\ntrusted_proxies = []\n"] {
        let front = Front::with(App::answering(|_| ok("fine")), trusted);
        front.line().ask(front.head("GET", "/x", &(all.to_lowercase() + &all))).expect(200);
        let heard = front.app.only();
        assert!(!heard.head.text().contains("forged"), "{}", heard.head.text());
    }
}

#[test]
fn which_headers_are_dropped_can_be_said() {
    let front = Front::with(App::answering(|_| ok("fine")), "drop_headers = [\"X-Debug\"]\n");
    front.line().ask(front.head("GET", "/x", "X-Debug: 1\r\nx-debug: 2\r\nX-HTTP-Method-Override: PUT\r\n")).expect(200);
    let heard = front.app.only();
    heard.assert_without("X-Debug");
    assert_eq!(heard.one("X-HTTP-Method-Override"), "PUT", "a list given anew replaces the default");
}
