//! Bad input at every path of sign-in: each wrong field is named, all of them in one answer by the style, and nothing is changed.

use serde_json::{Map, Value, json};

use super::door::{BASE, Door, NOT_AT_GATE, PASSWORD, Session};
use super::post::{faults, refused};
use crate::support::{Reply, Request};

/// A path, and a body that it takes; of `optional` fields null is as if they were not there.
struct Taking {
    method: &'static str,
    path: &'static str,
    body: Value,
    optional: &'static [&'static str],
    by_user: bool,
}

fn taking(method: &'static str, path: &'static str, body: Value) -> Taking {
    Taking { method, path, body, optional: &[], by_user: false }
}

fn all() -> Vec<Taking> {
    let user = |method, path, body| Taking { by_user: true, ..taking(method, path, body) };
    let email = "ada@example.com";
    let phone = "+4915112345678";
    vec![
        Taking { optional: &["name"], ..taking("POST", "/auth/register", json!({ "email": email, "password": PASSWORD, "name": "Ada" })) },
        Taking { optional: &["name"], ..taking("POST", "/auth/register", json!({ "phone": phone, "password": PASSWORD, "name": "Ada" })) },
        taking("POST", "/auth/verify", json!({ "token": "x" })),
        taking("POST", "/auth/verify", json!({ "phone": phone, "code": "123456" })),
        taking("POST", "/auth/login", json!({ "email": email, "password": PASSWORD })),
        taking("POST", "/auth/login-phone", json!({ "phone": phone, "password": PASSWORD })),
        taking("POST", "/auth/forgot", json!({ "email": email })),
        taking("POST", "/auth/forgot", json!({ "phone": phone })),
        taking("POST", "/auth/reset", json!({ "token": "x", "password": PASSWORD })),
        taking("POST", "/auth/reset", json!({ "phone": phone, "code": "123456", "password": PASSWORD })),
        taking("POST", "/auth/second-factor", json!({ "code": "123456" })),
        Taking { optional: &["everywhere"], ..taking("POST", "/auth/logout", json!({ "everywhere": true })) },
        user("POST", "/auth/switch", json!({ "account": "acc_x" })),
        user("PATCH", "/user/me", json!({ "name": "Eve" })),
        user(
            "PATCH",
            "/user/me",
            json!({ "email": "new@example.com", "phone": phone, "password": PASSWORD, "current_password": PASSWORD }),
        ),
    ]
}

/// What a field of text can be instead.
fn wrong_values(is_flag: bool) -> Vec<Value> {
    let mut values = vec![json!(5), json!(-1.5), json!([]), json!(["a@example.com"]), json!({}), json!({ "$ne": "" })];
    values.push(if is_flag { json!("true") } else { json!(true) });
    values
}

struct Table<'a> {
    door: &'a Door,
    session: &'a Session,
}

impl Table<'_> {
    fn ask(&self, taking: &Taking, kind: Option<&str>, body: &[u8]) -> Reply {
        let mut request = Request::new(taking.method, &format!("{BASE}{}", taking.path)).body(body);
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        if taking.by_user {
            request = request.bearer(&self.session.token);
        }
        self.door.stage.server.send(&request)
    }

    #[track_caller]
    fn bad(&self, taking: &Taking, body: &Value) -> Vec<String> {
        let reply = self.ask(taking, Some("application/json"), body.to_string().as_bytes());
        assert_eq!(reply.status, 400, "{} {} {body}: {reply:?}", taking.method, taking.path);
        refused(&reply, 400, "bad_request");
        assert!(!reply.body.contains(PASSWORD), "{reply:?}");
        faults(&reply)
    }
}

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

fn without(body: &Value, field: &str) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove(field);
    body
}

fn fields(taking: &Taking) -> Vec<String> {
    taking.body.as_object().unwrap().keys().cloned().collect()
}

