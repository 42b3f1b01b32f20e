//! The profile in a browser: every part of it changed, and nothing without what the service asks for.

use super::{QUICK, alter, signed_in};
use crate::sign_in::second_factor::Authenticator;
use crate::support::browser::{Browser, Page};
use crate::support::person::{PASSWORD, Person};
use crate::support::{Stage, eventually};

const OTHER: &str = "another fine passphrase of mine";
const NEW: &str = "new@example.com";
const PHONE: &str = "+4915112345678";

/// What was sent, out of the log: there is no mail server.
fn sent(stage: &Stage, what: &str, nth: usize) -> String {
    let find = || {
        let log = stage.server.log();
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let said = lines.filter_map(|line| line.split_once(&format!("{what}: ")));
        said.map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default().to_owned()).nth(nth)
    };
    eventually(what, find)
}

/// What a form carries so that nobody else sends one.
fn token_of(page: &Page) -> String {
    page.form("sign-out").fields.remove(0).1
}

/// Follows the link of a mail and presses the button, in a browser of its own.
fn follow(stage: &Stage, link: &str) {
    let mut browser = Browser::new(stage);
    let place = link.split_once("/auth/").expect("below the prefix").1;
    let page = browser.open(&format!("/auth/{place}"));
    let form = page.forms().into_iter().next().expect("a form");
    browser.send(&page, form.action.trim_start_matches("./"), &[]).says(200, "");
}

#[test]
fn a_name_is_changed_and_shown_escaped_everywhere() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, page) = signed_in(&stage, &person);
    assert!(page.links().contains(&"/auth/profile".to_owned()));
    let page = browser.open("/auth/profile").says(200, &person.email).says(200, "Here since");
    let script = "<script>alert(1)</script>\"'";
    let page = browser.send(&page, "profile", &[("name", script)]).says(200, "Saved.").says_not("<script>a");
    assert!(page.form("profile").fields.contains(&("name".into(), script.into())));
    for path in ["keys", "organization", "organization/members", "profile/sessions"] {
        browser.open(&format!("/auth/{path}")).says(200, "&#60;script&#62;").says_not("<script>a");
    }
    let wrong = browser.send(&page, "profile", &[("name", "a\u{7}b")]).says(400, "no control characters");
    assert!(wrong.form("profile").fields.contains(&("name".into(), "a\u{7}b".into())));
    browser.send(&page, "profile", &[("name", " ")]).says(400, "must not be empty");
    browser.send(&page, "profile", &[("name", "Eve"), ("form_token", "x")]).says(403, "This form is not one of yours");
    assert_eq!(person.get("/user/me").expect(200).json()["name"], script);
}

#[test]
fn an_address_changes_once_it_is_proven() {
    let stage = Stage::with(QUICK);
    let (person, holder) = (Person::new(&stage), Person::new(&stage));
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile/email").says(200, &person.email);
    for (typed, password, told) in [
        ("nobody", PASSWORD, "class=\"fault\""),
        (NEW, "not my password", "is not your password"),
        (NEW, "", "must be given to change a password or an address"),
    ] {
        let wrong = browser.send(&page, "profile/email", &[("email", typed), ("current_password", password)]).says(400, told);
        assert!(wrong.form("profile/email").fields.contains(&("email".into(), typed.into())));
        assert!(password.is_empty() || !wrong.reply.body.contains(password));
    }
    browser.open("/auth/profile").says_not("waits");
    let waits = browser.send(&page, "profile/email", &[("email", NEW), ("current_password", PASSWORD)]);
    waits.says(200, "We have sent a link to the new address.").says(200, &format!("sent a link to {NEW}")).says(200, &person.email);
    browser.open("/auth/profile").says(200, &format!("waits to be confirmed: {NEW}"));
    follow(&stage, &sent(&stage, &format!("the link for {NEW}"), 0));
    let page = browser.open("/auth/profile").says(200, NEW).says_not("waits").says_not(&person.email);
    // One that somebody else has waits just the same: nobody learns whose it is.
    let page = browser.open(page.links().iter().find(|link| link.ends_with("/email")).expect("a link"));
    let waits = browser.send(&page, "profile/email", &[("email", &holder.email), ("current_password", PASSWORD)]);
    waits.says(200, &format!("sent a link to {}", holder.email));
    browser.open("/auth/profile").says(200, &format!("waits to be confirmed: {}", holder.email));
    // The last way in stays.
    let page = browser.open("/auth/profile/email");
    browser.send(&page, "profile/email/remove", &[("current_password", PASSWORD)]).says(409, "This is the only way to sign in");
    assert_eq!(person.get("/user/me").expect(200).json()["email"], NEW);
}

