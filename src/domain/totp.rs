//! The second factor: TOTP (RFC 6238) as authenticator apps know it, and recovery codes for when the app is gone.

use std::fmt;

use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use totp_rs::{Builder, Totp};
use zeroize::Zeroize;

use super::time::Timestamp;

/// A secret of 160 bits (RFC 4226, section 4).
const SECRET: usize = 20;

/// Seconds a step, and digits a code: what every app can do.
const STEP: u64 = 30;
const DIGITS: usize = 6;

/// How many steps a clock may be off.
const SKEW: u64 = 1;

/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;

/// Of a recovery code: 16 letters of 5 bits are 80, in groups of four. None of them is read as another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 16;
const GROUP: usize = 4;

/// The longest text that is read as a code.
const LONGEST: usize = 64;

/// What an authenticator app and the server share. Shown by nothing that prints, and wiped when it goes.
#[derive(Clone)]
pub struct Secret([u8; SECRET]);

impl Secret {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// As it was kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// To be encrypted and kept.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// In base32, to be typed where nothing can be scanned.
    pub fn base32(&self) -> String {
        totp_rs::Secret::new_stack(self.0).to_base32()
    }

    /// `otpauth://totp/Example:leopold%40example.com?secret=…&issuer=Example`, to be shown as a QR code. The format knows no colon in
    /// either name, so one becomes a blank.
    pub fn url(&self, issuer: &str, label: &str) -> Result<String, String> {
        let plain = |text: &str| text.replace([':', '\r', '\n'], " ").trim().to_owned();
        let (issuer, label) = (plain(issuer), plain(label));
        let named =
            Builder::new().with_secret(self.0.to_vec()).with_account_name(label).with_issuer(Some(issuer).filter(|name| !name.is_empty()));
        named.build().and_then(|totp| totp.to_url()).map_err(|error| error.to_string())
    }

    /// The step that a code of six digits is of, where it is one of now, of the step before or of the one after, and that step is later
    /// than `last_step`: each counts once. Takes the same time whichever it is.
    pub fn check(&self, code: &Totp6, last_step: i64, now: Timestamp) -> Option<i64> {
        let totp = self.totp()?;
        let current = u64::try_from(now.millis()).unwrap_or(0) / (STEP * 1000);
        let mut found = -1;
        for step in current.saturating_sub(SKEW)..=current + SKEW {
            let wanted = totp.generate(step * STEP).to_string();
            let step = i64::try_from(step).unwrap_or(i64::MAX);
            let is_it = wanted.as_bytes().ct_eq(&code.0) & u8::from(step > last_step).ct_eq(&1);
            found.conditional_assign(&step, is_it);
        }
        (found >= 0).then_some(found)
    }

    fn totp(&self) -> Option<Totp> {
        // A secret of this length is never refused.
        Builder::new().with_secret(self.0.to_vec()).with_step_duration(STEP).with_digits(DIGITS as u8).build().ok()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Six digits, as an app shows them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Totp6([u8; DIGITS]);

/// SHA-256 of a recovery code: it is random, so a fast hash is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryHash(pub [u8; 32]);

/// What somebody typed as their second factor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Of an app.
    Totp(Totp6),
    /// A recovery code.
    Recovery(RecoveryHash),
}

impl Code {
    /// Reads what somebody typed, whatever the case, blanks and dashes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be the {DIGITS} digits of your authenticator app, or a recovery code");
        if text.len() > LONGEST {
            return Err(wrong());
        }
        let bare: String = text.chars().filter(|c| !c.is_whitespace() && !"-‐‑–—_".contains(*c)).collect();
        if let Ok(digits) = <[u8; DIGITS]>::try_from(bare.as_bytes())
            && digits.iter().all(u8::is_ascii_digit)
        {
            return Ok(Self::Totp(Totp6(digits)));
        }
        let letters: String = bare.chars().map(|c| read_letter(c.to_ascii_lowercase())).collect();
        let is_one = letters.len() == LENGTH && letters.bytes().all(|b| LETTERS.contains(&b));
        if is_one { Ok(Self::Recovery(hash(&letters))) } else { Err(wrong()) }
    }
}

/// What is easily taken for another.
fn read_letter(letter: char) -> char {
    match letter {
        'o' => '0',
        'i' | 'l' => '1',
        'u' => 'v',
        other => other,
    }
}

fn hash(letters: &str) -> RecoveryHash {
    RecoveryHash(Sha256::digest(letters.as_bytes()).into())
}

/// A recovery code as its user is shown it, this once, `7k3m-…`; and what is kept of it.
pub struct RecoveryCode {
    /// To be shown.
    pub plain: String,
    /// To be kept.
    pub hash: RecoveryHash,
}

