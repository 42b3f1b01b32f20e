//! Whether a provider's word is good (OpenID Connect Core, 3.1.3.7), and whom it proves.

use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AdditionalClaims, ClaimsVerificationError, ClientId, IdToken, IdTokenClaims, IdTokenVerifier, LocalizedClaim, Nonce as TokenNonce,
    SignatureVerificationError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::{Failed, told};
use crate::config::providers::{Kind, Provider};
use crate::domain::identity::{Named, Proven, Said};
use crate::domain::telegram;
use crate::domain::time::Timestamp;

/// How far ahead of our clock a provider's may be.
const AHEAD_MILLIS: i64 = 60_000;

/// What tokens may be signed with, where the provider's document lists it too. Never `none`, and nothing with a shared secret: what
/// a public key could be mistaken for.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 3] =
    [CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, CoreJwsSigningAlgorithm::EcdsaP256Sha256, CoreJwsSigningAlgorithm::EdDsa];

/// What a token may say beyond the standard.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Extra {
    /// Telegram's own id of somebody, whichever bot they sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
}

impl AdditionalClaims for Extra {}

/// A provider's word.
pub(super) type Token = IdToken<Extra, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Claims = IdTokenClaims<Extra, CoreGenderClaim>;

/// What is asked of the nonce in a token.
pub(super) enum Nonce {
    /// Nothing: whoever began made none.
    Any,
    /// It stands there, and is this one.
    Equal(String),
    /// It is this one where it stands there. Telegram leaves it out; the challenge binds the code all the same.
    EqualIfSaid(String),
}

impl Nonce {
    fn check(&self, said: Option<&TokenNonce>) -> Result<(), String> {
        match (self, said) {
            (Self::Any, _) | (Self::EqualIfSaid(_), None) => Ok(()),
            (Self::Equal(_), None) => Err("there is none".into()),
            (Self::Equal(asked) | Self::EqualIfSaid(asked), Some(said)) => {
                let is_same: bool = asked.as_bytes().ct_eq(said.secret().as_bytes()).into();
                if is_same { Ok(()) } else { Err("it is another one".into()) }
            }
        }
    }
}

/// Whom a token proves; `None` where it is signed with a key that is not among these.
pub(super) fn check(
    provider: &Provider,
    metadata: &CoreProviderMetadata,
    token: &Token,
    nonce: &Nonce,
    now: Timestamp,
) -> Result<Option<Proven>, Failed> {
    let listed = metadata.id_token_signing_alg_values_supported();
    let allowed: Vec<_> = ALGORITHMS.into_iter().filter(|algorithm| listed.contains(algorithm)).collect();
    if allowed.is_empty() {
        return Err(Failed::Unavailable("it signs with none of RS256, ES256 and EdDSA".into()));
    }
    // One for public clients: it never takes the client's secret for a key.
    let id = ClientId::new(provider.client_id.clone());
    let verifier: IdTokenVerifier<'_, CoreJsonWebKey> =
        IdTokenVerifier::new_public_client(id, metadata.issuer().clone(), metadata.jwks().clone())
            .set_allowed_algs(allowed)
            // Others may be there where it says that it is for us: see below.
            .set_other_audience_verifier_fn(|_| true)
            .set_issue_time_verifier_fn(move |at| match at.timestamp_millis() - now.millis() {
                ..=AHEAD_MILLIS => Ok(()),
                _ => Err("it was made in the future".into()),
            });
    match token.claims(&verifier, |said: Option<&TokenNonce>| nonce.check(said)) {
        Ok(claims) => {
            check_party(claims, &provider.client_id)?;
            prove(provider, claims).map(Some)
        }
        Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => Ok(None),
        Err(ClaimsVerificationError::SignatureVerification(fault)) => Err(unknown(&format!("its signature is not good: {fault}"))),
        Err(fault) => Err(unknown(&fault.to_string())),
    }
}

/// For whom a token is: where it is for several, or says for whom, that is us (OpenID Connect Core, 3.1.3.7, 4 and 5).
fn check_party(claims: &Claims, client_id: &str) -> Result<(), Failed> {
    match claims.authorized_party() {
        Some(party) if party.as_str() != client_id => Err(unknown("it was made for another party")),
        None if claims.audiences().len() > 1 => Err(unknown("it is for several, and does not say which of them asked")),
        _ => Ok(()),
    }
}

fn unknown(reason: &str) -> Failed {
    Failed::Unknown(told(&format!("its id_token is not good: {reason}")))
}

fn prove(provider: &Provider, claims: &Claims) -> Result<Proven, Failed> {
    let name = claims.name().and_then(|name| first(name)).map(|name| name.as_str().to_owned());
    let username = claims.preferred_username().map(|name| name.as_str());
    let said = Said {
        email: email(provider, claims),
        handle: username.map(|name| if provider.kind == Kind::Telegram { format!("@{name}") } else { name.to_owned() }),
        name,
        picture: claims.picture().and_then(|url| first(url)).map(|url| url.as_str().to_owned()),
    };
    let method = provider.name.as_str();
    let proven = match provider.kind {
        // The id that the Login Widget gives too: `sub` is another one for each bot.
        Kind::Telegram => {
            let id = claims.additional_claims().id.as_ref().and_then(telegram::id);
            let id = id.ok_or_else(|| Failed::Unavailable("its id_token has no id: it comes with the scope profile".into()))?;
            Proven::new(telegram::PROVIDER, &id, method, said)
        }
        _ => Proven::new(&provider.issuer, claims.subject().as_str(), method, said),
    };
    proven.ok_or_else(|| unknown("its sub is none"))
}

/// The address that a provider names. Google says of each whether it is theirs; one that is not, is nobody's.
fn email(provider: &Provider, claims: &Claims) -> Option<Named> {
    let address = claims.email()?.as_str().to_owned();
    let verified = claims.email_verified() == Some(true) && provider.trusts_email;
    (verified || provider.kind != Kind::Google).then_some(Named { address, verified })
}

/// What is said in no language in particular, else in any.
fn first<T>(claim: &LocalizedClaim<T>) -> Option<&T> {
    claim.get(None).or_else(|| claim.iter().next().map(|(_, text)| text))
}
