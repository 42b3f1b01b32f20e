//! The page of an invitation for those who need no password: who is signed in already, and who signs in by others.

use serde_json::json;

use super::browser::{Browser, By, link};
use super::door::{Door, PASSWORD, User};
use super::pages::page;
use super::providers::with_google;
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
        assert!(!asked.body.contains("ada"), "this page does not know who is signed in: {asked:?}");
        let join = page(browser.open(&link(&asked, "You are signed in here already"), By::Own), 200, "join as ada");
        assert!(join.body.contains("Engines &amp; &lt;b&gt;Sons") && join.body.contains("ada@example.com"), "{join:?}");
        assert!(join.body.contains(&format!("href=\"{mount}/auth/page.css\"")), "{join:?}");
        let here = browser.at().to_owned();
        browser.open(&format!("{mount}/auth/page.css"), By::Own).expect(200);
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
        page(browser.open(&format!("/auth/v1/auth/join{query}"), By::Own), 400, "this invitation does not work");
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
