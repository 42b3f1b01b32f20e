//! What tollgate writes to people, by mail and SMS: which letters there are, what each speaks of, and how names that people gave
//! stand in them.

use serde_json::{Map, Value, json};

use super::proof::Channel;
use super::time::{Span, Timestamp};

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// Somebody registers: prove that the address is yours.
    Verify,
    /// Somebody registers with an address that has an account already.
    Known,
    /// One of several registrations with this address was confirmed.
    Several,
    /// Prove that the new address is yours.
    Change,
    /// To the old address: there is a new one.
    Changed,
    /// To whoever had another: there is an address, or a number, besides.
    AddressAdded,
    /// To an address that was taken away.
    AddressRemoved,
    /// Set a new password.
    Reset,
    /// The password was changed.
    PasswordChanged,
    /// A second factor was switched on or off.
    SecondFactorChanged,
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// A sign-in of somebody else was linked, or is linked no more.
    IdentityChanged,
    /// The user was deleted.
    Deleted,
    /// Somebody is asked to join an account.
    Invitation,
    /// An application for a plan was decided.
    Application,
    /// Somebody tries whether mail arrives.
    Test,
}

impl Template {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::Verify,
        Self::Known,
        Self::Several,
        Self::Change,
        Self::Changed,
        Self::AddressAdded,
        Self::AddressRemoved,
        Self::Reset,
        Self::PasswordChanged,
        Self::SecondFactorChanged,
        Self::RecoveryCodeUsed,
        Self::IdentityChanged,
        Self::Deleted,
        Self::Invitation,
        Self::Application,
        Self::Test,
    ];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Known => "known",
            Self::Several => "several",
            Self::Change => "change",
            Self::Changed => "changed",
            Self::AddressAdded => "address_added",
            Self::AddressRemoved => "address_removed",
            Self::Reset => "reset",
            Self::PasswordChanged => "password_changed",
            Self::SecondFactorChanged => "second_factor_changed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::IdentityChanged => "identity_changed",
            Self::Deleted => "deleted",
            Self::Invitation => "invitation",
            Self::Application => "application",
            Self::Test => "test",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.name() == name)
    }

    /// Whether something stands in it that nobody else may know: in a mail a link, in an SMS a code.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Verify | Self::Several | Self::Change | Self::Reset | Self::Invitation)
    }

    /// Whether it is written by this channel: invitations, decisions and what is about a link go by mail alone.
    pub const fn goes_by(self, channel: Channel) -> bool {
        match channel {
            Channel::Email => true,
            Channel::Phone => !matches!(self, Self::Several | Self::Invitation | Self::Application),
            Channel::None => false,
        }
    }

    /// What it speaks of, each with a value as it could be. Beside these all may speak of the service and of the address; those
    /// with a secret of the link, or of the code.
    pub fn sample(self) -> Map<String, Value> {
        let sample = match self {
            Self::Verify | Self::Several | Self::Change | Self::Reset => json!({ "name": "Ada", "valid_for": "2 hours" }),
            Self::Known => json!({ "name": "Ada" }),
            Self::Changed => json!({ "name": "Ada", "new": "ada@example.org" }),
            Self::AddressAdded => json!({ "name": "Ada", "new": "+4915112345678", "at": "2026-04-01 12:00 UTC" }),
            Self::PasswordChanged | Self::AddressRemoved | Self::Deleted => json!({ "name": "Ada", "at": "2026-04-01 12:00 UTC" }),
            Self::RecoveryCodeUsed => json!({ "name": "Ada", "left": 9, "at": "2026-04-01 12:00 UTC" }),
            Self::IdentityChanged => json!({ "name": "Ada", "provider": "Google", "is_linked": true, "at": "2026-04-01 12:00 UTC" }),
            Self::SecondFactorChanged => json!({ "name": "Ada", "is_on": true, "at": "2026-04-01 12:00 UTC" }),
            Self::Invitation => json!({ "account": "Analytical Engines", "inviter": "Charles", "role": "member", "valid_for": "7 days" }),
            Self::Application => json!({
                "name": "Ada",
                "plan": "Partner",
                "is_approved": true,
                "plan_until": "2027-04-01 12:00 UTC",
                "note": "Welcome.",
                "dashboard": "https://api.example.com/auth/plan",
            }),
            Self::Test => json!({}),
        };
        match sample {
            Value::Object(sample) => sample,
            _ => Map::new(),
        }
    }
}

