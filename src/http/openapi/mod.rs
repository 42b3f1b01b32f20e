//! The OpenAPI document: what outsiders can ask of tollgate's own paths. `frame.json`, `paths.json` and `schemas.json` are its source,
//! kept by hand; what the table of paths, or the configuration, knows already is added here.

mod policy;

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::endpoints::{Access, ENDPOINTS, Endpoint, SIGN_IN};
use crate::config::Policy;
use crate::domain::verdict::Verdict;

const FRAME: &str = include_str!("frame.json");
const PATHS: &str = include_str!("paths.json");
const SIGN_IN_PATHS: &str = include_str!("sign_in.json");
const SCHEMAS: &str = include_str!("schemas.json");

/// What the operations of one method are called in a document. One that takes any method stands there as GET.
fn name_of(method: Option<&Method>) -> String {
    method.map_or_else(|| "get".to_owned(), |method| method.as_str().to_ascii_lowercase())
}

/// Whether outsiders can ask for it.
fn is_public(endpoint: &Endpoint) -> bool {
    endpoint.access != Access::Operator
}

/// The document of a configuration.
pub fn document(policy: &Policy) -> Value {
    let mut document = part(FRAME);
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["components"]["schemas"] = part(SCHEMAS);
    let mut paths = Map::new();
    add_paths(&mut paths, PATHS, ENDPOINTS, &policy.server.prefix, policy);
    if policy.sign_in.enabled {
        add_paths(&mut paths, SIGN_IN_PATHS, SIGN_IN, &policy.sign_in.base_path, policy);
    }
    document["paths"] = paths.into();
    policy::fill(&mut document, policy);
    name_every_answer(&mut document);
    document
}

/// Adds the paths of a table below where they lie. One that lies below both bases has the methods of both.
fn add_paths(all: &mut Map<String, Value>, source: &str, table: &[Endpoint], base: &str, policy: &Policy) {
    let mut paths = part(source);
    for endpoint in table.iter().filter(|endpoint| is_public(endpoint)) {
        if let Some(operation) = paths.get_mut(endpoint.path).and_then(|path| path.get_mut(name_of(endpoint.method.as_ref()))) {
            complete(operation, endpoint, policy);
        }
    }
    for (path, item) in into_map(paths) {
        let known = all.entry(format!("{base}{path}")).or_insert_with(|| json!({}));
        into_map(item).into_iter().for_each(|(method, operation)| known[method] = operation);
    }
}

