//! A password as it was typed. It is shown by nothing that prints, and its memory is wiped when it goes.

use std::borrow::Cow;
use std::sync::Arc;

use icu_normalizer::ComposingNormalizerBorrowed;
use zeroize::Zeroizing;

/// How many bytes a password may have: a passphrase fits, and nobody makes the server hash a book.
pub const LONGEST: usize = 1024;

/// A plain password. Cloning it copies nothing. Without `Debug` and `Display`, so that no log and no fault can hold one.
///
/// What is hashed is its NFKC form (NIST SP 800-63B asks for NFKC or NFKD): keyboards spell the same `ü` in one code point or in two,
/// and whoever changes the keyboard must still get in. Nothing else is done to it: no blank is taken away, nothing is cut off.
#[derive(Clone)]
pub struct Password(Arc<Spellings>);

struct Spellings {
    normal: Zeroizing<String>,
    /// Where that differs.
    typed: Option<Zeroizing<String>>,
}

impl Password {
    /// Takes what somebody typed: 1 to 1024 bytes. The fault does not repeat it.
    pub fn parse(typed: String) -> Result<Self, String> {
        let typed = Zeroizing::new(typed);
        if typed.is_empty() {
            return Err("must be given".into());
        }
        if typed.len() > LONGEST {
            return Err(format!("must have at most {LONGEST} bytes"));
        }
        let spellings = match ComposingNormalizerBorrowed::new_nfkc().normalize(&typed) {
            Cow::Borrowed(same) if same.len() == typed.len() => None,
            other => Some(Zeroizing::new(other.into_owned())),
        };
        Ok(Self(Arc::new(match spellings {
            Some(normal) if *normal != *typed => Spellings { normal, typed: Some(typed) },
            _ => Spellings { normal: typed, typed: None },
        })))
    }

    /// Its NFKC form, for whoever is about to hash it.
    pub fn expose(&self) -> &str {
        &self.0.normal
    }

    /// As it was typed, where that is spelled otherwise: other programs hashed it so.
    pub fn as_typed(&self) -> Option<&str> {
        self.0.typed.as_ref().map(|typed| typed.as_str())
    }

    /// How many characters it has: code points, as NIST SP 800-63B counts.
    pub fn length(&self) -> usize {
        self.0.normal.chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_password_however_it_is_spelled() {
        for (typed, normal) in [
            ("plain ASCII, blanks and all ", "plain ASCII, blanks and all "),
            ("gru\u{308}n", "gr\u{fc}n"),
            ("gr\u{fc}n", "gr\u{fc}n"),
            ("\u{fb01}sh", "fish"),
            ("\u{ff34}okyo", "Tokyo"),
        ] {
            let password = Password::parse(typed.into()).ok().unwrap();
            assert_eq!(password.expose(), normal);
            assert_eq!(password.as_typed(), Some(typed).filter(|typed| *typed != normal));
        }
    }

    #[test]
    fn what_is_none() {
        assert!(Password::parse(String::new()).is_err());
        assert!(Password::parse("x".repeat(LONGEST)).is_ok());
        let long = "secret".repeat(LONGEST);
        assert!(Password::parse(long).err().is_some_and(|fault| !fault.contains("secret")));
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(Password::parse("пароль".into()).ok().unwrap().length(), 6);
    }
}
