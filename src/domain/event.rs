//! What can happen, by name: as the audit and webhooks call it.

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// An account was made.
    AccountCreated,
    /// Settings of an account were changed.
    AccountChanged,
    /// Accounts were imported.
    AccountsImported,
    /// Accounts were exported.
    AccountsExported,
    /// A key was made.
    KeyCreated,
    /// Settings of a key were changed.
    KeyChanged,
    /// A new key took an old one's place.
    KeyRotated,
    /// A key was revoked.
    KeyRevoked,
    /// A key comes to its end.
    KeyExpiring,
    /// Keys were imported.
    KeysImported,
    /// Keys were exported, with their hashes.
    KeysExported,
    /// A list was exported as people read it, without any hash.
    ListExported,
    /// What was left of an import was given up.
    ImportGivenUp,
    /// Tokens were taken from a balance.
    BalanceCharged,
    /// Tokens were added to a balance.
    BalanceCredited,
    /// A balance comes to its end.
    BalanceLow,
    /// Most of a quota is used.
    QuotaWarning,
    /// A quota is used up.
    QuotaReached,
    /// A service token was made.
    TokenCreated,
    /// A service token was revoked.
    TokenRevoked,
    /// A new configuration was taken.
    ConfigTaken,
    /// The database was copied.
    DatabaseBackedUp,
    /// The database was made of a copy.
    DatabaseRestored,
    /// Somebody tries whether a webhook arrives.
    WebhookTest,
    /// Somebody has a webhook's message sent again.
    WebhookRetried,
    /// A user was made.
    UserCreated,
    /// A user was changed.
    UserChanged,
    /// Whoever proved an address took over a user who never had.
    UserTakenOver,
    /// A user was deleted.
    UserDeleted,
    /// Somebody has what proves a user's addresses sent again.
    UserProofSent,
    /// Users were imported.
    UsersImported,
    /// A password was set.
    PasswordChanged,
    /// A second factor was set up, or taken away.
    SecondFactorChanged,
    /// Another way to sign in was added.
    IdentityLinked,
    /// It was taken away.
    IdentityUnlinked,
    /// Somebody signed in.
    SessionStarted,
    /// A session was ended.
    SessionEnded,
    /// A refresh token was used again.
    SessionReused,
    /// Somebody joined an account.
    MemberJoined,
    /// Somebody got another role.
    MemberChanged,
    /// Somebody left an account, or was taken out.
    MemberLeft,
    /// Somebody was invited.
    InvitationSent,
    /// An invitation was taken back.
    InvitationEnded,
    /// Somebody accepted the agreement.
    AgreementAccepted,
    /// Somebody applied for a plan.
    ApplicationOpened,
    /// An application was decided, or taken back.
    ApplicationDecided,
    /// Somebody has a mail sent again.
    MailRetried,
    /// Somebody tries whether mail arrives.
    MailTest,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 48] = [
        Self::AccountCreated,
        Self::AccountChanged,
        Self::AccountsImported,
        Self::AccountsExported,
        Self::KeyCreated,
        Self::KeyChanged,
        Self::KeyRotated,
        Self::KeyRevoked,
        Self::KeyExpiring,
        Self::KeysImported,
        Self::KeysExported,
        Self::ListExported,
        Self::ImportGivenUp,
        Self::BalanceCharged,
        Self::BalanceCredited,
        Self::BalanceLow,
        Self::QuotaWarning,
        Self::QuotaReached,
        Self::TokenCreated,
        Self::TokenRevoked,
        Self::ConfigTaken,
        Self::DatabaseBackedUp,
        Self::DatabaseRestored,
        Self::WebhookTest,
        Self::WebhookRetried,
        Self::UserCreated,
        Self::UserChanged,
        Self::UserTakenOver,
        Self::UserDeleted,
        Self::UserProofSent,
        Self::UsersImported,
        Self::PasswordChanged,
        Self::SecondFactorChanged,
        Self::IdentityLinked,
        Self::IdentityUnlinked,
        Self::SessionStarted,
        Self::SessionEnded,
        Self::SessionReused,
        Self::MemberJoined,
        Self::MemberChanged,
        Self::MemberLeft,
        Self::InvitationSent,
        Self::InvitationEnded,
        Self::AgreementAccepted,
        Self::ApplicationOpened,
        Self::ApplicationDecided,
        Self::MailRetried,
        Self::MailTest,
    ];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountCreated => "account.created",
            Self::AccountChanged => "account.changed",
            Self::AccountsImported => "accounts.imported",
            Self::AccountsExported => "accounts.exported",
            Self::KeyCreated => "key.created",
            Self::KeyChanged => "key.changed",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::KeyExpiring => "key.expiring",
            Self::KeysImported => "keys.imported",
            Self::KeysExported => "keys.exported",
            Self::ListExported => "list.exported",
            Self::ImportGivenUp => "import.given_up",
            Self::BalanceCharged => "balance.charged",
            Self::BalanceCredited => "balance.credited",
            Self::BalanceLow => "balance.low",
            Self::QuotaWarning => "quota.warning",
            Self::QuotaReached => "quota.reached",
            Self::TokenCreated => "token.created",
            Self::TokenRevoked => "token.revoked",
            Self::ConfigTaken => "config.taken",
            Self::DatabaseBackedUp => "database.backed_up",
            Self::DatabaseRestored => "database.restored",
            Self::WebhookTest => "webhook.test",
            Self::WebhookRetried => "webhook.retried",
            Self::UserCreated => "user.created",
            Self::UserChanged => "user.changed",
            Self::UserTakenOver => "user.taken_over",
            Self::UserDeleted => "user.deleted",
            Self::UserProofSent => "user.proof_sent",
            Self::UsersImported => "users.imported",
            Self::PasswordChanged => "password.changed",
            Self::SecondFactorChanged => "second_factor.changed",
            Self::IdentityLinked => "identity.linked",
            Self::IdentityUnlinked => "identity.unlinked",
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
            Self::SessionReused => "session.reused",
            Self::MemberJoined => "member.joined",
            Self::MemberChanged => "member.changed",
            Self::MemberLeft => "member.left",
            Self::InvitationSent => "invitation.sent",
            Self::InvitationEnded => "invitation.ended",
            Self::AgreementAccepted => "agreement.accepted",
            Self::ApplicationOpened => "application.opened",
            Self::ApplicationDecided => "application.decided",
            Self::MailRetried => "mail.retried",
            Self::MailTest => "mail.test",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_name_of_its_own() {
        for event in Event::ALL {
            assert_eq!(Event::from_name(event.name()), Some(event));
        }
    }
}