/// A part of the source; that each can be read is tested.
fn part(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn reference(response: &str) -> Value {
    json!({ "$ref": format!("#/components/responses/{response}") })
}

/// Adds who may call, and the answers that come of that, of a body and of parameters.
fn complete(operation: &mut Value, endpoint: &Endpoint, policy: &Policy) {
    let mut answers: BTreeMap<String, Value> = into_map(operation["responses"].take()).into_iter().collect();
    let mut add = |status: u16, response: &str| {
        answers.entry(status.to_string()).or_insert_with(|| reference(response));
    };
    let styled = told_by_style(endpoint);
    if endpoint.is_of_sign_in() {
        operation["security"] = match endpoint.access {
            Access::User => json!([{ "access_token": [] }]),
            // Signing out again does no harm.
            _ if endpoint.path == "/auth/logout" => json!([{ "refresh_cookie": [] }, { "access_token": [] }, {}]),
            // A page says that nobody is signed in.
            _ if endpoint.path == "/auth/join" => json!([{ "refresh_cookie": [] }, {}]),
            _ if BY_COOKIE.contains(&endpoint.path) => json!([{ "refresh_cookie": [] }]),
            _ if BY_ANY.contains(&endpoint.path) => {
                let keys = policy::credentials(policy).map(|(name, _)| json!({ name: [] }));
                std::iter::once(json!({ "access_token": [] })).chain(keys).collect::<Vec<_>>().into()
            }
            _ => json!([]),
        };
    } else if endpoint.access == Access::User {
        operation["security"] = json!([{ "access_token": [] }]);
        [(403, "MayNot"), (500, "Fault")].into_iter().for_each(|(status, name)| add(status, name));
    } else if let Access::Shared(_) = endpoint.access {
        operation["security"] = json!([{ "service_token": ["admin"] }, { "access_token": [] }]);
        [(401, "NoToken"), (403, "MayNot"), (500, "Fault")].into_iter().for_each(|(status, name)| add(status, name));
    } else if let Access::Token(scope) | Access::Unbound(scope) = endpoint.access {
        operation["security"] = json!([{ "service_token": [scope.name()] }]);
        [(401, "NoToken"), (403, "MayNot"), (500, "Fault")].into_iter().for_each(|(status, name)| add(status, name));
    } else if styled.is_empty() && !endpoint.path.starts_with("/v1/check") {
        operation["security"] = json!([]);
    } else {
        operation["security"] = policy::credentials(policy).map(|(name, _)| json!({ name: [] })).collect::<Vec<_>>().into();
    }
    if endpoint.is_of_sign_in() {
        // The style tells all of it, further below.
    } else if let Some(body) = operation.get("requestBody") {
        [(400, "Bad"), (408, "TooSlow"), (415, "WrongType")].into_iter().for_each(|(status, name)| add(status, name));
        // Rows may be as many as they are.
        if body.get("$ref").is_none() {
            add(413, "TooLarge");
        }
    }
    if operation.get("parameters").is_some() && !endpoint.is_of_sign_in() && !endpoint.path.starts_with("/v1/check") {
        add(400, "Bad");
    }
    let mut refused: Vec<_> = styled.into_iter().map(|verdict| (verdict, None)).collect();
    if endpoint.is_of_sign_in() {
        refused.extend(told_of_requests(&mut answers, operation.get("requestBody").is_some()));
    } else {
        answers.entry("503".into()).or_insert_with(|| reference("Unavailable"));
    }
    if endpoint.path.contains('{') && !endpoint.is_of_sign_in() {
        // A path that reads in two ways is none of tollgate's own: the gate refuses it.
        refused.push((Verdict::Ambiguous, None));
    }
    policy::add_refusals(&mut answers, &refused, policy);
    if endpoint.is_of_sign_in() && TOLD_BY_PAGE.iter().any(|end| endpoint.path.ends_with(end)) {
        for answer in answers.values_mut().filter(|answer| answer["content"].is_object()) {
            answer["content"]["text/html"] = json!({ "schema": { "type": "string" } });
        }
    }
    operation["responses"] = answers.into_iter().collect::<Map<_, _>>().into();
}

/// Where a browser is told of a refusal by a page.
const TOLD_BY_PAGE: [&str; 3] = ["/start", "/callback", "/join"];

/// What the style tells of requests that are wrong in no field, on the sign-in's paths; the answers so far name some of the statuses.
fn told_of_requests(answers: &mut BTreeMap<String, Value>, has_body: bool) -> Vec<(Verdict, Option<u16>)> {
    let is_told = |status: &u16, answer: &Value| *status >= 400 && answer.get("$ref").is_some();
    let mut statuses: Vec<u16> =
        answers.iter().filter_map(|(status, answer)| status.parse().ok().filter(|status| is_told(status, answer))).collect();
    statuses.iter().for_each(|status| drop(answers.remove(&status.to_string())));
    statuses.push(403);
    let mut told = Vec::new();
    if has_body {
        statuses.extend([408, 415]);
        told.push((Verdict::TooLarge, None));
    }
    told.extend(statuses.into_iter().map(|status| (Verdict::BadRequest, Some(status))));
    told
}

/// What is asked for with the refresh cookie.
const BY_COOKIE: [&str; 2] = ["/auth/refresh", "/auth/logout"];

/// What is asked for with an access token and with a key alike.
const BY_ANY: [&str; 2] = ["/user/me", "/balance"];

/// The verdicts that an operation tells as the style has them.
fn told_by_style(endpoint: &Endpoint) -> Vec<Verdict> {
    let by_gate = Verdict::ALL.iter().copied().filter(|verdict| *verdict <= Verdict::Unavailable);
    let on_the_way_in = [Verdict::Missing, Verdict::Unknown, Verdict::Disabled, Verdict::Unavailable, Verdict::Internal];
    match endpoint.path {
        path if endpoint.is_of_sign_in() && !(BY_ANY.contains(&path) && endpoint.method == Some(Method::GET)) => {
            on_the_way_in.into_iter().chain(Verdict::ALL.iter().copied().filter(|verdict| verdict.is_of_sign_in())).collect()
        }
        "/user/me" | "/balance" if endpoint.is_of_sign_in() => {
            by_gate.filter(|verdict| !(Verdict::WrongPlan..=Verdict::RateLimited).contains(verdict)).chain([Verdict::Internal]).collect()
        }
        path if endpoint.access == Access::User || matches!(endpoint.access, Access::Shared(_)) => {
            let is_new_key = endpoint.method == Some(Method::POST) && path.starts_with("/v1/keys");
            let is_bounded = endpoint.method != Some(Method::GET);
            let more = [(is_new_key, Verdict::AgreementNeeded), (is_bounded, Verdict::TooManyTries)];
            let more = more.into_iter().filter_map(|(is_told, verdict)| is_told.then_some(verdict));
            of_users(endpoint.access).iter().copied().chain(more).collect()
        }
        // What has an SMS sent.
        "/v1/users" | "/v1/users/{id}" | "/v1/mails/test" | "/v1/mails/{id}/retry"
            if [Some(Method::POST), Some(Method::PATCH)].contains(&endpoint.method) =>
        {
            vec![Verdict::TooManyTries]
        }
        "/v1/check" | "/v1/check/answer" => by_gate.collect(),
        // On any plan, whatever is left.
        "/v1/me" | "/v1/me/usage" => by_gate.filter(|verdict| !(Verdict::WrongPlan..=Verdict::RateLimited).contains(verdict)).collect(),
        _ => Vec::new(),
    }
}

/// What a user is told who is not let in; without any credential somebody is asked for a service token where that would do.
const fn of_users(access: Access) -> &'static [Verdict] {
    match access {
        Access::User => &[Verdict::Missing, Verdict::Unknown, Verdict::Disabled, Verdict::Unavailable],
        _ => &[Verdict::Unknown, Verdict::Disabled, Verdict::Unavailable],
    }
}

