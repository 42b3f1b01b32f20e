//! Each answer on the page is, byte for byte but for ids and times, what the server answers; and what the server answers is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{APIS, Api, blocks, markdown, section};
use crate::support::person::PASSWORD;
use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Stage, eventually};

/// What a limit is set to, so that it is soon used up; no plan has such a one.
const FEW: u64 = 47;

/// An answer, without what differs each time.
type Told = (u16, Vec<String>, String);

/// The headers that the page shows with an answer.
const SHOWN: [&str; 3] = ["content-type", "retry-after", "www-authenticate"];

fn told(status: u16, headers: impl Iterator<Item = (String, String)>, body: &str) -> Told {
    let mut headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.to_lowercase(), value)).filter(|(name, _)| SHOWN.contains(&name.as_str())).collect();
    headers.sort();
    let mut body = body.to_owned();
    for (name, value) in &mut headers {
        if name == "retry-after" {
            body = replace_number(&body, value, "SECONDS");
            *value = "SECONDS".into();
        }
    }
    let mut words = body.split("req_");
    let first = words.next().unwrap_or_default().to_owned();
    let body = words.fold(first, |before, after| format!("{before}REQUEST{}", after.get(26..).unwrap_or_default()));
    (status, headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect(), body)
}

/// A number where it stands alone.
fn replace_number(body: &str, number: &str, with: &str) -> String {
    let is_digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    let mut text = String::new();
    let mut rest = body;
    while let Some(at) = rest.find(number) {
        let (before, after) = (&rest[..at], &rest[at + number.len()..]);
        let is_alone = !is_digit(before.chars().last()) && !is_digit(after.chars().next());
        text += before;
        text += if is_alone { with } else { number };
        rest = after;
    }
    text + rest
}

