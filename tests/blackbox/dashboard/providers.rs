//! Signing in by others from the dashboard's own page, and back onto it: let in, asked for the code, or told why not.

use serde_json::json;

use crate::sign_in::browser::{Browser, By, link};
use crate::sign_in::door::{Door, PASSWORD};
use crate::sign_in::providers::{sign_ins, with_google};
use crate::sign_in::second_factor::guarded;
use crate::support::Reply;
use crate::support::provider::{FakeProvider, Twist};

/// Goes to the provider from the sign-in page; the address that it sends the browser back to.
#[track_caller]
fn there(browser: &mut Browser<'_>, provider: &FakeProvider, mount: &str, next: &str) -> String {
    let page = browser.open(&format!("{mount}/auth/sign-in?next={next}"), By::Own).expect(200);
    assert!(!page.body.contains("house"), "its callback is not registered: {page:?}");
    let sent = browser.open(&link(&page, "Sign in with Google"), By::Own).expect(303);
    provider.authorize(&sent.header("Location").expect("it leads there"))
}

fn leads(reply: &Reply) -> String {
    reply.header("Location").unwrap_or_else(|| panic!("it leads nowhere: {reply:?}"))
}

#[test]
fn somebody_comes_back_onto_the_page_that_they_wanted() {
    for mount in ["", "/api"] {
        let provider = FakeProvider::start();
        let door = with_google(&provider, mount, "");
        let mut browser = Browser::new(&door.stage.server, mount);
        let back = there(&mut browser, &provider, mount, "keys%2Fnew");
        let reply = browser.open(&back, By::Other).expect(303);
        assert_eq!(leads(&reply), format!("{mount}/auth/keys/new"));
        assert_eq!(browser.path_of("dashboard").as_deref(), Some(&*format!("{mount}/auth")));
        assert_eq!(browser.path_of("refresh_token").as_deref(), Some(&*format!("{mount}/auth/v1")));
        assert_eq!(browser.begun(), 0);
        let page = browser.follow(&reply, By::Other).expect(200);
        assert!(page.body.contains("New key") && page.body.contains("Ada Lovelace"), "{page:?}");
        assert_eq!(door.count("sessions"), 1);
    }
}

#[test]
fn the_second_factor_comes_between() {
    for mount in ["", "/api"] {
        let provider = FakeProvider::start();
        let door = with_google(&provider, mount, "");
        let ada = guarded(&door, "ada");
        let mut browser = Browser::new(&door.stage.server, mount);
        let back = there(&mut browser, &provider, mount, "keys%2Fnew");
        let reply = browser.open(&back, By::Other).expect(303);
        assert_eq!(leads(&reply), format!("{mount}/auth/second-factor"));
        assert!(browser.cookie("dashboard").is_none() && browser.cookie("refresh_token").is_none());
        let form = browser.follow(&reply, By::Other).expect(200);
        browser.press(&form, "second-factor", &[("code", &ada.app.wrong())]).expect(401);
        assert!(browser.cookie("dashboard").is_none());
        let reply = browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]).expect(303);
        assert_eq!(leads(&reply), format!("{mount}/auth/keys/new"));
        browser.follow(&reply, By::Own).expect(200);
    }
}

/// By the one page that there is for it, and where it takes too long back to where one began.
#[test]
fn after_a_password_it_is_the_same_page() {
    let door = with_google(&FakeProvider::start(), "/api", "");
    let ada = guarded(&door, "ada");
    let enter = |browser: &mut Browser<'_>| {
        let page = browser.open("/api/auth/sign-in?next=keys%2Fnew", By::Own).expect(200);
        let reply = browser.press(&page, "./sign-in", &[("who", "ada@example.com"), ("password", PASSWORD)]).expect(303);
        assert_eq!(leads(&reply), "/api/auth/second-factor");
        assert!(browser.cookie("dashboard").is_none());
        browser.follow(&reply, By::Own).expect(200)
    };
    let mut browser = Browser::new(&door.stage.server, "/api");
    let form = enter(&mut browser);
    let reply = browser.press(&form, "second-factor", &[("code", &ada.app.code(0))]).expect(303);
    assert_eq!(leads(&reply), "/api/auth/keys/new");
    browser.follow(&reply, By::Own).expect(200);
    let mut browser = Browser::new(&door.stage.server, "/api");
    let form = enter(&mut browser);
    door.alter("UPDATE proofs SET expires_at = 1 WHERE purpose = 'second_factor' AND used_at IS NULL");
    let late = browser.press(&form, "second-factor", &[("code", &ada.recovery_codes[0])]).expect(401);
    assert_eq!(link(&late, "Sign in again"), "/api/auth/sign-in?next=keys%2Fnew");
    sign_ins(&door.stage, &[("second_factor_needed", 2), ("unknown", 1)]);
}