/// A door, and somebody who is in. What there is of everything: it stays so.
fn door() -> (Door, Session) {
    let door = Door::with(&format!("{NOT_AT_GATE}[sign_in.throttle]\nwrong_by_address = \"100000/1h\"\nwrong_by_target = \"100000/1h\"\n"));
    let user = door.user("eve");
    let session = door.sign_in(&user);
    (door, session)
}

fn everything(door: &Door) -> Vec<i64> {
    ["users", "accounts", "members", "sessions", "refresh_tokens", "proofs", "mails", "audit", "second_factors"]
        .map(|table| door.count(table))
        .to_vec()
}

#[test]
fn every_wrong_field_is_named() {
    let (door, session) = door();
    let (table, before) = (Table { door: &door, session: &session }, everything(&door));
    for taking in all() {
        for field in fields(&taking) {
            let is_optional = taking.optional.contains(&field.as_str());
            for value in wrong_values(field == "everywhere") {
                let named = table.bad(&taking, &with(&taking.body, &field, value));
                assert!(named.contains(&field), "{} {field}: {named:?}", taking.path);
            }
            if field != "everywhere" {
                for value in ["x".repeat(20_000), "\0".into()] {
                    let body = with(&taking.body, &field, value.into());
                    // What is no account is not there; what is no password is wrong; what was no token is unknown.
                    let reply = table.ask(&taking, Some("application/json"), body.to_string().as_bytes());
                    assert!([400, 401, 404].contains(&reply.status), "{} {field}: {reply:?}", taking.path);
                    assert!(reply.body.len() < 2000, "{reply:?}");
                }
            }
            if !is_optional && taking.method == "POST" {
                for body in [without(&taking.body, &field), with(&taking.body, &field, Value::Null)] {
                    let named = table.bad(&taking, &body);
                    // In place of one address the other may stand; a code and a token likewise.
                    let stands = [field.as_str(), "email", "token", "code", "phone"];
                    assert!(named.iter().any(|name| stands.contains(&name.as_str())), "{} {body}: {named:?}", taking.path);
                }
            }
            // A name that is nearly right is named, with what was meant.
            let mut body = without(&taking.body, &field);
            body[format!("{field}s")] = taking.body[&field].clone();
            assert!(table.bad(&taking, &body).contains(&format!("{field}s")), "{} {body}", taking.path);
        }
        let named = table.bad(&taking, &with(&taking.body, "is_admin", json!(true)));
        assert_eq!(named, ["is_admin"], "{}", taking.path);
    }
    assert_eq!(everything(&door), before);
}

#[test]
fn all_of_them_in_one_answer() {
    let (door, session) = door();
    let (table, before) = (Table { door: &door, session: &session }, everything(&door));
    for taking in all() {
        let mut body: Map<String, Value> = fields(&taking).into_iter().map(|field| (field, json!([1]))).collect();
        body.insert("one".into(), json!(1));
        body.insert("two".into(), json!(null));
        let mut wanted: Vec<String> = body.keys().cloned().collect();
        wanted.sort();
        // Whose number it is cannot be said before it can be read, nor which code goes with it.
        let mut named = table.bad(&taking, &body.into());
        named.dedup();
        let spared = |name: &&String| !(wanted.contains(&"code".to_owned()) && ["phone", "code"].contains(&name.as_str()));
        for field in wanted.iter().filter(spared) {
            assert!(named.contains(field), "{} {field}: {named:?}", taking.path);
        }
        assert!(named.iter().all(|name| wanted.contains(name) || name == "token"), "{}: {named:?}", taking.path);
    }
    // A value that can be read and is still wrong is named with the others.
    for (path, body, wanted) in [
        ("/auth/register", json!({ "email": "nobody", "password": "weak", "name": "" }), &["email", "name", "password"][..]),
        ("/auth/register", json!({ "email": "a@example.com", "phone": "110", "password": "weak", "x": 1 }), &["password", "phone", "x"]),
        ("/auth/register", json!({ "password": "" }), &["email", "password"]),
        ("/auth/register", json!({}), &["email", "password"]),
        ("/auth/login", json!({ "email": "nobody", "password": "" }), &["email", "password"]),
        ("/auth/login-phone", json!({ "phone": "110" }), &["password", "phone"]),
        ("/auth/reset", json!({ "password": "weak" }), &["password", "token"]),
        ("/auth/reset", json!({ "phone": "110", "code": "12345", "password": "weak" }), &["code", "password", "phone"]),
        ("/auth/reset", json!({ "token": "x", "code": "123456" }), &["password", "token"]),
        ("/auth/verify", json!({ "phone": "110", "code": "abcdef" }), &["code", "phone"]),
        ("/auth/verify", json!({ "code": "１２３４５６", "phone": "+4915112345678" }), &["code"]),
        ("/auth/verify", json!({ "code": " 12345", "phone": "+4915112345678" }), &["code"]),
        ("/auth/verify", json!({ "code": "+12345", "phone": "+4915112345678" }), &["code"]),
        ("/auth/verify", json!({}), &["token"]),
    ] {
        assert_eq!(table.bad(&taking("POST", path, Value::Null), &body), wanted, "{path} {body}");
    }
    assert_eq!(everything(&door), before);
}

