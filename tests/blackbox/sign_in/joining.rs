//! The page of an invitation for those who need no password: who is signed in already, and who signs in by others.

use serde_json::json;

use super::browser::{Browser, By, link};
use super::door::{Door, PASSWORD, User};
use super::pages::page;
use super::providers::with_google;
use super::second_factor::guarded;
use crate::support::provider::FakeProvider;
use crate::support::server::text;
use crate::support::{Reply, Request, eventually};

/// An account with a name that wants escaping, and somebody who invites to it.
struct Host<'d> {
    door: &'d Door,
    access: String,
    org: String,
}

impl<'d> Host<'d> {
    fn new(door: &'d Door) -> Self {
        let owner = door.user("owner");
        let session = door.sign_in(&owner);
        let org = door.ask("POST", "/accounts", &session.token, Some(&json!({ "name": "Engines & <b>Sons" }))).expect(201).json();
        let org = text(&org["id"]);
        let switched = door.ask("POST", "/auth/switch", &session.token, Some(&json!({ "account": org }))).expect(200).json();
        Self { door, access: text(&switched["access_token"]), org }
    }

    /// The token of an invitation.
    #[track_caller]
    fn invite(&self, email: &str) -> String {
        let before = self.door.links(email).len();
        let body = json!({ "email": email, "role": "member" });
        self.door.ask("POST", &format!("/accounts/{}/invitations", self.org), &self.access, Some(&body)).expect(201);
        eventually("the invitation", || self.door.links(email).get(before).map(|link| link.split_once("?token=").unwrap().1.to_owned()))
    }

    fn has(&self, user: &User) -> bool {
        self.door.count(&format!("members WHERE account = '{}' AND user = {}", self.org, user.id)) == 1
    }
}

/// A browser in which somebody is signed in.
fn signed_in<'d>(door: &'d Door, mount: &str, user: &User) -> Browser<'d> {
    let mut browser = Browser::new(&door.stage.server, mount);
    browser.take(&door.try_sign_in(user, PASSWORD).expect(200));
    browser
}

/// Goes on as browsers do by themselves.
#[track_caller]
fn gone_on(browser: &mut Browser<'_>, reply: Reply) -> Reply {
    let reply = page(reply, 200, "one moment");
    let to = reply.header("Refresh").unwrap();
    let to = to.strip_prefix("0; url=").unwrap().to_owned();
    assert_eq!(link(&reply, "Go on"), to, "it can be pressed, too");
    browser.open(&to, By::Own)
}

#[test]
fn whoever_is_signed_in_presses_a_button() {
    for mount in ["", "/api"] {
        let provider = FakeProvider::start();
        let door = with_google(&provider, mount, "");
        let (host, ada) = (Host::new(&door), door.user("ada"));
        let token = host.invite(&ada.email);
        let mut browser = signed_in(&door, mount, &ada);
        let kept = browser.cookie("refresh_token").unwrap();
        let asked = page(browser.open(&format!("{mount}/auth/invitation?token={token}&utm_source=x"), By::Other), 200, "new here?");
        assert!(!asked.body.contains("signed in as"), "this page does not know who is signed in: {asked:?}");
        let join = page(browser.open(&link(&asked, "You are signed in here already"), By::Own), 200, "join as ada");
        assert!(join.body.contains("Engines &amp; &lt;b&gt;Sons") && join.body.contains("ada@example.com"), "{join:?}");
        assert!(join.body.contains("href=\"../../dashboard.css?v="), "{join:?}");
        let here = browser.at().to_owned();
        browser.open(&format!("{mount}/auth/dashboard.css"), By::Own).expect(200);
        browser.open(&here, By::Own).expect(200);
        // Looking does nothing, and uses nothing up.
        assert!(!host.has(&ada) && browser.cookie("refresh_token").as_deref() == Some(&kept));
        page(browser.press(&join, "join", &[]), 200, "you belong to the account now");
        assert!(host.has(&ada) && door.refreshes(&kept));
        page(browser.press(&join, "join", &[]), 401, "this invitation does not work");
        let joined = format!("audit WHERE action = 'member.joined' AND actor = 'user_{}' AND account = '{}'", ada.id, host.org);
        assert_eq!(door.count(&joined), 1);
    }
}

