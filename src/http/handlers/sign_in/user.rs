//! `user/me`: who calls, as the user that they are or whose key it is.

use http::StatusCode;
use serde_json::{Value, json};

use super::{address, session};
use crate::domain::decision::Decision;
use crate::domain::email::Email;
use crate::domain::error::Error;
use crate::domain::password::Password;
use crate::domain::time::Timestamp;
use crate::domain::totp::Code;
use crate::http::cookies;
use crate::http::fields::Fields;
use crate::http::handlers::gate;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::ask::{Credential, Mode};
use crate::service::sign_in::change::OwnChange;

/// The caller of a sign-in's own path: an access token, or a key as the gate takes it; on any plan.
pub async fn caller(call: &Call) -> Decision {
    let token = call.bearer().filter(|raw| call.front.services.is_access_token(raw));
    gate::decide_of(call, token.map(Credential::Token), Mode::WhoAmI).await
}

/// `GET user/me`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let decision = caller(&call).await;
    if !decision.verdict.passes() {
        return Ok(gate::refuse(&call, &decision));
    }
    let profile = call.front.services.profile(&decision).await?;
    Ok(response::json(StatusCode::OK, &profile_view(&profile)))
}

/// `PATCH user/me`: what is not named stays. A new address holds once it is proven; null takes one away.
pub async fn set(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let change = read_change(&call, body)?;
    // What could not be shown afterwards is not changed either.
    let decision = caller(&call).await;
    if !decision.verdict.passes() {
        return Ok(gate::refuse(&call, &decision));
    }
    let own = session::user(&call)?;
    let services = &call.front.services;
    let email = change.email.iter().flatten().map(|email| email.as_str().to_owned()).next();
    let new = [("email_pending", email), ("phone_pending", change.phone.clone().flatten())];
    services.change_oneself(own, change, &visit).await?;
    let decision = caller(&call).await;
    if !decision.verdict.passes() {
        return Ok(gate::refuse(&call, &decision));
    }
    let profile = services.profile(&decision).await?;
    let mut view = profile_view(&profile);
    // What is theirs already waits for nothing.
    let waits = |new: &String| ![&profile.email, &profile.phone].into_iter().any(|own| own.as_ref() == Some(new));
    for (name, new) in new.into_iter().filter_map(|(name, new)| Some((name, new.filter(waits)?))) {
        view[name] = new.into();
    }
    Ok(response::json(StatusCode::OK, &view))
}

/// What somebody wants changed of themselves.
pub fn read_change(call: &Call, body: Value) -> Result<OwnChange, Error> {
    let mut fields = Fields::new(body)?;
    let password = |text: &str| Password::parse(text.to_owned());
    let mut change = OwnChange {
        name: fields.present("name", |text| Ok::<_, String>(text.to_owned())),
        email: fields.parsed("email", Email::parse),
        phone: fields.parsed("phone", |text| address::reached_phone(call, text)),
        password: fields.present("password", password),
        current_password: fields.present("current_password", password),
        faults: Vec::new(),
    };
    change.faults = fields.into_faults();
    Ok(change)
}

/// `DELETE user/me`: the user goes.
pub async fn delete(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let (password, code) = read_leaving(body)?;
    call.front.services.delete_oneself(session::user(&call)?, password, code, &visit).await?;
    let mut response = response::empty(StatusCode::NO_CONTENT);
    cookies::clear(&call, response.headers_mut());
    Ok(response)
}

/// By what somebody shows again who they are, before all of theirs goes, or an organization.
pub fn read_leaving(body: Value) -> Result<(Option<Password>, Option<Code>), Error> {
    let mut fields = Fields::new(body)?;
    let password = fields.parsed("password", |text| Password::parse(text.to_owned())).flatten();
    let code = fields.parsed("code", Code::parse).flatten();
    fields.finish()?;
    Ok((password, code))
}

/// Who somebody is, as an app's own pages show it.
pub fn profile_view(profile: &crate::service::sign_in::profile::Profile) -> Value {
    json!({
        "id": profile.id,
        "name": profile.name,
        "email": profile.email,
        "phone": profile.phone,
        "telegram_username": profile.telegram_username,
        "avatar_url": profile.picture,
        "account": profile.account,
        "plan": profile.plan,
        "plan_expires_at": profile.plan_until.map(Timestamp::rfc3339),
        "token_balance": profile.balance,
        "token_limit": profile.monthly_tokens,
        "rate_limit_hourly": profile.hourly,
        "rate_limit_daily": profile.daily,
        "auth_methods": {
            "telegram": profile.has_telegram,
            "google": profile.has_google,
            "email": profile.has_email,
            "phone": profile.has_phone,
            "oidc": profile.oidc,
        },
        "second_factor": profile.second_factor,
    })
}
