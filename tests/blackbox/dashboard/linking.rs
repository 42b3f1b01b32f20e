//! Linking another sign-in from the profile: by whoever is signed in, in the browser and the session in which it began, and no other.

use crate::sign_in::browser::{Browser, By, link};
use crate::sign_in::door::{Door, NOT_AT_GATE, PASSWORD, User};
use crate::sign_in::providers::sign_ins;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider, Twist};
use crate::support::{Reply, Request};

const PAGE: &str = "/auth/profile/sign-ins";
/// What the cookies of those are called that have been begun.
const LINKING: &str = "sign_in_linking_";
const FORM: &str = "../profile/sign-ins/link";

/// Google is this provider, below this base path, behind a proxy that takes this away.
fn with_google(provider: &FakeProvider, mount: &str, base: &str) -> Door {
    let public = format!("https://api.example.com{mount}");
    Door::with(&format!(
        "[server]\npublic_url = \"{public}\"\n[sign_in]\nbase_path = \"{base}\"\n[sign_in.google]\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret = \"{CLIENT_SECRET}\"\nissuer = \"{}\"\nredirect_uris = [\"{public}{base}/auth/google/callback\"]\n{NOT_AT_GATE}",
        provider.issuer
    ))
}

fn usual() -> (FakeProvider, Door) {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "/auth/v1");
    (provider, door)
}

fn enter(browser: &mut Browser<'_>, mount: &str, user: &User) {
    let page = browser.open(&format!("{mount}/auth/sign-in"), By::Own).expect(200);
    browser.press(&page, "./sign-in", &[("who", &user.email), ("password", PASSWORD)]).expect(303);
}

/// A user by the name that they were made with.
fn named(name: &str) -> User {
    User { id: 0, email: format!("{name}@example.com"), account: String::new() }
}

/// Somebody who is signed in.
fn signed_in<'d>(door: &'d Door, mount: &str, user: &User) -> Browser<'d> {
    let mut browser = Browser::new(&door.stage.server, mount);
    enter(&mut browser, mount, user);
    browser
}

/// Goes to the provider from the profile; the address that it sends the browser back to.
#[track_caller]
fn there(browser: &mut Browser<'_>, provider: &FakeProvider, mount: &str) -> String {
    let page = browser.open(&format!("{mount}{PAGE}"), By::Own).expect(200);
    // No redirect: it would be one of the form, which is sent to this server alone.
    let sent = browser.press(&page, FORM, &[("provider", "google"), ("password", PASSWORD)]).expect(200);
    let refresh = sent.header("Refresh").expect("it goes on by itself");
    let href = link(&sent, "Go on");
    assert_eq!(refresh, format!("0; url={href}"));
    assert!(sent.header("Content-Security-Policy").is_some_and(|policy| policy.contains("form-action 'self'")));
    assert_eq!(sent.header("Referrer-Policy").as_deref(), Some("no-referrer"));
    provider.authorize(&href)
}

/// Comes back, and reads what came of it.
#[track_caller]
fn back(browser: &mut Browser<'_>, address: &str) -> Reply {
    let mut reply = browser.open(address, By::Other).expect(303);
    for _ in 0..4 {
        if reply.status != 303 {
            return reply.expect(200);
        }
        reply = browser.follow(&reply, By::Other);
        let shown = browser.at().to_owned();
        assert!(reply.status == 303 || !shown.contains("code="), "the code stands in the address of a page: {shown}");
    }
    panic!("it is sent on and on: {reply:?}");
}

fn linked(door: &Door, user: &User) -> i64 {
    door.count(&format!("identities WHERE user = {}", user.id))
}

