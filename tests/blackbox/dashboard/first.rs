//! The link for the first administrator: said once, good once, and for nobody else.

use serde_json::json;

use super::QUICK;
use crate::sign_in::providers::sign_ins;
use crate::support::browser::{Browser, Page};
use crate::support::person::{PASSWORD, Person};
use crate::support::{Folder, Request, Server, Stage, eventually};

const NOTHING: &str = "There is nothing to do here";

/// The link that a server says, as a path.
#[track_caller]
fn link(server: &Server) -> String {
    let said = eventually("the link is said", || {
        let log = server.log();
        log.split_once("/auth/first?token=").map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default().to_owned())
    });
    assert_eq!(said.len(), 43, "{said}");
    assert_eq!(server.log().matches("first?token=").count(), 1, "it is said once: {}", server.log());
    format!("/auth/first?token={said}")
}

/// Fills the form in and sends it.
#[track_caller]
fn become_it(browser: &mut Browser<'_>, link: &str, typed: &[(&str, &str)]) -> Page {
    let page = browser.open(link).says(200, "Become the administrator");
    browser.send(&page, "first", typed)
}

const ADA: [(&str, &str); 3] = [("email", "Ada@Example.com"), ("name", "Ada"), ("password", PASSWORD)];

#[test]
fn whoever_opens_the_link_first_becomes_the_administrator() {
    let stage = Stage::with(QUICK);
    let link = link(&stage.server);
    let mut browser = Browser::new(&stage);
    // Which of two tokens would be meant is not guessed at.
    browser.open(&format!("{link}&token={}", "x".repeat(43))).says(404, NOTHING);
    // A page that is looked at uses nothing up, and a form with faults neither.
    browser.open(&link).says(200, "Become the administrator");
    let page = become_it(&mut browser, &link, &[("email", "nobody"), ("password", "short"), ("name", "A <b>\u{7}")]);
    let page = page.says(400, "class=\"fault\"").says_not("A <b>").says_not("value=\"short\"");
    assert_eq!(page.reply.body.matches("class=\"fault\"").count(), 3, "each field is named: {}", page.reply.body);
    let page = become_it(&mut browser, &link, &[("email", "ada@example.com"), ("password", "password1234")]);
    page.says(400, "too easy to guess");
    let page = become_it(&mut browser, &link, &ADA).says(200, "You administrate this server.");
    assert_eq!(page.path, "/auth/admin?done=first");
    assert!(page.links().contains(&"/auth/profile/second-factor".to_owned()), "{page:?}");
    let user = &stage.get("/users").expect(200).json()["data"][0];
    for (name, value) in
        [("email", json!("ada@example.com")), ("name", json!("Ada")), ("email_verified", json!(true)), ("admin", json!(true))]
    {
        assert_eq!(user[name], value, "{user}");
    }
    // The link is used up, and the next start says none.
    Browser::new(&stage).open(&link).says(404, NOTHING);
    let audit = stage.get("/audit").expect(200).body;
    assert!(audit.contains("user.created") && !audit.contains(&link[18..]), "{audit}");
    let stage = stage.restart();
    assert!(!stage.server.log().contains("first?token="), "{}", stage.server.log());
    Browser::new(&stage).open(&link).says(404, NOTHING);
    let page = Browser::new(&stage).open("/auth/").says(200, "Sign in");
    let mut browser = Browser::new(&stage);
    browser.send(&page, "sign-in", &[("who", "ada@example.com"), ("password", PASSWORD)]).says(200, "Administration");
}

#[test]
fn of_many_at_once_one_becomes_it() {
    let stage = Stage::with(QUICK);
    let token = link(&stage.server)[18..].to_owned();
    let send = |number: usize| {
        let password = "correct+horse+battery";
        let body = format!("token={token}&email=ada{number}%40example.com&password={password}");
        let request = Request::new("POST", "/auth/first").header("X-Forwarded-For", &format!("10.2.0.{}", number + 1));
        let request = request.header("Origin", "https://test").header("X-Forwarded-Proto", "https");
        stage.server.send(&request.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes())).status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|number| scope.spawn(move || send(number))).collect();
        all.into_iter().map(|one| one.join().expect("it answers")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 7, "{statuses:?}");
    let users = stage.get("/users").expect(200).json();
    assert_eq!(users["data"].as_array().map(Vec::len), Some(1), "{users}");
}

