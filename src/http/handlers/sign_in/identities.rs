//! Ways in: which there are here (`GET auth/methods`), and which of other people's a user has (`user/identities…`).

use http::StatusCode;
use serde_json::{Value, json};

use super::others;
use super::session::user;
use crate::config::providers::Kind;
use crate::domain::error::Error;
use crate::domain::password::Password;
use crate::domain::proof::Channel;
use crate::domain::telegram;
use crate::domain::time::Timestamp;
use crate::http::fields::Fields;
use crate::http::provider::Code;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// `GET auth/methods`: how people can sign in here.
pub async fn methods(call: Call) -> Result<Response, Unreadable> {
    let settings = &call.front.services.policy.sign_in;
    let of = |kind: Kind| call.front.providers.configured().filter(move |provider| provider.kind == kind);
    let others = of(Kind::Other).map(|provider| json!({ "name": provider.name, "title": provider.title }));
    let body = json!({
        "registration": settings.registration,
        "password": true,
        "phone": call.front.services.policy.sends_by(Channel::Phone),
        "telegram": settings.providers.bot.is_some() || of(Kind::Telegram).next().is_some(),
        "google": of(Kind::Google).next().is_some(),
        "oidc": others.collect::<Vec<_>>(),
    });
    Ok(response::json(StatusCode::OK, &body))
}

/// `GET user/identities`: how the user signs in by others.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let identities = call.front.services.identities(user(&call)?.id).await?;
    let name = |provider: &str| name_of(&call, provider);
    let data: Vec<Value> = identities
        .iter()
        .map(|identity| {
            json!({
                "provider": name(&identity.provider),
                "label": identity.label,
                "created_at": identity.created_at.rfc3339(),
                "last_used_at": Timestamp::rfc3339(identity.used_at),
            })
        })
        .collect();
    Ok(response::json(StatusCode::OK, &json!({ "data": data, "next_cursor": null })))
}

/// `POST user/identities/{provider}`: adds one: what `POST auth/…` takes for it, and the password.
pub async fn link(mut call: Call) -> Result<Response, Unreadable> {
    let mut body = call.json().await?;
    let visit = call.visit()?;
    let services = call.front.services.clone();
    let own = user(&call)?.clone();
    let given = body.as_object_mut().and_then(|fields| fields.shift_remove("password"));
    let password = match given {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(Password::parse(text).map_err(|fault| Error::field("password", fault))?),
        Some(_) => return Err(Error::field("password", "must be a text").into()),
    };
    services.confirm_oneself(&own, password, &visit).await?;
    let (proven, once) = if call.id == telegram::PROVIDER && body.get("hash").is_some() {
        let login = others::widget(&call, body)?;
        (login.proven, Some((login.hash, login.until)))
    } else {
        let mut fields = Fields::new(body)?;
        let code = Code::read(&mut fields);
        fields.finish()?;
        (others::by_code(&call, &call.id, code, &visit).await?, None)
    };
    services.link_identity(&own, proven, once, &visit).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `DELETE user/identities/{provider}`: takes it away, where another way in is left.
pub async fn unlink(call: Call) -> Result<Response, Unreadable> {
    let visit = call.visit()?;
    let provider = provider_of(&call, &call.id).await?;
    call.front.services.unlink_identity(user(&call)?, &provider, &visit).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Which provider is called so.
pub async fn provider_of(call: &Call, name: &str) -> Result<String, Unreadable> {
    match call.front.providers.get(name) {
        _ if name == telegram::PROVIDER => Ok(telegram::PROVIDER.to_owned()),
        Some(source) => Ok(source.settings.issuer.clone()),
        // One that the configuration has no more, as the list calls it.
        None => {
            let linked = call.front.services.identities(user(call)?.id).await?;
            let named = linked.into_iter().find(|identity| name_of(call, &identity.provider) == name);
            Ok(named.ok_or_else(|| Error::NotFound("such linked sign-in".into()))?.provider)
        }
    }
}

/// What paths call a provider; one that the configuration has no more, as it called itself, so that it is one segment.
pub fn name_of(call: &Call, provider: &str) -> String {
    let known = call.front.services.policy.sign_in.providers.oidc.iter().find(|known| known.issuer == provider);
    let spelled = || provider.split_once("://").map_or(provider, |(_, rest)| rest).replace('/', ":");
    known.map_or_else(spelled, |known| known.name.clone())
}
