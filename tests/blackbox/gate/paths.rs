//! Paths that can be read in two ways.

use serde_json::{Value, json};

use super::FREE;
use crate::support::{Reply, Request, Stage};

/// Published ways to let two readers see two different paths.
const TWO_READINGS: [&str; 40] = [
    "//",
    "//open/x",
    "/open//x",
    "/open/x//",
    "/.",
    "/..",
    "/open/.",
    "/open/..",
    "/open/../secret",
    "/open/./x",
    "/open/../../secret",
    "/open/%2e%2e/secret",
    "/open/%2E%2E/secret",
    "/open/.%2e/secret",
    "/open/%2e./secret",
    "/open/%2e/x",
    "/open/..%2fsecret",
    "/open/..%2Fsecret",
    "/open%2fx",
    "/open/x%2Fy",
    "/open/..%5csecret",
    "/open/x%5Cy",
    "/open\\..\\secret",
    "/open/x\\y",
    "/open/..;/secret",
    "/open/;/x",
    "/open;a=b/x",
    "/open/x%3By",
    "/open/x%00",
    "/open/x%00.json",
    "/open/x%0a",
    "/open/x%0d%0aX-Auth-Plan:%20pro",
    "/open/x%7f",
    "/open/%252e%252e/secret",
    "/open/x%252fy",
    "/open/%25%32%65%25%32%65/secret",
    "/open/%c0%ae%c0%ae/secret",
    "/open/%u002e%u002e/secret",
    "/open/x%",
    "/open/x%2",
];

#[test]
fn a_path_that_can_be_read_in_two_ways_is_refused_everywhere() {
    let stage = Stage::with(&format!("{FREE}\n[[routes]]\npath = \"/open/**\"\nopen = true"));
    let key = stage.raw_key("free");
    let ambiguous = |reply: Reply, path: &str| {
        assert_eq!((reply.status, reply.verdict()), (400, "ambiguous".into()), "{path}: {reply:?}");
        assert_eq!(reply.header("X-Auth-Account"), None, "{path}");
    };
    for path in TWO_READINGS {
        ambiguous(stage.server.get(path, &key), path);
        ambiguous(stage.server.send(&Request::get(path)), path);
        ambiguous(stage.server.send(&Request::get("/auth/v1/check").header("X-Forwarded-Uri", path).bearer(&key)), path);
        let answer = stage.verify(&json!({ "key": key, "path": path }));
        assert_eq!((&answer["verdict"], &answer["valid"], &answer["key"]), (&json!("ambiguous"), &json!(false), &Value::Null), "{path}");
    }
}

#[test]
fn what_no_request_line_carries_is_refused_where_a_proxy_or_the_app_tells_of_it() {
    let stage = Stage::with(FREE);
    let key = stage.raw_key("free");
    for path in ["", "x", "*", "http://elsewhere/x", "/x#y", "/x y\t", "/x\u{1}", "?x=1", "/x\u{7f}"] {
        assert_eq!(stage.verify(&json!({ "key": key, "path": path }))["verdict"], "ambiguous", "{path:?}");
    }
    for path in ["", "x", "*", "http://elsewhere/x", "/x#y"] {
        let asked = Request::get("/auth/v1/check").header("X-Forwarded-Uri", path).bearer(&key);
        assert_eq!(stage.verdict(&asked), "ambiguous", "{path:?}");
    }
    let options = Request::new("OPTIONS", "*").bearer(&key);
    assert_eq!(stage.verdict(&options), "ambiguous");
}

#[test]
fn tollgates_own_paths_have_one_reading_too() {
    let stage = Stage::with(FREE);
    for path in
        ["/auth//v1/health", "/auth/./v1/health", "/x/../auth/v1/health", "/auth/v1/health%00", "/auth%2fv1/health", "/auth/v1/keys;x"]
    {
        assert_eq!(stage.verdict(&Request::get(path).bearer(&stage.token)), "ambiguous", "{path}");
    }
    for (path, status) in
        [("/%61uth/v1/health", 200), ("/auth/v1/nothing", 404), ("/auth", 303), ("/authority", 401), ("/AUTH/v1/health", 401)]
    {
        stage.server.send(&Request::get(path)).expect(status);
    }
}

#[test]
fn unusual_paths_with_one_reading_pass() {
    let stage = Stage::with(FREE);
    let key = stage.raw_key("free");
    for path in
        ["/", "/a%20b", "/.well-known/x", "/a..b/...", "/caf%C3%A9", "/~me/x.", "/100%25", "/a:b@c,d=e!$&'()*+", "/x?next=/a//b/../c;d%2f"]
    {
        stage.server.get(path, &key).expect(200);
        stage.server.send(&Request::get("/auth/v1/check").header("X-Forwarded-Uri", path).bearer(&key)).expect(200);
        assert_eq!(stage.verify(&json!({ "key": key, "path": path }))["verdict"], "ok", "{path}");
    }
}
