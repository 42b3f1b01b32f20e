//! What people are sent: without a mail server or a gateway it stands in the log; and how they come in by it.

use serde_json::{Value, json};

use super::door::{BASE, Door, Session};
use crate::support::server::text;
use crate::support::{Reply, Request, eventually, openapi};

/// Where people come from, as a proxy on this machine tells it.
pub fn from(request: Request, address: &str) -> Request {
    request.header("X-Forwarded-For", address)
}

impl Door {
    /// POST below the base path, from an address; the answer is held against the OpenAPI document.
    #[track_caller]
    pub fn post_from(&self, address: &str, path: &str, body: &Value) -> Reply {
        self.send_held(path, from(Request::post(&format!("{BASE}{path}"), body), address))
    }

    #[track_caller]
    fn send_held(&self, path: &str, request: Request) -> Reply {
        let reply = self.stage.server.send(&request);
        openapi::hold("POST", &format!("{BASE}{path}"), &reply);
        reply
    }

    /// What a registration answers.
    #[track_caller]
    pub fn register(&self, body: &Value) -> Reply {
        self.send_held("/auth/register", Request::post(&format!("{BASE}/auth/register"), body))
    }

    /// What `verify` answers to a token.
    #[track_caller]
    pub fn verify(&self, token: &str) -> Reply {
        self.send_held("/auth/verify", Request::post(&format!("{BASE}/auth/verify"), &json!({ "token": token })))
    }

    /// What `verify` answers to a code.
    #[track_caller]
    pub fn verify_code(&self, phone: &str, code: &str) -> Reply {
        self.send_held("/auth/verify", Request::post(&format!("{BASE}/auth/verify"), &json!({ "phone": phone, "code": code })))
    }

    /// What `forgot` answers.
    #[track_caller]
    pub fn forgot(&self, address: &str) -> Reply {
        let field = if address.starts_with('+') { "phone" } else { "email" };
        self.send_held("/auth/forgot", Request::post(&format!("{BASE}/auth/forgot"), &json!({ field: address })))
    }

    /// What `reset` answers.
    #[track_caller]
    pub fn reset(&self, body: &Value) -> Reply {
        self.send_held("/auth/reset", Request::post(&format!("{BASE}/auth/reset"), body))
    }

    /// What `login` answers.
    #[track_caller]
    pub fn login(&self, email: &str, password: &str) -> Reply {
        self.send_held("/auth/login", Request::post(&format!("{BASE}/auth/login"), &json!({ "email": email, "password": password })))
    }

    /// What `PATCH user/me` answers.
    #[track_caller]
    pub fn change(&self, session: &Session, body: &Value) -> Reply {
        let reply = self.ask("PATCH", "/user/me", &session.token, Some(body));
        openapi::hold("PATCH", &format!("{BASE}/user/me"), &reply);
        reply
    }

    /// Every link that an address was sent, the oldest first.
    pub fn links(&self, address: &str) -> Vec<String> {
        self.said(&format!("the link for {address}: "))
    }

    /// The token of the nth link that an address was sent, the first being 1; waits for it.
    #[track_caller]
    pub fn token(&self, address: &str, nth: usize) -> String {
        let link = eventually(&format!("link {nth} for {address}"), || self.links(address).get(nth - 1).cloned());
        link.split_once("?token=").expect("it has a token").1.to_owned()
    }

    /// The nth code that a number was sent.
    #[track_caller]
    pub fn code(&self, phone: &str, nth: usize) -> String {
        let line = format!("the code for {phone}: ");
        eventually(&format!("code {nth} for {phone}"), || self.said(&line).get(nth - 1).cloned())
    }

    /// One that is none of those that a number was sent so far.
    pub fn wrong_code(&self, phone: &str) -> String {
        let sent = self.said(&format!("the code for {phone}: "));
        (100_000..).map(|number| format!("{number}")).find(|code| !sent.contains(code)).expect("there are others")
    }

    fn said(&self, begin: &str) -> Vec<String> {
        let word = |rest: &str| rest.split_whitespace().next().unwrap_or_default().to_owned();
        // The last line may still be on its way.
        let log = self.stage.server.log();
        let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.filter_map(|line| line.split_once(begin).map(|(_, rest)| word(rest))).collect()
    }

    /// Which letters were written to an address so far, the oldest first. They are written with what they tell of.
    #[track_caller]
    pub fn letters(&self, address: &str) -> Vec<String> {
        let list = self.stage.get("/mails?limit=1000").expect(200).json();
        let mails = list["data"].as_array().expect("a list");
        mails.iter().filter(|mail| mail["address"] == address).map(|mail| text(&mail["template"])).collect()
    }

    /// Registers somebody and opens the link that they are sent.
    #[track_caller]
    pub fn join(&self, email: &str, password: &str) -> Session {
        let before = self.links(email).len();
        self.register(&json!({ "email": email, "password": password })).expect(202);
        Session::of(&self.verify(&self.token(email, before + 1)))
    }

    /// The same by a number and a code.
    #[track_caller]
    pub fn join_by_phone(&self, phone: &str, password: &str) -> Session {
        self.register(&json!({ "phone": phone, "password": password })).expect(202);
        Session::of(&self.verify_code(phone, &self.code(phone, 1)))
    }

    /// How many rows of a table are so.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        self.database().query_row(&format!("SELECT count(*) FROM {sql}"), [], |row| row.get(0)).unwrap()
    }

    /// Changes the running server's database, as time would.
    #[track_caller]
    pub fn alter(&self, sql: &str) {
        assert!(self.database().execute(sql, []).unwrap() > 0, "{sql}");
    }
}

/// An answer but for what tells one request from another.
pub fn bare(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let id = reply.header("X-Request-Id").unwrap_or_default();
    let headers = reply.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str())).cloned().collect();
    (reply.status, headers, reply.body.replace(&id, "(the request's id)"))
}

/// The fields that an answer names as wrong.
#[track_caller]
pub fn faults(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let mut fields: Vec<String> =
        body["errors"].as_array().unwrap_or_else(|| panic!("{reply:?}")).iter().map(|fault| text(&fault["field"])).collect();
    fields.sort();
    fields
}

/// Fails unless it was refused so.
#[track_caller]
pub fn refused(reply: &Reply, status: u16, verdict: &str) {
    assert_eq!((reply.status, reply.verdict().as_str()), (status, verdict), "{reply:?}");
    assert!(!reply.body.contains("access_token") && reply.header("Set-Cookie").is_none(), "{reply:?}");
    assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"), "{reply:?}");
}
