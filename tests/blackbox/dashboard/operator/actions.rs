//! What the operator does to accounts, keys, applications, service tokens and what is on its way, with what it comes to at the gate.

use serde_json::json;

use super::{audited, config, operator, post};
use crate::support::app::answer;
use crate::support::person::Person;
use crate::support::server::text;
use crate::support::smtp::Setup;
use crate::support::{App, Smtp, Stage, eventually};

/// Paths that need scopes.
const SCOPED: &str = "[[routes]]\npath = \"/maps\"\nscopes = [\"maps:write\"]\n[[routes]]\npath = \"/maps/{id}\"\nscopes = [\"maps:read\", \"maps:write\"]\n";

fn call(stage: &Stage, key: &str) -> u16 {
    stage.server.get("/anything", key).status
}

#[test]
fn an_account_is_made_changed_charged_and_switched_off() {
    let stage = Stage::with(&config(""));
    let (mut browser, root) = operator(&stage);
    let page = browser.open("/auth/admin/accounts/new").says(200, "New account");
    browser.send(&page, "admin/accounts", &[("name", "x"), ("plan_until", "soon")]).says(400, "is not a time");
    let made = browser.send(&page, "admin/accounts", &[("name", "Acme"), ("kind", "organization"), ("plan", "free")]).says(200, "Made.");
    let id = made.path.rsplit('/').next().and_then(|id| id.split('?').next()).expect("an id").to_owned();
    // The same form again makes no second one.
    let again = browser.send(&page, "admin/accounts", &[("name", "Acme"), ("kind", "organization"), ("plan", "free")]);
    assert_eq!(again.path, made.path);
    let key = text(&stage.key(&id, json!({}))["key"]);
    assert_eq!(call(&stage, &key), 200);
    let page = browser.open(&format!("/auth/admin/accounts/{id}"));
    let page = browser.send(&page, &id, &[("limits.minute", "0"), ("name", "")]).says(400, "must be from 1").says(400, "must not be empty");
    let page = browser.send(&page, &id, &[("limits.minute", "2"), ("name", "Acme Ltd")]).says(200, "Saved.");
    assert_eq!((call(&stage, &key), call(&stage, &key)), (200, 429));
    let page = browser.send(&page, &id, &[("limits.minute", ""), ("plan", "elite"), ("plan_until", "2099-01-01")]).says(200, "Saved.");
    assert_eq!(call(&stage, &key), 200);
    let held = stage.get(&format!("/accounts/{id}")).expect(200).json();
    assert_eq!(
        (&held["name"], &held["plan"], &held["plan_until"], &held["limits"]),
        (&json!("Acme Ltd"), &json!("elite"), &json!("2099-01-01T00:00:00Z"), &json!({}))
    );
    let balance = |tokens: &str, reason: &str| [("tokens".to_owned(), tokens.to_owned()), ("reason".to_owned(), reason.to_owned())];
    let [tokens, reason] = balance("50", "a gift");
    let paid =
        browser.send(&page, &format!("{id}/balance"), &[("tokens", &tokens.1), ("reason", &reason.1)]).says(200, "The balance is changed.");
    browser.send(&page, &format!("{id}/balance"), &[("tokens", "50"), ("reason", "a gift")]).says(200, "The balance is changed.");
    browser
        .send(&paid, &format!("{id}/balance"), &[("tokens", "-60"), ("reason", "too much")])
        .says(400, "The balance does not cover it")
        .says(400, "too much");
    let page =
        browser.send(&paid, &format!("{id}/balance"), &[("tokens", "-20"), ("reason", "a fee")]).says(200, "The balance is changed.");
    let movements = stage.get(&format!("/accounts/{id}/balance")).expect(200).json()["data"].clone();
    let told: Vec<_> = movements
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["tokens"].as_i64().unwrap(), text(&entry["reason"]), text(&entry["actor"])))
        .collect();
    let by = format!("user_{}", root.id);
    assert_eq!(told, [(-20, "a fee".to_owned(), by.clone()), (50, "a gift".to_owned(), by)]);
    let page = browser.send(&page, &id, &[("disabled", "yes")]).says(200, "switched off");
    assert_ne!(call(&stage, &key), 200);
    let form = page.form(&id);
    let unticked: Vec<(&str, &str)> =
        form.fields.iter().filter(|(name, _)| name != "disabled").map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(post(&browser, &stage, None, &format!("/auth/admin/accounts/{id}"), &unticked).status, 303);
    assert_eq!(call(&stage, &key), 200);
}

