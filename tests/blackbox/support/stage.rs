//! A running server, and an operator who has a token for it: what most tests stand on.

use serde_json::{Value, json};

use super::server::text;
use super::{Folder, Reply, Request, Server};

/// The scopes of the operator's token.
const SCOPES: [&str; 2] = ["admin", "verify"];

/// A server on a folder of its own, and a token of the scopes `admin` and `verify`.
pub struct Stage {
    pub folder: Folder,
    pub server: Server,
    pub token: String,
}

impl Stage {
    /// With this `auth.toml`.
    pub fn with(config: &str) -> Self {
        Self::of(Folder::with(config))
    }

    /// On a folder that is there.
    pub fn of(folder: Folder) -> Self {
        let asked: Vec<&str> = SCOPES.iter().flat_map(|scope| ["--scope", *scope]).collect();
        let token = text(&folder.json(&[&["token", "create"], &asked[..]].concat())["token"]);
        let server = folder.serve();
        Self { folder, server, token }
    }

    /// Stops the server with SIGTERM and starts it again.
    pub fn restart(self) -> Self {
        let (code, log) = self.server.stop();
        assert_eq!(code, Some(0), "{log}");
        let server = self.folder.serve();
        Self { server, ..self }
    }

    /// Sends a request below `/auth/v1` with the operator's token.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let request = Request::new(method, &format!("/auth/v1{path}")).bearer(&self.token);
        let reply = self.server.send(&match body {
            Some(body) => request.json(body),
            None => request,
        });
        super::openapi::hold(method, &format!("/auth/v1{path}"), &reply);
        reply
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body))
    }

    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        self.call("PATCH", path, Some(body))
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path, None)
    }

    /// Makes an account with these settings; its id.
    #[track_caller]
    pub fn account(&self, settings: Value) -> String {
        text(&self.post("/accounts", &named("tester", settings)).expect(201).json()["id"])
    }

    /// Makes a key of an account with these settings; its record, the raw key in it.
    #[track_caller]
    pub fn key(&self, account: &str, settings: Value) -> Value {
        let mut body = named("test", settings);
        body["account"] = account.into();
        self.post("/keys", &body).expect(201).json()
    }

    /// Makes an account on this plan and a key of it; the raw key.
    #[track_caller]
    pub fn raw_key(&self, plan: &str) -> String {
        let account = self.account(json!({ "plan": plan }));
        text(&self.key(&account, json!({}))["key"])
    }

    /// Asks for a verdict.
    #[track_caller]
    pub fn verify(&self, ask: &Value) -> Value {
        self.post("/verify", ask).expect(200).json()
    }

    /// The verdict of a request.
    #[track_caller]
    pub fn verdict(&self, request: &Request) -> String {
        self.server.send(request).verdict()
    }
}

/// Settings with a name, where they have none.
fn named(name: &str, mut settings: Value) -> Value {
    if settings["name"].is_null() {
        settings["name"] = name.into();
    }
    settings
}

impl Reply {
    /// The verdict that the body tells.
    #[track_caller]
    pub fn verdict(&self) -> String {
        text(&self.json()["verdict"])
    }
}
