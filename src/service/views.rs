//! Records as JSON: as the admin API shows them, the audit keeps them and webhooks tell them. Never with a secret.

use serde_json::{Value, json};

use super::Page;
use crate::domain::application::ApplicationRecord;
use crate::domain::caller::KeyRecord;
use crate::domain::invitation::InvitationRecord;
use crate::domain::session::SessionRecord;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenRecord;
use crate::domain::user::UserRecord;
use crate::store::accounts::StoredAccount;
use crate::store::identities::Identity;
use crate::store::members::Member;
use crate::store::{audit, balances};

/// An account.
pub fn account(account: &StoredAccount) -> Value {
    let StoredAccount { record, balance, .. } = account;
    json!({
        "id": record.id,
        "name": record.name,
        "plan": record.plan,
        "plan_until": record.plan_until.map(Timestamp::rfc3339),
        "kind": record.kind.name(),
        "balance": balance.total(),
        "plan_tokens": balance.plan_tokens,
        "bonus_tokens": balance.bonus_tokens,
        "limits": record.limits,
        "disabled": record.disabled,
        "created_at": record.created_at.rfc3339(),
    })
}

/// A key, without the raw key.
pub fn key(key: &KeyRecord) -> Value {
    json!({
        "id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "account": key.account,
        "environment": key.environment,
        "plan": key.plan,
        "limits": key.limits,
        "scopes": key.scopes,
        "ips": key.ips,
        "metadata": key.metadata,
        "disabled": key.disabled,
        "created_at": key.created_at.rfc3339(),
        "expires_at": key.expires_at.map(Timestamp::rfc3339),
        "revoked_at": key.revoked_at.map(Timestamp::rfc3339),
        "last_used_at": key.last_used_at.map(Timestamp::rfc3339),
        "replaced_by": key.replaced_by,
    })
}

/// A service token, without the raw token.
pub fn token(token: &TokenRecord) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
        "account": token.account,
        "created_at": token.created_at.rfc3339(),
        "expires_at": token.expires_at.map(Timestamp::rfc3339),
        "revoked_at": token.revoked_at.map(Timestamp::rfc3339),
    })
}

/// A session; `own` is the one that asks.
pub fn session(session: &SessionRecord, own: Option<&str>) -> Value {
    json!({
        "id": session.id,
        "account": session.account,
        "method": session.method,
        "address": session.origin,
        "user_agent": session.agent,
        "created_at": session.created_at.rfc3339(),
        "last_used_at": session.used_at.rfc3339(),
        "expires_at": session.expires_at.rfc3339(),
        "current": own == Some(session.id.as_str()),
    })
}

/// A user, as the audit, webhooks and the admin API tell of them.
pub fn user(user: &UserRecord) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "email_verified": user.proven_email().is_some(),
        "phone": user.phone,
        "phone_verified": user.proven_phone().is_some(),
        "has_password": user.password.is_some(),
        "picture": user.picture,
        "account": user.account,
        "admin": user.is_admin,
        "disabled": user.disabled,
        "agreement": user.agreement,
        "created_at": user.created_at.rfc3339(),
    })
}

/// How a user signs in by others.
pub fn identity(identity: &Identity) -> Value {
    json!({ "provider": identity.provider, "subject": identity.subject, "label": identity.label })
}

/// A member of an account.
pub fn member(member: &Member, user: &UserRecord) -> Value {
    json!({
        "user": user.id,
        "name": user.name,
        "email": user.proven_email(),
        "account": member.account,
        "role": member.role.name(),
        "joined_at": member.joined_at.rfc3339(),
    })
}

/// An application for a plan.
pub fn application(application: &ApplicationRecord) -> Value {
    json!({
        "id": application.id,
        "account": application.account,
        "user": application.user,
        "plan": application.plan,
        "use_case": application.use_case,
        "volume": application.volume,
        "state": application.state.name(),
        "note": application.note,
        "created_at": application.created_at.rfc3339(),
        "decided_at": application.decided_at.map(Timestamp::rfc3339),
        "decided_by": application.decided_by,
    })
}

/// An invitation, as those see it who look after the account. Never with its token.
pub fn invitation(invitation: &InvitationRecord, now: Timestamp) -> Value {
    json!({
        "id": invitation.id,
        "account": invitation.account,
        "email": invitation.email,
        "role": invitation.role.name(),
        "state": invitation.state_at(now).name(),
        "invited_by": invitation.invited_by,
        "created_at": invitation.created_at.rfc3339(),
        "expires_at": invitation.expires_at.rfc3339(),
    })
}

/// An entry of the audit.
pub fn audit(entry: &audit::Entry) -> Value {
    json!({
        "id": entry.id,
        "at": entry.at.rfc3339_millis(),
        "actor": entry.actor,
        "origin": entry.origin,
        "request_id": entry.request_id,
        "action": entry.action,
        "target": entry.target,
        "account": entry.account,
        "before": entry.before,
        "after": entry.after,
    })
}

/// An entry of a balance's history.
pub fn movement(entry: &balances::Entry) -> Value {
    json!({
        "id": entry.id,
        "at": entry.at.rfc3339_millis(),
        "kind": entry.kind.name(),
        "tokens": entry.tokens,
        "balance": entry.balance,
        "reason": entry.reason,
        "actor": entry.actor,
        "request_id": entry.request_id,
    })
}

/// A page of a list.
pub fn page<T>(page: &Page<T>, view: impl Fn(&T) -> Value) -> Value {
    json!({ "data": page.data.iter().map(view).collect::<Vec<_>>(), "next_cursor": page.next_cursor })
}
