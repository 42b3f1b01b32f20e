//! A code is exchanged for the provider's word (OpenID Connect Core, 3.1.3).

use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AuthType, AuthorizationCode, Client, ClientId, ClientSecret, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, PkceCodeVerifier, RequestTokenError, StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use serde_json::Value;

use super::check::{Extra, Nonce, Token, check};
use super::source::{Known, Source};
use super::transport::{Broken, Talk};
use super::{Failed, told};
use crate::domain::error::FieldFault;
use crate::domain::identity::Proven;
use crate::domain::time::Timestamp;
use crate::http::fields::Fields;

/// How long an exchange may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a code, a nonce and an address may be, and a verifier (RFC 7636, 4.1).
const LONGEST_CODE: usize = 4096;
const LONGEST_NONCE: usize = 255;
const LONGEST_ADDRESS: usize = 1000;
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// What a provider answers a code with.
type Response = StandardTokenResponse<
    IdTokenFields<Extra, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>,
    CoreTokenType,
>;
type ResponseError = StandardErrorResponse<CoreErrorResponseType>;

/// The protocol's side of ours.
pub(super) type Party = Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    ResponseError,
    Response,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A code, and what goes with it, as whoever signs in hands it in.
#[derive(Default)]
pub struct Code {
    /// What the provider gave.
    pub code: String,
    /// Where it sent them with it.
    pub redirect_uri: String,
    /// What the challenge of the beginning was made of (PKCE), where one was made.
    pub code_verifier: Option<String>,
    /// What the token has to repeat, where the beginning asked for it.
    pub nonce: Option<String>,
}

impl Code {
    /// Reads `code`, `redirect_uri`, and `code_verifier`, `nonce` where they are there; its faults are told with the others.
    pub fn read(fields: &mut Fields) -> Self {
        let mut required = |name| fields.given(name, |text| Ok::<_, String>(text.to_owned())).unwrap_or_default();
        let (code, redirect_uri) = (required("code"), required("redirect_uri"));
        Self { code, redirect_uri, code_verifier: fields.text("code_verifier"), nonce: fields.text("nonce") }
    }

    /// What is wrong with it, each field.
    fn faults(&self, source: &Source) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: &str| faults.push(FieldFault { field: field.into(), message: message.into() });
        let is_visible = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !(1..=LONGEST_CODE).contains(&self.code.len()) || !is_visible(&self.code) {
            fault("code", "is none that a provider gives");
        }
        // Letter by letter: whatever is only like one of them leads elsewhere.
        let known = self.redirect_uri.len() <= LONGEST_ADDRESS && source.settings.redirect_uris.contains(&self.redirect_uri);
        if !known {
            fault("redirect_uri", "is not one of the addresses that are set up for this provider");
        }
        let is_verifier =
            |text: &str| VERIFIER.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        if self.code_verifier.as_deref().is_some_and(|verifier| !is_verifier(verifier)) {
            fault("code_verifier", "must be 43 to 128 of A-Z, a-z, 0-9, -, ., _ and ~");
        }
        if self.nonce.as_deref().is_some_and(|nonce| !(1..=LONGEST_NONCE).contains(&nonce.len())) {
            fault("nonce", "must be 1 to 255 bytes long");
        }
        faults
    }
}

impl Source {
    /// Exchanges a code for a proven identity.
    pub async fn exchange(&self, code: Code, now: Timestamp) -> Result<Proven, Failed> {
        let nonce = code.nonce.clone().map_or(Nonce::Any, Nonce::Equal);
        self.exchange_with(code, nonce, now).await
    }

