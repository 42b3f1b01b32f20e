//! A table that a browser saves as CSV, made while it is sent. Only a page of ours begins one, and it ends with the right of whoever asked.

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};

use super::session::known;
use super::show::guard;
use crate::domain::act::Actor;
use crate::domain::error::Error;
use crate::domain::time::Timestamp;
use crate::domain::user::Role;
use crate::http::cookies;
use crate::http::feed::Feed;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::rows::Format;

/// The head of a download, for whoever asks for that alone; none for whoever asks for the rows. Fails where another site's page asks.
pub fn head(call: &Call, name: &str) -> Result<Option<Response>, Unreadable> {
    cookies::check_origin(call)?;
    if call.parts.method != Method::HEAD {
        return Ok(None);
    }
    let mut response = response::empty(StatusCode::OK);
    describe(&mut response, name)?;
    Ok(Some(response))
}

/// The whole of it, and what makes it.
pub fn begin(name: &str) -> Result<(Feed, Response), Unreadable> {
    let (feed, mut response) = response::streamed(Format::Csv.media());
    describe(&mut response, name)?;
    Ok((feed, response))
}

fn describe(response: &mut Response, name: &str) -> Result<(), Error> {
    let file = format!("attachment; filename=\"{name}.csv\"");
    let file = HeaderValue::from_str(&file).map_err(|_| Error::Internal("a file has no name".into()))?;
    guard(response.headers_mut());
    response.headers_mut().insert(CONTENT_TYPE, Format::Csv.media());
    response.headers_mut().insert(CONTENT_DISPOSITION, file);
    Ok(())
}

/// Whether whoever was let in still is, and `may`: rows go out for long, and none to whoever has signed out, or lost the right to them.
pub async fn goes_on(call: &mut Call, may: impl Fn(&Actor) -> bool) -> bool {
    call.now = Timestamp::now();
    let goes_on = known(call, Some(Role::Member)).await.is_ok_and(|actor| may(&actor));
    if !goes_on {
        tracing::info!(request_id = call.request_id, "an export was cut off: whoever asked for it may not read it any more");
    }
    goes_on
}
