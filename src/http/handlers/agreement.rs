//! The agreement: what it is, and that somebody accepts it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::config::sign_in::Agreement;
use crate::domain::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// Which version is asked for, where it can be read, and whether whoever asks with an access token has accepted it; nulls where there
/// is none.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let agreement = services.policy.sign_in.agreement.as_ref();
    let signed_in = match call.bearer() {
        Some(token) => services.signed_in(token, call.now).await?,
        None => None,
    };
    let user = signed_in.as_ref().and_then(|known| known.caller().user.as_ref());
    let accepted = match (agreement, user) {
        (Some(agreement), Some(user)) => Some(services.has_accepted(user.id, agreement).await?),
        _ => None,
    };
    Ok(response::json(StatusCode::OK, &view(agreement, accepted)))
}

/// Accepts it.
pub async fn accept(mut call: Call) -> Result<Response, Unreadable> {
    let mut fields = Fields::new(call.json().await?)?;
    let version = fields.given("version", |text| Ok::<_, String>(text.to_owned()));
    fields.finish()?;
    let version = version.ok_or_else(|| Error::field("version", "must be given"))?;
    let agreement = call.front.services.accept_agreement(&version, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &view(Some(&agreement), Some(true))))
}

fn view(agreement: Option<&Agreement>, accepted: Option<bool>) -> Value {
    let url = agreement.map(|agreement| agreement.url.as_str()).filter(|url| !url.is_empty());
    json!({ "version": agreement.map(|agreement| &agreement.version), "url": url, "accepted": accepted })
}