#[test]
fn two_operators_do_not_overwrite_each_other() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let account = stage.account(json!({ "name": "before" }));
    let key = stage.key(&account, json!({}));
    let (person, key_id) = (Person::new(&stage), text(&key["id"]));
    let of = [format!("accounts/{account}"), format!("users/{}", person.id), format!("keys/{key_id}")];
    let pages = of.clone().map(|path| browser.open(&format!("/auth/admin/{path}")));
    stage.patch(&format!("/accounts/{account}"), &json!({ "name": "another" })).expect(200);
    stage.patch(&format!("/users/{}", person.id), &json!({ "name": "another" })).expect(200);
    stage.patch(&format!("/keys/{key_id}"), &json!({ "name": "another" })).expect(200);
    let sent: [(&str, &[(&str, &str)]); 3] = [("", &[("name", "mine")]), ("", &[("name", "mine")]), ("", &[("name", "mine")])];
    for ((path, page), (action, typed)) in of.iter().zip(&pages).zip(sent) {
        let id = path.rsplit('/').next().unwrap();
        browser.send(page, &format!("{id}{action}"), typed).says(412, "It was changed since you read it");
        // A form that does not say how it was shown is no way round.
        let without = post(&browser, &stage, Some(page), &format!("/auth/admin/{path}{action}"), typed);
        assert_eq!(without.status, 412, "{path}: {without:?}");
        assert_eq!(stage.get(&format!("/{path}")).expect(200).json()["name"], "another");
    }
    browser.send(&pages[2], &format!("{key_id}/revoke"), &[]).says(412, "It was changed");
    browser.send(&pages[2], &format!("{key_id}/rotate"), &[]).says(412, "It was changed");
    browser.send(&pages[1], &format!("{}/delete", person.id), &[]).says(412, "It was changed");
    assert_eq!(call(&stage, &text(&key["key"])), 200);
}

#[test]
fn a_key_is_switched_off_and_on_rotated_and_revoked() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let account = stage.account(json!({}));
    let made = stage.key(&account, json!({ "metadata": { "team": "blue" } }));
    let (id, key) = (text(&made["id"]), text(&made["key"]));
    let page = browser.open(&format!("/auth/admin/keys/{id}")).says(200, "blue").says_not(&key);
    let page = browser.send(&page, &format!("keys/{id}"), &[("disabled", "yes")]).says(200, "switched off");
    assert_ne!(call(&stage, &key), 200);
    let form = page.form(&format!("keys/{id}"));
    let unticked: Vec<(&str, &str)> =
        form.fields.iter().filter(|(name, _)| name != "disabled").map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(post(&browser, &stage, None, &format!("/auth/admin/keys/{id}"), &unticked).status, 303);
    let page = browser.open(&format!("/auth/admin/keys/{id}"));
    assert_eq!(call(&stage, &key), 200);
    let rotated = browser.send(&page, &format!("{id}/rotate"), &[("grace", "1d")]).says(201, "shown this once");
    let next = rotated.text_of("plain");
    stage.server.handed_out(&next);
    assert_eq!((call(&stage, &key), call(&stage, &next)), (200, 200));
    let page = browser.open(&format!("/auth/admin/keys/{id}")).says(200, "Replaced by").says_not(&next);
    browser.send(&page, &format!("{id}/revoke"), &[]).says(200, "Revoked: from now on").says_not("Revoke it now");
    assert_eq!((call(&stage, &key), call(&stage, &next)), (401, 200));
    browser.open("/auth/admin/keys/key_none").says(404, "There is no such thing here.");
}

