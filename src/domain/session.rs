//! Sessions: where users are signed in. A session is a family of refresh tokens, of which one is in use.

use super::time::{Span, Timestamp};

/// How long a refresh token that was just replaced still gets a sibling: two tabs, a lost answer.
pub const GRACE: Span = Span::from_secs(10);

/// How sessions say that somebody came in by nobody else's word; no provider is called so.
pub const OWN_WAYS: [&str; 4] = ["password", "code", "link", "invitation"];

/// A session as stored.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// `ses_…`.
    pub id: String,
    /// Whose.
    pub user: i64,
    /// The account that its next access token names.
    pub account: String,
    /// How they signed in: one of [`OWN_WAYS`], or what the configuration called the provider.
    pub method: String,
    /// The address it was last refreshed from.
    pub origin: String,
    /// The User-Agent, cut short.
    pub agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub used_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl SessionRecord {
    /// Whether it lasts.
    pub fn lasts_at(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// What a refresh token that was found is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is the one in use: it is replaced.
    Next,
    /// It was replaced a moment ago: a sibling is made.
    Sibling,
    /// It was used before: somebody else may have it, so the family ends.
    Reused,
}

impl Turn {
    /// Of a token that was replaced at some time, or not yet.
    pub fn of(replaced_at: Option<Timestamp>, now: Timestamp) -> Self {
        match replaced_at {
            None => Self::Next,
            Some(at) if now <= at.plus(GRACE) => Self::Sibling,
            Some(_) => Self::Reused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_token_has_ten_seconds() {
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(Turn::of(None, at(5)), Turn::Next);
        assert_eq!(Turn::of(Some(at(1_000)), at(11_000)), Turn::Sibling);
        assert_eq!(Turn::of(Some(at(1_000)), at(11_001)), Turn::Reused);
        // A clock that steps back makes nobody a thief.
        assert_eq!(Turn::of(Some(at(1_000)), at(500)), Turn::Sibling);
    }
}
