//! `POST /auth/v1/balance`: the app charges what a request cost in tokens, or credits.

use http::StatusCode;

use crate::domain::error::{Error, FieldFault};
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;

/// How long a reason may be, in bytes.
const LONGEST_REASON: usize = 500;

/// Charges (negative) or credits, once for each `Idempotency-Key`; 402 where the balance does not cover it.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let once = call.once("balance", &body)?;
    let mut fields = Fields::new(body)?;
    let (account, tokens, reason) = (fields.text("account"), fields.tokens("tokens"), fields.text("reason"));
    if reason.is_some_and(|reason| reason.len() > LONGEST_REASON) {
        fields.fault("reason", format!("must have at most {LONGEST_REASON} bytes"));
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
    let (Some(account), Some(tokens), true) = (account, tokens, faults.is_empty()) else { return Err(Error::Invalid(faults).into()) };
    let changed = call.front.services.move_tokens(&account, tokens, once, call.now).await?;
    Ok(response::json(StatusCode::OK, &views::account(&changed)))
}