/// The answers that a part of the page shows.
fn shown(text: &str) -> Vec<Told> {
    let answer = |block: &&str| {
        let (head, body) = block.split_once("\n\n").unwrap_or_else(|| panic!("no head in {block}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_else(|| panic!("no status in {block}"));
        let headers = lines.map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header in {block}")));
        told(status, headers.map(|(name, value)| (name.to_owned(), value.to_owned())), body)
    };
    blocks(text, "http").iter().filter(|block| block.starts_with("HTTP/1.1")).map(answer).collect()
}

fn answered(reply: &Reply) -> Told {
    told(reply.status, reply.headers.iter().cloned(), &reply.body)
}

/// One API, with an account that may call.
struct Play<'a> {
    api: &'a Api,
    stage: &'a Stage,
    account: String,
    /// What was answered, and to what.
    answers: Vec<(String, Told)>,
}

impl Play<'_> {
    fn key(&self, settings: Value) -> (String, String) {
        let key = self.stage.key(&self.account, settings);
        (text(&key["id"]), text(&key["key"]))
    }

    #[track_caller]
    fn ask(&mut self, what: &str, request: &Request) {
        let reply = self.stage.server.send(request);
        assert!(reply.status >= 400, "{}: {what}: {reply:?}", self.api.name);
        self.answers.push((what.to_owned(), answered(&reply)));
    }

    fn by_gate(&mut self) {
        let (api, stage) = (self.api, self.stage);
        let (_, good) = self.key(json!({}));
        self.ask("no key", &Request::get("/x"));
        let (name, value) = (api.carry)(&good);
        self.ask("two keys", &Request::get("/x").header(name, &value).header(name, &(api.carry)("other").1));
        self.ask("an unknown key", &api.request("/x", "unknown"));
        self.ask("an ambiguous path", &api.request("/a//b", &good));
        self.ask("a key in the URL", &api.request(&format!("/x?q={good}"), &good));
        if let Some(prefix) = api.reserved {
            self.ask("a reserved key", &api.request("/x", &format!("{prefix}{}", "a".repeat(32))));
        }
        let (id, raw) = self.key(json!({}));
        stage.delete(&format!("/keys/{id}")).expect(204);
        self.ask("a revoked key", &api.request("/x", &raw));
        let (id, raw) = self.key(json!({ "expires": "1s" }));
        eventually("the key expires", || {
            let ends = text(&stage.get(&format!("/keys/{id}")).json()["expires_at"]).parse::<jiff::Timestamp>().unwrap();
            (jiff::Timestamp::now().as_second() > ends.as_second()).then_some(())
        });
        self.ask("an expired key", &api.request("/x", &raw));
        let (id, raw) = self.key(json!({}));
        stage.patch(&format!("/keys/{id}"), &json!({ "disabled": true })).expect(200);
        self.ask("a disabled key", &api.request("/x", &raw));
        let (_, raw) = self.key(json!({ "ips": ["10.9.9.9"] }));
        self.ask("a wrong address", &api.request("/x", &raw));
        if let Some((plan, path)) = api.poor {
            let account = stage.account(json!({ "plan": plan, "balance": 5 }));
            let raw = text(&stage.key(&account, json!({}))["key"]);
            self.ask("a wrong plan", &api.request(path, &raw));
        }
        if let Some(path) = api.scoped {
            let (_, raw) = self.key(json!({ "scopes": ["other"] }));
            self.ask("a wrong scope", &api.request(path, &raw));
        }
        if api.needs_balance {
            let account = stage.account(json!({ "plan": api.plan, "balance": 0 }));
            let raw = text(&stage.key(&account, json!({}))["key"]);
            self.ask("no balance", &api.request("/x", &raw));
        }
        for (limit, usual) in api.limits {
            let account = stage.account(json!({ "plan": api.plan, "balance": 5, "limits": { *limit: FEW } }));
            let raw = text(&stage.key(&account, json!({}))["key"]);
            assert_eq!(stage.verify(&json!({ "key": raw, "path": "/x", "cost": FEW }))["verdict"], "ok", "{}", api.name);
            let reply = stage.server.send(&api.request("/x", &raw));
            let (status, headers, body) = answered(&reply);
            let answer = (status, headers, replace_number(&body, &FEW.to_string(), &usual.to_string()));
            self.answers.push((format!("too much of {limit}"), answer));
        }
    }

    fn by_sign_in(&mut self) {
        let (base, stage) = (self.api.base_path, self.stage);
        let post = |path: &str, body: Value| Request::post(&format!("{base}{path}"), &body);
        for (email, verified) in [("ada@example.com", true), ("bo@example.com", false)] {
            stage.post("/users", &json!({ "email": email, "password": PASSWORD, "verified": verified })).expect(201);
        }
        let login = |email: &str, password: &str| post("/auth/login", json!({ "email": email, "password": password }));
        self.ask("wrong fields", &post("/auth/login", json!({ "email": "ada@example.com" })));
        self.ask("no cookie", &Request::new("POST", &format!("{base}/auth/refresh")));
        self.ask("a wrong password", &login("ada@example.com", "wrong"));
        self.ask("an address not confirmed", &login("bo@example.com", PASSWORD));
        if base == "/api/v2" {
            self.ask("not set up", &post("/auth/google", json!({ "code": "x", "redirect_uri": "https://example.com" })));
        }
        let signed_in = stage.server.send(&login("ada@example.com", PASSWORD)).expect(200).json();
        let access = text(&signed_in["access_token"]);
        let me = stage.server.send(&Request::get(&format!("{base}/user/me")).bearer(&access)).expect(200).json();
        let new_key = json!({ "account": me["account"], "name": "mine" });
        let made = stage.server.send(&Request::post("/auth/v1/keys", &new_key).bearer(&access));
        if made.status != 201 {
            self.answers.push(("no agreement".into(), answered(&made)));
        }
        // The shapes of the samples.
        let page = markdown(&stage.server);
        for (what, real) in [("a sign-in", &signed_in), ("who calls", &me)] {
            let fields = fields(real);
            let samples = blocks(section(&page, "Sign-in"), "json");
            let found = samples.iter().any(|sample| {
                let body = sample.rsplit("\n\n").next().unwrap_or_default();
                serde_json::from_str::<Value>(body).is_ok_and(|value| self::fields(&value) == fields)
            });
            assert!(found, "{}: {what} has {fields:?}", self.api.name);
        }
        stage.patch(&format!("/users/{}", me["id"]), &json!({ "disabled": true })).expect(200);
        self.ask("a user who is switched off", &login("ada@example.com", PASSWORD));
        let guess = login("bo@example.com", "wrong");
        let slowed = (0..60).map(|_| stage.server.send(&guess)).find(|reply| reply.header("retry-after").is_some());
        self.answers.push(("too many tries".into(), answered(&slowed.expect("it is slowed"))));
    }
}

