//! Usage as a table for spreadsheets: a row for each start, key and verdict, with the key's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{CONTENT_DISPOSITION, HeaderValue};

use super::show::guard;
use super::usage::Wanted;
use crate::domain::act::Act;
use crate::domain::error::Result as Outcome;
use crate::domain::usage::UsageAsk;
use crate::http::feed::Feed;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::rows::for_people;
use crate::service::Services;
use crate::service::usage::{Asker, UsagePage};

const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"usage.csv\"");

/// How many rows are read at a time.
const ROWS_AT_A_TIME: usize = 1000;

/// `GET PREFIX/usage.csv`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let wanted = Wanted::read(&call).await?;
    let ask = Arc::new(wanted.period.ask(&wanted.account, wanted.key.as_deref(), call.now));
    let (services, act) = (call.front.services.clone(), call.act()?);
    // What is refused is refused before the answer begins.
    let first = services.usage(&ask, None, ROWS_AT_A_TIME, Asker::Holder).await?;
    let (feed, mut response) = response::streamed(CSV);
    guard(response.headers_mut());
    response.headers_mut().insert(CONTENT_DISPOSITION, FILE);
    tokio::spawn(async move {
        if let Err(error) = write(&services, &ask, &wanted.account, first, &act, feed).await {
            tracing::error!(request_id = act.request_id, "usage could not be read to its end: {error}");
        }
    });
    Ok(response)
}

async fn write(services: &Services, ask: &Arc<UsageAsk>, account: &str, first: UsagePage, act: &Act, feed: Feed) -> Outcome<()> {
    let (mut page, mut text) = (first, "start,key,name,verdict,count\r\n".to_owned());
    loop {
        let mut ids: Vec<String> = page.rows.iter().map(|row| row.key.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let names = services.key_names(account, ids, act).await?;
        write_rows(&page, &names, &mut text);
        // Whoever has gone needs no more.
        if !text.is_empty() && feed.send(std::mem::take(&mut text)).await.is_err() {
            return Ok(());
        }
        let Some(place) = page.next else { break };
        page = services.usage(ask, Some(place), ROWS_AT_A_TIME, Asker::Holder).await?;
    }
    feed.end();
    Ok(())
}

fn write_rows(page: &UsagePage, names: &BTreeMap<String, String>, into: &mut String) {
    for row in &page.rows {
        let name = names.get(&row.key).map(|name| for_people(name)).unwrap_or_default();
        into.push_str(&format!("{},{},{name},{},{}\r\n", row.start.rfc3339(), row.key, row.verdict, row.count));
    }
}
