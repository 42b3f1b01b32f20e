//! What the configuration knows of the document: names, addresses, credentials, refusals.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::Policy;
use crate::domain::carrier::Carrier;
use crate::domain::event::Event;
use crate::domain::limit::MOST;
use crate::domain::verdict::Verdict;

/// Fills in what is data.
pub fn fill(document: &mut Value, policy: &Policy) {
    let server = if policy.server.public_url.is_empty() { "/" } else { policy.server.public_url.as_str() };
    document["servers"] = json!([{ "url": server }]);
    let components = &mut document["components"];
    for (name, scheme) in credentials(policy) {
        components["securitySchemes"][name] = scheme;
    }
    let most = policy.server.max_body_bytes;
    components["responses"]["TooLarge"]["description"] = format!("The body is over {most} bytes.").into();
    let schemas = &mut components["schemas"];
    let plans = policy.plans.all();
    schemas["PlanName"]["enum"] = names(plans.iter().map(|plan| plan.name.as_str()));
    schemas["EnvironmentName"]["enum"] = names(policy.keys.environments.all().iter().map(|environment| environment.name.as_str()));
    let by_gate = Verdict::ALL.iter().filter(|verdict| **verdict <= Verdict::Unavailable || verdict.passes());
    schemas["Verdict"]["enum"] = names(by_gate.map(|verdict| verdict.name()));
    schemas["UsageVerdict"]["enum"] = names(Verdict::ALL.iter().map(|verdict| verdict.name()));
    schemas["Action"]["enum"] = names(Event::ALL.iter().map(|event| event.name()));
    let limits = limits(policy);
    schemas["LimitChanges"]["example"] =
        limits.iter().take(1).map(|(name, schema)| (name.clone(), schema["minimum"].clone())).collect::<Map<_, _>>().into();
    schemas["LimitChanges"]["properties"] = limits.into();
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> Value {
    names.map(Value::from).collect::<Vec<_>>().into()
}

/// Each limit of a plan, and within what it may be set.
fn limits(policy: &Policy) -> Map<String, Value> {
    let all = policy.plans.all().iter().flat_map(|plan| &plan.limits);
    all.map(|limit| {
        let range = policy.keys.ranges.iter().find(|range| *range.name == *limit.name);
        let (least, most) = range.map_or((1, MOST), |range| (range.minimum, range.maximum));
        (limit.name.to_string(), json!({ "type": ["integer", "null"], "minimum": least, "maximum": most }))
    })
    .collect()
}

/// Where a client's own credential may stand: a name for each carrier, and how a document tells of it.
pub fn credentials(policy: &Policy) -> impl Iterator<Item = (String, Value)> {
    let schemes = policy.keys.carriers.iter().enumerate();
    schemes.map(|(index, carrier)| (format!("key_{}", index + 1), credential(carrier)))
}

fn credential(carrier: &Carrier) -> Value {
    match carrier {
        Carrier::Bearer => json!({ "type": "http", "scheme": "bearer", "description": "An API key." }),
        Carrier::Header(name) => json!({ "type": "apiKey", "in": "header", "name": name.as_str(), "description": "An API key." }),
        Carrier::BasicUser => {
            json!({ "type": "http", "scheme": "basic", "description": "An API key as the user; the password does not matter." })
        }
        Carrier::BasicPassword => {
            json!({ "type": "http", "scheme": "basic", "description": "An API key as the password; the user does not matter." })
        }
        Carrier::Scheme(name) => {
            json!({ "type": "http", "scheme": name, "description": format!("An API key: `Authorization: {name} …`.") })
        }
        Carrier::Query(name) => json!({ "type": "apiKey", "in": "query", "name": name, "description": "An API key." }),
    }
}

/// Adds what verdicts are told as, each status once, beside tollgate's own answer of that status. With `bad_request` may stand the
/// status of what is wrong in no field.
pub fn add_refusals(answers: &mut BTreeMap<String, Value>, verdicts: &[(Verdict, Option<u16>)], policy: &Policy) {
    let mut told: BTreeMap<(u16, &str), Vec<&str>> = BTreeMap::new();
    for (verdict, status) in verdicts {
        // What is asked with a key is told as the gate does, and what is asked by users as the sign-in does.
        let by_gate = policy.style.told_as(*verdict).filter(|_| status.is_none());
        for (status, media) in by_gate.chain(policy.style.told_on_the_way_in(*verdict, *status)) {
            let names = told.entry((status.as_u16(), media)).or_default();
            if !names.contains(&verdict.name()) {
                names.push(verdict.name());
            }
        }
    }
    for ((status, media), verdicts) in told {
        let answer = answers.entry(status.to_string()).or_insert(Value::Null);
        if answer.get("content").is_none() {
            let own = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
            // Where the style uses the same type, its body is the style's to choose.
            *answer = json!({ "description": "As the style says it:", "content": if answer.is_null() { json!({}) } else { own } });
        }
        let description = format!("{} `{}`", answer["description"].as_str().unwrap_or_default(), verdicts.join("`, `"));
        answer["description"] = description.into();
        let is_json = media.to_ascii_lowercase().contains("json");
        answer["content"][media] = json!({ "schema": if is_json { json!({}) } else { json!({ "type": "string" }) } });
        if verdicts
            .iter()
            .any(|name| Verdict::from_name(name).is_some_and(|verdict| verdict.by_limit() || verdict == Verdict::TooManyTries))
        {
            answer["headers"]["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" });
        }
    }
}