#[test]
fn another_sign_in_is_linked_and_lets_its_user_in() {
    for (mount, base) in [("", "/auth/v1"), ("/api", "/auth/v1"), ("", "/elsewhere/v2")] {
        let provider = FakeProvider::start();
        let door = with_google(&provider, mount, base);
        let bo = door.user("bo");
        let mut browser = signed_in(&door, mount, &bo);
        let profile = browser.open(&format!("{mount}/auth/profile"), By::Own).expect(200);
        assert!(link(&profile, "Link one").ends_with("profile/sign-ins"));
        let address = there(&mut browser, &provider, mount);
        assert!(browser.kept(LINKING).len() == 1 && browser.begun() == 0);
        let page = back(&mut browser, &address);
        assert_eq!(browser.at(), format!("{mount}{PAGE}?done=linked"));
        for says in ["Linked. You can sign in with it from now on.", "Google", "ada@example.com"] {
            assert!(page.body.contains(says), "{says}: {page:?}");
        }
        // It is there: it is not offered again.
        assert!(!page.body.contains("Link Google"), "{page:?}");
        assert!(browser.kept(LINKING).is_empty());
        let audit = door.audit(&bo);
        assert!(audit.contains(&"identity.linked".to_owned()), "{audit:?}");
        // The one sign-in was the password's: nobody signed in by the provider, nor became anybody.
        sign_ins(&door.stage, &[("ok", 1)]);
        assert_eq!((door.count("users"), door.count("sessions"), linked(&door, &bo)), (1, 1, 1));
        let mut other = Browser::new(&door.stage.server, mount);
        let page = other.open(&format!("{mount}/auth/sign-in?next=profile"), By::Own).expect(200);
        let sent = other.open(&link(&page, "Sign in with Google"), By::Own).expect(303);
        let address = provider.authorize(&sent.header("Location").expect("it leads there"));
        let reply = other.open(&address, By::Other).expect(303);
        assert!(other.follow(&reply, By::Other).expect(200).body.contains(&bo.email));
        // Again: it is over.
        let page = browser.open(&format!("{mount}{PAGE}/google/linked?state=link-x&code=x"), By::Other).expect(303);
        assert!(page.header("Location").is_some_and(|place| place.contains("refused=unknown")));
    }
}

/// By nobody who does not show again who they are.
#[test]
fn it_begins_with_the_password_and_a_form_of_ones_own() {
    let (provider, door) = usual();
    let (bo, eve) = (door.user("bo"), door.user("eve"));
    let mut browser = signed_in(&door, "", &bo);
    let page = browser.open(PAGE, By::Own).expect(200);
    let google = ("provider", "google");
    for (password, told) in [("", "must be given"), ("wrong, and long", "is not your password")] {
        browser.open(PAGE, By::Own).expect(200);
        let reply = browser.press(&page, FORM, &[google, ("password", password)]).expect(400);
        assert!(reply.body.contains(told) && reply.header("Refresh").is_none(), "{reply:?}");
    }
    // A form of somebody else, and one of another site.
    let mut others = signed_in(&door, "", &eve);
    let theirs = others.open(PAGE, By::Own).expect(200);
    browser.open(PAGE, By::Own).expect(200);
    browser.press(&theirs, FORM, &[google, ("password", PASSWORD)]).expect(403);
    let cookie = format!("dashboard={}", browser.cookie("dashboard").expect("somebody is signed in"));
    let token = page.body.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let body = format!("form_token={token}&provider=google&password={}", PASSWORD.replace(' ', "+"));
    let form = |origin: &str| {
        let request = Request::new("POST", &format!("{PAGE}/link")).header("Cookie", &cookie).header("Origin", origin);
        door.stage.server.send(&request.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes()))
    };
    form("https://evil.example").expect(403);
    form("https://api.example.com").expect(200);
    assert_eq!(door.stage.server.send(&Request::get(&format!("{PAGE}/link"))).status, 405);
    // What cannot be begun is told on the page.
    browser.open(PAGE, By::Own).expect(200);
    let reply = browser.press(&page, FORM, &[("provider", "nobody"), ("password", PASSWORD)]).expect(303);
    assert!(reply.header("Location").is_some_and(|place| place.starts_with("/auth/profile/sign-ins?refused=not_configured")));
    let (unasked, door) = usual();
    unasked.twist(Twist::Dead);
    let mut browser = signed_in(&door, "", &door.user("bo"));
    let page = browser.open(PAGE, By::Own).expect(200);
    let reply = browser.press(&page, FORM, &[google, ("password", PASSWORD)]).expect(303);
    assert!(browser.follow(&reply, By::Own).expect(200).body.contains("Google cannot be asked right now"));
    drop(provider);
}

