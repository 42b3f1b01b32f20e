//! Mails as whoever administrates sees them.

use super::*;

#[test]
fn they_are_listed_page_by_page_without_what_stands_in_them() {
    let (smtp, stage) = stage("");
    for nth in 0..5 {
        test(&stage, &format!("user{nth}@example.org"));
    }
    let sms = test(&stage, "+4915112345678");
    smtp.wait_for(5);
    // With [mail] and no [sms] the log gets no code either: it is given up.
    assert_eq!(wait_for_state(&stage, &sms, "given_up")["fault"], "[sms] names no gateway");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage.get(&format!("/mails?limit=2{cursor}")).expect(200).json();
        seen.extend(page["data"].as_array().unwrap().iter().map(|mail| text(&mail["id"])));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (6, &sorted), "each once, oldest first");
    eventually("all of them are noted", || {
        (stage.get("/mails?state=taken").expect(200).json()["data"].as_array().unwrap().len() == 5).then_some(())
    });
    for (query, count) in [
        ("address=user1@example.org", 1),
        ("channel=phone", 1),
        ("channel=email", 5),
        ("state=waiting", 0),
        ("address=nobody@example.org", 0),
    ] {
        let page = stage.get(&format!("/mails?{query}")).expect(200).json();
        assert_eq!(page["data"].as_array().unwrap().len(), count, "{query}");
    }
    let one = mail(&stage, &sms);
    let names: Vec<&str> = one.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "channel", "address", "template", "state", "tries", "created_at", "due_at", "taken_at", "fault"]);
    assert_eq!(stage.folder.json(&["mail", "list", "--channel", "phone"])["data"][0], one);
}

#[test]
fn all_that_is_wrong_with_a_question_is_told_at_once() {
    let (_smtp, stage) = stage("");
    let fields = |reply: Value| reply["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect::<Vec<_>>();
    let told = fields(stage.get("/mails?limit=0&cursor=x&state=lost&channel=pigeon&colour=red").expect(400).json());
    for field in ["limit", "cursor", "state", "channel", "colour"] {
        assert!(told.iter().any(|told| told == field), "{field}: {told:?}");
    }
    for (body, wanted) in [
        (json!({}), &["address"][..]),
        (json!({ "address": 5 }), &["address"]),
        (json!({ "address": null }), &["address"]),
        (json!({ "address": "ada" }), &["address"]),
        (json!({ "address": "ada@evil.example@example.com" }), &["address"]),
        (json!({ "address": "ada@example.com\r\nBcc: eve@example.com" }), &["address"]),
        (json!({ "address": "ada@example.com, eve@example.com" }), &["address"]),
        (json!({ "address": "+49" }), &["address"]),
        (json!({ "address": "+49151abc1234" }), &["address"]),
        (json!({ "address": "x", "colour": "red" }), &["address", "colour"]),
    ] {
        let mut told = fields(stage.post("/mails/test", &body).expect(400).json());
        told.sort();
        assert_eq!(told, wanted, "{body}");
    }
    assert_eq!(stage.get("/mails").expect(200).json()["data"], json!([]));
    stage.post("/mails/eml_00000000000000000000000000/retry", &json!({})).expect(404);
    let output = stage.folder.run(&["mail", "test", "nobody"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn who_tried_and_who_sent_again_stands_in_the_audit_without_the_address() {
    let (_smtp, stage) = stage("");
    let id = test(&stage, "ada@example.org");
    wait_for_state(&stage, &id, "taken");
    stage.post(&format!("/mails/{id}/retry"), &json!({})).expect(200);
    let audit = stage.get(&format!("/audit?target={id}")).expect(200).json();
    let actions: Vec<&str> = audit["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["mail.retried", "mail.test"]);
    assert!(!audit.to_string().contains("ada@example.org"), "{audit}");
}

#[test]
fn the_metrics_count_them() {
    let (_smtp, stage) = stage_with(
        Setup::plain().script(|said| match (said.verb.as_str(), said.line.contains("gone@")) {
            ("RCPT", true) => Some("550 gone".to_owned()),
            ("RCPT", false) => Some("451 later".to_owned()),
            _ => None,
        }),
        "retries = [\"1h\"]",
    );
    let gone = test(&stage, "gone@example.org");
    wait_for_state(&stage, &gone, "given_up");
    let later = test(&stage, "ada@example.org");
    wait_for_try(&stage, &later);
    let token = stage.folder.token("metrics");
    let metrics = stage.server.get("/auth/metrics", &token).expect(200).body;
    for line in ["tollgate_mails_waiting 1", "tollgate_mails_given_up_total 1"] {
        assert!(metrics.lines().any(|own| own == line), "{line}: {metrics}");
    }
}

#[test]
fn what_is_done_goes_in_its_time() {
    let (_smtp, stage) = stage("[history]\nmails = \"30d\"");
    let id = test(&stage, "ada@example.org");
    wait_for_state(&stage, &id, "taken");
    let Stage { folder, server, token } = stage;
    server.stop();
    let old = jiff::Timestamp::now().as_millisecond() - 31 * 86_400_000;
    Connection::open(folder.database()).unwrap().execute("UPDATE mails SET created_at = ?1", [old]).unwrap();
    let stage = Stage { server: folder.serve(), folder, token };
    eventually("it is gone", || stage.get("/mails").expect(200).json()["data"].as_array().unwrap().is_empty().then_some(()));
}
