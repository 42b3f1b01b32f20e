//! The tour of what people do who sign in: each of its operations once, each answer held against the document.

use serde_json::{Value, json};

use super::{CALLBACK, HERE, Tour};
use crate::sign_in::second_factor::Authenticator;
use crate::sign_in::telegram;
use crate::support::person::PASSWORD;
use crate::support::provider::Grant;
use crate::support::server::text;
use crate::support::{Reply, Request, eventually};

const OTHER: &str = "another fine passphrase of mine";

impl Tour {
    /// Without any credential.
    #[track_caller]
    fn open(&mut self, path: &str, body: Value, status: u16) -> Reply {
        let path = format!("/auth/v1{path}");
        let request = if body.is_null() { Request::get(&path) } else { Request::post(&path, &body) };
        self.send(if body.is_null() { "GET" } else { "POST" }, &path, request, status)
    }

    /// A page below the prefix, or what its form sends.
    #[track_caller]
    fn page(&mut self, path: &str, form: Option<&str>, status: u16) -> Reply {
        let path = format!("/auth{path}");
        match form {
            None => self.send("GET", &path, Request::get(&path), status),
            Some(form) => {
                let request = Request::new("POST", &path).header("Content-Type", "application/x-www-form-urlencoded");
                self.send("POST", &path, request.body(form.as_bytes()), status)
            }
        }
    }

    /// With a cookie.
    #[track_caller]
    fn with_cookie(&mut self, method: &str, path: &str, cookie: &str, body: Value, status: u16) -> Reply {
        let path = format!("/auth/v1{path}");
        let request = Request::new(method, &path).header("Cookie", cookie);
        let request = if body.is_null() { request } else { request.json(&body) };
        self.send(method, &path, request, status)
    }

    /// The token of the newest of so many links that an address was sent.
    fn link(&self, address: &str, nth: usize) -> String {
        let begin = format!("the link for {address}: ");
        eventually(&format!("link {nth} for {address}"), || {
            let log = self.stage.server.log();
            let link = log.lines().filter_map(|line| line.split_once(&begin)).nth(nth - 1)?.1.to_owned();
            Some(link.split_once("?token=")?.1.split_whitespace().next()?.to_owned())
        })
    }

    /// What a form says of somebody new, or of who is there.
    #[track_caller]
    fn taken(&mut self, reply: &Reply) -> String {
        self.user = text(&reply.json()["access_token"]);
        cookie(reply)
    }
}

/// The cookie that an answer sets.
fn cookie(reply: &Reply) -> String {
    reply.header("Set-Cookie").and_then(|set| set.split(';').next().map(str::to_owned)).unwrap_or_else(|| panic!("no cookie: {reply:?}"))
}

/// Becoming a user, passwords, and the pages of mailed links.
pub fn by_mail(tour: &mut Tour) {
    tour.open("/auth/methods", Value::Null, 200);
    tour.page("/.well-known/jwks.json", None, 200);
    let email = "cy@example.com";
    tour.open("/auth/register", json!({ "email": email, "password": PASSWORD, "name": "Cy" }), 202);
    let token = tour.link(email, 1);
    tour.page(&format!("/verify?token={token}"), None, 200);
    tour.page("/verify", Some(&format!("token={token}")), 200);
    tour.page("/verify", Some(&format!("token={token}")), 401);
    tour.open("/auth/register", json!({ "email": "dy@example.com", "password": PASSWORD }), 202);
    let token = tour.link("dy@example.com", 1);
    tour.open("/auth/verify", json!({ "token": token }), 200);
    tour.open("/auth/verify", json!({ "token": token }), 401);
    tour.open("/auth/forgot", json!({ "email": email }), 202);
    let token = tour.link(email, 2);
    tour.page(&format!("/reset?token={token}"), None, 200);
    tour.page("/reset", Some(&format!("token={token}&password={}", OTHER.replace(' ', "+"))), 200);
    tour.open("/auth/forgot", json!({ "email": email }), 202);
    let token = tour.link(email, 3);
    tour.open("/auth/reset", json!({ "token": token, "password": PASSWORD }), 204);
    tour.open("/auth/reset", json!({ "token": token, "password": PASSWORD }), 401);
    tour.open("/auth/login", json!({ "email": email, "password": OTHER }), 401);
    tour.open("/auth/login", json!({ "email": 5 }), 400);
}

