//! What a query may not hold.

use serde_json::json;

use super::FREE;
use crate::support::{Request, Stage};

#[test]
fn a_key_in_a_query_is_misplaced_wherever_it_stands() {
    let stage = Stage::with(&format!(
        r#"
        [keys]
        environments = [
          {{ name = "live", prefix = "tg_live_", length = 48 }},
          {{ name = "demo", prefix = "tg_demo_", length = 40, checksum = false, reserved = true }},
        ]
        {FREE}
        [[routes]]
        path = "/open/**"
        open = true
        "#
    ));
    let (key, other) = (stage.raw_key("free"), stage.raw_key("free"));
    let mistyped = format!("{}{}", &key[..47], if key.ends_with('0') { '1' } else { '0' });
    let reserved = format!("tg_demo_{}", "a".repeat(32));
    let encoded: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let rows = [
        (format!("x={key}"), "misplaced"),
        (format!("a=1&b=2&x={key}&c=3"), "misplaced"),
        (format!("a=1&a={key}"), "misplaced"),
        (format!("x={encoded}"), "misplaced"),
        (format!("x=%74g_live_{}", &key[8..]), "misplaced"),
        (format!("x={other}"), "misplaced"),
        (format!("x={mistyped}"), "misplaced"),
        (format!("x={reserved}"), "misplaced"),
        (format!("x=Bearer+{key}"), "misplaced"),
        (format!("x=Bearer%20{key}"), "misplaced"),
        (format!("x=+{key}"), "misplaced"),
        (key.clone(), "misplaced"),
        ("x=tg_live_short".into(), "ok"),
        (format!("x=tk_live_{}", &key[8..]), "ok"),
        ("x=y&z".into(), "ok"),
        ("&&=&".into(), "ok"),
        (String::new(), "ok"),
    ];
    for (query, verdict) in &rows {
        for path in ["/closed", "/open/x"] {
            let target = format!("{path}?{query}");
            assert_eq!(stage.verdict(&Request::get(&target).bearer(&key)), *verdict, "gate {target}");
            let asked = Request::get("/auth/v1/check").header("X-Forwarded-Uri", &target).bearer(&key);
            let reply = stage.server.send(&asked);
            assert_eq!(reply.status, if *verdict == "ok" { 200 } else { 400 }, "check {target}: {reply:?}");
            assert_eq!(stage.verify(&json!({ "key": key, "path": target }))["verdict"], *verdict, "verify {target}");
        }
        let without = stage.server.send(&Request::get(&format!("/open/x?{query}")));
        assert_eq!(without.verdict(), *verdict, "open, without a credential: {query}");
    }
}

#[test]
fn a_key_is_found_amid_other_text_too() {
    let stage = Stage::with("");
    let key = stage.raw_key("free");
    let twice = key.bytes().map(|byte| format!("%25{byte:02x}")).collect::<String>();
    for query in [
        format!("a=1;b={key}"),
        format!("a={key},"),
        format!("a=[{key}]"),
        format!("u=http://y/?k={key}"),
        format!("a={twice}"),
        format!("{key}=1"),
    ] {
        assert_eq!(stage.server.get(&format!("/x?{query}"), &key).expect(400).json()["verdict"], "misplaced", "{query}");
    }
    let almost = &key[..key.len() - 1];
    stage.server.get(&format!("/x?a={almost}&b=tg_live_"), &key).expect(200);
}
