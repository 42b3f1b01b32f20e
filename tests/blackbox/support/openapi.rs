//! Holds answers against the OpenAPI document: the status, the media type, the headers, and each field of the body. Stricter than a
//! client would be: a field that the document does not know is a fault.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Folder, Reply};

/// A document, as `tollgate openapi` prints it.
pub struct Document(pub Value);

/// That of the default configuration.
static USUAL: LazyLock<Document> = LazyLock::new(|| Document::of(&Folder::new()));

/// The methods that an operation can stand under.
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

/// Holds an answer of tollgate's own against the default configuration's document. What is not in it, or what the style tells, is not
/// looked at.
#[track_caller]
pub fn hold(method: &str, path: &str, reply: &Reply) {
    let is_styled =
        ["/auth/v1/me", "/auth/v1/check"].iter().any(|begin| path.starts_with(begin)) || reply.body.contains("\"verdict\":\"ambiguous\"");
    if let Some((_, operation)) = USUAL.find(method, path).filter(|_| !is_styled && reply.status != 405) {
        USUAL.hold(operation, &format!("{method} {path}"), reply);
    }
}

impl Document {
    /// That of a folder's configuration.
    pub fn of(folder: &Folder) -> Self {
        let output = folder.run(&["openapi"]);
        assert!(output.status.success(), "{output:?}");
        Self(serde_json::from_slice(&output.stdout).expect("it prints JSON"))
    }

    /// Every operation: method, path, and what the document says of it.
    pub fn operations(&self) -> Vec<(&'static str, &str, &Value)> {
        let paths = self.0["paths"].as_object().expect("there are paths");
        paths
            .iter()
            .flat_map(|(path, item)| METHODS.iter().filter_map(move |method| Some((*method, path.as_str(), item.get(method)?))))
            .collect()
    }

    /// The operation that a request is of, with its path as it stands in the document.
    pub fn find(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let path = path.split('?').next().unwrap_or_default();
        let fits = |template: &str| {
            let (wanted, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            wanted.len() == given.len() && wanted.iter().zip(given).all(|(wanted, given)| *wanted == given || wanted.starts_with('{'))
        };
        let mut found: Vec<_> =
            self.operations().into_iter().filter(|(own, template, _)| own.eq_ignore_ascii_case(method) && fits(template)).collect();
        // What is spelled out goes before what stands for anything.
        found.sort_by_key(|(_, template, _)| template.matches('{').count());
        found.first().map(|(_, template, operation)| (*template, *operation))
    }

    /// Holds an answer against an operation.
    #[track_caller]
    pub fn hold(&self, operation: &Value, what: &str, reply: &Reply) {
        let answer = &operation["responses"][reply.status.to_string()];
        assert!(!answer.is_null(), "{what}: the document does not know {}: {reply:?}", reply.status);
        let answer = self.resolved(answer);
        for (name, header) in answer["headers"].as_object().into_iter().flatten() {
            let is_required = self.resolved(header)["required"] == true;
            assert!(!is_required || reply.header(name).is_some(), "{what}: {name} is missing: {reply:?}");
        }
        let media = reply.header("Content-Type").map(|media| media.split(';').next().unwrap_or_default().to_owned());
        let Some(contents) = answer["content"].as_object() else {
            assert_eq!((media, &*reply.body), (None, ""), "{what}: {reply:?}");
            return;
        };
        let content = media.as_deref().and_then(|media| contents.get(media));
        let content = content.unwrap_or_else(|| panic!("{what}: the document does not know {media:?} of {}: {reply:?}", reply.status));
        if media.is_some_and(|media| media.ends_with("json")) {
            let faults = self.faults(&content["schema"], &reply.json(), "");
            assert!(faults.is_empty(), "{what}: {faults:?} in {reply:?}");
        }
    }

    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str() {
            Some(pointer) => self.0.pointer(&pointer[1..]).unwrap_or_else(|| panic!("{pointer} leads nowhere")),
            None => value,
        }
    }

    /// What is wrong with a value, and where.
    pub fn faults(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let mut faults = self.faults_but_unknown(schema, value, at);
        if let (Value::Object(map), Some(known)) = (value, self.known(schema)) {
            let unknown = map.keys().filter(|name| !known.contains_key(*name));
            faults.extend(unknown.map(|name| format!("{at}.{name} is not in the schema")));
        }
        faults
    }

    /// The fields that an object may have; `None`: any.
    fn known(&self, schema: &Value) -> Option<Map<String, Value>> {
        let mut known = schema["properties"].as_object().cloned();
        if schema.get("$ref").is_some() {
            known = Some(known.unwrap_or_default().into_iter().chain(self.known(self.resolved(schema))?).collect());
        }
        known.filter(|_| schema.get("additionalProperties").is_none_or(|more| *more == false))
    }

    fn faults_but_unknown(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut unless = |sound: bool, wanted: &Value| {
            if !sound {
                faults.push(format!("{at} is {value}, and not {wanted}"));
            }
        };
        for keyword in schema.as_object().into_iter().flat_map(Map::keys) {
            let wanted = &schema[keyword];
            match keyword.as_str() {
                "type" => {
                    unless(wanted.as_array().map_or_else(|| is_of(value, wanted), |all| all.iter().any(|one| is_of(value, one))), wanted)
                }
                "enum" => unless(wanted.as_array().is_some_and(|all| all.contains(value)), wanted),
                "const" => unless(wanted == value, wanted),
                "minimum" => unless(value.as_f64().zip(wanted.as_f64()).is_none_or(|(value, least)| value >= least), wanted),
                "maximum" => unless(value.as_f64().zip(wanted.as_f64()).is_none_or(|(value, most)| value <= most), wanted),
                "format" if wanted == "date-time" => {
                    unless(value.as_str().is_none_or(|text| text.parse::<jiff::Timestamp>().is_ok()), wanted);
                }
                _ => {}
            }
        }
        if schema.get("$ref").is_some() {
            faults.extend(self.faults_but_unknown(self.resolved(schema), value, at));
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = schema[keyword].as_array();
            if branches.is_some_and(|branches| branches.iter().all(|branch| !self.faults(branch, value, at).is_empty())) {
                faults.push(format!("{at} is none of {keyword}: {:?}", branches.map(|branches| self.faults(&branches[0], value, at))));
            }
        }
        if let Value::Object(map) = value {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            faults.extend(required.filter(|name| !map.contains_key(*name)).map(|name| format!("{at}.{name} is missing")));
            for (name, field) in map {
                let of_field =
                    schema["properties"].get(name).or_else(|| schema.get("additionalProperties").filter(|more| more.is_object()));
                if let Some(of_field) = of_field {
                    faults.extend(self.faults(of_field, field, &format!("{at}.{name}")));
                }
            }
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(of_item) = schema.get("items") {
                faults.extend(self.faults(of_item, item, &format!("{at}[{index}]")));
            }
        }
        faults
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        other => panic!("what is a {other:?}?"),
    }
}