/// Sessions, who one is, and the second factor.
pub fn signed_in(tour: &mut Tour) {
    let user = json!({ "phone": "+4915112345678", "password": PASSWORD, "verified": true });
    tour.call("POST", "/users", user, 201);
    let login = json!({ "phone": "+49 151 12345678", "password": PASSWORD });
    let first = tour.open("/auth/login-phone", login.clone(), 200);
    let cookie = tour.taken(&first);
    let refreshed = tour.with_cookie("POST", "/auth/refresh", &cookie, Value::Null, 200);
    tour.with_cookie("POST", "/auth/logout", &self::cookie(&refreshed), json!({}), 204);
    tour.with_cookie("POST", "/auth/refresh", &cookie, Value::Null, 401);
    tour.as_user("GET", "/user/me", Value::Null, 401);
    tour.open("/auth/login-phone", login.clone(), 200);
    let last = tour.open("/auth/login-phone", login.clone(), 200);
    tour.taken(&last);
    let sessions = tour.as_user("GET", "/auth/sessions", Value::Null, 200)["data"].clone();
    let other = sessions.as_array().unwrap().iter().find(|session| session["current"] == false).expect("there is another");
    tour.as_user("DELETE", &format!("/auth/sessions/{}", text(&other["id"])), Value::Null, 204);
    tour.as_user("DELETE", "/auth/sessions/ses_01ARZ3NDEKTSV4RRFFQ69G5FAV", Value::Null, 404);
    tour.as_user("GET", "/user/me", Value::Null, 200);
    tour.as_user("PATCH", "/user/me", json!({ "name": "Fay" }), 200);
    tour.as_user("PATCH", "/user/me", json!({ "nonsense": 1 }), 400);
    tour.as_user("GET", "/balance", Value::Null, 200);
    // The second factor.
    let begun = tour.as_user("POST", "/user/second-factor", json!({ "password": PASSWORD }), 200);
    let app = Authenticator::of(&text(&begun["secret"]));
    let codes = tour.as_user("POST", "/user/second-factor/confirm", json!({ "code": app.code(0) }), 200)["recovery_codes"].clone();
    let with = |nth: usize| json!({ "password": PASSWORD, "code": codes[nth] });
    let waits = tour.open("/auth/login-phone", login, 403);
    let code = json!({ "code": codes[0] });
    let entered = tour.with_cookie("POST", "/auth/second-factor", &self::cookie(&waits), code, 200);
    tour.taken(&entered);
    let codes = tour.as_user("POST", "/user/second-factor/recovery-codes", with(1), 200)["recovery_codes"].clone();
    tour.as_user("DELETE", "/user/second-factor", json!({ "password": PASSWORD, "code": codes[0] }), 204);
    tour.as_user("DELETE", "/user/second-factor", json!({ "password": PASSWORD, "code": codes[1] }), 404);
}

/// Signing in by others.
pub fn by_others(tour: &mut Tour) {
    for (number, (name, path)) in
        [("google", "/auth/google"), ("telegram", "/auth/telegram"), ("house", "/auth/oidc/house")].iter().enumerate()
    {
        tour.provider.person(json!({ "sub": format!("90{number}"), "id": 900 + number, "name": "Ada", "preferred_username": "ada" }));
        let begun = tour.open(&format!("{path}/start?return_to=/here"), Value::Null, 303);
        let back = tour.provider.authorize(&begun.header("Location").expect("it sends the browser on"));
        let query = back.split_once('?').expect("it comes back with a code").1.to_owned();
        assert!(back.starts_with(&format!("{CALLBACK}{path}/callback?")), "{name}: {back}");
        tour.with_cookie("GET", &format!("{path}/callback?{query}"), &cookie(&begun), Value::Null, 303);
    }
    let code =
        |tour: &Tour| json!({ "code": tour.provider.code(Grant { redirect_uri: HERE.into(), ..Grant::default() }), "redirect_uri": HERE });
    for path in ["/auth/oidc/house", "/auth/google"] {
        let body = code(tour);
        tour.open(path, body.clone(), 200);
        tour.open(path, body, 401);
    }
    let payload = telegram::signed(telegram::person(42));
    tour.open("/auth/telegram", payload.clone(), 200);
    tour.open("/auth/telegram", payload, 401);
    tour.sign_in("cy@example.com", None);
    tour.provider.person(json!({ "sub": "77", "name": "Cy" }));
    let mut body = code(tour);
    body["password"] = PASSWORD.into();
    tour.as_user("POST", "/user/identities/house", body, 204);
    tour.as_user("GET", "/user/identities", Value::Null, 200);
    tour.as_user("DELETE", "/user/identities/house", Value::Null, 204);
    tour.as_user("DELETE", "/user/identities/house", Value::Null, 404);
}

