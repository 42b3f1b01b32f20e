//! Pages of other origins (Fetch standard, CORS protocol): their preflights, and what lets them read an answer.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH,
    HeaderName, HeaderValue, ORIGIN, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE, VARY,
};
use http::{HeaderMap, Method, StatusCode};

use super::response::{self, REQUEST_ID, Response};
use crate::config::cors::CorsSettings;

/// The settings, worked out.
pub struct Cors {
    settings: CorsSettings,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    expose: HeaderValue,
    max_age: HeaderValue,
}

impl Cors {
    /// A page may read these headers of the style, too.
    pub fn new(settings: CorsSettings, style: Vec<HeaderName>) -> Self {
        let mut expose = [vec![REQUEST_ID, RETRY_AFTER], style, settings.expose.clone()].concat();
        expose.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        expose.dedup();
        Self {
            methods: list(settings.methods.iter().map(Method::as_str)),
            headers: settings.headers.as_ref().map(|headers| list(headers.iter().map(HeaderName::as_str))),
            expose: list(expose.iter().map(HeaderName::as_str)),
            max_age: (settings.max_age.millis() / 1000).into(),
            settings,
        }
    }

    /// The origin as the answer names it, where its pages may call.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        match &self.settings.origins {
            None => Some(HeaderValue::from_static("*")),
            Some(origins) => origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone()),
        }
    }

    /// Answers a preflight. To an origin that may not call it says nothing, and the browser refuses.
    pub fn answer_preflight(&self, asked: &HeaderMap) -> Response {
        let mut response = response::empty(StatusCode::NO_CONTENT);
        if self.allowed(origin(asked)).is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if let Some(allowed) = self.headers.as_ref().or_else(|| asked.get(ACCESS_CONTROL_REQUEST_HEADERS)) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
            }
        }
        response
    }

    /// Lets a page of an allowed origin read an answer to a request that named it. What the app says about that counts no more.
    /// `is_without_cookies`: it is one of tollgate's own paths, but none of the sign-in's: with cookies no page of another origin reads it.
    pub fn tell(&self, origin: Option<&HeaderValue>, is_without_cookies: bool, answer: &mut HeaderMap) {
        for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
            answer.remove(name);
        }
        // Whoever keeps the answer must know that it depends on the origin.
        if self.settings.origins.is_some() {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = self.allowed(origin) else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone());
        if self.settings.credentials && !is_without_cookies {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The origin of a page: two are none.
pub fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    origins.next().filter(|_| origins.next().is_none())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> HeaderValue {
    // Names of headers and methods are tokens: a header can carry them.
    HeaderValue::try_from(names.collect::<Vec<_>>().join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// Whether a browser asks what a page may send. Such a request never carries a credential, nor anything else.
pub fn is_preflight(method: &str, headers: &HeaderMap) -> bool {
    if method != "OPTIONS" {
        return false;
    }
    let one = |name: HeaderName| headers.get_all(name).iter().count() == 1;
    let is_empty = !headers.contains_key(TRANSFER_ENCODING) && headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    !headers.contains_key(UPGRADE) && one(ORIGIN) && one(ACCESS_CONTROL_REQUEST_METHOD) && is_empty
}
