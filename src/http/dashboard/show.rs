//! Renders a page, with the headers that keep it from being framed, scripted by others, cached or told of.

use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode};

use super::failed;
use super::shell::Shell;
use crate::domain::error::Error;
use crate::domain::key::KeyHash;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Our own style sheet, script, pictures and forms, and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The same without a script.
const DISCREET: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The style sheet without what only people need: each page waits for it once.
static STYLE_SHEET: LazyLock<String> = LazyLock::new(|| squeezed(include_str!("templates/dashboard.css")));
const SCRIPT: &str = include_str!("templates/dashboard.js");

/// Tells one version of what browsers keep from the next.
pub static VERSION: LazyLock<String> = LazyLock::new(|| KeyHash::of(&format!("{}{SCRIPT}", *STYLE_SHEET)).hex()[..12].to_owned());

/// A page.
pub fn page(status: StatusCode, template: &impl Template) -> Result<Response, Unreadable> {
    let html = template.render().map_err(|error| Error::Internal(format!("a page cannot be shown: {error}")))?;
    let mut response = response::text(status, "text/html; charset=utf-8", html);
    guard(response.headers_mut());
    Ok(response)
}

/// A page in whose address a secret stands: it runs no script, and no other site gets to see the address.
pub fn discreet(call: &Call, s: &Shell, status: StatusCode, template: &impl Template) -> Response {
    match page(status, template) {
        Ok(mut response) => {
            guard_discreetly(response.headers_mut());
            s.name_language(&mut response);
            response
        }
        Err(unreadable) => failed(s, &call.request_id, unreadable),
    }
}

/// Goes on to another page (RFC 9110, 15.4.4), by an address relative to this one.
pub fn see(place: &str) -> Result<Response, Unreadable> {
    let mut response = response::see_other(place)?;
    guard(response.headers_mut());
    Ok(response)
}

#[derive(Template)]
#[template(path = "told.html")]
struct Told<'a> {
    s: &'a Shell,
    title: &'a str,
    message: &'a str,
    request_id: &'a str,
}

/// A page that says why there is none.
pub fn told(s: &Shell, request_id: &str, status: StatusCode, title: &str, message: &str) -> Response {
    let told = Told { s, title, message, request_id };
    let mut response = page(status, &told).unwrap_or_else(|_| response::problem(status, message, Vec::new(), request_id));
    if s.is_discreet {
        guard_discreetly(response.headers_mut());
    }
    s.name_language(&mut response);
    response
}

/// `GET PREFIX/dashboard.css`.
pub async fn style_sheet(_: Call) -> Result<Response, Unreadable> {
    Ok(kept("text/css; charset=utf-8", STYLE_SHEET.as_str()))
}

/// `GET PREFIX/dashboard.js`.
pub async fn script(_: Call) -> Result<Response, Unreadable> {
    Ok(kept("text/javascript; charset=utf-8", SCRIPT))
}

/// Takes the blanks beside punctuation away. No text of the sheet has such a pair in it.
fn squeezed(sheet: &str) -> String {
    let lines: String = sheet.lines().map(str::trim).collect();
    let pairs = [("; ", ";"), (": ", ":"), (", ", ","), (" {", "{"), ("{ ", "{"), (" }", "}"), (";}", "}")];
    pairs.into_iter().fold(lines, |text, (pair, mark)| text.replace(pair, mark))
}

/// Asked for by its version, so that it can be kept for long.
pub fn kept(media: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = response::empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    *response.body_mut() = bytes.into().into();
    guard(response.headers_mut());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

/// Keeps what is shown from being framed, scripted, taken for something else, or told of.
pub fn guard_discreetly(headers: &mut HeaderMap) {
    guard(headers);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DISCREET));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// What keeps an answer of the dashboard to itself.
pub fn guard(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // No page of another site that opens this one, or is opened by it, gets hold of its window (HTML, 7.1.3).
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
}
