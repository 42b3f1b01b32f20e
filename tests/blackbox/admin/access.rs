//! Who may call: every route with every token that should not open it, and with those that should.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Holder, NO_ACCOUNT, NO_KEY, NO_TOKEN, PLANS, assert_problem, data, everything};
use crate::support::person::Person;
use crate::support::server::text;
use crate::support::{Reply, Request, Stage, eventually};

/// What a token that is bound to one account may do with a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It names an account, or what belongs to one: what is another's is as if it were not there.
    Named,
    /// It is of the whole server: refused.
    Whole,
    /// It names nothing, and shows no more than what is its own.
    Own,
}

/// A route behind a token.
pub struct Route {
    pub method: &'static str,
    /// Below the prefix; `ACCOUNT`, `KEY`, `TOKEN`, `MESSAGE` and `MAIL` stand for ids, and there may be a query.
    pub path: &'static str,
    pub body: &'static str,
    /// The scope that it needs.
    pub scope: &'static str,
    /// How it answers then.
    pub status: u16,
    pub bound: Bound,
}

impl Route {
    /// Whether it takes and gives JSON: not rows, and no figures.
    pub fn is_json(&self) -> bool {
        !["/import", "/export", "/metrics"].iter().any(|end| self.path.ends_with(end))
    }
}

const fn route(method: &'static str, path: &'static str, body: &'static str, scope: &'static str, status: u16, bound: Bound) -> Route {
    Route { method, path, body, scope, status, bound }
}

/// A row of an import of keys.
const ROW: &str = r#"{"account": "ACCOUNT", "name": "made", "hash": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}"#;

