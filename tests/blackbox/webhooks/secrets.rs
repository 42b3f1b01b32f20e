//! Secrets: given in four ways, shown in none; and what is told of a configuration that is wrong.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Takes one message, and fails unless it is signed.
#[track_caller]
fn takes_one(app: &App, stage: &Stage) {
    let account = stage.account(json!({}));
    // A server of another test may still send to where nobody listened before.
    let is_its = |heard: &Heard| heard.is_whole && String::from_utf8_lossy(&heard.body).contains(&account);
    signed(&eventually("its message", || app.heard().into_iter().find(is_its)));
}

#[test]
fn a_secret_may_stand_elsewhere() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let config = |secret: &str| format!("[webhooks.main]\nurl = \"{}\"\nallow_private = true\n{secret}\n", app.url);
    let folder = Folder::with(&config("secret = { file = \"secret.txt\" }"));
    std::fs::write(folder.path("secret.txt"), format!("{SECRET}\n")).unwrap();
    let bare = || Folder::with(&config(""));
    for folder in [
        folder,
        Folder::with(&config("secret = { env = \"HOOKS\" }")).variable("HOOKS", SECRET),
        bare().variable("TOLLGATE_WEBHOOKS__MAIN__SECRET", SECRET),
        bare().variable("TOLLGATE_WEBHOOKS__MAIN__SECRET__ENV", "HOOKS").variable("HOOKS", SECRET),
    ] {
        let before = app.heard().len();
        let stage = Stage::of(folder);
        stage.account(json!({}));
        wait_for(&app, before + 1);
        signed(&app.latest());
    }
}

/// The new one before the old one goes: whichever a receiver knows, it knows the message.
#[test]
fn a_message_is_signed_with_each_secret() {
    const NEW: &str = "whsec_bWVsbG9uLCBzYWlkIHRoZSB3aXphcmQgdG8gdGhlIGRvb3I=";
    let app = App::answering(|_| answer("200 OK", "", ""));
    let config = |secret: &str| format!("[webhooks.main]\nurl = \"{}\"\nallow_private = true\nsecret = {secret}\n", app.url);
    let new = STANDARD.decode(NEW.trim_start_matches("whsec_")).unwrap();
    let folder = Folder::with(&config(&format!("[{{ file = \"new.txt\" }}, \"{SECRET}\"]")));
    std::fs::write(folder.path("new.txt"), NEW).unwrap();
    let stage = Stage::of(folder);
    for (secret, keys) in [(None, vec![&new[..], KEY]), (Some(NEW), vec![&new[..]])] {
        if let Some(secret) = secret {
            stage.folder.rewrite(&config(&format!("\"{secret}\"")));
            stage.server.reload();
        }
        let before = app.heard().len();
        let account = stage.account(json!({}));
        let told = eventually("it is told", || app.heard().into_iter().skip(before).find(|heard| message(heard)["data"]["id"] == account));
        let content = [format!("{}.{}.", told.one("webhook-id"), told.one("webhook-timestamp")).as_bytes(), &told.body].concat();
        let expected: Vec<String> = keys.iter().map(|key| format!("v1,{}", STANDARD.encode(hmac(key, &content)))).collect();
        assert_eq!(told.one("webhook-signature"), expected.join(" "));
    }
}

#[test]
fn nothing_shows_it() {
    let bare = SECRET.trim_start_matches("whsec_");
    let app = App::answering(|_| answer("500 Internal Server Error", "", SECRET));
    let folder = Folder::with(&endpoint("main", &format!("{}/hush?token=hush", app.url), "retries = [\"100ms\"]"));
    let stage = Stage::of(folder.variable("TOLLGATE_LOG", "trace"));
    stage.account(json!({}));
    let given_up = wait_for_state(&stage, "given_up", |_| true);
    let mut told = vec![given_up.to_string(), stage.get("/webhooks").expect(200).body];
    let list = stage.folder.json(&["webhook", "list"]);
    assert_eq!(list["data"][0]["url"], app.url, "some receivers want a secret in the path, or the query");
    told.push(list.to_string());
    for arguments in [&["validate"][..], &["doctor"], &["webhook", "list"], &["webhook", "messages"], &["webhook", "test", SECRET]] {
        let output = stage.folder.run(arguments);
        told.push(format!("{arguments:?}: {output:?}"));
    }
    let (_, log) = stage.server.stop();
    told.push(log);
    for text in told.iter().filter(|text| !text.starts_with("[\"webhook\", \"test\"")) {
        assert!(!text.contains(bare) && !text.contains("hush"), "{text}");
    }
    let database = std::fs::read(stage.folder.database()).unwrap();
    assert!(!database.windows(bare.len()).any(|bytes| bytes == bare.as_bytes()), "nor does the database hold it");
}

