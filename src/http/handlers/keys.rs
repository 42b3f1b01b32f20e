//! Keys, for whoever administrates.

use http::StatusCode;
use hyper::body::Body as _;
use serde_json::{Value, json};

use crate::domain::address::parse_range;
use crate::domain::caller::KeyRecord;
use crate::domain::error::{FieldFault, Result};
use crate::domain::id;
use crate::domain::time::{Span, Timestamp};
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::keys::{KeyInput, NewKey};

/// How long a rotated key lives on where nobody says.
const USUAL_GRACE: Span = Span::from_secs(7 * 86_400);

/// A page of keys.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, mut query) = call.paged(id::KEY, &["search", "account"]);
    let account = query.text("account");
    query.finish()?;
    let page = call.front.services.keys(account, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::key)))
}

/// Makes one. The raw key is in this answer, and in no other.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let once = call.once("key", &body)?;
    // A developer's own, where they name none.
    let own = call.actor.user().and(call.actor.bound_to());
    let (account, input) = read_new(Fields::new(body)?, own, call.now);
    let made = call.front.services.create_key(&account, input, once, &call.act()?).await?;
    Ok(new_key(&made))
}

/// What is said of a new key, and the account that it is for: `own` where none is named.
pub fn read_new(mut fields: Fields, own: Option<&str>, now: Timestamp) -> (String, KeyInput) {
    let account = fields.text("account").or_else(|| own.map(str::to_owned));
    let mut input = read(fields, now);
    if account.is_none() && input.faults.iter().all(|fault| fault.field != "account") {
        input.faults.push(FieldFault { field: "account".into(), message: "must be given".into() });
    }
    (account.unwrap_or_default(), input)
}

/// Shows one.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    Ok(shown(&call.front.services.key(&call.id, &call.act()?).await?))
}

/// Changes one.
pub async fn set(mut call: Call) -> Result<Response, Unreadable> {
    let input = read(Fields::new(call.json().await?)?, call.now);
    let record = call.front.services.set_key(&call.id, input, &call.conditional_act()?).await?;
    Ok(shown(&record))
}

/// Revokes one; again does no harm.
pub async fn revoke(call: Call) -> Result<Response, Unreadable> {
    call.front.services.revoke_key(&call.id, &call.conditional_act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Makes a new key in the place of an old one.
pub async fn rotate(mut call: Call) -> Result<Response, Unreadable> {
    let has_body = call.parts.headers.contains_key(http::header::CONTENT_TYPE) || !call.body.is_end_stream();
    let body = if has_body { call.json().await? } else { Value::Object(serde_json::Map::new()) };
    let once = call.once("rotation", &json!([call.id, body]))?;
    let mut fields = Fields::new(body)?;
    let grace = fields.parsed("grace", Span::parse).flatten().unwrap_or(USUAL_GRACE);
    fields.finish()?;
    let made = call.front.services.rotate_key(&call.id, grace, once, &call.conditional_act()?).await?;
    Ok(new_key(&made))
}

/// The record with the raw key after its id.
fn new_key(made: &NewKey) -> Response {
    let mut view = views::key(&made.record);
    if let (Value::Object(map), Some(plain)) = (&mut view, &made.plain) {
        map.shift_insert(1, "key".into(), plain.expose().into());
    }
    response::record(StatusCode::CREATED, &view, made.record.revision)
}

fn shown(record: &KeyRecord) -> Response {
    response::record(StatusCode::OK, &views::key(record), record.revision)
}

/// The fields are named as in the record; `scope`, `ip` and `expires` are what the command line calls them.
pub fn read(mut fields: Fields, now: Timestamp) -> KeyInput {
    for (name, other) in [("expires_at", "expires"), ("ips", "ip"), ("scopes", "scope")] {
        fields.also_called(name, other);
    }
    let expires_at = fields.end("expires_at", now);
    let texts = fields.texts("ips");
    let ips = texts.map(|texts| {
        let ranges = texts.iter().map(|text| parse_range(text).map_err(|fault| fields.fault("ips", fault)));
        ranges.collect::<Vec<_>>().into_iter().flatten().collect()
    });
    let mut input = KeyInput {
        name: fields.text("name"),
        environment: fields.text("environment"),
        plan: fields.nullable("plan", "a text", |value| value.as_str().map(str::to_owned)),
        limits: fields.limits(),
        scopes: fields.texts("scopes"),
        ips,
        expires_at,
        disabled: fields.flag("disabled"),
        metadata: fields.object("metadata"),
        faults: Vec::new(),
    };
    input.faults = fields.into_faults();
    input
}
