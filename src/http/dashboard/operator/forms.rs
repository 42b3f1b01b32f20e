//! What the operator's forms have in common: the revision that they were shown with, boxes that are ticked, and what is shown once.

use std::borrow::Borrow;

use askama::Template;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::domain::act::{Act, Expected};
use crate::domain::caller::Overrides;
use crate::domain::error::Error;
use crate::domain::key::PlainKey;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::shell::Shell;
use crate::http::dashboard::show::page;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// An act that expects what it changes to be as the form was shown with it. A form that does not say expects what is never so.
pub fn act_on(call: &Call, form: &Form) -> Result<Act, Unreadable> {
    let expected = Expected::Revisions(form.text("revision").parse().into_iter().collect());
    Ok(Act { expected, ..call.act()? })
}

/// What a form says: fields of `names`, null where they were left empty, and boxes, ticked or not.
pub fn body(form: &Form, names: &[&str], boxes: &[&str]) -> Value {
    let mut body = form.json(names, &[]);
    for name in names.iter().filter(|name| form.text(name).is_empty()) {
        body[*name] = Value::Null;
    }
    for name in boxes {
        body[*name] = (!form.text(name).is_empty()).into();
    }
    body
}

/// What a field names, and is not there, is a fault of that field.
pub fn named<T>(field: &str, done: Result<T, Error>) -> Result<T, Error> {
    done.map_err(|error| match error {
        Error::NotFound(_) => Error::field(field, error.outer()),
        error => error,
    })
}

/// Overrides of limits: each of these names that stands in the form, null where it was left empty.
pub fn limits<'l>(form: &Form, names: impl Iterator<Item = &'l str>) -> Value {
    let of = |name: &str| {
        let typed = form.text(&format!("limits.{name}")).trim();
        if typed.is_empty() { Value::Null } else { typed.parse::<u64>().map_or_else(|_| json!(typed), |number| json!(number)) }
    };
    names.map(|name| (name.to_owned(), of(name))).collect::<Map<_, _>>().into()
}

/// Only what is to be another than it is: what a form merely repeats may be what nobody could set any more.
pub fn changed(mut body: Value, held: &Value) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.retain(|name, value| {
            if value.is_object() {
                *value = changed(value.take(), &held[name.as_str()]);
            }
            *value != held[name.as_str()] && *value != json!({})
        });
    }
    body
}

impl Typed {
    /// Whether a box is ticked: as it was sent, or as it is held.
    pub fn ticked(&self, name: &str, held: impl Borrow<bool>) -> bool {
        if self.given("revision").is_some() { self.given(name).is_some() } else { *held.borrow() }
    }

    /// What stands in the field of an override.
    pub fn limit_held(&self, name: &str, held: &Overrides) -> String {
        let held = || held.get(name).map(u64::to_string).unwrap_or_default();
        self.given(&format!("limits.{name}")).map_or_else(held, str::to_owned)
    }

    /// What is wrong with it.
    pub fn limit_wrong(&self, name: &str) -> Option<&str> {
        self.fault(&format!("limits.{name}"))
    }
}

/// The limits that any plan has, each by its name, once.
pub fn limit_names(call: &Call) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for limit in call.front.services.policy.plans.all().iter().flat_map(|plan| &plan.limits) {
        if names.iter().all(|name| **name != *limit.name) {
            names.push(limit.name.to_string());
        }
    }
    names
}

/// Something that is shown once: a raw key, a raw service token.
#[derive(Template)]
#[template(path = "admin_once.html")]
struct OncePage<'a> {
    s: Shell,
    title: &'a str,
    plain: Option<String>,
    /// What it belongs to: its page, below `admin/`.
    place: String,
    name: &'a str,
}

/// The page that shows it.
pub fn show_once(
    call: &Call,
    tab: &'static str,
    title: &str,
    plain: Option<PlainKey>,
    place: String,
    name: &str,
) -> Result<Response, Unreadable> {
    let plain = plain.map(|plain| plain.expose().to_owned());
    page(StatusCode::CREATED, &OncePage { s: Shell::of(call, tab), title, plain, place, name })
}
