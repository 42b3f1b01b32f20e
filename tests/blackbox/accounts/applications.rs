//! Applications for plans that are granted by review.

use super::*;

fn application() -> Value {
    json!({ "plan": "partner", "use_case": "A shop.\nWith two lines.", "volume": "10 a minute" })
}

#[test]
fn one_that_is_approved_gives_the_plan_at_once_and_tells_the_applicant() {
    let smtp = Smtp::new(Setup::plain());
    let stage = Stage::with(&format!("[mail]\nsmtp_url = \"{}\"\nfrom = \"noreply@example.com\"\n{CONFIG}", smtp.url()));
    let person = Person::new(&stage);
    let key = text(&person.post("/keys", &json!({ "name": "x" })).expect(201).json()["key"]);
    assert_eq!(stage.verify(&json!({ "key": key }))["account"]["plan"], "free");
    let made = person.post("/applications", &application()).expect(201).json();
    assert_eq!((&made["state"], &made["account"], &made["user"]), (&json!("open"), &json!(person.account), &json!(person.id)));
    person.post("/applications", &application()).expect(409);
    let path = format!("/applications/{}", text(&made["id"]));
    person.post(&format!("{path}/approve"), &json!({})).expect(403);
    assert_eq!(data(&stage.get("/applications?state=open").expect(200)).len(), 1);
    let decided = stage.post(&format!("{path}/approve"), &json!({ "note": "Welcome.", "plan_until": "2100-01-01" })).expect(200).json();
    assert_eq!((&decided["state"], &decided["note"]), (&json!("approved"), &json!("Welcome.")));
    // From the very next request on, with the plan's tokens.
    let answer = stage.verify(&json!({ "key": key }));
    assert_eq!((&answer["account"]["plan"], &answer["account"]["balance"]), (&json!("partner"), &json!(100)));
    let account = person.get(&format!("/accounts/{}", person.account)).json();
    assert_eq!(account["plan_until"], "2100-01-01T00:00:00Z");
    assert_eq!(person.get(&path).json()["decided_by"], "operator");
    let mail = smtp.wait_for_mail_to(&person.email);
    assert!(mail.text().contains("Partner") && mail.text().contains("Welcome."), "{}", mail.text());
    assert!(mail.text().contains("until 2100-01-01 00:00 UTC") && mail.text().contains("/auth/plan"), "{}", mail.text());
    // Once is enough.
    for (part, body) in [("approve", json!({})), ("reject", json!({ "note": "no" }))] {
        stage.post(&format!("{path}/{part}"), &body).expect(409);
    }
    person.delete(&path).expect(409);
    person.post("/applications", &application()).expect(409);
}

#[test]
fn one_that_is_rejected_or_taken_back_changes_nothing() {
    let stage = Stage::with(CONFIG);
    let person = Person::new(&stage);
    let apply = || format!("/applications/{}", text(&person.post("/applications", &application()).expect(201).json()["id"]));
    let first = apply();
    assert_eq!(wrong_fields(&stage.post(&format!("{first}/reject"), &json!({ "note": " " })).expect(400)), ["note"]);
    let reply = stage.post(&format!("{first}/approve"), &json!({ "note": "a\u{7}b", "plan_until": "2020-01-01" })).expect(400);
    assert_eq!(wrong_fields(&reply), ["note", "plan_until"]);
    assert_eq!(stage.post(&format!("{first}/reject"), &json!({ "note": "Too soon." })).expect(200).json()["state"], "rejected");
    let second = apply();
    person.delete(&second).expect(204);
    person.delete(&second).expect(204);
    stage.post(&format!("{second}/approve"), &json!({})).expect(409);
    apply();
    assert_eq!(person.get(&format!("/accounts/{}", person.account)).json()["plan"], "free");
    let states: Vec<Value> = data(&person.get("/applications").expect(200)).iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["rejected", "withdrawn", "open"]);
    assert_eq!(data(&stage.get("/audit?action=application.opened")).len(), 3);
}

