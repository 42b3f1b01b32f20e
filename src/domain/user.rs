//! Users: people who sign in, and what they are to an account.

use super::proof::Channel;
use super::time::Timestamp;

/// What a user is to an account. Each may do what those after it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Uses it: sees all of it, and makes and revokes its keys.
    Member,
    /// Looks after it: its name, its people below owners.
    Admin,
    /// Has it: decides about its plan and its owners.
    Owner,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Member];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A user as stored. The password's hash is in it, and nothing prints that.
#[derive(Clone)]
pub struct UserRecord {
    /// Shown to people.
    pub id: i64,
    /// What they call themselves.
    pub name: String,
    /// In lower case.
    pub email: Option<String>,
    /// When it was proven theirs.
    pub email_verified_at: Option<Timestamp>,
    /// E.164.
    pub phone: Option<String>,
    /// When it was proven theirs.
    pub phone_verified_at: Option<Timestamp>,
    /// When they first proved who they are, by an address or by others who vouch for them. It stays when that address goes.
    pub proven_at: Option<Timestamp>,
    /// PHC string.
    pub password: Option<String>,
    /// A URL.
    pub picture: Option<String>,
    /// The personal account.
    pub account: String,
    /// May administrate the whole server.
    pub is_admin: bool,
    /// Switched off.
    pub disabled: bool,
    /// The version of the agreement that was accepted last.
    pub agreement: Option<String>,
    /// When they were made.
    pub created_at: Timestamp,
    /// Counts changes of what can be set.
    pub revision: i64,
}

impl UserRecord {
    /// Their e-mail address, once it is proven theirs.
    pub fn proven_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified_at.is_some())
    }

    /// Their number, once it is proven theirs.
    pub fn proven_phone(&self) -> Option<&str> {
        self.phone.as_deref().filter(|_| self.phone_verified_at.is_some())
    }

    /// What a channel writes to, once it is proven theirs.
    pub fn proven(&self, channel: Channel) -> Option<&str> {
        match channel {
            Channel::Email => self.proven_email(),
            Channel::Phone => self.proven_phone(),
            Channel::None => None,
        }
    }

    /// Whether they ever proved who they are. Whoever did is somebody, and no address that is merely written down with them hands
    /// them to whoever proves that one.
    pub fn is_somebody(&self) -> bool {
        self.proven_at.is_some() || self.has_proven_address()
    }

    /// Whether any address is proven theirs.
    pub fn has_proven_address(&self) -> bool {
        self.proven_email().is_some() || self.proven_phone().is_some()
    }
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", handle(self.id))
    }
}

/// What the audit, statistics and limits call a user.
pub fn handle(id: i64) -> String {
    format!("user_{id}")
}

/// The id of whom these call so.
pub fn number_of(handle: &str) -> Option<i64> {
    let digits = handle.strip_prefix("user_").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|id: &i64| id.to_string() == digits)
}

/// Who a user is, as far as a check tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFacts {
    /// Their id.
    pub id: i64,
    /// What the audit, statistics and limits call them.
    pub handle: String,
    /// Their name.
    pub name: String,
    /// Their address, once it is proven.
    pub email: Option<String>,
    /// May administrate the whole server.
    pub is_admin: bool,
    /// What they may do.
    pub scopes: Vec<String>,
    /// The session that they are in.
    pub session: String,
    /// What they are to the account.
    pub role: Role,
}

impl UserFacts {
    /// Whether somebody is this to the account that they act for; whoever administrates the server is, everywhere.
    pub fn is_at_least(&self, role: Role) -> bool {
        self.is_admin || self.role >= role
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_a_name_and_its_place() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Member);
    }
}
