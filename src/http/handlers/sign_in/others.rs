//! Signing in by others: Telegram's Login Widget, and providers of OpenID Connect, with a code or by a browser that is sent there.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::entered;
use crate::domain::error::{Error, FieldFault};
use crate::domain::identity::Proven;
use crate::domain::refusal::Refusal;
use crate::domain::telegram::{self, Login, Refused};
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::fields::Fields;
use crate::http::provider::{Code, Failed, Returned, Secrets, Source};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::{Entered, Visit};

/// What seals what a browser keeps until it comes back.
const SEALED_AS: &str = "a sign-in that has begun";

const GOOGLE: &str = "google";
const TELEGRAM: &str = "telegram";

/// `POST auth/telegram`: what the Login Widget says.
pub async fn telegram(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let login = widget(&call, body)?;
    let signed_in = call.front.services.sign_in_proven(login.proven, Some((login.hash, login.until)), &visit).await?;
    Ok(entered(&call, signed_in))
}

/// Whom a payload of the widget proves.
pub fn widget(call: &Call, body: Value) -> Result<Login, Unreadable> {
    let bot = call.front.services.policy.sign_in.providers.bot.as_ref().ok_or_else(|| Error::refused(Verdict::NotConfigured))?;
    let Value::Object(fields) = body else { return Err(Error::field("body", "must be a JSON object").into()) };
    match telegram::prove(&fields, bot, call.now) {
        Ok(login) => Ok(login),
        Err(Refused::Fields(faults)) => Err(Error::from(Refusal::fields(faults)).into()),
        Err(Refused::Unknown(reason)) => Err(Failed::Unknown(reason.into()).noted(TELEGRAM).into()),
    }
}

/// `POST auth/google`: a code.
pub async fn google(call: Call) -> Result<Response, Unreadable> {
    exchange(call, GOOGLE).await
}

/// `POST auth/oidc/{id}`: a code of the provider of this name.
pub async fn oidc(call: Call) -> Result<Response, Unreadable> {
    let name = call.id.clone();
    exchange(call, &name).await
}

/// `GET auth/google/start`: sends the browser there.
pub async fn start_google(call: Call) -> Result<Response, Unreadable> {
    start(call, GOOGLE, "/auth/google").await
}

/// `GET auth/telegram/start`: sends the browser there.
pub async fn start_telegram(call: Call) -> Result<Response, Unreadable> {
    start(call, TELEGRAM, "/auth/telegram").await
}

/// `GET auth/oidc/{id}/start`: sends the browser there.
pub async fn start_oidc(call: Call) -> Result<Response, Unreadable> {
    let name = call.id.clone();
    start(call, &name, &format!("/auth/oidc/{name}")).await
}

/// `GET auth/google/callback`: the browser has come back.
pub async fn google_callback(call: Call) -> Result<Response, Unreadable> {
    callback(call, GOOGLE).await
}

/// `GET auth/telegram/callback`: the browser has come back.
pub async fn telegram_callback(call: Call) -> Result<Response, Unreadable> {
    callback(call, TELEGRAM).await
}

/// `GET auth/oidc/{id}/callback`: the browser has come back.
pub async fn oidc_callback(call: Call) -> Result<Response, Unreadable> {
    let name = call.id.clone();
    callback(call, &name).await
}

fn source(call: &Call, name: &str) -> Result<Arc<Source>, Unreadable> {
    let source = call.front.providers.get(name).cloned();
    source.ok_or_else(|| Error::refused(Verdict::NotConfigured).into())
}

async fn exchange(mut call: Call, name: &str) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let mut fields = Fields::new(body)?;
    let code = Code::read(&mut fields);
    fields.finish()?;
    let proven = by_code(&call, name, code, &visit).await?;
    let signed_in = call.front.services.sign_in_proven(proven, None, &visit).await?;
    Ok(entered(&call, signed_in))
}

