//! Who may import and export, and what they are told otherwise.

use serde_json::json;

use super::stage;
use crate::support::server::text;
use crate::support::{Line, Request};

const PATHS: [(&str, &str); 4] = [("POST", "keys/import"), ("POST", "accounts/import"), ("GET", "keys/export"), ("GET", "accounts/export")];

#[test]
fn hashes_are_for_whoever_administrates_all_of_it() {
    let stage = stage();
    let account = stage.account(json!({}));
    stage.key(&account, json!({}));
    let token = |body: &serde_json::Value| text(&stage.post("/tokens", body).expect(201).json()["token"]);
    let verify = token(&json!({"scopes": ["verify"]}));
    let bound = token(&json!({"scopes": ["admin"], "account": account}));
    for (method, path) in PATHS {
        let ask = |bearer: &str| {
            let request = Request::new(method, &format!("/auth/v1/{path}")).header("Content-Type", "application/jsonl");
            stage.server.send(&if bearer.is_empty() { request } else { request.bearer(bearer) }).status
        };
        assert_eq!([ask(""), ask("tgs_wrong"), ask(&verify), ask(&bound), ask(&stage.token)], [401, 401, 403, 403, 200], "{path}");
    }
}

#[test]
fn a_wrong_type_is_told_and_so_is_a_wrong_method() {
    let stage = stage();
    for media in ["application/json", "text/plain", ""] {
        let reply = super::import(&stage, "keys", media, "{}");
        assert_eq!(reply.status, 415, "{media}");
        assert!(reply.body.contains("application/jsonl or text/csv"), "{}", reply.body);
    }
    stage.get("/keys/import").expect(405);
    stage.call("PUT", "/keys/import", None).expect(405);
}

#[test]
fn who_may_no_more_when_the_rows_have_come_imports_nothing() {
    let stage = stage();
    let made = stage.post("/tokens", &json!({"scopes": ["admin"]})).expect(201).json();
    let mut line = Line::to(&stage.server.address);
    line.say(format!(
        "POST /auth/v1/accounts/import HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Type: application/jsonl\r\n\
         Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        text(&made["token"])
    ));
    // Whoever is let in is asked for the rows.
    assert_eq!(line.reply("POST").status, 100);
    line.chunk(b"{\"name\": \"first\"}\n");
    stage.delete(&format!("/tokens/{}", text(&made["id"]))).expect(204);
    line.chunk(b"{\"name\": \"second\"}\n");
    line.say("0\r\n\r\n");
    let reply = line.reply("POST");
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(stage.get("/accounts").expect(200).json()["data"], json!([]));
    // And nobody else has to wait for it.
    super::import(&stage, "accounts", "application/jsonl", "{\"name\": \"third\"}\n").expect(200);
}
