//! What is told on the sign-in's paths: in words of a sign-in, and by the style whatever is wrong.

use serde_json::{Value, json};

use super::door::{BASE, Door, NOT_AT_GATE, PASSWORD};
use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Stage};

/// A style that has nothing of its own but the body.
const STYLE: &str = "[style]\ncontent_type = \"application/json\"\nbody = '{\"v\": \"{verdict}\", \"s\": \"{status}\", \"c\": \"{code}\", \"m\": \"{message}\"}'\n";

fn is_styled(reply: &Reply, status: u16, verdict: &str, message: &str) {
    let told = reply.json();
    assert_eq!((reply.status, &told["v"], &told["s"]), (status, &json!(verdict), &json!(status)), "{reply:?}");
    assert_eq!(reply.header("Content-Type").as_deref(), Some("application/json"));
    assert!(text(&told["m"]).contains(message), "{told} lacks {message}");
}

#[test]
fn it_reads_like_a_sign_in() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("ada");
    let token = door.sign_in(&user).token;
    let key = text(&door.stage.key(&user.account, json!({}))["key"]);
    door.stage.patch(&format!("/users/{}", user.id), &json!({ "disabled": true })).expect(200);
    let post = |path: &str, body: Value| door.post(path, &body);
    let login = json!({ "email": "x@example.com", "password": PASSWORD });
    for (reply, status, verdict, says) in [
        (post("/auth/login", login), 401, "unknown", "Address or password is not right."),
        (post("/auth/login-phone", json!({ "phone": "+4915112345678", "password": PASSWORD })), 401, "unknown", "Address or password"),
        (post("/auth/verify", json!({ "token": "x" })), 401, "unknown", "The link or the code"),
        (post("/auth/reset", json!({ "token": "x", "password": PASSWORD })), 401, "unknown", "The link or the code"),
        (post("/auth/refresh", Value::Null), 401, "missing", "Sign in first."),
        (post("/auth/second-factor", json!({ "code": "123456" })), 401, "missing", "Sign in first."),
        (door.post_with("/auth/refresh", "x", &Value::Null), 401, "unknown", "sign in again"),
        (door.try_sign_in(&user, PASSWORD), 403, "disabled", "user or account is switched off"),
        (door.ask("PATCH", "/user/me", &token, Some(&json!({}))), 401, "unknown", "needs a sign-in"),
        (door.ask("PATCH", "/user/me", &key, Some(&json!({}))), 401, "unknown", "An API key is none."),
        (door.ask("GET", "/auth/sessions", &key, None), 401, "unknown", "needs a sign-in"),
        (door.ask("POST", "/agreement", &key, Some(&json!({ "version": "1" }))), 401, "unknown", "needs a sign-in"),
        // Here a key is as good as an access token.
        (door.ask("GET", "/user/me", "x", None), 401, "unknown", "credential"),
    ] {
        assert_eq!((reply.status, reply.verdict().as_str()), (status, verdict), "{reply:?}");
        assert!(text(&reply.json()["detail"]).contains(says), "{reply:?} lacks {says}");
    }
    assert!(text(&door.stage.server.get("/x", "").json()["detail"]).contains("API key"), "the gate's own words stay");
}

#[test]
fn whatever_is_wrong_is_told_by_the_style() {
    let door = Door::with(&format!(
        "{NOT_AT_GATE}{STYLE}[server]\nmax_body_bytes = 1024\n[[sign_in.oidc]]\nname = \"house\"\nissuer = \"https://login.example.com\"\nclient_id = \"x\"\nredirect_uris = [\"https://app.example.com/\"]\n[[plans]]\nname = \"free\"\nunlimited = true\n"
    ));
    let user = door.user("ada");
    let token = door.sign_in(&user).token;
    let send = |request: Request| door.stage.server.send(&request);
    let login = format!("{BASE}/auth/login");
    let body = json!({ "email": "x@example.com", "password": PASSWORD });
    let wrong_method = send(Request::get(&login));
    is_styled(&wrong_method, 405, "bad_request", "POST");
    assert_eq!(wrong_method.header("Allow").as_deref(), Some("POST"));
    is_styled(&send(Request::new("POST", &login).body(b"a=b")), 415, "bad_request", "application/json");
    is_styled(&send(Request::post(&login, &json!({ "email": "x".repeat(2000) }))), 413, "too_large", "too large");
    is_styled(&send(Request::post(&login, &body).header("Origin", "https://evil.example")), 403, "bad_request", "[cors] origins");
    let session = "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    is_styled(&door.ask("DELETE", &format!("/auth/sessions/{session}"), &token, None), 404, "bad_request", session);
    is_styled(&door.ask("DELETE", "/user/identities/nobody", &token, None), 404, "bad_request", "linked sign-in");
    is_styled(
        &door.ask("POST", "/user/second-factor/confirm", &token, Some(&json!({ "code": "123456" }))),
        409,
        "bad_request",
        "begin one",
    );
    is_styled(
        &send(Request::post(&format!("{BASE}/auth/oidc/house"), &json!({ "code": "x", "redirect_uri": "https://app.example.com/" }))),
        501,
        "not_configured",
        "not set up",
    );
    is_styled(
        &send(Request::post(&format!("{BASE}/auth/oidc/nobody"), &json!({ "code": "x", "redirect_uri": "https://app.example.com/" }))),
        501,
        "not_configured",
        "",
    );
    // What the sign-in shares with tollgate's own paths stays tollgate's.
    assert_eq!(
        send(Request::new("PUT", "/auth/v1/balance")).expect(405).header("Content-Type").as_deref(),
        Some("application/problem+json")
    );
    assert_eq!(send(Request::get("/auth/v1/auth/nowhere")).expect(404).header("Content-Type").as_deref(), Some("application/problem+json"));
}

