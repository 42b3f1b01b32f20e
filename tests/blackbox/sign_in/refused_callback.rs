//! Somebody comes back from a provider and is not let in: a browser shows a page in plain words with a way on, a program is told by the
//! style, and nobody learns what the provider said.

use serde_json::json;

use super::browser::{Browser, By, link};
use super::door::Door;
use super::pages::page;
use super::providers::{sign_ins, with_google};
use crate::support::Request;
use crate::support::provider::{FakeProvider, Twist};

const START: &str = "/auth/v1/auth/google/start?return_to=/keys";

/// Goes there; the address that the provider sends the browser back to.
fn there(browser: &mut Browser<'_>, provider: &FakeProvider) -> String {
    let sent = browser.open(START, By::Own).expect(303);
    provider.authorize(&sent.header("Location").unwrap())
}

fn nobody_is_in(door: &Door, browser: &Browser<'_>) {
    assert!(browser.cookie("refresh_token").is_none());
    assert_eq!(door.count("sessions"), 0);
}

#[test]
fn whoever_does_not_want_to_goes_back_to_where_they_were() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "");
    let mut browser = Browser::new(&door.stage.server, "");
    let back = there(&mut browser, &provider);
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let denied = |state: &str| format!("/auth/v1/auth/google/callback?error=access_denied&error_description=secret-words&state={state}");
    // Only where this browser began it: else a link could lead there.
    let told = page(browser.open(&denied("x"), By::Other), 401, "you are not signed in");
    assert!(!told.body.contains("secret-words") && !told.body.contains("access_denied"), "{told:?}");
    let mut stranger = Browser::new(&door.stage.server, "");
    page(stranger.open(&denied(&state), By::Other), 401, "you are not signed in");
    let sent_back = browser.open(&denied(&state), By::Other).expect(303);
    assert_eq!(sent_back.header("Location").as_deref(), Some("/keys"));
    nobody_is_in(&door, &browser);
    assert_eq!(browser.begun(), 0);
    // Once: what was begun is over.
    page(browser.open(&denied(&state), By::Other), 401, "you are not signed in");
    // A program is told so.
    let start = door.stage.server.send(&Request::get(START)).expect(303);
    let state = start.header("Location").unwrap().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let begun = start.header("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
    let reply = door.stage.server.send(&Request::get(&denied(&state)).header("Cookie", &begun)).expect(401);
    assert_eq!(reply.verdict(), "unknown");
    sign_ins(&door.stage, &[("unknown", 5), ("ok", 0)]);
}

#[test]
fn what_is_wrong_is_a_page_with_a_way_on() {
    let config = "[sign_in]\nname = \"A & B\"\n";
    type Scene = fn(&Door, &FakeProvider, &mut Browser<'_>) -> String;
    let cases: [(&str, Scene, u16, &str, bool); 9] = [
        (
            "another browser",
            |_, provider, browser| {
                let back = there(browser, provider);
                browser.forge("sign_in_begun", "AAAA");
                back
            },
            401,
            "begun in another browser",
            true,
        ),
        (
            "another state",
            |_, provider, browser| there(browser, provider).replace("state=", "state=x"),
            401,
            "begun in another browser",
            true,
        ),
        ("nothing at all", |_, _, _| "/auth/v1/auth/google/callback".into(), 401, "begun in another browser", true),
        (
            "a fault there",
            |_, provider, browser| {
                let back = there(browser, provider);
                let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
                format!("/auth/v1/auth/google/callback?error=server_error&error_description=secret-words&state={state}")
            },
            401,
            "did not confirm",
            true,
        ),
        (
            "a forged word",
            |_, provider, browser| {
                let back = there(browser, provider);
                provider.twist(Twist::WrongKey);
                back
            },
            401,
            "did not confirm",
            true,
        ),
        (
            "a provider that is down",
            |_, provider, browser| {
                let back = there(browser, provider);
                provider.twist(Twist::Dead);
                back
            },
            503,
            "cannot be asked",
            true,
        ),
        (
            "what stands there twice",
            |_, provider, browser| format!("{}&state=twice", there(browser, provider)),
            400,
            "cannot be read",
            true,
        ),
        (
            "somebody who is switched off",
            |door, provider, browser| {
                let user = door.user("ada");
                door.stage.patch(&format!("/users/{}", user.id), &json!({ "disabled": true })).expect(200);
                there(browser, provider)
            },
            403,
            "to a &amp; b is switched off",
            false,
        ),
        ("a provider that there is not", |_, _, _| "/auth/v1/auth/oidc/nobody/callback?state=x".into(), 501, "not set up here", false),
    ];
    for (what, scene, status, says, has_way_on) in cases {
        let provider = FakeProvider::start();
        let door = with_google(&provider, "", config);
        let mut browser = Browser::new(&door.stage.server, "");
        let back = scene(&door, &provider, &mut browser);
        let told = page(browser.open(&back, By::Other), status, says);
        for never in ["secret-words", "server_error", "127.0.0.1", "signature", "&amp;amp;", "request_id"] {
            assert!(!told.body.contains(never), "{what}: {told:?}");
        }
        assert_eq!(told.body.contains("Try again"), has_way_on, "{what}: {told:?}");
        nobody_is_in(&door, &browser);
        if has_way_on {
            let again = link(&told, "Try again");
            assert!(again.starts_with("/auth/v1/auth/google/start?return_to=%2F"), "{what}: {again}");
            provider.twist(Twist::None);
            browser.open(&again, By::Own).expect(303);
        }
        // A program is told the same by the style.
        let verdict = match status {
            401 => "unknown",
            503 => continue,
            400 => "bad_request",
            403 => continue,
            _ => "not_configured",
        };
        let path = back.strip_prefix("https://api.example.com").unwrap_or(&back);
        assert_eq!(door.stage.server.send(&Request::get(path)).expect(status).verdict(), verdict, "{what}");
    }
}

#[test]
fn nobody_new_where_nobody_may_register() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "[sign_in]\nregistration = false\n");
    let mut browser = Browser::new(&door.stage.server, "");
    let back = there(&mut browser, &provider);
    let told = page(browser.open(&back, By::Other), 401, "cannot register by themselves");
    assert_eq!(link(&told, "Use another account"), "/auth/v1/auth/google/start?return_to=%2Fkeys");
    nobody_is_in(&door, &browser);
    assert_eq!(door.count("users"), 0);
    sign_ins(&door.stage, &[("unknown", 1), ("ok", 0)]);
    // Nor by an address that an operator wrote down with somebody who has proven another.
    let eve = door.user("eve");
    door.stage.patch(&format!("/users/{}", eve.id), &json!({ "email": "ada@example.com" })).expect(200);
    let back = there(&mut browser, &provider);
    page(browser.open(&back, By::Other), 401, "cannot register by themselves");
    assert_eq!(door.count("users"), 1);
    assert_eq!(door.stage.get(&format!("/users/{}", eve.id)).json()["email"], "ada@example.com");
}

