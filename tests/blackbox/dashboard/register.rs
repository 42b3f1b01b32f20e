//! Registering, and setting a forgotten password, in a browser: by mail and by SMS, alike for known and unknown addresses.

use serde_json::json;

use crate::sign_in::door::{Door, NOT_AT_GATE, PASSWORD};
use crate::sign_in::post::bare;
use crate::support::browser::{Browser, Page};
use crate::support::http::raw;
use crate::support::{Reply, Request};

const PHONE: &str = "+4915112345678";
const OTHER: &str = "another fine passphrase of mine";

fn door(more: &str) -> Door {
    Door::with(&format!("{more}{NOT_AT_GATE}"))
}

/// Fills the form of a page in, and sends it.
#[track_caller]
fn sent(browser: &mut Browser<'_>, page: &str, typed: &[(&str, &str)]) -> Page {
    let form = browser.open(&format!("/auth/{page}")).says(200, "<form");
    browser.send(&form, page, typed)
}

#[test]
fn a_mail_brings_somebody_in() {
    let door = door("");
    let mut browser = Browser::new(&door.stage);
    let page = browser.open("/auth/").says(200, "New here?");
    assert!(page.links().contains(&"/auth/register".to_owned()) && page.links().contains(&"/auth/forgot".to_owned()), "{page:?}");
    let typed = [("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD)];
    let page = sent(&mut browser, "register", &typed).says(202, "Look into your mail").says_not(PASSWORD);
    assert!(page.reply.body.contains("ada@example.com") && browser.cookies.is_empty());
    assert_eq!(door.count("users"), 0, "nobody before the proof");
    let page = browser.open(&format!("/auth/verify?token={}", door.token("ada@example.com", 1))).says(200, "is yours").says_not("<script");
    let page = browser.send(&page, "verify", &[]).says(200, "Welcome, Ada");
    let start = page.links().into_iter().find(|link| link == "/auth/").expect("a way to the dashboard");
    browser.open(&start).says(200, "API keys").says(200, "Sign out");
    assert_eq!(browser.path, "/auth/keys");
}

#[test]
fn a_forgotten_password_is_set_anew() {
    let door = door("");
    let user = door.user("ada");
    let mut browser = Browser::new(&door.stage);
    sent(&mut browser, "forgot", &[("email", " ada@example.com ")]).says(202, "Look into your mail");
    let page = browser.open(&format!("/auth/reset?token={}", door.token(&user.email, 1))).says(200, "New password");
    let page = browser.send(&page, "reset", &[("password", OTHER)]).says(200, "Your password is set");
    assert!(browser.cookies.is_empty() && page.links().contains(&"/auth/sign-in".to_owned()), "one signs in with it: {page:?}");
    let page = browser.open("/auth/sign-in");
    browser.send(&page, "sign-in", &[("who", &user.email), ("password", OTHER)]).says(200, "Sign out");
}

#[test]
fn a_code_does_both_for_a_number() {
    let door = door("[sign_in]\ncountry = \"DE\"\n");
    let mut browser = Browser::new(&door.stage);
    let asked = sent(&mut browser, "register", &[("email", "0151 12345678"), ("password", PASSWORD)]).says(202, "Enter the code");
    let code = door.code(PHONE, 1);
    for (typed, status, says) in [("12", 400, "six digits"), (&*door.wrong_code(PHONE), 401, "is not right"), ("", 400, "six digits")] {
        let wrong = browser.send(&asked, "register/code", &[("code", typed)]).says(status, says);
        assert!(wrong.reply.body.contains("<title>Error: ") && browser.cookies.is_empty(), "{wrong:?}");
        assert_eq!(wrong.form("register/code").fields[0], ("phone".to_owned(), "0151 12345678".to_owned()));
    }
    let page = browser.send(&asked, "register/code", &[("code", &format!(" {code} "))]).says(200, "Sign out");
    assert_eq!(page.path, "/auth/keys");
    let mut browser = Browser::new(&door.stage);
    let asked = sent(&mut browser, "forgot", &[("email", "0151 12345678")]).says(202, "Enter the code");
    let code = door.code(PHONE, 2);
    browser.send(&asked, "forgot/code", &[("code", &code), ("password", "short")]).says(400, "at least 8").says_not("short\"");
    browser.send(&asked, "forgot/code", &[("code", &code), ("password", OTHER)]).says(200, "Your password is set. Sign in with it.");
    let page = browser.open("/auth/sign-in");
    browser.send(&page, "sign-in", &[("who", "0151 12345678"), ("password", OTHER)]).says(200, "Sign out");
}

/// Signing in sends nothing to a registration that waits: whoever has made one registers again.
#[test]
fn who_waits_for_a_code_gets_another_by_registering_again() {
    let germany = "[sign_in]\ncountry = \"DE\"\n";
    for (is_open, more) in [(true, ""), (false, "registration = false\n")] {
        let door = door(&format!("{germany}{more}"));
        let mut browser = Browser::new(&door.stage);
        match is_open {
            true => drop(sent(&mut browser, "register", &[("email", PHONE), ("password", PASSWORD)]).says(202, "Enter the code")),
            false => drop(door.stage.post("/users", &json!({ "phone": PHONE, "password": PASSWORD })).expect(201)),
        }
        let asked = sent(&mut browser, "sign-in", &[("who", PHONE), ("password", PASSWORD)]).says(403, "newest code");
        let way = asked.links().into_iter().find(|link| link == "/auth/register");
        assert_eq!(way.is_some(), is_open, "{asked:?}");
        if let Some(way) = way {
            assert_eq!(door.letters(PHONE).len(), 1, "signing in has sent none");
            let page = browser.open(&way).says(200, "<form");
            let asked = browser.send(&page, "register", &[("email", PHONE), ("password", PASSWORD)]).says(202, "Enter the code");
            browser.send(&asked, "register/code", &[("code", &door.code(PHONE, 2))]).says(200, "Sign out");
        }
    }
}

/// Whoever proves a number at sign-in goes on to where they wanted to, and nowhere else.
#[test]
fn a_number_that_is_proven_at_sign_in_leads_on() {
    for (next, place) in [("keys/new", "/auth/keys/new"), ("//evil.example", "/auth/keys")] {
        let door = door("[sign_in]\ncountry = \"DE\"\n");
        door.stage.post("/users", &json!({ "phone": PHONE, "password": PASSWORD })).expect(201);
        let mut browser = Browser::new(&door.stage);
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = browser.open(&format!("/auth/sign-in?next={query}"));
        let asked = browser.send(&page, "sign-in", &[("who", PHONE), ("password", PASSWORD)]).says(403, "newest code");
        assert!(asked.links().contains(&format!("/auth/sign-in?next={query}")), "{asked:?}");
        let asked = browser.send(&asked, "register/code", &[("code", &door.wrong_code(PHONE))]).says(401, "is not right");
        let page = browser.send(&asked, "register/code", &[("code", &door.code(PHONE, 2))]).says(200, "Sign out");
        assert_eq!(page.path, place);
    }
}

/// What anybody can see of whether an address is known: nothing.
#[test]
fn known_and_unknown_addresses_are_answered_alike() {
    let door = door("[sign_in]\ncountry = \"DE\"\n");
    door.user("known");
    door.join_by_phone("+4915112345670", PASSWORD);
    let answer = |page: &str, address: &str| {
        let mut browser = Browser::new(&door.stage);
        let reply = sent(&mut browser, page, &[("email", address), ("password", PASSWORD), ("name", "Eve")]).says(202, "<h1>").reply;
        assert!(browser.cookies.is_empty());
        let (status, headers, body) = bare(&reply);
        let headers: Vec<_> = headers.into_iter().filter(|(name, _)| name != "content-length").collect();
        (status, headers, body.replace(address, "WHO"))
    };
    for page in ["register", "forgot"] {
        assert_eq!(answer(page, "known@example.com"), answer(page, "nobody@example.com"), "{page}");
        assert_eq!(answer(page, "015112345670"), answer(page, "015112345679"), "{page}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_field_and_what_was_typed_stays() {
    let door = door("");
    let mut browser = Browser::new(&door.stage);
    let evil = "\"><script>alert(1)</script>";
    for (typed, says) in [
        ([("name", "Ada"), ("email", "ada"), ("password", PASSWORD)], "id=\"email-fault\""),
        ([("name", "Ada"), ("email", "ada@example.com"), ("password", "password123")], "id=\"password-fault\""),
        ([("name", "Ada"), ("email", "ada@example.com"), ("password", "")], "id=\"password-fault\""),
        ([("name", "Ada"), ("email", ""), ("password", PASSWORD)], "id=\"email-fault\""),
        ([("name", evil), ("email", evil), ("password", evil)], "id=\"email-fault\""),
    ] {
        let page =
            sent(&mut browser, "register", &typed).says(400, says).says(400, "<title>Error: ").says_not("<script>").says_not("password123");
        for (name, text) in &typed[..2] {
            assert!(page.form("register").fields.contains(&((*name).to_owned(), (*text).to_owned())), "{page:?}");
        }
        assert!(page.form("register").fields.contains(&("password".to_owned(), String::new())), "it is not shown again");
    }
    sent(&mut browser, "forgot", &[("email", evil)]).says(400, "id=\"email-fault\"").says_not("<script>");
    let page = sent(&mut browser, "register", &[("email", "+4915112345678"), ("password", PASSWORD)]).says(202, "Enter the code");
    for action in ["register/code", "forgot/code"] {
        let body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs([("phone", evil), ("code", evil), ("password", evil)]).finish();
        let reply = door.stage.server.send(&browser.request("POST", &format!("/auth/{action}"), Some(&body)));
        Page { path: page.path.clone(), reply }.says(400, "role=\"alert\"").says_not("<script>alert");
    }
    assert_eq!(door.count("users"), 0);
}

/// Somebody whom the operator has made with a number: their password brings a code, and the code lets them in, also where nobody may
/// register.
#[test]
fn a_number_is_proven_where_somebody_signs_in() {
    let door = door("[sign_in]\nregistration = false\n");
    let (phone, email) = ("+4915112345678", "ada@example.com");
    door.stage.post("/users", &json!({ "phone": phone, "email": email, "password": PASSWORD, "name": "Ada" })).expect(201);
    let mut browser = Browser::new(&door.stage);
    let enter = |browser: &mut Browser<'_>, who: &str| {
        let page = browser.open("/auth/sign-in");
        browser.send(&page, "sign-in", &[("who", who), ("password", PASSWORD)])
    };
    enter(&mut browser, email).says(403, "open the newest link").says(403, "name=\"who\"");
    let page = enter(&mut browser, phone).says(403, "enter the newest code").says_not("mail");
    let page = browser.send(&page, "register/code", &[("code", &door.wrong_code(phone))]).says(401, "This code is not right");
    assert!(page.links().iter().any(|link| link.ends_with("sign-in")) && !page.reply.body.contains("href=\"register"), "{page:?}");
    browser.send(&page, "register/code", &[("code", &door.code(phone, 2))]).says(200, "API keys");
}

#[test]
fn where_nobody_may_register_there_is_no_form() {
    let door = door("[sign_in]\nregistration = false\n");
    let mut browser = Browser::new(&door.stage);
    let page = browser.open("/auth/sign-in").says(200, "Forgotten your password?").says_not("register");
    browser.open("/auth/register").says(404, "Nobody can register here").says_not("<form");
    let request = browser.request("POST", "/auth/register", Some("email=eve%40example.com&password=correct+horse+battery+staple"));
    let reply = door.stage.server.send(&request);
    Page { path: page.path, reply }.says(404, "Nobody can register here");
    assert!(door.links("eve@example.com").is_empty() && door.count("proofs") == 0);
}

#[test]
fn numbers_are_asked_for_only_where_they_are_taken() {
    let door = door("[mail]\nsmtp_url = \"smtp://127.0.0.1:1\"\nfrom = \"api@example.com\"\n");
    let mut browser = Browser::new(&door.stage);
    for page in ["sign-in", "register", "forgot"] {
        browser.open(&format!("/auth/{page}")).says(200, ">E-mail<").says_not("phone");
    }
    for page in ["register", "forgot"] {
        sent(&mut browser, page, &[("email", "+4915112345678"), ("password", PASSWORD)]).says(400, "id=\"email-fault\"");
    }
}

#[test]
fn another_site_sends_no_form() {
    let door = door("");
    let user = door.user("ada");
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("email", user.email.as_str()), ("phone", PHONE), ("code", "123456"), ("password", OTHER)])
        .finish();
    for path in ["register", "register/code", "forgot", "forgot/code", "sign-in", "verify", "reset", "invitation", "second-factor"] {
        for (header, value) in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
            let request = Request::new("POST", &format!("/auth/{path}")).header("Content-Type", "application/x-www-form-urlencoded");
            let reply = door.stage.server.send(&request.header(header, value).body(body.as_bytes()));
            assert!(reply.status == 403 && reply.header("Set-Cookie").is_none(), "{path} {header}: {reply:?}");
        }
    }
    assert_eq!(door.count("proofs"), 0);
}

