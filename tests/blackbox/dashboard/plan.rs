//! The plan in a browser: what there is, the balance, and applying for one that is granted by review.

use serde_json::json;

use super::{QUICK, go_on_for, signed_in};
use crate::support::Stage;
use crate::support::browser::{Browser, Page};
use crate::support::person::Person;
use crate::support::server::text;

const PLANS: &str = r#"
[dashboard]
billing_url = "https://pay.example.com/?from=api&x=1"

[[plans]]
name = "free"
title = "Free"
default = true
limits = [{ requests = 60, per = "minute", burst = 10 }, { requests = 1000, per = "day" }]

[[plans]]
name = "pro"
title = "Pro"
review = true
needs_balance = true
monthly_tokens = 5000
limits = [{ requests = 600, per = "minute" }]

[[plans]]
name = "elite"
title = "<i>Elite</i>"
review = true
unlimited = true
"#;

const NASTY: &str = "</textarea><script>alert(\"1\")</script>";

fn stage() -> Stage {
    Stage::with(&format!("{QUICK}{PLANS}"))
}

/// Applies for a plan; the page that comes.
#[track_caller]
fn applied(browser: &mut Browser<'_>, plan: &str, use_case: &str, volume: &str) -> Page {
    let page = browser.open("/auth/plan/applications/new").says(200, "Apply for a plan");
    browser.send(&page, "plan/applications", &[("plan", plan), ("use_case", use_case), ("volume", volume)])
}

#[test]
fn plans_are_told_in_words() {
    let stage = stage();
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/plan").says(200, "This account is on the plan Free.").says_not("It lasts until").says_not("<i>");
    for told in ["60 a minute, 10 at once", "1,000 a day", "600 a minute", "5,000 tokens a month", "No limits", "Granted by review"] {
        assert!(page.reply.body.contains(told), "{told}: {}", page.reply.body);
    }
    assert!(page.reply.body.contains("<a class=\"button\" href=\"https://pay.example.com/?from=api&#38;x=1\" rel=\"noopener\">"));
    let link = page.links().into_iter().find(|link| link.contains("plan=pro")).expect("a link to apply");
    let form = browser.open(&link).says(200, "Apply for a plan").form("plan/applications");
    assert!(form.fields.contains(&("plan".into(), "pro".into())), "{form:?}");
    // What the account has of its own is what is told of its plan.
    stage
        .patch(&format!("/accounts/{}", person.account), &json!({ "plan": "pro", "limits": { "minute": 7 }, "plan_until": "2099-01-02" }))
        .expect(200);
    browser
        .open("/auth/plan")
        .says(200, "7 a minute")
        .says(200, "It lasts until 2099-01-02 00:00 UTC. After that: Free.")
        .says_not("600 a minute");
    // The default plan has no end, and one whose end has come is not held any more.
    let database = rusqlite::Connection::open(stage.folder.database()).expect("it opens");
    for (plan, until) in [("free", 4_000_000_000_000_i64), ("free", 1), ("pro", 1)] {
        let changed = database.execute("UPDATE accounts SET plan = ?1, plan_until = ?2 WHERE id = ?3", (plan, until, &person.account));
        assert_eq!(changed, Ok(1));
        let page = browser.open("/auth/plan").says(200, "This account is on the plan Free.");
        page.says_not("It lasts until").says_not("After that");
    }
    let plain = Stage::with(QUICK);
    let person = Person::new(&plain);
    let (mut browser, _) = signed_in(&plain, &person);
    browser.open("/auth/plan").says(200, "Free").says_not("Billing").says_not("Applications").says_not("Balance");
}

