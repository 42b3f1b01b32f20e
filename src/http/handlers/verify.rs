//! `POST /auth/v1/verify`: the app asks about a credential that it was given.

use std::net::IpAddr;

use http::StatusCode;
use serde_json::Value;

use crate::domain::address::canonical;
use crate::domain::balance;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::limit::MOST;
use crate::domain::path::{Ambiguous, split};
use crate::domain::time::Timestamp;
use crate::http::fields::Fields;
use crate::http::note;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::ask::{Ask, Credential, Mode, Wants};

/// How many asks one request may hold.
const MOST_ASKS: usize = 100;

/// One ask, as sent.
struct Sent {
    key: Option<String>,
    token: Option<String>,
    method: String,
    path: Option<String>,
    ip: Option<String>,
    scopes: Vec<String>,
    plans: Vec<String>,
    cost: Option<u64>,
    tokens: Option<u64>,
    dry_run: bool,
}

/// One ask or a list; one answer or a list, in its order.
pub async fn verify(mut call: Call) -> Result<Response, Unreadable> {
    let answer = match call.json().await? {
        Value::Array(asks) if asks.len() > MOST_ASKS => {
            return Err(Error::field("body", format!("must hold at most {MOST_ASKS} asks")).into());
        }
        Value::Array(asks) => {
            // All are read before any is decided: a list with a wrong ask charges nothing.
            let asks = read_all(asks)?;
            let mut answers = Vec::with_capacity(asks.len());
            for ask in &asks {
                answers.push(decide(&call, ask).await);
            }
            Value::Array(answers)
        }
        ask => decide(&call, &read(ask)?).await,
    };
    Ok(response::json(StatusCode::OK, &answer))
}

fn read_all(asks: Vec<Value>) -> Result<Vec<Sent>> {
    let (mut read_asks, mut faults) = (Vec::with_capacity(asks.len()), Vec::new());
    for (index, ask) in asks.into_iter().enumerate() {
        match read(ask) {
            Ok(ask) => read_asks.push(ask),
            Err(Error::Invalid(more)) => {
                faults.extend(more.into_iter().map(|fault| FieldFault { field: format!("[{index}].{}", fault.field), ..fault }))
            }
            Err(other) => return Err(other),
        }
    }
    if faults.is_empty() { Ok(read_asks) } else { Err(Error::Invalid(faults)) }
}

fn read(ask: Value) -> Result<Sent> {
    let mut fields = Fields::new(ask)?;
    let sent = Sent {
        key: fields.text("key"),
        token: fields.text("token"),
        method: fields.text("method").unwrap_or_else(|| "GET".into()),
        path: fields.text("path"),
        ip: fields.text("ip"),
        scopes: fields.texts("scopes").unwrap_or_default(),
        plans: fields.texts("plans").unwrap_or_default(),
        cost: fields.number("cost", MOST),
        tokens: fields.number("tokens", balance::MOST as u64),
        dry_run: fields.flag("dry_run").unwrap_or(false),
    };
    if sent.key.is_some() && sent.token.is_some() {
        fields.fault("token", "stands beside a key: ask about one of them");
    }
    if http::Method::from_bytes(sent.method.as_bytes()).is_err() {
        fields.fault("method", "is no method");
    }
    fields.finish()?;
    Ok(sent)
}

async fn decide(call: &Call, sent: &Sent) -> Value {
    let (path, query) = match sent.path.as_deref().map(split) {
        Some((path, query)) => (Some(path), query),
        None => (None, None),
    };
    let ask = Ask {
        request_id: &call.request_id,
        method: &sent.method,
        path,
        query,
        credential: match (&sent.key, &sent.token) {
            (Some(key), _) => Credential::Key(key),
            (None, Some(token)) => Credential::Token(token),
            (None, None) => Credential::None,
        },
        client: sent.ip.as_deref().map(|text| text.parse::<IpAddr>().map(canonical).map_err(|_| Ambiguous)).transpose(),
        is_https: None,
        is_preflight: false,
        only: call.actor.bound_to(),
        wants: Wants { scopes: &sent.scopes, plans: &sent.plans, cost: sent.cost, tokens: sent.tokens },
        mode: if sent.dry_run { Mode::Look } else { Mode::Charge },
    };
    // Each ask of a list at its own time: one before it may have waited.
    let decision = call.front.services.decide(&ask, Timestamp::now()).await;
    // Of a list, the last.
    note::decided(&decision);
    let answer = call.front.services.policy.style.answer(&decision, &call.request_id);
    views::decision(&decision, &answer, &call.front.services, &call.request_id)
}
