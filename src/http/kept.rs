//! What a browser keeps for some minutes while somebody signs in: a cookie, sealed, so that nobody reads it or makes one up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cookies;
use super::request::Call;
use crate::domain::error::{Error, Result};

/// For how many seconds.
const FOR: i64 = 600;

/// What the cookies of sign-ins that have begun are called, each with the end of its state: two tabs do not disturb each other.
const BEGUN: &str = "sign_in_begun_";

/// The same of those that are to be linked.
const LINKING: &str = "sign_in_linking_";

/// How many letters of it.
const LETTERS: usize = 8;

/// How many of either a browser may have begun at once.
const MOST_BEGUN: usize = 4;

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub enum Kept<'s> {
    /// A sign-in that has begun at a provider with this state, until the browser comes back.
    Begun(&'s str),
    /// Who waits for the second factor, on its page.
    Waiting,
    /// Whoever is signed in and has gone to a provider with this state, to link what it proves, until they are back on the page where
    /// that ends.
    Linking(&'s str),
}

impl Kept<'_> {
    fn cookie(self) -> String {
        let (begin, state) = match self {
            Self::Begun(state) => (BEGUN, state),
            Self::Linking(state) => (LINKING, state),
            Self::Waiting => return "sign_in_waiting".into(),
        };
        let letters: String = state.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{begin}{}", &letters[letters.len().saturating_sub(LETTERS)..])
    }

    /// What it is sealed as: one is not taken for the other.
    const fn label(self) -> &'static str {
        match self {
            Self::Begun(_) => "a sign-in that has begun",
            Self::Waiting => "a sign-in that waits",
            Self::Linking(_) => "a sign-in to be linked",
        }
    }

    /// Has the browser keep it.
    pub fn keep<T: Serialize>(self, call: &Call, what: &T, into: &mut HeaderMap) -> Result<()> {
        let plain = serde_json::to_vec(what).map_err(|error| Error::Internal(error.to_string()))?;
        let sealed = call.front.services.sign_in.secret.seal(self.label(), &plain)?;
        self.forget_oldest(call, into);
        cookies::append(&self.built(call, URL_SAFE_NO_PAD.encode(sealed), Duration::seconds(FOR)), into);
        Ok(())
    }

    /// Has the browser forget the oldest of its kind, so that with this one they are no more than a few. Browsers send the oldest first
    /// (RFC 6265, 5.4).
    fn forget_oldest(self, call: &Call, into: &mut HeaderMap) {
        let (begin, of): (_, fn(_) -> _) = match self {
            Self::Begun(_) => (BEGUN, Kept::Begun),
            Self::Linking(_) => (LINKING, Kept::Linking),
            Self::Waiting => return,
        };
        let is_end = |rest: &str| rest.len() == LETTERS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let begun: Vec<String> = cookies::endings(call, begin).filter(|rest| is_end(rest)).collect();
        let too_many = (begun.len() + 1).saturating_sub(MOST_BEGUN);
        begun.iter().take(too_many).for_each(|end| of(end).clear(call, into));
    }

    /// What it has kept, where that is ours.
    pub fn read<T: DeserializeOwned>(self, call: &Call) -> Option<T> {
        let sealed = URL_SAFE_NO_PAD.decode(cookies::named(call, &self.cookie())?).ok()?;
        let plain = call.front.services.sign_in.secret.open(self.label(), &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Takes it away.
    pub fn clear(self, call: &Call, into: &mut HeaderMap) {
        cookies::append(&self.built(call, String::new(), Duration::ZERO), into);
    }

    /// Lax, whatever the refresh cookie is: it comes back with a browser that another site sends.
    fn built(self, call: &Call, value: String, max_age: Duration) -> Cookie<'static> {
        let policy = &call.front.services.policy;
        let base = match self {
            Self::Begun(_) => &policy.sign_in.base_path,
            Self::Waiting | Self::Linking(_) => &policy.server.prefix,
        };
        let path = cookies::path(call, base);
        Cookie::build((self.cookie(), value)).path(path).max_age(max_age).http_only(true).secure(true).same_site(SameSite::Lax).build()
    }
}