#[test]
fn whoever_signs_in_by_a_provider_joins() {
    for (mount, same_site) in [("", "strict"), ("/api", "strict"), ("", "lax")] {
        let provider = FakeProvider::start();
        let door = with_google(&provider, mount, &format!("[sign_in]\nsame_site = \"{same_site}\"\n"));
        let host = Host::new(&door);
        let token = host.invite("ada@example.com");
        let mut browser = Browser::new(&door.stage.server, mount);
        let asked = page(browser.open(&format!("{mount}/auth/invitation?token={token}"), By::Other), 200, "sign in with google");
        assert!(!asked.body.contains("house"), "its callback is not registered: {asked:?}");
        let sent = browser.open(&link(&asked, "Sign in with Google"), By::Own).expect(303);
        assert!(!sent.header("Location").unwrap().contains(&token), "{sent:?}");
        let back = provider.authorize(&sent.header("Location").unwrap());
        let sent_on = browser.open(&back, By::Other).expect(303);
        let mut reply = browser.follow(&sent_on, By::Other);
        assert_eq!(browser.at(), format!("{mount}/auth/v1/auth/join?token={token}"));
        if same_site == "strict" {
            reply = gone_on(&mut browser, reply);
        }
        let join = page(reply, 200, "join as ada lovelace");
        let user = User { id: door.count("users"), email: String::new(), account: String::new() };
        assert!(!host.has(&user));
        page(browser.press(&join, "join", &[]), 200, "you belong to the account now");
        assert!(host.has(&user));
    }
}

#[test]
fn nobody_joins_by_what_is_not_theirs() {
    let provider = FakeProvider::start();
    let door = with_google(&provider, "", "");
    let (host, ada, eve) = (Host::new(&door), door.user("ada"), door.user("eve"));
    let token = host.invite(&ada.email);
    let at = format!("/auth/v1/auth/join?token={token}");
    // Nobody is signed in.
    let mut nobody = Browser::new(&door.stage.server, "");
    let reply = nobody.open(&at, By::Other);
    let told = page(gone_on(&mut nobody, reply), 401, "nobody is signed in");
    page(nobody.open(&link(&told, "Sign in"), By::Own), 200, "sign in and join");
    // Somebody else is: they learn that it is not theirs, and not whose it is.
    let mut other = signed_in(&door, "", &eve);
    let told = page(other.open(&at, By::Own), 401, "this invitation does not work");
    assert!(!told.body.contains("ada") && !told.body.contains("Engines"), "{told:?}");
    // By a form that is none of theirs, or of another site, or without a cookie that counts.
    let mut browser = signed_in(&door, "", &ada);
    let join = page(browser.open(&at, By::Own), 200, "join as ada");
    nobody.open(&at, By::Own);
    for who in [&mut other, &mut nobody] {
        page(who.press(&join, "join", &[]), 401, "<p>");
    }
    let form = |cookie: &str, body: &str| {
        let request = Request::new("POST", "/auth/v1/auth/join").header("Content-Type", "application/x-www-form-urlencoded");
        request.header("Cookie", &format!("refresh_token={cookie}")).body(body.as_bytes())
    };
    let kept = browser.cookie("refresh_token").unwrap();
    let body = format!("token={token}");
    for (header, value) in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        door.stage.server.send(&form(&kept, &body).header(header, value)).expect(403);
    }
    for cookie in ["", "tgr_x", &format!("{kept}; refresh_token={}", other.cookie("refresh_token").unwrap())] {
        door.stage.server.send(&form(cookie, &body)).expect(401);
    }
    for (body, status) in [("", 400), ("token=", 400), ("token=a&token=b", 400), ("token=%22%3E%3Cscript%3E", 400), ("token=abc", 401)] {
        let told = door.stage.server.send(&form(&kept, body)).expect(status);
        assert!(!told.body.contains("script"), "{told:?}");
    }
    door.stage.server.send(&Request::post("/auth/v1/auth/join", &json!({ "token": token }))).expect(415);
    for query in ["", "?token=", "?token=a&token=b", "?token=%22%3E"] {
        page(browser.open(&format!("/auth/v1/auth/join{query}"), By::Own), 400, "this link is not whole");
    }
    // A refresh token that was used long ago, and a session that has ended.
    door.refreshes(&kept);
    door.alter("UPDATE refresh_tokens SET replaced_at = 1 WHERE replaced_at IS NOT NULL");
    let reply = page(browser.open(&format!("{at}&again=1"), By::Own), 401, "nobody is signed in");
    assert!(!reply.body.contains("ada"));
    page(browser.press(&join, "join", &[]), 401, "nobody is signed in");
    let mut browser = signed_in(&door, "", &ada);
    page(browser.open(&at, By::Own), 200, "join as ada");
    door.alter("UPDATE sessions SET ended_at = 1");
    page(browser.press(&join, "join", &[]), 401, "nobody is signed in");
    assert!(!host.has(&ada) && !host.has(&eve));
}

