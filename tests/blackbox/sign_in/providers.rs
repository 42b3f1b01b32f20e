//! Google, and any other provider of OpenID Connect, played by a fake one with real HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use super::door::{Door, NOT_AT_GATE};
use crate::support::provider::{Algorithm, CLIENT_ID, CLIENT_SECRET, FakeProvider, Grant, Key, Twist};
use crate::support::{Folder, Reply, Request, Server, Stage, eventually};

const HERE: &str = "https://app.example.com/signed-in";
const PUBLIC: &str = "https://api.example.com";
const PATH: &str = "/auth/v1/auth/google";

fn table(issuer: &str) -> String {
    format!("client_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nissuer = \"{issuer}\"\n")
}

/// Google is this provider; it is at hand under another name, too.
fn config(provider: &FakeProvider) -> String {
    config_below(provider, "")
}

/// The same behind a proxy that takes a part of the path away.
fn config_below(provider: &FakeProvider, mount: &str) -> String {
    let table = table(&provider.issuer);
    format!(
        "[server]\npublic_url = \"{PUBLIC}{mount}\"\n\n[sign_in.google]\n{table}redirect_uris = [\"{HERE}\", \"{PUBLIC}{mount}{PATH}/callback\"]\n\n\
         [[sign_in.oidc]]\nname = \"house\"\n{table}redirect_uris = [\"{HERE}\"]\ntrusts_email = false\n"
    )
}

/// A server with such a configuration, on which users sign in.
pub fn with_google(provider: &FakeProvider, mount: &str, more: &str) -> Door {
    Door::with(&format!("{}{more}{NOT_AT_GATE}", config_below(provider, mount)))
}

/// Fails unless so many sign-ins were counted of each verdict.
#[track_caller]
pub fn sign_ins(stage: &Stage, counted: &[(&str, u32)]) {
    let token = stage.folder.token("metrics");
    let metrics = stage.server.get("/auth/metrics", &token).expect(200).body;
    for (verdict, count) in counted {
        assert!(metrics.contains(&format!("tollgate_sign_ins_total{{verdict=\"{verdict}\"}} {count}\n")), "{verdict}: {metrics}");
    }
}

fn code(provider: &FakeProvider) -> Value {
    json!({ "code": provider.code_for(HERE), "redirect_uri": HERE })
}

fn send(server: &Server, body: &Value) -> Reply {
    server.send(&Request::post(PATH, body))
}

pub fn signed_in(server: &Server, provider: &FakeProvider) -> Value {
    send(server, &code(provider)).expect(200).json()
}

fn user(answer: &Value) -> i64 {
    answer["user"]["id"].as_i64().expect("a user")
}

#[test]
fn somebody_signs_in_and_is_known_again() {
    let provider = FakeProvider::start();
    let folder = Folder::with(&config(&provider));
    let server = folder.serve();
    let reply = send(&server, &code(&provider)).expect(200);
    let answer = reply.json();
    assert_eq!((&answer["user"]["name"], &answer["is_new_user"]), (&json!("Ada Lovelace"), &json!(true)));
    assert!(reply.header("set-cookie").unwrap().starts_with("refresh_token="));
    let me = server.get("/auth/v1/user/me", answer["access_token"].as_str().unwrap()).expect(200).json();
    assert_eq!((&me["email"], &me["avatar_url"]), (&json!("ada@example.com"), &json!("https://pictures.example.com/ada.jpg")));
    // Both are of one issuer here.
    assert_eq!(me["auth_methods"], json!({ "telegram": false, "google": true, "email": false, "phone": false, "oidc": ["house"] }));
    // By what the provider calls them alone: the address may change hands.
    provider.person(json!({ "sub": "248289761001", "name": "Augusta", "email": "countess@example.com", "email_verified": true }));
    let again = signed_in(&server, &provider);
    assert_eq!((user(&again), &again["is_new_user"]), (user(&answer), &json!(false)));
}

#[test]
fn whom_an_address_leads_to() {
    let provider = FakeProvider::start();
    let folder = Folder::with(&config(&provider));
    let server = folder.serve();
    let first = user(&signed_in(&server, &provider));
    let person = |sub: &str, verified: Value| json!({ "sub": sub, "name": "Ada", "email": "Ada@Example.com", "email_verified": verified });
    for (sub, verified, is_same) in
        [("2", json!(true), true), ("3", json!(false), false), ("4", Value::Null, false), ("5", json!("true"), true)]
    {
        provider.person(person(sub, verified.clone()));
        assert_eq!(user(&signed_in(&server, &provider)) == first, is_same, "{sub} {verified}");
    }
    // A provider whose word on addresses does not count; and what another calls somebody is somebody else.
    provider.person(person("6", json!(true)));
    let of_house = server.send(&Request::post("/auth/v1/auth/oidc/house", &code(&provider))).expect(200).json();
    assert_ne!(user(&of_house), first);
    let me = server.get("/auth/v1/user/me", of_house["access_token"].as_str().unwrap()).expect(200).json();
    assert_eq!(me["auth_methods"]["oidc"], json!(["house"]));
}