    pub(super) async fn exchange_with(&self, code: Code, nonce: Nonce, now: Timestamp) -> Result<Proven, Failed> {
        let secret = self.secret()?;
        let faults = code.faults(self);
        if !faults.is_empty() {
            return Err(Failed::Fields(faults));
        }
        let known = self.known().await?;
        let party = self.party(&known, secret)?;
        let asking = self.ask(&party, code);
        let token = tokio::time::timeout(PATIENCE, asking).await;
        let token = token.map_err(|_| Failed::Unavailable(format!("it did not answer within {} s", PATIENCE.as_secs())))??;
        match check(&self.settings, &known.metadata, &token, &nonce, now)? {
            Some(proven) => Ok(proven),
            // It may have new keys.
            None => {
                let no_key = || Failed::Unknown("its id_token is signed with a key that is not among the provider's".into());
                let known = self.other_keys(&known).await?.ok_or_else(no_key)?;
                check(&self.settings, &known.metadata, &token, &nonce, now)?.ok_or_else(no_key)
            }
        }
    }

    pub(super) fn secret(&self) -> Result<ClientSecret, Failed> {
        let secret = self.settings.client_secret.as_ref();
        secret
            .map(|secret| ClientSecret::new(secret.expose().into()))
            .ok_or_else(|| Failed::NotConfigured("client_secret is not set".into()))
    }

    pub(super) fn party(&self, known: &Known, secret: ClientSecret) -> Result<Party, Failed> {
        let id = ClientId::new(self.settings.client_id.clone());
        let party = Party::from_provider_metadata(known.metadata.clone(), id, Some(secret));
        Ok(party.set_auth_type(authentication(known)?))
    }

    async fn ask(&self, party: &Party, code: Code) -> Result<Token, Failed> {
        let request = party.exchange_code(AuthorizationCode::new(code.code));
        let request = request.map_err(|error| Failed::Unavailable(format!("its document names no token endpoint: {error}")))?;
        // Letter by letter, where the crate would have an address that it can read.
        let mut request = request.add_extra_param("redirect_uri", code.redirect_uri);
        if let Some(verifier) = code.code_verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        let talk = Talk::new(&self.transport);
        let response = request.request_async(&talk).await.map_err(refused)?;
        response.id_token().cloned().ok_or_else(|| Failed::Unavailable("it answered without an id_token".into()))
    }
}

/// How this server proves itself (OpenID Connect Core, 9): where the document says nothing, by Basic.
fn authentication(known: &Known) -> Result<AuthType, Failed> {
    let Some(methods) = known.metadata.token_endpoint_auth_methods_supported() else { return Ok(AuthType::BasicAuth) };
    if methods.contains(&CoreClientAuthMethod::ClientSecretBasic) {
        Ok(AuthType::BasicAuth)
    } else if methods.contains(&CoreClientAuthMethod::ClientSecretPost) {
        Ok(AuthType::RequestBody)
    } else {
        Err(Failed::Unavailable("it takes neither client_secret_basic nor client_secret_post".into()))
    }
}

/// Why there is no token. What was handed in may be at fault, or this server's configuration, or the provider.
fn refused(error: RequestTokenError<Broken, ResponseError>) -> Failed {
    match error {
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            CoreErrorResponseType::InvalidGrant | CoreErrorResponseType::InvalidRequest => {
                Failed::Unknown(format!("the provider does not take the code: {}", answer.error().as_ref()))
            }
            other => Failed::Unavailable(format!("it answered '{}'", told(other.as_ref()))),
        },
        RequestTokenError::Request(broken) => Failed::Unavailable(broken.to_string()),
        RequestTokenError::Parse(_, body) if holds_token(&body) => Failed::Unknown("its id_token cannot be read".into()),
        // The parser's own words would repeat what stands there.
        RequestTokenError::Parse(error, _) => Failed::Unavailable(format!("its answer cannot be read at '{}'", error.path())),
        RequestTokenError::Other(fault) => Failed::Unavailable(format!("its answer cannot be read: {fault}")),
    }
}

/// Whether an answer that cannot be read is one with a token in it: then it is the token that is wrong.
fn holds_token(body: &[u8]) -> bool {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    answer.is_some_and(|answer| answer.get("id_token").is_some_and(Value::is_string) && answer.get("access_token").is_some())
}
