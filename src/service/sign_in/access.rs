//! Access tokens: short-lived JWTs (RFC 7519) that name a user, their session and one account. The algorithm and the keys are the
//! configuration's; what a token says of itself is compared with them and never followed.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::error::{Error, Result};
use crate::domain::key::KeyHash;
use crate::domain::time::{Span, Timestamp};

/// What every JWT of ours begins with: `{"`, in base64url.
const BEGINNING: &str = "eyJ";

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it: `public_url`.
    pub iss: String,
    /// The user's id.
    pub sub: String,
    /// The session.
    pub sid: String,
    /// The account.
    pub acc: String,
    /// Unix seconds: when it was made.
    pub iat: i64,
    /// Unix seconds: from when on it is refused.
    pub exp: i64,
    /// Tells it from every other.
    pub jti: String,
}

/// A key that tokens are checked with.
struct Known {
    id: String,
    key: DecodingKey,
    /// For those who check tokens by themselves; a shared secret has none.
    public: Option<Jwk>,
}

/// Makes access tokens, and reads them.
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    /// The first is that of `key`.
    known: Vec<Known>,
    issuer: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.algorithm)
    }
}

impl Signer {
    /// By secrets of 32 bytes, the first of which signs.
    pub fn of_secrets(secrets: &[[u8; 32]], issuer: String) -> Result<Self> {
        let first = secrets.first().ok_or_else(|| Error::Internal("there is no secret to sign with".into()))?;
        let known = |secret: &[u8; 32]| Known {
            // Of a hash of it: whoever sees it learns nothing.
            id: key_id(&KeyHash::of(&format!("key id {}", KeyHash::from_bytes(*secret).hex()))),
            key: DecodingKey::from_secret(secret),
            public: None,
        };
        let key = EncodingKey::from_secret(first);
        Ok(Self { algorithm: Algorithm::HS256, key, known: secrets.iter().map(known).collect(), issuer })
    }

    /// By Ed25519 keys (PKCS #8, PEM), the first of which signs.
    pub fn of_pems(pems: &[&str], issuer: String) -> Result<Self, String> {
        let wrong = |_| "is no Ed25519 key: openssl genpkey -algorithm ed25519 makes one".to_owned();
        let mut keys = Vec::new();
        for pem in pems {
            let key = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(wrong)?;
            let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(wrong)?;
            let told = serde_json::to_string(&public).map_err(|error| error.to_string())?;
            let id = key_id(&KeyHash::of(&told));
            public.common.key_id = Some(id.clone());
            public.common.public_key_use = Some(PublicKeyUse::Signature);
            let decoding = DecodingKey::from_jwk(&public).map_err(wrong)?;
            keys.push((key, Known { id, key: decoding, public: Some(public) }));
        }
        let (mut signing, known): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        if signing.is_empty() {
            return Err("there is no key to sign with".into());
        }
        Ok(Self { algorithm: Algorithm::EdDSA, key: signing.swap_remove(0), known, issuer })
    }

    /// Makes one.
    pub fn sign(&self, user: i64, session: &str, account: &str, now: Timestamp, lifetime: Span) -> Result<String> {
        let iat = now.millis().div_euclid(1000);
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: user.to_string(),
            sid: session.to_owned(),
            acc: account.to_owned(),
            iat,
            exp: iat + lifetime.seconds_up() as i64,
            jti: format!("{:016x}", rand::rng().random::<u64>()),
        };
        let header = Header { kid: self.known.first().map(|known| known.id.clone()), ..Header::new(self.algorithm) };
        encode(&header, &claims, &self.key).map_err(|error| Error::Internal(format!("an access token could not be signed: {error}")))
    }

    /// Reads one that is ours and has not expired. What is wrong with any other does not matter.
    pub fn read(&self, token: &str, now: Timestamp) -> Option<(i64, Claims)> {
        let header = decode_header(token).ok().filter(|header| header.alg == self.algorithm)?;
        let kid = header.kid?;
        let known = self.known.iter().find(|known| known.id == kid)?;
        let mut validation = Validation::new(self.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // By the time of the request, to the second.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &known.key, &validation).ok()?.claims;
        let user = claims.sub.parse().ok()?;
        (now.millis() < claims.exp.saturating_mul(1000)).then_some((user, claims))
    }

    /// The public keys, for those who check tokens by themselves (RFC 7517).
    pub fn public_keys(&self) -> Value {
        json!({ "keys": self.known.iter().filter_map(|known| known.public.as_ref()).collect::<Vec<_>>() })
    }
}

