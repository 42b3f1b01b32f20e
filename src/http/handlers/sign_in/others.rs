//! Signing in by others: Telegram's Login Widget, and providers of OpenID Connect, with a code or by a browser that is sent there.

use std::sync::Arc;

use serde_json::Value;

use super::entered;
use crate::config::providers::Provider;
use crate::domain::error::{Error, FieldFault};
use crate::domain::identity::Proven;
use crate::domain::refusal::Refusal;
use crate::domain::telegram::{self, Login, Refused};
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::dashboard::refused::{self, Reason};
use crate::http::dashboard::second_factor::{self, Waiting};
use crate::http::dashboard::{self, let_in, within};
use crate::http::fields::Fields;
use crate::http::kept::Kept;
use crate::http::provider::{Aim, Begun, Code, Failed, Returned, Secrets, Source};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::telling;
use crate::service::sign_in::{Entered, Visit};

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
    start(call, GOOGLE).await
}

/// `GET auth/telegram/start`: sends the browser there.
pub async fn start_telegram(call: Call) -> Result<Response, Unreadable> {
    start(call, TELEGRAM).await
}

/// `GET auth/oidc/{id}/start`: sends the browser there.
pub async fn start_oidc(call: Call) -> Result<Response, Unreadable> {
    let name = call.id.clone();
    start(call, &name).await
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

/// What the paths of a provider begin with, below the base path.
fn path_of(name: &str) -> String {
    match name {
        GOOGLE | TELEGRAM => format!("/auth/{name}"),
        name => format!("/auth/oidc/{name}"),
    }
}

/// Where a provider sends a browser back to that began here; `None` where nobody said how the world reaches this server.
fn redirect_uri(call: &Call, name: &str) -> Option<String> {
    let policy = &call.front.services.policy;
    let public_url = &policy.server.public_url;
    (!public_url.is_empty()).then(|| format!("{public_url}{}{}/callback", policy.sign_in.base_path, path_of(name)))
}

/// Where a browser begins at a provider, to come back to a page of this server.
pub fn start_at(call: &Call, name: &str, return_to: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", return_to).finish();
    let base = cookies::path(call, &call.front.services.policy.sign_in.base_path);
    format!("{base}{}/start?{query}", path_of(name))
}

/// The providers at which a browser can begin.
pub fn to_begin_at(call: &Call) -> impl Iterator<Item = &Provider> {
    let may_return = move |provider: &&Provider| {
        let address = redirect_uri(call, &provider.name);
        address.is_some_and(|address| provider.redirect_uris.contains(&address))
    };
    call.front.providers.configured().filter(may_return)
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
    let proven = guessed(call, visit, source.exchange(code, call.now)).await?;
    proven.map_err(|failed| failed.noted(name).into())
}

/// What a provider says to a code, or to whoever has come back from it. One that it does not know is a guess.
async fn guessed(call: &Call, visit: &Visit, asked: impl Future<Output = Result<Proven, Failed>>) -> Result<Result<Proven, Failed>, Error> {
    let services = &call.front.services;
    let ticket = services.guess_at_provider(visit)?;
    let proven = asked.await;
    if !matches!(proven, Err(Failed::Unknown(_))) {
        services.forgive(ticket);
    }
    Ok(proven)
}

async fn start(call: Call, name: &str) -> Result<Response, Unreadable> {
    let mut trip = Trip::default();
    let begun = begin(&call, name, &mut trip).await;
    trip.told(&call, name, begun)
}

async fn begin(call: &Call, name: &str, trip: &mut Trip) -> Result<Response, Unreadable> {
    let mut query = call.query(&["return_to"]);
    let return_to = query.text("return_to").unwrap_or_else(|| "/".into());
    query.finish()?;
    let begun = begin_for(call, Aim::SignIn, &*source(call, name)?, &return_to).await;
    // One that leads elsewhere is not begun with.
    trip.return_to = Some(return_to).filter(|_| !matches!(begun, Err(Failed::Fields(_))));
    let begun = begun.map_err(|failed| failed.noted(name))?;
    let mut response = response::see_other(&begun.url)?;
    Kept::Begun(begun.secrets.state()).keep(call, &begun.secrets, response.headers_mut())?;
    Ok(response)
}

/// Begins at a provider; the browser comes back to its callback.
async fn begin_for(call: &Call, aim: Aim, source: &Source, return_to: &str) -> Result<Begun, Failed> {
    let redirect_uri = redirect_uri(call, &source.settings.name).ok_or_else(|| {
        let missing = "[server] public_url is not set, so a provider would not know where to send people back to";
        Failed::NotConfigured(missing.into())
    })?;
    source.begin(aim, &redirect_uri, return_to, call.now).await
}

/// Begins at a provider for somebody who is signed in, and links what it proves. `page`: where that ends.
pub async fn begin_linking(call: &Call, name: &str, page: &str) -> Result<Begun, Unreadable> {
    let begun = begin_for(call, Aim::Link, &*source(call, name)?, page).await;
    begun.map_err(|failed| failed.noted(name).into())
}

/// Whom a provider proves, to whoever has come back from it to the page on which linking ends; `None`: they did not want to go on.
pub async fn proven_to_link(call: &Call, name: &str, secrets: Secrets, visit: &Visit) -> Result<Option<Proven>, Unreadable> {
    let (source, returned) = (source(call, name)?, returned(call)?);
    match guessed(call, visit, source.finish(secrets, returned, call.now)).await? {
        Err(Failed::Denied) => Ok(None),
        proven => proven.map(Some).map_err(|failed| failed.noted(name).into()),
    }
}

async fn callback(call: Call, name: &str) -> Result<Response, Unreadable> {
    if Aim::of(&state(&call)) == Aim::Link {
        // Who is signed in on the dashboard is known there.
        let query = call.parts.uri.query().unwrap_or_default();
        let page = response::see_other(&format!("{}?{query}", dashboard::linking_ends_at(&call, name)))?;
        return Ok(response::no_sign_in(page));
    }
    let mut trip = Trip::default();
    let returned = come_back(&call, name, &mut trip).await;
    trip.told(&call, name, returned)
}

async fn come_back(call: &Call, name: &str, trip: &mut Trip) -> Result<Response, Unreadable> {
    // The provider's page sends them here; that they began here is what the sealed cookie says.
    let visit = call.visit_from_anywhere()?;
    let returned = returned(call)?;
    let source = source(call, name)?;
    let services = &call.front.services;
    let state = returned.state.clone().unwrap_or_default();
    let secrets = Kept::Begun(&state).read::<Secrets>(call);
    let secrets = secrets.ok_or_else(|| Failed::Unknown("this browser did not begin it".into()).noted(name))?;
    let return_to = secrets.return_to().to_owned();
    trip.return_to = Some(return_to.clone());
    trip.state = Some(state.clone());
    let proven = guessed(call, &visit, source.finish(secrets, returned, call.now)).await?;
    trip.is_denied = matches!(proven, Err(Failed::Denied));
    let proven = proven.map_err(|failed| failed.noted(name))?;
    trip.is_proven = true;
    let signed_in = services.sign_in_proven(proven, None, &visit).await?;
    let mut response = match &signed_in {
        Entered::SignedIn(signed_in) => {
            let mut response = response::see_other(&return_to)?;
            match within(call, &return_to) {
                Some(_) => let_in(call, signed_in, response.headers_mut()).await?,
                None => cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut()),
            }
            response
        }
        Entered::SecondFactor(token) if call.wants_page() => {
            let again = start_at(call, name, &return_to);
            second_factor::begin(call, &Waiting { token: token.expose().to_owned(), next: Some(return_to), again: Some(again) })?
        }
        Entered::SecondFactor(_) => entered(call, signed_in),
    };
    Kept::Begun(&state).clear(call, response.headers_mut());
    Ok(response)
}