#[test]
fn a_start_and_the_command_line_each_make_it_anew() {
    let stage = Stage::with(QUICK);
    let first = link(&stage.server);
    let stage = stage.restart();
    let second = link(&stage.server);
    assert_ne!(first, second);
    let asked = stage.folder.run(&["user", "first", "--quiet"]);
    let third = String::from_utf8(asked.stdout).expect("a text").trim().to_owned();
    assert!(third.starts_with(&format!("http://{}/auth/first?token=", stage.server.address)), "{third}");
    let third = third[third.find("/auth").expect("a path")..].to_owned();
    let mut browser = Browser::new(&stage);
    for old in [&first, &second, "/auth/first", "/auth/first?token=x"] {
        browser.open(old).says(404, NOTHING);
    }
    become_it(&mut browser, &third, &ADA).says(200, "You administrate this server.");
    assert!(!stage.server.log().contains(&third[18..]), "what somebody asked for is not logged");
    let refused = stage.folder.run(&["user", "first"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("There is an administrator already"), "{refused:?}");
}

#[test]
fn a_link_leads_to_the_public_address() {
    let folder = Folder::with(&format!("[server]\npublic_url = \"https://api.example.com/api\"\nprefix = \"/tollgate\"\n{QUICK}"));
    let server = folder.serve();
    eventually("the link is said", || server.log().contains("https://api.example.com/api/tollgate/first?token=").then_some(()));
    let (_, log) = server.stop();
    let told = folder.run(&["user", "first"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("No server runs"), "{told:?} {log}");
    let folder = Folder::with("[sign_in]\nenabled = false\n");
    let server = folder.serve();
    server.send(&Request::get("/auth/first")).expect(404);
    assert!(!server.log().contains("first?token="), "{}", server.log());
}

#[test]
fn an_administrator_who_was_made_otherwise_ends_it() {
    let stage = Stage::with(QUICK);
    let link = link(&stage.server);
    let mut browser = Browser::new(&stage);
    let page = browser.open(&link).says(200, "Become the administrator");
    Person::with(&stage, json!({ "admin": true, "disabled": false }));
    browser.send(&page, "first", &ADA).says(404, NOTHING);
    browser.open(&link).says(404, NOTHING);
}

/// Nor does it count again when that one is none any more, though nobody has looked at it meanwhile.
#[test]
fn it_is_over_once_there_was_an_administrator() {
    let made = json!({ "email": "grace@example.com", "verified": true });
    for way in ["made", "changed", "made by the command line"] {
        let stage = Stage::with(QUICK);
        let link = link(&stage.server);
        let id = match way {
            "made by the command line" => stage.folder.json(&["user", "create", "--email", "grace@example.com", "--admin"])["id"].clone(),
            _ => {
                let mut settings = made.clone();
                settings["admin"] = (way == "made").into();
                stage.post("/users", &settings).expect(201).json()["id"].clone()
            }
        };
        let path = format!("/users/{id}");
        if way == "changed" {
            stage.patch(&path, &json!({ "admin": true })).expect(200);
        }
        stage.delete(&path).expect(204);
        Browser::new(&stage).open(&link).says(404, NOTHING);
        let another = stage.folder.run(&["user", "first", "--quiet"]);
        let another = String::from_utf8(another.stdout).expect("a text").trim().to_owned();
        let another = &another[another.find("/auth").expect("a path")..];
        Browser::new(&stage).open(another).says(200, "Become the administrator");
    }
}

#[test]
fn nobody_elses_address_is_taken_over_by_it() {
    let stage = Stage::with(QUICK);
    let link = link(&stage.server);
    let ada = Person::new(&stage);
    let mut browser = Browser::new(&stage);
    let page = become_it(&mut browser, &link, &[("email", &ada.email), ("password", PASSWORD)]);
    page.says(400, &format!("belongs to user {}", ada.id));
    assert_eq!(stage.get(&format!("/users/{}", ada.id)).expect(200).json()["admin"], false);
}

/// Behind a proxy all may seem to come from one address.
#[test]
fn who_guesses_holds_up_nobody() {
    let stage = Stage::with(&format!("{QUICK}[sign_in.throttle]\nwrong_by_address = \"2/1h\"\n"));
    let link = link(&stage.server);
    let mut browser = Browser::new(&stage);
    for number in 0..5 {
        browser.open(&format!("/auth/first?token=guess{number}")).says(404, NOTHING);
    }
    let page = browser.open(&link).says(200, "Become the administrator");
    let token = [("token", "guess")];
    browser.send(&page, "first", &[&token[..], &ADA[..]].concat()).says(404, NOTHING);
    browser.send(&page, "first", &[("email", "nobody")]).says(400, "class=\"fault\"");
    become_it(&mut browser, &link, &ADA).says(200, "You administrate this server.");
    sign_ins(&stage, &[("ok", 1), ("bad_request", 1), ("unknown", 1)]);
}

#[test]
fn a_form_of_another_site_makes_nobody() {
    let stage = Stage::with(QUICK);
    let token = link(&stage.server)[18..].to_owned();
    let body = format!("token={token}&email=eve%40example.com&password=correct+horse+battery");
    for origin in ["https://evil.example", "null"] {
        let request = Request::new("POST", "/auth/first").header("Origin", origin).header("X-Forwarded-Proto", "https");
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes());
        stage.server.send(&request).expect(403);
    }
    assert_eq!(stage.get("/users").expect(200).json()["data"], json!([]));
}

#[test]
fn members_have_no_administration() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, page) = super::signed_in(&stage, &person);
    page.says_not("Administration");
    browser.open("/auth/admin").says(403, "does not let you do this").says_not("Administration");
    let boss = Person::with(&stage, json!({ "admin": true }));
    let (mut browser, page) = super::signed_in(&stage, &boss);
    assert!(page.says(200, "Administration").links().contains(&"/auth/admin".to_owned()));
    browser.open("/auth/admin").says(200, "aria-current=\"page\">Overview");
    assert_eq!(Browser::new(&stage).open("/auth/admin").path, "/auth/sign-in?next=admin");
}
