//! The page that asks for the code of a second factor: after a mailed link, and on the way back from a provider.

use serde_json::json;

use super::browser::{Browser, By, ORIGIN, link};
use super::door::{Door, NOT_AT_GATE, User, cookie};
use super::pages::page;
use super::providers::with_google;
use super::second_factor::{Authenticator, Guarded, forget_steps, guard, guarded};
use crate::support::provider::FakeProvider;
use crate::support::server::text;
use crate::support::{Reply, Request};

/// A server behind a proxy that takes this away.
fn door(mount: &str, more: &str) -> Door {
    Door::with(&format!("[server]\npublic_url = \"{ORIGIN}{mount}\"\n{more}{NOT_AT_GATE}"))
}

/// Somebody with a second factor whose address is to be confirmed again, and the link for it.
fn unconfirmed(door: &Door) -> (Guarded, String) {
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": super::door::PASSWORD, "verified": false });
    let made = door.stage.post("/users", &body).expect(201).json();
    let token = door.token("ada@example.com", 1);
    door.alter("UPDATE users SET email_verified_at = 1");
    let user = User { id: made["id"].as_i64().unwrap(), email: "ada@example.com".into(), account: text(&made["account"]) };
    let ada = guard(door, user);
    door.alter("UPDATE users SET email_verified_at = NULL");
    door.alter("UPDATE sessions SET ended_at = 1");
    (ada, token)
}

/// Presses the button of a link, and goes on to the page for the code.
#[track_caller]
fn pressed(browser: &mut Browser<'_>, mount: &str, token: &str) -> Reply {
    let asked = page(browser.open(&format!("{mount}/auth/verify?token={token}"), By::Other), 200, "<button");
    let sent_on = browser.press(&asked, "verify", &[]).expect(303);
    assert_eq!(sent_on.header("Location").as_deref(), Some(&*format!("{mount}/auth/second-factor")));
    assert!(browser.cookie("refresh_token").is_none(), "{sent_on:?}");
    assert_eq!(browser.path_of("sign_in_waiting").as_deref(), Some(&*format!("{mount}/auth")));
    page(browser.follow(&sent_on, By::Own), 200, "your address is confirmed")
}

fn open_sessions(door: &Door) -> i64 {
    door.count("sessions WHERE ended_at IS NULL")
}

#[test]
fn after_a_link_it_signs_in() {
    for mount in ["", "/api", "/a/b"] {
        let door = door(mount, "");
        let (ada, token) = unconfirmed(&door);
        let mut browser = Browser::new(&door.stage.server, mount);
        let form = pressed(&mut browser, mount, &token);
        assert!(form.body.contains("autocomplete=\"one-time-code\"") && !form.body.contains("inputmode"), "recovery codes have letters");
        let kept = browser.cookie("sign_in_waiting").unwrap();
        assert!(!form.body.contains(&kept) && !form.body.contains(&token), "{form:?}");
        // Looking at it again does no harm.
        page(browser.open("second-factor", By::Own), 200, "<form");
        for (code, status, says) in [("", 400, "six digits"), ("12345", 400, "six digits"), (&*ada.app.wrong(), 401, "is not right")] {
            let again = page(browser.press(&form, "second-factor", &[("code", code)]), status, says);
            assert!(again.body.contains("role=\"alert\"") && again.body.contains("action=\"second-factor\""), "{again:?}");
            assert!(browser.cookie("refresh_token").is_none() && open_sessions(&door) == 0);
        }
        let done = page(browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]), 200, "welcome, ada");
        assert!(!done.body.contains("eyJ"));
        assert!(browser.cookie("sign_in_waiting").is_none());
        assert_eq!(browser.path_of("refresh_token").as_deref(), Some(&*format!("{mount}/auth/v1")));
        assert!(door.refreshes(&browser.cookie("refresh_token").unwrap()));
        // The wait is over, whoever kept what.
        page(browser.open("second-factor", By::Own), 401, "sign in again");
        page(browser.press(&form, "second-factor", &[("code", &ada.recovery_codes[0])]), 401, "sign in again");
        page(Browser::new(&door.stage.server, mount).open(&format!("{mount}/auth/second-factor"), By::Other), 401, "sign in again");
        assert_eq!(open_sessions(&door), 1);
        let counted = [("second_factor_needed", 1), ("bad_request", 2), ("unknown", 2), ("ok", 2)];
        super::providers::sign_ins(&door.stage, &counted);
    }
}

