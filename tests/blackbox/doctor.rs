//! `tollgate doctor`: what it finds, what it leaves, and what it says of a machine and of a proxy that are broken in one way.

mod machine;
mod proxy;
mod real;
mod through;
mod tls;

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::Value;

use crate::support::Folder;
use crate::support::server::text;

/// What the doctor said: exactly one document, and nothing secret in it or in the log.
struct Told {
    code: Option<i32>,
    document: Value,
    log: String,
}

impl Told {
    #[track_caller]
    fn by(output: &Output) -> Self {
        let printed = String::from_utf8(output.stdout.clone()).unwrap();
        let log = String::from_utf8(output.stderr.clone()).unwrap();
        for secret in ["tg_live_", "tgs_", "Bearer "] {
            assert!(!printed.contains(secret) && !log.contains(secret), "{secret} in {printed}{log}");
        }
        assert!(!log.contains("panicked"), "{log}");
        let document = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("no one JSON document ({error}): {printed}{log}"));
        Self { code: output.status.code(), document, log }
    }

    /// In a folder, with these arguments.
    #[track_caller]
    fn of(folder: &Folder, more: &[&str]) -> Self {
        Self::by(&folder.run(&[&["doctor", "--json"], more].concat()))
    }

    #[track_caller]
    fn checks(&self) -> &[Value] {
        self.document["checks"].as_array().unwrap_or_else(|| panic!("no checks: {} {}", self.document, self.log))
    }

    /// A check by its name.
    #[track_caller]
    fn check(&self, name: &str) -> &Value {
        self.checks().iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {:#}", self.document))
    }

    /// The names of all that ended so.
    #[track_caller]
    fn ended(&self, outcome: &str) -> BTreeSet<String> {
        self.checks().iter().filter(|check| check["outcome"] == outcome).map(|check| text(&check["name"])).collect()
    }

    /// It is fit; each check has a name, an outcome and a line, and a fix only where there is something to mend.
    #[track_caller]
    fn expect_fit(&self) {
        assert_eq!((self.code, &self.document["fit"]), (Some(0), &Value::Bool(true)), "{:#}\n{}", self.document, self.log);
        self.expect_whole();
    }

    /// It is not fit, and these checks failed, each with a fix; no other did.
    #[track_caller]
    fn expect_failed(&self, names: &[&str]) {
        let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(self.ended("failed"), wanted, "{:#}\n{}", self.document, self.log);
        assert_eq!((self.code, &self.document["fit"]), (Some(1), &Value::Bool(false)), "{:#}", self.document);
        self.expect_whole();
    }

    #[track_caller]
    fn expect_whole(&self) {
        let names: Vec<&String> = self.document.as_object().unwrap().keys().collect();
        assert_eq!(names, ["fit", "server", "checks"]);
        for check in self.checks() {
            let names: Vec<&String> = check.as_object().unwrap().keys().collect();
            assert_eq!(names, ["name", "outcome", "detail", "fix"]);
            assert!(!text(&check["detail"]).is_empty() && !text(&check["detail"]).contains('\n'), "{check:#}");
            assert_eq!(check["fix"].is_null(), check["outcome"] == "ok", "{check:#}");
        }
    }
}

/// All of the doctor's keys are dead, and its account is switched off.
#[track_caller]
fn expect_taken_back(folder: &Folder) {
    let accounts = folder.json(&["account", "list", "--search", "tollgate doctor"]);
    let [account] = &accounts["data"].as_array().unwrap()[..] else { panic!("one account of the doctor's: {accounts:#}") };
    assert_eq!(account["disabled"], true, "{account:#}");
    let keys = folder.json(&["key", "list", "--account", account["id"].as_str().unwrap()]);
    let keys = keys["data"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(key["revoked_at"].is_string() && key["expires_at"].is_string(), "{key:#}");
    }
    assert!(!folder.path("tollgate.db.doctor").exists());
}
