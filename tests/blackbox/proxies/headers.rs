//! Headers on both sides of a proxy: what the app is told, what the client is told, and whom nobody believes.

use serde_json::{Value, json};

use super::app::{App, OWN};
use super::front::{Front, Kind, Proxy};
use crate::support::http::raw;
use crate::support::server::text;
use crate::support::{Folder, Request};

/// One plan, and an open path.
const CONFIG: &str = r#"
[[plans]]
name = "free"
limits = [{ requests = 1000, per = "minute" }, { requests = 100000, per = "month" }]
[[routes]]
path = "/open"
open = true
"#;

/// What a client may send to be taken for somebody else, or its request for another one.
const FORGED: [&str; 33] = [
    "X-Auth-Account",
    "X-Auth-Key",
    "X-Auth-User",
    "X-Auth-Plan",
    "X-Auth-Scopes",
    "X-Auth-Verdict",
    "x-auth-account",
    "X_Auth_Account",
    "X-Auth_Account",
    "X_Auth-Key",
    "X_AUTH_VERDICT",
    "X_Forwarded_For",
    "X_Real_IP",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Real-IP",
    "Forwarded",
    "X-Request-Id",
    "X_Request_Id",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "x-FORWARDED-for",
];

/// Each of these headers, once or twice.
fn forging(request: Request, times: usize) -> Request {
    FORGED.iter().fold(request, |request, name| (0..times).fold(request, |request, _| request.header(name, "forged")))
}

#[track_caller]
fn header<'v>(received: &'v Value, name: &str) -> &'v str {
    received["headers"][name].as_str().unwrap_or_default()
}

pub fn who_passed_stands_in_headers_that_no_client_can_forge(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let account = front.stage.account(json!({}));
    let key = front.stage.key(&account, json!({ "scopes": ["sets:read", "sets:write"] }));
    let passing = Request::get("/x").bearer(&text(&key["key"]));
    // A client may also try to have them taken away on the way.
    let mut stripping = "X-Auth-Account, X-Auth-Key, X-Forwarded-For, X-Forwarded-Uri, X-Request-Id, Authorization".to_owned();
    if kind == Kind::CaddyBefore {
        // Caddy does as it is told there, before anybody asks (RFC 9110, 7.6.1).
        stripping = stripping.replace(", Authorization", "");
    }
    for request in
        [passing.clone(), forging(passing.clone(), 1), forging(passing.clone(), 2), passing.clone().header("Connection", &stripping)]
    {
        let received = front.passes(&request);
        for (name, value) in [
            ("x-auth-account", &*account),
            ("x-auth-key", &text(&key["id"])),
            ("x-auth-user", ""),
            ("x-auth-plan", "free"),
            ("x-auth-scopes", "sets:read sets:write"),
            ("x-auth-verdict", "ok"),
            // tollgate adds whom it got it from.
            ("x-forwarded-for", if kind.is_before() { "127.0.0.1, 127.0.0.1" } else { "127.0.0.1" }),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "test"),
            ("x-real-ip", "127.0.0.1"),
        ] {
            assert_eq!(header(&received, name), value, "{name}: {received:#}");
        }
        assert!(!received.to_string().contains("forged"), "{received:#}");
        assert_eq!(received["headers"]["x-auth-user"].is_null(), kind == Kind::Nginx, "which sends no empty headers: {received:#}");
        assert!(header(&received, "x-request-id").len() >= 20, "{received:#}");
    }
    for request in [Request::get("/open"), Request::get("/open").bearer("nonsense")] {
        let received = front.passes(&forging(request, 1));
        assert!(!received.to_string().contains("forged"), "{received:#}");
        for name in ["x-auth-account", "x-auth-key", "x-auth-user", "x-auth-plan", "x-auth-scopes"] {
            assert_eq!(header(&received, name), "", "{name}: {received:#}");
        }
        assert_eq!(header(&received, "x-auth-verdict"), "ok", "{received:#}");
    }
}

pub fn what_is_forged_changes_no_verdict(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let account = front.stage.account(json!({}));
    let [here, away] = ["127.0.0.0/8", "203.0.113.0/24"].map(|range| text(&front.stage.key(&account, json!({ "ips": [range] }))["key"]));
    let forging = |request: Request| {
        let request = request.header("X-Forwarded-For", "203.0.113.5").header("X-Forwarded-Uri", "/open").header("X-Auth-Verdict", "ok");
        request.header("Forwarded", "for=203.0.113.5").header("X-Forwarded-Method", "GET").header("X-Real-IP", "203.0.113.5")
    };
    front.passes(&forging(Request::get("/x").bearer(&here)));
    assert_eq!(front.refused(&forging(Request::get("/x").bearer(&away))).expect(403).verdict(), "wrong_ip");
    assert_eq!(front.refused(&forging(Request::get("/x"))).expect(401).verdict(), "missing");
    assert_eq!(front.refused(&forging(Request::get("/x")).header("X-Auth-Verdict", "unavailable")).expect(401).verdict(), "missing");
    let mine = front.refused(&Request::get("/x").header("X-Request-Id", "forged"));
    assert!(!format!("{mine:?}").contains("forged"), "{mine:?}");

    let front = Front::with(kind, &format!("[server]\nrequire_https = true\n{CONFIG}"));
    let request = Request::get("/x").bearer(&front.stage.raw_key("free")).header("X-Forwarded-Proto", "https");
    assert_eq!(front.refused(&request).expect(403).verdict(), "insecure");
}

