//! The OpenAPI document: printed and served alike, filled in from the configuration, and true. A tour calls every operation, and holds
//! each answer against it; so does every call of a [`Stage`] in all other tests.

mod sign_in;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sign_in::telegram;
use crate::support::openapi::Document;
use crate::support::person::PASSWORD;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider};
use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Stage};

const CONFIG: &str = r#"
[server]
public_url = "https://api.example.com"
prefix = "/gate"

[keys]
carriers = ["header:api-key", "bearer", "basic:user", "scheme:Bot", "query:api_key"]
environments = [{ name = "prod", prefix = "x_", length = 40 }, { name = "trial", prefix = "y_", length = 40 }]
limits = [{ name = "day", minimum = 10, maximum = 500 }]

[[plans]]
name = "hobby"
default = true
limits = [{ requests = 5, per = "minute" }, { requests = 400, per = "day" }]

[[plans]]
name = "work"
limits = [{ name = "burst", requests = 100, per = "10s" }]

[[style.answers]]
verdicts = ["expired"]
status = 410
content_type = "text/plain"
body = "gone"
"#;

const HOOKS: &str = r#"
[sign_in.agreement]
version = "1"

[[plans]]
name = "free"
default = true
limits = [{ requests = 60, per = "minute" }, { requests = 10000, per = "month" }]

[[plans]]
name = "pro"
limits = [{ requests = 600, per = "minute" }]

[[plans]]
name = "partner"
review = true

[[plans]]
name = "press"
review = true

[[plans]]
name = "school"
review = true

[webhooks.billing]
url = "http://127.0.0.1:9/hooks"
secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
allow_private = true
"#;

