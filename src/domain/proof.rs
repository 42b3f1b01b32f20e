//! What is sent to an address to prove that it is somebody's: a token in a link, or a code.

use std::net::IpAddr;

use serde_json::Value;

use super::address;
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
    /// The address that it was asked for from, as far as it is known.
    pub origin: String,
    /// How often a wrong code was entered from there.
    pub tries: u32,
    /// How often from anywhere else.
    pub tries_elsewhere: u32,
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
        self.is_open_at(now) && self.tries < TRIES
    }

    /// Whether a code still counts for whoever enters it from there: those who guess elsewhere use up nothing of who asked for it.
    pub fn counts_from(&self, visitor: Option<IpAddr>, now: Timestamp) -> bool {
        let tries = if self.was_asked_from(visitor) { self.tries } else { self.tries_elsewhere };
        self.is_open_at(now) && tries < TRIES
    }

    fn is_open_at(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && now < self.expires_at
    }

    /// Whether it was asked for from there: from the same network, where it is IPv6.
    pub fn was_asked_from(&self, visitor: Option<IpAddr>) -> bool {
        self.origin.parse().ok().map(address::counted) == visitor.map(address::counted)
    }
}