#[test]
fn a_style_may_have_answers_of_its_own_for_it() {
    let own = r#"
[[style.answers]]
verdicts = ["unknown"]
status = 418
message = "For keys."
[[style.sign_in]]
verdicts = ["missing", "disabled"]
message = "For both."
[[style.sign_in]]
verdicts = ["unknown"]
by = ["password"]
status = 422
message = "For passwords."
headers = [{ name = "X-Own", value = "{verdict}" }]
[[style.sign_in]]
verdicts = ["bad_request"]
status = 422
[[style.sign_in]]
verdicts = ["bad_request"]
statuses = [404, 415]
code = "elsewhere"
[[style.sign_in]]
verdicts = ["bad_request"]
statuses = [415]
status = 400
"#;
    let door = Door::with(&format!("{NOT_AT_GATE}{STYLE}{own}[[plans]]\nname = \"free\"\nunlimited = true\n"));
    let token = door.sign_in(&door.user("ada")).token;
    let login = door.post("/auth/login", &json!({ "email": "x@example.com", "password": PASSWORD }));
    is_styled(&login, 422, "unknown", "For passwords.");
    assert_eq!(login.header("X-Own").as_deref(), Some("unknown"));
    is_styled(&door.post("/auth/verify", &json!({ "token": "x" })), 418, "unknown", "For keys.");
    is_styled(&door.post("/auth/refresh", &Value::Null), 401, "missing", "For both.");
    is_styled(&door.stage.server.get("/x", "x"), 418, "unknown", "For keys.");
    is_styled(&door.post("/auth/login", &json!({})), 422, "bad_request", "password");
    let gone = door.ask("DELETE", "/auth/sessions/ses_01ARZ3NDEKTSV4RRFFQ69G5FAV", &token, None);
    is_styled(&gone, 404, "bad_request", "session");
    assert_eq!(gone.json()["c"], "elsewhere");
    let typed = door.stage.server.send(&Request::new("POST", &format!("{BASE}/auth/login")).body(b"a"));
    is_styled(&typed, 400, "bad_request", "JSON");
    let conflict = door.ask("POST", "/user/second-factor/confirm", &token, Some(&json!({ "code": "123456" })));
    is_styled(&conflict, 409, "bad_request", "begin one");
    assert_eq!(conflict.json()["c"], "bad_request");
}

#[test]
fn what_is_wrong_with_such_an_answer_is_told() {
    for (answer, says) in [
        ("verdicts = [\"unknown\"]\nby = [\"pasword\"]", "sign_in[0].by[0]|password"),
        ("verdicts = [\"unknown\"]\nby = []", "sign_in[0].by|no way in"),
        ("verdicts = [\"unknown\"]\nstatuses = [404]", "sign_in[0].statuses|bad_request"),
        ("verdicts = [\"bad_request\"]\nstatuses = [99]", "sign_in[0].statuses|402 to 499"),
        ("verdicts = [\"unknown\"]\nlimits = [\"minute\"]", "sign_in[0].limits|no such setting"),
        ("verdicts = [\"unknown\"]\nmessage = \"{retry_after}\"", "sign_in[0].message|never has a value"),
        ("verdicts = [\"unknown\"]\nstatus = 200", "sign_in[0].status|400 to 599"),
    ] {
        let output = Folder::with(&format!("[[style.sign_in]]\n{answer}\n")).run(&["validate"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && says.split('|').all(|word| told.contains(word)), "{answer}: {told}");
    }
    let output = Folder::with("[[style.answers]]\nverdicts = [\"unknown\"]\nby = [\"password\"]\n").run(&["validate"]);
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn elestrals_keeps_to_its_codes() {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/elestrals/auth.toml");
    let stage = Stage::of(Folder::with_file(&example));
    let login = stage.server.send(&Request::post("/auth/v1/auth/login", &json!({ "email": "x@example.com", "password": PASSWORD })));
    let told = login.expect(401).json()["error"].clone();
    assert_eq!(told["code"], "unauthorized");
    assert!(text(&told["message"]).contains("not signed in"), "{told}");
    let foreign = Request::post("/auth/v1/auth/login", &json!({})).header("Origin", "https://evil.example");
    assert_eq!(stage.server.send(&foreign).expect(403).json()["error"]["code"], "forbidden");
}
