//! The one place in which responses are built.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};

use super::feed::{Fed, Feed, feed};
use super::note::RequestLine;
use super::request::BodyFault;
use super::upstream::download::Download;
use crate::domain::decision::Decision;
use crate::domain::error::{Error, FieldFault};
use crate::domain::verdict::Verdict;
use crate::style::Answer;

/// A response.
pub type Response = http::Response<ResponseBody>;

/// A response's body: ours, whole or as it is made, or an app's, as it comes. Made from anything that is bytes.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    /// How it broke off, while what came before that goes out.
    fault: Option<BodyFault>,
    /// Written when it has gone out.
    line: Option<Box<RequestLine>>,
}

#[derive(Debug)]
enum Source {
    Whole(Full<Bytes>),
    Fed(Fed),
    Passing(Box<Download>),
}

impl ResponseBody {
    /// The app's.
    pub(super) fn passing(body: Download) -> Self {
        Self::of(Source::Passing(Box::new(body)))
    }

    const fn of(source: Source) -> Self {
        Self { source, fault: None, line: None }
    }

    /// Writes the request's line once it has gone out, or nobody takes it any more.
    pub(super) fn end_with(&mut self, line: Box<RequestLine>) {
        self.line = Some(line);
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        if let Some(fault) = this.fault.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        let frame = match &mut this.source {
            Source::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Source::Fed(body) => Pin::new(body).poll_frame(context),
            Source::Passing(body) => Pin::new(&mut **body).poll_frame(context),
        };
        match frame {
            // hyper throws away what is not written yet when a body breaks off: that goes first.
            Poll::Ready(Some(Err(fault))) => {
                this.fault = Some(fault);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_end = match &self.source {
            Source::Whole(body) => body.is_end_stream(),
            Source::Fed(body) => body.is_end_stream(),
            Source::Passing(body) => body.is_end_stream(),
        };
        is_end && self.fault.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(body) => body.size_hint(),
            Source::Fed(body) => body.size_hint(),
            Source::Passing(body) => body.size_hint(),
        }
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        Self::of(Source::Whole(Full::new(bytes.into())))
    }
}

/// Tells every response from every other; quoted in logs and error bodies.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// JSON.
pub fn json(status: StatusCode, value: &Value) -> Response {
    typed(status, JSON, value.to_string())
}

/// A text of some type.
pub fn text(status: StatusCode, content_type: &'static str, text: String) -> Response {
    typed(status, HeaderValue::from_static(content_type), text)
}

/// A record, with the revision that a later change may ask for in `If-Match`.
pub fn record(status: StatusCode, value: &Value, revision: i64) -> Response {
    let mut response = json(status, value);
    if let Ok(tag) = format!("\"{revision}\"").parse() {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// No content.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() = status;
    keep_from_caches(response.headers_mut());
    response
}

/// Sends a browser on (RFC 9110, 15.4.4).
pub fn see_other(place: &str) -> Result<Response, Error> {
    let place = HeaderValue::from_str(place).map_err(|_| Error::Internal("an address cannot be sent".into()))?;
    let mut response = empty(StatusCode::SEE_OTHER);
    response.headers_mut().insert(LOCATION, place);
    Ok(response)
}

/// Notes what became of somebody who came to sign in, where the status alone does not say so.
pub fn came_to(verdict: Verdict, mut response: Response) -> Response {
    response.extensions_mut().insert(verdict);
    response
}

/// What a form did that lets people in, where nobody came to sign in by it.
#[derive(Clone, Copy, Debug)]
pub struct NoSignIn;

/// Notes that nobody came to sign in: they only declined, or confirmed something.
pub fn no_sign_in(mut response: Response) -> Response {
    response.extensions_mut().insert(NoSignIn);
    response
}

/// Says after how many seconds it is worth another try, where that is known and nothing says it yet (RFC 9110, 10.2.3).
pub fn retry_after(seconds: Option<u64>, response: &mut Response) {
    if let Some(seconds) = seconds {
        response.headers_mut().entry(RETRY_AFTER).or_insert(seconds.into());
    }
}

/// Nothing that tollgate says about keys is for caches.
pub fn keep_from_caches(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, NO_STORE);
}

/// A body of some type.
fn typed(status: StatusCode, content_type: HeaderValue, body: String) -> Response {
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    *response.body_mut() = body.into();
    response
}

/// 200 with a body that is made while it is sent, and what makes it.
pub fn streamed(content_type: HeaderValue) -> (Feed, Response) {
    let (feed, fed) = feed();
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    *response.body_mut() = ResponseBody::of(Source::Fed(fed));
    (feed, response)
}

/// What the style says, whole.
pub fn styled(answer: Answer) -> Response {
    let mut response = empty(answer.status);
    response.headers_mut().extend(answer.headers);
    *response.body_mut() = answer.body.into();
    response
}

/// An error of our own (RFC 9457).
pub fn problem(status: StatusCode, detail: &str, errors: Vec<Value>, request_id: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let mut body = json!({ "title": title, "status": status.as_u16(), "detail": detail, "request_id": request_id });
    if !errors.is_empty() {
        body["errors"] = errors.into();
    }
    typed(status, PROBLEM, body.to_string())
}

/// For a path that is not there, or not for whoever asked.
pub fn nothing_here(request_id: &str) -> Response {
    problem(StatusCode::NOT_FOUND, "There is nothing at this path.", Vec::new(), request_id)
}

/// The status of an operation that failed.
pub const fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Stale => StatusCode::PRECONDITION_FAILED,
        Error::Forbidden(_) | Error::Refused(_) => StatusCode::FORBIDDEN,
        Error::NoBalance => StatusCode::PAYMENT_REQUIRED,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An operation that failed. What is inner goes to the log, under the request's id.
pub fn failed(error: &Error, request_id: &str) -> Response {
    let status = status_of(error);
    if status.is_server_error() {
        tracing::error!(request_id, "{error}");
    }
    let errors = match error {
        Error::Invalid(faults) => faults.iter().map(FieldFault::as_json).collect(),
        Error::Refused(refusal) => refusal.errors.iter().map(FieldFault::as_json).collect(),
        _ => Vec::new(),
    };
    problem(status, &error.outer(), errors, request_id)
}

/// Who passed, for the app behind: all of them, empty where there is nothing, so that a client's own never survive.
pub fn identity(decision: &Decision, into: &mut HeaderMap) {
    let caller = decision.caller.as_deref();
    let key = caller.and_then(|caller| caller.key.as_ref());
    let account = caller.and_then(|caller| caller.account.as_ref());
    let user = caller.and_then(|caller| caller.user.as_ref()).map(|user| user.id.to_string());
    let values = [
        account.map_or("", |account| &account.id),
        key.map_or("", |key| &key.id),
        user.as_deref().unwrap_or(""),
        caller.map_or("", |caller| &caller.plan.name),
        caller.map_or("", |caller| &caller.scopes),
        decision.verdict.name(),
    ];
    for (name, value) in IDENTITY.into_iter().zip(values) {
        // Ids, plans and scopes are checked when they are made: a header can carry them.
        into.insert(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("")));
    }
}

/// Says which request an answer belongs to.
pub fn name(request_id: &str, into: &mut HeaderMap) {
    if let Ok(value) = request_id.parse() {
        into.insert(REQUEST_ID, value);
    }
}

/// The identity headers: account, key, user, plan, scopes, verdict.
pub const IDENTITY: [HeaderName; 6] = [
    HeaderName::from_static("x-auth-account"),
    HeaderName::from_static("x-auth-key"),
    HeaderName::from_static("x-auth-user"),
    HeaderName::from_static("x-auth-plan"),
    HeaderName::from_static("x-auth-scopes"),
    HeaderName::from_static("x-auth-verdict"),
];