/// Every route behind a token. What removes comes last.
pub const ROUTES: &[Route] = &[
    route("GET", "/v1/accounts", "", "admin", 200, Bound::Own),
    route("POST", "/v1/accounts", r#"{"name": "made"}"#, "admin", 201, Bound::Whole),
    route("GET", "/v1/accounts/ACCOUNT", "", "admin", 200, Bound::Named),
    route("PATCH", "/v1/accounts/ACCOUNT", r#"{"name": "changed"}"#, "admin", 200, Bound::Named),
    route("GET", "/v1/accounts/ACCOUNT/balance", "", "admin", 200, Bound::Named),
    route("GET", "/v1/accounts/ACCOUNT/members", "", "admin", 200, Bound::Named),
    route("PATCH", "/v1/accounts/ACCOUNT/members/PERSON", r#"{"role": "admin"}"#, "admin", 200, Bound::Named),
    route("GET", "/v1/accounts/ACCOUNT/invitations", "", "admin", 200, Bound::Named),
    route("GET", "/v1/applications", "", "admin", 200, Bound::Own),
    route("GET", "/v1/applications/APPLICATION", "", "admin", 200, Bound::Named),
    route("POST", "/v1/applications/GRANTED/approve", "{}", "admin", 200, Bound::Whole),
    route("POST", "/v1/applications/DENIED/reject", r#"{"note": "no"}"#, "admin", 200, Bound::Whole),
    route("GET", "/v1/users", "", "admin", 200, Bound::Whole),
    route("POST", "/v1/users", r#"{"phone": "+4915112345678"}"#, "admin", 201, Bound::Whole),
    route("GET", "/v1/users/PERSON", "", "admin", 200, Bound::Whole),
    route("PATCH", "/v1/users/PERSON", r#"{"name": "changed"}"#, "admin", 200, Bound::Whole),
    route("DELETE", "/v1/users/PERSON/sessions", "", "admin", 204, Bound::Whole),
    route("DELETE", "/v1/users/PERSON/second-factor", "", "admin", 204, Bound::Whole),
    route("GET", "/v1/keys", "", "admin", 200, Bound::Own),
    route("POST", "/v1/keys", r#"{"account": "ACCOUNT", "name": "made"}"#, "admin", 201, Bound::Named),
    route("GET", "/v1/keys/KEY", "", "admin", 200, Bound::Named),
    route("PATCH", "/v1/keys/KEY", r#"{"name": "changed"}"#, "admin", 200, Bound::Named),
    route("POST", "/v1/keys/KEY/rotate", "{}", "admin", 201, Bound::Named),
    route("GET", "/v1/plans", "", "admin", 200, Bound::Own),
    route("GET", "/v1/audit", "", "admin", 200, Bound::Own),
    route("GET", "/v1/usage", "", "admin", 200, Bound::Own),
    route("GET", "/v1/usage?account=ACCOUNT", "", "admin", 200, Bound::Named),
    route("GET", "/v1/usage?key=KEY", "", "admin", 200, Bound::Named),
    route("GET", "/metrics", "", "metrics", 200, Bound::Whole),
    route("POST", "/v1/accounts/import", "{\"name\": \"made\"}", "admin", 200, Bound::Whole),
    route("GET", "/v1/accounts/export", "", "admin", 200, Bound::Whole),
    route("POST", "/v1/keys/import", ROW, "admin", 200, Bound::Whole),
    route("POST", "/v1/users/import", "{\"email\": \"made@example.com\"}", "admin", 200, Bound::Whole),
    route("GET", "/v1/keys/export", "", "admin", 200, Bound::Whole),
    route("GET", "/v1/webhooks", "", "admin", 200, Bound::Whole),
    route("GET", "/v1/webhooks/messages", "", "admin", 200, Bound::Whole),
    route("POST", "/v1/webhooks/messages/MESSAGE/retry", "", "admin", 200, Bound::Whole),
    route("POST", "/v1/webhooks/billing/test", "", "admin", 201, Bound::Whole),
    route("GET", "/v1/mails", "", "admin", 200, Bound::Whole),
    route("POST", "/v1/mails/test", r#"{"address": "ada@example.com"}"#, "admin", 201, Bound::Whole),
    route("POST", "/v1/mails/MAIL/retry", "", "admin", 200, Bound::Whole),
    route("GET", "/v1/tokens", "", "admin", 200, Bound::Own),
    route("POST", "/v1/tokens", r#"{"account": "ACCOUNT", "scopes": ["verify"]}"#, "admin", 201, Bound::Named),
    route("POST", "/v1/verify", "{}", "verify", 200, Bound::Own),
    route("POST", "/v1/balance", r#"{"account": "ACCOUNT", "tokens": 5}"#, "verify", 200, Bound::Named),
    route("DELETE", "/v1/applications/APPLICATION", "", "admin", 204, Bound::Named),
    route("DELETE", "/v1/accounts/ACCOUNT/invitations/INVITATION", "", "admin", 204, Bound::Named),
    route("DELETE", "/v1/accounts/ACCOUNT/members/PERSON", "", "admin", 204, Bound::Named),
    route("DELETE", "/v1/users/PERSON", "", "admin", 204, Bound::Whole),
    route("DELETE", "/v1/keys/KEY", "", "admin", 204, Bound::Named),
    route("DELETE", "/v1/tokens/TOKEN", "", "admin", 204, Bound::Named),
];

/// Routes of users alone, which no service token opens.
const USERS: &[(&str, &str)] = &[
    ("POST", "/v1/accounts/ACCOUNT/invitations"),
    ("GET", "/v1/invitations"),
    ("POST", "/v1/invitations/accept"),
    ("POST", "/v1/agreement"),
    ("POST", "/v1/applications"),
];

/// Routes that need no token, and those of the operator at the control socket.
const OPEN: &[&str] = &[
    "/v1/check",
    "/v1/check/nginx",
    "/v1/check/answer",
    "/v1/me",
    "/v1/me/usage",
    "/.well-known/jwks.json",
    "/v1/agreement",
    "/v1/health",
    "/v1/ready",
    "/v1/openapi.json",
    "/v1/probe",
    "/verify",
    "/reset",
    "/invitation",
    "/second-factor",
    "/docs",
    "/docs.md",
    "/docs/reference",
    "/docs/style.css",
    "/docs/logo",
];
const OPERATOR: &[&str] = &["/v1/first", "/v1/state", "/v1/backup"];

/// What [`ROUTES`] are about.
pub struct Subjects {
    pub account: String,
    pub key: Value,
    pub token: Value,
    message: String,
    mail: String,
    /// A member's id.
    person: String,
    invitation: String,
    application: String,
    /// Applications of others, to be decided.
    granted: String,
    denied: String,
}

impl Subjects {
    pub fn of(stage: &Stage) -> Self {
        let mut owner = Person::new(stage);
        let applied = |owner: &Person<'_>| {
            let body = json!({ "plan": "elite", "use_case": "a shop", "volume": "little" });
            text(&owner.post("/applications", &body).expect(201).json()["id"])
        };
        let [granted, denied] = ["One", "Two"].map(|name| {
            owner.organization(name);
            applied(&owner)
        });
        let account = owner.organization("Subject");
        let application = applied(&owner);
        let body = json!({ "email": "guest@example.com", "role": "member" });
        let invitation = text(&owner.post(&format!("/accounts/{account}/invitations"), &body).expect(201).json()["id"]);
        let person = Person::of(stage, &account, "member").id.to_string();
        let key = stage.key(&account, json!({}));
        let token = stage.post("/tokens", &json!({ "scopes": ["verify"], "account": account })).expect(201).json();
        let message = text(&stage.post("/webhooks/billing/test", &json!({})).expect(201).json()["id"]);
        let mail = text(&stage.post("/mails/test", &json!({ "address": "ada@example.com" })).expect(201).json()["id"]);
        Self { account, key, token, message, mail, person, invitation, application, granted, denied }
    }

    /// Ids that could be, and are none.
    fn missing() -> Self {
        Self {
            account: NO_ACCOUNT.into(),
            key: json!({ "id": NO_KEY }),
            token: json!({ "id": NO_TOKEN }),
            message: "none".into(),
            mail: "none".into(),
            person: "4711".into(),
            invitation: "inv_01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            application: "app_01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            granted: "none".into(),
            denied: "none".into(),
        }
    }

    pub fn fill(&self, template: &str) -> String {
        let (key, token) = (text(&self.key["id"]), text(&self.token["id"]));
        let ids = [
            ("ACCOUNT", &self.account),
            ("KEY", &key),
            ("TOKEN", &token),
            ("MESSAGE", &self.message),
            ("MAIL", &self.mail),
            ("PERSON", &self.person),
            ("INVITATION", &self.invitation),
            ("APPLICATION", &self.application),
            ("GRANTED", &self.granted),
            ("DENIED", &self.denied),
        ];
        let (mut filled, mut rest) = (String::new(), template);
        let next = |rest: &str| ids.iter().filter_map(|(name, id)| rest.find(name).map(|at| (at, *name, *id))).min();
        while let Some((at, name, id)) = next(rest) {
            filled = filled + &rest[..at] + id;
            rest = &rest[at + name.len()..];
        }
        filled + rest
    }

    pub fn request(&self, route: &Route) -> Request {
        self.request_by(route.method, route, route.body)
    }

    pub fn request_by(&self, method: &str, route: &Route, body: &str) -> Request {
        let request = Request::new(method, &format!("/auth{}", self.fill(route.path)));
        let media = if route.is_json() { "application/json" } else { "application/jsonl" };
        if body.is_empty() { request } else { request.header("Content-Type", media).body(self.fill(body).as_bytes()) }
    }

    /// An answer without what tells these subjects, and one request, from others.
    fn anonymised(&self, reply: &Reply) -> String {
        let id = reply.header("X-Request-Id").expect("every answer has one");
        let headers: Vec<&(String, String)> =
            reply.headers.iter().filter(|(name, _)| !["date", "content-length"].contains(&name.as_str())).collect();
        let told = format!("{} {headers:?} {}", reply.status, reply.body).replace(&id, "REQUEST");
        let told = told.replace(&self.application, "APPLICATION");
        told.replace(&self.account, "ACCOUNT").replace(&text(&self.key["id"]), "KEY").replace(&text(&self.token["id"]), "TOKEN")
    }
}

/// An id may hold what stands for another: it is letters and digits at random.
#[test]
fn what_stands_for_an_id_is_looked_for_in_the_template_alone() {
    let account = "acc_01M80J6DVSWJ842ZSVKEYTAGED";
    let subjects = Subjects { account: account.into(), ..Subjects::missing() };
    assert_eq!(subjects.fill("/v1/accounts/ACCOUNT/members/PERSON"), format!("/v1/accounts/{account}/members/4711"));
    assert_eq!(subjects.fill(r#"{"account": "ACCOUNT", "key": "KEY"}"#), format!(r#"{{"account": "{account}", "key": "{NO_KEY}"}}"#));
}

// ---- the table is whole ----

/// Method, path and access of every endpoint there is, as its table has them.
fn endpoints() -> Vec<[String; 3]> {
    let source = include_str!("../../../src/http/endpoints.rs");
    let (_, table) = source.split_once("\nendpoints! {\n").expect("the table is there");
    let (table, _) = table.split_once("\n}\n").expect("it ends");
    let rows = table.lines().map(str::trim).filter(|line| line.contains("=>"));
    rows.map(|line| {
        let mut words = line.split_whitespace().map(|word| word.trim_matches('"').to_owned());
        [(); 3].map(|()| words.next().unwrap_or_else(|| panic!("no endpoint: {line}")))
    })
    .collect()
}

#[test]
fn every_endpoint_there_is_stands_in_the_table() {
    let pattern = pattern_of;
    let without_query = || ROUTES.iter().filter(|route| !route.path.contains('?'));
    let known: BTreeSet<(String, String)> = without_query()
        .map(|route| (route.method.to_owned(), pattern(route.path)))
        .chain(USERS.iter().map(|(method, path)| ("USER".to_owned() + method, pattern(path))))
        .chain(OPEN.iter().map(|path| ("ANYONE".to_owned(), (*path).to_owned())))
        .chain(OPERATOR.iter().map(|path| ("OPERATOR".to_owned(), (*path).to_owned())))
        .collect();
    assert_eq!(known.len(), without_query().count() + USERS.len() + OPEN.len() + OPERATOR.len(), "none stands there twice");
    let there = endpoints().into_iter().map(|[method, path, access]| match access.as_str() {
        "ANYONE" | "VISITOR" => ("ANYONE".to_owned(), path),
        "OPERATOR" => (access, path),
        "USER" => (access + &method, path),
        _ => (method, path),
    });
    assert_eq!(there.collect::<BTreeSet<_>>(), known);
    for [method, path, access] in endpoints() {
        let route = ROUTES.iter().find(|route| route.method == method && pattern(route.path) == path);
        let (scope, is_whole) = match access.as_str() {
            "VERIFY" => ("verify", false),
            "ADMIN" | "MEMBER" | "MANAGER" => ("admin", false),
            "WHOLE" => ("admin", true),
            "METRICS" => ("metrics", true),
            _ => continue,
        };
        let route = route.expect("it stands there");
        assert_eq!(route.scope, scope, "{method} {path}");
        assert!(!is_whole || route.bound == Bound::Whole, "{method} {path}");
    }
}

/// A path as the table of endpoints has it.
fn pattern_of(path: &str) -> String {
    let path = path.replace("members/PERSON", "members/{user}").replace("INVITATION", "{invitation}");
    let ids = ["ACCOUNT", "KEY", "TOKEN", "MESSAGE", "MAIL", "PERSON", "APPLICATION", "GRANTED", "DENIED", "billing"];
    ids.iter().fold(path, |path, id| path.replace(id, "{id}"))
}

// ---- without a token that opens it ----

#[test]
fn without_a_token_of_the_right_scope_every_route_refuses_and_nothing_changes() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let all = json!(["admin", "verify", "metrics"]);
    let revoked = Holder::of(&stage, &json!({ "scopes": all }));
    stage.delete(&format!("/tokens/{}", revoked.id)).expect(204);
    let expired = Holder::of(&stage, &json!({ "scopes": all, "expires": "50ms" }));
    eventually("the token expires", || (expired.get("/plans").status == 401).then_some(()));
    let mistyped = format!("{}{}", &stage.token[..47], if stage.token.ends_with('0') { '1' } else { '0' });
    let nobody = [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer nonsense".into(),
        "Bearer tgs_".into(),
        format!("Bearer {mistyped}"),
        format!("Bearer {}", stage.token.to_uppercase()),
        format!("Bearer {}", text(&subjects.key["key"])),
        format!("Bearer {}", revoked.token),
        format!("Bearer {}", expired.token),
        format!("Bearer {} {}", stage.token, stage.token),
        format!("Bearer {},{}", stage.token, stage.token),
        format!("Basic {}", stage.token),
        stage.token.clone(),
    ];
    let holders = ["admin", "verify", "metrics"].map(|scope| (scope, Holder::of(&stage, &json!({ "scopes": [scope] }))));
    let before = everything(&stage);
    let assert_refused = |request: &Request, status: u16| {
        let reply = stage.server.send(request);
        assert_problem(&reply, status);
        assert!(reply.header("WWW-Authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")), "{reply:?}");
        reply
    };
    for route in ROUTES {
        let request = subjects.request(route);
        assert_refused(&request, 401);
        for value in &nobody {
            assert_refused(&request.clone().header("Authorization", value), 401);
        }
        for header in ["api-key", "X-Auth-Account", "X-Auth-Key"] {
            assert_refused(&request.clone().header(header, &stage.token), 401);
        }
        assert_refused(&request.clone().bearer(&stage.token).bearer("nonsense"), 401);
        assert_refused(&request.clone().bearer("nonsense").bearer(&stage.token), 401);
        for (scope, holder) in &holders {
            if *scope == route.scope {
                continue;
            }
            let reply = assert_refused(&request.clone().bearer(&holder.token), 403);
            let challenge = reply.header("WWW-Authenticate").unwrap();
            assert!(challenge.contains("insufficient_scope") && challenge.contains(&format!("scope=\"{}\"", route.scope)), "{reply:?}");
            assert!(text(&reply.json()["detail"]).contains(&format!("'{}'", route.scope)), "{reply:?}");
        }
        if route.method == "GET" {
            let head = subjects.request_by("HEAD", route, "");
            stage.server.send(&head).expect(401);
            let small = holders.iter().find(|(scope, _)| *scope != route.scope).unwrap();
            stage.server.send(&head.bearer(&small.1.token)).expect(403);
        }
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn with_a_token_of_the_right_scope_every_route_answers() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    for route in ROUTES {
        let token = stage.folder.token(route.scope);
        let reply = stage.server.send(&subjects.request(route).bearer(&token));
        assert_eq!(reply.status, route.status, "{} {}: {reply:?}", route.method, route.path);
        if route.status != 204 {
            let media = reply.header("Content-Type").unwrap_or_default();
            assert_eq!(media == "application/json", route.is_json() || route.method == "POST", "{} {}: {media}", route.method, route.path);
        }
        assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"), "{} {}", route.method, route.path);
        if route.method == "GET" {
            let head = stage.server.send(&subjects.request_by("HEAD", route, "").bearer(&token)).expect(200);
            assert_eq!((head.body.len(), head.header("ETag")), (0, reply.header("ETag")), "{}", route.path);
        }
    }
}

#[test]
fn a_wrong_method_is_405_and_names_those_there_are() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let before = everything(&stage);
    for route in ROUTES {
        if route.path.contains('?') {
            continue;
        }
        // `import` is spelled out: it is no id.
        let of_path = |other: &&Route| other.path.split('?').next() == Some(route.path);
        let mut known: BTreeSet<&str> = ROUTES.iter().filter(of_path).map(|other| other.method).collect();
        // A sign-in's own path has the same place.
        known.extend((route.path == "/v1/balance").then_some("GET"));
        known.extend(USERS.iter().filter(|(_, path)| *path == route.path).map(|(method, _)| *method));
        if known.contains("GET") {
            known.insert("HEAD");
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "TRACE"] {
            if known.contains(method) {
                continue;
            }
            let reply = stage.server.send(&subjects.request_by(method, route, "").bearer(&stage.token));
            assert_problem(&reply, 405);
            let told = reply.header("Allow").expect("it says which");
            assert_eq!(told.split(", ").collect::<BTreeSet<_>>(), known, "{method} {}", route.path);
        }
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn what_is_the_operators_alone_is_not_there_from_outside() {
    let stage = Stage::with(PLANS);
    let alone = stage.account(json!({}));
    let bound = Holder::bound(&stage, &alone);
    let all = Holder::of(&stage, &json!({ "scopes": ["admin", "verify", "metrics"] }));
    for path in OPERATOR {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            for token in [None, Some("nonsense"), Some(&*bound.token), Some(&*all.token)] {
                let send = |path: &str| {
                    let request = Request::new(method, path);
                    let reply = stage.server.send(&token.iter().fold(request, |request, token| request.bearer(token)));
                    (reply.status, reply.header("Allow"), reply.body.replace(&reply.header("X-Request-Id").unwrap(), ""))
                };
                let nothing = send("/auth/v1/nothing");
                assert_eq!(nothing.0, 404, "{method}");
                assert_eq!(send(&format!("/auth{path}")), nothing, "{method} {path} {token:?}");
            }
        }
    }
}

// ---- tokens that are bound to one account ----

#[test]
fn with_a_token_bound_to_another_account_what_is_there_is_as_if_it_were_not() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let missing = Subjects::missing();
    let (own, empty) = (stage.account(json!({})), stage.account(json!({})));
    stage.key(&own, json!({}));
    let holders = [Holder::bound(&stage, &own), Holder::bound(&stage, &empty)];
    let before = everything(&stage);
    for (route, holder) in ROUTES.iter().flat_map(|route| holders.iter().map(move |holder| (route, holder))) {
        let send = |of: &Subjects, body: &str, more: &[(&str, &str)]| {
            let request = of.request_by(route.method, route, body).bearer(&holder.token);
            stage.server.send(&more.iter().fold(request, |request, (name, value)| request.header(name, value)))
        };
        let reply = send(&subjects, route.body, &[]);
        match route.bound {
            Bound::Own => drop(reply.expect(route.status)),
            Bound::Whole => assert_problem(&reply, 403),
            Bound::Named => {
                assert_problem(&reply, 404);
                // Nothing else of a request makes a difference either.
                for more in [&[][..], &[("If-Match", "\"1\"")], &[("If-Match", "\"7\"")], &[("If-Match", "*")], &[("Idempotency-Key", "k")]]
                {
                    let (there, not_there) = (send(&subjects, route.body, more), send(&missing, route.body, more));
                    assert_eq!(subjects.anonymised(&there), missing.anonymised(&not_there), "{} {} {more:?}", route.method, route.path);
                    // If-Match is refused where no state is looked at, whoever asks.
                    let is_member = route.path.contains("/members/");
                    let looks = (["GET", "PATCH"].contains(&route.method) && !is_member) || route.path.starts_with("/v1/keys/");
                    let is_refused = !looks && more.iter().any(|(name, value)| *name == "If-Match" && *value != "*");
                    assert_eq!(there.status, if is_refused { 400 } else { 404 }, "{} {} {more:?}", route.method, route.path);
                }
                if route.body.is_empty() {
                    continue;
                }
                let wrong = route.body.replacen('{', "{\"colour\": \"red\", ", 1).replace(", }", "}");
                for body in [wrong.as_str(), "[]", "{"] {
                    let (there, not_there) = (send(&subjects, body, &[]), send(&missing, body, &[]));
                    assert_eq!(subjects.anonymised(&there), missing.anonymised(&not_there), "{} {} {body}", route.method, route.path);
                    assert!([400, 404].contains(&there.status), "{there:?}");
                }
            }
        }
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn with_a_token_bound_to_the_account_itself_every_route_answers_that_is_not_of_the_whole_server() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let holder = Holder::bound(&stage, &subjects.account);
    for route in ROUTES {
        let reply = stage.server.send(&subjects.request(route).bearer(&holder.token));
        let expected = if route.bound == Bound::Whole { 403 } else { route.status };
        assert_eq!(reply.status, expected, "{} {}: {reply:?}", route.method, route.path);
    }
}

// ---- users ----

#[test]
fn users_may_do_what_their_part_in_an_account_lets_them() {
    let stage = Stage::with(PLANS);
    let table = endpoints();
    for role in ["member", "admin", "owner", "server"] {
        let subjects = Subjects::of(&stage);
        let person = match role {
            "server" => Person::with(&stage, json!({ "admin": true })),
            role => Person::of(&stage, &subjects.account, role),
        };
        for route in ROUTES {
            let path = pattern_of(route.path.split('?').next().unwrap());
            let access = &table.iter().find(|[method, own, _]| *method == route.method && *own == path).unwrap()[2];
            // Whoever is a member takes out nobody but themselves.
            let is_removal = route.method == "DELETE" && path.contains("/members/");
            let may = match access.as_str() {
                "VERIFY" | "METRICS" => None,
                "MEMBER" if !is_removal => Some(true),
                "MEMBER" | "MANAGER" => Some(role != "member"),
                _ => Some(role == "server"),
            };
            let reply = stage.server.send(&subjects.request(route).bearer(&person.access));
            let expected = may.map_or(401, |may| if may { route.status } else { 403 });
            assert_eq!(reply.status, expected, "{role}: {} {}: {reply:?}", route.method, route.path);
        }
        // One number is one user's.
        let user = stage.get("/users?search=%2B4915112345678").expect(200).json();
        if let Some(user) = data(&user).first() {
            stage.patch(&format!("/users/{}", user["id"]), &json!({ "email": format!("{role}@example.com"), "phone": null })).expect(200);
        }
    }
}

#[test]
fn to_a_user_what_is_anothers_is_as_if_it_were_not_there() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    let missing = Subjects::missing();
    let mut stranger = Person::new(&stage);
    stranger.organization("Theirs");
    let before = everything(&stage);
    for route in ROUTES.iter().filter(|route| route.bound == Bound::Named && route.scope == "admin") {
        let send = |of: &Subjects| stage.server.send(&of.request(route).bearer(&stranger.access));
        let (there, not_there) = (send(&subjects), send(&missing));
        assert_eq!(subjects.anonymised(&there), missing.anonymised(&not_there), "{} {}", route.method, route.path);
        let is_of_tokens = route.path.starts_with("/v1/tokens");
        assert_eq!(there.status, if is_of_tokens { 403 } else { 404 }, "{} {}", route.method, route.path);
    }
    assert_eq!(everything(&stage), before);
}

#[test]
fn no_service_token_is_a_user() {
    let stage = Stage::with(PLANS);
    let subjects = Subjects::of(&stage);
    for (method, path) in USERS {
        let request = Request::new(method, &format!("/auth{}", subjects.fill(path)));
        for request in [request.clone(), request.clone().bearer(&stage.token), request.bearer(&text(&subjects.key["key"]))] {
            stage.server.send(&request).expect(401);
        }
    }
}

// ---- tokens that end ----

#[test]
fn a_revoked_token_is_refused_at_once() {
    let stage = Stage::with(PLANS);
    let made = || stage.post("/tokens", &json!({ "scopes": ["verify"] })).expect(201).json();
    let works = |token: &Value| stage.server.post("/auth/v1/verify", &text(&token["token"]), &json!({})).status;
    let (over_http, by_hand) = (made(), made());
    assert_eq!((works(&over_http), works(&by_hand)), (200, 200));
    stage.delete(&format!("/tokens/{}", text(&over_http["id"]))).expect(204);
    assert_eq!((works(&over_http), works(&by_hand)), (401, 200));
    stage.folder.json(&["token", "revoke", &text(&by_hand["id"])]);
    assert_eq!(works(&by_hand), 401);
    let listed = stage.get("/tokens").json();
    let of = |token: &Value| listed["data"].as_array().unwrap().iter().find(|record| record["id"] == token["id"]).unwrap().clone();
    assert!(of(&over_http)["revoked_at"].is_string() && of(&by_hand)["revoked_at"].is_string(), "{listed}");

    let hot = made();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut afterwards = Vec::new();
                    while afterwards.len() < 20 {
                        let sent_after = is_done.load(Ordering::SeqCst);
                        let status = works(&hot);
                        if sent_after {
                            afterwards.push(status);
                        }
                    }
                    afterwards
                })
            })
            .collect();
        let status = stage.delete(&format!("/tokens/{}", text(&hot["id"]))).status;
        is_done.store(true, Ordering::SeqCst);
        assert_eq!(status, 204);
        let afterwards: Vec<u16> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(afterwards, [401; 80]);
    });
    let stage = stage.restart();
    assert_eq!(stage.server.post("/auth/v1/verify", &text(&hot["token"]), &json!({})).status, 401);
}

#[test]
fn a_service_token_opens_nothing_at_the_gate() {
    let stage = Stage::with(PLANS);
    for path in ["/x", "/auth/v1/me"] {
        let reply = stage.server.get(path, &stage.token).expect(401);
        assert_eq!(reply.verdict(), "unknown", "{path}");
    }
}
