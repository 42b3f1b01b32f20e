//! What is sent to an address to prove that it is somebody's: a token in a link, or a code.

use serde_json::Value;

use super::key::KeyHash;
use super::time::Timestamp;

/// How often a code may be entered wrongly.
pub const TRIES: u32 = 5;

/// What a proof is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To become a user.
    Register,
    /// To prove the address of a user who is there.
    Verify,
    /// To change an address.
    Change,
    /// To set a new password.
    Reset,
    /// To come with the second factor, after the first.
    SecondFactor,
}

impl Purpose {
    const ALL: [Self; 5] = [Self::Register, Self::Verify, Self::Change, Self::Reset, Self::SecondFactor];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Verify => "verify",
            Self::Change => "change",
            Self::Reset => "reset",
            Self::SecondFactor => "second_factor",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// How it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// By mail.
    Email,
    /// By SMS.
    Phone,
    /// It was not sent: it was answered.
    None,
}

impl Channel {
    const ALL: [Self; 3] = [Self::Email, Self::Phone, Self::None];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::None => "none",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// A proof as stored: a hash of what was sent, never that itself.
#[derive(Clone, Debug)]
pub struct ProofRecord {
    /// `prf_…`.
    pub id: String,
    /// Of a token SHA-256; of a code HMAC-SHA256 of it and the id.
    pub hash: KeyHash,
    /// What it is good for.
    pub purpose: Purpose,
    /// How it was sent.
    pub channel: Channel,
    /// Exactly where it was sent.
    pub address: String,
    /// Whose address it is; of a registration: nobody's yet.
    pub user: Option<i64>,
    /// What they are to have for it.
    pub payload: Value,
    /// How often a wrong code was entered.
    pub tries: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it counts no more.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl ProofRecord {
    /// Whether it still counts.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && now < self.expires_at && self.tries < TRIES
    }
}
