//! Where mailed links lead: to this server's own name whoever asked, and to pages that do nothing until a button is pressed.

use serde_json::json;

use super::door::{Door, NOT_AT_GATE, PASSWORD, Session, cookie};
use super::post::{bare, refused};
use crate::support::http::raw;
use crate::support::{Reply, Request};

const OTHER: &str = "another fine passphrase of mine";

fn form(door: &Door, path: &str, body: &str) -> Reply {
    let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes());
    door.stage.server.send(&request)
}

fn get(door: &Door, path: &str) -> Reply {
    door.stage.server.send(&Request::get(path))
}

/// Fails unless it is a page that is safe to be shown.
#[track_caller]
pub fn page(reply: Reply, status: u16, says: &str) -> Reply {
    let mut reply = reply.expect(status);
    reply.body =
        [("&#60;", "&lt;"), ("&#62;", "&gt;"), ("&#38;", "&amp;")].iter().fold(reply.body, |html, (one, same)| html.replace(one, same));
    for (name, value) in [("Content-Language", "en"), ("Vary", "Accept-Language")] {
        assert_eq!(reply.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(reply.header("Content-Type").as_deref(), Some("text/html; charset=utf-8"));
    let policy = reply.header("Content-Security-Policy").unwrap();
    for wanted in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
        assert!(policy.contains(wanted), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    for (name, value) in [
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name).as_deref(), Some(value), "{name}");
    }
    let html = reply.body.to_lowercase();
    assert!(html.contains(says) && html.starts_with("<!doctype html>"), "{says}: {html}");
    // Under no-referrer alone a browser sends `Origin: null` with the form (Fetch, 3.2), which is another site's.
    assert!(html.contains("<meta name=\"referrer\" content=\"same-origin\">"), "{html}");
    assert!(!html.contains("<script") && !html.contains("http-equiv") && !html.contains("style="), "{html}");
    reply
}

#[test]
fn a_scanner_that_follows_the_link_does_nothing() {
    let door = Door::with(NOT_AT_GATE);
    let email = "ada@example.com";
    door.register(&json!({ "email": email, "password": PASSWORD, "name": "Ada & <b>Eve</b>" })).expect(202);
    let (token, link) = (door.token(email, 1), door.links(email).remove(0));
    let path = link.split_once(&door.stage.server.address).expect("it leads to where the server listens").1.to_owned();
    assert_eq!(path, format!("/auth/verify?token={token}"));
    for method in ["GET", "GET", "HEAD"] {
        let reply = door.stage.server.send(&Request::new(method, &path)).expect(200);
        if method == "HEAD" {
            assert!(reply.body.is_empty() && reply.header("Content-Security-Policy").is_some(), "{reply:?}");
        } else {
            let reply = page(reply, 200, "<button");
            assert!(reply.body.contains("method=\"post\" action=\"verify\"") && reply.body.contains(&token), "{reply:?}");
            assert!(reply.header("Set-Cookie").is_none());
        }
    }
    for method in ["OPTIONS", "PUT", "DELETE"] {
        let reply = door.stage.server.send(&Request::new(method, &path)).expect(405);
        assert_eq!(reply.header("Allow").as_deref(), Some("GET, POST, HEAD"));
    }
    assert_eq!((door.count("users"), door.count("sessions")), (0, 0));
    // The button: without a script, a session in the browser, and a page that says so.
    let reply = page(form(&door, "/auth/verify", &format!("token={token}")), 200, "confirmed");
    assert!(reply.body.contains("Ada &amp; &lt;b&gt;Eve&lt;/b&gt;"), "{reply:?}");
    assert!(!reply.body.contains(&token) && !reply.body.contains("access_token"), "{reply:?}");
    assert!(door.refreshes(&cookie(&reply)));
    assert_eq!(door.count("users"), 1);
    let again = page(form(&door, "/auth/verify", &format!("token={token}")), 401, "does not work any more");
    assert!(again.header("Set-Cookie").is_none());
    // Nor does the link tell who looks at it whether it still works.
    let (used, never) = (get(&door, &path), get(&door, &path.replace(&token, &token.chars().rev().collect::<String>())));
    assert_eq!((used.status, never.status), (200, 200));
    Session::of(&door.login(email, PASSWORD));
}

#[test]
fn a_form_sets_a_new_password() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let session = door.sign_in(&user);
    door.forgot(&user.email).expect(202);
    let token = door.token(&user.email, 1);
    let reply = page(get(&door, &format!("/auth/reset?token={token}")), 200, "<form");
    assert!(reply.body.contains("action=\"reset\"") && reply.body.contains("type=\"password\"") && reply.body.contains(&token));
    for (password, says) in [("", "must be given"), ("short", "at least 8"), ("password123", "the password")] {
        let reply = page(form(&door, "/auth/reset", &format!("token={token}&password={password}")), 400, says);
        assert!(reply.body.contains(&token) && reply.body.contains("role=\"alert\""), "it can be tried again: {reply:?}");
        assert!(password.is_empty() || !reply.body.contains(&format!("\"{password}\"")), "{reply:?}");
    }
    assert_eq!(door.verdict(&session.token), "ok");
    let words = OTHER.replace(' ', "+");
    let reply = page(form(&door, "/auth/reset", &format!("token={token}&password={words}")), 200, "your password is set");
    assert!(reply.header("Set-Cookie").is_none(), "{reply:?}");
    assert_eq!(door.verdict(&session.token), "unknown");
    Session::of(&door.login(&user.email, OTHER));
    page(form(&door, "/auth/reset", &format!("token={token}&password={words}")), 401, "does not work any more");
    // Each link is good for its own page alone.
    door.forgot(&user.email).expect(202);
    let token = door.token(&user.email, 2);
    page(form(&door, "/auth/verify", &format!("token={token}")), 401, "does not work any more");
    door.reset(&json!({ "token": token, "password": PASSWORD })).expect(204);
}

