//! Signing in by others: `POST auth/google`, `auth/oidc/{name}` and `auth/telegram` for apps that hold the provider's word already;
//! `GET auth/{name}/start` and `/callback` for browsers that begin here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::Value;

use crate::domain::error::{Error, FieldFault};
use crate::domain::refusal::Refusal;
use crate::domain::telegram::{self, Login, Refused};
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::fields::Fields;
use crate::http::provider::{Code, Returned, Secrets, Source};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::Entered;

/// What sealed secrets of a browser are sealed as.
const SEALED_AS: &str = "sign-in begun";

/// How many seconds somebody may take at the provider.
const BEGUN_KEPT: u64 = 600;

/// `POST auth/google`.
pub async fn google(call: Call) -> Result<Response, Unreadable> {
    by_code(call, "google").await
}

/// `POST auth/oidc/{name}`.
pub async fn oidc(call: Call) -> Result<Response, Unreadable> {
    let name = call.id.clone();
    by_code(call, &name).await
}

async fn by_code(mut call: Call, name: &str) -> Result<Response, Unreadable> {
    let visit = call.visit()?;
    let source = source(&call, name)?;
    let mut fields = Fields::new(call.json().await?)?;
    let code = Code::read(&mut fields);
    fields.finish()?;
    let services = &call.front.services;
    let proven = source.exchange(code, call.now).await.map_err(|failed| failed.noted(name))?;
    let entered = services.sign_in_proven(proven, None, &visit).await?;
    Ok(super::entered(&call, entered))
}

/// `POST auth/telegram`: what the Login Widget says.
pub async fn telegram(mut call: Call) -> Result<Response, Unreadable> {
    let visit = call.visit()?;
    let Value::Object(fields) = call.json().await? else { return Err(Error::field("body", "must be a JSON object").into()) };
    let services = &call.front.services;
    let Some(key) = &services.policy.sign_in.providers.bot else { return Err(Error::refused(Verdict::NotConfigured).into()) };
    let Login { proven, hash, until } = telegram::prove(&fields, key, call.now).map_err(|refused| match refused {
        Refused::Fields(faults) => Error::from(Refusal::fields(faults)),
        Refused::Unknown(reason) => {
            tracing::info!("a payload of the Login Widget was refused: {reason}");
            Error::refused(Verdict::Unknown)
        }
    })?;
    let entered = services.sign_in_proven(proven, Some((hash, until)), &visit).await?;
    Ok(super::entered(&call, entered))
}

/// `GET auth/{name}/start`: sends the browser to the provider.
pub async fn start(call: Call) -> Result<Response, Unreadable> {
    let source = source(&call, &call.id)?;
    let mut query = call.query(&["return_to"]);
    let return_to = query.text("return_to").unwrap_or_else(|| "/".into());
    query.finish()?;
    let callback = callback_of(&call)?;
    let begun = source.begin(&callback, &return_to, call.now).await.map_err(|failed| failed.noted(&call.id))?;
    let told = serde_json::to_vec(&begun.secrets).map_err(|error| Error::Internal(error.to_string()))?;
    let sealed = BASE64.encode(call.front.services.sign_in.secret.seal(SEALED_AS, &told)?);
    let mut response = to(&begun.url)?;
    cookies::set_begun(&call, sealed, BEGUN_KEPT, response.headers_mut());
    Ok(response)
}

/// `GET auth/{name}/callback`: where the provider sends the browser back to.
pub async fn callback(call: Call) -> Result<Response, Unreadable> {
    let source = source(&call, &call.id)?;
    let returned = returned(&call)?;
    let secrets = begun(&call).ok_or_else(|| Error::refused(Verdict::Unknown))?;
    let return_to = secrets.return_to().to_owned();
    let proven = source.finish(secrets, returned, call.now).await.map_err(|failed| failed.noted(&call.id))?;
    // The browser comes from the provider's page: that is what state, and the cookie, were for.
    let visit = call.visit_from_anywhere()?;
    let entered = call.front.services.sign_in_proven(proven, None, &visit).await?;
    let mut response = to(&return_to)?;
    match &entered {
        Entered::SignedIn(signed_in) => cookies::set(&call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut()),
        Entered::SecondFactor(token) => cookies::set(&call, token, super::SECOND_FACTOR_KEPT, response.headers_mut()),
    }
    cookies::clear_begun(&call, response.headers_mut());
    Ok(response)
}

/// What comes back. Providers add parameters of their own; what stands there twice could be read in two ways.
fn returned(call: &Call) -> Result<Returned, Unreadable> {
    let mut returned = Returned::default();
    for (name, value) in form_urlencoded::parse(call.parts.uri.query().unwrap_or_default().as_bytes()) {
        let place = match &*name {
            "state" => &mut returned.state,
            "code" => &mut returned.code,
            "iss" => &mut returned.iss,
            "error" => &mut returned.error,
            _ => continue,
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(Error::field(&name, "stands there more than once").into());
        }
    }
    Ok(returned)
}

/// What this browser began.
fn begun(call: &Call) -> Option<Secrets> {
    let sealed = BASE64.decode(cookies::begun(call)?).ok()?;
    let told = call.front.services.sign_in.secret.open(SEALED_AS, &sealed).ok()?;
    serde_json::from_slice(&told).ok()
}

fn source(call: &Call, name: &str) -> Result<Arc<Source>, Unreadable> {
    let found = call.front.providers.get(name).cloned();
    found.ok_or_else(|| Error::NotFound("such provider in the configuration".into()).into())
}

/// Where the provider sends browsers back to.
fn callback_of(call: &Call) -> Result<String, Unreadable> {
    let policy = &call.front.services.policy;
    if policy.server.public_url.is_empty() {
        let faults =
            vec![FieldFault { field: "public_url".into(), message: "is not set, and a provider has to send people back to it".into() }];
        tracing::warn!("a browser cannot be sent to '{}': [server] public_url is not set", call.id);
        return Err(Error::from(Refusal { errors: faults, ..Refusal::of(Verdict::NotConfigured) }).into());
    }
    Ok(format!("{}{}/auth/{}/callback", policy.server.public_url, policy.sign_in.base_path, call.id))
}

/// Sends a browser on, by GET.
fn to(url: &str) -> Result<Response, Unreadable> {
    let mut response = response::empty(StatusCode::SEE_OTHER);
    let location = url.parse().map_err(|_| Error::Internal("a page's address cannot stand in a header".into()))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
