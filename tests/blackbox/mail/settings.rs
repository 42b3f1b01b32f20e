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
        ("[sms]\nurl = \"https://sms.example.com/\"\nmethod = \"GET\"".into(), "sms.body", "query of url"),
        ("[sms]\nbody = '{\"to\": \"{fone}\"}'".into(), "sms.body", "{phone}"),
        ("[sms]\nbody = 'to={phone}'".into(), "sms.body", "not JSON"),
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