#[test]
fn what_stands_in_the_link_is_escaped_and_bounded() {
    let door = Door::with(NOT_AT_GATE);
    for name in ["verify", "reset"] {
        let long = "x".repeat(7000);
        for token in [
            "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "%22+onfocus%3D%22alert(1)",
            "%27%3E%3Cimg+src%3Dx%3E",
            "%7B%7B+service+%7D%7D",
            "a%00",
            "a%0D%0ASet-Cookie:%20a=b",
            "",
            &long,
        ] {
            let reply = page(get(&door, &format!("/auth/{name}?token={token}")), 400, "this link is not whole");
            assert!(!["alert", "img", "a=b", "xxx", "{{"].iter().any(|never| reply.body.contains(never)), "{reply:?}");
        }
        page(get(&door, &format!("/auth/{name}")), 400, "this link is not whole");
        for query in ["?token=%C3%28", "?token=a&token=b", "?token=a&token=a", "?token=a&utm_source=mail&token=", "?Token=a"] {
            let reply = page(get(&door, &format!("/auth/{name}{query}")), 400, "this link is not whole");
            assert!(!reply.body.contains("<form"), "{query}: {reply:?}");
        }
        // What mail programs add is not looked at.
        for query in ["?utm_source=mail&token=a&fbclid=x", "?token=a&utm_source=x&utm_source=y&%FF", "?token=a&to=https://evil.example&"] {
            let reply = page(get(&door, &format!("/auth/{name}{query}")), 200, "<form");
            assert!(reply.body.contains("value=\"a\"") && !["utm", "evil", "fbclid"].iter().any(|never| reply.body.contains(never)));
        }
        for (kind, body, status) in [
            ("application/json", "{\"token\":\"x\"}", 415),
            ("text/plain", "token=x", 415),
            ("multipart/form-data; boundary=x", "--x--", 415),
            ("", "token=x", 415),
            ("application/x-www-form-urlencoded", "", 400),
            ("application/x-www-form-urlencoded", "password=x", 400),
            ("application/x-www-form-urlencoded", "token=a&token=b&password=x", 400),
            ("application/x-www-form-urlencoded", "token=x&password=a&password=b", if name == "verify" { 401 } else { 400 }),
            ("application/x-www-form-urlencoded", "token=%FF%00&password=correct+horse+battery", 401),
            ("application/x-www-form-urlencoded; charset=utf-8", "token=x&password=correct+horse+battery", 401),
        ] {
            let request = Request::new("POST", &format!("/auth/{name}")).body(body.as_bytes());
            let request = if kind.is_empty() { request } else { request.header("Content-Type", kind) };
            door.stage.server.send(&request).expect(status);
        }
    }
    let style = get(&door, "/auth/dashboard.css").expect(200);
    assert_eq!(style.header("Content-Type").as_deref(), Some("text/css; charset=utf-8"));
}