#[test]
fn a_key_is_made_for_an_account_and_shown_once() {
    let stage = Stage::with(&config(SCOPED));
    let (mut browser, _) = operator(&stage);
    let account = stage.account(json!({}));
    browser.open("/auth/admin/keys").says(200, "href=\"keys/new\"");
    let link = browser.open(&format!("/auth/admin/accounts/{account}")).links().into_iter().find(|link| link.contains("keys/new?"));
    let page = browser.open(&link.expect("a link to make one")).says(200, "New key").says(200, "Routes here need: maps:read maps:write");
    assert!(page.form("admin/keys").fields.contains(&("account".into(), account.clone())));
    let wrong = [("name", "app"), ("limits.minute", "0"), ("scopes", "a\"b"), ("ips", "here"), ("expires_at", "soon"), ("plan", "none")];
    let again =
        browser.send(&page, "admin/keys", &wrong).says(400, "must be from 1").says(400, "is no scope").says(400, "must be a length");
    let fields = again.form("admin/keys").fields;
    for (name, text) in &wrong[..5] {
        assert!(fields.contains(&((*name).into(), (*text).into())), "{name} in {fields:?}");
    }
    browser.send(&page, "admin/keys", &[("name", "app"), ("account", "")]).says(400, "must be given");
    let unknown = browser.send(&page, "admin/keys", &[("name", "app"), ("account", "acc_none")]).says(400, "There is no such account.");
    assert!(unknown.form("admin/keys").fields.contains(&("account".into(), "acc_none".into())));
    let typed = [
        ("name", "app"),
        ("plan", "elite"),
        ("limits.minute", "7"),
        ("scopes", "maps:read maps:write"),
        ("ips", "127.0.0.0/8 ::1"),
        ("expires_at", "30d"),
    ];
    let made = browser.send(&page, "admin/keys", &typed).says(201, "shown this once");
    let key = made.text_of("plain");
    stage.server.handed_out(&key);
    assert_eq!(call(&stage, &key), 200);
    browser.send(&page, "admin/keys", &typed).says(201, "was made already").says_not(&key);
    let held = stage.get(&format!("/keys?account={account}")).expect(200).json()["data"].clone();
    assert_eq!(held.as_array().map(Vec::len), Some(1));
    let held = &held[0];
    assert_eq!(
        (&held["name"], &held["plan"], &held["limits"], &held["scopes"], &held["ips"]),
        (&json!("app"), &json!("elite"), &json!({ "minute": 7 }), &json!(["maps:read", "maps:write"]), &json!(["127.0.0.0/8", "::1/128"]))
    );
    assert!(held["expires_at"].is_string());
}

#[test]
fn the_settings_of_a_key_are_changed_and_only_those() {
    let stage = Stage::with(&config(SCOPED));
    let (mut browser, _) = operator(&stage);
    let account = stage.account(json!({}));
    let made = stage.key(&account, json!({ "name": "app", "scopes": ["maps:read"], "ips": ["127.0.0.1"], "metadata": { "team": "blue" } }));
    let (id, key) = (text(&made["id"]), text(&made["key"]));
    let (path, action) = (format!("/auth/admin/keys/{id}"), format!("keys/{id}"));
    let page = browser.open(&path).says(200, "Routes here need: maps:read maps:write");
    // What merely stands there changes nothing.
    browser.send(&page, &action, &[]).says(200, "Saved.");
    assert_eq!(audited(&stage, "key.changed").len(), 0);
    let again =
        browser.send(&page, &action, &[("name", ""), ("ips", ""), ("limits.minute", "0"), ("expires_at", "soon"), ("disabled", "yes")]);
    let again = again.says(400, "must not be empty").says(400, "must be from 1").says(400, "must be a length");
    // What was emptied stays so.
    let fields = again.form(&action).fields;
    for (name, text) in
        [("name", ""), ("ips", ""), ("limits.minute", "0"), ("expires_at", "soon"), ("disabled", "yes"), ("scopes", "maps:read")]
    {
        assert!(fields.contains(&(name.into(), text.into())), "{name} in {fields:?}");
    }
    let typed = [("name", "app 2"), ("plan", "elite"), ("limits.minute", "2"), ("scopes", ""), ("ips", ""), ("expires_at", "2099-01-01")];
    let changed = browser.send(&page, &action, &typed).says(200, "Saved.");
    let held = stage.get(&format!("/keys/{id}")).expect(200).json();
    assert_eq!(
        (&held["name"], &held["plan"], &held["limits"], &held["scopes"], &held["ips"], &held["expires_at"], &held["metadata"]),
        (
            &json!("app 2"),
            &json!("elite"),
            &json!({ "minute": 2 }),
            &json!([]),
            &json!([]),
            &json!("2099-01-01T00:00:00Z"),
            &json!({ "team": "blue" })
        )
    );
    browser.send(&page, &action, &[("name", "mine")]).says(412, "It was changed since you read it");
    browser.send(&changed, &action, &[("plan", ""), ("expires_at", "")]).says(200, "Saved.");
    let held = stage.get(&format!("/keys/{id}")).expect(200).json();
    assert_eq!((&held["plan"], &held["expires_at"], &held["name"]), (&json!(null), &json!(null), &json!("app 2")));
    assert_eq!((call(&stage, &key), call(&stage, &key), call(&stage, &key)), (200, 200, 429));
}