#[test]
fn whoever_has_no_password_has_signed_in_just_now() {
    let (provider, door) = usual();
    let bo = door.user("bo");
    let mut browser = signed_in(&door, "", &bo);
    door.alter(&format!("UPDATE users SET password = NULL WHERE id = {}", bo.id));
    door.alter("UPDATE sessions SET created_at = created_at - 700000");
    let page = browser.open(PAGE, By::Own).expect(200);
    let told = browser.press(&page, FORM, &[("provider", "google")]).expect(400);
    assert!(told.body.contains("sign in again, and do this within ten minutes"), "{told:?}");
    door.alter("UPDATE sessions SET created_at = created_at + 700000");
    let address = there(&mut browser, &provider, "");
    assert!(back(&mut browser, &address).body.contains("Linked."));
}

#[test]
fn what_is_not_theirs_is_linked_to_nobody() {
    type Scene = for<'s> fn(&'s Door, &mut Browser<'s>, &str) -> String;
    let unknown = "was begun in another browser";
    let cases: [(&str, Scene, &str); 9] = [
        ("another user's", |_, _, back| back.to_owned(), "This account of Google belongs to another user here."),
        (
            "another browser",
            |door, browser, back| {
                *browser = signed_in(door, "", &named("bo"));
                back.to_owned()
            },
            unknown,
        ),
        (
            "nobody's browser",
            |door, browser, back| {
                *browser = Browser::new(&door.stage.server, "");
                back.to_owned()
            },
            "Forgotten your password?",
        ),
        (
            "another session of the same browser",
            |_, browser, back| {
                enter(browser, "", &named("bo"));
                back.to_owned()
            },
            unknown,
        ),
        (
            "somebody else in the same browser",
            |_, browser, back| {
                enter(browser, "", &named("eve"));
                back.to_owned()
            },
            unknown,
        ),
        (
            "signed out meanwhile",
            |_, browser, back| {
                let page = browser.open("/auth/profile", By::Own).expect(200);
                browser.press(&page, "./sign-out", &[]).expect(303);
                back.to_owned()
            },
            "Forgotten your password?",
        ),
        (
            "ended elsewhere meanwhile",
            |door, _, back| {
                door.alter("UPDATE sessions SET ended_at = 1, ended_by = 'revoked'");
                back.to_owned()
            },
            unknown,
        ),
        (
            "forged",
            |_, browser, back| {
                browser.forge(LINKING, "AAAA");
                back.to_owned()
            },
            unknown,
        ),
        (
            "did not want to",
            |_, _, back| format!("{}&error=access_denied", back.replace("code=", "not=")),
            "You did not go on at Google: nothing has changed.",
        ),
    ];
    for (what, scene, says) in cases {
        let (provider, door) = usual();
        let (bo, eve) = (door.user("bo"), door.user("eve"));
        if what == "another user's" {
            let columns = "(provider, subject, user, label, created_at, used_at)";
            door.alter(&format!(
                "INSERT INTO identities {columns} VALUES ('{}', '248289761001', {}, 'ada', 1, 1)",
                provider.issuer, eve.id
            ));
        }
        let before = door.count("identities");
        let mut browser = signed_in(&door, "", &bo);
        let address = there(&mut browser, &provider, "");
        let address = scene(&door, &mut browser, &address);
        let page = back(&mut browser, &address);
        assert!(page.body.contains(says), "{what}: {says}: {page:?}");
        assert!(!page.body.contains("Linked."), "{what}: {page:?}");
        assert_eq!((linked(&door, &bo), door.count("identities"), door.count("users")), (0, before, 2), "{what}");
    }
}

