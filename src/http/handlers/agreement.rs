//! The agreement: what it is, and that somebody accepts it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::config::sign_in::Agreement;
use crate::domain::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// Which version is asked for, and where it can be read; nulls where none is.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    Ok(response::json(StatusCode::OK, &view(call.front.services.policy.sign_in.agreement.as_ref())))
}

/// Accepts it.
pub async fn accept(mut call: Call) -> Result<Response, Unreadable> {
    let mut fields = Fields::new(call.json().await?)?;
    let version = fields.given("version", |text| Ok::<_, String>(text.to_owned()));
    fields.finish()?;
    let version = version.ok_or_else(|| Error::field("version", "must be given"))?;
    let agreement = call.front.services.accept_agreement(&version, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &view(Some(&agreement))))
}

fn view(agreement: Option<&Agreement>) -> Value {
    let url = agreement.map(|agreement| agreement.url.as_str()).filter(|url| !url.is_empty());
    json!({ "version": agreement.map(|agreement| &agreement.version), "url": url })
}
