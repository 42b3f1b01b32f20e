//! Carriers: where a request carries its credential. Those that are not listed in the config are not looked at.

use std::borrow::Cow;
use std::fmt;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::jwt;
use super::key::LONGEST;

/// One place a credential may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// A header of its own.
    Header(HeaderName),
    /// The user of `Authorization: Basic …` (RFC 7617).
    BasicUser,
    /// Its password.
    BasicPassword,
    /// `Authorization` with a scheme of its own.
    Scheme(String),
    /// A query parameter.
    Query(String),
}

impl Carrier {
    /// Reads `bearer`, `header:api-key`, `basic:user`, `basic:password`, `scheme:Bot`, `query:api_key`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let token = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        match text.split_once(':') {
            None if text == "bearer" => Ok(Self::Bearer),
            Some(("header", name)) => match name.to_ascii_lowercase().parse::<HeaderName>() {
                Ok(AUTHORIZATION) => {
                    Err("the Authorization header is read by 'bearer', 'basic:user', 'basic:password' or 'scheme:NAME'".into())
                }
                Ok(name) => Ok(Self::Header(name)),
                Err(_) => Err(format!("'{name}' is no header name")),
            },
            Some(("basic", "user")) => Ok(Self::BasicUser),
            Some(("basic", "password")) => Ok(Self::BasicPassword),
            Some(("scheme", name)) if token(name) && !["bearer", "basic"].contains(&&*name.to_ascii_lowercase()) => {
                Ok(Self::Scheme(name.into()))
            }
            Some(("query", name)) if token(name) => Ok(Self::Query(name.into())),
            _ => Err(format!("'{text}' is no carrier: write bearer, header:NAME, basic:user, basic:password, scheme:NAME or query:NAME")),
        }
    }

    fn is_authorization(&self) -> bool {
        !matches!(self, Self::Header(_) | Self::Query(_))
    }

    /// What a 401 tells the client to send (RFC 9110, 11.6.1).
    pub fn challenge(&self) -> String {
        match self {
            Self::Bearer => "Bearer".into(),
            Self::BasicUser | Self::BasicPassword => "Basic realm=\"api\"".into(),
            Self::Scheme(name) => name.clone(),
            Self::Header(name) => format!("ApiKey header=\"{name}\""),
            Self::Query(name) => format!("ApiKey query=\"{name}\""),
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::BasicUser => f.write_str("basic:user"),
            Self::BasicPassword => f.write_str("basic:password"),
            Self::Scheme(name) => write!(f, "scheme:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

/// What the carriers of one request hold.
#[derive(PartialEq, Eq)]
pub enum Found<'a> {
    /// No carrier that is looked at holds anything.
    Nothing,
    /// One holds something that cannot be read, or two hold different things.
    Unreadable,
    /// The credential.
    Credential(Cow<'a, str>),
}

impl<'a> Found<'a> {
    /// Judges what one carrier held.
    pub fn credential(text: Cow<'a, str>) -> Self {
        let most = if jwt::looks_like_one(&text) { jwt::LONGEST } else { LONGEST };
        let readable = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_graphic());
        if readable { Self::Credential(text) } else { Self::Unreadable }
    }

    /// Two that are the same are one; two that differ cannot be read.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, found) | (found, Self::Nothing) => found,
            (Self::Credential(a), Self::Credential(b)) if a == b => Self::Credential(a),
            _ => Self::Unreadable,
        }
    }
}

/// Reads the credential of a request. A header that is given twice is read twice: two that differ cannot be read.
pub fn read<'a>(carriers: &[Carrier], headers: &'a HeaderMap, query: Option<&'a str>) -> Found<'a> {
    let mut found = Found::Nothing;
    if carriers.iter().any(Carrier::is_authorization) {
        for value in headers.get_all(AUTHORIZATION) {
            found = found.and(value.to_str().map_or(Found::Unreadable, |value| authorization(carriers, value)));
        }
    }
    for carrier in carriers {
        match carrier {
            Carrier::Header(name) => {
                for value in headers.get_all(name) {
                    found = found.and(value.to_str().map_or(Found::Unreadable, |value| Found::credential(value.trim().into())));
                }
            }
            Carrier::Query(name) => {
                let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
                for (_, value) in pairs.filter(|(key, _)| key == name) {
                    found = found.and(Found::credential(value));
                }
            }
            _ => {}
        }
    }
    found
}

