//! Who does something, from where, and when. Every change is asked for with one, and written down under it.

use std::sync::Arc;

use super::error::{Error, Result};
use super::time::Timestamp;
use super::token::TokenRecord;

/// Who does something.
#[derive(Clone, Debug, Default)]
pub enum Actor {
    /// Nobody that tollgate knows: reaches nothing.
    #[default]
    Nobody,
    /// The operator, at the command line.
    Operator,
    /// Whoever holds a service token.
    Token(Arc<TokenRecord>),
    /// tollgate by itself.
    Tollgate,
}

impl Actor {
    /// What the audit calls it.
    pub fn name(&self) -> &str {
        match self {
            Self::Nobody => "nobody",
            Self::Operator => "operator",
            Self::Token(token) => &token.id,
            Self::Tollgate => "tollgate",
        }
    }

    /// The one account that it is bound to, if it is.
    pub fn bound_to(&self) -> Option<&str> {
        match self {
            Self::Token(token) => token.account.as_deref(),
            _ => None,
        }
    }

    /// Whether it may know of what belongs to an account.
    pub fn reaches(&self, account: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Operator | Self::Tollgate => true,
            Self::Token(token) => token.account.as_deref().is_none_or(|own| own == account),
        }
    }
}

/// In which state somebody expects to find what is to be changed (RFC 9110, 13.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// In whichever.
    #[default]
    Any,
    /// At one of these revisions.
    Revisions(Vec<i64>),
}

/// Something that is done: by whom, from where, under which request, when.
#[derive(Clone, Debug)]
pub struct Act {
    /// Who does it.
    pub actor: Actor,
    /// Where it comes from: a client's address; of the operator: `control`.
    pub origin: String,
    /// Under which request.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
    /// In which state it expects things.
    pub expected: Expected,
}

impl Act {
    /// What tollgate does by itself.
    pub fn of_tollgate(at: Timestamp) -> Self {
        Self { actor: Actor::Tollgate, origin: String::new(), request_id: String::new(), at, expected: Expected::Any }
    }

    /// Whether it may know of what belongs to an account.
    pub fn reaches(&self, account: &str) -> bool {
        self.actor.reaches(account)
    }

    /// The one account that it is bound to, if it is.
    pub fn bound_to(&self) -> Option<&str> {
        self.actor.bound_to()
    }

    /// Fails where what is to be changed has been changed since it was looked at.
    pub fn check_revision(&self, revision: i64) -> Result<()> {
        match &self.expected {
            Expected::Revisions(expected) if !expected.contains(&revision) => Err(Error::Stale),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(account: Option<&str>) -> Actor {
        Actor::Token(Arc::new(TokenRecord {
            id: "tok_1".into(),
            name: String::new(),
            scopes: Vec::new(),
            account: account.map(str::to_owned),
            created_at: Timestamp::default(),
            expires_at: None,
            revoked_at: None,
        }))
    }

    #[test]
    fn who_is_bound_reaches_one_account() {
        assert!(!Actor::Nobody.reaches("acc_1"));
        assert!(Actor::Operator.reaches("acc_1") && token(None).reaches("acc_1"));
        assert!(token(Some("acc_1")).reaches("acc_1") && !token(Some("acc_1")).reaches("acc_2"));
    }

    #[test]
    fn what_was_changed_meanwhile_is_left_alone() {
        let mut act = Act::of_tollgate(Timestamp::default());
        assert!(act.check_revision(3).is_ok());
        act.expected = Expected::Revisions(vec![1, 2]);
        assert!(act.check_revision(2).is_ok() && act.check_revision(3).is_err());
    }
}