#[test]
fn two_tabs_do_not_disturb_each_other() {
    let (provider, door) = usual();
    let bo = door.user("bo");
    let mut browser = signed_in(&door, "", &bo);
    let first = there(&mut browser, &provider, "");
    let begun: Vec<String> = (0..4).map(|_| there(&mut browser, &provider, "")).collect();
    assert_eq!(browser.kept(LINKING).len(), 4, "the oldest is forgotten");
    browser.open(&format!("{PAGE}/google/linked?state=link-x&code=x"), By::Other).expect(303);
    assert_eq!(browser.kept(LINKING).len(), 4, "what was not begun here ends nothing");
    assert!(back(&mut browser, &first).body.contains("was begun in another browser"));
    assert!(back(&mut browser, &begun[1]).body.contains("Linked."));
    assert_eq!((browser.kept(LINKING).len(), linked(&door, &bo)), (3, 1));
}

#[track_caller]
fn rename(door: &Door, table: &str, to: &str) {
    door.database().execute_batch(&format!("ALTER TABLE {table} RENAME TO {to}")).expect("it is renamed");
}

/// The address at which it ends has a code in it, and nothing is shown there.
#[test]
fn whatever_goes_wrong_is_told_on_another_page() {
    let (provider, door) = usual();
    let mut browser = signed_in(&door, "", &door.user("bo"));
    let address = there(&mut browser, &provider, "");
    rename(&door, "identities", "elsewhere");
    let reply = browser.open(&address, By::Other).expect(303);
    let reply = browser.follow(&reply, By::Other).expect(303);
    rename(&door, "elsewhere", "identities");
    assert_eq!(reply.header("Location").as_deref(), Some("/auth/profile/sign-ins?refused=unavailable&by=google"));
    assert!(browser.follow(&reply, By::Other).expect(200).body.contains("Google cannot be asked right now"));
    for query in ["state=link-a&state=link-b&code=x", "code=x", ""] {
        let reply = browser.open(&format!("{PAGE}/google/linked?{query}"), By::Other).expect(303);
        assert!(reply.header("Location").is_some_and(|place| place.contains("refused=")), "{query}: {reply:?}");
    }
}

/// A state of the one is none of the other, although one browser has begun both.
#[test]
fn a_sign_in_links_nothing_and_a_link_signs_nobody_in() {
    let (provider, door) = usual();
    let bo = door.user("bo");
    let mut browser = signed_in(&door, "", &bo);
    let query = |address: &str| address.split_once('?').expect("a query").1.to_owned();
    let to_link = query(&there(&mut browser, &provider, ""));
    let sent = browser.open("/auth/v1/auth/google/start?return_to=/auth/keys", By::Own).expect(303);
    let to_enter = query(&provider.authorize(&sent.header("Location").expect("it leads there")));
    let refused = browser.open(&format!("{PAGE}/google/linked?{to_enter}"), By::Other).expect(303);
    assert!(refused.header("Location").is_some_and(|place| place.contains("refused=unknown")), "{refused:?}");
    // Another one is begun, and its state loses what it is for.
    let address = there(&mut browser, &provider, "");
    assert_ne!(query(&address), to_link);
    let as_sign_in = query(&address).replace("state=link-", "state=");
    let told = browser.open(&format!("/auth/v1/auth/google/callback?{as_sign_in}"), By::Other).expect(401);
    assert!(told.body.contains("You are not signed in"), "{told:?}");
    // In the place of what a sign-in keeps, the seal is another one.
    let kept = browser.kept(LINKING).pop().expect("it is kept");
    browser.forge("sign_in_begun_", &kept);
    browser.open(&format!("/auth/v1/auth/google/callback?{to_enter}"), By::Other).expect(401);
    assert_eq!((door.count("identities"), door.count("users"), door.count("sessions")), (0, 1, 1));
    // Nobody who is merely signed in elsewhere is linked by an address that somebody sends them.
    let eve = door.user("eve");
    let mut others = signed_in(&door, "", &eve);
    let page = back(&mut others, &address);
    assert!(page.body.contains("was begun in another browser"), "{page:?}");
    assert_eq!(linked(&door, &eve), 0);
}
