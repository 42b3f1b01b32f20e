//! Sign-in by a browser: sent to the provider with what is kept to itself until it comes back (RFC 9700, 2.1).

use std::borrow::Cow;

use openidconnect::core::{CoreAuthPrompt, CoreResponseType};
use openidconnect::{AuthenticationFlow, CsrfToken, Nonce as AskedNonce, PkceCodeChallenge, RedirectUrl, Scope};
use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::check::Nonce;
use super::code::Code;
use super::source::Source;
use super::{Failed, told};
use crate::config::providers::Kind;
use crate::domain::identity::Proven;
use crate::domain::time::{Span, Timestamp};

/// How long somebody may take at the provider.
pub const LIFETIME: Span = Span::from_secs(600);

/// How many letters a state and a nonce have: more than 128 bits. Some providers take no long ones.
const LETTERS: usize = 24;

/// What a provider answers where somebody does not want to go on (RFC 6749, 4.1.2.1).
const DENIED: &str = "access_denied";

/// How long the address of a page may be.
const LONGEST_PAGE: usize = 1000;

/// What a browser is sent to a provider for. Its state says it, so that the browser finds the page on which it ends; what counts is what
/// was sealed when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// To sign in.
    SignIn,
    /// To be linked to whoever is signed in already.
    Link,
}

impl Aim {
    /// What a state begins with: letters and digits alone are those of a sign-in.
    const fn mark(self) -> &'static str {
        match self {
            Self::SignIn => "",
            Self::Link => "link-",
        }
    }

    /// That of a state.
    pub fn of(state: &str) -> Self {
        if state.starts_with(Self::Link.mark()) { Self::Link } else { Self::SignIn }
    }
}

/// What is kept between the beginning and the end, sealed, in the browser that began.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    provider: String,
    state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
    return_to: String,
    begun_at: i64,
}

impl Secrets {
    /// What tells this sign-in from every other.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The page of this server to go on to.
    pub fn return_to(&self) -> &str {
        &self.return_to
    }
}

/// A sign-in that has begun.
pub struct Begun {
    /// Where the browser is sent to.
    pub url: String,
    /// What it keeps.
    pub secrets: Secrets,
}

/// What comes back in the query of the callback.
#[derive(Default)]
pub struct Returned {
    /// `state`.
    pub state: Option<String>,
    /// `code`.
    pub code: Option<String>,
    /// `iss` (RFC 9207).
    pub iss: Option<String>,
    /// `error`, where the provider or the person refused.
    pub error: Option<String>,
}

/// Whether it is a page of this server and can lead nowhere else.
pub(super) fn is_local(page: &str) -> bool {
    let is_plain = page.len() <= LONGEST_PAGE && page.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_plain && page.starts_with('/') && !page.starts_with("//")
}

impl Source {
    /// Begins: the provider is to send the browser to `redirect_uri`, one of those that are set up, and from there it goes on to
    /// `return_to`, a page of this server.
    pub async fn begin(&self, aim: Aim, redirect_uri: &str, return_to: &str, now: Timestamp) -> Result<Begun, Failed> {
        let secret = self.secret()?;
        if !self.settings.redirect_uris.iter().any(|known| known == redirect_uri) {
            return Err(Failed::NotConfigured(format!("redirect_uris does not name {redirect_uri}")));
        }
        if !is_local(return_to) {
            return Err(Failed::Fields(vec![crate::domain::error::FieldFault {
                field: "return_to".into(),
                message: "must be a path of this server".into(),
            }]));
        }
        let address = RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| Failed::NotConfigured("the callback is no address".into()))?;
        let known = self.known().await?;
        let party = self.party(&known, secret)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let request =
            party.authorize_url(flow, move || CsrfToken::new(format!("{}{}", aim.mark(), letters())), || AskedNonce::new(letters()));
        let request = self.settings.scopes.iter().fold(request, |request, scope| request.add_scope(Scope::new(scope.clone())));
        // Whoever has several accounts there says which one.
        let request = if self.settings.kind == Kind::Google { request.add_prompt(CoreAuthPrompt::SelectAccount) } else { request };
        let (url, state, nonce) = request.set_pkce_challenge(challenge).set_redirect_uri(Cow::Owned(address)).url();
        let secrets = Secrets {
            provider: self.settings.name.clone(),
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            redirect_uri: redirect_uri.into(),
            return_to: return_to.into(),
            begun_at: now.millis(),
        };
        Ok(Begun { url: url.into(), secrets })
    }

    /// Ends what this browser began.
    pub async fn finish(&self, secrets: Secrets, returned: Returned, now: Timestamp) -> Result<Proven, Failed> {
        let refused = |reason: &str| Err(Failed::Unknown(reason.into()));
        let said = returned.state.unwrap_or_default();
        let is_same: bool = said.as_bytes().ct_eq(secrets.state.as_bytes()).into();
        let begun_at = Timestamp::from_millis(secrets.begun_at);
        if !is_same || secrets.provider != self.settings.name {
            return refused("this browser did not begin it");
        }
        if now.millis_since(begun_at) > LIFETIME.millis() {
            return refused("it was begun too long ago");
        }
        if returned.iss.is_some_and(|iss| iss != self.settings.issuer) {
            return refused("another provider answered");
        }
        if returned.error.as_deref() == Some(DENIED) {
            return Err(Failed::Denied);
        }
        if let Some(error) = returned.error {
            return refused(&format!("the provider answered '{}'", told(&error)));
        }
        let nonce = match self.settings.kind {
            Kind::Telegram => Nonce::EqualIfSaid(secrets.nonce),
            _ => Nonce::Equal(secrets.nonce),
        };
        let code = Code {
            code: returned.code.unwrap_or_default(),
            redirect_uri: secrets.redirect_uri,
            code_verifier: Some(secrets.verifier),
            nonce: None,
        };
        self.exchange_with(code, nonce, now).await
    }
}

fn letters() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), LETTERS)
}
