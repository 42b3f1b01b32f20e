//! The examples on the page, taken out of it and run: with the key and the address in their variables, and nothing else.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{APIS, Api, blocks, markdown, section};
use crate::support::app::{App, ok};
use crate::support::person::Person;
use crate::support::server::text;
use crate::support::{Folder, Stage};

const LANGUAGES: [(&str, &str); 3] = [("sh", "sh"), ("js", "node"), ("python", "python3")];

/// An API before a tiny app.
struct Shop<'a> {
    api: &'a Api,
    app: App,
    stage: Stage,
    /// The variable that the page's examples take the key from.
    variable: String,
    page: String,
}

impl<'a> Shop<'a> {
    fn of(api: &'a Api) -> Self {
        let app = App::answering(|_| ok("hello from the app"));
        let stage = Stage::of(Folder::with_file(&api.config()).variable("TOLLGATE_UPSTREAM__URL", &app.url));
        let page = markdown(&stage.server);
        let exported = blocks(section(&page, "Examples"), "sh")[0];
        let variable = exported.strip_prefix("export ").and_then(|rest| rest.split_once('=')).expect("it exports").0.to_owned();
        Self { api, app, stage, variable, page }
    }

    fn key(&self, limits: Value) -> String {
        let account = self.stage.account(json!({ "plan": self.api.plan, "balance": 100, "limits": limits }));
        text(&self.stage.key(&account, json!({}))["key"])
    }

    /// What an example prints.
    fn run(&self, language: &str, program: &str, key: &str) -> String {
        let found = blocks(section(&self.page, "Examples"), language);
        let code = found.last().unwrap_or_else(|| panic!("{}: no example in {language}", self.api.name));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(format!("example.{language}"));
        std::fs::write(&file, code).unwrap();
        let mut command = Command::new(program);
        command.arg(&file).env(&self.variable, key).env("API_URL", format!("http://{}", self.stage.server.address)).env("NO_PROXY", "*");
        let output = command.output().unwrap_or_else(|error| panic!("{program} does not run: {error}"));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} in {language}: {out}\n{err}\n{code}", self.api.name);
        out.into_owned()
    }
}

#[test]
fn they_work_when_pasted() {
    for api in &APIS {
        let shop = Shop::of(api);
        let key = shop.key(json!({}));
        for (language, program) in LANGUAGES {
            let before = shop.app.heard().len();
            let out = shop.run(language, program, &key);
            let of_app = shop.app.heard().len() > before;
            // Without a path of its own the example asks what the key may do.
            let sound = if of_app { out.contains("hello from the app") } else { out.contains(&format!("\"plan\":\"{}\"", api.plan)) };
            assert!(sound && out.contains("200"), "{} in {language}: {out}", api.name);
            let wrong = shop.run(language, program, "wrong");
            assert!(wrong.contains("401") && !wrong.contains("hello"), "{} in {language}: {wrong}", api.name);
        }
    }
}

#[test]
fn a_refusal_is_waited_for() {
    for api in APIS.iter().filter(|api| ["lumyx", "ilumiera"].contains(&api.name)) {
        let shop = Shop::of(api);
        for (language, program) in LANGUAGES {
            // A request every two seconds, all of them used up.
            let key = shop.key(json!({ "minute": 30 }));
            assert_eq!(shop.stage.verify(&json!({ "key": key, "cost": 30 }))["verdict"], "ok");
            let (began, before) = (Instant::now(), shop.app.heard().len());
            let out = shop.run(language, program, &key);
            assert!(out.contains("200") && out.contains("hello from the app"), "{} in {language}: {out}", api.name);
            assert!(began.elapsed() >= Duration::from_secs(1), "{} in {language} waited {:?}", api.name, began.elapsed());
            assert_eq!(shop.app.heard().len(), before + 1, "{} in {language}: it passed once", api.name);
        }
    }
}

#[test]
fn what_opens_too_late_is_not_waited_for() {
    let api = APIS.iter().find(|api| api.name == "elestrals").expect("it is there");
    let shop = Shop::of(api);
    let key = shop.key(json!({ "month": 1 }));
    assert_eq!(shop.stage.verify(&json!({ "key": key }))["verdict"], "ok");
    for (language, program) in LANGUAGES {
        let began = Instant::now();
        let out = shop.run(language, program, &key);
        assert!(out.contains("429") && out.contains("quota_exceeded"), "{language}: {out}");
        assert!(began.elapsed() < Duration::from_secs(20), "{language}: it told at once");
    }
}

#[test]
fn a_key_is_got_by_api_as_the_page_says() {
    for (agreement, calls) in [("", 1), ("[sign_in.agreement]\nversion = \"it's \\\"$HOME\\\"\"\n", 2)] {
        let stage = Stage::with(agreement);
        let page = markdown(&stage.server);
        let code = blocks(section(&page, "Getting a key"), "sh")[0];
        assert_eq!(code.matches("curl").count(), calls, "{code}");
        let person = Person::new(&stage);
        let mut command = Command::new("sh");
        command.args(["-c", code]).env("API_URL", format!("http://{}", stage.server.address)).env("NO_PROXY", "*");
        command.env("ACCESS_TOKEN", &person.access).env("ACCOUNT", &person.account);
        let output = command.output().expect("sh runs");
        let out = String::from_utf8_lossy(&output.stdout);
        let keys = person.get("/keys").expect(200).json()["data"].clone();
        assert_eq!(keys.as_array().map(Vec::len), Some(1), "{out}");
        let key = out.split("\"key\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a raw key");
        stage.server.handed_out(key);
        assert_eq!(stage.verify(&json!({ "key": key }))["verdict"], "ok");
    }
}