#[test]
fn another_site_presses_no_button() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    door.forgot(&user.email).expect(202);
    door.register(&json!({ "email": "eve@example.com", "password": PASSWORD })).expect(202);
    let tokens = [door.token("eve@example.com", 1), door.token(&user.email, 1)];
    for (name, token) in ["verify", "reset"].into_iter().zip(&tokens) {
        for (header, value) in
            [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site")]
        {
            let request = Request::new("POST", &format!("/auth/{name}")).header("Content-Type", "application/x-www-form-urlencoded");
            let body = format!("token={token}&password={}", OTHER.replace(' ', "+"));
            let reply = door.stage.server.send(&request.header(header, value).body(body.as_bytes())).expect(403);
            let reply = page(reply, 403, "nothing was done");
            assert!(reply.header("Set-Cookie").is_none() && !reply.body.contains(token.as_str()));
        }
    }
    assert_eq!((door.count("users"), door.count("sessions")), (1, 0));
    Session::of(&door.login(&user.email, PASSWORD));
}

/// Whatever a request says of its host: the link leads to where the configuration, or the socket, says.
#[test]
fn no_request_says_where_a_link_leads() {
    for (more, begin) in [
        ("[server]\npublic_url = \"https://api.example.com\"\n", "https://api.example.com/auth/"),
        ("[server]\npublic_url = \"https://api.example.com/base/\"\nprefix = \"/own\"\n", "https://api.example.com/base/own/"),
        (
            "[server]\npublic_url = \"https://api.example.com\"\n[sign_in.links]\nverify = \"https://app.example.com/v\"\nreset = \"https://app.example.com/r\"\n",
            "https://app.example.com/",
        ),
        ("", "http://127.0.0.1:"),
    ] {
        let door =
            Door::with(&format!("{more}{NOT_AT_GATE}[sign_in.throttle]\nsent_by_target = \"100/1h\"\nsent_by_target_daily = \"100/1h\"\n"));
        let email = "ada@example.com";
        door.stage.folder.json(&["user", "create", "--email", email, "--verified"]);
        let mut sent = 0;
        for (target, host, headers) in [
            ("", "evil.example", ""),
            ("", "evil.example:443", ""),
            ("", "api.example.com@evil.example", ""),
            ("", "127.0.0.1", "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"),
            ("", "127.0.0.1", "Forwarded: host=evil.example;proto=https\r\nX-Original-Host: evil.example\r\nX-Host: evil.example\r\n"),
            ("", "127.0.0.1", "X-Forwarded-Host: evil.example\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Port: 666\r\n"),
            ("", "127.0.0.1", "Origin: http://127.0.0.1\r\nReferer: https://evil.example/\r\n"),
            ("http://evil.example", "evil.example", ""),
        ] {
            for (path, body) in
                [("forgot", json!({ "email": email })), ("register", json!({ "email": "eve@example.com", "password": PASSWORD }))]
            {
                let body = body.to_string();
                let request = format!(
                    "POST {target}/auth/v1/auth/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
                    body.len()
                );
                let reply = raw(&door.stage.server.address, request.as_bytes()).unwrap();
                assert!(!reply.body.contains("evil"), "{reply:?}");
                assert!([202, 400, 403].contains(&reply.status), "{host} {headers}: {reply:?}");
                sent += usize::from(reply.status == 202);
            }
        }
        assert!(sent >= 10, "{sent}");
        let links = crate::support::eventually("the links", || {
            let links = [door.links(email), door.links("eve@example.com")].concat();
            (links.len() == sent).then_some(links)
        });
        assert!(links.iter().all(|link| link.starts_with(begin) && !link.contains("evil")), "{links:?}");
    }
}