pub fn what_tollgate_is_asked_is_the_proxys_own_word(kind: Kind) {
    // Somebody else stands in for tollgate, and tells what he was asked.
    let (tollgate, app) = (App::tcp(), App::tcp());
    tollgate.answer_with(403);
    let proxy = Proxy::start(kind, &Folder::new(), tollgate.url.trim_start_matches("http://"), &app);
    for (method, body) in [("GET", ""), ("POST", "0123456789")] {
        let before = tollgate.asked();
        let request = Request::new(method, "/x?a=%20b").bearer("secret").header("Cookie", "a=b").body(body.as_bytes());
        forging(request, 1).send(&proxy.address).expect(403);
        let asked = tollgate.received().split_off(before);
        assert_eq!(asked.len(), if kind == Kind::Nginx { 2 } else { 1 }, "{asked:#?}");
        for ask in asked {
            assert_eq!(ask["method"], "GET", "which may be sent again on another connection: {ask:#}");
            assert_eq!(ask["body"], "", "a body is never sent along: {ask:#}");
            assert!(["", "0"].contains(&header(&ask, "content-length")), "nor announced: {ask:#}");
            assert_eq!(header(&ask, "transfer-encoding"), "", "{ask:#}");
            for (name, value) in [
                ("authorization", "Bearer secret"),
                ("x-forwarded-method", method),
                ("x-forwarded-uri", "/x?a=%20b"),
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "test"),
            ] {
                assert_eq!(header(&ask, name), value, "{name}: {ask:#}");
            }
            assert!(header(&ask, "x-request-id").len() >= 20 && header(&ask, "upgrade").is_empty(), "{ask:#}");
        }
    }
    assert_eq!(app.asked(), 0);
}

pub fn limit_headers_are_tollgates_on_every_pass(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let key = front.stage.raw_key("free");
    for (nth, target) in (1..).zip(["/x", "/status/404", "/status/500"]) {
        let reply = front.send(&Request::get(target).bearer(&key));
        assert_eq!(reply.number("X-RateLimit-Limit"), Some(1000), "{reply:?}");
        assert!(reply.number("X-RateLimit-Remaining").is_some_and(|left| (1000 - nth..1000).contains(&left)), "{reply:?}");
        assert!(reply.header("RateLimit").is_some_and(|told| told.contains("\"month\";r=") && !told.contains("the app's")), "{reply:?}");
        assert_eq!(reply.header("RateLimit-Policy").as_deref(), Some("\"minute\";q=1000;w=60, \"month\";q=100000;w=2592000"));
        let received = front.app.received().pop().unwrap();
        assert_eq!(reply.header("X-Request-Id").as_deref(), received["headers"]["x-request-id"].as_str(), "{reply:?}");
    }
    // Nobody was recognised, so there is nothing to say; and neither does the app speak for tollgate.
    let open = front.send(&Request::get("/open")).expect(200);
    for name in ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy"] {
        assert_eq!(open.header(name), None, "{open:?}");
    }
    assert_eq!(open.header(OWN[1]).as_deref(), Some("the app's"), "what this style does not name is the app's own: {open:?}");
}

pub fn the_credential_stays_behind_or_goes_on(kind: Kind) {
    // carrier, header, what stands before the key
    for (carrier, name, before) in [
        ("bearer", "authorization", "Bearer "),
        ("scheme:Bot", "authorization", "Bot "),
        ("header:api-key", "api-key", ""),
        ("header:api_key", "api_key", ""),
        ("header:x-auth-key", "x-auth-key", ""),
    ] {
        for is_kept in [false, true] {
            let config = format!("[keys]\ncarriers = [\"{carrier}\"]\n[upstream]\npass_credential = {is_kept}\n{CONFIG}");
            let front = Front::with(kind, &config);
            let key = front.stage.raw_key("free");
            let mut request =
                Request::get("/x").header(name, &format!("{before}{key}")).header("X_Auth_Account", "forged").header("X_Real_IP", "forged");
            if name != "authorization" {
                request = request.header("Authorization", "the app's own");
            }
            let received = front.passes(&request);
            // A header that says who calls says so to the app, whatever the client wrote there.
            let is_seen = is_kept && name != "x-auth-key";
            assert_eq!(received.to_string().contains(&key), is_seen, "{carrier}: {received:#}");
            assert!(!received.to_string().contains("forged"), "{carrier}: {received:#}");
            assert_eq!(header(&received, "x-real-ip"), "127.0.0.1", "{carrier}: {received:#}");
            if name != "authorization" {
                assert_eq!(header(&received, "authorization"), "the app's own", "{carrier}: {received:#}");
            }
        }
    }
}