#[test]
fn a_wrong_configuration_is_told_without_it() {
    let folder = Folder::with("");
    std::fs::write(folder.path("empty.txt"), "\n").unwrap();
    std::fs::write(folder.path("long.txt"), "x".repeat(100_000)).unwrap();
    let tail = "c3BlYWsgZnJpZW5k";
    let url = "url = \"https://example.com/\"\n";
    for (config, key, says) in [
        (format!("[webhooks.main]\n{url}"), "webhooks.main.secret", "must be given"),
        (format!("[webhooks.main]\n{url}secret = \"{tail}\""), "webhooks.main.secret", "whsec_"),
        (format!("[webhooks.main]\n{url}secret = \"whsec_{tail}\""), "webhooks.main.secret", "24 to 64 bytes"),
        (format!("[webhooks.main]\n{url}secret = \"whsec_{}\"", tail.repeat(8)), "webhooks.main.secret", "24 to 64 bytes"),
        (format!("[webhooks.main]\n{url}secret = []"), "webhooks.main.secret", "1 to 4"),
        (format!("[webhooks.main]\n{url}secret = [{}]", format!("\"{SECRET}\", ").repeat(5)), "webhooks.main.secret", "1 to 4"),
        (format!("[webhooks.main]\n{url}secret = [\"{SECRET}\", \"{tail}\"]"), "webhooks.main.secret", "24 to 64 bytes"),
        (format!("[webhooks.main]\n{url}secret = [\"{SECRET}\", [\"{SECRET}\"]]"), "webhooks.main.secret[1]", "{ file = "),
        (format!("[webhooks.main]\n{url}secret = [\"{SECRET}\", {{ file = \"empty.txt\" }}]"), "webhooks.main.secret[1]", "is empty"),
        (format!("[webhooks.main]\n{url}secret = {{ text = \"{SECRET}\" }}"), "webhooks.main.secret", "{ file = "),
        (format!("[webhooks.main]\n{url}secret = {{ file = \"a\", env = \"{tail}\" }}"), "webhooks.main.secret", "{ file = "),
        (format!("[webhooks.main]\n{url}secret = {{ file = \"nowhere.txt\" }}"), "webhooks.main.secret", "nowhere.txt"),
        (format!("[webhooks.main]\n{url}secret = {{ file = \"empty.txt\" }}"), "webhooks.main.secret", "is empty"),
        (format!("[webhooks.main]\n{url}secret = {{ file = \"long.txt\" }}"), "webhooks.main.secret", "longer than"),
        (format!("[webhooks.main]\n{url}secret = {{ env = \"NOWHERE\" }}"), "webhooks.main.secret", "NOWHERE"),
        (format!("[webhooks.main]\n{url}secret = \"\""), "webhooks.main.secret", "empty"),
        (format!("[webhooks.main]\n{url}secrt = \"{SECRET}\"\nsecret = \"{SECRET}\""), "webhooks.main.secrt", "did you mean"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}"), "", "line 3"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}\"\nsecret = \"{SECRET}\""), "", "line 4"),
        (format!("[webhooks.main]\nsecret = \"{SECRET}\""), "webhooks.main.url", "must be given"),
        (format!("[webhooks.main]\nsecret = \"{SECRET}\"\nurl = \"https://me:{tail}@example.com/\""), "webhooks.main.url", "names a user"),
        (format!("[webhooks.main]\nsecret = \"{SECRET}\"\nurl = \"https://example.com/#{tail}\""), "webhooks.main.url", "fragment"),
        (format!("[webhooks.main]\nsecret = \"{SECRET}\"\nurl = \"ftp://example.com/{tail}\""), "webhooks.main.url", "https://"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}\"\nevents = [\"key.revokd\"]"), "webhooks.main.events[0]", "key.revoked"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}\"\nevents = []"), "webhooks.main.events", "names none"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}\"\nretries = [\"5\"]"), "webhooks.main.retries[0]", "length"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}\"\nretries = [\"8d\"]"), "webhooks.main.retries[0]", "7d"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}\"\nca = \"empty.txt\""), "webhooks.main.ca", "no certificate"),
        (format!("[webhooks.main]\n{url}secret = \"{SECRET}\"\nallow_private = 1"), "webhooks.main.allow_private", "true or false"),
        (format!("[webhooks.Main]\n{url}secret = \"{SECRET}\""), "webhooks.Main", "is no name"),
        (format!("[webhooks]\nmain = \"{SECRET}\""), "webhooks.main", "must be a table"),
        ("[notices]\nquota = [0]".into(), "notices.quota", "1 to 100"),
        ("[notices]\nquota = 80".into(), "notices.quota", "a list"),
        ("[notices]\nexpiring = \"soon\"".into(), "notices.expiring", "length"),
        ("[notices]\nbalance_low = -1".into(), "notices.balance_low", "from 0"),
    ] {
        std::fs::write(folder.path("auth.toml"), &config).unwrap();
        let output = folder.run(&["validate", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let faults = told["faults"].as_array().unwrap();
        assert!(faults.iter().any(|fault| fault["key"] == key && text(&fault["message"]).contains(says)), "{config}\n{told:#}");
        assert_eq!(faults.len(), 1, "{config}\n{told:#}");
        assert!(!format!("{output:?}").contains(tail), "{config}\n{output:?}");
    }
}

#[test]
fn two_configurations_that_differ_in_it_alone_look_alike() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let folder = Folder::with(&endpoint("main", &app.url, ""));
    let server = folder.serve();
    let digest = || -> Value {
        let reply = crate::support::Request::get("/v1/state").send_unix(&folder.path("tollgate.db.sock"));
        reply.expect(200).json()["configuration"]["webhooks"].clone()
    };
    let first = digest();
    server.stop();
    let other = STANDARD.encode([7; 32]);
    std::fs::write(folder.path("auth.toml"), endpoint("main", &app.url, "").replace(SECRET, &format!("whsec_{other}"))).unwrap();
    let server = folder.serve();
    assert_eq!(digest(), first, "nothing can be learnt of a secret from a digest");
    server.stop();
    std::fs::write(folder.path("auth.toml"), endpoint("main", &app.url, "retries = []")).unwrap();
    let _server = folder.serve();
    assert_ne!(digest(), first, "of all else it can");
}