#[test]
fn a_number_is_proven_by_its_code_and_taken_away() {
    let stage = Stage::with(QUICK);
    let (person, eve) = (Person::new(&stage), Person::new(&stage));
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile/phone").says(200, "none");
    let page = browser.send(&page, "profile/phone", &[("phone", "+49 1511 2345678"), ("current_password", PASSWORD)]);
    let page = page.says(200, &format!("sent a code to {PHONE}"));
    // Somebody else wants the same number: the code that it got for them is none for this user, and the other way round.
    let (mut others, _) = signed_in(&stage, &eve);
    let theirs = others.open("/auth/profile/phone");
    let theirs = others.send(&theirs, "profile/phone", &[("phone", PHONE), ("current_password", PASSWORD)]).says(200, "sent a code");
    let (code, foreign) = (sent(&stage, &format!("the code for {PHONE}"), 0), sent(&stage, &format!("the code for {PHONE}"), 1));
    let wrong = browser.send(&page, "profile/phone/code", &[("code", &foreign)]).says(400, "is not right, or counts no more");
    assert!(wrong.form("profile/phone/code").fields.contains(&("code".into(), String::new())));
    let done = browser.send(&wrong, "profile/phone/code", &[("code", &code)]).says(200, "Your phone number is confirmed.");
    done.says(200, PHONE).says_not("waits");
    others.send(&theirs, "profile/phone/code", &[("code", &foreign)]).says(400, "is not right");
    assert_eq!(person.get("/user/me").expect(200).json()["phone"], PHONE);
    assert_eq!(eve.get("/user/me").expect(200).json()["phone"], serde_json::Value::Null);
    let page = browser.open("/auth/profile/phone");
    browser.send(&page, "profile/phone/remove", &[("current_password", "wrong")]).says(400, "is not your password");
    browser.send(&page, "profile/phone/remove", &[("current_password", PASSWORD)]).says(200, "It is taken away.");
    assert_eq!(person.get("/user/me").expect(200).json()["phone"], serde_json::Value::Null);
    // Nothing waits, and so no code is right.
    let body = format!("form_token={}&code={code}", token_of(&page));
    assert_eq!(stage.server.send(&browser.request("POST", "/auth/profile/phone/code", Some(&body))).status, 400);
}

#[test]
fn a_new_password_ends_every_other_session() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let (mut other, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile/password").says(200, "Your password now");
    for (now, new, told) in [
        ("", OTHER, "must be given to change a password or an address"),
        (PASSWORD, "", "must be given"),
        (PASSWORD, "password", "class=\"fault\""),
        (OTHER, OTHER, "is not your password"),
    ] {
        let wrong = browser.send(&page, "profile/password", &[("current_password", now), ("password", new)]).says(400, told);
        assert!(!wrong.reply.body.contains(OTHER) && !wrong.reply.body.contains(PASSWORD));
    }
    assert_eq!(other.open("/auth/profile").says(200, "Profile").path, "/auth/profile");
    let done = browser.send(&page, "profile/password", &[("current_password", PASSWORD), ("password", OTHER)]);
    done.says(200, "Your password is changed.").says_not(OTHER);
    assert!(other.open("/auth/profile").path.starts_with("/auth/sign-in"));
    person.try_sign_in(PASSWORD).expect(401);
    person.try_sign_in(OTHER).expect(200);
}