#[test]
fn somebody_applies_withdraws_and_reads_what_was_decided() {
    let stage = stage();
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let wrong = applied(&mut browser, "elite", NASTY, "");
    let wrong = wrong.says(400, "must be given").says_not("<script>").says_not("<textarea></textarea>");
    let fields = wrong.form("plan/applications").fields;
    assert!(fields.contains(&("use_case".into(), NASTY.into())) && fields.contains(&("plan".into(), "elite".into())), "{fields:?}");
    applied(&mut browser, "free", "a shop", "little").says(400, "must be one that is granted by review");
    let page = applied(&mut browser, "elite", NASTY, NASTY).says(200, "Sent. You will find the answer here.").says_not("<script>alert");
    assert_eq!(page.path, "/auth/plan?done=applied");
    applied(&mut browser, "elite", "again", "much").says(400, "is open already");
    let open = stage.get("/applications").expect(200).json()["data"][0].clone();
    assert_eq!((&open["use_case"], &open["volume"], &open["account"]), (&json!(NASTY), &json!(NASTY), &json!(person.account)));
    let withdraw = format!("plan/applications/{}/withdraw", text(&open["id"]));
    browser.send(&page, &withdraw, &[]).says(200, "Withdrawn.").says(200, "withdrawn").says_not("</button></form></div>");
    // Again does no harm.
    browser.send(&page, &withdraw, &[]).says(200, "Withdrawn.");
    applied(&mut browser, "elite", "a shop", "much").says(200, "Sent.");
    let id = |stage: &Stage| {
        let open = stage.get("/applications?state=open").expect(200).json();
        text(&open["data"][0]["id"])
    };
    stage.post(&format!("/applications/{}/reject", id(&stage)), &json!({ "note": format!("No: {NASTY}") })).expect(200);
    let page = browser
        .open("/auth/plan")
        .says(200, "<strong>&#60;i&#62;Elite")
        .says(200, "rejected")
        .says(200, "No: &#60;/textarea")
        .says_not("<script>alert");
    assert!(page.reply.body.find(">rejected<") < page.reply.body.find(">withdrawn<"), "the newest first");
    applied(&mut browser, "elite", "a shop", "less").says(200, "Sent.");
    stage.post(&format!("/applications/{}/approve", id(&stage)), &json!({})).expect(200);
    browser.open("/auth/plan").says(200, "This account is on the plan &#60;i&#62;Elite").says(200, "approved");
    browser.open("/auth/plan/applications/new").says_not("value=\"elite\"");
    // More than are shown with the plan have a list of their own.
    for _ in 0..3 {
        let page = applied(&mut browser, "pro", "a shop", "much").says(200, "Sent.");
        let form = page.forms().into_iter().find(|form| form.action.contains("/withdraw")).expect("one is open");
        browser.send(&page, form.action.trim_start_matches("./"), &[]).says(200, "Withdrawn.");
    }
    let link = browser.open("/auth/plan").links().into_iter().find(|link| link.ends_with("/plan/applications")).expect("a link to all");
    let page = browser.open(&link).says(200, "approved").says(200, "rejected");
    assert_eq!(page.reply.body.matches(">withdrawn<").count(), 4);
}

#[test]
fn a_member_sees_why_and_may_not() {
    let stage = stage();
    let owner = Person::new(&stage);
    let team = stage.account(json!({ "kind": "organization" }));
    stage.patch(&format!("/accounts/{team}/members/{}", owner.id), &json!({ "role": "owner" })).expect(200);
    let member = Person::of(&stage, &team, "member");
    let (mut browser, _) = signed_in(&stage, &member);
    go_on_for(&stage, &browser, &team);
    let page = browser.open("/auth/plan").says(200, "Owners and administrators of this account can apply.").says_not(">Apply<");
    let token = page.form("sign-out").fields.remove(0).1;
    browser.open("/auth/plan/applications/new").says(403, "Your part in this account does not let you do this.");
    let body = format!("form_token={token}&plan=elite&use_case=a&volume=b");
    let reply = stage.server.send(&browser.request("POST", "/auth/plan/applications", Some(&body)));
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(stage.get("/applications").expect(200).json()["data"], json!([]));
    let mut other = owner;
    other.switch(&team);
    let open = other.post("/applications", &json!({ "plan": "elite", "use_case": "a shop", "volume": "much" })).expect(201).json();
    browser.open("/auth/plan").says(200, "What was sent").says_not("Withdraw");
    browser.open(&format!("/auth/plan/applications/{}", text(&open["id"]))).says(200, "a shop").says_not("Withdraw");
    let path = format!("/auth/plan/applications/{}/withdraw", text(&open["id"]));
    let reply = stage.server.send(&browser.request("POST", &path, Some(&format!("form_token={token}"))));
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(stage.get("/applications").expect(200).json()["data"][0]["state"], "open");
}