#[test]
fn doctor_looks_who_may_read_it() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let outcome = |folder: &Folder, file: &str, mode: u32| {
        std::fs::set_permissions(folder.path(file), std::fs::Permissions::from_mode(mode)).unwrap();
        let output = folder.run(&["doctor", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let check = told["checks"].as_array().unwrap().iter().find(|check| check["name"] == "config").unwrap().clone();
        (text(&check["outcome"]), check.to_string())
    };
    let folder = Folder::with(&endpoint("main", &app.url, ""));
    for (mode, expected) in [(0o600, "ok"), (0o640, "warning"), (0o644, "failed")] {
        let (outcome, told) = outcome(&folder, "auth.toml", mode);
        assert_eq!(outcome, expected, "{mode:o}: {told}");
        assert!(mode == 0o600 || told.contains("webhooks.main.secret") && told.contains("chmod 600"), "{told}");
    }
    let folder = Folder::with(&endpoint("main", &app.url, "").replace(&format!("\"{SECRET}\""), "{ file = \"secret.txt\" }"));
    std::fs::write(folder.path("secret.txt"), SECRET).unwrap();
    for (mode, expected) in [(0o600, "ok"), (0o440, "ok"), (0o644, "warning"), (0o666, "failed")] {
        let (outcome, told) = outcome(&folder, "secret.txt", mode);
        assert_eq!(outcome, expected, "{mode:o}: {told}");
    }
}

#[test]
fn the_default_is_taken_by_name_from_the_environment() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let folder = Folder::new()
        .variable("TOLLGATE_WEBHOOKS__BILLING__URL", &app.url)
        .variable("TOLLGATE_WEBHOOKS__BILLING__SECRET", SECRET)
        .variable("TOLLGATE_WEBHOOKS__BILLING__ALLOW_PRIVATE", "true");
    takes_one(&app, &Stage::of(folder));
}
