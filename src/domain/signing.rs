//! Ed25519 keys that access tokens are signed with (RFC 8037): read from PEM, and told in public as a JWK (RFC 7517).

use std::fmt;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::key::KeyHash;

/// A signing key. Nothing prints it.
#[derive(Clone)]
pub struct SigningKey {
    /// Its name in tokens and in the set of public keys: the same wherever it is read.
    pub id: String,
    /// Signs.
    pub private: EncodingKey,
    /// Checks.
    pub public: DecodingKey,
    /// The public half, for those who check tokens by themselves.
    pub jwk: Jwk,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl SigningKey {
    /// Of a private key in PEM (PKCS #8).
    pub fn of_pem(pem: &str) -> Result<Self, String> {
        let wrong = |_| "is no Ed25519 private key in PEM: openssl genpkey -algorithm ed25519 makes one".to_owned();
        let private = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(wrong)?;
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::EdDSA).map_err(wrong)?;
        let told = serde_json::to_string(&jwk).map_err(|error| error.to_string())?;
        let id = short(&KeyHash::of(&told));
        jwk.common.key_id = Some(id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&jwk).map_err(wrong)?;
        Ok(Self { id, private, public, jwk })
    }
}

/// Enough of a hash to tell one key from another.
pub fn short(hash: &KeyHash) -> String {
    hash.hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told() {
        let sound =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHr+y5oV/WzYqdBGuRBdSYRdIM5GcVZ2OUkVgqwVCBjt\n-----END PRIVATE KEY-----\n";
        let key = SigningKey::of_pem(sound).unwrap();
        assert_eq!(key.id, SigningKey::of_pem(&format!("\n{sound}")).unwrap().id);
        let public = serde_json::to_value(&key.jwk).unwrap();
        assert_eq!((public["kty"].as_str(), public["crv"].as_str(), public["use"].as_str()), (Some("OKP"), Some("Ed25519"), Some("sig")));
        assert!(public.get("d").is_none() && !format!("{key:?}").contains("MC4C"));
        let cut = sound.replace("VCBjt", "VCB=");
        let of_ec = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n";
        for wrong in ["", "secret", &sound.replace("PRIVATE", "PUBLIC"), &cut, of_ec] {
            assert!(SigningKey::of_pem(wrong).unwrap_err().contains("openssl genpkey"), "{wrong}");
        }
    }
}