/// Not every refusal is a dead invitation: each page says what it is, and the invitation counts afterwards.
#[test]
fn what_is_wrong_is_told_as_what_it_is() {
    let door = with_google(&FakeProvider::start(), "", "[sign_in.throttle]\nsigned_in_by_user = \"1/1h\"\n");
    let (host, ada) = (Host::new(&door), door.user("ada"));
    let token = host.invite(&ada.email);
    // The first from where nobody knows them, the second from where they were.
    door.sign_in(&ada);
    let mut browser = signed_in(&door, "", &ada);
    let at = format!("/auth/v1/auth/join?token={token}");
    let join = page(browser.open(&at, By::Own), 200, "join as ada");
    // A cookie that is none: nobody is signed in, and the invitation is sound.
    let form = Request::new("POST", "/auth/v1/auth/join").header("Content-Type", "application/x-www-form-urlencoded");
    let form = form.header("Cookie", "refresh_token=tgr_x").body(format!("token={token}").as_bytes());
    page(door.stage.server.send(&form), 401, "nobody is signed in");
    // Where somebody has signed in too often: as everywhere else.
    let mut other = Browser::new(&door.stage.server, "");
    let asked = page(other.open(&format!("/auth/invitation?token={token}"), By::Other), 200, "sign in and join");
    let often = page(other.press(&asked, "invitation", &[("email", &ada.email), ("password", PASSWORD)]), 429, "too many tries");
    assert!(often.number("Retry-After").is_some(), "{often:?}");
    // Another program holds the database.
    let locked = door.database();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    page(browser.press(&join, "join", &[]), 503, "try again in a moment");
    let fresh = [("name", "Ada"), ("password", PASSWORD)];
    page(other.press(&asked, "invitation", &fresh), 503, "try again in a moment");
    page(other.press(&asked, "invitation", &[("decline", "yes")]), 503, "try again in a moment");
    locked.execute_batch("ROLLBACK").unwrap();
    eventually("it is written again", || {
        let reply = browser.press(&join, "join", &[]);
        (reply.status == 200).then_some(())
    });
    assert!(host.has(&ada));
}

/// What the mail told stands there; and nothing of it once the invitation counts no more.
#[test]
fn the_page_says_what_is_asked_of_whom() {
    let door = with_google(&FakeProvider::start(), "", "");
    let host = Host::new(&door);
    let token = host.invite("new@example.com");
    let at = format!("/auth/invitation?token={token}");
    let mut browser = Browser::new(&door.stage.server, "");
    let asked = page(browser.open(&at, By::Other), 200, "owner asks you to join <strong>engines &amp;");
    for says in ["as member", "readonly value=\"new@example.com\"", "inputmode=\"email\"", "minlength=\"8\""] {
        assert!(asked.body.contains(says), "{says}: {asked:?}");
    }
    assert!(!asked.body.contains("<b>Sons") && !asked.body.contains("type=\"email\" name"), "{asked:?}");
    // Each fault in whole sentences, and at its field.
    for (name, password, says, at) in [
        ("", PASSWORD, "the name must not be empty.", "new-fault\" autofocus"),
        ("New", "short", "the password must have at least 8 characters.", "new-fault hint\" autofocus"),
        ("New", "", "the password must be given.", "new-fault hint\" autofocus"),
    ] {
        let told = page(browser.press(&asked, "invitation", &[("name", name), ("password", password)]), 400, says);
        assert!(told.body.contains(at) && told.body.contains("<title>Error: "), "{says}: {told:?}");
    }
    let wrong = page(browser.press(&asked, "invitation", &[("email", "+4915112345678"), ("password", "wrong one")]), 401, "are not right");
    assert!(wrong.body.contains("aria-describedby=\"fault\" autofocus") && wrong.body.contains("value=\"+4915112345678\""), "{wrong:?}");
    for end in ["UPDATE invitations SET expires_at = 1", "UPDATE users SET disabled = 1 WHERE email = 'owner@example.com'"] {
        door.alter(end);
        let told = page(browser.open(&at, By::Other), 401, "this invitation does not work");
        assert!(!["new@", "Engines", "owner", "<form"].iter().any(|never| told.body.contains(never)), "{told:?}");
        door.alter("UPDATE invitations SET expires_at = created_at + 600000");
    }
}