/// Every answer tells which request it belongs to.
fn name_every_answer(document: &mut Value) {
    let name = json!({ "$ref": "#/components/headers/RequestId" });
    let shared = document["components"]["responses"].as_object_mut().into_iter().flat_map(Map::values_mut);
    shared.for_each(|response| response["headers"]["X-Request-Id"] = name.clone());
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    let responses = operations.flat_map(Map::values_mut).filter_map(|operation| operation.get_mut("responses")?.as_object_mut());
    let own = responses.flat_map(Map::values_mut).filter(|response| response.get("$ref").is_none());
    own.for_each(|response| response["headers"]["X-Request-Id"] = name.clone());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn documented() -> BTreeSet<(String, String)> {
        let read = |text| serde_json::from_str::<Map<String, Value>>(text).expect("the paths can be read");
        let paths = read(PATHS).into_iter().chain(read(SIGN_IN_PATHS));
        let methods = |(path, item): (String, Value)| {
            let item = into_map(item).into_iter().map(|(method, _)| method).filter(|method| method != "parameters");
            item.map(|method| (path.clone(), method)).collect::<Vec<_>>()
        };
        paths.flat_map(methods).collect()
    }

    #[test]
    fn every_path_for_outsiders_is_in_it_and_no_other() {
        let real: BTreeSet<_> = ENDPOINTS
            .iter()
            .chain(SIGN_IN)
            .filter(|endpoint| is_public(endpoint))
            .map(|endpoint| (endpoint.path.to_owned(), name_of(endpoint.method.as_ref())))
            .collect();
        let documented = documented();
        let missing: Vec<_> = real.difference(&documented).collect();
        assert!(missing.is_empty(), "openapi/paths.json lacks {missing:?}");
        let invented: Vec<_> = documented.difference(&real).collect();
        assert!(invented.is_empty(), "openapi/paths.json has what is not there: {invented:?}");
    }

    /// Every `$ref` of a value.
    fn references(value: &Value) -> Vec<String> {
        match value {
            Value::Object(map) => map
                .iter()
                .flat_map(|(name, value)| if name == "$ref" { vec![value.as_str().expect("a text").to_owned()] } else { references(value) })
                .collect(),
            Value::Array(items) => items.iter().flat_map(references).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_part_is_there_and_of_use() {
        let document = document(&Policy::load(None).expect("the defaults are sound"));
        let used: BTreeSet<_> = references(&document).into_iter().collect();
        for pointer in &used {
            assert!(document.pointer(&pointer[1..]).is_some(), "{pointer} leads nowhere");
        }
        for kind in ["parameters", "headers", "responses", "schemas"] {
            for name in document["components"][kind].as_object().expect("an object").keys() {
                assert!(used.contains(&format!("#/components/{kind}/{name}")), "{kind} {name} is used nowhere");
            }
        }
    }

    #[test]
    fn every_operation_says_who_may_call_and_what_comes_back() {
        let document = document(&Policy::load(None).expect("the defaults are sound"));
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("an object") {
            for (method, operation) in item.as_object().expect("an object").iter().filter(|(name, _)| *name != "parameters") {
                let what = format!("{method} {path}");
                assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{what}");
                assert!(operation["security"].is_array() && operation["summary"].is_string() && operation["tags"].is_array(), "{what}");
                let answers = operation["responses"].as_object().expect("an object");
                assert!(
                    answers.len() > 1 && answers.values().all(|answer| answer.get("$ref").is_some() || answer["description"].is_string()),
                    "{what}"
                );
            }
        }
    }
}
