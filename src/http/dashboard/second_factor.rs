//! The page that asks for the code of a second factor: after a password, after the button of a mailed link, or on the way back from a
//! provider. Who waits, and where they go on to, the browser keeps sealed.

use askama::Template;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::form::Form;
use super::mailed;
use super::refused;
use super::session::{let_in, within};
use super::shell::Shell;
use super::show::discreet;
use crate::domain::error::Error;
use crate::domain::totp::Code;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::kept::Kept;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// Somebody who has shown the first factor.
#[derive(Serialize, Deserialize)]
pub struct Waiting {
    /// Says who it is.
    pub token: String,
    /// The page of this server to go on to; none: they have confirmed an address, and are told so.
    pub next: Option<String>,
    /// Where they can begin anew.
    pub again: Option<String>,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage<'a> {
    s: &'a Shell,
    is_confirmed: bool,
    fault: Option<String>,
}

/// Sends the browser to the page.
pub fn begin(call: &Call, waiting: &Waiting) -> Result<Response, Error> {
    let place = format!("{}/second-factor", cookies::path(call, &call.front.services.policy.server.prefix));
    let mut response = response::see_other(&place)?;
    Kept::Waiting.keep(call, waiting, response.headers_mut())?;
    Ok(response::came_to(Verdict::SecondFactorNeeded, response))
}

/// `GET PREFIX/second-factor`: a form for the code.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    let Some(waiting) = Kept::Waiting.read::<Waiting>(&call) else { return Ok(refused::begin_anew(&call, None)) };
    if !call.front.services.waits_for_second_factor(&waiting.token, call.now).await? {
        return Ok(too_late(&call, waiting));
    }
    Ok(form(&call, &Shell::discreet(&call), StatusCode::OK, &waiting, None))
}

/// The form: signs in, and goes on.
pub async fn pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let typed = Form::read(&mut call).await?.once("code").unwrap_or_default().to_owned();
    let visit = call.visit()?;
    let Some(waiting) = Kept::Waiting.read::<Waiting>(&call) else { return Ok(refused::begin_anew(&call, None)) };
    let (services, s) = (&call.front.services, Shell::discreet(&call));
    let wrong = |status, verdict, fault: String| response::came_to(verdict, form(&call, &s, status, &waiting, Some(fault)));
    let code = match Code::parse(typed.trim()) {
        Ok(code) => code,
        Err(fault) => return Ok(wrong(StatusCode::BAD_REQUEST, Verdict::BadRequest, s.sentence("code", &fault))),
    };
    let signed_in = match services.enter_second_factor(&waiting.token, code, &visit).await {
        Ok(signed_in) => signed_in,
        Err(Error::Refused(refusal)) => match refusal.verdict {
            Verdict::TooManyTries => return Ok(refused::too_many(&call, &refusal, "second-factor")),
            Verdict::Disabled => return Ok(refused::disabled(&call)),
            Verdict::Unknown if services.waits_for_second_factor(&waiting.token, call.now).await? => {
                return Ok(wrong(StatusCode::UNAUTHORIZED, Verdict::Unknown, s.t("entry.wrong_code").to_owned()));
            }
            Verdict::Unknown => return Ok(too_late(&call, waiting)),
            _ => return Err(Error::Refused(refusal).into()),
        },
        Err(error) => return Ok(refused::not_now(&call, error, "second-factor")?),
    };
    let mut response = match &waiting.next {
        Some(page) => response::see_other(page)?,
        None => mailed::verified(&call, signed_in.user["name"].as_str()),
    };
    if waiting.next.as_deref().is_none_or(|page| within(&call, page).is_some()) {
        let_in(&call, &signed_in, response.headers_mut()).await?;
    } else {
        cookies::set(&call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
    }
    Kept::Waiting.clear(&call, response.headers_mut());
    Ok(response)
}

fn form(call: &Call, s: &Shell, status: StatusCode, waiting: &Waiting, fault: Option<String>) -> Response {
    discreet(call, s, status, &SecondFactorPage { s, is_confirmed: waiting.next.is_none(), fault })
}

fn too_late(call: &Call, waiting: Waiting) -> Response {
    let mut response = refused::begin_anew(call, waiting.again);
    Kept::Waiting.clear(call, response.headers_mut());
    response
}
