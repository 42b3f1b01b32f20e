//! What is wrong with `[mail]` and `[sms]`, all of it at once, and no secret in it.

use super::*;

#[test]
fn what_is_wrong_is_told_by_its_key() {
    let from = "from = \"a@example.com\"\n";
    for (config, key, says) in [
        ("[mail]\nsmtp_url = \"smtp://u:hush@mail.example.com?tls=none\"\nFROM".to_owned(), "mail.smtp_url", "in the clear"),
        ("[mail]\nsmtp_url = \"http://u:hush@mail.example.com\"\nFROM".into(), "mail.smtp_url", "smtp://"),
        ("[mail]\nsmtp_url = \"smtp://127.0.0.1:25\"".into(), "mail.from", "must be given"),
        ("[mail]\nfrom = \"nobody\"".into(), "mail.from", "is no address"),
        ("[mail]\nfrom = \"a@b@example.com\"".into(), "mail.from", "is no address"),
        ("[mail]\nreply_to = \"x, y@example.com\"".into(), "mail.reply_to", "is no address"),
        ("[mail]\nsmtp_url = { file = \"nowhere.txt\" }\nFROM".into(), "mail.smtp_url", "cannot be read"),
        ("[mail]\nsmtp_url = \"smtp://127.0.0.1\"\nca = \"authority.pem\"\nFROM".into(), "mail.ca", "authority.pem"),
        ("[mail]\nretries = [\"5\"]".into(), "mail.retries[0]", "length"),
        ("[mail]\nsmtp_ulr = \"x\"".into(), "mail.smtp_ulr", "smtp_url"),
        ("[sms]\nurl = \"http://sms.example.com/?key=hush\"".into(), "sms.url", "in the clear"),
        ("[sms]\nurl = \"https://sms.example.com/\"\nbody = '{\"to\": \"{phone}\"}'".into(), "sms.body", "{text} or {code}"),
        ("[sms]\nurl = \"https://sms.example.com/\"\nmethod = \"GET\"".into(), "sms.url", "its query must hold"),
        ("[sms]\nbody = '{\"to\": \"{fone}\"}'".into(), "sms.body", "{phone}"),
        ("[sms]\nbody = 'to={phone}'".into(), "sms.body", "not JSON"),
        ("[sms]\nbody = '{\"to\": {phone}}'".into(), "sms.body", "stands in quotes"),
        ("[sms]\nbody = '{{\"to\": \"{phone}\"}}'".into(), "sms.body", "within a text alone"),
        ("[sms]\nsuccess = [200, 99]".into(), "sms.success", "holds '99'"),
        ("[mail]\nsmtp_url = \"smtp://u:hush#x@mail.example.com\"\nFROM".into(), "mail.smtp_url", "%23 for #"),
        ("[sms]\ncontent_type = \"application/xml\"".into(), "sms.content_type", "application/json"),
        ("[sms]\nmethod = \"DELETE\"".into(), "sms.method", "GET, POST or PUT"),
        ("[sms]\nsuccess = [500]".into(), "sms.success", "200 to 399"),
        ("[sms.headers]\nHost = \"x\"".into(), "sms.headers.Host", "no header that can be set"),
        ("[sms.headers]\nAuthorization = \"hush\\nX: y\"".into(), "sms.headers.Authorization", "no header may hold"),
        ("[sms.headers]\nAuthorization = { env = \"NOWHERE\" }".into(), "sms.headers.Authorization", "no variable"),
        ("[history]\nmails = \"1h\"".into(), "history.mails", "from 1d"),
    ] {
        let folder = Folder::with(&config.replace("FROM", from));
        let output = folder.run(&["validate", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let faults = told["faults"].as_array().unwrap();
        assert!(faults.iter().any(|fault| fault["key"] == key && text(&fault["message"]).contains(says)), "{config}\n{told:#}");
        assert_eq!(faults.len(), 1, "{config}\n{told:#}");
        assert!(!format!("{output:?}").contains("hush"), "{config}\n{output:?}");
    }
}

#[test]
fn all_of_it_is_told_at_once() {
    let folder =
        Folder::with("[mail]\nsmtp_url = \"x\"\nfrom = \"y\"\nretries = [\"z\"]\n[sms]\nurl = \"x\"\nmethod = \"y\"\nsuccess = \"z\"");
    let told: Value = serde_json::from_slice(&folder.run(&["validate", "--json"]).stdout).unwrap();
    let mut keys: Vec<String> = told["faults"].as_array().unwrap().iter().map(|fault| text(&fault["key"])).collect();
    keys.sort();
    assert_eq!(keys, ["mail.from", "mail.retries[0]", "mail.smtp_url", "sms.method", "sms.success", "sms.url"]);
}

#[test]
fn a_secret_that_is_named_and_not_there_is_told_and_keeps_nothing_from_starting() {
    let config = r#"
[sign_in.telegram]
bot_token = "abc"
[sign_in.google]
client_id = "x"
client_secret = { env = "NOPE" }
redirect_uris = ["https://app.example.com/"]
[[sign_in.oidc]]
name = "house"
issuer = "https://login.example.com"
client_id = "x"
redirect_uris = ["https://app.example.com/"]
"#;
    let folder = Folder::with(config);
    let warned = [
        ("sign_in.telegram.bot_token", "BotFather"),
        ("sign_in.google.client_secret", "NOPE"),
        ("sign_in.oidc[0].client_secret", "not set"),
    ];
    let told = folder.json(&["validate"]);
    let warnings = told["warnings"].as_array().unwrap();
    assert_eq!((told["valid"] == true, warnings.len()), (true, 3), "{told:#}");
    for (key, says) in warned {
        assert!(warnings.iter().any(|warning| warning["key"] == key && text(&warning["message"]).contains(says)), "{key}: {told:#}");
    }
    let for_people = String::from_utf8(folder.run(&["validate"]).stdout).unwrap();
    assert!(for_people.contains("NOPE") && for_people.contains("is valid"), "{for_people}");
    let doctor: Value = serde_json::from_slice(&folder.run(&["doctor", "--json"]).stdout).unwrap();
    let check = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "sign_in").expect("there is a check");
    assert_eq!(check["outcome"], "warning");
    let log = folder.serve().log();
    for (key, says) in warned {
        assert!(text(&check["detail"]).contains(key), "{check:#}");
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(key) && line.contains(says)), "{log}");
    }
    assert!(Folder::new().json(&["validate"])["warnings"].as_array().unwrap().is_empty());
}

#[test]
fn how_people_are_written_to_is_told() {
    for (config, says) in [
        (String::new(), Some("stand in the log")),
        ("[sms]\nurl = \"https://sms.example.com/\"\n".into(), Some("[mail] names no server")),
        (config("smtp://127.0.0.1:1", ""), Some("[sms] names no gateway")),
        (config("smtp://127.0.0.1:1", "[sms]\nurl = \"https://sms.example.com/\"\n"), None),
        ("[sign_in]\nenabled = false\n".into(), None),
    ] {
        let folder = Folder::with(&config);
        let notes = folder.json(&["validate"])["notes"].clone();
        let Some(says) = says else {
            assert_eq!(notes, json!([]), "{config}");
            continue;
        };
        let note = text(&notes[0]);
        assert!(note.contains(says), "{config}: {note}");
        let server = folder.serve();
        eventually("the start says so", || server.log().contains(&note).then_some(()));
    }
}
