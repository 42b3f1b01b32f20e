//! `GET PREFIX/docs`: the authentication page and what belongs to it. Made once for each configuration, and kept.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use crate::config::Policy;
use crate::docs::{Assets, Place, page};
use crate::domain::time::Timestamp;
use crate::http::dashboard::brand::OF_PICTURE;
use crate::http::dashboard::guard_discreetly;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const MARKDOWN: HeaderValue = HeaderValue::from_static("text/markdown; charset=utf-8");
const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");

/// Our own sheet and picture, and nothing else; no form, no frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
);

/// It changes with the next configuration.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// The pages of a configuration.
#[derive(Debug)]
pub struct Docs {
    page: File,
    markdown: File,
    reference: File,
    sheet: File,
    logo: Option<File>,
    made_at: Timestamp,
}

/// What is sent as it is.
#[derive(Debug)]
struct File {
    media: HeaderValue,
    bytes: Bytes,
    tag: String,
}

impl File {
    fn new(media: HeaderValue, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let tag: String = Sha256::digest(&bytes).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Self { media, bytes, tag: format!("\"{tag}\"") }
    }
}

impl Docs {
    /// Writes them.
    pub fn of(policy: &Policy, now: Timestamp) -> Self {
        let (assets, page) = (Assets::of(policy), page(policy));
        let reference = crate::http::reference::reference(policy, &crate::http::openapi::document(policy));
        Self {
            page: File::new(HTML, page.html(&assets, Place::Docs)),
            markdown: File::new(MARKDOWN, page.markdown()),
            reference: File::new(HTML, reference.html(&assets, Place::Reference)),
            sheet: File::new(CSS, assets.sheet().to_owned()),
            logo: policy.brand.logo.as_ref().map(|logo| File::new(HeaderValue::from_static(logo.media), logo.bytes.to_vec())),
            made_at: now,
        }
    }
}

/// `GET docs`: for people; as Markdown for whoever asks for that.
pub async fn docs(call: Call) -> Result<Response, Unreadable> {
    let first = call.accepted().find(|media| ["text/markdown", "text/html", "*/*"].contains(&media.as_str()));
    let wants_markdown = first.as_deref() == Some("text/markdown");
    let mut response = send(&call, |docs| Some(if wants_markdown { &docs.markdown } else { &docs.page }));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// `GET docs.md`.
pub async fn markdown(call: Call) -> Result<Response, Unreadable> {
    Ok(send(&call, |docs| Some(&docs.markdown)))
}

/// `GET docs/reference`.
pub async fn reference(call: Call) -> Result<Response, Unreadable> {
    Ok(send(&call, |docs| Some(&docs.reference)))
}

/// `GET docs/style.css`.
pub async fn sheet(call: Call) -> Result<Response, Unreadable> {
    Ok(send(&call, |docs| Some(&docs.sheet)))
}

/// `GET docs/logo`.
pub async fn logo(call: Call) -> Result<Response, Unreadable> {
    let mut response = send(&call, |docs| docs.logo.as_ref());
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, OF_PICTURE);
    Ok(response)
}

/// One of the files; 304 where whoever asks has it.
fn send(call: &Call, file: impl Fn(&Docs) -> Option<&File>) -> Response {
    let policy = &call.front.services.policy;
    let docs = policy.docs.enabled.then(|| call.front.docs.get_or_init(|| Docs::of(policy, call.now)));
    let Some((docs, file)) = docs.and_then(|docs| Some((docs, file(docs)?))) else { return response::nothing_here(&call.request_id) };
    let is_known = is_known(&call.parts.headers, &file.tag, docs.made_at);
    let mut response = response::empty(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    let headers = response.headers_mut();
    guard_discreetly(headers);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CACHE_CONTROL, CACHED);
    for (name, value) in [(ETAG, file.tag.parse()), (LAST_MODIFIED, docs.made_at.http_date().parse())] {
        value.into_iter().for_each(|value| drop(headers.insert(&name, value)));
    }
    if !is_known {
        headers.insert(CONTENT_TYPE, file.media.clone());
        *response.body_mut() = file.bytes.clone().into();
    }
    response
}

/// Whether whoever asks has this already: by its tag, and only without one by the time (RFC 9110, 13.2.2).
fn is_known(headers: &HeaderMap, tag: &str, made_at: Timestamp) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text(IF_NONE_MATCH) {
        Some(tags) => tags.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*"),
        None => text(IF_MODIFIED_SINCE)
            .and_then(Timestamp::parse_http_date)
            .is_some_and(|since| made_at.millis() / 1000 <= since.millis() / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_is_told_so() {
        let made_at = Timestamp::parse("2026-04-01T00:00:00.700Z").unwrap();
        let ask = |name, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            is_known(&headers, "\"a\"", made_at)
        };
        for (name, value, known) in [
            (IF_NONE_MATCH, "\"a\"", true),
            (IF_NONE_MATCH, "\"b\", W/\"a\"", true),
            (IF_NONE_MATCH, "*", true),
            (IF_NONE_MATCH, "\"b\"", false),
            (IF_MODIFIED_SINCE, "Wed, 01 Apr 2026 00:00:00 GMT", true),
            (IF_MODIFIED_SINCE, "Tue, 31 Mar 2026 23:59:59 GMT", false),
            (IF_MODIFIED_SINCE, "yesterday", false),
        ] {
            assert_eq!(ask(name, value), known, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\"", made_at));
    }
}