#[test]
fn somebody_else_is_told_who_is_signed_in_now() {
    let door = with_google(&FakeProvider::start(), "", "");
    let (host, eve) = (Host::new(&door), door.user("eve"));
    let token = host.invite("ada@example.com");
    let mut browser = Browser::new(&door.stage.server, "");
    let asked = page(browser.open(&format!("/auth/invitation?token={token}"), By::Other), 200, "sign in and join");
    let told = browser.press(&asked, "invitation", &[("email", &eve.email), ("password", PASSWORD)]);
    let told = page(told, 401, "you are signed in as eve now, and the invitation is for ada@example.com");
    assert!(door.refreshes(&browser.cookie("refresh_token").unwrap()) && !host.has(&eve));
    page(browser.open(&link(&told, "Sign in with another address"), By::Own), 200, "sign in and join");
}

#[test]
fn it_can_be_declined() {
    let door = with_google(&FakeProvider::start(), "", "");
    let (host, ada) = (Host::new(&door), door.user("ada"));
    let token = host.invite(&ada.email);
    let at = format!("/auth/invitation?token={token}");
    let mut browser = Browser::new(&door.stage.server, "");
    let asked = page(browser.open(&at, By::Other), 200, "decline");
    let form = Request::new("POST", "/auth/invitation").header("Content-Type", "application/x-www-form-urlencoded");
    let form = form.header("Origin", "https://evil.example").body(format!("token={token}&decline=yes").as_bytes());
    page(door.stage.server.send(&form), 403, "nothing was done");
    page(browser.open(&at, By::Other), 200, "decline");
    page(browser.press(&asked, "invitation", &[("decline", "yes")]), 200, "you have declined");
    page(browser.press(&asked, "invitation", &[("decline", "yes")]), 401, "this invitation does not work");
    page(browser.press(&asked, "invitation", &[("email", &ada.email), ("password", PASSWORD)]), 401, "this invitation does not work");
    assert!(!host.has(&ada) && browser.cookie("refresh_token").is_none());
    assert_eq!(door.count("audit WHERE action = 'invitation.ended' AND actor = 'nobody'"), 1);
    // The host's sign-in is the only one.
    super::providers::sign_ins(&door.stage, &[("ok", 1), ("bad_request", 1), ("unknown", 2)]);
}

#[test]
fn the_second_factor_is_asked_for_on_its_page_and_the_password_once() {
    let door = with_google(&FakeProvider::start(), "", "");
    let (host, ada) = (Host::new(&door), guarded(&door, "ada"));
    let token = host.invite(&ada.user.email);
    let mut browser = Browser::new(&door.stage.server, "");
    let asked = page(browser.open(&format!("/auth/invitation?token={token}"), By::Other), 200, "sign in and join");
    let sent_on = browser.press(&asked, "invitation", &[("email", &ada.user.email), ("password", PASSWORD)]).expect(303);
    let code = page(browser.follow(&sent_on, By::Own), 200, "enter your code");
    assert!(!code.body.contains("type=\"password\"") && browser.cookie("refresh_token").is_none());
    let sent_on = browser.press(&code, "second-factor", &[("code", &ada.app.code(0))]).expect(303);
    let join = page(browser.follow(&sent_on, By::Own), 200, "join as ada");
    assert!(!host.has(&ada.user));
    page(browser.press(&join, "join", &[]), 200, "you belong to the account now");
    assert!(host.has(&ada.user));
}
