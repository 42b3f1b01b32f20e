//! The API reference: the operations of the OpenAPI document that keys and signed-in users may ask for, as a page that is read.

use serde_json::Value;

use super::markdown::{Markdown, code, plain, target};
use super::words::{ENGLISH, Words};
use super::{Page, Section, fill};
use crate::config::Policy;

/// Whose an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Whoever has an API key.
    Key,
    /// Somebody who signs in, or has.
    SignIn,
    /// A user of themselves.
    User,
    /// Those who belong to an account, of that account.
    Account,
    /// Anybody.
    Anybody,
}

/// An operation of the document.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Whose it is.
    pub whose: Whose,
    /// `get`.
    pub method: String,
    /// As the document has it: `/auth/v1/keys/{id}`.
    pub path: String,
    /// Fields that are the operator's to set.
    pub not_theirs: Vec<&'static str>,
}

/// The page of these operations.
pub fn page(policy: &Policy, document: &Value, operations: &[Operation]) -> Page {
    let words = &ENGLISH;
    let parts = [
        (Whose::Key, "key", words.reference_key),
        (Whose::SignIn, "sign-in", words.reference_sign_in),
        (Whose::User, "user", words.reference_user),
        (Whose::Account, "account", words.reference_account),
        (Whose::Anybody, "anybody", words.reference_open),
    ];
    let section = |(whose, id, title): (Whose, &str, &str)| {
        let mut text = Markdown::default();
        for operation in operations.iter().filter(|operation| operation.whose == whose) {
            write(words, document, operation, &mut text);
        }
        (!text.is_empty()).then(|| Section { id: id.into(), title: title.into(), text: text.into_text() })
    };
    let own = |path: &str| target(&format!("{}{}{path}", policy.server.public_url, policy.server.prefix));
    let mut lead = Markdown::default();
    lead.paragraph(&[
        fill(words.reference_lead, &[("url", &own("/v1/openapi.json"))]),
        fill(words.reference_errors, &[("url", &own("/docs"))]),
        words.reference_needed.into(),
    ]);
    let title = policy.service_name().map_or_else(|| words.reference.to_owned(), |name| fill(words.reference_title, &[("name", &name)]));
    Page { title, lead: lead.into_text(), sections: parts.into_iter().filter_map(section).collect() }
}

fn write(words: &Words, document: &Value, operation: &Operation, text: &mut Markdown) {
    let item = &document["paths"][operation.path.as_str()];
    let told = &item[operation.method.as_str()];
    if told.is_null() {
        return;
    }
    text.heading(&plain(told["summary"].as_str().unwrap_or_default()));
    let line = code(&format!("{} {}", operation.method.to_uppercase(), operation.path));
    // The document's own sentences are Markdown already (OpenAPI 3.1, 4.8.10).
    text.paragraph(&[line, told["description"].as_str().unwrap_or_default().to_owned()]);
    let takes = takes(document, item, told, &operation.not_theirs);
    let answers = answers(document, told);
    let lines = [(words.reference_takes, takes), (words.reference_answers, answers)];
    let lines: Vec<String> =
        lines.into_iter().filter(|(_, what)| !what.is_empty()).map(|(title, what)| format!("{title}: {what}")).collect();
    text.list(&lines);
}

/// Parameters beyond the path's, and the body's fields; those that are needed come with a star.
fn takes(document: &Value, item: &Value, operation: &Value, not_theirs: &[&str]) -> String {
    let lists = [&item["parameters"], &operation["parameters"]];
    let parameters = lists.into_iter().flat_map(|list| list.as_array().into_iter().flatten()).map(|parameter| resolve(document, parameter));
    let named = parameters.filter(|parameter| parameter["in"] != "path").map(|parameter| {
        let star = if parameter["required"] == true { "\\*" } else { "" };
        format!(
            "{}{star}",
            code(&format!("{}{}", if parameter["in"] == "query" { "?" } else { "" }, parameter["name"].as_str().unwrap_or_default()))
        )
    });
    let body = resolve(document, &operation["requestBody"]);
    let schemas = body["content"].as_object().into_iter().flatten().map(|(_, media)| &media["schema"]);
    let fields = schemas.take(1).flat_map(|schema| fields(document, schema));
    let theirs = fields.filter(|(name, _)| !not_theirs.contains(&name.as_str()));
    named.chain(theirs.map(|(name, needed)| format!("{}{}", code(&name), if needed { "\\*" } else { "" }))).collect::<Vec<_>>().join(", ")
}

/// What comes back where it went well.
fn answers(document: &Value, operation: &Value) -> String {
    let well = |status: &str| status.starts_with('2') || status.starts_with('3');
    let answers = operation["responses"].as_object().into_iter().flatten().filter(|(status, _)| well(status));
    let told = answers.map(|(status, answer)| {
        let answer = resolve(document, answer);
        let schema = answer["content"]
            .as_object()
            .into_iter()
            .flatten()
            .find(|(media, _)| media.contains("json"))
            .map(|(_, media)| &media["schema"]);
        let names: Vec<String> =
            schema.map(|schema| fields(document, schema)).unwrap_or_default().into_iter().map(|(name, _)| code(&name)).collect();
        if names.is_empty() { status.clone() } else { format!("{status} {}", names.join(", ")) }
    });
    told.collect::<Vec<_>>().join("; ")
}

/// The fields of an object, or of the records in a list, and whether each is needed.
fn fields(document: &Value, schema: &Value) -> Vec<(String, bool)> {
    let mut found: Vec<(String, bool)> = Vec::new();
    gather(document, schema, &mut found, 0);
    found
}

/// How deep schemas may lie in each other.
const DEEPEST: usize = 6;

fn gather(document: &Value, schema: &Value, found: &mut Vec<(String, bool)>, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    if let Some(pointer) = schema["$ref"].as_str() {
        gather(document, at(document, pointer), found, depth + 1);
    }
    let several = ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|name| schema[name].as_array().into_iter().flatten());
    several.for_each(|part| gather(document, part, found, depth + 1));
    let needed: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for name in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.clone(), false));
        }
    }
    found.iter_mut().filter(|(name, _)| needed.contains(&name.as_str())).for_each(|(_, is_needed)| *is_needed = true);
}

fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    value["$ref"].as_str().map_or(value, |pointer| at(document, pointer))
}

fn at<'d>(document: &'d Value, pointer: &str) -> &'d Value {
    document.pointer(pointer.trim_start_matches('#')).unwrap_or(&Value::Null)
}
