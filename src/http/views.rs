//! Records and decisions as JSON.

use serde_json::{Value, json};

use crate::domain::decision::Decision;
use crate::domain::time::Timestamp;
use crate::service::Services;
pub use crate::service::views::{account, application, audit, invitation, key, member, movement, page, token, user};
use crate::service::webhooks::Endpoint;
use crate::store::mails::Mail;
use crate::store::outbox::Message;
use crate::style::Answer;

/// An endpoint, without its secret.
pub fn webhook(endpoint: &Endpoint) -> Value {
    let webhook = endpoint.webhook.as_ref();
    json!({
        "name": endpoint.count.endpoint,
        "url": webhook.map(|webhook| webhook.address.shown()),
        "events": webhook.map(|webhook| webhook.events.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "allow_private": webhook.map(|webhook| webhook.allow_private),
        "retries": webhook.map(|webhook| webhook.retries.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "waiting": endpoint.count.waiting,
        "given_up": endpoint.count.given_up,
    })
}

/// A message, with what was, or is to be, sent.
pub fn message(message: &Message) -> Value {
    json!({
        "id": message.id,
        "endpoint": message.endpoint,
        "event": message.event,
        "state": message.state().name(),
        "tries": message.tries,
        "created_at": message.created_at.rfc3339_millis(),
        "due_at": message.due_at.map(Timestamp::rfc3339_millis),
        "taken_at": message.taken_at.map(Timestamp::rfc3339_millis),
        "fault": message.fault,
        "body": serde_json::from_str::<Value>(&message.body).ok(),
    })
}

/// A mail or an SMS, without what stands in it.
pub fn mail(mail: &Mail) -> Value {
    json!({
        "id": mail.id,
        "channel": mail.channel.name(),
        "address": mail.address,
        "template": mail.template.name(),
        "state": mail.state().name(),
        "tries": mail.tries,
        "created_at": mail.created_at.rfc3339_millis(),
        "due_at": mail.due_at.map(Timestamp::rfc3339_millis),
        "taken_at": mail.taken_at.map(Timestamp::rfc3339_millis),
        "fault": mail.fault,
    })
}

/// A decision, as `verify` answers it.
pub fn decision(decision: &Decision, answer: &Answer, services: &Services, request_id: &str) -> Value {
    let caller = decision.caller.as_deref();
    let key = caller.and_then(|caller| caller.key.as_ref()).map(|key| {
        json!({
            "id": key.id,
            "name": key.name,
            "prefix": key.prefix,
            "environment": key.environment,
            "scopes": key.scopes,
            "metadata": key.metadata,
            "expires_at": key.expires_at.map(Timestamp::rfc3339),
        })
    });
    let account = caller.and_then(|caller| caller.account.as_ref()).map(|account| {
        let plan = &account.plan_at(&services.policy.plans, decision.at).name;
        json!({ "id": account.id, "name": account.name, "plan": plan, "balance": decision.balance.unwrap_or(0) })
    });
    let limits = decision.standings.iter().filter_map(|standing| {
        let limit = decision.limit(standing)?;
        Some(json!({
            "name": &*limit.name,
            "window": limit.per.to_string(),
            "requests": limit.requests,
            "remaining": standing.remaining,
            "reset": standing.reset.seconds_up(),
            "exceeded": standing.exceeded,
        }))
    });
    json!({
        "valid": decision.verdict.passes(),
        "verdict": decision.verdict.name(),
        "message": services.policy.style.message(decision, request_id),
        "retry_after": decision.retry_after(),
        "key": key,
        "account": account,
        "user": caller.and_then(|caller| caller.user.as_ref()).map(|user| json!({ "id": user.id, "name": user.name, "email": user.email })),
        "limits": limits.collect::<Vec<_>>(),
        "answer": ready(answer),
    })
}

/// An answer of the style, ready to send. A header that is there twice stands once, its values joined.
fn ready(answer: &Answer) -> Value {
    let mut headers = serde_json::Map::new();
    for name in answer.headers.keys() {
        let values: Vec<_> =
            answer.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        headers.insert(title_case(name.as_str()), values.join(", ").into());
    }
    json!({ "status": answer.status.as_u16(), "headers": headers, "body": String::from_utf8_lossy(&answer.body) })
}

/// `retry-after` → `Retry-After`: as people write it; on the wire the case means nothing.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "www" => "WWW".to_owned(),
        "ratelimit" => "RateLimit".to_owned(),
        _ => word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect(),
    });
    words.collect::<Vec<_>>().join("-")
}