/// A way to a provider and back, as far as it has come.
#[derive(Default)]
struct Trip {
    /// Where it was to lead, once that is known to be a page of this server.
    return_to: Option<String>,
    /// Which of those that this browser has begun.
    state: Option<String>,
    /// Whoever was asked at the provider did not want to.
    is_denied: bool,
    /// The provider has said who somebody is.
    is_proven: bool,
}

impl Trip {
    /// What came of it: a browser is told of a refusal by a page, and goes back where nobody wanted to go on.
    fn told(self, call: &Call, name: &str, answered: Result<Response, Unreadable>) -> Result<Response, Unreadable> {
        let error = match answered {
            Err(Unreadable::Error(error)) if call.wants_page() => error,
            answered => return answered,
        };
        let mut response = self.told_of(call, name, error)?;
        // It is over, whatever came of it.
        if let Some(state) = &self.state {
            Kept::Begun(state).clear(call, response.headers_mut());
        }
        Ok(response)
    }

    fn told_of(&self, call: &Call, name: &str, error: Error) -> Result<Response, Unreadable> {
        // Whoever began on the dashboard is told there.
        if let Some(next) = self.return_to.as_deref().and_then(|page| within(call, page)) {
            let refusal = telling::of_error(error);
            let reason = if self.is_denied { Reason::Denied } else { Reason::of(&refusal, self.is_proven) };
            return Ok(response::came_to(refusal.verdict, dashboard::refused_by_provider(call, name, reason, next)?));
        }
        if let (true, Some(return_to)) = (self.is_denied, &self.return_to) {
            return Ok(response::came_to(Verdict::Unknown, response::see_other(return_to)?));
        }
        let provider = call.front.providers.get(name).map(|source| &source.settings);
        let again = provider.map(|provider| start_at(call, &provider.name, self.return_to.as_deref().unwrap_or("/")));
        Ok(refused::by_provider(call, provider, self.is_proven, again, error))
    }
}

/// Which of those that it has begun a browser comes back from; empty where that cannot be read.
pub fn state(call: &Call) -> String {
    returned(call).ok().and_then(|returned| returned.state).unwrap_or_default()
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
