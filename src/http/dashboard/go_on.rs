//! A page that goes on to another by itself, where no redirect may: what comes after it counts as begun by this server.

use askama::Template;
use http::header::HeaderValue;
use http::{HeaderName, StatusCode};

use super::shell::Shell;
use super::show::discreet;
use crate::http::request::Call;
use crate::http::response::Response;

/// Loads a page without anybody pressing anything (HTML, 4.2.5.3, of the same name).
const REFRESH: HeaderName = HeaderName::from_static("refresh");

#[derive(Template)]
#[template(path = "go_on.html")]
struct GoOnPage<'a> {
    s: &'a Shell,
    title: &'a str,
    href: &'a str,
}

/// The page; `href`: where it leads.
pub fn page(call: &Call, title: impl FnOnce(&Shell) -> &str, href: &str) -> Response {
    let s = Shell::discreet(call);
    let mut response = discreet(call, &s, StatusCode::OK, &GoOnPage { s: &s, title: title(&s), href });
    if let Ok(value) = HeaderValue::from_str(&format!("0; url={href}")) {
        response.headers_mut().insert(REFRESH, value);
    }
    response
}