/// Takes away what the carriers hold in headers, as far as it is ours.
pub fn remove(carriers: &[Carrier], headers: &mut HeaderMap, is_ours: impl Fn(&str) -> bool) {
    let is_lossily_ours = |value: &HeaderValue| is_ours(&String::from_utf8_lossy(value.as_bytes()));
    let ours = |value: &HeaderValue, read: &dyn Fn(&str) -> Option<bool>| {
        value.to_str().ok().and_then(read).unwrap_or_else(|| is_lossily_ours(value))
    };
    let readable = |found: Found<'_>| match found {
        Found::Credential(text) => Some(is_ours(&text)),
        Found::Unreadable | Found::Nothing => None,
    };
    if carriers.iter().any(Carrier::is_authorization) {
        retain(headers, &AUTHORIZATION, |value| !ours(value, &|text| readable(authorization(carriers, text))));
    }
    for carrier in carriers {
        if let Carrier::Header(name) = carrier {
            retain(headers, name, |value| !ours(value, &|text| readable(Found::credential(text.trim().into()))));
        }
    }
}

/// A query without what the carriers hold in it, as far as it is ours; byte for byte but for that.
pub fn without(carriers: &[Carrier], query: &str, is_ours: impl Fn(&str) -> bool) -> String {
    let carries = |key: &str| carriers.iter().any(|carrier| matches!(carrier, Carrier::Query(name) if name == key));
    let keeps = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_none_or(|(key, value)| !carries(&key) || !is_ours(&value));
    query.split('&').filter(keeps).collect::<Vec<_>>().join("&")
}

/// Keeps some of the values of a header.
fn retain(headers: &mut HeaderMap, name: &HeaderName, keeps: impl Fn(&HeaderValue) -> bool) {
    let http::header::Entry::Occupied(entry) = headers.entry(name) else { return };
    let (kept, before): (Vec<_>, usize) = (entry.iter().filter(|value| keeps(value)).cloned().collect(), entry.iter().count());
    if kept.len() == before {
        return;
    }
    entry.remove_entry_mult();
    for value in kept {
        headers.append(name, value);
    }
}

/// `Authorization` with the scheme of a carrier; with any other it cannot be read.
fn authorization<'a>(carriers: &[Carrier], value: &'a str) -> Found<'a> {
    let (scheme, rest) = value.trim().split_once([' ', '\t']).unwrap_or((value.trim(), ""));
    let rest = rest.trim();
    let mut found = Found::Nothing;
    for carrier in carriers {
        let one = match carrier {
            Carrier::Bearer if scheme.eq_ignore_ascii_case("bearer") => Found::credential(rest.into()),
            Carrier::Scheme(name) if scheme.eq_ignore_ascii_case(name) => Found::credential(rest.into()),
            Carrier::BasicUser | Carrier::BasicPassword if scheme.eq_ignore_ascii_case("basic") => basic(rest, carriers, carrier),
            _ => Found::Nothing,
        };
        found = found.and(one);
    }
    if found == Found::Nothing { Found::Unreadable } else { found }
}

/// One half of `Basic` credentials. Where both halves are carriers, an empty one does not count.
fn basic<'a>(encoded: &str, carriers: &[Carrier], carrier: &Carrier) -> Found<'a> {
    let Some((user, password)) = decode_basic(encoded) else { return Found::Unreadable };
    let (half, other) = if *carrier == Carrier::BasicUser { (user, password) } else { (password, user) };
    let both = carriers.contains(&Carrier::BasicUser) && carriers.contains(&Carrier::BasicPassword);
    if both && half.is_empty() && !other.is_empty() { Found::Nothing } else { Found::credential(half.into()) }
}

