//! Usage, for whoever administrates and for the holder of a key: how many requests got which verdict, as JSON or CSV.

use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::gate;
use crate::domain::carrier::Carrier;
use crate::domain::error::Error;
use crate::domain::id;
use crate::domain::nearest::hint;
use crate::domain::time::{Span, Timestamp};
use crate::domain::usage::{By, Counted, Of, Place, UsageAsk};
use crate::domain::user::number_of;
use crate::domain::verdict::Verdict;
use crate::http::feed::Feed;
use crate::http::query::{NO_CURSOR, Query};
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::ask::Mode;
use crate::service::usage::{Asker, UsagePage};
use crate::service::{PageAsk, Services};

const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// How many rows are read at a time for CSV.
const ROWS_AT_A_TIME: usize = 1000;

/// What an operator may say.
const KNOWN: [&str; 10] = ["account", "key", "verdict", "from", "to", "by", "of", "limit", "cursor", "format"];
/// What the holder of a key may say.
const KNOWN_TO_HOLDERS: [&str; 7] = ["verdict", "from", "to", "by", "limit", "cursor", "format"];

/// The counts of everybody, of one account or of one key.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let wanted = Wanted::read(call.query(&KNOWN), &call)?;
    let whose = call.front.services.usage_whose(wanted.account.clone(), wanted.key.clone(), &call.act()?).await?;
    wanted.answer(&call, whose, Asker::Operator).await
}

/// The counts of the key, or the user, that asks. Charges nothing; a credential that is refused gets the style's answer.
pub async fn mine(call: Call) -> Result<Response, Unreadable> {
    let decision = gate::decide(&call, Mode::WhoAmI).await;
    let own = decision.caller.as_ref().and_then(|caller| caller.counted_as());
    let Some((account, own)) = own.filter(|_| decision.verdict.passes()) else { return Ok(gate::refuse(&call, &decision)) };
    let carriers = &call.front.services.policy.keys.carriers;
    let is_credential = |name: &str| carriers.iter().any(|carrier| matches!(carrier, Carrier::Query(own) if own == name));
    let credentials = carriers.iter().filter_map(|carrier| if let Carrier::Query(name) = carrier { Some(name.as_str()) } else { None });
    let known: Vec<&str> = KNOWN_TO_HOLDERS.into_iter().chain(credentials).collect();
    let mut query = call.query(&known);
    query.leave_out(is_credential);
    let wanted = Wanted { of: Of::Key, ..Wanted::read(query, &call)? };
    let whose = (Some(account.to_owned()), Some(own.to_owned()));
    wanted.answer(&call, whose, Asker::Holder).await
}

/// What a query says.
struct Wanted {
    account: Option<String>,
    key: Option<String>,
    verdict: Option<Verdict>,
    from: Timestamp,
    to: Timestamp,
    by: By,
    of: Of,
    limit: usize,
    cursor: Option<Place>,
    is_csv: bool,
}

impl Wanted {
    /// Reads it; every wrong parameter is named in one answer.
    fn read(mut query: Query, call: &Call) -> Result<Self, Error> {
        let by = query.parsed("by", |text| By::from_name(text).ok_or("must be hour or day")).unwrap_or(By::Day);
        let of = query.parsed("of", |text| Of::from_name(text).ok_or("must be key, account or all")).unwrap_or(Of::All);
        let verdict = query.parsed("verdict", |text| Verdict::from_name(text).ok_or_else(|| no_such_verdict(text)));
        let account = query.parsed("account", |text| is_id(id::ACCOUNT, text));
        let key = query.parsed("key", is_counted_as);
        let to = query.parsed("to", Timestamp::parse);
        let from = query.parsed("from", Timestamp::parse);
        let is_csv = query.parsed("format", format).unwrap_or_else(|| accepts_csv(call));
        let limit = query.limit();
        let cursor = query.cursor(Place::from_cursor);
        if is_csv {
            let stray = [("limit", limit.is_some()), ("cursor", cursor.is_some())].into_iter().find(|(_, given)| *given);
            stray.into_iter().for_each(|(name, _)| query.fault(name, "is for JSON: CSV comes whole"));
        }
        let to = to.map_or(Timestamp::MAX, |to| by.first_from(to));
        let from = from.map_or_else(|| usual_from(by, to, call.now), |from| by.first_from(from));
        if from > to {
            query.fault("from", "must lie before 'to'");
        }
        if cursor.as_ref().is_some_and(|place| place.start < from || place.start > to || by.first_from(place.start) != place.start) {
            query.fault("cursor", NO_CURSOR);
        }
        query.finish()?;
        Ok(Self { account, key, verdict, from, to, by, of, limit: limit.unwrap_or(PageAsk::USUAL), cursor, is_csv })
    }