#[test]
fn it_is_printed_and_served_alike() {
    let stage = Stage::of(Folder::with(CONFIG));
    let printed = Document::of(&stage.folder).0;
    assert_eq!(stage.folder.json(&["openapi"]), printed, "with --json too");
    let served = stage.server.send(&Request::get("/gate/v1/openapi.json")).expect(200);
    assert_eq!(served.header("Content-Type").as_deref(), Some("application/json"));
    assert_eq!(served.json(), printed);
    assert_eq!(printed["openapi"], "3.1.1");
    assert_eq!(printed["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn it_says_what_the_configuration_says() {
    let Document(document) = Document::of(&Folder::with(CONFIG));
    assert_eq!(document["servers"], json!([{ "url": "https://api.example.com" }]));
    let paths = document["paths"].as_object().unwrap();
    let sign_in = ["/auth/v1/auth/", "/auth/v1/user/", "/auth/v1/balance"];
    assert!(
        paths.keys().all(|path| path.starts_with("/gate/") || sign_in.iter().any(|begin| path.starts_with(begin))),
        "{:?}",
        paths.keys()
    );
    let (schemas, schemes) = (&document["components"]["schemas"], &document["components"]["securitySchemes"]);
    assert_eq!(schemas["PlanName"]["enum"], json!(["hobby", "work"]));
    assert_eq!(schemas["EnvironmentName"]["enum"], json!(["prod", "trial"]));
    let limits = &schemas["LimitChanges"]["properties"];
    assert_eq!(limits["day"], json!({ "type": ["integer", "null"], "minimum": 10, "maximum": 500 }));
    assert_eq!(limits.as_object().unwrap().keys().collect::<Vec<_>>(), ["minute", "day", "burst"]);
    for (name, scheme) in [
        ("key_1", json!({ "type": "apiKey", "in": "header", "name": "api-key" })),
        ("key_2", json!({ "type": "http", "scheme": "bearer" })),
        ("key_3", json!({ "type": "http", "scheme": "basic" })),
        ("key_4", json!({ "type": "http", "scheme": "Bot" })),
        ("key_5", json!({ "type": "apiKey", "in": "query", "name": "api_key" })),
    ] {
        let mut told = schemes[name].clone();
        told.as_object_mut().unwrap_or_else(|| panic!("{name} is missing: {schemes}")).remove("description");
        assert_eq!(told, scheme, "{name}");
    }
    let me = &document["paths"]["/gate/v1/me"]["get"];
    assert_eq!(me["security"].as_array().unwrap().len(), 5);
    assert_eq!(me["responses"]["410"]["content"], json!({ "text/plain": { "schema": { "type": "string" } } }));
    assert!(me["responses"].get("429").is_none(), "it asks about no limit: {me}");
    assert!(document["paths"]["/gate/v1/check"]["get"]["responses"]["429"]["headers"]["Retry-After"].is_object());
    let default = Document::of(&Folder::new()).0;
    assert_eq!(default["servers"], json!([{ "url": "/" }]));
    assert!(default["paths"].get("/auth/v1/keys").is_some());
}

/// Where codes go, and where this server is.
const HERE: &str = "https://app.example.com/signed-in";
const CALLBACK: &str = "https://api.example.com/auth/v1";

/// Google, Telegram and another are all this one.
fn providers(provider: &FakeProvider) -> String {
    let table = |path: &str| {
        format!(
            "client_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nissuer = \"{}\"\nredirect_uris = [\"{HERE}\", \"{CALLBACK}{path}/callback\"]\n",
            provider.issuer
        )
    };
    format!(
        "[server]\npublic_url = \"https://api.example.com\"\n[sign_in.google]\n{}[sign_in.telegram]\nbot_token = \"{}\"\n{}[[sign_in.oidc]]\nname = \"house\"\n{}",
        table("/auth/google"),
        telegram::BOT,
        table("/auth/telegram"),
        table("/auth/oidc/house")
    )
}

/// Calls operations, and holds each answer against the document.
struct Tour {
    stage: Stage,
    /// A user's access token.
    user: String,
    metrics: String,
    document: Document,
    /// Whom people sign in with.
    provider: FakeProvider,
    /// The operations that were answered well.
    seen: BTreeSet<String>,
}

impl Tour {
    fn new() -> Self {
        let provider = FakeProvider::start();
        let folder = Folder::with(&format!("{}{HOOKS}", providers(&provider)));
        let metrics = folder.token("metrics");
        Self { document: Document::of(&folder), stage: Stage::of(folder), user: String::new(), metrics, provider, seen: BTreeSet::new() }
    }

    #[track_caller]
    fn send(&mut self, method: &str, path: &str, request: Request, status: u16) -> Reply {
        let reply = self.stage.server.send(&request).expect(status);
        let (template, operation) = self.document.find(method, path).unwrap_or_else(|| panic!("{method} {path} is not in the document"));
        self.document.hold(operation, &format!("{method} {path}"), &reply);
        if status < 400 {
            self.seen.insert(format!("{} {template}", method.to_lowercase()));
        }
        reply
    }

    /// With the operator's token; a body where it is not null.
    #[track_caller]
    fn call(&mut self, method: &str, path: &str, body: Value, status: u16) -> Value {
        self.call_with(method, path, body, &[], status)
    }

    #[track_caller]
    fn call_with(&mut self, method: &str, path: &str, body: Value, headers: &[(&str, &str)], status: u16) -> Value {
        let path = format!("/auth/v1{path}");
        let mut request = Request::new(method, &path).bearer(&self.stage.token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let reply = self.send(method, &path, request, status);
        serde_json::from_str(&reply.body).unwrap_or_default()
    }

    /// From here on as this user, for one of their accounts.
    #[track_caller]
    fn sign_in(&mut self, email: &str, account: Option<&str>) {
        let body = json!({ "email": email, "password": PASSWORD });
        let path = "/auth/v1/auth/login";
        let reply = self.send("POST", path, Request::post(path, &body), 200);
        self.user = text(&reply.json()["access_token"]);
        if let Some(account) = account {
            self.user = text(&self.as_user("POST", "/auth/switch", json!({ "account": account }), 200)["access_token"]);
        }
    }

    /// With a user's access token; a body where it is not null.
    #[track_caller]
    fn as_user(&mut self, method: &str, path: &str, body: Value, status: u16) -> Value {
        let path = format!("/auth/v1{path}");
        let mut request = Request::new(method, &path).bearer(&self.user);
        if !body.is_null() {
            request = request.json(&body);
        }
        let reply = self.send(method, &path, request, status);
        serde_json::from_str(&reply.body).unwrap_or_default()
    }

    /// As the holder of a key, or as a proxy that has its request.
    #[track_caller]
    fn as_client(&mut self, path: &str, key: &str, headers: &[(&str, &str)], status: u16) -> Reply {
        let path = format!("/auth/v1{path}");
        let request = headers.iter().fold(Request::get(&path).bearer(key), |request, (name, value)| request.header(name, value));
        self.send("GET", &path, request, status)
    }
}

#[test]
fn every_operation_answers_as_the_document_says() {
    let mut tour = Tour::new();
    let account = tour.call("POST", "/accounts", json!({ "name": "Ada", "plan": "pro", "limits": { "minute": 5 } }), 201);
    let account = text(&account["id"]);
    let of_account = format!("/accounts/{account}");
    tour.call("GET", "/accounts?limit=1", Value::Null, 200);
    tour.call("GET", &of_account, Value::Null, 200);
    tour.call("PATCH", &of_account, json!({ "balance": 100, "plan_until": "2100-01-01" }), 200);
    tour.call("POST", "/balance", json!({ "account": account, "tokens": -5, "reason": "a picture" }), 200);
    tour.call("GET", &format!("{of_account}/balance"), Value::Null, 200);
    let new = json!({ "account": account, "name": "laptop", "expires_at": "90d", "metadata": { "a": [1] }, "scopes": ["a:*"], "ips": ["127.0.0.0/8"] });
    let key = tour.call("POST", "/keys", new, 201);
    let (id, raw) = (text(&key["id"]), text(&key["key"]));
    tour.call("GET", "/keys", Value::Null, 200);
    tour.call("GET", &format!("/keys/{id}"), Value::Null, 200);
    tour.call("PATCH", &format!("/keys/{id}"), json!({ "limits": { "month": 7 } }), 200);
    tour.call("GET", "/plans", Value::Null, 200);
    tour.call("POST", "/verify", json!({ "key": raw, "path": "/x", "ip": "127.0.0.1" }), 200);
    tour.call("POST", "/verify", json!([{ "key": raw }, {}, { "key": raw, "dry_run": true }]), 200);
    tour.as_client("/me", &raw, &[], 200);
    tour.as_client("/me/usage", &raw, &[], 200);
    tour.as_client("/me/usage?format=csv", &raw, &[], 200);
    let forwarded = [("X-Forwarded-Uri", "/x"), ("X-Forwarded-Method", "GET")];
    tour.as_client("/check", &raw, &forwarded, 200);
    tour.as_client("/check/nginx", &raw, &forwarded, 200);
    tour.as_client("/check/answer", "wrong", &forwarded, 401);
    tour.seen.insert("get /auth/v1/check/answer".into());
    for ask in ["", "?of=key&by=hour", "?of=account", "?format=csv"] {
        tour.call("GET", &format!("/usage{ask}"), Value::Null, 200);
    }
    let next = tour.call("POST", &format!("/keys/{id}/rotate"), json!({ "grace": "1h" }), 201);
    tour.call("DELETE", &format!("/keys/{}", text(&next["id"])), Value::Null, 204);
    let token = tour.call("POST", "/tokens", json!({ "name": "app", "scopes": ["verify"], "account": account, "expires_at": "1d" }), 201);
    tour.call("GET", "/tokens", Value::Null, 200);
    tour.call("DELETE", &format!("/tokens/{}", text(&token["id"])), Value::Null, 204);
    for what in ["accounts", "keys"] {
        for format in ["jsonl", "csv"] {
            tour.call("GET", &format!("/{what}/export?format={format}"), Value::Null, 200);
        }
    }
    let row = |hash: String| json!({ "account": account, "name": "old", "hash": hash, "prefix": "tg_live_abcd" }).to_string() + "\n";
    for (what, media, accept, body, status) in [
        ("accounts", "text/csv", "application/json", "name,plan\r\nbo,free\r\n".to_owned(), 200),
        ("accounts", "text/csv", "application/json", "name,plan\r\nbo,gold\r\n".to_owned(), 400),
        ("keys", "application/jsonl", "application/jsonl", row("a".repeat(64)), 200),
        ("keys", "application/jsonl", "application/jsonl", row("short".into()), 400),
        ("users", "text/csv", "application/jsonl", "email\r\nzoe@example.com\r\n".to_owned(), 200),
        ("users", "text/csv", "application/json", "email\r\nzoe@example.com\r\n".to_owned(), 400),
    ] {
        let path = format!("/auth/v1/{what}/import");
        let request = Request::new("POST", &path).bearer(&tour.stage.token).header("Content-Type", media).header("Accept", accept);
        tour.send("POST", &path, request.body(body.as_bytes()), status);
    }
    tour_of_people(&mut tour);
    sign_in::by_mail(&mut tour);
    sign_in::signed_in(&mut tour);
    sign_in::by_others(&mut tour);
    sign_in::in_a_browser(&mut tour);
    sign_in::by_invitation(&mut tour);
    tour.call("GET", "/webhooks", Value::Null, 200);
    let message = tour.call("POST", "/webhooks/billing/test", Value::Null, 201);
    tour.call("GET", "/webhooks/messages", Value::Null, 200);
    tour.call("POST", &format!("/webhooks/messages/{}/retry", text(&message["id"])), Value::Null, 200);
    let mail = tour.call("POST", "/mails/test", json!({ "address": "ada@example.com" }), 201);
    tour.call("GET", "/mails", Value::Null, 200);
    tour.call("POST", &format!("/mails/{}/retry", text(&mail["id"])), Value::Null, 200);
    tour.call("GET", "/audit", Value::Null, 200);
    tour.call("GET", "/health", Value::Null, 200);
    tour.call("GET", "/ready", Value::Null, 200);
    tour.call("GET", "/openapi.json", Value::Null, 200);
    for (path, status) in [("docs", 200), ("docs.md", 200), ("docs/reference", 200), ("docs/style.css", 200), ("docs/logo", 404)] {
        let path = format!("/auth/{path}");
        tour.send("GET", &path, Request::get(&path), status);
    }
    tour.seen.insert("get /auth/docs/logo".into());
    tour.call("GET", "/probe", Value::Null, 404);
    tour.seen.insert("get /auth/v1/probe".into());
    let request = Request::get("/auth/metrics").bearer(&tour.metrics);
    tour.send("GET", "/auth/metrics", request, 200);

    let all: BTreeSet<String> = tour.document.operations().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let missed: Vec<_> = all.difference(&tour.seen).collect();
    assert!(missed.is_empty(), "nobody called {missed:?}");
}

/// Users, and what they do with what is theirs.
fn tour_of_people(tour: &mut Tour) {
    let user = tour.call("POST", "/users", json!({ "email": "ada@example.com", "password": PASSWORD, "verified": true }), 201);
    let other = tour.call("POST", "/users", json!({ "email": "bo@example.com", "password": PASSWORD, "verified": true }), 201);
    tour.call("GET", "/users?limit=1", Value::Null, 200);
    let of_user = format!("/users/{}", user["id"]);
    tour.call("GET", &of_user, Value::Null, 200);
    tour.call("PATCH", &of_user, json!({ "name": "Ada" }), 200);
    tour.call("DELETE", &format!("{of_user}/sessions"), Value::Null, 204);
    tour.call("DELETE", &format!("{of_user}/second-factor"), Value::Null, 204);
    tour.sign_in("ada@example.com", None);
    let org = text(&tour.as_user("POST", "/accounts", json!({ "name": "Engines" }), 201)["id"]);
    tour.sign_in("ada@example.com", Some(&org));
    let members = format!("/accounts/{org}/members");
    let invitations = format!("/accounts/{org}/invitations");
    tour.as_user("GET", &members, Value::Null, 200);
    let invite = |tour: &mut Tour| {
        let body = json!({ "email": "bo@example.com", "role": "member" });
        text(&tour.as_user("POST", &invitations, body, 201)["id"])
    };
    let invitation = invite(tour);
    tour.as_user("GET", &invitations, Value::Null, 200);
    tour.as_user("DELETE", &format!("{invitations}/{invitation}"), Value::Null, 204);
    let invitation = invite(tour);
    tour.call("GET", "/agreement", Value::Null, 200);
    tour.as_user("POST", "/keys", json!({ "name": "x" }), 403);
    tour.as_user("POST", "/agreement", json!({ "version": "1" }), 200);
    tour.as_user("POST", "/keys", json!({ "name": "x" }), 201);
    let applications: Vec<String> = ["partner", "press", "school"]
        .map(|plan| {
            let body = json!({ "plan": plan, "use_case": "a shop", "volume": "little" });
            format!("/applications/{}", text(&tour.as_user("POST", "/applications", body, 201)["id"]))
        })
        .into();
    tour.as_user("GET", "/applications?state=open", Value::Null, 200);
    tour.as_user("GET", &applications[0], Value::Null, 200);
    tour.call("POST", &format!("{}/approve", applications[0]), json!({ "note": "Welcome." }), 200);
    tour.call("POST", &format!("{}/reject", applications[1]), json!({ "note": "No." }), 200);
    tour.as_user("DELETE", &applications[2], Value::Null, 204);
    tour.sign_in("bo@example.com", None);
    tour.as_user("GET", "/invitations", Value::Null, 200);
    tour.as_user("POST", "/invitations/accept", json!({ "id": invitation }), 200);
    let of_other = format!("{members}/{}", other["id"]);
    tour.call("PATCH", &of_other, json!({ "role": "admin" }), 200);
    tour.call("DELETE", &of_other, Value::Null, 204);
    tour.as_user("DELETE", &of_other, Value::Null, 404);
    tour.call("DELETE", &format!("/users/{}", other["id"]), Value::Null, 204);
    tour.call("DELETE", &format!("/users/{}", other["id"]), Value::Null, 404);
}

#[test]
fn every_refusal_is_as_the_document_says() {
    let mut tour = Tour::new();
    let account = text(&tour.call("POST", "/accounts", json!({ "name": "Ada" }), 201)["id"]);
    let key = tour.call("POST", "/keys", json!({ "account": account, "name": "laptop" }), 201);
    let (id, raw) = (text(&key["id"]), text(&key["key"]));
    // Without a token, with one of another scope, with one that is bound.
    let bound = tour.call("POST", "/tokens", json!({ "scopes": ["admin", "verify"], "account": account }), 201);
    let bound = text(&bound["token"]);
    let operations: Vec<(String, String, bool)> = tour
        .document
        .operations()
        .iter()
        .map(|(method, path, operation)| {
            (method.to_uppercase(), (*path).to_owned(), operation["security"][0].get("service_token").is_some())
        })
        .collect();
    let metrics = tour.metrics.clone();
    for (method, path, _) in operations.iter().filter(|(_, _, is_guarded)| *is_guarded) {
        let path = path.replace("{id}", "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        tour.send(method, &path, Request::new(method, &path), 401);
        tour.send(method, &path, Request::new(method, &path).bearer("tgs_wrong"), 401);
        let other = if path.ends_with("/metrics") { &bound } else { &metrics };
        tour.send(method, &path, Request::new(method, &path).bearer(other), 403);
    }
    for path in ["/auth/v1/keys/export", "/auth/v1/webhooks", "/auth/v1/accounts/export"] {
        tour.send("GET", path, Request::get(path).bearer(&bound), 403);
    }
    // What is not there.
    let (no_account, no_key) = ("acc_01ARZ3NDEKTSV4RRFFQ69G5FAV", "key_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    for (method, path, body) in [
        ("GET", format!("/accounts/{no_account}"), Value::Null),
        ("PATCH", format!("/accounts/{no_account}"), json!({})),
        ("GET", format!("/accounts/{no_account}/balance"), Value::Null),
        ("GET", format!("/accounts/export?account={no_account}"), Value::Null),
        ("POST", "/balance".into(), json!({ "account": no_account, "tokens": 1 })),
        ("POST", "/keys".into(), json!({ "account": no_account, "name": "x" })),
        ("GET", format!("/keys/{no_key}"), Value::Null),
        ("PATCH", format!("/keys/{no_key}"), json!({})),
        ("DELETE", format!("/keys/{no_key}"), Value::Null),
        ("POST", format!("/keys/{no_key}/rotate"), Value::Null),
        ("GET", format!("/usage?account={no_account}"), Value::Null),
        ("DELETE", "/tokens/tok_01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), Value::Null),
        ("POST", "/tokens".into(), json!({ "scopes": ["verify"], "account": no_account })),
        ("POST", "/webhooks/nobody/test".into(), Value::Null),
        ("POST", "/webhooks/messages/msg_01ARZ3NDEKTSV4RRFFQ69G5FAV/retry".into(), Value::Null),
    ] {
        tour.call(method, &path, body, 404);
    }
    // What is wrong.
    let wrong = json!({ "nonsense": 1 });
    for (method, path, body) in [
        ("GET", "/accounts?limit=0".into(), Value::Null),
        ("GET", "/keys?what=1".into(), Value::Null),
        ("GET", "/tokens?cursor=x".into(), Value::Null),
        ("GET", "/audit?action=x".into(), Value::Null),
        ("GET", "/usage?by=year".into(), Value::Null),
        ("GET", "/plans?what=1".into(), Value::Null),
        ("GET", "/webhooks?what=1".into(), Value::Null),
        ("GET", "/webhooks/messages?state=x".into(), Value::Null),
        ("GET", "/keys/export?format=xml".into(), Value::Null),
        ("GET", format!("/accounts/{account}/balance?limit=x"), Value::Null),
        ("POST", "/accounts".into(), wrong.clone()),
        ("PATCH", format!("/accounts/{account}"), wrong.clone()),
        ("POST", "/keys".into(), wrong.clone()),
        ("PATCH", format!("/keys/{id}"), wrong.clone()),
        ("POST", format!("/keys/{id}/rotate"), wrong.clone()),
        ("POST", "/tokens".into(), wrong.clone()),
        ("POST", "/balance".into(), wrong.clone()),
        ("POST", "/verify".into(), wrong.clone()),
        ("GET", "/keys/%C2%84".into(), Value::Null),
    ] {
        tour.call(method, &path, body, 400);
    }
    // What does not go with what is there.
    tour.call("POST", "/balance", json!({ "account": account, "tokens": -1 }), 402);
    let once = [("Idempotency-Key", "once")];
    tour.call_with("POST", "/accounts", json!({ "name": "one" }), &once, 201);
    tour.call_with("POST", "/accounts", json!({ "name": "other" }), &once, 409);
    let stale = [("If-Match", "\"77\"")];
    tour.call_with("PATCH", &format!("/accounts/{account}"), json!({}), &stale, 412);
    tour.call_with("PATCH", &format!("/keys/{id}"), json!({}), &stale, 412);
    tour.call_with("DELETE", &format!("/keys/{id}"), Value::Null, &stale, 412);
    tour.call_with("POST", &format!("/keys/{id}/rotate"), Value::Null, &stale, 412);
    tour.call("POST", &format!("/keys/{id}/rotate"), Value::Null, 201);
    tour.call("POST", &format!("/keys/{id}/rotate"), Value::Null, 409);
    // Bodies that cannot be read.
    let token = tour.stage.token.clone();
    for path in ["/auth/v1/keys", "/auth/v1/verify", "/auth/v1/keys/import"] {
        tour.send("POST", path, Request::new("POST", path).bearer(&token).header("Content-Type", "text/html").body(b"x"), 415);
    }
    let large = json!({ "name": "x".repeat(2 << 20) });
    tour.send("POST", "/auth/v1/accounts", Request::post("/auth/v1/accounts", &large).bearer(&token), 413);
    // Clients that are refused, as the style says it.
    let forwarded = [("X-Forwarded-Uri", "/x"), ("X-Forwarded-Method", "GET")];
    for path in ["/me", "/me/usage", "/check", "/check/nginx", "/check/answer"] {
        tour.as_client(path, "wrong", &forwarded, 401);
    }
    tour.as_client("/check", &raw, &[], 400);
    tour.as_client("/check/nginx", &raw, &[], 403);
    for _ in 0..60 {
        tour.stage.server.get("/x", &raw);
    }
    tour.as_client("/check", &raw, &forwarded, 429);
    tour.as_client("/check/nginx", &raw, &forwarded, 403);
    tour.as_client("/me", &raw, &[], 200);
}
