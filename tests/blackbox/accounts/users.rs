//! Users, as the operator makes and changes them.

use super::*;
use crate::support::Folder;

#[test]
fn a_user_has_an_account_of_their_own_from_the_first_moment_on() {
    let stage = Stage::with(CONFIG);
    let made = stage.post("/users", &json!({ "email": "Ada@Example.com", "name": "Ada", "admin": true })).expect(201);
    let user = made.json();
    assert_eq!((&user["email"], &user["email_verified"], &user["admin"]), (&json!("ada@example.com"), &json!(false), &json!(true)));
    assert_eq!(made.header("ETag").as_deref(), Some("\"1\""));
    let account = stage.get(&format!("/accounts/{}", text(&user["account"]))).expect(200).json();
    assert_eq!((&account["name"], &account["kind"], &account["plan"]), (&json!("Ada"), &json!("personal"), &json!("free")));
    let members = data(&stage.get(&format!("/accounts/{}/members", text(&user["account"]))).expect(200));
    assert_eq!((members.len(), &members[0]["user"], &members[0]["role"]), (1, &user["id"], &json!("owner")));
    let shown = stage.get(&format!("/users/{}", user["id"])).expect(200).json();
    assert_eq!((&shown["second_factor"], &shown["accounts"][0]["role"]), (&json!(false), &json!("owner")));
    // Nobody says a name.
    let named = stage.post("/users", &json!({ "email": "grace.h@example.com" })).expect(201).json();
    assert_eq!(named["name"], "grace.h");
    let by_phone = stage.post("/users", &json!({ "phone": "+49 151 1234-5678" })).expect(201).json();
    assert_eq!(by_phone["phone"], "+4915112345678");
    for (search, count) in [("ada@", 1), ("GRACE", 1), ("15112345678", 1), ("nobody", 0)] {
        assert_eq!(data(&stage.get(&format!("/users?search={search}")).expect(200)).len(), count, "{search}");
    }
    let first = stage.get("/users?limit=2").expect(200).json();
    let rest = stage.get(&format!("/users?limit=2&cursor={}", text(&first["next_cursor"]))).expect(200);
    assert_eq!((first["data"].as_array().unwrap().len(), data(&rest).len()), (2, 1));
}

#[test]
fn every_wrong_field_is_named_and_nothing_is_half_made() {
    let stage = Stage::with(CONFIG);
    stage.post("/users", &json!({ "email": "ada@example.com" })).expect(201);
    let counts = |stage: &Stage| ["/users", "/accounts", "/audit"].map(|path| data(&stage.get(path).expect(200)).len());
    let before = counts(&stage);
    for (body, fields) in [
        (json!({}), vec!["email"]),
        (
            json!({ "name": "", "email": "ada@@example.com", "phone": "12", "password": "short", "verified": 1, "colour": "red" }),
            vec!["colour", "email", "name", "password", "phone", "verified"],
        ),
        (json!({ "email": "a@evil.com@example.com", "password": "" }), vec!["email", "password"]),
        (json!({ "email": "a@example.com\nBcc: b@example.com" }), vec!["email"]),
    ] {
        let reply = stage.post("/users", &body).expect(400);
        assert_eq!(wrong_fields(&reply), fields, "{body}");
        assert!(!reply.body.contains("short"), "{reply:?}");
    }
    // Taken, in whatever spelling.
    let taken = stage.post("/users", &json!({ "email": "ADA@example.com", "phone": "+4915112345678" })).expect(409);
    assert!(text(&taken.json()["detail"]).contains("user 1"), "{taken:?}");
    assert_eq!(counts(&stage), before);
    for id in ["0", "01", "+1", "-1", "77", "x", "9223372036854775808"] {
        stage.get(&format!("/users/{id}")).expect(404);
        stage.patch(&format!("/users/{id}"), &json!({ "name": "x" })).expect(404);
        stage.delete(&format!("/users/{id}/sessions")).expect(404);
        stage.delete(&format!("/users/{id}/second-factor")).expect(404);
    }
}

