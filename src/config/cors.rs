//! `[cors]`.

use http::{HeaderName, Method, Uri};

use super::reader::Table;
use crate::domain::time::Span;

/// Which pages of other origins may call, and what they may send and read (Fetch standard, CORS protocol).
#[derive(Clone, Debug)]
pub struct CorsSettings {
    /// Those origins, as a browser names them; `None`: all.
    pub origins: Option<Vec<String>>,
    /// What methods they may send.
    pub methods: Vec<Method>,
    /// What headers they may send; `None`: whatever they ask for.
    pub headers: Option<Vec<HeaderName>>,
    /// What headers they may read, beside those of the style.
    pub expose: Vec<HeaderName>,
    /// Whether cookies may come along.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Span,
}

/// The inner `None`: no page may.
pub(super) fn read(table: Table<'_>) -> Option<Option<CorsSettings>> {
    let header = |text: &str| text.parse::<HeaderName>().map_err(|_| format!("'{text}' is no header name"));
    let (origins, headers) =
        (table.all_parsed("origins", |text| all_or(text, origin)), table.all_parsed("headers", |text| all_or(text, header)));
    for (name, mixes) in [("origins", mixes(origins.as_deref())), ("headers", mixes(headers.as_deref()))] {
        if mixes {
            table.fault(name, "holds \"*\", which is all, and others beside it: write either");
        }
    }
    let (origins, headers) = (origins.map(named), headers.map(named));
    let all_origins = matches!(origins, Some(None));
    let methods = table.all_parsed("methods", |text| {
        text.parse::<Method>()
            .ok()
            .filter(|_| text.bytes().all(|b| b.is_ascii_uppercase()))
            .ok_or_else(|| format!("'{text}' is no method: write GET, POST, …"))
    });
    let expose = table.all_parsed("expose", header);
    let credentials = table.flag("credentials");
    let max_age = table.span("max_age", 0..=86_400);
    table.finish();
    if all_origins && credentials == Some(true) {
        table.fault("credentials", "cookies cannot come along from every origin: name the origins");
    }
    let (origins, headers) = (origins?, headers?);
    let (methods, expose, credentials, max_age) = (methods?, expose?, credentials?, max_age?);
    let is_wanted = origins.as_ref().is_none_or(|origins| !origins.is_empty());
    Some(is_wanted.then_some(CorsSettings { origins, methods, headers, expose, credentials, max_age }))
}

/// `None`: the star, which is all.
fn all_or<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == "*" { Ok(None) } else { parse(text).map(Some) }
}

fn mixes<T>(list: Option<&[Option<T>]>) -> bool {
    list.is_some_and(|list| list.len() > 1 && list.iter().any(Option::is_none))
}

/// Those that are named; `None`: all.
fn named<T>(list: Vec<Option<T>>) -> Option<Vec<T>> {
    list.into_iter().collect()
}

/// A scheme, a host, and a port where it is not the scheme's own: what a browser sends as `Origin`.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("'{text}' is no origin: write https://app.example.com, without a path, or \"*\" alone");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    let bare = format!("{scheme}://{authority}");
    if bare != text || authority.as_str().contains(['@', '*']) {
        return Err(wrong());
    }
    let own = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let bare = bare.to_ascii_lowercase();
    Ok(if own.is_empty() { bare } else { bare.strip_suffix(own).map(str::to_owned).unwrap_or(bare) })
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn origins_are_what_a_browser_sends() {
        for (text, told) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://App.example.com:443", "https://app.example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(told));
        }
        for text in ["app.example.com", "https://app.example.com/", "https://a/b", "*", "null", "https://me@app", "https://*.example.com"] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
