//! `POST /auth/v1/balance`: the app charges what a request cost in tokens, or credits.

use http::StatusCode;
use serde_json::Value;

use crate::domain::error::{Error, FieldFault};
use crate::domain::id;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::balance::Move;

/// How long a reason may be, in bytes.
const LONGEST_REASON: usize = 500;

/// Charges (negative) or credits, once for each `Idempotency-Key`; 402 where the balance does not cover it.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let once = call.once("balance", &body)?;
    let wanted = read(&call, body)?;
    let changed = call.front.services.move_tokens(wanted, once, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::account(&changed)))
}

/// What is to be charged or credited.
pub fn read(call: &Call, body: Value) -> Result<Move, Error> {
    let mut fields = Fields::new(body)?;
    let (account, tokens, reason) = (fields.text("account"), fields.tokens("tokens"), fields.text("reason"));
    if let Some(Err(message)) = reason.as_deref().map(|reason| check_reason(reason, call)) {
        fields.fault("reason", message);
    }
    if tokens == Some(0) {
        fields.fault("tokens", "must not be 0");
    }
    let mut faults = fields.into_faults();
    for (field, missing) in [("account", account.is_none()), ("tokens", tokens.is_none())] {
        if missing && faults.iter().all(|fault| fault.field != field) {
            faults.push(FieldFault { field: field.into(), message: "must be given".into() });
        }
    }
    let (Some(account), Some(tokens), true) = (account, tokens, faults.is_empty()) else { return Err(Error::Invalid(faults)) };
    Ok(Move { account, tokens, reason: reason.unwrap_or_default() })
}

fn check_reason(reason: &str, call: &Call) -> Result<(), String> {
    if reason.len() > LONGEST_REASON || reason.chars().any(char::is_control) {
        return Err(format!("must have at most {LONGEST_REASON} bytes, and no control characters"));
    }
    let is_secret = call.front.services.policy.holds_secret(reason);
    if is_secret { Err("holds a raw key or token, which is kept nowhere".into()) } else { Ok(()) }
}

/// A page of an account's movements, newest first.
pub async fn history(call: Call) -> Result<Response, Unreadable> {
    let ask = call.page(id::BALANCE, &[])?;
    let page = call.front.services.movements(&call.id, ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::movement)))
}