#[test]
fn what_is_asked_for_under_one_idempotency_key_is_done_once() {
    let stage = Stage::with(CONFIG);
    let send = |body: &Value, key: &str| {
        stage.server.send(&Request::post("/auth/v1/users", body).bearer(&stage.token).header("Idempotency-Key", key))
    };
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let first = send(&body, "once").expect(201).json();
    assert_eq!(send(&body, "once").expect(201).json(), first);
    send(&json!({ "email": "eve@example.com", "password": PASSWORD }), "once").expect(409);
    // Of a password not even a hash of the request is kept, which would be a fast one.
    let bytes = std::fs::read(stage.folder.path("tollgate.db-wal")).unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(body.to_string().as_bytes());
    assert!(!bytes.windows(32).any(|window| window == hash.as_slice()));
    assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
}

#[test]
fn whoever_is_signed_out_disabled_or_given_another_password_is_out_at_once() {
    let stage = Stage::with(CONFIG);
    let sets: [(&str, &str, Value); 4] = [
        ("PATCH", "", json!({ "disabled": true })),
        ("PATCH", "", json!({ "password": "another horse battery" })),
        ("PATCH", "", json!({ "password": null })),
        ("DELETE", "/sessions", Value::Null),
    ];
    for (method, part, body) in sets {
        let mut person = Person::new(&stage);
        // Remembered by now.
        for _ in 0..2 {
            person.get("/accounts").expect(200);
        }
        stage.call(method, &format!("/users/{}{part}", person.id), Some(&body).filter(|body| !body.is_null()));
        assert_eq!(person.get("/accounts").status, 401, "{body}");
        assert_eq!(person.get("/user/me").status, 401, "{body}");
        assert_eq!(stage.verify(&json!({ "token": person.access }))["verdict"], "unknown", "{body}");
        assert_eq!(person.refresh().status, 401, "{body}");
        assert!(data(&stage.get(&format!("/audit?target=user_{}&action=session.ended", person.id))).len() == 1, "{body}");
        if body["disabled"] == true {
            assert_eq!(person.try_sign_in(PASSWORD).verdict(), "disabled");
            stage.patch(&format!("/users/{}", person.id), &json!({ "disabled": false })).expect(200);
            // What was ended stays so.
            assert_eq!((person.get("/accounts").status, person.refresh().status), (401, 401));
            person.sign_in();
        } else if method == "PATCH" {
            assert_eq!(person.try_sign_in(PASSWORD).verdict(), "unknown");
        }
    }
}

#[test]
fn an_address_that_was_changed_is_no_more_good_for_anything() {
    let smtp = Smtp::new(Setup::plain());
    let config = format!("[mail]\nsmtp_url = \"{}\"\nfrom = \"noreply@example.com\"\n{CONFIG}", smtp.url());
    let stage = Stage::with(&config);
    let person = Person::new(&stage);
    stage.server.send(&Request::post("/auth/v1/auth/forgot", &json!({ "email": person.email }))).expect(202);
    let token = smtp.wait_for_mail_to(&person.email).token();
    let changed = stage.patch(&format!("/users/{}", person.id), &json!({ "email": "new@example.com" })).expect(200).json();
    assert_eq!((&changed["email"], &changed["email_verified"]), (&json!("new@example.com"), &json!(false)));
    let reset = json!({ "token": token, "password": "another horse battery" });
    let reply = stage.server.send(&Request::post("/auth/v1/auth/reset", &reset));
    assert!([400, 401].contains(&reply.status), "{reply:?}");
    assert_eq!(person.try_sign_in(PASSWORD).verdict(), "unknown");
    // The new one is not proven, until what was sent to it comes back.
    let body = json!({ "email": "new@example.com", "password": PASSWORD });
    let login = || stage.server.send(&Request::post("/auth/v1/auth/login", &body));
    assert_eq!(login().verdict(), "not_verified");
    let token = smtp.wait_for_mail_to("new@example.com").token();
    stage.server.send(&Request::post("/auth/v1/auth/verify", &json!({ "token": token }))).expect(200);
    login().expect(200);
    // One that the operator vouches for is asked for nothing.
    stage.patch(&format!("/users/{}", person.id), &json!({ "email": "third@example.com", "verified": true })).expect(200);
    let mails = data(&stage.get("/mails?address=third@example.com").expect(200));
    assert!(mails.is_empty(), "{mails:?}");
    // Nobody is left without a way in.
    let reply = stage.patch(&format!("/users/{}", person.id), &json!({ "email": null })).expect(400);
    assert_eq!(wrong_fields(&reply), ["email"]);
    let path = format!("/auth/v1/users/{}", person.id);
    let stale = Request::new("PATCH", &path).bearer(&stage.token).json(&json!({ "name": "x" })).header("If-Match", "\"1\"");
    stage.server.send(&stale).expect(412);
}