/// Fields that people chose for themselves, which others get to read.
const OF_PEOPLE: [&str; 3] = ["name", "account", "inviter"];

/// How much of a name stands in a letter.
const LONGEST_NAME: usize = 64;

/// The fields of a letter, with the names that people gave made harmless.
pub fn harmless(mut fields: Map<String, Value>) -> Map<String, Value> {
    for name in OF_PEOPLE {
        if let Some(Value::String(text)) = fields.get_mut(name) {
            *text = harmless_name(text);
        }
    }
    fields
}

/// A name that somebody chose, for a letter that somebody else gets: on one line, not long, and nothing in it that a program would
/// make a link of.
pub fn harmless_name(name: &str) -> String {
    let is_odd = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let plain: String = name.chars().map(|letter| if is_odd(letter) { ' ' } else { letter }).collect();
    let mut letters =
        plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_NAME).collect::<Vec<_>>().into_iter().peekable();
    let mut told = String::new();
    while let Some(letter) = letters.next() {
        told.push(letter);
        if matches!(letter, '.' | ':' | '@' | '/') && letters.peek().is_some_and(|next| !next.is_whitespace()) {
            told.push(' ');
        }
    }
    told
}

/// A length of time as people say it: `15 minutes`, `2 hours`, `7 days`.
pub fn spoken(span: Span) -> String {
    let minutes = span.seconds_up().div_ceil(60).max(1);
    let (number, unit) = match minutes {
        _ if minutes.is_multiple_of(1440) => (minutes / 1440, "day"),
        _ if minutes.is_multiple_of(60) => (minutes / 60, "hour"),
        _ => (minutes, "minute"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// An instant as people say it: `2026-04-01 12:00 UTC`.
pub fn spoken_instant(at: Timestamp) -> String {
    let told = at.rfc3339();
    format!("{} {} UTC", told.get(..10).unwrap_or_default(), told.get(11..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_no_harm() {
        for (name, told) in [
            ("Ada Lovelace", "Ada Lovelace"),
            ("  Ada\r\nBcc: eve@example.com ", "Ada Bcc: eve@ example. com"),
            ("https://evil.example/win", "https: / / evil. example/ win"),
            ("J. R. R. Tolkien", "J. R. R. Tolkien"),
            ("a\u{202e}moc.live", "a moc. live"),
            ("\u{0}\u{7f}", ""),
        ] {
            assert_eq!(harmless_name(name), told);
        }
        assert_eq!(harmless_name(&"x".repeat(500)).len(), 64);
        let fields = harmless(Template::Invitation.sample().into_iter().map(|(name, _)| (name, json!("www.evil.example"))).collect());
        assert_eq!((&fields["account"], &fields["inviter"]), (&json!("www. evil. example"), &json!("www. evil. example")));
    }

    #[test]
    fn lengths_as_people_say_them() {
        for (seconds, told) in
            [(600, "10 minutes"), (3600, "1 hour"), (86_400, "1 day"), (7 * 86_400, "7 days"), (5400, "90 minutes"), (1, "1 minute")]
        {
            assert_eq!(spoken(Span::from_secs(seconds)), told);
        }
    }

    #[test]
    fn every_letter_has_a_name_of_its_own() {
        for template in Template::ALL {
            assert_eq!(Template::from_name(template.name()), Some(template));
        }
    }
}
