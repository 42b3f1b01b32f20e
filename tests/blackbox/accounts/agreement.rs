//! The agreement: accepted before the first key, and asked for again in a new version.

use super::*;

fn config(version: &str) -> String {
    format!("[sign_in.agreement]\nversion = \"{version}\"\nurl = \"https://example.com/agreement\"\n{CONFIG}")
}

#[test]
fn without_it_there_is_no_key_for_a_developer() {
    let stage = Stage::with(&config("2026-01"));
    let person = Person::new(&stage);
    let asked = stage.server.send(&Request::get("/auth/v1/agreement")).expect(200).json();
    assert_eq!(asked, json!({ "version": "2026-01", "url": "https://example.com/agreement", "accepted": null }));
    let accepted = || person.get("/agreement").expect(200).json()["accepted"].clone();
    assert_eq!(accepted(), false);
    let key = || person.post("/keys", &json!({ "name": "x" }));
    assert_eq!(key().expect(403).verdict(), "agreement_needed");
    for (body, fields) in [(json!({}), ["version"]), (json!({ "version": "2025-12" }), ["version"]), (json!({ "version": 1 }), ["version"])]
    {
        assert_eq!(wrong_fields(&person.post("/agreement", &body).expect(400)), fields, "{body}");
    }
    assert_eq!(key().expect(403).verdict(), "agreement_needed");
    stage.server.send(&Request::post("/auth/v1/agreement", &json!({ "version": "2026-01" }))).expect(401);
    for _ in 0..2 {
        assert_eq!(person.post("/agreement", &json!({ "version": "2026-01" })).expect(200).json()["accepted"], true);
    }
    assert_eq!(accepted(), true);
    let made = text(&key().expect(201).json()["id"]);
    assert_eq!(data(&stage.get(&format!("/audit?action=agreement.accepted&target=user_{}", person.id))).len(), 1);
    assert_eq!(stage.get(&format!("/users/{}", person.id)).json()["agreement"], "2026-01");
    // Somebody else has not, and the operator need not.
    assert_eq!(Person::new(&stage).post("/keys", &json!({ "name": "x" })).expect(403).verdict(), "agreement_needed");
    stage.key(&person.account, json!({}));
    // A new version is asked for again; what there is goes on.
    stage.folder.rewrite(&config("2027-01"));
    stage.server.reload();
    assert_eq!((key().expect(403).verdict().as_str(), accepted()), ("agreement_needed", json!(false)));
    assert_eq!(person.post(&format!("/keys/{made}/rotate"), &json!({})).expect(403).verdict(), "agreement_needed");
    person.get(&format!("/keys/{made}")).expect(200);
    person.delete(&format!("/keys/{made}")).expect(204);
    person.post("/agreement", &json!({ "version": "2026-01" })).expect(400);
    person.post("/agreement", &json!({ "version": "2027-01" })).expect(200);
    key().expect(201);
}

#[test]
fn where_there_is_none_nothing_is_asked_for() {
    let stage = Stage::with(CONFIG);
    assert_eq!(
        stage.server.send(&Request::get("/auth/v1/agreement")).expect(200).json(),
        json!({ "version": null, "url": null, "accepted": null })
    );
    let person = Person::new(&stage);
    person.post("/agreement", &json!({ "version": "1" })).expect(404);
    person.post("/keys", &json!({ "name": "x" })).expect(201);
}
