//! Webhooks, as Standard Webhooks has them: what is signed and how, and which events an endpoint wants.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::event::Event;
use super::nearest::hint;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret may have.
const LEAST: usize = 24;
const MOST: usize = 64;

/// What messages are signed with.
#[derive(Clone)]
pub struct SigningKey(Box<[u8]>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads `whsec_` and base64. The fault does not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = text.strip_prefix(PREFIX).and_then(|coded| STANDARD.decode(coded).ok());
        match bytes {
            Some(bytes) if (LEAST..=MOST).contains(&bytes.len()) => Ok(Self(bytes.into())),
            _ => Err(format!(
                "must be {PREFIX} and base64 of {LEAST} to {MOST} bytes: echo \"{PREFIX}$(openssl rand -base64 32)\" makes one"
            )),
        }
    }

    /// One of those that stand in `webhook-signature`, with a blank between them.
    pub fn sign(&self, id: &str, at: i64, body: &str) -> String {
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            Err(_) => unreachable!("HMAC takes keys of any length"),
        };
        for part in [id, ".", &at.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// What comes with every charge, and what people do by the minute: only told where it is asked for by its name, or its group's.
const FREQUENT: [Event; 4] = [Event::BalanceCharged, Event::BalanceCredited, Event::SessionStarted, Event::SessionEnded];

/// What somebody does with messages and mails: a trial goes to its own endpoint, and of none is told to the others.
const OF_MESSAGES: [Event; 5] = [Event::WebhookTest, Event::WebhookRetried, Event::MailTest, Event::MailRetried, Event::UserProofSent];

/// Which events an endpoint wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// All of them, but for those that come very often.
    All,
    /// `key.*`: those that begin so.
    Under(String),
    /// This one.
    One(Event),
}

impl Pattern {
    /// Reads `*`, `key.*` or `key.revoked`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = match text.strip_suffix('*') {
            Some("") => Some(Self::All),
            Some(group) if group.ends_with('.') => Some(Self::Under(group.into())),
            Some(_) => None,
            None => Event::from_name(text).map(Self::One),
        };
        let pattern = pattern.filter(|pattern| Event::ALL.into_iter().any(|event| pattern.holds(event)));
        pattern.ok_or_else(|| {
            let names = Event::ALL.map(Event::name);
            format!("'{text}' is no event{}: write *, key.*, or one of {}", hint(text, names), names.join(", "))
        })
    }

    /// Whether an event is one of them.
    pub fn holds(&self, event: Event) -> bool {
        match self {
            _ if OF_MESSAGES.contains(&event) => false,
            Self::All => !FREQUENT.contains(&event),
            Self::Under(group) => event.name().starts_with(group),
            Self::One(own) => *own == event,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Under(group) => write!(f, "{group}*"),
            Self::One(event) => f.write_str(event.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_standard_webhooks() {
        // The example that the specification's own libraries are tested with.
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }

    #[test]
    fn secrets_are_long_enough() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (text, sound) in [
            (of(23), false),
            (of(24), true),
            (of(64), true),
            (of(65), false),
            (of(32).replace("whsec_", ""), false),
            (of(32).replace("whsec_", "whpk_"), false),
            ("whsec_not base64 at all, and long enough".into(), false),
            ("whsec_".into(), false),
        ] {
            let parsed = SigningKey::parse(&text);
            assert_eq!(parsed.is_ok(), sound, "{text}");
            assert!(sound || !parsed.unwrap_err().contains(&text[6..].chars().chain("~".chars()).collect::<String>()));
        }
    }

    #[test]
    fn patterns_of_events() {
        let holds = |pattern: &str, event: Event| Pattern::parse(pattern).unwrap().holds(event);
        for pattern in ["*", "key.*", "key.created"] {
            assert!(holds(pattern, Event::KeyCreated), "{pattern}");
            assert_eq!(Pattern::parse(pattern).unwrap().to_string(), pattern);
        }
        assert!(!holds("key.*", Event::KeysImported) && !holds("key.created", Event::KeyRevoked));
        // As often as the app charges: only where that is meant.
        assert!(!holds("*", Event::BalanceCharged) && holds("balance.*", Event::BalanceCharged) && holds("*", Event::BalanceLow));
        for wrong in ["", "key.", ".*", "Key.created", "key.*.x", "**", "key created", "key*", "nothing.*", "key.revokd"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Pattern::parse("key.revokd").unwrap_err().contains("key.revoked"));
    }
}
