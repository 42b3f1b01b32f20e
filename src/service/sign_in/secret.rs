//! The server's secret: what mailed tokens and codes are worked out of, so that none needs to be stored, and what seals what must be
//! stored and read again. The database without it tells nobody a token or a code.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::domain::error::{Error, Result};
use crate::domain::key::KeyHash;
use crate::store::side;

/// How many random bytes a secret has that tollgate makes, and how many one must have at the least.
const BYTES: usize = 32;

/// The largest file that is read for one.
const LARGEST: u64 = 4096;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many letters of base 62 hold 256 bits.
const TOKEN_LENGTH: usize = 43;

/// How many codes of six digits there are.
const CODES: u64 = 1_000_000;

/// What the keys that come of one secret are for: each use has its own.
const TOKEN: &str = "token";
const CODE: &str = "code";
const CODE_HASH: &str = "code hash";
const FORM: &str = "form";
const SEAL: &str = "seal";

/// A mailed token or code as its addressee gets to know it. Never stored or logged: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainToken(String);

impl PlainToken {
    /// The token or code itself. Who calls this is about to send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(…)")
    }
}

/// The server's secret: that of now, and those of before, which still open and confirm what was made with them.
#[derive(Clone)]
pub struct ServerSecret {
    now: Box<[u8]>,
    before: Vec<Box<[u8]>>,
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(…)")
    }
}

impl ServerSecret {
    /// Of the secrets of a configuration, the one of now first: each of [`BYTES`] at the least.
    pub fn of(now: &[u8], before: &[&[u8]]) -> Result<Self, String> {
        if [now].iter().chain(before).any(|secret| secret.len() < BYTES) {
            return Err(format!("must have {BYTES} characters at the least: openssl rand -base64 32 makes one"));
        }
        Ok(Self { now: now.into(), before: before.iter().map(|secret| Box::from(*secret)).collect() })
    }

    /// Reads the secret that stands in a file, or makes the file where there is none. To be called by whoever has the database, so
    /// that no two make it at once.
    pub fn at(path: &Path) -> Result<Self, String> {
        let told = |reason: String| format!("the secret of sign-in, {}, cannot be used: {reason}", path.display());
        let text = match read(path) {
            Ok(Some(text)) => text,
            Ok(None) => make(path).map_err(|error| told(format!("it cannot be made: {error}")))?,
            Err(reason) => return Err(told(reason)),
        };
        Self::of(text.as_bytes(), &[])
            .map_err(|_| told("there is no whole secret in it: put back the copy that belongs to the database".into()))
    }

    /// One that nobody knows and nothing outlives: for a server on which nobody signs in.
    pub fn fleeting() -> Self {
        Self { now: Box::new(rand::random::<[u8; BYTES]>()), before: Vec::new() }
    }

    /// The secrets of a configuration, with this one after them: what was made with it before they were given still counts.
    pub fn after(&self, given: &[&[u8]]) -> Self {
        let mut all = given.iter().map(|secret| Box::from(*secret)).chain(self.all().map(Box::from));
        match all.next() {
            Some(now) => Self { now, before: all.collect() },
            None => self.clone(),
        }
    }

