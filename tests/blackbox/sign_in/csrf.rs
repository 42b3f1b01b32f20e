//! Pages of other sites: what they may have a browser do at the paths of sign-in, which is nothing unless the configuration says so.

use serde_json::json;

use super::door::{Door, NOT_AT_GATE, PASSWORD, Session};
use crate::support::Reply;
use crate::support::http::raw;

/// Sends what a browser would, to a host of this name.
fn send(door: &Door, request: &str, host: &str, headers: &str, body: &str) -> Reply {
    let bytes = format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    raw(&door.stage.server.address, bytes.as_bytes()).unwrap()
}

fn with_public_url(url: &str, more: &str) -> Door {
    Door::with(&format!("[server]\npublic_url = \"{url}\"\n{more}{NOT_AT_GATE}"))
}

/// Which pages may use the cookie: what they say of themselves, at which host, and whether they may.
#[test]
fn whose_pages_may_use_the_cookie() {
    let forwarded = "X-Forwarded-Proto: https\r\n";
    let cases: &[(&str, &str, &str, bool)] = &[
        // What no browser sends, or one that says nothing of a page.
        ("", "api.example.com", "", true),
        ("", "api.example.com", "Sec-Fetch-Site: same-origin\r\n", true),
        ("", "api.example.com", "Sec-Fetch-Site: none\r\n", true),
        ("", "api.example.com", "Sec-Fetch-Site: cross-site\r\n", false),
        ("", "api.example.com", "Sec-Fetch-Site: same-site\r\n", false),
        ("", "api.example.com", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n", false),
        // Its own.
        ("", "api.example.com", "Origin: https://api.example.com\r\n", true),
        ("", "127.0.0.1:8080", "Origin: https://api.example.com\r\n", true),
        ("", "api.example.com:443", "Origin: https://api.example.com\r\n", true),
        ("", "api.example.com", "Origin: https://API.example.com\r\n", true),
        ("", "internal:8443", "Origin: https://internal:8443\r\n", true),
        // Not its own, however much they look so.
        ("", "api.example.com", "Origin: null\r\n", false),
        ("", "api.example.com", "Origin: \r\n", false),
        ("", "api.example.com", "Origin: https://evil.example\r\n", false),
        ("", "api.example.com", "Origin: https://api.example.com.evil.example\r\n", false),
        ("", "api.example.com", "Origin: https://evil.example/api.example.com\r\n", false),
        ("", "api.example.com", "Origin: https://evil-api.example.com\r\n", false),
        ("", "api.example.com", "Origin: https://api.example.com@evil.example\r\n", false),
        ("", "api.example.com", "Origin: https://evil.example#https://api.example.com\r\n", false),
        ("", "api.example.com", "Origin: https://other.example.com\r\n", false),
        ("", "api.example.com", "Origin: https://example.com\r\n", false),
        ("", "api.example.com", "Origin: https://api.example.com:8443\r\n", false),
        ("", "api.example.com", "Origin: http://api.example.com\r\n", false),
        ("", "internal:8443", "Origin: http://internal:8443\r\n", false),
        ("", "api.example.com", "Origin: api.example.com\r\n", false),
        ("", "api.example.com", "Origin: file://api.example.com\r\n", false),
        ("", "api.example.com", "Origin: chrome-extension://api.example.com\r\n", false),
        ("", "api.example.com", "Origin: https://api.example.com\r\nOrigin: https://evil.example\r\n", false),
        ("", "api.example.com", "Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n", false),
        ("", "api.example.com", "Origin: https://app.example.com\r\n", false),
        // Named, with cookies and without.
        (
            "[cors]\norigins = [\"https://app.example.com\"]\ncredentials = true\n",
            "api.example.com",
            "Origin: https://app.example.com\r\n",
            true,
        ),
        (
            "[cors]\norigins = [\"https://app.example.com\"]\ncredentials = true\n",
            "api.example.com",
            "Origin: http://app.example.com\r\n",
            false,
        ),
        (
            "[cors]\norigins = [\"https://app.example.com\"]\ncredentials = true\n",
            "api.example.com",
            "Origin: https://evil.example\r\n",
            false,
        ),
        ("[cors]\norigins = [\"https://app.example.com\"]\ncredentials = true\n", "api.example.com", "Origin: null\r\n", false),
        ("[cors]\norigins = [\"https://app.example.com\"]\n", "api.example.com", "Origin: https://app.example.com\r\n", false),
        ("[cors]\norigins = [\"*\"]\n", "api.example.com", "Origin: https://app.example.com\r\n", false),
    ];
    let mut configs: Vec<&str> = cases.iter().map(|(config, ..)| *config).collect();
    configs.dedup();
    for config in configs {
        let door = with_public_url("https://api.example.com", config);
        let user = door.user("ada");
        let mut session = door.sign_in(&user);
        for (_, host, headers, may) in cases.iter().filter(|(own, ..)| *own == config) {
            let cookie = format!("{headers}Cookie: refresh_token={}\r\n", session.cookie);
            let reply = send(&door, "POST /auth/v1/auth/refresh", host, &cookie, "");
            assert_eq!(reply.status, if *may { 200 } else { 403 }, "{config}{host} {headers} {reply:?}");
            assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"));
            if *may {
                session = Session::of(&reply);
            }
            // Nor may it sign somebody in as its own user, or out.
            let login = json!({ "email": user.email, "password": PASSWORD }).to_string();
            let json = format!("{headers}Content-Type: application/json\r\n");
            assert_eq!(
                send(&door, "POST /auth/v1/auth/login", host, &json, &login).status,
                if *may { 200 } else { 403 },
                "{host} {headers}"
            );
            if !may {
                assert_eq!(send(&door, "POST /auth/v1/auth/logout", host, &cookie, "").status, 403, "{host} {headers}");
            }
        }
        assert!(door.refreshes(&session.cookie));
    }
    // Without a public address it is the host alone; without HTTPS, too, unless a proxy says that there is.
    let door = Door::with(NOT_AT_GATE);
    let mut session = door.sign_in(&door.user("ada"));
    for (host, headers, may) in [
        ("localhost:8080", "Origin: http://localhost:8080\r\n".to_owned(), true),
        ("localhost:8080", "Origin: https://localhost:8080\r\n".to_owned(), true),
        ("localhost:8080", "Origin: http://localhost:3000\r\n".to_owned(), false),
        ("localhost:8080", "Origin: http://localhost\r\n".to_owned(), false),
        ("localhost", "Origin: http://localhost:80\r\n".to_owned(), true),
        ("api.example.com", format!("{forwarded}Origin: http://api.example.com\r\n"), false),
        ("api.example.com", format!("{forwarded}Origin: https://api.example.com\r\n"), true),
    ] {
        let cookie = format!("{headers}Cookie: refresh_token={}\r\n", session.cookie);
        let reply = send(&door, "POST /auth/v1/auth/refresh", host, &cookie, "");
        assert_eq!(reply.status, if may { 200 } else { 403 }, "{host} {headers} {reply:?}");
        if may {
            session = Session::of(&reply);
        }
    }
}

#[test]
fn a_form_of_another_site_cannot_be_sent() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let login = json!({ "email": user.email, "password": PASSWORD }).to_string();
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; application/json"] {
        let reply = send(&door, "POST /auth/v1/auth/login", "test", &format!("Content-Type: {media}\r\n"), &login);
        assert_eq!(reply.status, 415, "{media}");
    }
}