#[test]
fn what_can_be_applied_for_and_by_whom() {
    let stage = Stage::with(CONFIG);
    let mut owner = Person::new(&stage);
    for (body, fields) in [
        (json!({}), vec!["plan", "use_case", "volume"]),
        (json!({ "plan": "pro", "use_case": " ", "volume": "x".repeat(501), "colour": 1 }), vec!["colour", "plan", "use_case", "volume"]),
        (json!({ "plan": "gold", "use_case": "a\u{0}b", "volume": "1" }), vec!["plan", "use_case"]),
        (json!({ "plan": "partner", "use_case": "x".repeat(4001), "volume": "1" }), vec!["use_case"]),
    ] {
        assert_eq!(wrong_fields(&owner.post("/applications", &body).expect(400)), fields, "{body}");
    }
    let org = owner.organization("Analytical Engines");
    let (member, admin) = (Person::of(&stage, &org, "member"), Person::of(&stage, &org, "admin"));
    member.post("/applications", &application()).expect(403);
    let made = admin.post("/applications", &application()).expect(201).json();
    assert_eq!(made["account"], org);
    let path = format!("/applications/{}", text(&made["id"]));
    member.get(&path).expect(200);
    member.delete(&path).expect(403);
    for person in [&admin, &owner] {
        person.post(&format!("{path}/approve"), &json!({})).expect(403);
        // Nor by themselves.
        person.patch(&format!("/accounts/{org}"), &json!({ "plan": "partner" })).expect(400);
    }
    // A token that is bound to the account does not decide about it.
    let bound = text(&stage.post("/tokens", &json!({ "scopes": ["admin"], "account": org })).expect(201).json()["token"]);
    stage.server.post(&format!("/auth/v1{path}/approve"), &bound, &json!({})).expect(403);
    let server_admin = Person::with(&stage, json!({ "admin": true }));
    server_admin.post(&format!("{path}/approve"), &json!({})).expect(200);
    assert_eq!(owner.get(&format!("/accounts/{org}")).json()["plan"], "partner");
}

#[test]
fn two_who_decide_at_once_decide_once() {
    let stage = Stage::with(CONFIG);
    for _ in 0..5 {
        let person = Person::new(&stage);
        let made = person.post("/applications", &application()).expect(201).json();
        let path = format!("/applications/{}", text(&made["id"]));
        let (stage, path) = (&stage, &path);
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let approve = scope.spawn(move || stage.post(&format!("{path}/approve"), &json!({})).status);
            let reject = scope.spawn(move || stage.post(&format!("{path}/reject"), &json!({ "note": "no" })).status);
            vec![approve.join().unwrap(), reject.join().unwrap()]
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        let state = text(&stage.get(path).json()["state"]);
        let plan = text(&stage.get(&format!("/accounts/{}", person.account)).json()["plan"]);
        assert_eq!(plan == "partner", state == "approved");
    }
}

#[test]
fn the_command_line_decides() {
    let stage = Stage::with(CONFIG);
    let person = Person::new(&stage);
    let id = text(&person.post("/applications", &application()).expect(201).json()["id"]);
    let run = |arguments: &[&str]| stage.folder.json(&[&["application"], arguments].concat());
    assert_eq!(run(&["list", "--state", "open"])["data"][0]["id"], id.as_str());
    assert_eq!(run(&["show", &id])["plan"], "partner");
    assert_eq!(run(&["reject", &id, "--note", "Too soon."])["state"], "rejected");
    let id = text(&person.post("/applications", &application()).expect(201).json()["id"]);
    assert_eq!(run(&["approve", &id, "--plan-until", "2100-01-01"])["state"], "approved");
    assert_eq!(stage.folder.json(&["account", "show", &person.account])["plan"], "partner");
    assert_eq!(stage.folder.run(&["application", "approve", &id]).status.code(), Some(1));
}