#[test]
fn others_applications_are_not_there_and_forms_need_their_token() {
    let stage = stage();
    let (ada, eve, admin) = (Person::new(&stage), Person::new(&stage), Person::with(&stage, json!({ "admin": true })));
    let (mut browser, _) = signed_in(&stage, &ada);
    let page = applied(&mut browser, "elite", "a shop", "much").says(200, "Sent.");
    let id = text(&stage.get("/applications").expect(200).json()["data"][0]["id"]);
    let withdraw = format!("plan/applications/{id}/withdraw");
    for token in ["", "x"] {
        browser.send(&page, &withdraw, &[("form_token", token)]).says(403, "This form is not one of yours");
        let new = browser.open("/auth/plan/applications/new");
        let typed = [("plan", "pro"), ("use_case", "a"), ("volume", "b"), ("form_token", token)];
        browser.send(&new, "plan/applications", &typed).says(403, "This form is not one of yours");
    }
    for person in [&eve, &admin] {
        let (mut others, page) = signed_in(&stage, person);
        let token = page.form("sign-out").fields.remove(0).1;
        for known in [id.as_str(), "app_01ARZ3NDEKTSV4RRFFQ69G5FAV", "x"] {
            let path = format!("/auth/plan/applications/{known}/withdraw");
            let reply = stage.server.send(&others.request("POST", &path, Some(&format!("form_token={token}"))));
            assert_eq!(reply.status, 404, "{reply:?}");
        }
        others.open("/auth/plan").says(200, "There are none yet.").says_not("a shop");
        others.open("/auth/plan/applications").says(200, "There are none yet.").says_not("a shop");
    }
    let all = stage.get("/applications").expect(200).json();
    assert_eq!((all["data"].as_array().map(Vec::len), &all["data"][0]["state"]), (Some(1), &json!("open")));
}

#[test]
fn the_balance_is_told_with_its_history_page_by_page() {
    let stage = stage();
    let person = Person::new(&stage);
    for at in 0..60 {
        let body = json!({ "account": person.account, "tokens": 100, "reason": format!("gift <b>{at}</b>") });
        stage.post("/balance", &body).expect(200);
    }
    stage.post("/balance", &json!({ "account": person.account, "tokens": -4500 })).expect(200);
    stage.patch(&format!("/accounts/{}", person.account), &json!({ "balance": -1234 })).expect(200);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/plan").says(200, "−1,234 tokens are left.");
    let link = page.links().into_iter().find(|link| link.ends_with("/plan/balance")).expect("a link to the history");
    let page = browser.open(&link).says(200, "−4,500").says(200, "gift &#60;b&#62;59").says_not("gift &#60;b&#62;9&").says_not("<b>");
    assert_eq!(page.reply.body.matches("<tr>").count(), 1 + 25);
    let link = page.links().into_iter().find(|link| link.contains("cursor=")).expect("a link to the next page");
    let page = browser.open(&link).says(200, "<tbody>");
    let link = page.links().into_iter().find(|link| link.contains("cursor=")).expect("a link to the last page");
    let page = browser.open(&link).says(200, "gift &#60;b&#62;9&").says_not("cursor=");
    assert_eq!(page.reply.body.matches("<tr>").count(), 1 + 12);
    browser.open("/auth/plan/balance?cursor=x").says(400, "is none that this list gave");
}
