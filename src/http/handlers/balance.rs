//! `POST /auth/v1/balance`: the app charges what a request cost in tokens, or credits.

use http::StatusCode;

use crate::domain::balance::MOST;
use crate::domain::error::Error;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;

/// Charges (negative) or credits, once for each `Idempotency-Key`; 402 where the balance does not cover it.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let once = call.once("balance", &body)?;
    let mut fields = Fields::new(body)?;
    let (account, tokens, reason) = (fields.text("account"), fields.tokens("tokens"), fields.text("reason"));
    for (name, missing) in [("account", account.is_none()), ("tokens", tokens.is_none())] {
        if missing {
            fields.fault(name, "must be given");
        }
    }
    if reason.is_some_and(|reason| reason.len() > 500) {
        fields.fault("reason", "must have at most 500 bytes");
    }
    if tokens.is_some_and(|tokens| tokens == 0 || tokens.abs() > MOST) {
        fields.fault("tokens", "must not be 0");
    }
    fields.finish()?;
    let (Some(account), Some(tokens)) = (account, tokens) else { return Err(Error::field("account", "must be given").into()) };
    let changed = call.services.move_tokens(&account, tokens, once, call.now).await?;
    Ok(response::json(StatusCode::OK, &views::account(&changed)))
}