#[test]
fn what_is_no_object_at_all() {
    let (door, session) = door();
    let (table, before) = (Table { door: &door, session: &session }, everything(&door));
    let deep = "[".repeat(100_000);
    for taking in all() {
        let whole = taking.body.to_string();
        let field = fields(&taking).remove(0);
        let twice = format!("{{{0:?}: {1}, {2}", field, taking.body[&field], whole.trim_start_matches('{'));
        for body in [
            "",
            " ",
            "null",
            "5",
            "\"text\"",
            "[]",
            "true",
            "{",
            "{]",
            "nonsense",
            "{\"a\":}",
            &whole[..whole.len() - 1],
            &format!("[{whole}]"),
            &format!("{whole}{whole}"),
            &twice,
            &deep,
            "\u{feff}{}",
            "NaN",
        ] {
            let reply = table.ask(&taking, Some("application/json"), body.as_bytes());
            refused(&reply, 400, "bad_request");
            assert_eq!(faults(&reply), ["body"], "{} {body:.60}", taking.path);
        }
        let reply = table.ask(&taking, Some("application/json"), b"{\"email\": \"\xff\xfe\"}");
        refused(&reply, 400, "bad_request");
        for kind in
            [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp"), Some("multipart/form-data")]
        {
            let reply = table.ask(&taking, kind, whole.as_bytes());
            assert_eq!(reply.status, 415, "{} {kind:?}: {reply:?}", taking.path);
        }
        let large = with(&taking.body, &field, "x".repeat(1_100_000).into()).to_string();
        let reply = table.ask(&taking, Some("application/json"), large.as_bytes());
        assert_eq!(reply.status, 413, "{}: {reply:?}", taking.path);
    }
    assert_eq!(everything(&door), before);
    // It can be as long as it may: what is in it decides.
    let long = json!({ "email": "eve@example.com", "password": "é".repeat(512) });
    refused(&door.post("/auth/login", &long), 401, "unknown");
    let longer = json!({ "email": "eve@example.com", "password": "é".repeat(513) });
    assert_eq!(faults(&door.post("/auth/login", &longer)), ["password"]);
}

#[test]
fn methods_that_a_path_does_not_know() {
    let (door, _) = door();
    for taking in all().iter().filter(|taking| taking.method == "POST") {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "QUERY"] {
            let reply = door.stage.server.send(&Request::new(method, &format!("{BASE}{}", taking.path)));
            assert_eq!((reply.status, reply.header("Allow").as_deref()), (405, Some("POST")), "{method} {}", taking.path);
        }
        for path in [format!("{BASE}{}/", taking.path), format!("{BASE}{}x", taking.path)] {
            let reply = door.stage.server.send(&Request::post(&path, &taking.body));
            assert!([401, 404].contains(&reply.status), "{path}: {reply:?}");
        }
    }
}
