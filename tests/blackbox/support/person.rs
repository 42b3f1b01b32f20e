//! Somebody who signs in: a user of the operator's making, with an access token for one account and a refresh cookie.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::server::text;
use super::{Reply, Request, Stage};

pub const PASSWORD: &str = "correct horse battery";

/// Tells people of one run from each other.
static MADE: AtomicUsize = AtomicUsize::new(1);

pub struct Person<'s> {
    pub stage: &'s Stage,
    pub id: i64,
    pub email: String,
    /// The personal account.
    pub account: String,
    pub access: String,
    /// `refresh_token=…`.
    pub cookie: String,
    /// Where they call from: nobody is throttled for somebody else.
    address: String,
}

impl<'s> Person<'s> {
    /// Somebody new, signed in for their personal account.
    #[track_caller]
    pub fn new(stage: &'s Stage) -> Self {
        Self::with(stage, json!({}))
    }

    /// With these settings.
    #[track_caller]
    pub fn with(stage: &'s Stage, mut settings: Value) -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let email = format!("person{number}@example.com");
        for (name, value) in [("email", json!(email)), ("password", json!(PASSWORD)), ("verified", json!(true)), ("name", json!("Ada"))] {
            if settings[name].is_null() {
                settings[name] = value;
            }
        }
        let user = stage.post("/users", &settings).expect(201).json();
        let mut person = Self {
            stage,
            id: user["id"].as_i64().expect("a number"),
            email: text(&user["email"]),
            account: text(&user["account"]),
            access: String::new(),
            cookie: String::new(),
            address: format!("10.1.{}.{}", number / 250, number % 250 + 1),
        };
        person.sign_in();
        person
    }

    /// Somebody new who belongs to an organization, signed in for it.
    #[track_caller]
    pub fn of(stage: &'s Stage, account: &str, role: &str) -> Self {
        let mut person = Self::new(stage);
        stage.patch(&format!("/accounts/{account}/members/{}", person.id), &json!({ "role": role })).expect(200);
        person.switch(account);
        person
    }

    #[track_caller]
    pub fn sign_in(&mut self) {
        let reply = self.try_sign_in(PASSWORD).expect(200);
        self.take(&reply);
    }

    pub fn try_sign_in(&self, password: &str) -> Reply {
        let body = json!({ "email": self.email, "password": password });
        self.stage.server.send(&Request::post("/auth/v1/auth/login", &body).header("X-Forwarded-For", &self.address))
    }

    /// Goes on for another account.
    #[track_caller]
    pub fn switch(&mut self, account: &str) {
        let reply = self.call("POST", "/auth/switch", Some(&json!({ "account": account }))).expect(200);
        self.take(&reply);
    }

    fn take(&mut self, reply: &Reply) {
        self.access = text(&reply.json()["access_token"]);
        let cookie = reply.header("Set-Cookie").expect("a cookie is set");
        self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    }

    /// What the refresh cookie is still good for.
    pub fn refresh(&self) -> Reply {
        let request = Request::new("POST", "/auth/v1/auth/refresh").header("Cookie", &self.cookie);
        self.stage.server.send(&request.header("X-Forwarded-For", &self.address))
    }

    /// Sends a request below `/auth/v1` with the access token.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let request = Request::new(method, &format!("/auth/v1{path}")).bearer(&self.access).header("X-Forwarded-For", &self.address);
        let reply = self.stage.server.send(&match body {
            Some(body) => request.json(body),
            None => request,
        });
        super::openapi::hold(method, &format!("/auth/v1{path}"), &reply);
        reply
    }

    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        self.call("PATCH", path, Some(body))
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path, None)
    }

    /// Makes an organization, and goes on for it; its id.
    #[track_caller]
    pub fn organization(&mut self, name: &str) -> String {
        let id = text(&self.post("/accounts", &json!({ "name": name })).expect(201).json()["id"]);
        self.switch(&id);
        id
    }
}