pub fn the_request_comes_as_it_was_sent(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let key = front.stage.raw_key("free");
    let long = "x".repeat(300_000);
    for (method, target, body) in [
        ("GET", "/x", ""),
        ("GET", "/x?a=1&b=%20%2F&a=2&empty", ""),
        ("GET", "/caf%C3%A9/a%20b", ""),
        ("POST", "/x", "{\"a\": 1}"),
        ("POST", "/x", &long),
        ("PUT", "/x", "text"),
        ("PATCH", "/x", "{}"),
        ("DELETE", "/x", ""),
        ("OPTIONS", "/x", ""),
        ("BREW", "/x", ""),
        ("HEAD", "/x?y", ""),
    ] {
        let received = front.passes(&Request::new(method, target).bearer(&key).body(body.as_bytes()).header("Cookie", "a=b"));
        assert_eq!((received["method"].as_str(), received["target"].as_str()), (Some(method), Some(target)));
        assert!(received["body"] == body, "{method} {target}: {} bytes came", received["body"].as_str().unwrap().len());
        assert_eq!((header(&received, "host"), header(&received, "cookie")), ("test", "a=b"), "{received:#}");
    }
    let chunked =
        format!("PUT /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    raw(&front.proxy.address, &[chunked.as_bytes(), b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"].concat()).unwrap().expect(200);
    assert_eq!(front.app.received().pop().unwrap()["body"], "abcde");
    for method in ["CONNECT", "TRACE"] {
        for target in ["/x", "x:80"] {
            assert!(front.refused(&Request::new(method, target).bearer(&key)).status >= 400, "{method} {target}");
        }
    }
}

pub fn tollgates_own_paths_are_reached(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let key = front.stage.raw_key("free");
    let send = |request: Request| front.refused(&forging(request, 1));
    assert_eq!(send(Request::get("/auth/v1/health")).expect(200).json()["status"], "ok");
    assert_eq!(send(Request::get("/auth/v1/me").bearer(&key)).expect(200).json()["key"]["name"], "test");
    let asked = Request::post("/auth/v1/verify", &json!({ "key": key, "path": "/x" })).bearer(&front.stage.token);
    assert_eq!(send(asked).expect(200).json()["verdict"], "ok");
    send(Request::post("/auth/v1/verify", &json!({ "key": key }))).expect(401);
    send(Request::get("/auth/v1/accounts").bearer(&front.stage.token)).expect(200);
    // An ask is the proxy's alone: from outside it would be about a request that nobody sent.
    for path in ["/auth/v1/check", "/auth/v1/check/nginx", "/auth/v1/check/answer"] {
        let reply = send(Request::get(path).bearer(&key));
        // Where tollgate itself is asked, it does not know about what.
        let is_ambiguous = kind.is_before()
            && [400, 403].contains(&reply.status)
            && reply.header("X-Auth-Verdict").unwrap_or_else(|| reply.verdict()) == "ambiguous";
        assert!(is_ambiguous || (reply.status == 404 && !reply.body.contains("verdict")), "{reply:?}");
    }
    for beside in ["/authentic", "/AUTH/v1/health", "/v1/auth/health"] {
        assert_eq!(front.passes(&Request::get(beside).bearer(&key))["target"], beside);
    }
}

pub fn the_probe_is_guarded_and_never_reaches_the_app(kind: Kind) {
    let front = Front::with(kind, CONFIG);
    let key = front.stage.raw_key("free");
    assert_eq!(front.refused(&Request::get("/auth/v1/probe")).expect(401).verdict(), "missing");
    let reply = front.refused(&forging(Request::get("/auth/v1/probe").bearer(&key), 1));
    assert_eq!(reply.number("X-RateLimit-Remaining"), Some(999), "it is charged, as any request: {reply:?}");
    assert!(!format!("{reply:?}").contains("forged"), "{reply:?}");
}

pub fn unix_sockets_on_both_sides(kind: Kind) {
    let folder = Folder::with(CONFIG).variable("TOLLGATE_SERVER__LISTEN", "unix:gate.sock");
    let app = App::unix(&folder.path("app.sock"));
    let folder = kind.told(folder, &app);
    let account = folder.account(&[]);
    let key = folder.key(&account, &["--ip", "127.0.0.0/8"]);
    let server = folder.serve();
    let proxy = Proxy::start(kind, &folder, "unix:gate.sock", &app);
    let send = |request: Request| request.send(&proxy.address);
    let reply = send(Request::post("/x", &json!({ "a": 1 })).bearer(&text(&key["key"]))).expect(200);
    assert_eq!(reply.json()["headers"]["x-auth-account"], *account, "{reply:?}");
    assert_eq!(reply.json()["body"], "{\"a\":1}");
    assert_eq!(send(Request::get("/x")).expect(401).verdict(), "missing");
    send(Request::get("/auth/v1/health")).expect(200);
    assert_eq!(app.asked(), 1);
    drop(server);
    assert!(send(Request::get("/x").bearer(&text(&key["key"]))).status >= 500);
}