#[test]
fn a_token_that_is_not_good_lets_nobody_in() {
    let claims = Twist::Claims;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (twist, status) in [
        (Twist::None, 200),
        (claims(json!({ "iss": "https://accounts.google.com" })), 401),
        (claims(json!({ "aud": "another" })), 401),
        (claims(json!({ "aud": [CLIENT_ID, "another"] })), 401),
        (claims(json!({ "aud": [CLIENT_ID, "another"], "azp": CLIENT_ID })), 200),
        (claims(json!({ "azp": "another" })), 401),
        (claims(json!({ "exp": now - 1 })), 401),
        (claims(json!({ "iat": now + 600 })), 401),
        (claims(json!({ "sub": null })), 401),
        (Twist::WrongKey, 401),
        (Twist::UnknownKey, 401),
        (Twist::OwnKey, 401),
        (Twist::Unsigned("none"), 401),
        (Twist::Unsigned("nOnE"), 401),
        (Twist::Unsigned("RS256"), 401),
        (Twist::Hs256, 401),
        (Twist::Hs256OfClient, 401),
        (Twist::Header(json!({ "alg": "ES256" })), 401),
        (Twist::Token("e30.e30."), 401),
        (Twist::Answer(400, r#"{"error": "invalid_grant"}"#), 401),
        (Twist::Answer(401, r#"{"error": "invalid_client"}"#), 503),
        (Twist::Answer(200, "garbage"), 503),
        (Twist::Dead, 503),
        (Twist::Huge(70_000), 503),
        (Twist::Redirect, 503),
        (Twist::Document(json!({ "issuer": "https://accounts.google.com" })), 503),
        (Twist::Document(json!({ "id_token_signing_alg_values_supported": ["none", "HS256"] })), 503),
    ] {
        // One each, so that nothing is remembered.
        let provider = FakeProvider::start();
        let folder = Folder::with(&config(&provider));
        let server = folder.serve();
        provider.twist(twist.clone());
        let reply = send(&server, &code(&provider));
        assert_eq!(reply.status, status, "{twist:?}: {reply:?}");
        let verdict = match status {
            200 => continue,
            401 => "unknown",
            _ => "unavailable",
        };
        assert_eq!(reply.verdict(), verdict, "{twist:?}");
        assert!(reply.header("set-cookie").is_none(), "{twist:?}: {reply:?}");
        // Why, is for the operator alone.
        for word in ["signature", "audience", "issuer", "127.0.0.1"] {
            assert!(!reply.body.contains(word), "{twist:?}: {reply:?}");
        }
        eventually("the log says why", || server.log().contains("provider=google").then_some(()));
        assert!(!server.log().contains(CLIENT_SECRET));
    }
}

#[test]
fn what_is_handed_in() {
    let provider = FakeProvider::start();
    let folder = Folder::with(&config(&provider));
    let server = folder.serve();
    let (verifier, challenge) = ("v".repeat(43), "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM".to_owned());
    let grant = |challenge: Option<&String>, nonce: Option<&str>| {
        provider.code(Grant { redirect_uri: HERE.into(), challenge: challenge.cloned(), nonce: nonce.map(str::to_owned) })
    };
    let with = |code: String, more: Value| {
        let mut body = json!({ "code": code, "redirect_uri": HERE });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (what, body, status, field) in [
        ("the challenge met", with(grant(Some(&challenge), None), json!({ "code_verifier": verifier })), 200, ""),
        ("no verifier", with(grant(Some(&challenge), None), json!({})), 401, ""),
        ("another verifier", with(grant(Some(&challenge), None), json!({ "code_verifier": "w".repeat(43) })), 401, ""),
        ("the nonce repeated", with(grant(None, Some("n-1")), json!({ "nonce": "n-1" })), 200, ""),
        ("another nonce", with(grant(None, Some("n-1")), json!({ "nonce": "n-2" })), 401, ""),
        ("no nonce in the token", with(grant(None, None), json!({ "nonce": "n-1" })), 401, ""),
        ("a code that was never given", with("4/0AX".into(), json!({})), 401, ""),
        ("no code", json!({ "redirect_uri": HERE }), 400, "code"),
        ("an empty code", with(String::new(), json!({})), 400, "code"),
        ("a code of two lines", with("a\r\nb".into(), json!({})), 400, "code"),
        ("no address", json!({ "code": "x" }), 400, "redirect_uri"),
        ("a short verifier", with(grant(None, None), json!({ "code_verifier": "short" })), 400, "code_verifier"),
        ("a caller's issuer", with(grant(None, None), json!({ "issuer": "https://evil.example" })), 400, "issuer"),
        ("a caller's algorithm", with(grant(None, None), json!({ "alg": "none" })), 400, "alg"),
        ("a caller's token", with(grant(None, None), json!({ "id_token": "e30.e30." })), 400, "id_token"),
        ("wrong types", json!({ "code": 1, "redirect_uri": HERE }), 400, "code"),
    ] {
        let reply = send(&server, &body);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        match status {
            401 => assert_eq!(reply.verdict(), "unknown", "{what}"),
            400 => {
                assert_eq!(reply.verdict(), "bad_request", "{what}");
                assert_eq!(reply.json()["errors"][0]["field"], field, "{what}: {reply:?}");
            }
            _ => {}
        }
    }
    // A code is good once.
    let body = code(&provider);
    send(&server, &body).expect(200);
    assert_eq!(send(&server, &body).expect(401).verdict(), "unknown");
    // Each wrong field is named, in one answer.
    let errors = send(&server, &json!({ "code_verifier": "x", "more": 1 })).expect(400).json()["errors"].clone();
    for field in ["code", "redirect_uri", "more"] {
        assert!(errors.as_array().unwrap().iter().any(|fault| fault["field"] == field), "{field}: {errors}");
    }
}

#[test]
fn an_address_counts_letter_by_letter() {
    let provider = FakeProvider::start();
    let folder = Folder::with(&config(&provider));
    let server = folder.serve();
    for address in [
        "https://app.example.com/signed-in/more",
        "https://app.example.com/signed-in/",
        "https://app.example.com/signed-in?a=b",
        "https://app.example.com/SIGNED-IN",
        "https://eve@app.example.com/signed-in",
        "https://app.example.com@evil.example/signed-in",
        "https://app.example.com.evil.example/signed-in",
        "https://APP.example.com/signed-in",
        "https://app.example.com:443/signed-in",
        "http://app.example.com/signed-in",
        "//app.example.com/signed-in",
        "postmessage",
        "",
    ] {
        let body = json!({ "code": provider.code_for(address), "redirect_uri": address });
        let reply = send(&server, &body).expect(400);
        assert_eq!((reply.verdict().as_str(), &reply.json()["errors"][0]["field"]), ("bad_request", &json!("redirect_uri")), "{address}");
        assert!(!reply.body.contains("app.example.com"), "{reply:?}");
    }
    assert_eq!(provider.asked("/token"), 0);
}

#[test]
fn new_keys_are_found() {
    let provider = FakeProvider::signing(Algorithm::Es256);
    let folder = Folder::with(&config(&provider));
    let server = folder.serve();
    signed_in(&server, &provider);
    signed_in(&server, &provider);
    assert_eq!((provider.asked("/keys"), provider.asked("/.well-known/openid-configuration")), (1, 1));
    provider.state().keys = vec![Key::new(Algorithm::Es256, "second")];
    signed_in(&server, &provider);
    assert_eq!(provider.asked("/keys"), 2);
}

#[test]
fn a_slow_provider_holds_up_nobody_for_long() {
    let provider = FakeProvider::start();
    let folder = Folder::with(&config(&provider));
    let server = folder.serve();
    signed_in(&server, &provider);
    provider.twist(Twist::Slow(Duration::from_secs(40)));
    let begun = std::time::Instant::now();
    assert_eq!(send(&server, &code(&provider)).expect(503).verdict(), "unavailable");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// What an attacker made beforehand, with the address of somebody who had never been here, is worth nothing once they come.
#[test]
fn a_user_that_was_made_beforehand() {
    let provider = FakeProvider::start();
    let folder = Folder::with(&config(&provider));
    let account = folder.account(&[]);
    let key = folder.key(&account, &[])["key"].as_str().unwrap().to_owned();
    let database = rusqlite::Connection::open(folder.database()).unwrap();
    database
        .execute(
            "INSERT INTO users (name, email, password, account, is_admin, disabled, created_at, revision)
             VALUES ('Eve', 'ada@example.com', '$argon2id$of Eve', ?1, 1, 0, 0, 1)",
            [&account],
        )
        .unwrap();
    let eve = database.last_insert_rowid();
    database.execute("INSERT INTO members VALUES (?1, ?2, 'owner', 0)", rusqlite::params![account, eve]).unwrap();
    drop(database);
    let server = folder.serve();
    // It is remembered as good.
    server.get("/things", &key).expect(200);
    let answer = signed_in(&server, &provider);
    assert_eq!(answer["user"]["name"], "Ada Lovelace");
    server.get("/things", &key).expect(401);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    let database = rusqlite::Connection::open(folder.database()).unwrap();
    let one = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let id = user(&answer);
    for (what, sql) in [
        ("a password", format!("SELECT count(*) FROM users WHERE id = {id} AND password IS NOT NULL")),
        ("an administrator", format!("SELECT count(*) FROM users WHERE id = {id} AND is_admin = 1")),
        ("a key that counts", "SELECT count(*) FROM keys WHERE revoked_at IS NULL".to_owned()),
        ("the address of two", "SELECT count(*) - 1 FROM users WHERE email = 'ada@example.com'".to_owned()),
    ] {
        assert_eq!(one(&sql), 0, "{what}");
    }
}

#[test]
fn a_browser_is_sent_there_and_comes_back() {
    let provider = FakeProvider::start();
    let folder = Folder::with(&config(&provider));
    let server = folder.serve();
    let start = |query: &str| server.send(&Request::get(&format!("{PATH}/start{query}")));
    let cookie = |reply: &Reply| reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let begun = start("?return_to=/keys%3Fpage=2").expect(303);
    let kept = begun.header("set-cookie").unwrap();
    for part in ["sign_in_begun_", "HttpOnly", "Secure", "SameSite=Lax", "Path=/auth/v1", "Max-Age=600"] {
        assert!(kept.contains(part), "{part}: {kept}");
    }
    let location = begun.header("location").unwrap();
    assert!(location.contains("code_challenge_method=S256") && location.contains("nonce="), "{location}");
    let state = location.split("state=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!kept.contains(state), "what is kept is sealed");
    // As the provider's page sends a browser.
    let come_back = |location: &str, cookie: &str| {
        let target = location.strip_prefix(PUBLIC).expect("it is sent here");
        server.send(&Request::get(target).header("Cookie", cookie).header("Sec-Fetch-Site", "cross-site"))
    };
    let back = provider.authorize(&location);
    // Another browser did not begin it, nor did this one begin anything else.
    for other in [format!("{}AAAA", cookie(&begun).split_inclusive('=').next().unwrap()), "a=b".to_owned(), cookie(&start(""))] {
        let reply = come_back(&back, &other).expect(401);
        assert_eq!(reply.verdict(), "unknown");
        assert!(!reply.header("set-cookie").unwrap_or_default().contains("refresh_token="), "{reply:?}");
    }
    let done = come_back(&back, &cookie(&begun)).expect(303);
    assert_eq!(done.header("location").as_deref(), Some("/keys?page=2"));
    let cookies = done.header("set-cookie").unwrap();
    assert!(
        cookies.contains("refresh_token=")
            && cookies.contains(&cookie(&begun).split_inclusive('=').next().map(|name| format!("{name};")).unwrap()),
        "{cookies}"
    );
    let token = cookies.split("refresh_token=").nth(1).unwrap().split(';').next().unwrap();
    server.send(&Request::new("POST", "/auth/v1/auth/refresh").header("Cookie", &format!("refresh_token={token}"))).expect(200);
    // Once.
    come_back(&back, &cookie(&begun)).expect(401);
    // Refused there, or twice the same.
    for query in ["?error=access_denied&state=x", "", "?state=x&code=y"] {
        come_back(&format!("{PUBLIC}{PATH}/callback{query}"), &cookie(&begun)).expect(401);
    }
    come_back(&format!("{back}&state=twice"), &cookie(&begun)).expect(400);
    // Nowhere else.
    for page in ["https://evil.example/", "//evil.example", "/%5Cevil.example", "keys", "/a%0Ab"] {
        let reply = start(&format!("?return_to={page}")).expect(400);
        assert_eq!(reply.json()["errors"][0]["field"], "return_to", "{page}");
    }
    start("?next=/").expect(400);
    // Its own address is not among those of the other provider.
    assert_eq!(server.send(&Request::get("/auth/v1/auth/oidc/house/start")).expect(501).verdict(), "not_configured");
}

#[test]
fn telegram_by_openid_connect_is_telegram() {
    let provider = FakeProvider::start();
    let table = table(&provider.issuer);
    let folder = Folder::with(&format!("[sign_in.telegram]\n{table}redirect_uris = [\"{HERE}\"]\n"));
    let server = folder.serve();
    provider.person(json!({ "sub": "opaque", "id": 42, "name": "Ada", "preferred_username": "ada" }));
    let answer = server.send(&Request::post("/auth/v1/auth/oidc/telegram", &code(&provider))).expect(200).json();
    let me = server.get("/auth/v1/user/me", answer["access_token"].as_str().unwrap()).expect(200).json();
    assert_eq!((&me["telegram_username"], &me["auth_methods"]["telegram"]), (&json!("ada"), &json!(true)));
}

#[test]
fn what_is_not_set_up() {
    let body = json!({ "code": "x", "redirect_uri": HERE });
    let house = "[[sign_in.oidc]]\nname = \"house\"\nissuer = \"https://id.example.com\"\nclient_id = \"x\"\nredirect_uris = []\n";
    for (config, path) in [
        ("", "google"),
        ("[sign_in.google]\nclient_id = \"x\"\nclient_secret = { env = \"NOT_SET_ANYWHERE\" }\n", "google"),
        ("", "oidc/nobody"),
        (house, "oidc/house"),
    ] {
        let server = Folder::with(config).serve();
        let reply = server.send(&Request::post(&format!("/auth/v1/auth/{path}"), &body)).expect(501);
        assert_eq!(reply.verdict(), "not_configured", "{config}");
    }
}

#[test]
fn faults_of_a_configuration() {
    let google = |more: &str| format!("[sign_in.google]\nclient_secret = \"hush-hush\"\n{more}\n");
    let other = |more: &str| {
        format!(
            "[[sign_in.oidc]]\nname = \"house\"\nissuer = \"https://id.example.com\"\nclient_id = \"x\"\nclient_secret = \"hush-hush\"\n{more}\n"
        )
    };
    for (config, key) in [
        (google(""), "sign_in.google.client_id"),
        (google("client_id = \"x\""), "sign_in.google.redirect_uris"),
        (google("client_id = \"x\"\nredirect_uris = [\"https://me@a.example/cb\"]"), "sign_in.google.redirect_uris[0]"),
        (google("client_id = \"x\"\nredirect_uris = [\"https://a.example/cb#x\"]"), "sign_in.google.redirect_uris[0]"),
        (google("issuer = \"http://accounts.example.com\""), "sign_in.google.issuer"),
        (google("issuer = \"https://10.0.0.1\""), "sign_in.google.issuer"),
        (google("issuer = \"https://accounts.example.com?a=b\""), "sign_in.google.issuer"),
        (google("client_idd = \"x\""), "sign_in.google.client_idd"),
        (other(""), "sign_in.oidc[0].redirect_uris"),
        (other("redirect_uris = []"), "sign_in.oidc[0].redirect_uris"),
        (other("redirect_uris = [\"x\"]"), "sign_in.oidc[0].redirect_uris[0]"),
        (other("redirect_uris = [\"https://a.example/\"]\nscopes = [\"a b\"]"), "sign_in.oidc[0].scopes[0]"),
        (other("redirect_uris = [\"https://a.example/\"]\nca = \"nowhere.pem\""), "sign_in.oidc[0].ca"),
        (other("redirect_uris = [\"https://a.example/\"]\ntrust_email = true"), "sign_in.oidc[0].trust_email"),
        (other("redirect_uris = [\"https://a.example/\"]").replace("house", "google"), "sign_in.oidc[0].name"),
        (other("redirect_uris = [\"https://a.example/\"]").repeat(2), "sign_in.oidc"),
        ("[sign_in.telegram]\nbot_token = { file = \"nowhere\" }\n".into(), "sign_in.telegram.bot_token"),
        ("[sign_in.telegram]\nbot_token = 7\n".into(), "sign_in.telegram.bot_token"),
    ] {
        let output = Folder::with(&config).run(&["validate", "--json"]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{config}: {told}");
        assert!(told.contains(&format!("\"{key}\"")), "{config}: {told}");
        assert!(!told.contains("hush-hush"), "{told}");
    }
    let sound = other("redirect_uris = [\"https://a.example/\"]\nscopes = [\"openid\", \"email\"]\ntitle = \"The house\"");
    assert!(Folder::with(&sound).run(&["validate"]).status.success());
}