#[test]
fn preflights_are_answered_where_cors_says_so_and_cookies_come_along_where_it_says_that() {
    let ask = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n";
    let base = "[sign_in]\nbase_path = \"/api/v2\"\nsame_site = \"none\"\n[sign_in.passwords]\nmemory_kib = 4096\npasses = 1\n";
    for (cors, allowed, with_cookies) in [
        ("", false, false),
        ("[cors]\norigins = [\"https://app.example.com\"]\n", true, false),
        ("[cors]\norigins = [\"https://app.example.com\"]\ncredentials = true\n", true, true),
    ] {
        let door = Door::with(&format!("{cors}{base}"));
        for (path, takes_cookies) in [("/api/v2/auth/login", true), ("/api/v2/auth/refresh", true), ("/auth/v1/keys", false)] {
            let at = |origin: &str| send(&door, &format!("OPTIONS {path}"), "api.example.com", &format!("Origin: {origin}\r\n{ask}"), "");
            let reply = at("https://app.example.com");
            assert_eq!(reply.status, if cors.is_empty() { 405 } else { 204 }, "{cors}{path}");
            let told = reply.header("Access-Control-Allow-Origin");
            assert_eq!(told.as_deref(), allowed.then_some("https://app.example.com"), "{cors}{path}");
            let cookies = reply.header("Access-Control-Allow-Credentials").is_some();
            assert_eq!(cookies, with_cookies && takes_cookies, "{cors}{path}");
            let evil = at("https://evil.example");
            assert!(evil.header("Access-Control-Allow-Origin").is_none() && evil.header("Access-Control-Allow-Credentials").is_none());
        }
        // The cookie is for that base path, and comes from other sites.
        let user = door.user("ada");
        let login = json!({ "email": user.email, "password": PASSWORD }).to_string();
        let headers = "Content-Type: application/json\r\n";
        let reply = send(&door, "POST /api/v2/auth/login", "api.example.com", headers, &login).expect(200);
        let set = reply.header("Set-Cookie").unwrap();
        assert!(
            set.contains("SameSite=None") && set.contains("Secure") && set.contains("Path=/api/v2") && set.contains("HttpOnly"),
            "{set}"
        );
    }
}