/// Joining an account by what was mailed.
pub fn by_invitation(tour: &mut Tour) {
    tour.sign_in("cy@example.com", None);
    let org = text(&tour.as_user("POST", "/accounts", json!({ "name": "Mills" }), 201)["id"]);
    tour.sign_in("cy@example.com", Some(&org));
    tour.call("POST", "/users", json!({ "email": "ed@example.com", "password": PASSWORD, "verified": true }), 201);
    for email in ["dy@example.com", "new@example.com", "ed@example.com"] {
        tour.as_user("POST", &format!("/accounts/{org}/invitations"), json!({ "email": email, "role": "member" }), 201);
    }
    let token = tour.link("dy@example.com", 2);
    tour.page(&format!("/invitation?token={token}"), None, 200);
    let form = format!("token={token}&email=dy%40example.com&password={}&code=", PASSWORD.replace(' ', "+"));
    tour.page("/invitation", Some(&form), 200);
    join(tour, &org);
    let newcomer = json!({ "token": tour.link("new@example.com", 1), "name": "Newcomer", "password": PASSWORD });
    tour.open("/auth/invitation", newcomer.clone(), 200);
    tour.open("/auth/invitation", newcomer, 401);
    tour.as_user("DELETE", "/user/me", json!({ "password": PASSWORD }), 409);
    tour.sign_in("new@example.com", None);
    tour.as_user("DELETE", "/user/me", json!({}), 400);
    tour.as_user("DELETE", "/user/me", json!({ "password": PASSWORD }), 204);
}

/// By the page for whoever is signed in.
fn join(tour: &mut Tour, org: &str) {
    let token = tour.link("ed@example.com", 1);
    let path = format!("/auth/join?token={token}");
    tour.with_cookie("GET", &path, "a=b", Value::Null, 200);
    tour.with_cookie("GET", &format!("{path}&again=1"), "a=b", Value::Null, 401);
    tour.with_cookie("GET", "/auth/join", "a=b", Value::Null, 400);
    let signed_in = tour.open("/auth/login", json!({ "email": "ed@example.com", "password": PASSWORD }), 200);
    let cookie = cookie(&signed_in);
    tour.with_cookie("GET", &path, &cookie, Value::Null, 200);
    for (token, status) in [("", 400), (&*token, 200), (&*token, 401)] {
        let request = Request::new("POST", "/auth/v1/auth/join").header("Content-Type", "application/x-www-form-urlencoded");
        let request = request.header("Cookie", &cookie).body(format!("token={token}").as_bytes());
        tour.send("POST", "/auth/v1/auth/join", request, status);
    }
    let members = tour.call("GET", &format!("/accounts/{org}/members"), Value::Null, 200);
    assert_eq!(members["data"].as_array().unwrap().len(), 3);
}

/// Back from a provider to the page that asks for a code, and to those that tell of what is wrong.
pub fn in_a_browser(tour: &mut Tour) {
    let ask = |tour: &mut Tour, path: &str, cookie: &str, form: Option<&str>, status: u16| {
        let method = if form.is_some() { "POST" } else { "GET" };
        let request = Request::new(method, path).header("Accept", "text/html").header("Cookie", cookie);
        let request = match form {
            Some(form) => request.header("Content-Type", "application/x-www-form-urlencoded").body(form.as_bytes()),
            None => request,
        };
        tour.send(method, path, request, status)
    };
    let callback = "/auth/v1/auth/google/callback";
    ask(tour, callback, "a=b", None, 401);
    ask(tour, &format!("{callback}?state=x&state=y"), "a=b", None, 400);
    ask(tour, "/auth/v1/auth/google/start?return_to=//x", "a=b", None, 400);
    ask(tour, "/auth/v1/auth/oidc/nobody/start", "a=b", None, 501);
    ask(tour, "/auth/second-factor", "a=b", None, 401);
    // Somebody whom the provider knows sets a second factor up.
    tour.provider.person(json!({ "sub": "9001", "name": "Fi" }));
    let body = json!({ "code": tour.provider.code(Grant { redirect_uri: HERE.into(), ..Grant::default() }), "redirect_uri": HERE });
    let signed_in = tour.open("/auth/google", body, 200);
    tour.taken(&signed_in);
    let begun = tour.as_user("POST", "/user/second-factor", json!({}), 200);
    let app = Authenticator::of(&text(&begun["secret"]));
    let codes = tour.as_user("POST", "/user/second-factor/confirm", json!({ "code": app.code(0) }), 200)["recovery_codes"].clone();
    let begun = tour.open("/auth/google/start", Value::Null, 303);
    let back = tour.provider.authorize(&begun.header("Location").expect("it sends the browser on"));
    let query = back.split_once('?').expect("it comes back with a code").1;
    let waits = ask(tour, &format!("{callback}?{query}"), &self::cookie(&begun), None, 303);
    let waiting = self::cookie(&waits);
    ask(tour, "/auth/second-factor", &waiting, None, 200);
    ask(tour, "/auth/second-factor", &waiting, Some("code=x"), 400);
    ask(tour, "/auth/second-factor", &waiting, Some("code=0000-0000-0000-0000"), 401);
    ask(tour, "/auth/second-factor", &waiting, Some(&format!("code={}", text(&codes[0]))), 303);
}