#[test]
fn whoever_is_refused_reads_why_on_the_sign_in_page() {
    type Scene = fn(&Door, &FakeProvider, &str) -> String;
    let state = |back: &str| back.split("state=").nth(1).unwrap_or_default().split('&').next().unwrap_or_default().to_owned();
    let cases: [(&str, Scene, &str); 5] = [
        ("", |_, _, state| format!("error=access_denied&error_description=secret-words&state={state}"), "You did not go on at Google"),
        ("", |_, _, state| format!("error=server_error&state={state}"), "Google did not confirm"),
        (
            "",
            |_, provider, state| {
                provider.twist(Twist::Dead);
                format!("code=x&state={state}")
            },
            "Google cannot be asked",
        ),
        ("[sign_in]\nregistration = false\n", |_, _, _| String::new(), "Nobody signs in here with this account of Google"),
        (
            "",
            |door, _, _| {
                let user = door.user("ada");
                door.stage.patch(&format!("/users/{}", user.id), &json!({ "disabled": true })).expect(200);
                String::new()
            },
            "is switched off",
        ),
    ];
    for (config, scene, says) in cases {
        let provider = FakeProvider::start();
        let door = with_google(&provider, "/api", config);
        let mut browser = Browser::new(&door.stage.server, "/api");
        let back = there(&mut browser, &provider, "/api", "keys%2Fnew");
        let query = scene(&door, &provider, &state(&back));
        let back = if query.is_empty() { back } else { format!("{}?{query}", back.split('?').next().unwrap_or_default()) };
        let reply = browser.open(&back, By::Other).expect(303);
        assert!(leads(&reply).starts_with("/api/auth/sign-in?refused="), "{reply:?}");
        let page = browser.follow(&reply, By::Other).expect(200);
        assert!(
            page.body.contains(says) && page.body.contains("role=\"alert\"") && !page.body.contains("secret-words"),
            "{says}: {page:?}"
        );
        // Another try leads to the same page.
        assert!(link(&page, "Sign in with Google").ends_with("return_to=%2Fapi%2Fauth%2Fkeys%2Fnew"), "{page:?}");
        assert!(browser.cookie("dashboard").is_none() && browser.cookie("refresh_token").is_none() && browser.begun() == 0);
        assert_eq!(door.count("sessions"), 0);
    }
}

/// An address says no more than which of our sentences it is.
#[test]
fn nobody_puts_words_onto_the_page() {
    let door = with_google(&FakeProvider::start(), "", "");
    let mut browser = Browser::new(&door.stage.server, "");
    for query in [
        "refused=%3Cscript%3E&by=google",
        "refused=unknown&by=%3Cscript%3E",
        "refused=unknown&by=Evil",
        "refused=unknown",
        "by=google",
        "refused=unknown&refused=denied&by=google",
    ] {
        let page = browser.open(&format!("/auth/sign-in?{query}"), By::Other).expect(200);
        assert!(!page.body.contains("role=\"alert\"") && !page.body.contains("<script>") && !page.body.contains("Evil"), "{page:?}");
    }
}

#[test]
fn nobody_is_sent_elsewhere_and_no_other_page_opens_the_dashboard() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "");
    for next in ["//evil.example", "https://evil.example/", "..%2Fapp", "/\\evil.example", "%252e%252e/app", "a%0d%0aX:%20y", "/auth/keys"]
    {
        let mut browser = Browser::new(&door.stage.server, "");
        let page = browser.open(&format!("/auth/sign-in?next={next}"), By::Own).expect(200);
        assert!(link(&page, "Sign in with Google").ends_with("return_to=%2Fauth%2F"), "{next}: {page:?}");
    }
    for (page, opens) in [
        ("/auth", true),
        ("/auth/keys?search=a", true),
        ("/auth?x=1", true),
        ("/authors", false),
        ("/app", false),
        ("/auth/../app", false),
        ("/auth/%2e%2e/app", false),
        ("/auth//evil", false),
        ("/auth/v1/user/me", false),
        ("/", false),
    ] {
        let mut browser = Browser::new(&door.stage.server, "");
        let page: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
        let sent = browser.open(&format!("/auth/v1/auth/google/start?return_to={page}"), By::Own).expect(303);
        let back = provider.authorize(&leads(&sent));
        browser.open(&back, By::Other).expect(303);
        assert!(browser.cookie("refresh_token").is_some());
        assert_eq!(browser.cookie("dashboard").is_some(), opens, "{page}");
    }
}