/// Whether a credential is meant to be a JWT: nothing is looked up to tell.
pub fn looks_like_one(credential: &str) -> bool {
    credential.starts_with(BEGINNING) && credential.bytes().filter(|byte| *byte == b'.').count() == 2
}

fn key_id(hash: &KeyHash) -> String {
    hash.hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    const NOW: Timestamp = Timestamp::from_millis(1_775_001_600_000);
    const OLD: &str =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHr+y5oV/WzYqdBGuRBdSYRdIM5GcVZ2OUkVgqwVCBjt\n-----END PRIVATE KEY-----\n";
    const NEW: &str =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEICaV2/E7LjEZT2zVhH1SyTuV6m1WWLHIE1Onfx2zZxYL\n-----END PRIVATE KEY-----\n";

    fn signer(secrets: &[u8]) -> Signer {
        let secrets: Vec<[u8; 32]> = secrets.iter().map(|byte| [*byte; 32]).collect();
        Signer::of_secrets(&secrets, "https://api.example.com".into()).unwrap()
    }

    fn made(signer: &Signer) -> String {
        signer.sign(42, "ses_1", "acc_1", NOW, Span::from_secs(900)).unwrap()
    }

    #[test]
    fn a_token_counts_for_its_time() {
        let signer = signer(&[1]);
        let token = made(&signer);
        assert!(looks_like_one(&token) && !looks_like_one("tg_live_x") && !looks_like_one("eyJhbGci"));
        let (user, claims) = signer.read(&token, NOW.plus(Span::from_millis(899_999))).unwrap();
        assert_eq!((user, claims.sid.as_str(), claims.acc.as_str()), (42, "ses_1", "acc_1"));
        assert!(signer.read(&token, NOW.plus(Span::from_secs(900))).is_none());
    }

    #[test]
    fn rotation_overlaps() {
        let token = made(&signer(&[1]));
        assert!(signer(&[2, 1]).read(&token, NOW).is_some());
        assert!(signer(&[2]).read(&token, NOW).is_none());
        let pems = |pems: &[&str]| Signer::of_pems(pems, "https://api.example.com".into()).unwrap();
        let token = made(&pems(&[OLD]));
        assert!(pems(&[NEW, OLD]).read(&token, NOW).is_some() && pems(&[NEW]).read(&token, NOW).is_none());
        assert_eq!(pems(&[NEW, OLD]).public_keys()["keys"].as_array().unwrap().len(), 2);
        assert!(!pems(&[NEW]).public_keys().to_string().contains("\"d\""));
    }

    #[test]
    fn what_a_token_says_of_itself_is_not_followed() {
        let (secret, pems) = (signer(&[1]), Signer::of_pems(&[OLD], "https://api.example.com".into()).unwrap());
        let token = made(&secret);
        let mut parts = token.split('.');
        let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
        let header: Value = serde_json::from_slice(&BASE64.decode(header).unwrap()).unwrap();
        let with = |alg: &str, signature: &str| {
            let mut header = header.clone();
            header["alg"] = alg.into();
            format!("{}.{claims}.{signature}", BASE64.encode(header.to_string()))
        };
        for forged in [with("none", ""), with("None", ""), with("HS512", token.rsplit('.').next().unwrap()), with("HS256", "")] {
            assert!(secret.read(&forged, NOW).is_none(), "{forged}");
        }
        // The public key of the one used as the secret of the other.
        let public = pems.known[0].public.clone().unwrap();
        let kid = Header { kid: Some(pems.known[0].id.clone()), ..Header::new(Algorithm::HS256) };
        let claims = secret.read(&token, NOW).unwrap().1;
        let key = EncodingKey::from_secret(serde_json::to_string(&public).unwrap().as_bytes());
        assert!(pems.read(&encode(&kid, &claims, &key).unwrap(), NOW).is_none());
        // Another issuer.
        let other = Signer::of_secrets(&[[1; 32]], "https://evil.example".into()).unwrap();
        assert!(secret.read(&made(&other), NOW).is_none());
    }
}
