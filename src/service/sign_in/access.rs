//! Access tokens: short-lived JWTs (RFC 7519) that name a user, their session and one account. The algorithm and the keys are the
//! configuration's; what a token says of itself is compared with them and never followed.

use std::fmt;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::error::{Error, Result};
use crate::domain::jwt;
use crate::domain::key::KeyHash;
use crate::domain::signing::{SigningKey, short};
use crate::domain::time::{Span, Timestamp};

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

impl Claims {
    /// From when on it is refused.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.exp.saturating_mul(1000))
    }
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
    validation: Validation,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.algorithm)
    }
}

impl Signer {
    /// By secrets of 32 bytes, the first of which signs.
    pub fn of_secrets(secrets: &[[u8; 32]], issuer: String) -> Result<Self> {
        let known = |secret: &[u8; 32]| Known {
            // Of a hash of it: whoever sees it learns nothing.
            id: short(&KeyHash::of(&format!("key id {}", KeyHash::from_bytes(*secret).hex()))),
            key: DecodingKey::from_secret(secret),
            public: None,
        };
        let first = secrets.first().map(|secret| EncodingKey::from_secret(secret));
        Self::of(Algorithm::HS256, first, secrets.iter().map(known).collect(), issuer)
    }

    /// By Ed25519 keys, the first of which signs.
    pub fn of_keys(keys: &[SigningKey], issuer: String) -> Result<Self> {
        let known = |key: &SigningKey| Known { id: key.id.clone(), key: key.public.clone(), public: Some(key.jwk.clone()) };
        let first = keys.first().map(|key| key.private.clone());
        Self::of(Algorithm::EdDSA, first, keys.iter().map(known).collect(), issuer)
    }

    fn of(algorithm: Algorithm, key: Option<EncodingKey>, known: Vec<Known>, issuer: String) -> Result<Self> {
        let key = key.ok_or_else(|| Error::Internal("there is nothing to sign access tokens with".into()))?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // By the time of the request, to the second.
        validation.validate_exp = false;
        Ok(Self { algorithm, key, known, issuer, validation })
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
        let known = self.key_of(token)?;
        let claims = decode::<Claims>(token, &known.key, &self.validation).ok()?.claims;
        let user = claims.sub.parse().ok()?;
        (now < claims.expires_at()).then_some((user, claims))
    }

    /// Whether one names a key of ours, be it expired or forged: it is meant for this server and nobody else.
    pub fn is_meant(&self, token: &str) -> bool {
        self.key_of(token).is_some()
    }

    /// The key that a token names, where it is one of ours and the token asks for nothing else than ours ever do.
    fn key_of(&self, token: &str) -> Option<&Known> {
        if token.len() > jwt::LONGEST || !jwt::looks_like_one(token) {
            return None;
        }
        // What `crit` lists has to be understood (RFC 7515, 4.1.11), and nothing is.
        let header = decode_header(token).ok().filter(|header| header.alg == self.algorithm && header.crit.is_none())?;
        let kid = header.kid?;
        self.known.iter().find(|known| known.id == kid)
    }

    /// The public keys, for those who check tokens by themselves (RFC 7517).
    pub fn public_keys(&self) -> Value {
        json!({ "keys": self.known.iter().filter_map(|known| known.public.as_ref()).collect::<Vec<_>>() })
    }
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

    fn pems(pems: &[&str]) -> Signer {
        let keys: Vec<_> = pems.iter().map(|pem| SigningKey::of_pem(pem).unwrap()).collect();
        Signer::of_keys(&keys, "https://api.example.com".into()).unwrap()
    }

    fn made(signer: &Signer) -> String {
        signer.sign(42, "ses_1", "acc_1", NOW, Span::from_secs(900)).unwrap()
    }

    #[test]
    fn a_token_counts_for_its_time() {
        let signer = signer(&[1]);
        let token = made(&signer);
        let (user, claims) = signer.read(&token, NOW.plus(Span::from_millis(899_999))).unwrap();
        assert_eq!((user, claims.sid.as_str(), claims.acc.as_str()), (42, "ses_1", "acc_1"));
        assert!(signer.read(&token, NOW.plus(Span::from_secs(900))).is_none());
    }

