//! The operator's lists and pages: who is let in, what they show and export, and what each action does.

mod access;
mod actions;
mod lists;
mod people;

use serde_json::{Value, json};

use super::{QUICK, signed_in};
use crate::support::browser::{Browser, Page};
use crate::support::person::Person;
use crate::support::{Reply, Stage};

/// A plan for everybody, one that is granted by review, and passwords that are hashed quickly.
pub fn config(more: &str) -> String {
    let plans = "[[plans]]\nname = \"free\"\ndefault = true\nlimits = [{ requests = 60, per = \"minute\" }]\n[[plans]]\nname = \"elite\"\nunlimited = true\nreview = true\n";
    format!("{QUICK}{plans}{more}")
}

/// A browser in which an administrator is signed in.
#[track_caller]
pub fn operator(stage: &Stage) -> (Browser<'_>, Person<'_>) {
    let person = Person::with(stage, json!({ "admin": true, "name": "Root" }));
    (signed_in(stage, &person).0, person)
}

/// Sends fields to a place as a form of a page would, with its token where it has one.
#[track_caller]
fn post(browser: &Browser<'_>, stage: &Stage, page: Option<&Page>, path: &str, typed: &[(&str, &str)]) -> Reply {
    let token = page.and_then(|page| page.forms().into_iter().flat_map(|form| form.fields).find(|(name, _)| name == "form_token"));
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(token).extend_pairs(typed);
    stage.server.send(&browser.request("POST", path, Some(&body.finish())))
}

/// The rows of an export, each cell under its column's name.
#[track_caller]
fn exported(browser: &mut Browser<'_>, path: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let page = browser.open(path);
    assert_eq!(page.reply.status, 200, "{path}: {:?}", page.reply);
    assert!(page.reply.header("Content-Disposition").is_some_and(|file| file.ends_with(".csv\"")), "{path}");
    let mut reader = csv::Reader::from_reader(page.reply.body.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

/// The entries of the audit with this action, newest first.
#[track_caller]
pub fn audited(stage: &Stage, action: &str) -> Vec<Value> {
    let list = stage.get(&format!("/audit?action={action}&limit=1000")).expect(200).json();
    list["data"].as_array().expect("a list").clone()
}
