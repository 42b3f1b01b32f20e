//! Who a caller is, as an app's own pages show it: the user, or of a key the owner of its account; with plan, balance and limits.

use crate::domain::caller::Kind;
use crate::domain::decision::Decision;
use crate::domain::error::{Error, Result};
use crate::domain::limit::{Per, Unit};
use crate::domain::telegram;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, UserRecord};
use crate::service::Services;
use crate::store::identities::{self, Identity};
use crate::store::users::{self, By};
use crate::store::{Connection, members, second_factors};

/// What is shown.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Of a key of an organization, and of an account that nobody signs in for: none.
    pub id: Option<i64>,
    /// The user's name, or the account's.
    pub name: String,
    /// In lower case.
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    /// Without the @.
    pub telegram_username: Option<String>,
    /// A URL.
    pub picture: Option<String>,
    /// The account.
    pub account: String,
    /// Its plan, by name.
    pub plan: String,
    /// When that ends.
    pub plan_until: Option<Timestamp>,
    /// What it has left.
    pub balance: i64,
    /// What it gets each billing month.
    pub monthly_tokens: i64,
    /// Requests an hour, where such a limit holds.
    pub hourly: Option<u64>,
    /// Requests a day.
    pub daily: Option<u64>,
    /// Ways in.
    pub has_telegram: bool,
    /// See above.
    pub has_google: bool,
    /// See above.
    pub has_email: bool,
    /// See above.
    pub has_phone: bool,
    /// The other providers by which they sign in, as paths call them.
    pub oidc: Vec<String>,
    /// Whether a second factor is asked for; of a key it is not told.
    pub second_factor: Option<bool>,
}

/// Whom something is told of.
#[derive(Default)]
struct Who {
    user: Option<UserRecord>,
    identities: Vec<Identity>,
    has_second_factor: bool,
}

impl Services {
    /// Who was recognised.
    pub async fn profile(&self, decision: &Decision) -> Result<Profile> {
        let caller = decision.caller.clone().ok_or_else(|| Error::Internal("nobody was recognised".into()))?;
        let account = caller.account.as_ref().ok_or_else(|| Error::Internal("who was recognised has no account".into()))?;
        let (user, id) = (caller.user.as_ref().map(|user| user.id), account.id.clone());
        // A key of an organization tells of none of its people.
        let tells_of_owner = account.kind == Kind::Personal;
        let Who { user, identities, has_second_factor } =
            self.store.read(move |connection| who(connection, user, &id, tells_of_owner)).await?;
        let of_telegram = identities.iter().find(|identity| identity.provider == telegram::PROVIDER);
        let limit = |per: Per| {
            caller
                .limits
                .iter()
                .find(|limit| limit.per == per && limit.unit == Unit::Requests && !limit.observe)
                .map(|limit| limit.requests)
        };
        let user = user.as_ref();
        Ok(Profile {
            id: user.map(|user| user.id),
            name: user.map_or_else(|| account.name.clone(), |user| user.name.clone()),
            email: user.and_then(|user| user.proven_email()).map(str::to_owned),
            phone: user.filter(|_| caller.user.is_some()).and_then(|user| user.proven_phone()).map(str::to_owned),
            telegram_username: of_telegram.and_then(|identity| identity.label.strip_prefix('@')).map(str::to_owned),
            picture: user.and_then(|user| user.picture.clone()),
            account: account.id.clone(),
            plan: account.plan_at(&self.policy.plans, decision.at).name.clone(),
            plan_until: account.plan_until.filter(|until| decision.at < *until),
            balance: decision.balance.unwrap_or(0),
            monthly_tokens: caller.monthly_tokens,
            hourly: limit(Per::Hour),
            daily: limit(Per::Day),
            has_telegram: of_telegram.is_some(),
            has_google: identities.iter().any(|identity| self.policy.sign_in.is_google(&identity.provider)),
            has_phone: user.is_some_and(|user| caller.user.is_some() && user.proven_phone().is_some() && user.password.is_some()),
            oidc: identities.iter().filter_map(|identity| self.policy.sign_in.other_provider(&identity.provider)).collect(),
            second_factor: caller.user.as_ref().map(|_| has_second_factor),
            has_email: user.is_some_and(|user| user.proven_email().is_some() && user.password.is_some()),
        })
    }
}

/// The user, or where they may be told of the oldest owner of the account; and how they sign in by others.
fn who(connection: &Connection, user: Option<i64>, account: &str, tells_of_owner: bool) -> Result<Who> {
    let owner = || members::of_account(connection, account).map(|members| members.into_iter().find(|member| member.role == Role::Owner));
    let id = match user {
        Some(id) => Some(id),
        None if tells_of_owner => owner()?.map(|owner| owner.user),
        None => None,
    };
    let Some(id) = id else { return Ok(Who::default()) };
    Ok(Who {
        user: users::find(connection, &By::Id(id))?,
        identities: identities::of_user(connection, id)?,
        has_second_factor: second_factors::is_in_force(connection, id)?,
    })
}
