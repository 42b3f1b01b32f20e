//! Links another sign-in to the viewer: from their profile to a provider, and back onto it, within one session of one browser.

use serde::{Deserialize, Serialize};

use super::sign_ins::{Forms, shown};
use crate::domain::error::Error;
use crate::domain::verdict::Verdict;
use crate::http::dashboard::form::Form;
use crate::http::dashboard::providers::refused_on;
use crate::http::dashboard::refused::Reason;
use crate::http::dashboard::session::{admit, seen};
use crate::http::dashboard::{go_on, show};
use crate::http::handlers::sign_in::others;
use crate::http::handlers::sign_in::second_factor::read_password;
use crate::http::handlers::sign_in::session::user;
use crate::http::kept::Kept;
use crate::http::provider::Secrets;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::http::telling;

/// The page on which it begins, and that says what came of it.
const PAGE: &str = "profile/sign-ins";

/// Who has gone to a provider, and in which session.
#[derive(Serialize, Deserialize)]
struct Linking {
    user: i64,
    session: String,
    secrets: Secrets,
}

/// Where a browser goes that has come back from a provider to link: a page below the prefix, where its session is known.
pub fn ends_at(call: &Call, name: &str) -> String {
    seen(call, &format!("{PAGE}/{name}/linked"))
}

/// `POST PREFIX/profile/sign-ins/link`: sends the browser to a provider, once whoever asks has shown again who they are.
pub async fn begin(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let confirmed = match read_password(form.json(&["password"], &[])) {
        Ok(password) => call.front.services.confirm_oneself(user(&call)?, password, &visit).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, confirmed)? {
        Ok(_) => to_provider(&call, form.text("provider")).await,
        Err((status, link)) => shown(&call, status, Forms { link, ..Forms::default() }).await,
    }
}

/// By a page of its own: a redirect would be one of the form, which may be sent to this server alone (CSP, form-action).
async fn to_provider(call: &Call, name: &str) -> Result<Response, Unreadable> {
    let begun = match others::begin_linking(call, name, &seen(call, PAGE)).await {
        Ok(begun) => begun,
        Err(unreadable) => return refused_on(call, PAGE, name, why(unreadable), None),
    };
    let mut response = go_on::page(call, |s| s.t("profile.linked"), &begun.url);
    let own = user(call)?;
    let linking = Linking { user: own.id, session: own.session.clone(), secrets: begun.secrets };
    Kept::Linking(linking.secrets.state()).keep(call, &linking, response.headers_mut())?;
    Ok(response)
}

/// `GET PREFIX/profile/sign-ins/{id}/linked`: the browser has come back by the provider's callback. Whoever has signed out meanwhile begins
/// anew; what stands in this address stands in none that follows.
pub async fn end(mut call: Call) -> Result<Response, Unreadable> {
    let Ok(actor) = admit(&call, None).await else { return show::see(&seen(&call, PAGE)) };
    call.actor = actor;
    let name = call.id.clone();
    let state = others::state(&call);
    let linked = link(&call, &name, &state).await.unwrap_or_else(|unreadable| Some(why(unreadable)));
    let mut response = match linked {
        None => show::see(&format!("{}?done=linked", seen(&call, PAGE)))?,
        Some(reason) => refused_on(&call, PAGE, &name, reason, None)?,
    };
    Kept::Linking(&state).clear(&call, response.headers_mut());
    Ok(response)
}

/// Links, in the very session that went there; answers why not, where they did not want to.
async fn link(call: &Call, name: &str, state: &str) -> Result<Option<Reason>, Unreadable> {
    let (own, visit) = (user(call)?, call.visit_from_anywhere()?);
    let linking = Kept::Linking(state).read::<Linking>(call).filter(|linking| linking.user == own.id && linking.session == own.session);
    let secrets = linking.ok_or_else(|| Error::refused(Verdict::Unknown))?.secrets;
    let Some(proven) = others::proven_to_link(call, name, secrets, &visit).await? else { return Ok(Some(Reason::Denied)) };
    call.front.services.link_identity(own, proven, None, &visit).await?;
    Ok(None)
}

/// Why nothing was linked. Whatever it is, it is told on another page: this one has a code in its address.
fn why(unreadable: Unreadable) -> Reason {
    match unreadable {
        Unreadable::Error(Error::Conflict(_)) => Reason::Taken,
        Unreadable::Error(error) => Reason::of(&telling::of_error(error), false),
        _ => Reason::Unreadable,
    }
}
