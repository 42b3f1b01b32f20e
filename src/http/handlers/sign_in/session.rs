//! Staying signed in, and signing out: the refresh cookie, sessions, and the account that a session is for.

use http::StatusCode;
use serde_json::{Value, json};

use super::{answer, refreshed};
use crate::domain::error::Error;
use crate::domain::user::UserFacts;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::views;

/// `POST auth/refresh`: the next access token, and the next cookie.
pub async fn refresh(call: Call) -> Result<Response, Unreadable> {
    let visit = call.visit()?;
    let Some(token) = cookies::refresh_token(&call) else { return Err(Error::refused(Verdict::Missing).into()) };
    match call.front.services.refresh(&token, &visit).await {
        Ok(signed_in) => Ok(refreshed(&call, &signed_in)),
        Err(error) => Err(error.into()),
    }
}

/// `POST auth/logout`: ends the session of the cookie and of the access token, or with `everywhere` all of its user's. Again does no
/// harm: where nothing counts any more, nobody is signed in.
pub async fn logout(mut call: Call) -> Result<Response, Unreadable> {
    let visit = call.visit()?;
    let everywhere = match call.json_or_nothing().await? {
        None => false,
        Some(body) => {
            let mut fields = Fields::new(body)?;
            let everywhere = fields.flag("everywhere").unwrap_or(false);
            fields.finish()?;
            everywhere
        }
    };
    let services = &call.front.services;
    for token in cookies::refresh_tokens(&call) {
        services.sign_out(&token, everywhere, &visit).await?;
    }
    let signed_in = match call.bearer() {
        Some(token) => services.signed_in(token, call.now).await?,
        None => None,
    };
    if let Some(own) = signed_in.as_ref().and_then(|known| known.caller().user.as_ref()) {
        services.sign_out_of(own, everywhere, &visit).await?;
    }
    let mut response = response::empty(StatusCode::NO_CONTENT);
    cookies::clear(&call, response.headers_mut());
    Ok(response)
}

/// `POST auth/switch`: the same session, for another account of the user.
pub async fn switch(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let visit = call.visit()?;
    let mut fields = Fields::new(body)?;
    let account = fields.text("account");
    if account.is_none() {
        fields.fault("account", "must be given: the id of an account that you belong to");
    }
    fields.finish()?;
    let session = user(&call)?.session.clone();
    let signed_in = call.front.services.switch(&session, &account.unwrap_or_default(), &visit).await?;
    Ok(answer(&call, &signed_in))
}

/// `GET auth/sessions`: where the user is signed in, the newest first.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let own = user(&call)?;
    let sessions = call.front.services.sessions(own.id, call.now).await?;
    let data: Vec<Value> = sessions.iter().map(|session| views::session(session, Some(&own.session))).collect();
    Ok(response::json(StatusCode::OK, &json!({ "data": data, "next_cursor": null })))
}

/// `DELETE auth/sessions/{id}`: signs out there.
pub async fn end(call: Call) -> Result<Response, Unreadable> {
    let visit = call.visit()?;
    call.front.services.end_session(user(&call)?.id, &call.id, &visit).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// The user who asks.
pub fn user(call: &Call) -> Result<&UserFacts, Unreadable> {
    call.actor.user().ok_or_else(|| Error::refused(Verdict::Missing).into())
}
