//! What users may do with what is theirs, through the same paths as the operator.

use super::*;

#[test]
fn what_is_the_operators_to_set_is_refused_with_each_field_named() {
    let stage = Stage::with(CONFIG);
    let person = Person::new(&stage);
    let account = &person.account;
    for (method, path, body, fields) in [
        (
            "PATCH",
            format!("/accounts/{account}"),
            json!({ "name": "x", "plan": "pro", "plan_until": "2100-01-01", "balance": 5, "limits": { "minute": 5 }, "disabled": false, "kind": "organization" }),
            vec!["balance", "disabled", "kind", "limits", "plan", "plan_until"],
        ),
        (
            "POST",
            "/accounts".into(),
            json!({ "name": "x", "plan": "pro", "balance": 5, "limits": { "minute": 5 }, "kind": "personal", "colour": 1 }),
            vec!["balance", "colour", "kind", "limits", "plan"],
        ),
        (
            "POST",
            "/keys".into(),
            json!({
                "name": "", "environment": "frozen", "plan": "pro", "limits": { "day": 5, "minute": 101 }, "scopes": ["sets:read", "*"],
                "disabled": true, "metadata": { "a": 1 }, "ips": ["nowhere"],
            }),
            vec!["disabled", "environment", "ips", "limits.day", "limits.minute", "metadata", "name", "plan", "scopes"],
        ),
        ("POST", "/keys".into(), json!({ "name": "x", "limits": { "minute": null } }), vec!["limits.minute"]),
    ] {
        let reply = person.call(method, &path, Some(&body)).expect(400);
        assert_eq!(wrong_fields(&reply), fields, "{method} {path}");
    }
    assert_eq!(data(&person.get("/keys").expect(200)).len(), 0);
    assert_eq!(person.get(&format!("/accounts/{account}")).expect(200).json()["name"], "Ada");
    person.patch(&format!("/accounts/{account}"), &json!({ "name": "Augusta" })).expect(200);
}

#[test]
fn a_key_of_theirs_is_of_their_account_and_within_the_ranges() {
    let stage = Stage::with(CONFIG);
    let person = Person::new(&stage);
    let body = json!({ "name": "laptop", "scopes": ["sets:read"], "limits": { "minute": 7 }, "expires_at": "30d", "ips": ["127.0.0.0/8"] });
    let made = person.post("/keys", &body).expect(201).json();
    assert_eq!((&made["account"], &made["limits"]["minute"]), (&json!(person.account), &json!(7)));
    assert_eq!(stage.server.get("/sets", &text(&made["key"])).status, 200);
    let path = format!("/keys/{}", text(&made["id"]));
    // The same as it was does no harm; more does.
    person
        .patch(&path, &json!({ "plan": null, "metadata": {}, "disabled": false, "scopes": ["sets:read"], "expires_at": "1d" }))
        .expect(200);
    for (change, field) in [
        (json!({ "expires_at": null }), "expires_at"),
        (json!({ "expires_at": "2d" }), "expires_at"),
        (json!({ "plan": "pro" }), "plan"),
        (json!({ "scopes": ["*"] }), "scopes"),
        (json!({ "limits": { "day": 5 } }), "limits.day"),
    ] {
        let reply = person.patch(&path, &change).expect(400);
        assert_eq!(wrong_fields(&reply), [field], "{change}");
    }
    // What the operator did is not theirs to undo, and what the operator gave is theirs to keep.
    stage
        .patch(&path, &json!({ "disabled": true, "limits": { "day": 5 }, "scopes": ["reports:read"], "metadata": { "a": 1 } }))
        .expect(200);
    let reply = person.patch(&path, &json!({ "disabled": false, "limits": { "day": null }, "metadata": {}, "scopes": ["reports:read"] }));
    assert_eq!(wrong_fields(&reply.expect(400)), ["disabled", "limits.day", "metadata"]);
    person
        .patch(&path, &json!({ "disabled": true, "limits": { "day": 5 }, "metadata": { "a": 1 }, "scopes": ["reports:read"], "name": "x" }))
        .expect(200);
    let next = person.post(&format!("{path}/rotate"), &json!({ "grace": "0s" })).expect(201).json();
    assert_eq!((&next["disabled"], &next["limits"]["day"]), (&json!(true), &json!(5)));
    person.delete(&format!("/keys/{}", text(&next["id"]))).expect(204);
    // An idempotency key is each user's own.
    let org = stage.account(json!({ "organization": true }));
    let two = [Person::of(&stage, &org, "owner"), Person::of(&stage, &org, "member")];
    let made = two.each_ref().map(|person| {
        let request = Request::post("/auth/v1/keys", &json!({ "name": "same" })).bearer(&person.access).header("Idempotency-Key", "k");
        text(&stage.server.send(&request).expect(201).json()["id"])
    });
    assert_ne!(made[0], made[1]);
}