#[test]
fn whoever_guesses_waits_and_is_told_how_long() {
    let stage = Stage::with(&format!("{QUICK}[sign_in.throttle]\nwrong_when_familiar = \"3/10m\"\n"));
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile/delete");
    let guess = |browser: &mut Browser<'_>| browser.send(&page, "profile/delete", &[("password", "wrong, and long")]);
    let tries: Vec<u16> = (0..60).map(|_| guess(&mut browser).reply.status).collect();
    let waits = tries.iter().position(|status| *status == 429).expect("somebody waits at last");
    assert!(
        waits >= 3 && tries[..waits].iter().all(|status| *status == 400) && tries[waits..].iter().all(|status| *status == 429),
        "{tries:?}"
    );
    guess(&mut browser).says(429, "Too many tries. Try again in ");
    stage.get(&format!("/users/{}", person.id)).expect(200);
}

#[test]
fn whoever_has_no_password_sets_one() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    alter(&stage, &format!("UPDATE users SET password = NULL WHERE id = {}", person.id));
    let page = browser.open("/auth/profile/password").says(200, "Set a password").says_not("Your password now");
    // The session is young: that is what is asked for instead.
    alter(&stage, &format!("UPDATE sessions SET created_at = created_at - 700000 WHERE user = {}", person.id));
    browser.send(&page, "profile/password", &[("password", OTHER)]).says(400, "sign in again, and do this within ten minutes");
    alter(&stage, &format!("UPDATE sessions SET created_at = created_at + 700000 WHERE user = {}", person.id));
    browser.send(&page, "profile/password", &[("password", OTHER)]).says(200, "Your password is changed.");
    person.try_sign_in(OTHER).expect(200);
}

#[test]
fn linked_sign_ins_are_taken_away_where_another_is_left() {
    let stage = Stage::with(QUICK);
    let (person, eve) = (Person::new(&stage), Person::new(&stage));
    let (mut browser, _) = signed_in(&stage, &person);
    browser.open("/auth/profile").says_not("Linked sign-ins");
    browser.open("/auth/profile/sign-ins").says(200, "There are none");
    let link = |user: i64, subject: &str, label: &str| {
        alter(&stage, &format!("INSERT INTO identities VALUES ('https://gone.example/a', '{subject}', {user}, '{label}', 1, 1)"));
    };
    link(person.id, "1", "<b>ada</b>");
    let page = browser.open("/auth/profile/sign-ins").says(200, "&#60;b&#62;ada").says_not("<b>ada");
    let (mut others, theirs) = signed_in(&stage, &eve);
    let body = format!("form_token={}&provider=gone.example:a", token_of(&theirs));
    assert_eq!(stage.server.send(&others.request("POST", "/auth/profile/sign-ins/unlink", Some(&body))).status, 404);
    browser.send(&page, "profile/sign-ins/unlink", &[("provider", "gone.example:a")]).says(200, "Unlinked.").says(200, "There are none");
    // The only way in stays, and the page says why.
    link(person.id, "2", "ada");
    alter(&stage, &format!("UPDATE users SET password = NULL WHERE id = {}", person.id));
    let page = browser.open("/auth/profile/sign-ins");
    browser.send(&page, "profile/sign-ins/unlink", &[("provider", "gone.example:a")]).says(409, "This is the only way to sign in");
    others.open("/auth/profile").says(200, &eve.email);
}