/// Whom a provider proves for a code. A code that it does not know is a guess, and counts for the address that it came from.
pub async fn by_code(call: &Call, name: &str, code: Code, visit: &Visit) -> Result<Proven, Unreadable> {
    let source = source(call, name)?;
    let services = &call.front.services;
    let ticket = services.guess_at_provider(visit)?;
    let proven = source.exchange(code, call.now).await;
    if !matches!(proven, Err(Failed::Unknown(_))) {
        services.forgive(ticket);
    }
    proven.map_err(|failed| failed.noted(name).into())
}

async fn start(call: Call, name: &str, path: &str) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let mut query = call.query(&["return_to"]);
    let return_to = query.text("return_to").unwrap_or_else(|| "/".into());
    query.finish()?;
    let source = source(&call, name)?;
    let public_url = services.policy.server.public_url.trim_end_matches('/');
    if public_url.is_empty() {
        let missing = "[server] public_url is not set, so a provider would not know where to send people back to";
        return Err(Failed::NotConfigured(missing.into()).noted(name).into());
    }
    let redirect_uri = format!("{public_url}{}{path}/callback", services.policy.sign_in.base_path);
    let begun = source.begin(&redirect_uri, &return_to, call.now).await.map_err(|failed| failed.noted(name))?;
    let plain = serde_json::to_vec(&begun.secrets).map_err(|error| Error::Internal(error.to_string()))?;
    let sealed = URL_SAFE_NO_PAD.encode(services.sign_in.secret.seal(SEALED_AS, &plain)?);
    let mut response = sent_to(&begun.url)?;
    cookies::set_begun(&call, sealed, response.headers_mut());
    Ok(response)
}

async fn callback(call: Call, name: &str) -> Result<Response, Unreadable> {
    // The provider's page sends them here; that they began here is what the sealed cookie says.
    let visit = call.visit_from_anywhere()?;
    let returned = returned(&call)?;
    let source = source(&call, name)?;
    let services = &call.front.services;
    let kept = cookies::begun(&call).and_then(|sealed| URL_SAFE_NO_PAD.decode(sealed).ok());
    let opened = kept.and_then(|sealed| services.sign_in.secret.open(SEALED_AS, &sealed).ok());
    let secrets = opened.and_then(|plain| serde_json::from_slice::<Secrets>(&plain).ok());
    let secrets = secrets.ok_or_else(|| Failed::Unknown("this browser did not begin it".into()).noted(name))?;
    let return_to = secrets.return_to().to_owned();
    let ticket = services.guess_at_provider(&visit)?;
    let proven = source.finish(secrets, returned, call.now).await;
    if !matches!(proven, Err(Failed::Unknown(_))) {
        services.forgive(ticket);
    }
    let proven = proven.map_err(|failed| failed.noted(name))?;
    let signed_in = services.sign_in_proven(proven, None, &visit).await?;
    let mut response = match &signed_in {
        Entered::SignedIn(signed_in) => {
            let mut response = sent_to(&return_to)?;
            cookies::set(&call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
            response
        }
        Entered::SecondFactor(_) => entered(&call, signed_in),
    };
    cookies::clear_begun(&call, response.headers_mut());
    Ok(response)
}

/// What the provider says in the query; what else it says there is not looked at, but nothing of this twice.
fn returned(call: &Call) -> Result<Returned, Unreadable> {
    let mut returned = Returned::default();
    for (name, value) in form_urlencoded::parse(call.parts.uri.query().unwrap_or_default().as_bytes()) {
        let into = match &*name {
            "state" => &mut returned.state,
            "code" => &mut returned.code,
            "iss" => &mut returned.iss,
            "error" => &mut returned.error,
            _ => continue,
        };
        if into.replace(value.into_owned()).is_some() {
            let fault = FieldFault { field: name.into_owned(), message: "stands there twice".into() };
            return Err(Error::from(Refusal::fields(vec![fault])).into());
        }
    }
    Ok(returned)
}

/// Sends a browser on (RFC 9110, 15.4.4).
fn sent_to(url: &str) -> Result<Response, Unreadable> {
    let location = HeaderValue::from_str(url).map_err(|_| Error::Internal("an address cannot be sent".into()))?;
    let mut response = response::empty(StatusCode::SEE_OTHER);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
