//! Service tokens, for whoever administrates.

use http::StatusCode;
use serde_json::Value;

use crate::domain::id;
use crate::domain::token::TokenScope;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;

/// A page of tokens.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, _) = call.page(id::TOKEN, &[])?;
    let page = call.front.services.tokens(ask).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::token)))
}

/// Makes one. The raw token is in this answer, and in no other.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let mut fields = Fields::new(call.json().await?)?;
    let name = fields.text("name");
    fields.also_called("scopes", "scope");
    let scopes = fields.texts("scopes").unwrap_or_default();
    let mut known = Vec::new();
    for scope in scopes {
        match TokenScope::from_name(&scope) {
            Some(scope) if !known.contains(&scope) => known.push(scope),
            Some(_) => {}
            None => fields.fault("scopes", format!("'{scope}' is no scope of a service token: there are verify, admin, metrics")),
        }
    }
    fields.finish()?;
    let (record, plain) = call.front.services.create_token(name, known, call.now).await?;
    let mut view = views::token(&record);
    if let Value::Object(map) = &mut view {
        map.shift_insert(1, "token".into(), plain.expose().into());
    }
    Ok(response::json(StatusCode::CREATED, &view))
}

/// Revokes one; again does no harm.
pub async fn revoke(call: Call) -> Result<Response, Unreadable> {
    call.front.services.revoke_token(&call.id, call.now).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
