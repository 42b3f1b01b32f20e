//! What holds on every path of the dashboard, read from its table: forms count from our own pages alone, nothing is framed, another
//! account's ids reach nothing, and whatever is typed stays text.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{QUICK, Route, routes, signed_in};
use crate::support::browser::{Browser, HtmlForm, Page};
use crate::support::person::{PASSWORD, Person};
use crate::support::server::text;
use crate::support::{Reply, Request, Stage};

const PLANS: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ requests = 60, per = "minute" }]
[[plans]]
name = "elite"
unlimited = true
review = true
"#;

fn stage() -> Stage {
    Stage::with(&format!("{QUICK}{PLANS}"))
}

/// Somebody's own organization, and one of everything that has an id.
struct Owned {
    account: String,
    /// What it is called in addresses and forms, and the id.
    ids: Vec<(&'static str, String)>,
}

impl Owned {
    fn of(stage: &Stage, person: &mut Person<'_>, name: &str) -> Self {
        let account = stage.account(json!({ "kind": "organization", "name": name }));
        stage.patch(&format!("/accounts/{account}/members/{}", person.id), &json!({ "role": "owner" })).expect(200);
        person.switch(&account);
        let key = text(&stage.key(&account, json!({ "name": name }))["id"]);
        let application = json!({ "plan": "elite", "use_case": name, "volume": "much" });
        let application = text(&person.post("/applications", &application).expect(201).json()["id"]);
        let invited = json!({ "email": format!("guest-of-{}@example.com", person.id), "role": "member" });
        let invitation = text(&person.post(&format!("/accounts/{account}/invitations"), &invited).expect(201).json()["id"]);
        let session = text(&person.get("/auth/sessions").expect(200).json()["data"][0]["id"]);
        let ids =
            [("key", key), ("application", application), ("invitation", invitation), ("session", session), ("account", account.clone())];
        let ids = ids.into_iter().chain([("user", person.id.to_string())]).collect();
        Self { account, ids }
    }

