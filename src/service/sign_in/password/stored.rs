//! Password hashes as they stand in the database: ours, and those that other programs made.
//!
//! Known are the PHC strings of Argon2 (d, i, id) and scrypt, bcrypt, and what these write:
//! - better-auth: `SALT:KEY` in hex, scrypt with N = 16384, r = 16, p = 1 and 64 bytes; the salt is the text of its digits;
//! - Werkzeug (Flask): `scrypt:N:r:p$SALT$KEY`, the key in hex, the salt a text;
//! - Django: `argon2$argon2id$…` and `bcrypt$$2b$…`, the string behind its own prefix.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use crate::config::passwords::PasswordSettings;

/// The longest text that is read as a hash.
const LONGEST: usize = 512;

/// What one hash may take: RFC 7914's and OWASP's strongest fit, and two of them at once fit in a machine of 512 MB.
const MOST_KIB: u64 = 256 << 10;

/// All the memory that it may write, pass by pass: about a second's work.
const MOST_WRITTEN_KIB: u64 = 1 << 20;

/// Argon2's lanes are computed one after the other.
const MOST_LANES: u32 = 64;

/// 2^15 rounds take some two seconds; below 2^4 there is no bcrypt.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;

/// Shorter results are found by chance.
const LEAST_KEY: usize = 16;

/// better-auth's own parameters: they are not written down with the hash.
const BETTER_AUTH: (u64, u64, u64) = (16_384, 16, 1);

/// A hash that can be checked, within bounds.
#[derive(Clone)]
pub enum Stored {
    /// Argon2, in a PHC string.
    Argon2(Box<Argon2Hash>),
    /// bcrypt: a modular crypt string. Of a password beyond 72 bytes it has never seen the rest.
    Bcrypt(String),
    /// scrypt, whoever wrote it.
    Scrypt(Box<ScryptHash>),
}

/// Argon2's.
#[derive(Clone)]
pub struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    key: Vec<u8>,
}

/// scrypt's.
#[derive(Clone)]
pub struct ScryptHash {
    params: scrypt::Params,
    kib: u64,
    salt: Vec<u8>,
    key: Vec<u8>,
}

impl Stored {
    /// Reads a hash. The fault says what is wrong with it, and nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters, and no password hash is"));
        }
        let text = text.strip_prefix("bcrypt$").filter(|rest| rest.starts_with("$2")).unwrap_or(text);
        match text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")).unwrap_or(text) {
            phc if phc.starts_with("$argon2") => argon2(phc),
            phc if phc.starts_with("$scrypt$") => scrypt_phc(phc),
            crypt if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| crypt.starts_with(prefix)) => bcrypt(crypt),
            other if other.starts_with("scrypt:") => werkzeug(other),
            other => better_auth(other),
        }
    }

    /// How much memory it takes to check one, in KiB.
    pub fn kib(&self) -> u64 {
        match self {
            Self::Argon2(hash) => hash.params.m_cost().into(),
            Self::Bcrypt(_) => 4,
            Self::Scrypt(hash) => hash.kib,
        }
    }

    /// Of which kind it is: checking one takes as long for all of a kind.
    pub fn kind(&self) -> String {
        match self {
            Self::Argon2(hash) => {
                let params = &hash.params;
                format!("{} {:?} {} {} {}", hash.algorithm, hash.version, params.m_cost(), params.t_cost(), params.p_cost())
            }
            Self::Bcrypt(text) => format!("bcrypt {}", text.get(4..6).unwrap_or_default()),
            Self::Scrypt(hash) => format!("scrypt {} {} {}", hash.params.log_n(), hash.params.r(), hash.params.p()),
        }
    }

    /// Whether it is as a new one would be.
    pub fn is_current(&self, settings: &PasswordSettings) -> bool {
        let Self::Argon2(hash) = self else { return false };
        let params = &hash.params;
        (hash.algorithm, hash.version) == (Algorithm::Argon2id, Version::V0x13)
            && (params.m_cost(), params.t_cost(), params.p_cost()) == (settings.memory_kib, settings.passes, settings.lanes)
    }

    /// Whether it is of this password. Takes long, and takes memory; compares in constant time.
    pub fn matches(&self, plain: &str) -> Result<bool, String> {
        match self {
            Self::Argon2(hash) => {
                let mut key = vec![0; hash.key.len()];
                Argon2::new(hash.algorithm, hash.version, hash.params.clone())
                    .hash_password_into(plain.as_bytes(), &hash.salt, &mut key)
                    .map_err(|error| format!("Argon2: {error}"))?;
                Ok(key.ct_eq(&hash.key).into())
            }
            Self::Bcrypt(text) => bcrypt::verify(plain, text).map_err(|error| format!("bcrypt: {error}")),
            Self::Scrypt(hash) => {
                let mut key = vec![0; hash.key.len()];
                scrypt::scrypt(plain.as_bytes(), &hash.salt, &hash.params, &mut key).map_err(|error| format!("scrypt: {error}"))?;
                Ok(key.ct_eq(&hash.key).into())
            }
        }
    }
}