#[test]
fn five_wrong_codes_end_the_wait() {
    let door = door("", "");
    let (ada, token) = unconfirmed(&door);
    let mut browser = Browser::new(&door.stage.server, "");
    let form = pressed(&mut browser, "", &token);
    for tried in 1..=5 {
        let says = if tried < 5 { "is not right" } else { "sign in again" };
        page(browser.press(&form, "second-factor", &[("code", &ada.app.wrong())]), 401, says);
    }
    page(browser.press(&form, "second-factor", &[("code", &ada.recovery_codes[0])]), 401, "sign in again");
    assert_eq!(open_sessions(&door), 0);
}

#[test]
fn a_recovery_code_does_too() {
    let door = door("", "");
    let (ada, token) = unconfirmed(&door);
    let mut browser = Browser::new(&door.stage.server, "");
    let form = pressed(&mut browser, "", &token);
    // As somebody types it.
    let typed = ada.recovery_codes[0].to_uppercase();
    page(browser.press(&form, "second-factor", &[("code", &typed)]), 200, "welcome, ada");
    assert_eq!(open_sessions(&door), 1);
}

#[test]
fn too_many_tries_are_told_with_when_to_come_back() {
    let door = door("", "[sign_in.throttle]\nwrong_by_address = \"2/10m\"\nwrong_when_familiar = \"2/10m\"\n");
    let (ada, token) = unconfirmed(&door);
    let mut browser = Browser::new(&door.stage.server, "");
    let form = pressed(&mut browser, "", &token);
    for _ in 0..2 {
        page(browser.press(&form, "second-factor", &[("code", &ada.app.wrong())]), 401, "is not right");
    }
    let told = page(browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]), 429, "too many tries");
    assert!((1..=600).contains(&told.number("Retry-After").unwrap()), "{told:?}");
    assert_eq!(open_sessions(&door), 0);
}

#[test]
fn nobody_else_enters_the_code() {
    let door = door("", "");
    let (ada, token) = unconfirmed(&door);
    let mut browser = Browser::new(&door.stage.server, "");
    let form = pressed(&mut browser, "", &token);
    let kept = browser.cookie("sign_in_waiting").unwrap();
    // A page of another site, with the very cookie.
    for (header, value) in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        let request = Request::new("POST", "/auth/second-factor").header("Content-Type", "application/x-www-form-urlencoded");
        let request = request.header("Cookie", &format!("sign_in_waiting={kept}")).header(header, value);
        let reply = door.stage.server.send(&request.body(format!("code={}", ada.app.code(0)).as_bytes())).expect(403);
        assert!(reply.header("Set-Cookie").is_none());
    }
    // What nobody sealed, or was sealed as something else, is nothing.
    for forged in ["", "AAAA", &kept[1..], &format!("{kept}A"), "tgr_x"] {
        browser.forge("sign_in_waiting", forged);
        page(browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]), 401, "sign in again");
    }
    assert_eq!(open_sessions(&door), 0);
    // Whoever was switched off meanwhile is told so.
    browser.take(&Reply {
        status: 200,
        headers: vec![("set-cookie".into(), format!("sign_in_waiting={kept}; HttpOnly; Secure; Path=/auth"))],
        body: String::new(),
    });
    door.stage.patch(&format!("/users/{}", ada.user.id), &json!({ "disabled": true })).expect(200);
    let told = browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]);
    assert!([401, 403].contains(&told.status), "{told:?}");
    assert_eq!(open_sessions(&door), 0);
}

