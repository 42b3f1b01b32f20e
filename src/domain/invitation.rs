//! Invitations to an account: for whoever has an address, proven, and for nobody else.

use super::key::KeyHash;
use super::time::Timestamp;
use super::user::Role;

/// How an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// It can be accepted.
    Open,
    /// It was.
    Accepted,
    /// It was taken back, or another took its place.
    Ended,
    /// It was not accepted in time.
    Expired,
}

impl InvitationState {
    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Ended => "ended",
            Self::Expired => "expired",
        }
    }
}

/// An invitation as stored.
#[derive(Clone, Debug)]
pub struct InvitationRecord {
    /// `inv_…`.
    pub id: String,
    /// Of the token in the mail.
    pub hash: KeyHash,
    /// What they are to belong to.
    pub account: String,
    /// Whose address, in lower case.
    pub email: String,
    /// As what.
    pub role: Role,
    /// Who asks them.
    pub invited_by: i64,
    /// When.
    pub created_at: Timestamp,
    /// From when on it counts no more.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
    /// When it was taken back.
    pub ended_at: Option<Timestamp>,
}

impl InvitationRecord {
    /// How it stands.
    pub fn state_at(&self, now: Timestamp) -> InvitationState {
        match (self.accepted_at, self.ended_at) {
            (Some(_), _) => InvitationState::Accepted,
            (None, Some(_)) => InvitationState::Ended,
            (None, None) if now >= self.expires_at => InvitationState::Expired,
            (None, None) => InvitationState::Open,
        }
    }

    /// Whether it can be accepted.
    pub fn is_open_at(&self, now: Timestamp) -> bool {
        self.state_at(now) == InvitationState::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_until_something_becomes_of_it() {
        let at = Timestamp::from_millis;
        let open = InvitationRecord {
            id: "inv_1".into(),
            hash: KeyHash::of("token"),
            account: "acc_1".into(),
            email: "ada@example.com".into(),
            role: Role::Member,
            invited_by: 1,
            created_at: at(0),
            expires_at: at(10),
            accepted_at: None,
            ended_at: None,
        };
        assert!(open.is_open_at(at(9)) && !open.is_open_at(at(10)));
        assert_eq!(open.state_at(at(10)).name(), "expired");
        let accepted = InvitationRecord { accepted_at: Some(at(5)), ..open.clone() };
        let ended = InvitationRecord { ended_at: Some(at(5)), ..open };
        assert_eq!((accepted.state_at(at(6)).name(), ended.state_at(at(6)).name()), ("accepted", "ended"));
    }
}
