//! What the operator gives to the balance of an account, or takes from it, each time with a reason.

use serde_json::json;

use super::accounts::{back, show_account};
use crate::http::dashboard::form::Form;
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// `POST PREFIX/admin/accounts/{id}/balance`: credits, or charges what begins with a minus; once for each form.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let typed = form.text("tokens").trim();
    let tokens = typed.parse::<i64>().map_or_else(|_| json!(typed), |tokens| json!(tokens));
    let body = json!({ "account": call.id, "tokens": tokens, "reason": form.text("reason").trim() });
    let once = call.once_of("balance", form.text("once"), &body)?;
    let done = match handlers::balance::read(&call, body) {
        Ok(wanted) => call.front.services.move_tokens(wanted, once, &call.act()?).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, done)? {
        Ok(_) => back(&call, "balance"),
        Err((status, typed)) => show_account(&call, status, typed).await,
    }
}
