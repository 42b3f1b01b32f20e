//! A server on which users sign in, as an app does it for them: with a cookie, and an access token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Stage, openapi};

/// Passwords that are hashed quickly, and a way in for access tokens; a table may follow.
pub const AT_GATE: &str = "[sign_in]\nat_gate = true\n[sign_in.passwords]\nmemory_kib = 4096\npasses = 1\nqueue = 1000\n";

/// The same without the way in.
pub const NOT_AT_GATE: &str = "[sign_in.passwords]\nmemory_kib = 4096\npasses = 1\nqueue = 1000\n";

/// Everybody's.
pub const PASSWORD: &str = "correct horse battery staple";

/// Where the paths of sign-in lie by default.
pub const BASE: &str = "/auth/v1";

/// Nobody is limited where a configuration names no plan.
pub fn roomy(config: &str) -> String {
    if config.contains("[[plans]]") { config.to_owned() } else { format!("{config}[[plans]]\nname = \"free\"\nunlimited = true\n") }
}

/// The server.
pub struct Door {
    pub stage: Stage,
    /// Whether its plans are called as those of the default configuration, whose document answers are held against.
    is_usual: bool,
}

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    pub id: i64,
    pub email: String,
    pub account: String,
}

/// Where somebody is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// The access token.
    pub token: String,
    /// The refresh token.
    pub cookie: String,
    /// The whole answer.
    pub answer: Value,
}

impl Session {
    /// Of an answer to a sign-in.
    #[track_caller]
    pub fn of(reply: &Reply) -> Self {
        let answer = reply.clone().expect(200).json();
        Self { token: text(&answer["access_token"]), cookie: cookie(reply), answer }
    }

    /// What the token says.
    pub fn claims(&self) -> Value {
        part(&self.token, 1)
    }

    /// The session's id.
    pub fn id(&self) -> String {
        text(&self.claims()["sid"])
    }
}

/// A part of a token.
pub fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("it has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// The refresh token that an answer sets.
#[track_caller]
pub fn cookie(reply: &Reply) -> String {
    let set = reply.header("Set-Cookie").unwrap_or_else(|| panic!("no cookie: {reply:?}"));
    set.split(';').next().and_then(|pair| pair.strip_prefix("refresh_token=")).expect("it is the refresh cookie").to_owned()
}

impl Door {
    /// With this `auth.toml`, and without limits where it names no plan.
    pub fn with(config: &str) -> Self {
        Self { stage: Stage::with(&roomy(config)), is_usual: !config.contains("[[plans]]") }
    }

    /// On a folder that is there.
    pub fn of(folder: Folder) -> Self {
        Self { stage: Stage::of(folder), is_usual: true }
    }

    /// Stops the server, and starts it again.
    pub fn restart(self) -> Self {
        Self { stage: self.stage.restart(), ..self }
    }

    /// Kills it with SIGKILL, and starts it again.
    pub fn crash(self) -> Self {
        let Stage { folder, server, token } = self.stage;
        server.kill();
        let server = folder.serve();
        Self { stage: Stage { folder, server, token }, ..self }
    }

    /// Makes a user who has proven their address.
    #[track_caller]
    pub fn user(&self, name: &str) -> User {
        let email = format!("{name}@example.com");
        let made = self.stage.post("/users", &json!({ "email": email, "name": name, "password": PASSWORD, "verified": true }));
        let made = made.expect(201).json();
        User { id: made["id"].as_i64().expect("a number"), email, account: text(&made["account"]) }
    }

    /// POST below the base path.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.held("POST", path, &Request::post(&format!("{BASE}{path}"), body))
    }

    /// Sends a request below the base path; what is answered must be as the document says.
    #[track_caller]
    fn held(&self, method: &str, path: &str, request: &Request) -> Reply {
        let reply = self.stage.server.send(request);
        if self.is_usual {
            openapi::hold(method, &format!("{BASE}{path}"), &reply);
        }
        reply
    }

    /// The same with a cookie.
    #[track_caller]
    pub fn post_with(&self, path: &str, cookie: &str, body: &Value) -> Reply {
        let request = Request::post(&format!("{BASE}{path}"), body);
        self.held("POST", path, &request.header("Cookie", &format!("refresh_token={cookie}")))
    }

    /// A request with an access token.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Reply {
        let request = Request::new(method, &format!("{BASE}{path}")).bearer(token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.held(method, path, &request)
    }

    /// What a sign-in by password answers.
    #[track_caller]
    pub fn try_sign_in(&self, user: &User, password: &str) -> Reply {
        self.post("/auth/login", &json!({ "email": user.email, "password": password }))
    }

    /// Signs somebody in.
    #[track_caller]
    pub fn sign_in(&self, user: &User) -> Session {
        Session::of(&self.try_sign_in(user, PASSWORD))
    }

    /// What a refresh answers.
    #[track_caller]
    pub fn try_refresh(&self, cookie: &str) -> Reply {
        self.held("POST", "/auth/refresh", &refresh(cookie))
    }

    /// Whether a refresh token counts; it is used by that.
    #[track_caller]
    pub fn refreshes(&self, cookie: &str) -> bool {
        let reply = self.try_refresh(cookie);
        assert!([200, 401].contains(&reply.status), "{reply:?}");
        reply.status == 200
    }

    /// The verdict of `verify` on an access token.
    #[track_caller]
    pub fn verdict(&self, token: &str) -> String {
        text(&self.stage.verify(&json!({ "token": token }))["verdict"])
    }

    /// What the gate says of an access token, both ways: they must agree.
    #[track_caller]
    pub fn passes(&self, token: &str) -> bool {
        let (gate, verify) = (self.stage.server.get("/x", token).verdict(), self.verdict(token));
        assert_eq!(gate, verify);
        assert!(["ok", "unknown"].contains(&gate.as_str()), "{gate}");
        gate == "ok"
    }

    /// The database of the running server.
    pub fn database(&self) -> Connection {
        let connection = Connection::open(self.stage.folder.database()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }

    /// What the audit says was done to a user, the newest first.
    pub fn audit(&self, user: &User) -> Vec<String> {
        let page = self.stage.get(&format!("/audit?target=user_{}", user.id)).expect(200).json();
        page["data"].as_array().unwrap().iter().map(|entry| text(&entry["action"])).collect()
    }
}

/// POST auth/refresh.
pub fn refresh(cookie: &str) -> Request {
    Request::new("POST", &format!("{BASE}/auth/refresh")).header("Cookie", &format!("refresh_token={cookie}"))
}