#[test]
fn too_many_tries_and_a_beginning_that_fails() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "[sign_in.throttle]\nwrong_by_address = \"1/10m\"\n");
    let mut browser = Browser::new(&door.stage.server, "");
    provider.twist(Twist::WrongKey);
    for (status, says) in [(401, "you are not signed in"), (429, "try again in 10 minutes")] {
        let back = there(&mut browser, &provider);
        let told = page(browser.open(&back, By::Other), status, says);
        assert_eq!(told.header("Retry-After").is_some(), status == 429, "{told:?}");
    }
    // Nor does a beginning lead elsewhere, or tell more than that it cannot be.
    for (query, status) in [("?return_to=https://evil.example", 400), ("?return_to=//evil.example", 400), ("?next=/", 400)] {
        let told = page(browser.open(&format!("/auth/v1/auth/google/start{query}"), By::Own), status, "cannot be read");
        assert!(!told.body.contains("evil"), "{told:?}");
        assert_eq!(link(&told, "Try again"), "/auth/v1/auth/google/start?return_to=%2F");
    }
    page(browser.open("/auth/v1/auth/oidc/nobody/start", By::Own), 501, "not set up here");
    let provider = FakeProvider::start();
    provider.twist(Twist::Dead);
    let door = with_google(&provider, "", "");
    let told = page(Browser::new(&door.stage.server, "").open(START, By::Own), 503, "cannot be asked");
    assert_eq!(link(&told, "Try again"), START.replace("=/", "=%2F"));
}

#[test]
fn tabs_do_not_disturb_each_other() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "");
    let mut browser = Browser::new(&door.stage.server, "");
    let (first, second) = (there(&mut browser, &provider), there(&mut browser, &provider));
    for (tab, left) in [(&first, 1), (&second, 0)] {
        assert_eq!(browser.open(tab, By::Other).expect(303).header("Location").as_deref(), Some("/keys"));
        assert_eq!(browser.begun(), left);
    }
    assert_eq!(door.count("sessions"), 2);
    // Back, and once more: it is over, but whoever is signed in stays so.
    page(browser.open(&second, By::Other), 401, "whoever was signed in here before still is");
    assert!(door.refreshes(&browser.cookie("refresh_token").unwrap()));
    // One that is refused takes its own away, and no other.
    let (first, second) = (there(&mut browser, &provider), there(&mut browser, &provider));
    provider.twist(Twist::WrongKey);
    page(browser.open(&first, By::Other), 401, "did not confirm");
    assert_eq!(browser.begun(), 1);
    provider.twist(Twist::None);
    browser.open(&second, By::Other).expect(303);
}

#[test]
fn a_browser_keeps_a_few_and_forgets_the_oldest() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "");
    let mut browser = Browser::new(&door.stage.server, "");
    let begun: Vec<String> = (0..6).map(|_| there(&mut browser, &provider)).collect();
    assert_eq!(browser.begun(), 4);
    for (at, back) in begun.iter().enumerate() {
        let reply = browser.open(back, By::Other);
        assert_eq!(reply.status, if at < 2 { 401 } else { 303 }, "{at}: {reply:?}");
    }
    assert_eq!((browser.begun(), door.count("sessions")), (0, 4));
}
