//! Service tokens: what the app, or the operator's scripts, use to talk to tollgate.

use super::key::{Alphabet, Environment, Environments};
use super::time::Timestamp;

/// What a service token begins with.
pub const PREFIX: &str = "tgs_";

/// What a refresh token begins with.
pub const REFRESH_PREFIX: &str = "tgr_";

/// What a service token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenScope {
    /// Ask for verdicts and charge balances.
    Verify,
    /// Everything under the admin API.
    Admin,
    /// Read the metrics.
    Metrics,
}

impl TokenScope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Verify, Self::Admin, Self::Metrics];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A service token as stored.
#[derive(Clone, Debug)]
pub struct TokenRecord {
    /// `tok_…`.
    pub id: String,
    /// What people call it; may be empty.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<TokenScope>,
    /// The one account that it reaches; none: all of them.
    pub account: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl TokenRecord {
    /// Whether it counts at `now`.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// The shape of a service token.
pub fn shapes() -> Result<Environments, String> {
    shape("service", PREFIX)
}

/// The shape of a refresh token.
pub fn refresh_shapes() -> Result<Environments, String> {
    shape("refresh", REFRESH_PREFIX)
}

/// As a key's, with a checksum.
fn shape(name: &str, prefix: &str) -> Result<Environments, String> {
    let alphabet = Alphabet::parse("base62")?;
    let shape =
        Environment { name: name.into(), prefix: prefix.into(), length: 48, alphabet, checksum: true, reserved: false, imported: false };
    Ok(Environments::new(vec![shape]))
}