#[test]
fn sessions_are_listed_and_ended() {
    let stage = Stage::with(QUICK);
    let (person, eve) = (Person::new(&stage), Person::new(&stage));
    let (mut browser, _) = signed_in(&stage, &person);
    let (mut other, _) = signed_in(&stage, &person);
    let (_, theirs) = signed_in(&stage, &eve);
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0";
    let id = |ended: &str| {
        let list = person.get("/auth/sessions").expect(200).json();
        let found = list["data"].as_array().expect("a list").iter().find(|one| one["address"] == ended);
        found.and_then(|one| one["id"].as_str()).expect("a session").to_owned()
    };
    // What a session says of itself is shown as text.
    let newest = id("10.9.0.1");
    alter(&stage, &format!("UPDATE sessions SET agent = '{agent}', method = '<b>x</b>' WHERE id = '{newest}'"));
    let page = browser.open("/auth/profile/sessions").says(200, "Firefox on Linux").says(200, "this one").says(200, "&#60;b&#62;x");
    let page = page.says_not("<b>x").says_not(&eve.email);
    assert_eq!(page.reply.body.matches("name=\"session\"").count(), 2);
    // A provider is called as people call it.
    alter(&stage, &format!("UPDATE sessions SET method = 'google' WHERE id = '{newest}'"));
    browser.open("/auth/profile/sessions").says(200, ">Google<");
    // Somebody else's is not there.
    let foreign = eve.get("/auth/sessions").expect(200).json()["data"][0]["id"].as_str().expect("a session").to_owned();
    browser.send(&page, "profile/sessions/end", &[("session", &foreign)]).says(404, "There is no such thing here.");
    eve.get("/user/me").expect(200);
    let body = format!("form_token={}&session={newest}", token_of(&theirs));
    assert_eq!(stage.server.send(&browser.request("POST", "/auth/profile/sessions/end", Some(&body))).status, 403);
    browser.send(&page, "profile/sessions/end", &[("session", &newest)]).says(200, "That session has ended.").says_not("Firefox");
    assert!(other.open("/auth/keys").path.starts_with("/auth/sign-in"));
    let (mut third, _) = signed_in(&stage, &person);
    browser.send(&page, "profile/sessions/end-others", &[]).says(200, "All other sessions have ended.").says_not("name=\"session\"");
    assert!(third.open("/auth/profile").path.starts_with("/auth/sign-in"));
    assert_eq!(browser.open("/auth/profile").path, "/auth/profile");
    person.get("/auth/sessions").expect(401);
}

#[test]
fn many_sessions_are_paged() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let row = |n: usize| format!("('ses_{n:026}', {}, '{}', 'password', '192.0.2.1', '', 1, 1, 99999999999999)", person.id, person.account);
    let rows: Vec<String> = (0..60).map(row).collect();
    let columns = "(id, user, account, method, origin, agent, created_at, used_at, expires_at)";
    alter(&stage, &format!("INSERT INTO sessions {columns} VALUES {}", rows.join(",")));
    let (mut place, mut seen, mut pages) = (Some("/auth/profile/sessions".to_owned()), 0, 0);
    while let Some(at) = place {
        let page = browser.open(&at).says(200, "Sessions");
        seen += page.reply.body.matches("<th scope=\"row\">").count();
        pages += 1;
        place = page.links().into_iter().find(|link| link.contains("cursor="));
    }
    assert_eq!((seen, pages), (62, 3));
}

