//! What belongs to one connection stays there (RFC 9110, 7.6.1), and nobody can use that to take away what matters.

use super::{Front, HOST};
use crate::support::App;
use crate::support::app::{answer, ok};

#[test]
fn a_clients_hop_by_hop_headers_do_not_reach_the_app() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let mut line = front.line();
    for (sent, absent) in [
        ("Connection: X-Private\r\nX-Private: hop\r\n", &["X-Private"][..]),
        ("Connection: x-private,X-OTHER\r\nX-Private: hop\r\nX-Other: hop\r\n", &["X-Private", "X-Other"]),
        ("Connection: X-Private\r\nConnection: X-Other\r\nX-Private: hop\r\nX-Other: hop\r\n", &["X-Private", "X-Other"]),
        ("Connection: , keep-alive,, X-Private ,\r\nX-Private: hop\r\nX-Private: hop too\r\n", &["X-Private"]),
        ("Keep-Alive: timeout=hop\r\nConnection: keep-alive\r\n", &["Keep-Alive"]),
        ("Keep-Alive: hop\r\n", &["Keep-Alive"]),
        ("Proxy-Connection: hop\r\n", &["Proxy-Connection"]),
        ("Proxy-Authorization: Basic hop\r\n", &["Proxy-Authorization"]),
        ("Proxy-Authenticate: Basic hop\r\n", &["Proxy-Authenticate"]),
        ("TE: hop\r\n", &["TE"]),
        ("TE: gzip;q=0.5\r\n", &["TE"]),
        ("Upgrade: hop\r\n", &["Upgrade"]),
        ("HTTP2-Settings: hop\r\nConnection: HTTP2-Settings\r\n", &["HTTP2-Settings"]),
    ] {
        line.ask(front.head("GET", "/x", sent)).expect(200);
        let heard = front.app.latest();
        absent.iter().for_each(|name| heard.assert_without(name));
        assert!(!heard.head.text().contains("hop"), "{sent}: {}", heard.head.text());
        let kept = heard.head.header("Connection").unwrap_or_default().to_ascii_lowercase();
        assert!(["", "keep-alive"].contains(&&*kept), "{sent}: {kept}");
    }
}

#[test]
fn a_connection_header_cannot_take_away_what_matters() {
    let front = Front::of(App::answering(|heard| ok(&String::from_utf8_lossy(&heard.body))));
    for named in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "X-Forwarded-For",
        "X-Forwarded-Host, X-Forwarded-Proto, Forwarded",
        "X-Request-Id",
        "X-Auth-Account, X-Auth-Key, X-Auth-Plan, X-Auth-Scopes, X-Auth-User, X-Auth-Verdict",
        "Connection",
        "close, Host, Content-Length, X-Forwarded-For",
    ] {
        for (framing, body) in [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")] {
            let more = format!("Connection: {named}\r\n{framing}\r\nX-Forwarded-For: 203.0.113.5\r\n");
            let before = front.app.heard().len();
            let reply = front.line().ask(front.head("POST", "/x", &more) + body).expect(200);
            assert_eq!(reply.body, "hello", "{named}: the body is the same at the app");
            let heard = front.app.heard();
            assert_eq!(heard.len(), before + 1, "{named}: and nothing after it");
            let heard = heard.last().unwrap();
            assert_eq!((heard.one("Host").as_str(), heard.one("X-Auth-Verdict").as_str()), (HOST, "ok"), "{named}");
            assert!(heard.one("X-Auth-Account").starts_with("acc_"), "{named}");
            assert!(heard.one("X-Forwarded-For").contains("127.0.0.1"), "{named}: {}", heard.head.text());
            assert!(!heard.one("X-Request-Id").is_empty() && !heard.one("X-Forwarded-Host").is_empty(), "{named}");
            assert!(!heard.head.text().contains(&front.key), "{named}: the key");
        }
    }
}

#[test]
fn the_apps_hop_by_hop_headers_do_not_reach_the_client() {
    let rows = [
        "Connection: X-Private\r\nX-Private: hop\r\n",
        "Connection: keep-alive, x-PRIVATE\r\nConnection: X-Other\r\nX-Private: hop\r\nX-Private: hop\r\nX-Other: hop\r\n",
        "Keep-Alive: timeout=5, hop\r\n",
        "Proxy-Connection: hop\r\n",
        "Proxy-Authenticate: Basic hop\r\n",
        "Proxy-Authorization: hop\r\n",
        "Upgrade: hop\r\n",
        "TE: hop\r\n",
    ];
    let front = Front::of(App::answering(move |heard| {
        answer("200 OK", rows[heard.head.target().trim_start_matches('/').parse::<usize>().unwrap()], "fine")
    }));
    for (at, row) in rows.iter().enumerate() {
        let reply = front.line().ask(front.head("GET", &format!("/{at}"), "")).expect(200);
        assert_eq!(reply.body, "fine");
        assert!(!format!("{reply:?}").contains("hop"), "{row}: {reply:?}");
    }
}

#[test]
fn the_apps_connection_header_cannot_take_away_what_the_gate_says() {
    let names = "X-Request-Id, RateLimit, RateLimit-Policy, X-RateLimit-Remaining, Content-Length, Content-Type, Date";
    let front =
        Front::of(App::answering(move |_| answer("200 OK", &format!("Connection: {names}\r\nContent-Type: text/plain\r\n"), "fine")));
    let mut line = front.line();
    for _ in 0..2 {
        let reply = line.ask(front.head("GET", "/x", "")).expect(200);
        assert_eq!(reply.body, "fine");
        for name in ["X-Request-Id", "RateLimit", "RateLimit-Policy", "X-RateLimit-Remaining"] {
            assert!(reply.header(name).is_some(), "{name} in {reply:?}");
        }
    }
}

#[test]
fn a_clients_close_is_its_own() {
    let front = Front::of(App::answering(|_| ok("fine")));
    for _ in 0..3 {
        let mut line = front.line();
        line.ask(front.head("GET", "/x", "Connection: close\r\n")).expect(200);
        assert_eq!(line.rest(), b"", "the client's connection ends");
    }
    assert_eq!(front.app.connections(), 1, "the app's stays");
}
