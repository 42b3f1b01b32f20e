//! E-mail addresses, as far as a server may judge them: one spelling each, and nothing that could be read as two.

use std::fmt;

/// The longest address (RFC 5321, 4.5.3.1.3, without the brackets), and the longest part before the `@`.
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

/// An address in its one spelling: lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Reads one as somebody wrote it. Quoted parts, comments, addresses in brackets and several `@` are refused: mail servers
    /// read them in different ways.
    pub fn parse(text: &str) -> Result<Self, String> {
        const WRONG: &str = "is no e-mail address: write it as ada@example.com";
        const LETTERS: &str = "has letters beyond ASCII before the @: such addresses are not taken";
        let text = text.trim_matches(' ');
        let (local, host) = text.split_once('@').ok_or(WRONG)?;
        let is_local = (1..=LONGEST_LOCAL).contains(&local.len())
            && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte))
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let is_host = host.contains('.') && host.split('.').all(is_label) && host.rsplit('.').next().is_some_and(|last| !is_number(last));
        if !text.is_ascii() {
            let is_host = local.is_ascii();
            return Err(if is_host { "has letters beyond ASCII: write a host as it is registered (xn--…)" } else { LETTERS }.into());
        }
        if is_local && is_host && text.len() <= LONGEST { Ok(Self(text.to_ascii_lowercase())) } else { Err(WRONG.into()) }
    }

    /// As it is stored and sent to.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        for (text, stored) in [
            ("ada@example.com", "ada@example.com"),
            (" Ada.Lovelace+api@Mail.Example.COM ", "ada.lovelace+api@mail.example.com"),
            ("o'brien@example.co.uk", "o'brien@example.co.uk"),
            ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ] {
            assert_eq!(Email::parse(text).unwrap().as_str(), stored, "{text}");
        }
    }

    #[test]
    fn what_reads_in_two_ways_is_none() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "ada@@example.com",
            "ada@evil.com@example.com",
            "\"ada@evil.com\"@example.com",
            "ada@example.com,eve@evil.com",
            "ada@example.com\r\nBcc: eve@evil.com",
            "ada@example.com\n",
            "ada @example.com",
            "ada@exam ple.com",
            "ada@[192.0.2.1]",
            "ada@192.0.2.1",
            "<ada@example.com>",
            "ada(comment)@example.com",
            ".ada@example.com",
            "a..da@example.com",
            "ada@-example.com",
            "ada@example..com",
            "ada@example.com.",
            "адa@example.com",
            "ada@exаmple.com",
            "ada\0@example.com",
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
        assert!(Email::parse("ünï@example.com").unwrap_err().contains("before the @"));
        assert!(Email::parse("ada@bücher.example").unwrap_err().contains("xn--"));
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}.com", "b.".repeat(130))).is_err());
    }
}