    #[test]
    fn rotation_overlaps() {
        let token = made(&signer(&[1]));
        assert!(signer(&[2, 1]).read(&token, NOW).is_some());
        assert!(signer(&[2]).read(&token, NOW).is_none());
        let token = made(&pems(&[OLD]));
        assert!(pems(&[NEW, OLD]).read(&token, NOW).is_some() && pems(&[NEW]).read(&token, NOW).is_none());
        assert_eq!(pems(&[NEW, OLD]).public_keys()["keys"].as_array().unwrap().len(), 2);
        assert!(!pems(&[NEW]).public_keys().to_string().contains("\"d\""));
    }

    #[test]
    fn what_a_token_says_of_itself_is_not_followed() {
        let (secret, pems) = (signer(&[1]), pems(&[OLD]));
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

    /// A token with this header and these claims as they stand, signed by the secret of `signer(&[1])`.
    fn signed(header: &str, claims: &str) -> String {
        let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(&[1; 32]), Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn what_ours_never_say_is_refused_however_well_signed() {
        let signer = signer(&[1]);
        let kid = &signer.known[0].id;
        let exp = NOW.millis() / 1000 + 900;
        let header = format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{kid}"}}"#);
        let rest = format!(r#""sid":"ses_1","acc":"acc_1","iat":0,"exp":{exp},"jti":"1""#);
        let ours = format!(r#"{{"iss":"https://api.example.com","sub":"42",{rest}}}"#);
        assert!(signer.read(&signed(&header, &ours), NOW).is_some());
        let headers = [
            r#"{"alg":"HS256"}"#.to_owned(),
            r#"{"alg":"HS256","kid":""}"#.to_owned(),
            format!(r#"{{"alg":"HS256","kid":"{kid}","crit":["exp"]}}"#),
            format!(r#"{{"alg":"HS256","kid":"{kid}","crit":[]}}"#),
            format!(r#"{{"alg":"HS256","alg":"HS256","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"{kid}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"none","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS384","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
        ];
        for header in headers {
            assert!(signer.read(&signed(&header, &ours), NOW).is_none(), "{header}");
        }
        let claims = [
            format!(r#"{{"iss":"https://api.example.com","sub":"42","sub":"43",{rest}}}"#),
            format!(r#"{{"iss":"https://api.example.com","iss":"https://api.example.com","sub":"42",{rest}}}"#),
            format!(r#"{{"iss":["https://api.example.com","https://evil.example"],"sub":"42",{rest}}}"#),
            format!(r#"{{"sub":"42",{rest}}}"#),
            format!(r#"{{"iss":"https://api.example.com","sub":42,{rest}}}"#),
            format!(r#"{{"iss":"https://api.example.com","sub":"x",{rest}}}"#),
            format!(r#"{{"iss":"https://api.example.com","sub":"42","aud":"another",{rest}}}"#),
            r#"{"iss":"https://api.example.com","sub":"42","sid":"ses_1","acc":"acc_1","iat":0,"jti":"1"}"#.to_owned(),
        ];
        for claims in claims {
            assert!(signer.read(&signed(&header, &claims), NOW).is_none(), "{claims}");
        }
        let long = ours.replacen('{', &format!(r#"{{"x":"{}","#, "x".repeat(jwt::LONGEST)), 1);
        assert!(signer.read(&signed(&header, &long), NOW).is_none());
    }

    #[test]
    fn none_of_ours_is_too_long_to_be_read() {
        let issuer = format!("https://{}", "x".repeat(292));
        let keys = [SigningKey::of_pem(OLD).unwrap()];
        let id = |prefix: &str| format!("{prefix}_{}", "0".repeat(26));
        for signer in [Signer::of_keys(&keys, issuer.clone()).unwrap(), Signer::of_secrets(&[[1; 32]], issuer).unwrap()] {
            let token = signer.sign(i64::MAX, &id("ses"), &id("acc"), NOW, Span::from_secs(86_400)).unwrap();
            assert!(token.len() <= jwt::LONGEST && signer.read(&token, NOW).is_some(), "{}", token.len());
        }
    }

    #[test]
    fn it_is_known_which_are_meant_for_this_server() {
        let (own, other) = (signer(&[1]), signer(&[2]));
        let token = made(&own);
        assert!(own.is_meant(&token) && !other.is_meant(&token));
        // One that is forged is meant for it, too; one that is not even a token is not.
        let cut = token.rsplit_once('.').unwrap().0;
        assert!(own.is_meant(&format!("{cut}.x")) && !own.is_meant(cut) && !own.is_meant("tg_live_x"));
    }
}
