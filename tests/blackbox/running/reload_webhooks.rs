//! Webhooks and metrics across a reload: who is told follows the configuration in force, and counters go on.

use serde_json::json;

use crate::support::app::ok;
use crate::support::{App, Stage, eventually};

fn config(endpoints: &[(&str, &App)]) -> String {
    let endpoint = |(name, app): &(&str, &App)| {
        let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        format!("[webhooks.{name}]\nurl = \"{}\"\nsecret = \"{secret}\"\nallow_private = true\nevents = [\"key.created\"]\n", app.url)
    };
    endpoints.iter().map(endpoint).collect()
}

#[test]
fn who_is_told_follows_the_configuration_in_force() {
    let (first, second) = (App::answering(|_| ok("")), App::answering(|_| ok("")));
    let stage = Stage::with(&config(&[("first", &first)]));
    let account = stage.account(json!({}));
    let told = |app: &App, count: usize| eventually("the webhook comes", || (app.heard().len() == count).then_some(()));
    stage.key(&account, json!({}));
    told(&first, 1);
    stage.folder.rewrite(&config(&[("first", &first), ("second", &second)]));
    assert!(stage.server.reload().contains("[webhooks]"));
    stage.key(&account, json!({}));
    told(&first, 2);
    told(&second, 1);
    stage.folder.rewrite(&config(&[("second", &second)]));
    stage.server.reload();
    stage.key(&account, json!({}));
    told(&second, 2);
    stage.folder.rewrite("# nobody is told\n");
    stage.server.reload();
    stage.key(&account, json!({}));
    let messages = stage.get("/webhooks/messages").expect(200).json();
    assert_eq!(messages["data"].as_array().map(Vec::len), Some(4), "{messages}");
    assert_eq!(first.heard().len(), 2);
}

/// A secret changes while the file stays as it was, or beside all else that stays: it is told as a change, by its section alone.
#[test]
fn a_secret_that_changed_is_told_as_a_change() {
    const SECRETS: [&str; 2] = ["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "whsec_c3BlYWsgZnJpZW5kIGFuZCBlbnRlciwgbm93ISE="];
    let config = |secret: &str| format!("[webhooks.main]\nurl = \"https://example.com/\"\nsecret = {secret}\n");
    let text = |which: usize| config(&format!("\"{}\"", SECRETS[which]));
    let stage = Stage::with(&text(0));
    let write = |secret: &str| std::fs::write(stage.folder.path("secret.txt"), secret).unwrap();
    let differs = || stage.server.reload().contains("it differs in [webhooks]\n");
    assert!(!differs(), "nothing changed yet");
    stage.folder.rewrite(&text(1));
    assert!(differs(), "another text");
    write(SECRETS[1]);
    stage.folder.rewrite(&config("{ file = \"secret.txt\" }"));
    assert!(differs(), "another place");
    assert!(!differs());
    write(SECRETS[0]);
    assert!(differs(), "another file's content");
    let entries = eventually("the audit tells each", || {
        let entries = stage.get("/audit?action=config.taken").expect(200).json();
        let told = entries["data"].as_array().unwrap().iter().filter(|entry| entry["after"]["sections"] == json!(["webhooks"])).count();
        (told == 3).then_some(entries)
    });
    assert!(SECRETS.iter().all(|secret| !entries.to_string().contains(&secret[6..])), "{entries}");
}

#[test]
fn what_is_counted_goes_on() {
    let app = App::answering(|_| ok(""));
    let upstream = |more: &str| format!("[upstream]\nurl = \"{}\"\n{more}", app.url);
    let stage = Stage::with(&upstream(""));
    let (key, token) = (stage.raw_key("free"), stage.folder.token("metrics"));
    let counted = |name: &str| -> u64 {
        let text = stage.server.get("/auth/metrics", &token).expect(200).body;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let names = ["tollgate_upstream_requests_total{outcome=\"answered\"}", "tollgate_requests_total{verdict=\"ok\"}"];
    stage.server.get("/x", &key).expect(200);
    assert_eq!(names.map(counted), [1, 1]);
    stage.folder.rewrite(&upstream("max_idle = 3\n"));
    stage.server.reload();
    stage.server.get("/x", &key).expect(200);
    assert_eq!(names.map(counted), [2, 2]);
}