/// A new address is confirmed by whoever is signed in already: nobody is asked for a code, and nobody signed in.
#[test]
fn a_change_of_address_asks_for_none() {
    let door = door("", "");
    let ada = guarded(&door, "ada");
    let change = json!({ "email": "new@example.com", "current_password": super::door::PASSWORD });
    door.change(&ada.session, &change).expect(200);
    let mut browser = Browser::new(&door.stage.server, "");
    let asked = browser.open(&format!("/auth/verify?token={}", door.token("new@example.com", 1)), By::Other);
    page(browser.press(&asked, "verify", &[]), 200, "your address is confirmed");
    assert!(browser.cookie("refresh_token").is_none() && browser.cookie("sign_in_waiting").is_none());
    // Nor is it counted as one.
    super::providers::sign_ins(&door.stage, &[("ok", 1)]);
}

#[test]
fn on_the_way_back_from_a_provider() {
    for mount in ["", "/api"] {
        let provider = FakeProvider::start();
        let door = with_google(&provider, mount, "");
        let ada = guarded(&door, "ada");
        let start = format!("{mount}/auth/v1/auth/google/start?return_to={mount}/keys%3Fpage=2");
        let come_back = |browser: &mut Browser<'_>| {
            let sent = browser.open(&start, By::Own).expect(303);
            let back = provider.authorize(&sent.header("Location").unwrap());
            browser.open(&back, By::Other)
        };
        let mut browser = Browser::new(&door.stage.server, mount);
        let sent_on = come_back(&mut browser).expect(303);
        assert_eq!(sent_on.header("Location").as_deref(), Some(&*format!("{mount}/auth/second-factor")));
        assert!(browser.cookie("refresh_token").is_none() && browser.begun() == 0);
        let form = page(browser.follow(&sent_on, By::Other), 200, "authenticator app");
        assert!(!form.body.contains("address is confirmed") && !form.body.contains("page=2"), "{form:?}");
        page(browser.press(&form, "second-factor", &[("code", &ada.app.wrong())]), 401, "is not right");
        let done = browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]).expect(303);
        assert_eq!(done.header("Location").as_deref(), Some(&*format!("{mount}/keys?page=2")));
        assert_eq!(browser.path_of("refresh_token").as_deref(), Some(&*format!("{mount}/auth/v1")));
        assert!(door.refreshes(&browser.cookie("refresh_token").unwrap()));
        // Too late: the way on begins anew, and to the same page.
        forget_steps(&door);
        let mut browser = Browser::new(&door.stage.server, mount);
        let sent_on = come_back(&mut browser).expect(303);
        let form = browser.follow(&sent_on, By::Other).expect(200);
        door.alter("UPDATE proofs SET expires_at = 1 WHERE purpose = 'second_factor' AND used_at IS NULL");
        let late = page(browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]), 401, "sign in again");
        let again = link(&late, "Sign in again");
        assert!(
            again.starts_with(&format!("{mount}/auth/v1/auth/google/start?return_to=")) && again.ends_with("keys%3Fpage%3D2"),
            "{again}"
        );
        browser.open(&again, By::Own).expect(303);
        super::providers::sign_ins(&door.stage, &[("second_factor_needed", 2), ("unknown", 2), ("ok", 2)]);
    }
}

/// What is no browser is told as by every other way in.
#[test]
fn a_program_is_told_as_before() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "");
    let ada = guarded(&door, "ada");
    let start = door.stage.server.send(&Request::get("/auth/v1/auth/google/start")).expect(303);
    let back = provider.authorize(&start.header("Location").unwrap());
    let begun = start.header("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
    let reply = door.stage.server.send(&Request::get(back.strip_prefix(ORIGIN).unwrap()).header("Cookie", &begun)).expect(403);
    assert_eq!(reply.verdict(), "second_factor_needed");
    let app: &Authenticator = &ada.app;
    door.post_with("/auth/second-factor", &cookie(&reply), &json!({ "code": app.code(0) })).expect(200);
}
