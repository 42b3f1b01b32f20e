//! Edges that were once fallen over: each was a fault first.

use serde_json::{Value, json};

use crate::support::{Folder, Request, Stage};

#[test]
fn the_smallest_number_there_is_is_no_balance() {
    let stage = Stage::with("");
    let account = stage.account(json!({}));
    let least = json!({ "balance": i64::MIN });
    stage.patch(&format!("/accounts/{account}"), &least).expect(400);
    let reply = stage.post("/balance", &json!({ "account": account, "tokens": i64::MIN })).expect(400);
    assert_eq!(reply.json()["errors"][0]["field"], "tokens", "{reply:?}");
    let output = stage.folder.run(&["account", "set", &account, "--balance", &i64::MIN.to_string()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_rotation_reads_its_body_or_refuses_it() {
    let stage = Stage::with("");
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({}));
    let path = format!("/auth/v1/keys/{}/rotate", key["id"].as_str().unwrap());
    let untyped = Request::new("POST", &path).bearer(&stage.token).body(br#"{"grace": "0s"}"#);
    stage.server.send(&untyped).expect(415);
    stage.server.send(&Request::new("POST", &path).bearer(&stage.token)).expect(201);
}

#[test]
fn a_public_socket_replaces_nothing_but_a_dead_socket() {
    let folder = Folder::new().variable("TOLLGATE_SERVER__LISTEN", "unix:here");
    std::fs::write(folder.path("here"), "precious").unwrap();
    let output = folder.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(std::fs::read_to_string(folder.path("here")).unwrap(), "precious");
    std::fs::remove_file(folder.path("here")).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.path("here")).unwrap();
    let output = folder.run(&["serve"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("another program listens there"), "{output:?}");
    drop(listener);
    let server = folder.serve();
    let reply = Request::get("/auth/v1/health").send_unix(&folder.path("here"));
    assert_eq!((reply.status, server.stop().0), (200, Some(0)));
}

#[test]
fn wrong_arguments_are_told_as_json_too() {
    let folder = Folder::new();
    let output = folder.run(&["--json", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(told["error"]["detail"].as_str().unwrap().contains("nonsense"), "{told}");
}

#[test]
fn what_holds_for_get_holds_for_head_beside_a_route_that_names_head() {
    let stage = Stage::with(
        "[[routes]]\npath = \"/a\"\nmethods = [\"GET\"]\nplans = [\"pro\"]\n[[routes]]\npath = \"/b\"\nmethods = [\"HEAD\"]\nopen = true\n",
    );
    let key = stage.raw_key("free");
    for (method, path, status) in [("GET", "/a", 403), ("HEAD", "/a", 403), ("HEAD", "/b", 200), ("GET", "/b", 200)] {
        let reply = stage.server.send(&Request::new(method, path).bearer(&key));
        assert_eq!(reply.status, status, "{method} {path}");
    }
}

#[test]
fn two_plans_that_count_one_name_in_different_ways_erase_nothing() {
    let stage = Stage::with(
        r#"
        [[plans]]
        name = "free"
        default = true
        limits = [{ name = "day", requests = 3, per = "day", count = "account" }]
        [[plans]]
        name = "pro"
        limits = [{ name = "day", requests = 3, per = "10m", shape = "sliding", count = "account" }]
        "#,
    );
    let account = stage.account(json!({}));
    let keys =
        [stage.key(&account, json!({})), stage.key(&account, json!({ "plan": "pro" }))].map(|key| key["key"].as_str().unwrap().to_owned());
    let passed = (0..12).filter(|turn| stage.server.get("/x", &keys[turn % 2]).status == 200).count();
    assert_eq!(passed, 6, "three of each");
}

#[test]
fn a_rolling_limit_beyond_all_reckoning_is_refused_as_a_setting_and_as_an_override() {
    let config = |requests: u32| {
        format!(
            "[[plans]]\nname = \"a\"\nlimits = [{{ name = \"m\", requests = {requests}, per = \"30d\", shape = \"rolling\", burst = 10000 }}]\n"
        )
    };
    assert_eq!(Folder::with(&config(1)).run(&["validate"]).status.code(), Some(2));
    let stage = Stage::with(&config(100_000));
    let account = stage.account(json!({}));
    let reply = stage.patch(&format!("/accounts/{account}"), &json!({ "limits": { "m": 1 } })).expect(400);
    assert_eq!(reply.json()["errors"][0]["field"], "limits.m");
}

#[test]
fn an_ask_is_decided_when_it_is_whole_and_not_when_it_began() {
    use std::io::{Read, Write};
    let stage = Stage::with("");
    let account = stage.account(json!({}));
    let expires = (jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1200)).to_string();
    let key = stage.key(&account, json!({ "expires_at": expires }))["key"].as_str().unwrap().to_owned();
    let body = json!({ "key": key }).to_string();
    let mut stream = std::net::TcpStream::connect(&stage.server.address).unwrap();
    let head = format!(
        "POST /auth/v1/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        stage.token,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..1]).unwrap();
    crate::support::eventually("the key expires", || {
        (stage.verify(&json!({ "key": key, "dry_run": true }))["verdict"] == "expired").then_some(())
    });
    stream.write_all(&body.as_bytes()[1..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"verdict\":\"expired\""), "{answer}");
}

#[test]
fn a_method_that_an_app_could_fold_is_ambiguous() {
    let stage = Stage::with("[[routes]]\npath = \"/write\"\nmethods = [\"POST\"]\nscopes = [\"w\"]\n");
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({ "scopes": ["r"] }))["key"].as_str().unwrap().to_owned();
    for (method, verdict) in [("POST", "wrong_scope"), ("post", "ambiguous"), ("PoSt", "ambiguous"), ("GET", "ok")] {
        assert_eq!(stage.verdict(&Request::new(method, "/write").bearer(&key)), verdict, "{method}");
        assert_eq!(stage.verify(&json!({ "key": key, "method": method, "path": "/write" }))["verdict"], verdict, "{method}");
    }
}

#[test]
fn a_key_in_a_wrong_place_is_neither_kept_nor_told_again() {
    let stage = Stage::of(Folder::new().variable("TOLLGATE_LOG", "trace"));
    let account = stage.account(json!({}));
    let key = stage.raw_key("free");
    let call = |request: Request| stage.server.send(&request.bearer(&stage.token));
    let named = json!({ "account": account, "name": "n" });
    call(Request::post("/auth/v1/keys", &named).header("Idempotency-Key", &key)).expect(201);
    let replies = [
        call(Request::get("/x").header("X-Request-Id", &key)),
        call(Request::new(&key, "/x")),
        call(Request::get(&format!("/auth/v1/keys?{key}=1"))).expect(400),
        call(Request::post("/auth/v1/keys", &json!({ "account": account, "name": "n", "plan": key, (key.clone()): 1 }))).expect(400),
        call(Request::post("/auth/v1/keys", &json!({ "account": account, "name": "n", "limits": { (key.clone()): 1 } }))).expect(400),
    ];
    for reply in &replies {
        let told = format!("{reply:?}");
        assert!(!told.contains(&key), "{told}");
    }
    let Stage { folder, server, .. } = stage;
    let (_, log) = server.stop();
    assert!(!log.contains(&key), "{log}");
    let kept = std::fs::read(folder.database()).unwrap();
    assert!(!kept.windows(key.len()).any(|window| window == key.as_bytes()), "the database holds a raw key");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let stage = Stage::with("");
    let account = stage.account(json!({}));
    for (more, field) in [
        (json!({ "expires": "1d", "expires_at": null }), "expires"),
        (json!({ "ips": [], "ip": ["10.0.0.1"] }), "ip"),
        (json!({ "scopes": ["*"], "scope": ["a"] }), "scope"),
        (
            json!({ "metadata": serde_json::from_str::<Value>(&format!("{}{}{}", "{\"a\":".repeat(30), 1, "}".repeat(30))).unwrap() }),
            "metadata",
        ),
    ] {
        let mut body = json!({ "account": account, "name": "n" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = stage.post("/keys", &body).expect(400);
        assert_eq!(reply.json()["errors"][0]["field"], field, "{reply:?}");
    }
    stage.post("/accounts", &json!({ "name": "n", "kind": "personal", "organization": true })).expect(400);
}
