//! What of usage is looked at: over which time, of which account and key.

use crate::domain::id;
use crate::domain::time::{Span, Timestamp};
use crate::domain::usage::{By, Of, UsageAsk};
use crate::http::dashboard::keys::account;
use crate::http::handlers;
use crate::http::query::Query;
use crate::http::request::{Call, Unreadable};

/// Over which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// 24 hours, by hour.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 90 days.
    Quarter,
}

impl Period {
    /// Every one, the shortest first.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// What addresses call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// That of a query.
    pub fn read(query: &mut Query) -> Option<Self> {
        query.parsed("period", |name| Self::from_name(name).ok_or("must be 24h, 7d, 30d or 90d"))
    }

    /// How long each start of it is, and how many there are.
    pub const fn starts(self) -> (By, u64) {
        match self {
            Self::Day => (By::Hour, 24),
            Self::Week => (By::Day, 7),
            Self::Month => (By::Day, 30),
            Self::Quarter => (By::Day, 90),
        }
    }

    /// What is asked for, of which account and key: up to now, this hour or day with it.
    pub fn ask(self, account: &str, key: Option<&str>, now: Timestamp) -> UsageAsk {
        let (by, count) = self.starts();
        let to = now.floor_to(by.length()).plus(by.length());
        let from = to.minus(Span::from_millis(by.length().millis() * count));
        UsageAsk { account: Some(account.to_owned()), key: key.map(str::to_owned), verdict: None, from, to, by, of: Of::Key }
    }
}

/// What a query says: the account, the key where one is chosen, and the time.
pub struct Wanted {
    /// Whose.
    pub account: String,
    /// Which key, or user.
    pub key: Option<String>,
    /// Over which time.
    pub period: Period,
}

impl Wanted {
    /// Reads it. A key that is not this account's is not there.
    pub async fn read(call: &Call) -> Result<Self, Unreadable> {
        let mut query = call.query(&["period", "key"]);
        let period = Period::read(&mut query);
        let key = query.parsed("key", |text| if text.is_empty() { Ok(None) } else { handlers::usage::is_counted_as(text).map(Some) });
        query.finish()?;
        let account = account(call)?;
        let (_, key) = call.front.services.usage_whose(Some(account.clone()), key.flatten(), &call.act()?).await?;
        Ok(Self { account, key, period: period.unwrap_or(Period::Month) })
    }

    /// The key, where it is one and no user.
    pub fn key_id(&self) -> Option<&str> {
        self.key.as_deref().filter(|key| id::is(id::KEY, key))
    }

    /// What stands behind an address that leads on with the same.
    pub fn query(&self) -> String {
        let key = self.key.as_ref().map(|key| format!("&key={key}")).unwrap_or_default();
        format!("?period={}{key}", self.period.name())
    }
}