#[test]
fn a_second_factor_is_set_up_renewed_and_turned_off() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let (mut other, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile/second-factor").says(200, "Set it up");
    browser.send(&page, "profile/second-factor", &[("password", "wrong, and long")]).says(400, "is not your password").says_not("<svg");
    let begun = browser.send(&page, "profile/second-factor", &[("password", PASSWORD)]).says(200, "<svg class=\"qr\"");
    let begun = begun.says_not(PASSWORD);
    let secret = begun.text_of("secret");
    stage.server.handed_out(&secret);
    let app = Authenticator::of(&secret);
    let wrong = browser.send(&begun, "profile/second-factor/confirm", &[("code", &app.wrong())]);
    let wrong = wrong.says(400, "is not right, or was used already").says_not(&secret);
    browser.send(&wrong, "profile/second-factor/confirm", &[("code", "abc")]).says(400, "digits of your authenticator app");
    let made = browser.send(&wrong, "profile/second-factor/confirm", &[("code", &app.code(0))]).says(200, "Recovery codes");
    let codes: Vec<String> = made.text_of("codes").split_whitespace().map(str::to_owned).collect();
    codes.iter().for_each(|code| stage.server.handed_out(code));
    assert_eq!(codes.len(), 10);
    assert!(other.open("/auth/keys").path.starts_with("/auth/sign-in"), "every other session ends");
    let page = browser.open("/auth/profile/second-factor").says(200, "New recovery codes").says_not(&codes[0]).says_not(&secret);
    // Both are asked for, and what is wrong stands at its form.
    for (action, password, code, told) in [
        ("profile/second-factor/codes", PASSWORD, "", "must be given"),
        ("profile/second-factor/codes", "", codes[0].as_str(), "must be given"),
        ("profile/second-factor/end", "wrong, and long", &codes[0], "is not your password"),
        ("profile/second-factor/end", PASSWORD, "0000-0000-0000-0000", "is not right, or was used already"),
    ] {
        browser.send(&page, action, &[("password", password), ("code", code)]).says(400, told).says_not(&codes[0]);
    }
    let renewed =
        browser.send(&page, "profile/second-factor/codes", &[("password", PASSWORD), ("code", &codes[0])]).says(200, "shown this once");
    let next: Vec<String> = renewed.text_of("codes").split_whitespace().map(str::to_owned).collect();
    next.iter().for_each(|code| stage.server.handed_out(code));
    assert!(next.len() == 10 && !next.contains(&codes[1]));
    browser.send(&page, "profile/second-factor/end", &[("password", PASSWORD), ("code", &codes[1])]).says(400, "is not right");
    let off = browser.send(&page, "profile/second-factor/end", &[("password", PASSWORD), ("code", &next[0])]);
    off.says(200, "The second factor is off.").says(200, "Set it up");
    person.try_sign_in(PASSWORD).expect(200);
}

#[test]
fn a_user_is_deleted_by_password_and_code() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile/second-factor");
    let begun = browser.send(&page, "profile/second-factor", &[("password", PASSWORD)]);
    let app = Authenticator::of(&begun.text_of("secret"));
    let made = browser.send(&begun, "profile/second-factor/confirm", &[("code", &app.code(0))]).says(200, "Recovery codes");
    let code = made.text_of("codes").split_whitespace().next().expect("a code").to_owned();
    let page = browser.open("/auth/profile/delete").says(200, "cannot be undone");
    for (password, code, told) in [
        ("", code.as_str(), "must be given"),
        ("wrong, and long", &code, "is not your password"),
        (PASSWORD, "", "must be given"),
        (PASSWORD, "000000", "is not right"),
    ] {
        browser.send(&page, "profile/delete", &[("password", password), ("code", code)]).says(400, told);
    }
    browser.send(&page, "profile/delete", &[("password", PASSWORD), ("code", &code), ("form_token", "x")]).says(403, "not one of yours");
    stage.get(&format!("/users/{}", person.id)).expect(200);
    let gone = browser.send(&page, "profile/delete", &[("password", PASSWORD), ("code", &code)]).says(200, "Your user is deleted.");
    assert!(gone.path.starts_with("/auth/sign-in") && browser.cookies.is_empty());
    stage.get(&format!("/users/{}", person.id)).expect(404);
}

#[test]
fn whoever_alone_owns_what_others_belong_to_stays() {
    let stage = Stage::with(QUICK);
    let mut person = Person::new(&stage);
    let team = person.organization("team");
    Person::of(&stage, &team, "member");
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/profile/delete");
    browser.send(&page, "profile/delete", &[("password", PASSWORD)]).says(409, "The only owner of team");
}

#[test]
fn what_is_ones_own_is_there_where_the_account_is_switched_off() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    stage.patch(&format!("/accounts/{}", person.account), &serde_json::json!({ "disabled": true })).expect(200);
    browser.open("/auth/keys").says(403, "This account is switched off.");
    for path in ["profile", "profile/sessions", "organization"] {
        browser.open(&format!("/auth/{path}")).says(200, "Sign out");
    }
}
