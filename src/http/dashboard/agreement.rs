//! The agreement that developers accept before they make a key.

use askama::Template;
use http::StatusCode;

use super::form::Form;
use super::session::place;
use super::shell::{Shell, root};
use super::show::{page, see};
use crate::config::sign_in::Agreement;
use crate::domain::error::Error;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

#[derive(Template)]
#[template(path = "agreement.html")]
struct AgreementPage<'a> {
    s: Shell,
    agreement: &'a Agreement,
    is_accepted: bool,
    accepted_at: Option<Timestamp>,
    next: String,
}

/// `GET PREFIX/agreement`: what it is, and whether whoever looks has accepted it; `next` is where they came from.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let mut query = call.query(&["next", "done"]);
    let next = query.text("next").unwrap_or_default();
    query.finish()?;
    let services = &call.front.services;
    let agreement = services.policy.sign_in.agreement.as_ref().ok_or_else(|| Error::NotFound("agreement to accept".into()))?;
    let user = call.actor.user().ok_or_else(|| Error::refused(Verdict::Missing))?.id;
    let is_accepted = services.has_accepted(user, agreement).await?;
    let accepted_at = if is_accepted { services.accepted_at(user, &agreement.version).await? } else { None };
    let s = Shell::of(&call, "");
    page(StatusCode::OK, &AgreementPage { s, agreement, is_accepted, accepted_at, next })
}

/// `POST PREFIX/agreement`: accepts the version that was shown.
pub async fn accept(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let next: String = form_urlencoded::byte_serialize(form.text("next").as_bytes()).collect();
    match call.front.services.accept_agreement(form.text("version"), &call.act()?).await {
        Ok(_) => {}
        // There is a newer one by now: that is shown.
        Err(Error::Invalid(_)) => return first(&call, &next),
        Err(error) => return Err(error.into()),
    }
    match form.text("next") {
        "" => see(&format!("{}agreement?done=accepted", root(&call))),
        next => see(&place(&call, next)),
    }
}

/// To the agreement, and back afterwards to a page of ours.
pub fn first(call: &Call, next: &str) -> Result<Response, Unreadable> {
    see(&format!("{}agreement?next={next}", root(call)))
}

/// Whether an error says that it has to be accepted first.
pub fn is_owed(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.verdict == Verdict::AgreementNeeded)
}
