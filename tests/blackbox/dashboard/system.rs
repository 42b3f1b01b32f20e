//! What the operator sees of the machine: as it is, whatever somebody wrote into a log.

use serde_json::json;

use super::{QUICK, signed_in};
use crate::support::browser::{Browser, Page};
use crate::support::person::Person;
use crate::support::{Request, Stage, eventually};

/// The number in the row that begins so.
#[track_caller]
fn row(page: &Page, name: &str) -> Vec<u64> {
    let (_, after) = page.reply.body.split_once(&format!("<th scope=\"row\">{name}</th>")).unwrap_or_else(|| panic!("no row {name}"));
    let cells = after.split("</tr>").next().unwrap_or_default().split("<td class=\"number\">").skip(1);
    cells.map(|cell| cell.split('<').next().unwrap_or_default().replace(',', "").parse().expect("a number")).collect()
}

fn boss(stage: &Stage) -> (Browser<'_>, Person<'_>) {
    let boss = Person::with(stage, json!({ "admin": true }));
    (signed_in(stage, &boss).0, boss)
}

#[test]
fn it_tells_what_runs_and_what_it_stands_on() {
    let stage = Stage::with(QUICK);
    let (mut browser, _) = boss(&stage);
    let page = browser.open("/auth/admin/system").says(200, "It reads and writes its database.");
    assert_eq!(page.text_of("version"), env!("CARGO_PKG_VERSION"));
    assert!(page.text_of("size").ends_with("iB"), "{}", page.text_of("size"));
    let page = page.says(200, "tollgate.db").says(200, "auth.toml").says(200, &format!("http://{}", stage.server.address));
    let page = page.says(200, "None is known.").says(200, "aria-current=\"page\">System");
    assert!(!page.reply.body.contains(&stage.folder.path("").display().to_string()), "the name of the file is enough");
}

#[test]
fn the_last_backup_is_known_also_after_a_restart() {
    let stage = Stage::with(QUICK);
    let copy = stage.folder.path("first.db");
    stage.folder.json(&["backup", copy.to_str().expect("a path")]);
    let stage = stage.restart();
    let (mut browser, _) = boss(&stage);
    let page = browser.open("/auth/admin/system").says(200, "first.db").says_not("None is known").says_not("older than a week");
    assert!(page.reply.body.contains("id=\"backup\"><time"), "{}", page.reply.body);
    let newer = stage.folder.path("second.db");
    stage.folder.json(&["backup", newer.to_str().expect("a path")]);
    browser.open("/auth/admin/system").says(200, "second.db").says_not("first.db");
}

#[test]
fn what_went_wrong_is_shown_as_text_with_its_request() {
    // An app that is not there, and a reload of a configuration with faults whose key is markup.
    let stage = Stage::with(&format!("[server]\nmax_connections = 100\n[upstream]\nurl = \"http://127.0.0.1:1\"\n{QUICK}"));
    let (mut browser, _) = boss(&stage);
    browser.open("/auth/admin/system").says(200, "The log has told of none since the start.");
    let key = stage.raw_key("free");
    let id = stage.server.get("/x", &key).expect(502).header("X-Request-Id").expect("an id");
    stage.folder.rewrite("[server]\nprefix = \"<script>alert(1)</script>\"\n");
    stage.server.reload();
    let page = eventually("the faults are there", || {
        let page = browser.open("/auth/admin/system");
        page.reply.body.contains("the old one holds").then_some(page)
    });
    let page = page.says(200, &id).says(200, "class=\"state revoked\"").says(200, "alert(1)").says_not("<script>alert");
    page.says_not(&key);
}

#[test]
fn what_waits_for_a_restart_and_what_is_warned_of_is_told() {
    let config = format!("{QUICK}[sign_in.google]\nclient_id = \"x\"\nclient_secret = {{ env = \"NO_SUCH\" }}\n");
    let stage = Stage::with(&config);
    let (mut browser, _) = boss(&stage);
    browser.open("/auth/admin/system").says(200, "NO_SUCH").says_not("Waits for a restart");
    stage.folder.rewrite(&format!("{config}[server]\nheld_windows = 77\ncached_keys = 77\n"));
    stage.server.reload();
    browser.open("/auth/admin/system").says(200, "Waits for a restart").says(200, "cached_keys");
}

#[test]
fn messages_that_wait_or_were_given_up_and_who_had_to_wait_are_counted() {
    let config = format!(
        "{QUICK}[webhooks.billing]\nurl = \"http://127.0.0.1:1/\"\nallow_private = true\nsecret = \"{}\"\n",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
    );
    let stage = Stage::with(&format!("{config}[sign_in.throttle]\nwrong_by_address = \"1/1h\"\n"));
    let (mut browser, _) = boss(&stage);
    let before = row(&browser.open("/auth/admin/system"), "Webhooks")[0];
    stage.account(json!({}));
    let page = browser.open("/auth/admin/system");
    assert_eq!(row(&page, "Webhooks"), [before + 1, 0]);
    assert_eq!(row(&page, "Mails and SMS"), [0, 0]);
    let throttled = "Tries to sign in or change something that were told to wait";
    assert_eq!(row(&page, throttled), [0]);
    let wrong = Request::post("/auth/v1/auth/login", &json!({ "email": "ada@example.com", "password": "not the password" }));
    let statuses = [0, 1].map(|_| stage.server.send(&wrong.clone().header("X-Forwarded-For", "10.7.7.7")).status);
    assert_eq!(statuses, [401, 429]);
    assert_eq!(row(&browser.open("/auth/admin/system"), throttled), [1]);
}

#[test]
fn it_is_for_administrators_alone() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    owner.organization("Everyone");
    let (mut browser, _) = signed_in(&stage, &owner);
    browser.open("/auth/admin/system").says(403, "does not let you do this").says_not("tollgate.db");
    assert!(Browser::new(&stage).open("/auth/admin/system").path.starts_with("/auth/sign-in"));
}