fn argon2(text: &str) -> Result<Stored, String> {
    let wrong = || "begins as an Argon2 hash and is none: $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH".to_owned();
    let phc = PasswordHash::new(text).map_err(|_| wrong())?;
    let algorithm: Algorithm = phc.algorithm.as_str().parse().map_err(|_| wrong())?;
    // Before there was a 19 there was no number.
    let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| wrong())?;
    let params = Params::try_from(&phc).map_err(|_| wrong())?;
    let (Some(salt), Some(key)) = (phc.salt, phc.hash) else { return Err(wrong()) };
    check_cost(params.m_cost().into(), u64::from(params.m_cost()) * u64::from(params.t_cost()))?;
    if params.p_cost() > MOST_LANES {
        return Err(format!("asks for {} lanes, and at most {MOST_LANES} are taken", params.p_cost()));
    }
    let (salt, key) = (salt.to_vec(), check_key(key.as_bytes().to_vec())?);
    Ok(Stored::Argon2(Box::new(Argon2Hash { algorithm, version, params, salt, key })))
}

fn bcrypt(text: &str) -> Result<Stored, String> {
    let wrong = "begins as a bcrypt hash and is none: $2b$12$ and 53 characters";
    let parts: bcrypt::HashParts = text.parse().map_err(|_| wrong)?;
    let cost = parts.get_cost();
    if !BCRYPT_COSTS.contains(&cost) {
        return Err(format!(
            "has the bcrypt cost {cost}, and from {} to {} is taken: a sign-in must not stop the server",
            BCRYPT_COSTS.start(),
            BCRYPT_COSTS.end()
        ));
    }
    Ok(Stored::Bcrypt(text.to_owned()))
}

fn scrypt_phc(text: &str) -> Result<Stored, String> {
    let wrong = || "begins as a scrypt hash and is none: $scrypt$ln=16,r=8,p=1$SALT$HASH".to_owned();
    let phc = PasswordHash::new(text).map_err(|_| wrong())?;
    let number = |name: &str| phc.params.get_decimal(name).map(u64::from).ok_or_else(wrong);
    let (log_n, r, p) = (number("ln")?, number("r")?, number("p")?);
    let n = u32::try_from(log_n).ok().and_then(|log_n| 1u64.checked_shl(log_n)).ok_or_else(wrong)?;
    let (Some(salt), Some(key)) = (phc.salt, phc.hash) else { return Err(wrong()) };
    scrypt_of((n, r, p), salt.to_vec(), key.as_bytes().to_vec())
}

/// `scrypt:32768:8:1$SALT$KEY`.
fn werkzeug(text: &str) -> Result<Stored, String> {
    let wrong = || "begins as a scrypt hash of Werkzeug and is none: scrypt:32768:8:1$SALT$KEY".to_owned();
    let mut parts = text.split('$');
    let (Some(method), Some(salt), Some(key), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let numbers: Vec<u64> = method.split(':').skip(1).map(number).collect::<Option<_>>().ok_or_else(wrong)?;
    let [n, r, p] = numbers[..] else { return Err(wrong()) };
    scrypt_of((n, r, p), salt.as_bytes().to_vec(), unhex(key).ok_or_else(wrong)?)
}

/// `SALT:KEY`.
fn better_auth(text: &str) -> Result<Stored, String> {
    let known = || {
        "is no password hash that is known here: write a PHC string of Argon2 or scrypt, a bcrypt hash, \
         or one of better-auth, Werkzeug or Django"
            .to_owned()
    };
    let (salt, key) = text.split_once(':').ok_or_else(known)?;
    // 16 bytes and 64: anything else is something else.
    if salt.len() != 32 || key.len() != 128 || unhex(salt).is_none() {
        return Err(known());
    }
    scrypt_of(BETTER_AUTH, salt.as_bytes().to_vec(), unhex(key).ok_or_else(known)?)
}

fn scrypt_of((n, r, p): (u64, u64, u64), salt: Vec<u8>, key: Vec<u8>) -> Result<Stored, String> {
    let wrong = || "has numbers that scrypt does not know: N is a power of two, r and p are at least 1".to_owned();
    if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 || salt.is_empty() {
        return Err(wrong());
    }
    let kib = n.saturating_mul(r).saturating_mul(128).div_ceil(1024);
    check_cost(kib, kib.saturating_mul(p))?;
    let small = |number: u64| u32::try_from(number).map_err(|_| wrong());
    let params = scrypt::Params::new(n.trailing_zeros() as u8, small(r)?, small(p)?).map_err(|_| wrong())?;
    Ok(Stored::Scrypt(Box::new(ScryptHash { params, kib, salt, key: check_key(key)? })))
}

/// What stands in a row of an import must not be able to stop the server, sign-in by sign-in.
fn check_cost(kib: u64, written_kib: u64) -> Result<(), String> {
    if kib > MOST_KIB {
        return Err(format!(
            "asks for {} MiB of memory, and at most {} are taken: a sign-in must not stop the server",
            kib >> 10,
            MOST_KIB >> 10
        ));
    }
    if written_kib > MOST_WRITTEN_KIB {
        return Err(format!(
            "asks to write {} MiB of memory in all, and at most {} are taken: a sign-in must not stop the server",
            written_kib >> 10,
            MOST_WRITTEN_KIB >> 10
        ));
    }
    Ok(())
}

fn check_key(key: Vec<u8>) -> Result<Vec<u8>, String> {
    if (LEAST_KEY..=64).contains(&key.len()) {
        Ok(key)
    } else {
        Err(format!("has a result of {} bytes: it must have {LEAST_KEY} to 64", key.len()))
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |b: u8| (b as char).to_digit(16);
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}

#[cfg(test)]
mod tests;