/// A link that was sent works at the page that it leads to, whatever the prefix.
#[test]
fn a_page_lies_below_the_prefix() {
    let door = Door::with(&format!("[server]\nprefix = \"/own\"\n[sign_in]\nbase_path = \"/api/v2\"\n{NOT_AT_GATE}"));
    let register = Request::post("/api/v2/auth/register", &json!({ "email": "ada@example.com", "password": PASSWORD }));
    door.stage.server.send(&register).expect(202);
    let token = door.token("ada@example.com", 1);
    let reply = page(get(&door, &format!("/own/verify?token={token}")), 200, "<button");
    // Relative: a proxy may have taken a part of the path away.
    assert!(reply.body.contains("action=\"verify\"") && reply.body.contains("href=\"./dashboard.css?v="), "{reply:?}");
    get(&door, "/own/dashboard.css").expect(200);
    let set = page(form(&door, "/own/verify", &format!("token={token}")), 200, "confirmed").header("Set-Cookie").unwrap();
    assert!(set.contains("Path=/api/v2") && set.contains("HttpOnly") && set.contains("Secure"), "{set}");
    let login = Request::post("/api/v2/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD }));
    Session::of(&door.stage.server.send(&login));
}

/// Where nobody signs in, there are none of these pages, nor of the paths.
#[test]
fn where_nobody_signs_in() {
    let door = Door::with("[sign_in]\nenabled = false\n");
    for path in ["/auth/v1/auth/login", "/auth/v1/auth/register", "/auth/v1/auth/forgot"] {
        let reply = door.stage.server.send(&Request::post(path, &json!({ "email": "a@example.com", "password": PASSWORD })));
        assert_eq!(reply.status, 404, "{reply:?}");
    }
    for path in ["/auth/verify?token=x", "/auth/reset?token=x"] {
        assert_eq!(get(&door, path).status, 404, "{path}");
        assert_eq!(form(&door, path.split('?').next().unwrap(), "token=x&password=x").status, 404, "{path}");
    }
}

#[test]
fn a_page_says_who_it_is_of_and_takes_no_more_tries_than_the_path() {
    let door = Door::with(&format!("[sign_in]\nname = \"Ada & Sons\"\n{NOT_AT_GATE}"));
    page(get(&door, "/auth/verify?token=x"), 200, "ada &amp; sons");
    // Wrong tokens are told alike by both.
    refused(&door.verify("x"), 401, "unknown");
    let (one, other) = (form(&door, "/auth/verify", "token=x"), form(&door, "/auth/verify", "token=yyyy"));
    assert_eq!(bare(&one), bare(&other));
}

/// Whose link it is stands there as in the mail; of a link that counts no more nobody learns anything.
#[test]
fn a_page_says_whose_link_it_is() {
    let door = Door::with(NOT_AT_GATE);
    let (ada, long) = ("ada@example.com", "N".repeat(200));
    door.register(&json!({ "email": ada, "password": PASSWORD, "name": long })).expect(202);
    door.register(&json!({ "email": "eve@example.com", "password": PASSWORD, "name": "Eve https://evil.example <b>" })).expect(202);
    let verify = format!("/auth/verify?token={}", door.token(ada, 1));
    let asked = page(get(&door, &verify), 200, "ada@example.com");
    assert!(asked.body.contains("has registered with it at 20") && asked.body.contains(&"N".repeat(64)), "{asked:?}");
    assert!(!asked.body.contains(&"N".repeat(65)) && !asked.body.contains("eve@"), "{asked:?}");
    let of_eve = page(get(&door, &format!("/auth/verify?token={}", door.token("eve@example.com", 1))), 200, "eve@example.com");
    assert!(!of_eve.body.contains("https://evil") && !of_eve.body.contains("<b>"), "a name is no link: {of_eve:?}");
    // Several have registered: the field tells a password manager which entry it is.
    door.register(&json!({ "email": ada, "password": OTHER, "name": "Mallory" })).expect(202);
    let own = "autocomplete=\"username\" readonly value=\"ada@example.com\"";
    page(get(&door, &verify), 200, own);
    page(form(&door, "/auth/verify", &format!("token={}&password={}", door.token(ada, 1), PASSWORD.replace(' ', "+"))), 200, "confirmed");
    door.forgot(ada).expect(202);
    let (token, earlier) = (door.token(ada, 3), door.token(ada, 2));
    let reset = format!("/auth/reset?token={token}");
    let asked = page(get(&door, &reset), 200, own);
    assert!(asked.body.contains("minlength=\"8\"") && asked.body.contains("You will be signed out"), "{asked:?}");
    let weak = page(form(&door, "/auth/reset", &format!("token={token}&password=password123")), 400, own);
    assert!(!weak.body.contains("..") && weak.body.contains("<title>Error: ") && weak.body.contains("aria-describedby=\"fault hint\""));
    // Each at its own page alone; used, altered or expired ones nowhere.
    let altered = format!("{token}x");
    let dead = |paths: &[String]| {
        for path in paths {
            let told = page(get(&door, path), 200, "<form");
            assert!(!["ada", "registered", "readonly", "Mallory"].iter().any(|never| told.body.contains(never)), "{path}: {told:?}");
        }
    };
    dead(&[
        verify,
        format!("/auth/verify?token={token}"),
        format!("/auth/reset?token={earlier}"),
        format!("/auth/verify?token={earlier}"),
        format!("/auth/reset?token={altered}"),
    ]);
    door.alter("UPDATE proofs SET expires_at = created_at + 1");
    dead(&[reset]);
}

#[test]
fn what_is_done_leads_on() {
    for (app, says) in [("", None), ("[sign_in.links]\napp = \"https://app.example.com/in\"\n", Some("https://app.example.com/in"))] {
        let door = Door::with(&format!("[sign_in]\nname = \"A & B\"\n{app}{NOT_AT_GATE}"));
        door.register(&json!({ "email": "ada@example.com", "password": PASSWORD })).expect(202);
        let press = |path: &str, token: &str| form(&door, path, &format!("token={token}&password={}", OTHER.replace(' ', "+")));
        let token = door.token("ada@example.com", 1);
        let confirmed = page(press("/auth/verify", &token), 200, "confirmed");
        let again = page(press("/auth/verify", &token), 401, "if your address is confirmed already, sign in");
        door.forgot("ada@example.com").expect(202);
        let token = door.token("ada@example.com", 2);
        let set = page(press("/auth/reset", &token), 200, "your password is set");
        let gone = page(press("/auth/reset", &token), 401, "ask for a new one");
        assert!(!gone.body.contains("confirmed already"), "{gone:?}");
        let broken = page(get(&door, "/auth/reset?token=abc%3E"), 400, "not whole");
        for told in [confirmed, again, set, gone, broken] {
            assert_eq!(told.body.contains("Go on to A &amp; B</a>"), says.is_some(), "{told:?}");
            assert_eq!(told.body.contains("href=\"https://app.example.com/in\""), says.is_some(), "{told:?}");
        }
    }
}
