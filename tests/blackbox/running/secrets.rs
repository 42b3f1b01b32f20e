//! No log ever holds a raw key or token: requests of every kind, with secrets in every place where somebody may put one, are played
//! at the lowest level, and all that was logged is searched.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use base64::Engine as _;
use serde_json::json;

use crate::support::app::ok;
use crate::support::server::text;
use crate::support::{App, Folder, Stage};

/// Keys may be anywhere, so that each place is read, and one is held by shape and one is not.
const KEYS: &str = r#"
[keys]
carriers = ["bearer", "header:api-key", "basic:user", "basic:password", "scheme:Bot", "query:api_key"]
[cors]
origins = ["https://app.example.com"]
[[plans]]
name = "free"
limits = [{ requests = 100000, per = "day", observe = true }, { requests = 1, per = "minute", observe = true }]
"#;

/// Says bytes and reads whatever comes; an answer is nothing that this test is about.
fn say(address: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    // The server may have closed already: it refuses some of this by its first bytes.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Everything that a client may do with a secret, as it goes over the wire.
fn requests(secret: &str) -> Vec<Vec<u8>> {
    let basic = |pair: String| base64::prelude::BASE64_STANDARD.encode(pair);
    let encoded: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let twice = encoded.replace('%', "%25");
    let first = format!("%{:02x}{}", secret.as_bytes()[0], &secret[1..]);
    let targets = [
        format!("/{secret}"),
        format!("/a/{secret}/b"),
        format!("/x{secret}y"),
        format!("/{encoded}"),
        format!("/{twice}"),
        format!("/{first}"),
        format!("/%25{}", &first[1..]),
        format!("//{secret}"),
        format!("/..;/{secret}"),
        format!("/x?{secret}"),
        format!("/x?q={secret}"),
        format!("/x?api_key={secret}"),
        format!("/x?q={encoded}"),
        format!("/x?q={twice}&{secret}=1"),
        format!("/x#{secret}"),
        format!("http://{secret}:{secret}@test/x"),
        format!("http://{secret}/x"),
        secret.to_owned(),
        format!("/auth/v1/keys/{secret}"),
        format!("/auth/v1/accounts/{secret}"),
        format!("/auth/v1/accounts?search={secret}"),
        format!("/auth/v1/keys?cursor={secret}&{secret}={secret}"),
        format!("/auth/{secret}"),
        "/x".to_owned(),
        "/auth/v1/me".to_owned(),
        "/auth/v1/check".to_owned(),
        "/auth/v1/check/nginx".to_owned(),
        "/auth/v1/probe".to_owned(),
    ];
    let headers = [
        String::new(),
        format!("Authorization: Bearer {secret}\r\n"),
        format!("Authorization: {secret}\r\n"),
        format!("Authorization: Bot {secret}\r\n"),
        format!("Authorization: Basic {}\r\n", basic(format!("{secret}:x"))),
        format!("Authorization: Basic {}\r\n", basic(format!("x:{secret}"))),
        format!("Authorization: Basic {secret}\r\n"),
        format!("api-key: {secret}\r\n"),
        format!("api-key: {secret}\r\nAuthorization: Bearer x{secret}\r\n"),
        format!("Cookie: session={secret}; {secret}=1\r\n"),
        format!("X-Request-Id: {secret}\r\n"),
        format!("X-Forwarded-Uri: /{secret}?api_key={secret}\r\nX-Forwarded-Method: {secret}\r\nX-Forwarded-Host: {secret}\r\n"),
        format!("X-Forwarded-For: {secret}\r\nX-Forwarded-Proto: {secret}\r\nForwarded: for={secret}\r\n"),
        format!("Idempotency-Key: {secret}\r\n"),
        format!("Origin: {secret}\r\nReferer: http://test/{secret}\r\nUser-Agent: {secret}\r\n"),
        format!("{secret}: 1\r\n"),
        format!("Upgrade: {secret}\r\nConnection: upgrade, {secret}\r\n"),
        format!("Expect: {secret}\r\nTE: {secret}\r\nTrailer: {secret}\r\n"),
        format!("If-Match: {secret}\r\nAccept: {secret}\r\n"),
    ];
    let mut all: Vec<Vec<u8>> = Vec::new();
    for target in &targets {
        for header in &headers {
            all.push(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{header}\r\n").into_bytes());
        }
    }
    let bodies = [
        json!({ "name": secret }),
        json!({ "name": "x", "account": secret, "metadata": { secret: secret } }),
        json!({ "name": "x", secret: 1 }),
        json!({ "key": secret, "path": format!("/x?api_key={secret}"), "method": secret, "ip": secret }),
        json!({ "token": secret, "scopes": [secret], "plans": [secret] }),
        json!({ "account": secret, "tokens": 1, "reason": secret }),
        json!([{ "key": secret }, { "key": secret, secret: secret }]),
        json!({ "name": "x", "plan": secret, "limits": { secret: 1 }, "expires_at": secret, "ips": [secret], "environment": secret }),
    ];
    let mut posts: Vec<(String, String)> = bodies.iter().map(|body| ("application/json".to_owned(), body.to_string())).collect();
    posts.push(("application/json".into(), format!("{{\"name\": {secret}")));
    posts.push((secret.to_owned(), secret.to_owned()));
    posts.push(("application/x-www-form-urlencoded".into(), format!("api_key={secret}")));
    for (kind, body) in posts {
        for (method, path) in [
            ("POST", "keys"),
            ("POST", "accounts"),
            ("POST", "verify"),
            ("POST", "balance"),
            ("POST", "tokens"),
            ("PATCH", "keys/key_1"),
            (secret, "keys"),
        ] {
            for authorization in [String::new(), format!("Authorization: Bearer {secret}\r\nIdempotency-Key: {secret}\r\n")] {
                let head = format!("{method} /auth/v1/{path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{authorization}");
                all.push(format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes());
            }
        }
    }
    let malformed = [
        format!("{secret}\r\n\r\n"),
        format!("GET {secret}\r\n\r\n"),
        format!("GET /{secret} HTTP/9.{secret}\r\n\r\n"),
        format!("GET /{secret} HTTP/1.1\nHost: test\n\n"),
        format!("GET / HTTP/1.1\r\nHost: {secret}\r\nHost: {secret}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: test\r\n{secret} : 1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: test\r\nX: 1\r\n {secret}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {secret}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: {secret}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{secret}\r\n"),
        format!("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1;{secret}={secret}\r\nx\r\n0\r\n{secret}: 1\r\n\r\n"),
        format!("POST /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {secret}\r\nContent-Length: 99\r\n\r\n{secret}"),
        format!("CONNECT {secret}:80 HTTP/1.1\r\nHost: test\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: test\r\nX: \u{0}{secret}\r\n\r\n"),
        format!("{secret} /{secret} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"),
    ];
    all.extend(malformed.map(String::into_bytes));
    all
}

/// What of a secret may stand nowhere: not whole, and not without its first letters or its last.
fn traces(secret: &str) -> [String; 3] {
    let (length, half) = (secret.len(), secret.len() / 2);
    [secret.to_owned(), secret[half - 4..].to_owned(), secret[length - half..length - 2].to_owned()]
}

#[track_caller]
fn play(config: &str, format: &str) {
    let folder = Folder::with(&format!("[log]\nformat = \"{format}\"\nrequests = true\n{KEYS}{config}")).variable("TOLLGATE_LOG", "trace");
    let stage = Stage::of(folder);
    let account = stage.account(json!({}));
    let living = text(&stage.key(&account, json!({}))["key"]);
    let revoked = stage.key(&account, json!({}));
    stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    let secrets = [living.clone(), text(&revoked["key"]), stage.token.clone(), format!("{}{}", &living[..living.len() - 1], "_")];
    for secret in &secrets {
        for request in requests(secret) {
            say(&stage.server.address, &request);
        }
        // By the command line, also as what is no key at all.
        for arguments in [&["account", "create", "--name", secret][..], &["key", "show", secret], &["key", "list", "--search", secret]] {
            stage.folder.run(arguments);
        }
        stage.folder.run_with_input(&["key", "verify", "-"], secret);
    }
    stage.folder.rewrite(&format!("[server]\nprefix = \"/gate\"\n{KEYS}{config}"));
    stage.server.reload();
    let (code, log) = stage.server.stop();
    assert!(code == Some(0) && !log.contains("panicked"), "{log}");
    assert!(log.contains("/auth/v1/verify") && log.lines().count() > 1000, "it was logged at all: {} lines", log.lines().count());
    for secret in &secrets {
        for trace in traces(secret) {
            let found = log.lines().find(|line| line.contains(&trace));
            assert_eq!(found, None, "{trace} of {secret}");
        }
    }
}

#[test]
fn no_line_holds_one_for_people() {
    play("", "text");
}

#[test]
fn no_line_holds_one_for_programs() {
    play("", "json");
}

#[test]
fn no_line_holds_one_where_requests_are_passed_on() {
    let app = App::answering(|heard| ok(&heard.head.text()));
    play(&format!("[upstream]\nurl = \"{}\"\n", app.url), "json");
    play("[upstream]\nurl = \"http://127.0.0.1:1\"\n", "text");
}
