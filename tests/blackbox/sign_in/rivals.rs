//! Where several have registered with one address: whoever opens a link shows that the registration is theirs by its password, or is
//! written to.

use serde_json::json;

use super::browser::{Browser, By, ORIGIN};
use super::door::{BASE, Door, NOT_AT_GATE, PASSWORD, Session};
use super::pages::page;
use super::post::{faults, refused};
use super::providers::sign_ins;
use crate::support::{Reply, Request};

const OTHER: &str = "another fine passphrase of mine";
const ADA: &str = "ada@example.com";

/// An attacker has registered with an address first, and its owner after that: both links are in one mailbox.
fn rivals(more: &str) -> (Door, String, String) {
    let door = Door::with(&format!("{more}{NOT_AT_GATE}"));
    door.register(&json!({ "email": ADA, "password": OTHER, "name": "Eve" })).expect(202);
    door.register(&json!({ "email": ADA, "password": PASSWORD, "name": "Ada" })).expect(202);
    let (of_eve, of_ada) = (door.token(ADA, 1), door.token(ADA, 2));
    (door, of_eve, of_ada)
}

fn verify(door: &Door, token: &str, password: &str) -> Reply {
    door.post("/auth/verify", &json!({ "token": token, "password": password }))
}

#[test]
fn with_its_password_a_link_is_ones_own() {
    let (door, of_eve, of_ada) = rivals("");
    refused(&verify(&door, &of_eve, PASSWORD), 403, "not_verified");
    refused(&verify(&door, &of_ada, OTHER), 403, "not_verified");
    assert_eq!(door.count("users"), 0);
    let session = Session::of(&verify(&door, &of_ada, PASSWORD));
    assert_eq!(session.answer["user"]["name"], "Ada");
    refused(&verify(&door, &of_eve, OTHER), 401, "unknown");
    refused(&door.login(ADA, OTHER), 401, "unknown");
    // Nobody needs to be warned.
    assert_eq!(door.letters(ADA), ["verify", "verify"]);
    sign_ins(&door.stage, &[("not_verified", 2), ("unknown", 2), ("ok", 1)]);
}

#[test]
fn without_it_the_address_is_written_to() {
    let (door, of_eve, of_ada) = rivals("");
    let session = Session::of(&door.verify(&of_eve));
    assert_eq!(session.answer["user"]["name"], "Eve");
    refused(&door.verify(&of_ada), 401, "unknown");
    assert_eq!(door.letters(ADA), ["verify", "verify", "several"]);
    // By its link the owner sets a password of their own, and whoever knows the other one is out.
    let eve = Session::of(&door.login(ADA, OTHER));
    door.reset(&json!({ "token": door.token(ADA, 3), "password": PASSWORD })).expect(204);
    assert_eq!(door.verdict(&eve.token), "unknown");
    refused(&door.login(ADA, OTHER), 401, "unknown");
    Session::of(&door.login(ADA, PASSWORD));
}

/// One registration, and other kinds of links: nobody is written to, and a password that comes along is looked at where there is one.
#[test]
fn where_there_are_no_rivals() {
    let door = Door::with(NOT_AT_GATE);
    door.register(&json!({ "email": ADA, "password": PASSWORD })).expect(202);
    let token = door.token(ADA, 1);
    refused(&verify(&door, &token, OTHER), 403, "not_verified");
    let session = Session::of(&door.verify(&token));
    assert_eq!(door.letters(ADA), ["verify"]);
    // A change of address has no password of its own.
    door.change(&session, &json!({ "email": "new@example.com", "current_password": PASSWORD })).expect(200);
    verify(&door, &door.token("new@example.com", 1), "whatever it is").expect(200);
    for body in [json!({ "token": "x", "password": 5 }), json!({ "token": "x", "password": "" })] {
        assert_eq!(faults(&door.post("/auth/verify", &body).expect(400)), ["password"]);
    }
    let body = json!({ "phone": "+4915112345678", "code": "123456", "password": PASSWORD });
    assert_eq!(faults(&door.post("/auth/verify", &body).expect(400)), ["password"]);
}

#[test]
fn guesses_at_it_count() {
    let (door, of_eve, _) = rivals("[sign_in.throttle]\nwrong_by_address = \"2/10m\"\n");
    for _ in 0..2 {
        refused(&verify(&door, &of_eve, PASSWORD), 403, "not_verified");
    }
    let told = verify(&door, &of_eve, OTHER);
    refused(&told, 429, "too_many_tries");
    assert!(told.header("Retry-After").is_some() && door.count("users") == 0);
    // The page has the same count.
    let form = Request::new("POST", "/auth/verify").header("Content-Type", "application/x-www-form-urlencoded");
    let body = format!("token={of_eve}&password={}", OTHER.replace(' ', "+"));
    page(door.stage.server.send(&form.body(body.as_bytes())), 429, "href=\"verify?token=");
}

#[test]
fn the_page_asks_for_it() {
    let (door, of_eve, of_ada) = rivals(&format!("[server]\npublic_url = \"{ORIGIN}\"\n"));
    let mut browser = Browser::new(&door.stage.server, "");
    let asked = page(browser.open(&format!("/auth/verify?token={of_eve}"), By::Other), 200, "more than once");
    for wrong in ["", PASSWORD] {
        let again = page(browser.press(&asked, "verify", &[("password", wrong)]), 401, "not the password that was chosen");
        assert!(again.body.contains("role=\"alert\"") && browser.cookie("refresh_token").is_none(), "{again:?}");
    }
    assert_eq!(door.count("users"), 0);
    let asked = page(browser.open(&format!("/auth/verify?token={of_ada}"), By::Other), 200, "more than once");
    page(browser.press(&asked, "verify", &[("password", PASSWORD)]), 200, "welcome, ada");
    assert_eq!(door.letters(ADA), ["verify", "verify"]);
    // Where there is one alone, the button is enough.
    door.register(&json!({ "email": "bo@example.com", "password": PASSWORD })).expect(202);
    let asked = page(browser.open(&format!("/auth/verify?token={}", door.token("bo@example.com", 1)), By::Other), 200, "<button");
    assert!(!asked.body.contains("type=\"password\""), "{asked:?}");
    sign_ins(&door.stage, &[("not_verified", 2), ("ok", 1)]);
}

/// A link that was lost: who registers again gets another, known or not; and the refusal says so.
#[test]
fn another_link() {
    let door = Door::with(NOT_AT_GATE);
    let user = door.user("known");
    let again = || [ADA, &user.email].map(|email| door.register(&json!({ "email": email, "password": PASSWORD })).expect(202).body);
    let [first, of_known] = again();
    let told = door.login(ADA, PASSWORD);
    refused(&told, 403, "not_verified");
    assert!(told.json()["detail"].as_str().unwrap().contains("register again"), "{told:?}");
    let [second, of_known_again] = again();
    assert!(first == second && first == of_known && first == of_known_again);
    assert_eq!((door.letters(ADA), door.letters(&user.email)), (vec!["verify".to_owned(); 2], vec!["known".to_owned(); 2]));
    let other_path = door.stage.server.send(&Request::post(&format!("{BASE}/auth/resend"), &json!({ "email": ADA })));
    assert_eq!(other_path.status, 404, "there is one way");
    Session::of(&verify(&door, &door.token(ADA, 2), PASSWORD));
}
