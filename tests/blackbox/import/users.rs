//! Users brought along with the hashes of their passwords: they sign in as before, and then are hashed as everybody else.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::crash::upload;
use super::serving::{Slow, gathers};
use super::{CONFIG, JSONL, assert_clean, import, rows};
use crate::support::server::text;
use crate::support::wire::Body;
use crate::support::{Folder, Reply, Stage, eventually};

const PASSWORD: &str = "correct horse battery staple";

/// Each kind of hash, of its password, as the programs named wrote it.
const HASHES: [(&str, &str, &str); 9] = [
    // perl's crypt
    ("bcrypt-2a", "$2a$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG", PASSWORD),
    ("bcrypt-2b", "$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS", PASSWORD),
    ("bcrypt-2y", "$2y$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG", PASSWORD),
    ("django-bcrypt", "bcrypt$$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS", PASSWORD),
    // the reference implementation of Argon2
    ("argon2id", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"),
    ("argon2i", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", "password"),
    // Python's hashlib
    ("scrypt", "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7AnzIswxwEinpwz+ntydndYfVHPvOACmX9Vvo8hO1qM", PASSWORD),
    (
        "werkzeug",
        "scrypt:1024:8:1$abcdefgh$43d76470c3f159028a6aa78e4f951eb9ab78003dc8ba361d2e20cdbe3cf4d6f53dc38198d621a4ade438fdbbb487ae3beea384d0cfc182ebfa8800e0d7e27841",
        PASSWORD,
    ),
    (
        "better-auth",
        "00112233445566778899aabbccddeeff:f5b22309b28fe412c82a4b2cab57498b8f8a42c849af16cb908974048f61c13933421858db3a8f111430bdc493c7cef90f61f904061c77206e3820a2e8b11bc2",
        PASSWORD,
    ),
];

/// Passwords are hashed quickly, and many may try.
fn stage() -> Stage {
    Stage::with(&format!("{CONFIG}{QUICK}"))
}

const QUICK: &str = "[sign_in]\ncountry = \"DE\"\n[sign_in.passwords]\nmemory_kib = 4096\npasses = 1\n[sign_in.throttle]\nwrong_by_address = \"1000/10m\"\nwrong_by_target = \"1000/1h\"\n";

#[track_caller]
fn sign_in(stage: &Stage, email: &str, password: &str) -> Reply {
    stage.server.post("/auth/v1/auth/login", "", &json!({ "email": email, "password": password }))
}

fn database(stage: &Stage) -> Connection {
    let connection = Connection::open(stage.folder.database()).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection
}

/// What is stored of somebody's password.
fn stored(stage: &Stage, email: &str) -> String {
    database(stage).query_row("SELECT password FROM users WHERE email = ?1", [email], |row| row.get(0)).unwrap()
}

fn count(stage: &Stage, table: &str) -> i64 {
    database(stage).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// So many users.
fn many(numbers: std::ops::Range<usize>) -> String {
    let row = |n| json!({ "email": format!("user{n}@example.com"), "password_hash": HASHES[1].1, "verified": true });
    numbers.map(|n| format!("{}\n", row(n))).collect()
}

/// Each user has an account of their own, which they own: no half of one, ever.
#[track_caller]
fn assert_whole(stage: &Stage, users: usize) {
    for table in ["users", "accounts", "members WHERE role = 'owner'", "users JOIN accounts ON accounts.id = users.account"] {
        assert_eq!(count(stage, table), users as i64, "{table}");
    }
}

#[test]
fn every_kind_of_hash_signs_in_and_is_hashed_anew() {
    let stage = stage();
    let rows: String = HASHES
        .iter()
        .map(|(kind, hash, _)| format!("{}\n", json!({ "email": format!("{kind}@Example.com"), "password_hash": hash, "verified": true })))
        .collect();
    assert_eq!(import(&stage, "users", JSONL, &rows).expect(200).json(), json!({ "imported": HASHES.len() }));
    assert_whole(&stage, HASHES.len());
    for (kind, hash, password) in HASHES {
        let email = format!("{kind}@example.com");
        assert_eq!(sign_in(&stage, &email, "another password").expect(401).verdict(), "unknown", "{kind}");
        assert_eq!(stored(&stage, &email), hash, "only a right password replaces it");
        for _ in 0..2 {
            let answer = sign_in(&stage, &email, password).expect(200).json();
            assert_eq!((text(&answer["user"]["name"]).as_str(), &answer["is_new_user"]), (kind, &json!(false)), "{answer}");
            let anew = stored(&stage, &email);
            assert!(anew.starts_with("$argon2id$v=19$m=4096,t=1,p=1$") && anew != hash, "{kind}: {anew}");
        }
    }
    // No hash is told: not by lists, the audit, or the log.
    let told: String = ["/users", "/audit", "/accounts"].iter().map(|path| stage.get(path).expect(200).body).collect();
    let told = told + &stage.server.log();
    for (kind, hash, _) in HASHES {
        assert!(!told.contains(&hash[..30]) && !told.contains(&hash[hash.len() - 20..]), "{kind}");
    }
    assert!(!told.contains("$argon2id"), "{told}");
}

#[test]
fn a_row_brings_all_that_it_says_and_one_entry_tells_of_it() {
    let stage = stage();
    stage.post("/users", &json!({ "email": "first@example.com" })).expect(201);
    let csv = format!(
        "email,phone,name,password_hash,verified,disabled,created_at,account,account_name,plan,plan_until,balance\r\n\
         Leopold@Example.com,0151 12345678,\"Bloom, Leopold\",{},true,false,2024-06-16T08:00:00Z,acc_00000000000000000000000007,Bloom's,pro,2999-01-01,700\r\n\
         molly@example.com,,,,,,,,,,,\r\n,+353861234567,,,true,TRUE,,,,,,\r\n",
        HASHES[1].1
    );
    assert_eq!(import(&stage, "users", "text/csv", &csv).expect(200).json(), json!({ "imported": 3 }));
    let users = stage.get("/users").expect(200).json()["data"].clone();
    let told = |user: &Value, names: &[&str]| names.iter().map(|name| user[*name].clone()).collect::<Vec<_>>();
    let names = ["id", "name", "email", "email_verified", "phone", "phone_verified", "has_password", "disabled", "admin"];
    for (index, expected) in [
        (1, json!([2, "Bloom, Leopold", "leopold@example.com", true, "+4915112345678", true, true, false, false])),
        (2, json!([3, "molly", "molly@example.com", false, null, false, false, false, false])),
        (3, json!([4, "+353861234567", null, false, "+353861234567", true, false, true, false])),
    ] {
        assert_eq!(json!(told(&users[index], &names)), expected);
    }
    assert_eq!(users[1]["created_at"], "2024-06-16T08:00:00Z");
    let account = stage.get("/accounts/acc_00000000000000000000000007").expect(200).json();
    let names = ["name", "kind", "plan", "plan_until", "balance", "created_at"];
    assert_eq!(json!(told(&account, &names)), json!(["Bloom's", "personal", "pro", "2999-01-01T00:00:00Z", 700, "2024-06-16T08:00:00Z"]));
    assert_eq!(users[1]["account"], account["id"]);
    let members = stage.get("/accounts/acc_00000000000000000000000007/members").expect(200).json();
    assert_eq!((&members["data"][0]["user"], &members["data"][0]["role"]), (&json!(2), &json!("owner")), "{members}");
    // Who is not proven, or switched off, does not come in.
    assert_eq!(sign_in(&stage, "leopold@example.com", PASSWORD).status, 200);
    let audit = stage.get("/audit?action=users.imported").expect(200).json();
    let after = &audit["data"][0]["after"];
    assert_eq!((&after["imported"], &after["first"], &after["last"]), (&json!(3), &json!("user_2"), &json!("user_4")), "{audit}");
    let made = stage.get("/audit?action=user.created").expect(200).json();
    assert_eq!(made["data"].as_array().map(Vec::len), Some(1), "of the one that was made by hand: {made}");
}

#[test]
fn each_bad_user_is_named_and_nothing_is_imported() {
    let stage = stage();
    stage.post("/users", &json!({ "email": "there@example.com", "phone": "+4915100000001" })).expect(201);
    let account = stage.account(json!({}));
    let good = format!("{}\n", json!({ "email": "good@example.com", "phone": "+4915100000002", "account": format!("acc_{:026}", 8) }));
    let hash = |hash: &str| json!({ "email": "a@example.com", "password_hash": hash });
    let cases: &[(Value, &[(&str, &str)])] = &[
        (json!({}), &[("email", "or 'phone'")]),
        (json!({ "email": "a@b@example.com" }), &[("email", "no e-mail address")]),
        (json!({ "email": 5 }), &[("email", "must be a text")]),
        (json!({ "phone": "5" }), &[("phone", "")]),
        (json!({ "email": "a@example.com", "name": "" }), &[("name", "must not be empty")]),
        (hash("hunter2"), &[("password_hash", "")]),
        (hash("pbkdf2_sha256$600000$salt$aGFzaA=="), &[("password_hash", "")]),
        (hash("$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"), &[("password_hash", "cost 31")]),
        (json!({ "email": "a@example.com", "verified": "yes" }), &[("verified", "true or false")]),
        (json!({ "email": "a@example.com", "created_at": "2999-01-01" }), &[("created_at", "between 1970 and now")]),
        (json!({ "email": "a@example.com", "plan": "gold" }), &[("plan", "there is no plan")]),
        (json!({ "email": "a@example.com", "account": "acc_1" }), &[("account", "is no id")]),
        (json!({ "email": "a@example.com", "account": account }), &[("account", "there already")]),
        (json!({ "email": "a@example.com", "account": format!("acc_{:026}", 8) }), &[("account", "stands on line 1")]),
        (json!({ "email": "a@example.com", "account_name": " " }), &[("account_name", "must not be empty")]),
        (json!({ "email": "a@example.com", "password": PASSWORD }), &[("password", "did you mean 'password_hash'")]),
        (json!({ "email": "a@example.com", "admin": true }), &[("admin", "no such field")]),
        (json!({ "email": "THERE@example.com" }), &[("email", "there already")]),
        (json!({ "phone": "0151 00000001" }), &[("phone", "there already")]),
        (json!({ "email": "There@example.com", "phone": "+4915100000001" }), &[("email", "there already"), ("phone", "there already")]),
        (json!({ "email": "Good@example.com", "phone": "0151 00000002" }), &[("email", "stands on line 1"), ("phone", "stands on line 1")]),
        (json!({ "email": "there@example.com", "phone": "0151 00000002" }), &[("email", "there already"), ("phone", "stands on line 1")]),
        (
            json!({ "email": "x", "phone": "5", "name": "", "password_hash": "x", "plan": "gold" }),
            &[("email", ""), ("phone", ""), ("name", ""), ("password_hash", ""), ("plan", "")],
        ),
    ];
    for (row, expected) in cases {
        let faults = rows::refused(&stage, "users", JSONL, &format!("{good}{row}\n"));
        assert_eq!(faults.len(), expected.len(), "{row}: {faults:?}");
        for ((line, on, why), (field, message)) in faults.iter().zip(*expected) {
            assert!(*line == 2 && on == field && why.contains(message), "{row} wants {field}: {message}, and got {faults:?}");
        }
        let secret = row["password_hash"].as_str().or(row["password"].as_str()).filter(|secret| secret.len() > 1);
        assert!(secret.is_none_or(|secret| faults.iter().all(|(_, _, why)| !why.contains(secret))), "{faults:?}");
    }
    let all: String = cases.iter().map(|(row, _)| format!("{row}\n")).collect();
    let faults = rows::refused(&stage, "users", JSONL, &format!("{good}{all}"));
    let lines: std::collections::BTreeSet<u64> = faults.iter().map(|(line, ..)| *line).collect();
    assert_eq!(lines.len(), cases.len(), "all in one answer");
    assert_eq!((count(&stage, "users"), count(&stage, "accounts")), (1, 2), "nothing is there");
}

#[test]
fn a_second_time_they_are_there_already_but_for_one_key_it_is_done_once() {
    let stage = stage();
    let rows = many(0..3);
    let once = || {
        let request = super::importing(&stage, "users", JSONL, &rows).header("Idempotency-Key", "a-b-c");
        stage.server.send(&request)
    };
    assert_eq!(once().expect(200).json(), json!({ "imported": 3 }));
    assert_eq!(once().expect(200).json(), json!({ "imported": 3 }));
    let again = rows::refused(&stage, "users", JSONL, &rows);
    assert_eq!(again.iter().filter(|(_, field, why)| field == "email" && why.contains("there already")).count(), 3);
    assert_whole(&stage, 3);
}

#[test]
fn the_command_imports_a_file_and_names_the_line_of_a_bad_row() {
    let stage = stage();
    let file = stage.folder.path("users.jsonl");
    std::fs::write(&file, format!("{}{{\"email\": \"x\"}}\n", many(0..2))).unwrap();
    let refused = stage.folder.run(&["user", "import", "users.jsonl"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && told.contains("line 3") && told.contains("email"), "{told}");
    std::fs::write(&file, many(0..2)).unwrap();
    assert_eq!(stage.folder.json(&["user", "import", "users.jsonl"]), json!({ "imported": 2 }));
    assert_whole(&stage, 2);
}

/// Enough that a kill finds rows on their way.
const MANY: usize = 10_000;

#[test]
fn killed_while_rows_come_nobody_is_there() {
    let stage = stage();
    let mut cut = Slow::begin(&stage, "users");
    cut.send(&many(0..2000));
    gathers(&stage);
    let stage = killed(stage);
    assert_clean(&stage.folder);
    assert_whole(&stage, 0);
    import(&stage, "users", JSONL, &many(0..5)).expect(200);
}

/// A server that was killed while users moved; its stage, without a server that runs.
fn killed_while_moving() -> (Folder, String) {
    let stage = stage();
    let mut line = upload(&stage, "users", &many(0..MANY));
    let mut body = Body::of_reply("POST", &line.head());
    while !line.text(&mut body).contains("\"moved\"") {}
    let Stage { folder, server, token } = stage;
    server.kill();
    assert!(folder.path("tollgate.db.import").exists(), "the kill came in time");
    (folder, token)
}

/// Starts it again, and waits until the import is finished.
fn finished((folder, token): (Folder, String)) -> Stage {
    let server = folder.serve();
    let stage = Stage { folder, server, token };
    // It serves at once, and goes on meanwhile.
    stage.get("/accounts?limit=1").expect(200);
    eventually("the import is finished", || (!stage.folder.path("tollgate.db.import").exists()).then_some(()));
    assert_clean(&stage.folder);
    stage
}

#[test]
fn killed_while_users_move_all_are_there_after_the_restart() {
    let stage = finished(killed_while_moving());
    assert_whole(&stage, MANY);
    sign_in(&stage, &format!("user{}@example.com", MANY - 1), PASSWORD).expect(200);
    let audit = stage.get("/audit?action=users.imported").expect(200).json();
    assert_eq!((audit["data"].as_array().unwrap().len(), &audit["data"][0]["after"]["imported"]), (1, &json!(MANY)));
}

#[test]
fn whoever_takes_an_address_before_its_row_moves_keeps_it() {
    let cut = killed_while_moving();
    let connection = Connection::open(cut.0.database()).unwrap();
    let sql = format!(
        "INSERT INTO accounts SELECT 'acc_00000000000000000000000007', name, kind, plan, plan_until, limits, disabled, created_at, plan_tokens, bonus_tokens, period, version, revision FROM accounts LIMIT 1;
         INSERT INTO users (name, email, email_verified_at, account, is_admin, disabled, created_at, revision) VALUES ('first', 'user{}@example.com', 1, 'acc_00000000000000000000000007', 0, 0, 1, 1);
         INSERT INTO members SELECT account, id, 'owner', 1 FROM users WHERE name = 'first'",
        MANY - 1
    );
    connection.execute_batch(&sql).unwrap();
    drop(connection);
    let stage = finished(cut);
    assert_whole(&stage, MANY);
    let kept = stage.get(&format!("/users?search=user{}@", MANY - 1)).expect(200).json();
    assert_eq!((&kept["data"][0]["name"], &kept["data"][0]["has_password"]), (&json!("first"), &json!(false)), "{kept}");
    let audit = stage.get("/audit?action=users.imported").expect(200).json();
    let after = &audit["data"][0]["after"];
    assert_eq!((&after["imported"], &after["left_out"]), (&json!(MANY - 1), &json!(1)), "{audit}");
    assert!(stage.server.log().contains(&format!("line {MANY} of an import was left out")), "{}", stage.server.log());
}

/// The same after `kill -9`.
fn killed(stage: Stage) -> Stage {
    let Stage { folder, server, token } = stage;
    server.kill();
    let server = folder.serve();
    Stage { folder, server, token }
}
