//! Signing in, over HTTP: handlers that read a request, ask a flow, and answer with the cookie.

pub mod address;
pub mod balance;
pub mod identities;
pub mod login;
pub mod others;
pub mod register;
pub mod second_factor;
pub mod session;
pub mod user;

use http::StatusCode;
use serde_json::{Value, json};

use crate::domain::error::Error;
use crate::domain::refusal::Refusal;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::forwarded::client;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::session::SECOND_FACTOR_LIFETIME;
use crate::service::sign_in::{Entered, SignedIn, Visit, short_agent};

impl Call {
    /// Who is at the door. Pages of other sites are turned away: a browser would send its cookies along.
    pub fn visit(&self) -> Result<Visit, Unreadable> {
        cookies::check_origin(self)?;
        self.visit_from_anywhere()
    }

    /// The same, where another site's page sends a browser here, and what it brings along says whether it may.
    pub fn visit_from_anywhere(&self) -> Result<Visit, Unreadable> {
        // A client that hides behind what reads in two ways would be counted as the proxy.
        let trusted = &self.front.services.policy.server.trusted_proxies;
        if client(self.peer, &self.parts.headers, trusted).address.is_err() {
            return Err(Error::refused(Verdict::Ambiguous).into());
        }
        let act = self.act()?;
        let address = act.origin.parse().ok();
        let agent = self.parts.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Visit { act, address, agent: short_agent(agent) })
    }
}

/// What a first factor came to.
pub fn entered(call: &Call, entered: Entered) -> Response {
    match entered {
        Entered::SignedIn(signed_in) => answer(call, &signed_in),
        Entered::SecondFactor(token) => {
            let services = &call.front.services;
            let refusal = Refusal::of(Verdict::SecondFactorNeeded);
            let mut response = response::styled(services.policy.style.tell(&refusal, &call.request_id, call.now));
            cookies::set(call, &token, SECOND_FACTOR_LIFETIME.seconds_up(), response.headers_mut());
            response::came_to(refusal.verdict, response)
        }
    }
}

/// A sign-in.
pub fn answer(call: &Call, signed_in: &SignedIn) -> Response {
    let mut body = tokens(signed_in);
    body["user"] = signed_in.user.clone();
    body["is_new_user"] = signed_in.is_new_user.into();
    with_cookie(call, signed_in, &body)
}

/// A refreshed one: the tokens alone.
pub fn refreshed(call: &Call, signed_in: &SignedIn) -> Response {
    with_cookie(call, signed_in, &tokens(signed_in))
}

fn tokens(signed_in: &SignedIn) -> Value {
    json!({ "access_token": signed_in.access_token, "token_type": "bearer", "expires_in": signed_in.expires_in })
}

fn with_cookie(call: &Call, signed_in: &SignedIn, body: &Value) -> Response {
    let mut response = response::json(StatusCode::OK, body);
    cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
    response
}