#[test]
fn the_command_line_makes_and_changes_them() {
    let folder = Folder::with(CONFIG);
    let output = folder.run_with_input(
        &["user", "create", "--email", "ada@example.com", "--verified", "--password", "-", "--json"],
        "correct horse battery\nmore\n",
    );
    assert!(output.status.success(), "{output:?}");
    let user: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(user["id"].is_i64() && text(&user["account"]).starts_with("acc_"), "{user}");
    let said = |arguments: &[&str]| String::from_utf8(folder.run(arguments).stdout).unwrap();
    assert!(said(&["user", "create", "--email", "bo@example.com"]).contains("Nobody can sign in yet"));
    assert_eq!(said(&["user", "create", "--email", "cy@example.com", "-q"]).trim(), "3");
    for (arguments, code) in [
        (&["user", "create"][..], 2),
        (&["user", "create", "--email", "ada@example.com"], 1),
        (&["user", "create", "--email", "x@example.com", "--password", "on the command line"], 2),
        (&["user", "show", "77"], 1),
        (&["user", "set", "1", "--disable", "--enable"], 2),
    ] {
        assert_eq!(folder.run(arguments).status.code(), Some(code), "{arguments:?}");
    }
    let server = folder.serve();
    let login =
        |password: &str| server.send(&Request::post("/auth/v1/auth/login", &json!({ "email": "ada@example.com", "password": password })));
    let access = text(&login(PASSWORD).expect(200).json()["access_token"]);
    server.get("/auth/v1/accounts", &access).expect(200);
    folder.json(&["user", "set", "1", "--sign-out", "--no-second-factor"]);
    server.get("/auth/v1/accounts", &access).expect(401);
    let changed = folder.json(&["user", "set", "1", "--admin", "--name", "Augusta", "--disable"]);
    assert_eq!((&changed["admin"], &changed["disabled"], &changed["name"]), (&json!(true), &json!(true), &json!("Augusta")));
    assert_eq!(login(PASSWORD).verdict(), "disabled");
    let changed = folder.json(&["user", "set", "1", "--no-admin", "--enable"]);
    assert_eq!((&changed["admin"], &changed["disabled"]), (&json!(false), &json!(false)));
    assert_eq!(folder.json(&["user", "list", "--search", "augusta"])["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_key_that_made_somebody_who_is_gone_makes_nobody_else() {
    let stage = Stage::with(CONFIG);
    let make = || {
        let request = Request::post("/auth/v1/users", &json!({ "email": "ada@example.com", "name": "Ada", "verified": true }));
        stage.server.send(&request.bearer(&stage.token).header("Idempotency-Key", "once"))
    };
    let id = make().expect(201).json()["id"].clone();
    assert_eq!(make().expect(201).json()["id"], id);
    stage.delete(&format!("/users/{id}")).expect(204);
    let gone = make().expect(409).json();
    assert!(gone["detail"].as_str().is_some_and(|detail| detail.contains("was deleted since")), "{gone}");
}
