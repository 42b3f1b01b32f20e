//! Service tokens, for whoever administrates.

use http::StatusCode;
use serde_json::Value;

use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenScope;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::tokens::TokenInput;

/// A page of tokens.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let ask = call.page(id::TOKEN, &[])?;
    let page = call.front.services.tokens(ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::token)))
}

/// Makes one. The raw token is in this answer, and in no other.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let once = call.once("token", &body)?;
    let input = read(Fields::new(body)?, call.now);
    let (record, plain) = call.front.services.create_token(input, once, &call.act()?).await?;
    let mut view = views::token(&record);
    if let (Value::Object(map), Some(plain)) = (&mut view, &plain) {
        map.shift_insert(1, "token".into(), plain.expose().into());
    }
    Ok(response::json(StatusCode::CREATED, &view))
}

/// The fields are named as in the record; `scope` and `expires` are what the command line calls them.
pub fn read(mut fields: Fields, now: Timestamp) -> TokenInput {
    fields.also_called("scopes", "scope");
    fields.also_called("expires_at", "expires");
    let scopes = fields.texts("scopes").unwrap_or_default();
    let mut known = Vec::new();
    for scope in scopes {
        match TokenScope::from_name(&scope) {
            Some(scope) if !known.contains(&scope) => known.push(scope),
            Some(_) => {}
            None => fields.fault("scopes", format!("'{scope}' is no scope of a service token: there are verify, admin, metrics")),
        }
    }
    let mut input = TokenInput {
        name: fields.text("name"),
        scopes: known,
        account: fields.text("account"),
        expires_at: fields.end("expires_at", now).flatten(),
        faults: Vec::new(),
    };
    input.faults = fields.into_faults();
    input
}

/// Revokes one; again does no harm.
pub async fn revoke(call: Call) -> Result<Response, Unreadable> {
    call.front.services.revoke_token(&call.id, &call.act()?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
