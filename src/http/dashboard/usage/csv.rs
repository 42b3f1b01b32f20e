//! Usage as a table for spreadsheets: a row for each start, key and verdict, with the key's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::period::Wanted;
use crate::domain::act::Act;
use crate::domain::error::Result as Outcome;
use crate::domain::usage::UsageAsk;
use crate::http::dashboard::download;
use crate::http::feed::Feed;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::http::rows::for_people;
use crate::service::usage::{Asker, UsagePage};

/// What its file is called.
const NAME: &str = "usage";

/// How many rows are read at a time.
const ROWS_AT_A_TIME: usize = 1000;

/// `GET PREFIX/usage.csv`.
pub async fn show(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(head) = download::head(&call, NAME)? {
        return Ok(head);
    }
    let wanted = Wanted::read(&call).await?;
    let ask = Arc::new(wanted.period.ask(&wanted.account, wanted.key.as_deref(), call.now));
    // What is refused is refused before the answer begins.
    let first = call.front.services.usage(&ask, None, ROWS_AT_A_TIME, Asker::Holder).await?;
    let (act, (feed, response)) = (call.act()?, download::begin(NAME)?);
    tokio::spawn(async move {
        if let Err(error) = write(&mut call, &ask, &wanted.account, first, &act, feed).await {
            tracing::error!(request_id = act.request_id, "usage could not be read to its end: {error}");
        }
    });
    Ok(response)
}

async fn write(call: &mut Call, ask: &Arc<UsageAsk>, account: &str, first: UsagePage, act: &Act, feed: Feed) -> Outcome<()> {
    let services = call.front.services.clone();
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
        if !download::goes_on(call, |actor| actor.account() == Some(account)).await {
            return Ok(());
        }
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
