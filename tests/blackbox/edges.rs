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
fn a_rolling_limit_beyond_all_reckoning_is_refused_when_it_is_written_and_lets_nothing_through_when_overridden() {
    let config = |requests: u32| {
        format!(
            "[[plans]]\nname = \"a\"\nlimits = [{{ name = \"m\", requests = {requests}, per = \"30d\", shape = \"rolling\", burst = 10000 }}]\n"
        )
    };
    assert_eq!(Folder::with(&config(1)).run(&["validate"]).status.code(), Some(2));
    let stage = Stage::with(&config(100_000));
    let account = stage.account(json!({ "limits": { "m": 1 } }));
    let key = stage.key(&account, json!({}))["key"].as_str().unwrap().to_owned();
    stage.server.get("/x", &key).expect(429);
}
