//! Everything that an import can bring along, as it is read: accounts, and keys with their hashes, never a raw key.

use std::future::Future;

use serde_json::Value;

use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::rows::{self, Format};
use crate::http::views;
use crate::service::export::Place;
use crate::store::accounts::StoredAccount;
use crate::store::keys::StoredKey;

/// Records by their ids.
type Page = Vec<(String, Value)>;

/// Exports keys.
pub async fn keys(call: Call) -> Result<Response, Unreadable> {
    let (format, account) = asked(&call).await?;
    let place = call.front.services.begin_export(Event::KeysExported, account.as_deref(), &call.act()?).await?;
    let fields: Vec<&str> = rows::KEY.into_iter().filter(|field| *field != "key").collect();
    let services = call.front.services.clone();
    let pages = move |after| {
        let (services, account) = (services.clone(), account.clone());
        async move {
            let page = services.keys_after(account, after).await?;
            Ok(page.iter().map(|stored| (stored.record.id.clone(), key(stored))).collect())
        }
    };
    stream(format, fields, pages, (place, call.request_id)).await
}

/// Exports accounts.
pub async fn accounts(call: Call) -> Result<Response, Unreadable> {
    let (format, only) = asked(&call).await?;
    let place = call.front.services.begin_export(Event::AccountsExported, only.as_deref(), &call.act()?).await?;
    let (services, act) = (call.front.services.clone(), call.act()?);
    let pages = move |after| {
        let (services, only, act) = (services.clone(), only.clone(), act.clone());
        async move {
            let page = services.accounts_after(only, after, &act).await?;
            Ok(page.iter().map(|stored| (stored.record.id.clone(), account(stored))).collect())
        }
    };
    stream(format, rows::ACCOUNT.to_vec(), pages, (place, call.request_id)).await
}

/// In which format, and of which account where not of all.
async fn asked(call: &Call) -> Result<(Format, Option<String>), Unreadable> {
    let mut query = call.query(&["format", "account"]);
    let format = query.parsed("format", |name| Format::from_name(name).ok_or("must be jsonl or csv")).unwrap_or(Format::Jsonl);
    let account = query.text("account");
    query.finish()?;
    if let Some(account) = &account {
        call.front.services.account(account, &call.act()?).await?;
    }
    Ok((format, account))
}

/// Sends page after page; where one cannot be read, the answer does not end properly.
async fn stream<P, F>(
    format: Format,
    fields: Vec<&'static str>,
    pages: P,
    (place, request_id): (Place, String),
) -> Result<Response, Unreadable>
where
    P: Fn(String) -> F + Send + 'static,
    F: Future<Output = Result<Page>> + Send,
{
    let mut page = pages(String::new()).await?;
    let (feed, response) = response::streamed(format.media());
    tokio::spawn(async move {
        let _place = place;
        let mut bytes = format.header(&fields).into_bytes();
        while let Some((after, _)) = page.last() {
            let after = after.clone();
            bytes.extend(page.iter().flat_map(|(_, record)| format.row(&fields, record)));
            // Where it fails nobody reads any more.
            let Ok(()) = feed.send_all(std::mem::take(&mut bytes)).await else { return };
            page = match pages(after).await {
                Ok(page) => page,
                Err(error) => return tracing::error!(request_id, "an export ended early: {error}"),
            };
        }
        if bytes.is_empty() || feed.send(bytes).await.is_ok() {
            feed.end();
        }
    });
    Ok(response)
}

/// A key with its hash, and its times to the millisecond.
fn key(stored: &StoredKey) -> Value {
    let record = &stored.record;
    let mut view = views::key(record);
    if let Value::Object(map) = &mut view {
        map.shift_insert(1, "hash".into(), stored.hash.hex().into());
    }
    view["created_at"] = record.created_at.rfc3339_millis().into();
    for (field, at) in [("expires_at", record.expires_at), ("revoked_at", record.revoked_at), ("last_used_at", record.last_used_at)] {
        view[field] = at.map(Timestamp::rfc3339_millis).into();
    }
    view
}

/// An account with the month that its plan's tokens belong to, and its times to the millisecond.
fn account(stored: &StoredAccount) -> Value {
    let mut view = views::account(stored);
    view["created_at"] = stored.record.created_at.rfc3339_millis().into();
    view["plan_until"] = stored.record.plan_until.map(Timestamp::rfc3339_millis).into();
    view["period"] = stored.balance.period.rfc3339_millis().into();
    view
}