    /// 256 bits of each of the secrets for one use, those of now first.
    pub fn derived(&self, usage: &str) -> Vec<[u8; BYTES]> {
        self.all().map(|secret| derived(secret, usage, &[])).collect()
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&*self.now).chain(self.before.iter().map(|secret| &**secret))
    }

    /// The token of a proof or an invitation that is made now: 256 bits as 43 letters and digits.
    pub fn token_of(&self, id: &str) -> PlainToken {
        token(&self.now, id)
    }

    /// The code of a proof that is made now: six digits.
    pub fn code_of(&self, id: &str) -> PlainToken {
        code(&self.now, id)
    }

    /// The token of which this hash was kept; `None` where none of these secrets made it.
    pub fn token_with(&self, id: &str, hash: &KeyHash) -> Option<PlainToken> {
        self.all().map(|secret| token(secret, id)).find(|token| Self::hash_of_token(token.expose()) == *hash)
    }

    /// The code of which this hash was kept; `None` where none of these secrets made it.
    pub fn code_with(&self, id: &str, hash: &KeyHash) -> Option<PlainToken> {
        self.all().find_map(|secret| {
            let code = code(secret, id);
            (hash_of_code(secret, id, code.expose()) == *hash).then_some(code)
        })
    }

    /// What is kept of a token. It is random, so a fast hash is enough.
    pub fn hash_of_token(token: &str) -> KeyHash {
        KeyHash::of(token)
    }

    /// What is kept of a code: there are few, so without the secret the hash must tell nothing.
    pub fn hash_of_code(&self, id: &str, code: &str) -> KeyHash {
        hash_of_code(&self.now, id, code)
    }

    /// Whether this is the code of which this hash was kept, under any of the secrets; each is looked at, whichever it is.
    pub fn confirms_code(&self, id: &str, code: &str, hash: &KeyHash) -> bool {
        let same = |secret| hash_of_code(secret, id, code).as_bytes().ct_eq(hash.as_bytes());
        self.all().map(same).fold(Choice::from(0), |any, one| any | one).into()
    }

    /// What the forms of a session's pages for an account carry: whoever does not see them cannot know it.
    pub fn form_token(&self, session: &str, account: &str) -> PlainToken {
        PlainToken(base62(derived(&self.now, FORM, &[session.as_bytes(), account.as_bytes()])))
    }

    /// Whether this is what the forms of a session's pages for an account carry, under any of the secrets.
    pub fn confirms_form(&self, session: &str, account: &str, token: &str) -> bool {
        let same = |secret| base62(derived(secret, FORM, &[session.as_bytes(), account.as_bytes()])).as_bytes().ct_eq(token.as_bytes());
        self.all().map(same).fold(Choice::from(0), |any, one| any | one).into()
    }

    /// Seals what must be read again: nonce, ciphertext, tag (AES-256-GCM). It opens only under the same label, which says what it
    /// is and whose.
    pub fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = plain.to_vec();
        let done =
            sealing_key(&self.now)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(label.as_bytes()), &mut sealed);
        done.map_err(|_| Error::Internal("what was to be sealed is too long".into()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed under this label, by any of the secrets.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let closed = || Error::Internal(format!("{label} was sealed with another secret, or is damaged"));
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(closed)?;
        for secret in self.all() {
            let mut opened = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            if let Ok(plain) = sealing_key(secret)?.open_in_place(nonce, Aad::from(label.as_bytes()), &mut opened) {
                return Ok(plain.to_vec());
            }
        }
        Err(closed())
    }
}

/// 256 bits for one use of a secret. The parts are told apart, wherever one ends.
fn derived(secret: &[u8], usage: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = match Hmac::<Sha256>::new_from_slice(secret) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    mac.update(usage.as_bytes());
    for part in parts {
        mac.update(&[0]);
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn token(secret: &[u8], id: &str) -> PlainToken {
    PlainToken(base62(derived(secret, TOKEN, &[id.as_bytes()])))
}

fn code(secret: &[u8], id: &str) -> PlainToken {
    // What lies beyond the last whole million would make some codes likelier than others.
    let even = |number: &u64| *number < u64::MAX - u64::MAX % CODES;
    let number = (0_u8..=u8::MAX).find_map(|turn| {
        let bytes = derived(secret, CODE, &[id.as_bytes(), &[turn]]);
        let numbers = bytes.as_chunks::<8>().0.iter().map(|eight| u64::from_be_bytes(*eight));
        numbers.into_iter().find(even)
    });
    PlainToken(format!("{:06}", number.unwrap_or_default() % CODES))
}

fn hash_of_code(secret: &[u8], id: &str, code: &str) -> KeyHash {
    KeyHash::from_bytes(derived(secret, CODE_HASH, &[id.as_bytes(), code.as_bytes()]))
}

fn sealing_key(secret: &[u8]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, &derived(secret, SEAL, &[]));
    key.map(LessSafeKey::new).map_err(|_| Error::Internal("AES-256-GCM cannot be used".into()))
}

/// A number of 256 bits in base 62, with as many letters as the largest needs.
fn base62(mut number: [u8; 32]) -> String {
    let mut letters = [0; TOKEN_LENGTH];
    for letter in letters.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let dividend = rest << 8 | u32::from(*byte);
            (*byte, rest) = ((dividend / 62) as u8, dividend % 62);
        }
        *letter = BASE62[rest as usize];
    }
    letters.iter().map(|letter| char::from(*letter)).collect()
}