    async fn answer(self, call: &Call, (account, key): (Option<String>, Option<String>), asker: Asker) -> Result<Response, Unreadable> {
        let Self { verdict, from, to, by, of, limit, cursor, is_csv, .. } = self;
        let services = call.front.services.clone();
        let ask = Arc::new(UsageAsk { account, key, verdict, from, to, by, of });
        if !is_csv {
            let UsagePage { rows, next } = services.usage(&ask, cursor, limit, asker).await?;
            let rows: Vec<Value> = rows.iter().map(|row| record(row, of)).collect();
            return Ok(response::json(StatusCode::OK, &json!({ "data": rows, "next_cursor": next.map(|place| place.to_cursor()) })));
        }
        // What is refused is refused before the answer begins.
        let first = services.usage(&ask, None, ROWS_AT_A_TIME, asker).await?;
        let (feed, response) = response::streamed(CSV);
        let request_id = call.request_id.clone();
        tokio::spawn(async move {
            if let Err(error) = write_csv(&services, &ask, first, asker, feed).await {
                tracing::error!(request_id, "usage could not be read to its end: {error}");
            }
        });
        Ok(response)
    }
}

fn is_id(kind: &str, text: &str) -> Result<String, String> {
    if id::is(kind, text) { Ok(text.to_owned()) } else { Err(format!("must be an id, {kind}…")) }
}

/// A key's id, or what statistics call a user.
pub fn is_counted_as(text: &str) -> Result<String, String> {
    let is_one = id::is(id::KEY, text) || number_of(text).is_some();
    if is_one { Ok(text.to_owned()) } else { Err(format!("must be an id, {}…, or a user, user_42", id::KEY)) }
}

fn no_such_verdict(text: &str) -> String {
    let known = || Verdict::ALL.iter().map(|verdict| verdict.name());
    format!("there is no verdict '{text}'{}; there are {}", hint(text, known()), known().collect::<Vec<_>>().join(", "))
}

fn format(text: &str) -> Result<bool, &'static str> {
    match text {
        "json" => Ok(false),
        "csv" => Ok(true),
        _ => Err("must be json or csv"),
    }
}

/// Whether a request without `format` would rather have CSV.
fn accepts_csv(call: &Call) -> bool {
    call.accepted().find(|media| media == "text/csv" || media == "application/json").is_some_and(|media| media == "text/csv")
}

/// So many days, or hours, up to now or to `to`, that of now with them.
fn usual_from(by: By, to: Timestamp, now: Timestamp) -> Timestamp {
    let next = by.first_from(Timestamp::from_millis(now.millis().saturating_add(1)));
    let back = Span::from_secs(by.length().seconds_up() * by.usual().unsigned_abs());
    Timestamp::from_millis(next.min(to).millis().saturating_sub(back.millis() as i64))
}

/// The names of what a row holds.
fn columns(of: Of) -> &'static [&'static str] {
    match of {
        Of::Key => &["start", "account", "key", "verdict", "count"],
        Of::Account => &["start", "account", "verdict", "count"],
        Of::All => &["start", "verdict", "count"],
    }
}

/// A row; account and key are null where nobody was recognised.
fn record(row: &Counted, of: Of) -> Value {
    let id = |id: &str| if id.is_empty() { Value::Null } else { id.into() };
    let value = |name: &str| match name {
        "start" => row.start.rfc3339().into(),
        "account" => id(&row.account),
        "key" => id(&row.key),
        "verdict" => row.verdict.as_str().into(),
        _ => row.count.into(),
    };
    columns(of).iter().map(|name| ((*name).to_owned(), value(name))).collect::<Map<_, _>>().into()
}

/// The same rows as CSV (RFC 4180). Ids, times, verdicts and numbers need no quotes, and none is a formula.
async fn write_csv(services: &Services, ask: &Arc<UsageAsk>, first: UsagePage, asker: Asker, feed: Feed) -> Result<(), Error> {
    let mut page = first;
    let mut text = format!("{}\r\n", columns(ask.of).join(","));
    loop {
        page.rows.iter().for_each(|row| text.push_str(&line(row, ask.of)));
        // Whoever has gone needs no more.
        if !text.is_empty() && feed.send(std::mem::take(&mut text)).await.is_err() {
            return Ok(());
        }
        let Some(place) = page.next else { break };
        page = services.usage(ask, Some(place), ROWS_AT_A_TIME, asker).await?;
    }
    feed.end();
    Ok(())
}

fn line(row: &Counted, of: Of) -> String {
    let cell = |name: &&str| match *name {
        "start" => row.start.rfc3339(),
        "account" => row.account.clone(),
        "key" => row.key.clone(),
        "verdict" => row.verdict.clone(),
        _ => row.count.to_string(),
    };
    columns(of).iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n"
}