#[test]
fn no_request_says_where_its_link_leads() {
    let door = door("[server]\npublic_url = \"https://api.example.com\"\n");
    let body = format!("email=ada%40example.com&password={}", PASSWORD.replace(' ', "+"));
    for (host, headers) in [
        ("evil.example", ""),
        ("api.example.com", "X-Forwarded-Host: evil.example\r\nX-Forwarded-Prefix: /evil\r\nForwarded: host=evil.example\r\n"),
    ] {
        let request = format!(
            "POST /auth/register HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let reply: Reply = raw(&door.stage.server.address, request.as_bytes()).unwrap();
        assert!(reply.status == 202 && !reply.body.contains("evil"), "{reply:?}");
    }
    door.token("ada@example.com", 2);
    let links = door.links("ada@example.com");
    assert!(links.iter().all(|link| link.starts_with("https://api.example.com/auth/verify?token=")), "{links:?}");
}

#[test]
fn too_much_is_told() {
    let door = door("[sign_in.throttle]\nregistered_by_address = \"1/1h\"\nsent_by_target = \"1/1h\"\n");
    let mut browser = Browser::new(&door.stage);
    sent(&mut browser, "register", &[("email", "ada@example.com"), ("password", PASSWORD)]).says(202, "Look into");
    sent(&mut browser, "register", &[("email", "eve@example.com"), ("password", PASSWORD)]).says(429, "Too many tries. Try again in");
}

#[test]
fn a_page_with_its_style_sheet_weighs_little() {
    let door = door("[sign_in.agreement]\nversion = \"1\"\nurl = \"https://example.com/terms\"\n");
    let mut browser = Browser::new(&door.stage);
    let sheet = door.stage.server.send(&Request::get("/auth/dashboard.css")).expect(200).body.len();
    door.register(&json!({ "email": "ada@example.com", "password": PASSWORD })).expect(202);
    let verify = format!("verify?token={}", door.token("ada@example.com", 1));
    for page in ["sign-in", "register", "forgot", "reset?token=x", &verify] {
        let page = browser.open(&format!("/auth/{page}")).says(200, "<form");
        assert!(page.reply.body.len() + sheet < 30_000, "{} weighs {} + {sheet}", page.path, page.reply.body.len());
    }
    browser.open("/auth/register").says(200, "Developer Agreement").says(200, "href=\"https://example.com/terms\"");
}