#[test]
fn a_form_that_names_what_is_not_there_comes_back() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let page = browser.open("/auth/admin/tokens/new");
    let typed = [("name", "app"), ("scope-admin", "yes"), ("account", "acc_none")];
    let again = browser.send(&page, "admin/tokens", &typed).says(400, "There is no such account.");
    let fields = again.form("admin/tokens").fields;
    for (name, text) in typed {
        assert!(fields.contains(&(name.into(), text.into())), "{name} in {fields:?}");
    }
    let team = stage.account(json!({ "kind": "organization" }));
    let page = browser.open(&format!("/auth/admin/accounts/{team}"));
    let again = browser.send(&page, "members", &[("user", "4711"), ("role", "owner")]).says(400, "There is no ");
    let fields = again.form("members").fields;
    assert!(fields.contains(&("user".into(), "4711".into())) && fields.contains(&("role".into(), "owner".into())), "{fields:?}");
    let wrong = post(&browser, &stage, Some(&page), &format!("/auth/admin/accounts/{team}/members"), &[("user", "x"), ("role", "king")]);
    assert!(wrong.status == 400 && wrong.body.contains("must be owner, admin or member") && wrong.body.contains("<form"), "{wrong:?}");
}

#[test]
fn a_service_token_is_shown_once_and_revoked() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let account = stage.account(json!({}));
    let page = browser.open("/auth/admin/tokens/new").says(200, "New service token");
    let wrong = browser
        .send(&page, "admin/tokens", &[("name", "app"), ("expires_at", "soon")])
        .says(400, "must name at least one")
        .says(400, "a length such as 30d");
    assert!(wrong.form("admin/tokens").fields.contains(&("name".into(), "app".into())));
    let typed = [("name", "app"), ("scope-admin", "yes"), ("account", account.as_str()), ("expires_at", "30d")];
    let made = browser.send(&page, "admin/tokens", &typed).says(201, "shown this once");
    let token = made.text_of("plain");
    stage.server.handed_out(&token);
    browser.send(&page, "admin/tokens", &typed).says(201, "was made already").says_not(&token);
    let accounts = stage.server.get("/auth/v1/accounts", &token).expect(200).json();
    assert_eq!(accounts["data"].as_array().map(Vec::len), Some(1));
    let link = made.links().into_iter().find(|link| link.contains("/tokens/tok_")).expect("a link to it");
    let id = link.rsplit('/').next().expect("an id").to_owned();
    browser.open("/auth/admin/tokens").says(200, &id).says_not(&token);
    let page = browser.open(&link).says(200, &account).says_not(&token);
    browser.send(&page, &format!("{id}/revoke"), &[]).says(200, "Revoked").says_not("Revoke it now");
    assert_eq!(stage.server.get("/auth/v1/accounts", &token).status, 401);
}