    /// A path with these ids in their places.
    fn path(&self, route: &Route) -> String {
        let id = |name: &str| self.ids.iter().find(|(known, _)| *known == name).map(|(_, id)| id.as_str()).expect("an id");
        let place =
            ["key", "application", "account", "user", "token", "audit"].into_iter().find(|kind| route.path.contains(&format!("/{kind}")));
        let whose = match place {
            Some("token" | "audit") | None => "none",
            Some(kind) => id(kind),
        };
        format!("/auth{}", route.path.replace("{id}", whose).replace("{user}", id("user")))
    }
}

/// The token that forms of this browser's session carry.
#[track_caller]
fn token_of(page: &Page) -> String {
    page.form("sign-out").fields.iter().find(|(name, _)| name == "form_token").expect("a token").1.clone()
}

fn body(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn audited(stage: &Stage, account: &str) -> Vec<Value> {
    let list = stage.get(&format!("/audit?account={account}&limit=1000")).expect(200).json();
    list["data"].as_array().expect("a list").clone()
}

fn is_page(reply: &Reply) -> bool {
    reply.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html"))
}

#[test]
fn a_form_counts_from_our_own_pages_and_with_the_sessions_own_token_alone() {
    let stage = stage();
    let mut root = Person::with(&stage, json!({ "admin": true }));
    let own = Owned::of(&stage, &mut root, "ours");
    let eve = Person::new(&stage);
    let (browser, page) = signed_in(&stage, &root);
    let (_, elsewhere) = signed_in(&stage, &root);
    let (_, of_eve) = signed_in(&stage, &eve);
    let token = token_of(&page);
    let before = stage.get("/audit?limit=1000").expect(200).json()["data"].as_array().expect("a list").len();
    let mut tried = 0;
    for route in routes().into_iter().filter(|route| route.method == "POST") {
        let path = own.path(&route);
        let typed =
            |token: &str| body(&[("form_token", token), ("name", "x"), ("id", "1"), ("revision", "1"), ("who", "a"), ("password", "b")]);
        // From elsewhere nothing counts, be the token right.
        for (origin, site) in
            [(Some("https://evil.example"), None), (Some("null"), None), (Some("http://test"), None), (None, Some("cross-site"))]
        {
            let mut request = browser.request("POST", &path, None).header("Content-Type", "application/x-www-form-urlencoded");
            for (name, value) in [("Origin", origin), ("Sec-Fetch-Site", site)] {
                request = value.into_iter().fold(request, |request, value| request.header(name, value));
            }
            let reply = stage.server.send(&request.body(typed(&token).as_bytes()));
            assert_eq!(reply.status, 403, "{path} from {origin:?} {site:?}: {reply:?}");
        }
        if route.access == "VISITOR" {
            continue;
        }
        // And from here, with no other token: none, a wrong one, that of another session of one's own, and somebody else's.
        for token in ["", "x", &token_of(&elsewhere), &token_of(&of_eve)] {
            let reply = stage.server.send(&browser.request("POST", &path, Some(&typed(token))));
            assert_eq!(reply.status, 403, "{path} with {token:?}: {reply:?}");
            assert!(reply.body.contains("This form is not one of yours"), "{path}: {}", reply.body);
        }
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
    assert_eq!(stage.get("/audit?limit=1000").expect(200).json()["data"].as_array().expect("a list").len(), before, "nothing was done");
}

#[test]
fn nothing_is_framed_kept_or_guessed_at() {
    let stage = stage();
    let mut root = Person::with(&stage, json!({ "admin": true }));
    let own = Owned::of(&stage, &mut root, "ours");
    let (browser, _) = signed_in(&stage, &root);
    let stranger = Browser::new(&stage);
    let mut pages = 0;
    for route in routes().into_iter().filter(|route| route.method == "GET") {
        let path = own.path(&route);
        for browser in [&browser, &stranger] {
            let reply = stage.server.send(&browser.request("GET", &path, None));
            assert!([200, 303, 404].contains(&reply.status), "{path}: {reply:?}");
            if reply.status != 200 && !is_page(&reply) {
                continue;
            }
            let held = |name: &str, value: &str| assert_eq!(reply.header(name).as_deref(), Some(value), "{path}: {name}");
            held("X-Content-Type-Options", "nosniff");
            if !is_page(&reply) {
                continue;
            }
            let policy = reply.header("Content-Security-Policy").unwrap_or_default();
            assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{path}: {policy}");
            held("X-Frame-Options", "DENY");
            held("Cache-Control", "no-store");
            pages += 1;
        }
    }
    assert!(pages > 45, "{pages}");
}

#[test]
fn another_accounts_ids_reach_nothing_wherever_they_stand() {
    let stage = stage();
    let mut ada = Person::with(&stage, json!({ "name": "Lovelace" }));
    let hers = Owned::of(&stage, &mut ada, "secret of hers");
    let before = (audited(&stage, &hers.account), audited(&stage, &ada.account));
    let skipped = ["/sign-out", "/profile/delete", "/organization/leave"];
    let is_tried = |route: &Route| !skipped.contains(&route.path.as_str()) && !["VISITOR", "OVERSEEN"].contains(&route.access.as_str());
    let mut tried = 0;
    for (number, route) in routes().into_iter().filter(is_tried).enumerate() {
        let mut eve = Person::with(&stage, json!({ "name": "Eve" }));
        let own = Owned::of(&stage, &mut eve, "mine");
        let mut browser = Browser::new(&stage);
        browser.address = format!("10.8.{number}.1");
        let page = browser.open("/auth/");
        browser.send(&page, "sign-in", &[("who", &eve.email), ("password", PASSWORD)]).says(200, "Sign out");
        super::go_on_for(&stage, &browser, &own.account);
        let token = token_of(&browser.open("/auth/keys/new"));
        let ask = |path: &str, fields: &str| -> Reply {
            stage.server.send(&match route.method.as_str() {
                "GET" if fields.is_empty() => browser.request("GET", path, None),
                "GET" => browser.request("GET", &format!("{path}?{fields}"), None),
                _ => browser.request("POST", path, Some(&format!("form_token={token}&{fields}"))),
            })
        };
        let reply = ask(&hers.path(&route), "name=x&revision=1&role=member&url=x");
        tells_nothing(&route, &reply, &ada);
        if route.path.contains('{') {
            assert!([400, 403, 404].contains(&reply.status), "{route:?}: {reply:?}");
        }
        // And in every field that could name something.
        for (_, id) in &hers.ids {
            for name in ["id", "account", "user", "key", "session", "invitation", "cursor", "search"] {
                tells_nothing(&route, &ask(&own.path(&route), &body(&[(name, id)])), &ada);
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    assert_eq!((audited(&stage, &hers.account), audited(&stage, &ada.account)), before, "nothing happened to what is hers");
    ada.get("/auth/sessions").expect(200);
}

/// Nothing that is somebody's alone stands in it.
#[track_caller]
fn tells_nothing(route: &Route, reply: &Reply, ada: &Person<'_>) {
    let guest = format!("guest-of-{}", ada.id);
    for secret in ["secret of hers", "Lovelace", &ada.email, &guest] {
        assert!(!reply.body.contains(secret), "{route:?} tells {secret:?}: {reply:?}");
    }
    assert!(![429, 500].contains(&reply.status), "{route:?}: {reply:?}");
}

/// What would be markup, were it not text.
const SCRIPT: &str = "\"'></textarea></option><script>alert(1)</script>";

/// Fields that are not typed.
const GIVEN: [&str; 3] = ["form_token", "revision", "once"];

/// Those whose form ends what the others need, or goes on for another account.
const ENDS: [&str; 10] = [
    "sign-out",
    "sessions/end",
    "sessions/end-others",
    "delete",
    "leave",
    "revoke",
    "switch",
    "password",
    "second-factor/end",
    "organization",
];

#[test]
fn whatever_is_typed_into_any_field_stays_text() {
    let stage = stage();
    let mut root = Person::with(&stage, json!({ "admin": true }));
    let own = Owned::of(&stage, &mut root, "ours");
    let (mut browser, _) = signed_in(&stage, &root);
    super::go_on_for(&stage, &browser, &own.account);
    let places: Vec<String> =
        routes().iter().filter(|route| route.method == "GET" && !route.path.contains('.')).map(|route| own.path(route)).collect();
    let (mut sent, mut links) = (0, BTreeSet::new());
    for place in &places {
        let page = browser.open(place);
        links.extend(page.links());
        for form in page.forms().iter().filter(|form| !ENDS.iter().any(|end| form.action.ends_with(end))) {
            let typed: Vec<&str> = form.fields.iter().map(|(name, _)| name.as_str()).filter(|name| !GIVEN.contains(name)).collect();
            // Each field by itself, beside what stands in the others; and all of them.
            for one in typed.iter().map(|name| vec![*name]).chain([typed.clone()]) {
                let reply = stage.server.send(&filled(&browser, &page, form, &one));
                assert!(!reply.body.contains("<script>alert"), "{place}, {}, {one:?}: {reply:?}", form.action);
                assert_ne!(reply.status, 500, "{place}, {}, {one:?}: {reply:?}", form.action);
                if [400, 409].contains(&reply.status) {
                    let path = crate::support::browser::resolved(&page.path, &form.action);
                    links.extend(Page { path, reply }.links());
                }
                sent += 1;
            }
        }
    }
    assert!(sent > 100, "{sent}");
    for place in &places {
        let body = browser.open(place).reply.body;
        assert!(!body.contains("<script>alert") && !body.contains("</option><s"), "{place}: {body}");
    }
    // And no link leads nowhere, be it on a form that is shown again.
    let links: Vec<_> =
        links.into_iter().filter(|link| link.starts_with("/auth/") && !link.contains('#') && !link.contains("none")).collect();
    assert!(links.len() > 50, "{links:?}");
    for link in links {
        let reply = stage.server.send(&browser.request("GET", &link, None));
        assert!([200, 303].contains(&reply.status), "{link}: {reply:?}");
    }
    assert!(browser.open("/auth/keys").reply.body.contains("&#60;script&#62;alert(1)"), "something of it was kept");
}

/// A form as it stands, with the script in these fields.
fn filled(browser: &Browser<'_>, page: &Page, form: &HtmlForm, with_script: &[&str]) -> Request {
    let field = |(name, text): &(String, String)| {
        let text = if with_script.contains(&name.as_str()) { SCRIPT } else { text };
        (name.clone(), text.to_owned())
    };
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form.fields.iter().map(field)).finish();
    let path = crate::support::browser::resolved(&page.path, &form.action);
    match form.method.as_str() {
        "post" => browser.request("POST", &path, Some(&body)),
        _ => browser.request("GET", &format!("{}?{body}", path.split('?').next().unwrap_or_default()), None),
    }
}