/// A set of new recovery codes.
pub fn recovery_codes() -> Vec<RecoveryCode> {
    let mut rng = rand::rng();
    let mut one = || {
        let letters: String = (0..LENGTH).map(|_| LETTERS[rng.random_range(0..LETTERS.len())] as char).collect();
        let groups: Vec<&str> = (0..LENGTH).step_by(GROUP).map(|start| &letters[start..start + GROUP]).collect();
        RecoveryCode { plain: groups.join("-"), hash: hash(&letters) }
    };
    (0..RECOVERY_CODES).map(|_| one()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6238, appendix B, SHA-1; the last six of its eight digits.
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn secret() -> Secret {
        Secret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn code(text: &str) -> Totp6 {
        match Code::parse(text) {
            Ok(Code::Totp(code)) => code,
            _ => panic!("{text} is no code of an app"),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn as_the_rfc_has_it() {
        for (seconds, text) in VECTORS {
            assert_eq!(secret().check(&code(text), -1, at(seconds)), Some(seconds / 30), "{text}");
        }
    }

    #[test]
    fn a_step_earlier_or_later_but_no_more() {
        let (seconds, text) = VECTORS[3];
        let step = seconds / 30;
        for (off, found) in [(-60, None), (-30, Some(step)), (0, Some(step)), (30, Some(step)), (60, None)] {
            assert_eq!(secret().check(&code(text), -1, at(seconds + off)), found, "{off}");
        }
    }

    #[test]
    fn each_step_once_and_none_older() {
        let (seconds, text) = VECTORS[3];
        let step = seconds / 30;
        for (last, found) in [(step - 1, Some(step)), (step, None), (step + 1, None), (i64::MAX, None)] {
            assert_eq!(secret().check(&code(text), last, at(seconds)), found, "{last}");
        }
        let other = Secret::from_bytes(b"abcdefghijklmnopqrst").unwrap();
        assert_eq!(other.check(&code(text), -1, at(seconds)), None, "another secret has other codes");
    }

    #[test]
    fn how_codes_are_typed() {
        for text in ["287082", "287 082", " 287-082 ", "2 8 7 0 8 2", "287\u{a0}082"] {
            assert!(secret().check(&code(text), -1, at(59)).is_some(), "{text}");
        }
        let one = recovery_codes().remove(0);
        let confused = one.plain.replace('0', "O").replace('1', "l").replace('v', "U");
        for text in [one.plain.clone(), one.plain.to_uppercase(), one.plain.replace('-', ""), one.plain.replace('-', " – "), confused] {
            assert!(matches!(Code::parse(&text), Ok(Code::Recovery(hash)) if hash == one.hash), "{text}");
        }
        let long = "1".repeat(LONGEST + 1);
        for text in ["", "28708", "2870821", "+87082", "28708a", "２８７０８２", "abcd-efgh-jkmn", "abcd-efgh-jkmn-pqr!", &long] {
            assert!(Code::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn recovery_codes_are_ten_and_none_is_another() {
        let codes = recovery_codes();
        assert_eq!(codes.len(), RECOVERY_CODES);
        for (index, one) in codes.iter().enumerate() {
            assert_eq!(one.plain.len(), LENGTH + 3);
            assert!(codes.iter().skip(index + 1).all(|other| other.plain != one.plain && other.hash != one.hash));
        }
        assert_ne!(codes[0].plain, recovery_codes()[0].plain);
    }

    #[test]
    fn what_is_scanned() {
        let url = secret().url("Ex: ample & Söhne", "leopold+a:b@example.com").unwrap();
        let label = "otpauth://totp/Ex%20%20ample%20%26%20S%C3%B6hne:leopold%2Ba%20b%40example%2Ecom";
        let told = url.replace("%2E", ".").replace("%2e", ".");
        assert!(told.starts_with(&label.replace("%2E", ".")), "{url}");
        assert!(url.contains("?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{url}");
        assert!(url.contains("issuer=Ex%20%20ample%20%26%20S%C3%B6hne"), "{url}");
        assert!(secret().url("", "leopold@example.com").unwrap().starts_with("otpauth://totp/leopold"));
        assert!(secret().url("Example", "").is_err());
        assert_eq!(secret().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn nothing_shows_a_secret() {
        assert_eq!(format!("{:?}", secret()), "Secret(…)");
        assert_ne!(Secret::random().expose(), Secret::random().expose());
        assert!(Secret::from_bytes(b"short").is_none());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,70}", last in any::<i64>(), now in any::<i64>()) {
            if let Ok(Code::Totp(code)) = Code::parse(&text) {
                let _ = secret().check(&code, last, Timestamp::from_millis(now));
            }
            let _ = secret().check(&code("123456"), last, Timestamp::from_millis(now));
            let _ = secret().url(&text, &text);
        }
    }
}