fn decode_basic(encoded: &str) -> Option<(String, String)> {
    use base64::Engine as _;
    if encoded.len() > 2 * jwt::LONGEST {
        return None;
    }
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(carriers: &[&str], headers: &[(&str, &str)], query: Option<&str>) -> String {
        let carriers: Vec<_> = carriers.iter().map(|text| Carrier::parse(text).unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        match read(&carriers, &map, query) {
            Found::Nothing => "nothing".into(),
            Found::Unreadable => "unreadable".into(),
            Found::Credential(text) => text.into_owned(),
        }
    }

    #[test]
    fn each_carrier_is_read_where_it_is_listed_and_nowhere_else() {
        let basic = "Basic dXNlcjpwYXNz"; // user:pass
        for (carriers, headers, query, expected) in [
            (&["bearer"][..], &[("authorization", "Bearer k1")][..], None, "k1"),
            (&["bearer"], &[("authorization", "bearer  k1 ")], None, "k1"),
            (&["bearer"], &[], None, "nothing"),
            (&["bearer"], &[("authorization", "Bearer")], None, "unreadable"),
            (&["bearer"], &[("authorization", "Bearer a b")], None, "unreadable"),
            (&["bearer"], &[("authorization", basic)], None, "unreadable"),
            (&["bearer"], &[("authorization", "Bearer a"), ("authorization", "Bearer b")], None, "unreadable"),
            (&["bearer"], &[("authorization", "Bearer a"), ("authorization", "Bearer a")], None, "a"),
            (&["bearer"], &[("api-key", "a")], Some("api_key=a"), "nothing"),
            (&["header:API-Key"], &[("api-key", "a")], None, "a"),
            (&["header:api-key"], &[("api-key", "")], None, "unreadable"),
            (&["header:api-key"], &[("authorization", "Bearer a")], None, "nothing"),
            (&["header:api-key", "bearer"], &[("authorization", "Bearer a"), ("api-key", "b")], None, "unreadable"),
            (&["header:api-key", "bearer"], &[("authorization", "Bearer a"), ("api-key", "a")], None, "a"),
            (&["basic:user"], &[("authorization", basic)], None, "user"),
            (&["basic:password"], &[("authorization", basic)], None, "pass"),
            (&["basic:user", "basic:password"], &[("authorization", basic)], None, "unreadable"),
            (&["basic:user", "basic:password"], &[("authorization", "Basic dXNlcjo=")], None, "user"),
            (&["basic:user"], &[("authorization", "Basic !!!")], None, "unreadable"),
            (&["scheme:Bot"], &[("authorization", "bot a")], None, "a"),
            (&["query:api_key"], &[], Some("x=1&api_key=a%62"), "ab"),
            (&["query:api_key"], &[], Some("api_key="), "unreadable"),
            (&["query:api_key"], &[], Some("api_key=a&api_key=b"), "unreadable"),
        ] {
            assert_eq!(told(carriers, headers, query), expected, "{carriers:?} {headers:?} {query:?}");
        }
    }

    #[test]
    fn too_long_is_not_read() {
        let long = format!("Bearer {}", "x".repeat(LONGEST + 1));
        assert_eq!(told(&["bearer"], &[("authorization", &long)], None), "unreadable");
        // An access token holds more than a key.
        for (length, expected) in [(jwt::LONGEST, true), (jwt::LONGEST + 1, false)] {
            let token = format!("eyJ.{}.x", "x".repeat(length - 6));
            assert_eq!(told(&["bearer"], &[("authorization", &format!("Bearer {token}"))], None) == token, expected, "{length}");
        }
    }

    #[test]
    fn carriers_read_and_write() {
        for text in ["bearer", "header:api-key", "basic:user", "basic:password", "scheme:Bot", "query:api_key"] {
            assert_eq!(Carrier::parse(text).unwrap().to_string(), text);
        }
        for wrong in
            ["", "Bearer", "cookie:x", "header:", "header:a b", "header:authorization", "basic", "scheme:", "scheme:Basic", "query:"]
        {
            assert!(Carrier::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(value in "[ -~\t]{0,90}", query in "[ -~]{0,60}") {
            let all = ["bearer", "header:api-key", "basic:user", "basic:password", "scheme:Bot", "query:api_key"];
            told(&all, &[("authorization", &value), ("api-key", &value)], Some(&query));
        }
    }
}