/// The names of all fields, those of objects in it too.
fn fields(value: &Value) -> BTreeSet<String> {
    let of = |(name, value): (&String, &Value)| {
        fields(value).into_iter().map(move |inner| format!("{name}.{inner}")).chain([name.clone()]).collect::<Vec<_>>()
    };
    value.as_object().into_iter().flatten().flat_map(of).collect()
}

/// What no test brings about here, and so is only held to be one answer more: `unavailable`; of sign-in the second factor.
fn compare(api: &Api, what: &str, page: &[Told], real: &[(String, Told)]) {
    for (asked, answer) in real {
        assert!(page.contains(answer), "{}: {asked} is answered with {answer:?}, and the page shows of {what}: {page:#?}", api.name);
    }
    let unseen: Vec<_> = page.iter().filter(|shown| !real.iter().any(|(_, answer)| answer == *shown)).collect();
    assert_eq!(unseen.len(), 1, "{}: nothing was answered so of {what}: {unseen:#?}", api.name);
}

#[test]
fn every_answer_on_the_page_is_what_the_server_answers() {
    std::thread::scope(|scope| {
        let playing: Vec<_> = APIS.iter().map(|api| scope.spawn(|| play(api))).collect();
        playing.into_iter().for_each(|played| played.join().expect("the answers are the same"));
    });
}

fn play(api: &Api) {
    let stage = Stage::of(Folder::with_file(&api.config()));
    let account = stage.account(json!({ "plan": api.plan, "balance": 100 }));
    let page = markdown(&stage.server);
    let (gate, sign_in) = (shown(section(&page, "Errors")), shown(section(&page, "Sign-in")));
    let mut play = Play { api, stage: &stage, account, answers: Vec::new() };
    play.by_gate();
    compare(api, "the gate", &gate, &std::mem::take(&mut play.answers));
    play.by_sign_in();
    compare(api, "sign-in", &sign_in, &play.answers);
}

#[test]
fn the_headers_of_the_page_are_those_of_a_pass() {
    for api in &APIS {
        let stage = Stage::of(Folder::with_file(&api.config()));
        let account = stage.account(json!({ "plan": api.plan, "balance": 100 }));
        let raw = text(&stage.key(&account, json!({}))["key"]);
        let pass = stage.server.send(&api.request("/x", &raw)).expect(200);
        let page = markdown(&stage.server);
        let rows: Vec<&str> = section(&page, "Headers").lines().filter(|line| line.starts_with("| `")).collect();
        let named: BTreeSet<String> = rows.iter().map(|row| row.split('`').nth(1).unwrap().to_lowercase()).collect();
        let sent: BTreeSet<String> =
            pass.headers.iter().map(|(name, _)| name.clone()).filter(|name| name.contains("ratelimit") || name == "x-request-id").collect();
        let expected: BTreeSet<String> = sent.into_iter().chain(["retry-after".to_owned()]).collect();
        assert_eq!(named, expected, "{}", api.name);
        for row in rows.iter().filter(|row| row.contains("-Limit") || row.contains("-Remaining")) {
            let cells: Vec<&str> = row.split('`').collect();
            assert_eq!(pass.header(cells[1]).as_deref(), Some(cells[3]), "{}: {row}", api.name);
        }
    }
}