#[test]
fn another_accounts_ids_answer_as_if_they_were_not_there() {
    let stage = Stage::with(CONFIG);
    let (ada, mut eve) = (Person::new(&stage), Person::new(&stage));
    let org = eve.organization("Theirs");
    let key = text(&eve.post("/keys", &json!({ "name": "theirs" })).expect(201).json()["id"]);
    let invitation = text(
        &eve.post(&format!("/accounts/{org}/invitations"), &json!({ "email": "x@example.com", "role": "member" })).expect(201).json()["id"],
    );
    let body = json!({ "plan": "partner", "use_case": "x", "volume": "y" });
    let application = text(&eve.post("/applications", &body).expect(201).json()["id"]);
    let none = |id: &str| format!("{}01ARZ3NDEKTSV4RRFFQ69G5FAV", &id[..4]);
    let before = data(&stage.get("/audit")).len();
    for (method, path, body, ids) in [
        ("GET", "/accounts/ID", Value::Null, vec![&org]),
        ("PATCH", "/accounts/ID", json!({ "name": "x" }), vec![&org]),
        ("PATCH", "/accounts/ID", json!({ "plan": "pro" }), vec![&org]),
        ("GET", "/accounts/ID/balance", Value::Null, vec![&org]),
        ("GET", "/accounts/ID/members", Value::Null, vec![&org]),
        ("PATCH", "/accounts/ID/members/USER", json!({ "role": "owner" }), vec![&org]),
        ("DELETE", "/accounts/ID/members/USER", Value::Null, vec![&org]),
        ("GET", "/accounts/ID/invitations", Value::Null, vec![&org]),
        ("POST", "/accounts/ID/invitations", json!({ "email": "y@example.com", "role": "member" }), vec![&org]),
        ("DELETE", "/accounts/ID/invitations/ID", Value::Null, vec![&org, &invitation]),
        ("POST", "/keys", json!({ "name": "x", "account": "ID" }), vec![&org]),
        ("GET", "/keys/ID", Value::Null, vec![&key]),
        ("PATCH", "/keys/ID", json!({ "name": "x" }), vec![&key]),
        ("PATCH", "/keys/ID", json!({ "plan": "pro" }), vec![&key]),
        ("POST", "/keys/ID/rotate", json!({}), vec![&key]),
        ("DELETE", "/keys/ID", Value::Null, vec![&key]),
        ("GET", "/usage?account=ID", Value::Null, vec![&org]),
        ("GET", "/usage?key=ID", Value::Null, vec![&key]),
        ("GET", "/keys?account=ID", Value::Null, vec![&org]),
        ("GET", "/audit?account=ID", Value::Null, vec![&org]),
        ("GET", "/applications?account=ID", Value::Null, vec![&org]),
        ("GET", "/applications/ID", Value::Null, vec![&application]),
        ("DELETE", "/applications/ID", Value::Null, vec![&application]),
        ("POST", "/auth/switch", json!({ "account": "ID" }), vec![&org]),
        ("POST", "/invitations/accept", json!({ "id": "ID" }), vec![&invitation]),
    ] {
        let send = |ids: &[String]| {
            let mut path = path.replace("USER", &eve.id.to_string());
            let mut text = body.to_string();
            for id in ids {
                path = path.replacen("ID", id, 1);
                text = text.replace("\"ID\"", &format!("\"{id}\""));
            }
            let body: Value = serde_json::from_str(&text).unwrap();
            let reply = ada.call(method, &path, Some(&body).filter(|body| !body.is_null()));
            told(&reply, &ids.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let there: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        let missing: Vec<String> = ids.iter().map(|id| none(id)).collect();
        let answer = send(&there);
        assert_eq!(answer, send(&missing), "{method} {path}");
        assert!(answer.starts_with("404") || answer.starts_with("400") || answer.contains("\"data\":[]"), "{method} {path}: {answer}");
    }
    assert_eq!(data(&stage.get("/audit")).len(), before, "nothing was done");
    assert!(data(&ada.get("/keys?search=theirs")).is_empty());
}

#[test]
fn keys_of_an_account_that_is_switched_off_are_none_and_so_is_the_rest() {
    let stage = Stage::with(CONFIG);
    let person = Person::new(&stage);
    stage.patch(&format!("/accounts/{}", person.account), &json!({ "disabled": true })).expect(200);
    for (method, path, body) in [
        ("POST", "/keys".to_owned(), json!({ "name": "x" })),
        ("PATCH", format!("/accounts/{}", person.account), json!({ "disabled": false })),
        ("GET", "/keys".into(), Value::Null),
    ] {
        let reply = person.call(method, &path, Some(&body).filter(|body| !body.is_null())).expect(403);
        assert_eq!(reply.verdict(), "disabled", "{method} {path}");
    }
}

#[test]
fn an_administrator_of_the_server_may_do_what_the_operator_may() {
    let stage = Stage::with(CONFIG);
    let (admin, person) = (Person::with(&stage, json!({ "admin": true })), Person::new(&stage));
    admin.patch(&format!("/accounts/{}", person.account), &json!({ "plan": "pro", "balance": 7 })).expect(200);
    assert_eq!(data(&admin.get("/users").expect(200)).len(), 2);
    let entry = data(&stage.get(&format!("/audit?target={}&action=account.changed", person.account)))[0].clone();
    assert_eq!(entry["actor"], format!("user_{}", admin.id));
    // To the account's own people that is the operator, or at least no address of theirs.
    let seen = data(&person.get("/audit?action=account.changed").expect(200))[0].clone();
    assert_eq!((&seen["origin"], &seen["request_id"]), (&json!(""), &json!("")));
    stage.patch(&format!("/users/{}", admin.id), &json!({ "admin": false })).expect(200);
    admin.get("/users").expect(403);
    admin.patch(&format!("/accounts/{}", person.account), &json!({ "name": "x" })).expect(404);
    person.get("/users").expect(403);
    person.patch(&format!("/users/{}", person.id), &json!({ "admin": true })).expect(403);
}