/// Reads the file; `None` where there is none. What others may read is no secret.
fn read(path: &Path) -> Result<Option<String>, String> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::PermissionDenied => "this user may not read it: run this as the user who serves, or as root".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(unreadable)?,
    };
    let metadata = file.metadata().map_err(unreadable)?;
    let (mode, own) = (metadata.mode() & 0o777, rustix::process::geteuid());
    if !metadata.is_file() {
        return Err("it is not a file".into());
    }
    if mode & 0o077 != 0 {
        return Err(format!("others than its owner may use it (mode {mode:o}): chmod 600 {}", path.display()));
    }
    if metadata.uid() != own.as_raw() && metadata.uid() != 0 && !own.is_root() {
        return Err(format!("it belongs to another user ({}): chown it to the user who serves", metadata.uid()));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Some(text.trim_end().to_owned()))
}

/// Makes the file, whole or not at all, for its owner alone.
fn make(path: &Path) -> std::io::Result<String> {
    let text = base62(rand::random());
    let unfinished = side::beside(path, ".new");
    // What a crash left there was never used.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const OLD: &[u8] = b"an old secret of thirty-two bytes or more";
    const NEW: &[u8] = b"a new secret, of thirty-two bytes or more";

    fn secret(now: &[u8], before: &[&[u8]]) -> ServerSecret {
        ServerSecret::of(now, before).unwrap()
    }

    #[test]
    fn tokens_and_codes_are_the_same_each_time_and_of_their_proof_alone() {
        let (one, other) = (secret(NEW, &[]), secret(OLD, &[]));
        let token = one.token_of("prf_1");
        assert_eq!(token, secret(NEW, &[]).token_of("prf_1"));
        assert!(token.expose().len() == 43 && token.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", token.expose());
        assert!(token != one.token_of("prf_2") && token != other.token_of("prf_1"));
        let code = one.code_of("prf_1");
        assert!(code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit()), "{}", code.expose());
        assert_eq!(format!("{token:?} {one:?}"), "PlainToken(…) ServerSecret(…)");
    }

    #[test]
    fn numbers_in_base_62() {
        let mut one = [0; 32];
        one[31] = 61;
        assert_eq!(base62([0; 32]), "0".repeat(43));
        assert_eq!(base62(one), format!("{}z", "0".repeat(42)));
        one[30] = 1;
        assert_eq!(base62(one), format!("{}57", "0".repeat(41)), "256 + 61 = 5 · 62 + 7");
        assert_eq!(base62([255; 32]), "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1", "2^256 - 1");
    }

    #[test]
    fn every_digit_is_as_likely_as_any() {
        let secret = secret(NEW, &[]);
        let codes: Vec<String> = (0..20_000).map(|at| secret.code_of(&format!("prf_{at}")).expose().to_owned()).collect();
        for place in 0..6 {
            for digit in b'0'..=b'9' {
                let count = codes.iter().filter(|code| code.as_bytes()[place] == digit).count();
                // Ten standard deviations of a binomial distribution: 42 each.
                assert!((1580..=2420).contains(&count), "{} stands {count} times at {place}", char::from(digit));
            }
        }
        assert!(codes.iter().collect::<HashSet<_>>().len() > 19_000);
    }

    #[test]
    fn a_code_is_confirmed_for_its_proof_alone() {
        let secret = secret(NEW, &[]);
        let code = secret.code_of("prf_1");
        let hash = secret.hash_of_code("prf_1", code.expose());
        assert!(secret.confirms_code("prf_1", code.expose(), &hash));
        assert!(!secret.confirms_code("prf_2", code.expose(), &hash));
        for wrong in ["", "000000x", &code.expose()[..5], &format!("{} ", code.expose()), &format!("0{}", code.expose())] {
            assert!(!secret.confirms_code("prf_1", wrong, &hash), "{wrong}");
        }
        assert_ne!(hash, KeyHash::of(code.expose()), "whoever has the database tries no codes");
    }

    #[test]
    fn a_secret_of_before_still_confirms_and_opens() {
        let (old, both, new) = (secret(OLD, &[]), secret(NEW, &[OLD]), secret(NEW, &[]));
        let (token, code) = (old.token_of("prf_1"), old.code_of("prf_1"));
        let (of_token, of_code) = (ServerSecret::hash_of_token(token.expose()), old.hash_of_code("prf_1", code.expose()));
        assert_eq!((both.token_with("prf_1", &of_token), new.token_with("prf_1", &of_token)), (Some(token), None));
        assert_eq!((both.code_with("prf_1", &of_code), new.code_with("prf_1", &of_code)), (Some(code.clone()), None));
        assert!(both.confirms_code("prf_1", code.expose(), &of_code) && !new.confirms_code("prf_1", code.expose(), &of_code));
        let sealed = old.seal("totp 7", b"plain").unwrap();
        assert_eq!(both.open("totp 7", &sealed).unwrap(), b"plain");
        assert!(new.open("totp 7", &sealed).is_err());
    }

    #[test]
    fn what_is_sealed_opens_whole_and_under_its_label_alone() {
        let secret = secret(NEW, &[]);
        let sealed = secret.seal("totp 7", b"the secret of a second factor").unwrap();
        assert_ne!(sealed, secret.seal("totp 7", b"the secret of a second factor").unwrap(), "each time under another nonce");
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert!(secret.open("totp 8", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(secret.open("totp 7", &altered).is_err(), "{at}");
            assert!(secret.open("totp 7", &sealed[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn a_secret_is_long_enough() {
        assert!(ServerSecret::of(&[7; 31], &[]).is_err() && ServerSecret::of(&[7; 32], &[&[7; 31]]).is_err());
        assert!(ServerSecret::of(&[7; 32], &[&[8; 32]]).is_ok());
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tollgate.db.secret");
        std::fs::write(side::beside(&path, ".new"), "half of").unwrap();
        let made = ServerSecret::at(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing is left beside it");
        assert_eq!(ServerSecret::at(&path).unwrap().token_of("x"), made.token_of("x"));
        let elsewhere = ServerSecret::at(&folder.path().join("other.secret")).unwrap();
        assert_ne!(elsewhere.token_of("x"), made.token_of("x"));
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tollgate.db.secret");
        for (text, mode, says) in [
            ("", 0o600, "no whole secret"),
            ("short\n", 0o600, "no whole secret"),
            ("a secret that is long enough for anybody\n", 0o640, "chmod 600"),
            ("a secret that is long enough for anybody\n", 0o604, "chmod 600"),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let fault = ServerSecret::at(&path).unwrap_err();
            assert!(fault.contains(says) && fault.contains("tollgate.db.secret"), "{fault}");
            assert!(!fault.contains("anybody"), "{fault}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert!(ServerSecret::at(&folder.path().join("nowhere/x.secret")).unwrap_err().contains("cannot be made"));
        assert!(ServerSecret::at(folder.path()).unwrap_err().contains("not a file"));
    }
}
