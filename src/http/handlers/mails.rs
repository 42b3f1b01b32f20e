//! Mails and SMS, for whoever administrates: which are on their way, sending one again, and trying whether one arrives.

use http::StatusCode;

use crate::domain::delivery::MessageState;
use crate::domain::error::{Error, FieldFault};
use crate::domain::id;
use crate::domain::proof::Channel;
use crate::http::fields::Fields;
use crate::http::query::Query;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::mails::Place;
use crate::store::mails::Filter;

/// By what mails go.
pub const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Phone];

/// What they are asked by.
pub const FILTERS: [&str; 3] = ["address", "channel", "state"];

/// A page of them, without what stands in them.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, mut query) = call.paged(id::MAIL, &FILTERS);
    let filter = wanted(&mut query);
    query.finish()?;
    let page = call.front.services.mails(filter, ask).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::mail)))
}

/// Which of them are asked for.
pub fn wanted(query: &mut Query) -> Filter {
    let state = query.parsed("state", MessageState::parse);
    let channel =
        query.parsed("channel", |name| CHANNELS.into_iter().find(|channel| channel.name() == name).ok_or("must be one of email, phone"));
    Filter { address: query.text("address"), channel, state, ..Filter::default() }
}

/// Sends one again.
pub async fn retry(call: Call) -> Result<Response, Unreadable> {
    let mail = call.front.services.retry_mail(&call.id, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::mail(&mail)))
}

/// Sends an address something to try whether it arrives.
pub async fn test(mut call: Call) -> Result<Response, Unreadable> {
    let mut fields = Fields::new(call.json().await?)?;
    let to = fields.parsed("address", Place::parse).flatten();
    let mut faults = fields.into_faults();
    if to.is_none() && faults.iter().all(|fault| fault.field != "address") {
        faults.push(FieldFault { field: "address".into(), message: "must be given".into() });
    }
    let to = to.filter(|_| faults.is_empty()).ok_or(Error::Invalid(faults))?;
    let mail = call.front.services.test_mail(to, &call.act()?).await?;
    Ok(response::json(StatusCode::CREATED, &views::mail(&mail)))
}