#[test]
fn an_application_is_approved_or_rejected_with_a_note() {
    let stage = Stage::with(&config(""));
    let (mut browser, _) = operator(&stage);
    let apply = |person: &Person<'_>, use_case: &str| {
        text(
            &person.post("/applications", &json!({ "plan": "elite", "use_case": use_case, "volume": "1000 a day" })).expect(201).json()["id"],
        )
    };
    let (ada, eve) = (Person::new(&stage), Person::new(&stage));
    let (one, other) = (apply(&ada, "maps of the sea"), apply(&eve, "spam"));
    browser.open("/auth/admin/applications").says(200, &one).says(200, &other);
    let page =
        browser.open(&format!("/auth/admin/applications/{one}")).says(200, "maps of the sea").says(200, "1000 a day").says(200, &ada.email);
    browser
        .send(&page, &format!("{one}/approve"), &[("plan_until", "2020-01-01"), ("note", "welcome")])
        .says(400, "lies in the past")
        .says(400, "welcome");
    browser
        .send(&page, &format!("{one}/approve"), &[("note", "welcome")])
        .says(200, "Approved: the account has the plan.")
        .says(200, "welcome");
    assert_eq!(stage.get(&format!("/accounts/{}", ada.account)).expect(200).json()["plan"], "elite");
    browser.send(&page, &format!("{one}/approve"), &[]).says(409, "is approved already");
    let page = browser.open(&format!("/auth/admin/applications/{other}"));
    let path = format!("/auth/admin/applications/{other}/reject");
    assert!(page.reply.body.contains(&format!("/applications/{other}/reject\"")));
    let without = post(&browser, &stage, Some(&page), &path, &[]);
    assert!(without.status == 400 && without.body.contains("it is what the applicant is told"), "{without:?}");
    // The form that came back is sent from there.
    assert!(without.body.contains(&format!("=\"../../../admin/applications/{other}/reject\"")), "{without:?}");
    assert_eq!(post(&browser, &stage, Some(&page), &path, &[("note", "no spam")]).status, 303);
    let shown = eve.get(&format!("/applications/{other}")).expect(200).json();
    assert_eq!((&shown["state"], &shown["note"]), (&json!("rejected"), &json!("no spam")));
    browser.open("/auth/admin/applications").says(200, "There is nothing to show.");
    browser.open("/auth/admin/applications?state=all").says(200, &one).says(200, &other);
    browser.open("/auth/admin/applications?state=rejected").says(200, &other).says_not(&one);
}

#[test]
fn what_is_on_its_way_is_told_without_its_content_and_sent_again() {
    let smtp = Smtp::new(Setup::plain());
    let app = App::answering(|_| answer("204 No Content", "", ""));
    let hook = format!(
        "[webhooks.main]\nurl = \"{}\"\nsecret = \"whsec_c3BlYWsgZnJpZW5kIGFuZCBlbnRlciwgbm93ISE=\"\nallow_private = true\nevents = [\"account.created\"]\n",
        app.url
    );
    let mail = format!(
        "[server]\npublic_url = \"https://api.example.com\"\n[mail]\nsmtp_url = \"{}\"\nfrom = \"noreply@example.com\"\n",
        smtp.url()
    );
    let stage = Stage::with(&config(&format!("{mail}{hook}")));
    let (mut browser, _) = operator(&stage);
    stage.post("/users", &json!({ "email": "new@example.com" })).expect(201);
    let letter = smtp.wait_for_mail_to("new@example.com");
    let page = eventually("it is taken", || {
        Some(browser.open("/auth/admin/outbox?address=new@example.com")).filter(|page| page.reply.body.contains("\">taken</td>"))
    });
    let page = page.says(200, "new@example.com").says_not(&letter.token());
    let id = page
        .reply
        .body
        .split("value=\"eml_")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .map(|rest| format!("eml_{rest}"))
        .expect("a button");
    browser.send(&page, "admin/outbox/mails", &[("id", &id)]).says(200, "It is sent again.");
    eventually("it came again", || (smtp.received().len() > 1).then_some(()));
    assert_eq!(audited(&stage, "mail.retried").len(), 1);
    let account = stage.account(json!({ "name": "told of" }));
    let page = eventually("it is taken", || {
        Some(browser.open("/auth/admin/outbox/webhooks?endpoint=main&state=taken"))
            .filter(|page| page.reply.body.contains("account.created"))
    });
    let page = page.says_not("told of").says_not(&account);
    let id = page
        .reply
        .body
        .split("value=\"msg_")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .map(|rest| format!("msg_{rest}"))
        .expect("a button");
    let before = app.heard().len();
    browser.send(&page, "admin/outbox/webhooks", &[("id", &id)]).says(200, "It is sent again.");
    eventually("it came again", || (app.heard().len() > before).then_some(()));
    browser.send(&page, "admin/outbox/webhooks", &[("id", "msg_none")]).says(404, "There is no such thing here.");
}
