//! Who does something, from where, and when. Every change is asked for with one, and written down under it.

use std::sync::Arc;

use super::caller::Caller;
use super::error::{Error, Result};
use super::time::Timestamp;
use super::token::TokenRecord;
use super::user::{Role, UserFacts};

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
    /// A user, signed in for the account that their access token names.
    User(Arc<Caller>),
    /// A user on the way in: not signed in, and reaches nothing.
    Entering(String),
    /// Whoever asked before tollgate was started again, by the name that the audit has for them. Reaches nothing: what was asked
    /// for was allowed then.
    Before(String),
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
            Self::User(caller) => caller.user.as_ref().map_or("nobody", |user| &user.handle),
            Self::Before(name) | Self::Entering(name) => name,
            Self::Tollgate => "tollgate",
        }
    }

    /// The one account that it is bound to, if it is.
    pub fn bound_to(&self) -> Option<&str> {
        match self {
            Self::Token(token) => token.account.as_deref(),
            Self::User(caller) if caller.user.as_ref().is_some_and(|user| user.is_admin) => None,
            // Who names no account reaches none.
            Self::User(caller) => Some(caller.account.as_ref().map_or("", |account| &account.id)),
            _ => None,
        }
    }

    /// The account that a user's access token names.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::User(caller) => caller.account.as_ref().map(|account| account.id.as_str()),
            _ => None,
        }
    }

    /// The user that it is, where it is one.
    pub fn user(&self) -> Option<&UserFacts> {
        match self {
            Self::User(caller) => caller.user.as_ref(),
            _ => None,
        }
    }

    /// Whether it is a user who is this, or more, to the account that they act for.
    pub fn is_at_least(&self, role: Role) -> bool {
        self.user().is_some_and(|user| user.is_at_least(role))
    }

    /// Whether it may know of what belongs to an account.
    pub fn reaches(&self, account: &str) -> bool {
        match self {
            Self::Nobody | Self::Before(_) | Self::Entering(_) => false,
            Self::Operator | Self::Tollgate => true,
            Self::Token(_) | Self::User(_) => self.bound_to().is_none_or(|own| own == account),
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

impl Expected {
    /// Reads the values of `If-Match`: tags, or `*` alone. Weak tags, and such as are none of ours, match nothing. `None` where
    /// they cannot be read.
    pub fn of_tags(values: &[&str]) -> Option<Self> {
        if values == ["*"] {
            return Some(Self::Any);
        }
        let (mut tags, mut revisions) = (0, Vec::new());
        for value in values {
            let mut rest = *value;
            loop {
                // Empty elements of a list count for nothing (RFC 9110, 5.6.1.2).
                rest = rest.trim_start_matches([' ', '\t', ',']);
                if rest.is_empty() {
                    break;
                }
                let (tag, after) = first_tag(rest)?;
                tags += 1;
                revisions.extend(tag);
                rest = after;
            }
        }
        (tags > 0).then_some(Self::Revisions(revisions))
    }
}

/// The revision that the first tag of a list tells, if it does, and what follows (RFC 9110, 8.8.3).
fn first_tag(list: &str) -> Option<(Option<i64>, &str)> {
    let (is_weak, quoted) = list.strip_prefix("W/").map_or((false, list), |quoted| (true, quoted));
    let (inner, after) = quoted.strip_prefix('"')?.split_once('"')?;
    let after = after.trim_start_matches([' ', '\t']);
    let is_sound = inner.bytes().all(|byte| byte > b' ' && byte != 0x7f) && (after.is_empty() || after.starts_with(','));
    // Octet by octet: "03" is another tag than "3".
    let revision = inner.parse::<i64>().ok().filter(|revision| !is_weak && revision.to_string() == inner);
    is_sound.then_some((revision, after))
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

    /// The user that does it, where that is one for whom the rules for developers hold: no administrator of the server.
    pub fn developer(&self) -> Option<&UserFacts> {
        self.actor.user().filter(|user| !user.is_admin)
    }

    /// When whoever does it may do no more, if that is known.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match &self.actor {
            Actor::Token(token) => token.expires_at,
            _ => None,
        }
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
    fn tags_are_read_as_they_are_written() {
        let read = |values: &[&str]| Expected::of_tags(values);
        let revisions = |revisions: &[i64]| Some(Expected::Revisions(revisions.to_vec()));
        assert_eq!(read(&["*"]), Some(Expected::Any));
        assert_eq!(read(&["\"3\", , \"4\" ,", "\"5\""]), revisions(&[3, 4, 5]));
        for nothing in ["W/\"3\"", "\"\"", "\"03\"", "\"+3\"", "\"a,b\"", "\"*\""] {
            assert_eq!(read(&[nothing]), revisions(&[]), "{nothing}");
        }
        for wrong in ["", ",", "3", "\"3", "\"3\" \"4\"", "\"3\";", "*, \"3\"", "\"3\", *", "w/\"3\"", "W/", "\" 3\""] {
            assert_eq!(read(&[wrong]), None, "{wrong}");
        }
        assert_eq!(read(&["*", "*"]), None);
    }

    #[test]
    fn what_was_changed_meanwhile_is_left_alone() {
        let mut act = Act::of_tollgate(Timestamp::default());
        assert!(act.check_revision(3).is_ok());
        act.expected = Expected::Revisions(vec![1, 2]);
        assert!(act.check_revision(2).is_ok() && act.check_revision(3).is_err());
    }
}
