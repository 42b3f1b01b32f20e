//! The refresh cookie (RFC 6265bis), and who may have a browser send it.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::HeaderMap;
use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::uri::Authority;

use super::forwarded::client;
use super::request::{Call, Unreadable};
use crate::config::sign_in::SameSite as Wanted;
use crate::domain::error::Error;
use crate::domain::key::PlainKey;

/// What the refresh cookie is called.
const NAME: &str = "refresh_token";

/// How many refresh tokens one request may have ended.
const MOST_ENDED: usize = 10;

/// Sets the refresh cookie, for so many seconds.
pub fn set(call: &Call, token: &PlainKey, seconds: u64, into: &mut HeaderMap) {
    let cookie = built(call, token.expose().to_owned(), Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX)));
    append(&cookie, into);
}

/// Takes it away.
pub fn clear(call: &Call, into: &mut HeaderMap) {
    append(&built(call, String::new(), Duration::ZERO), into);
}

/// A path of this server, as browsers see it: a proxy may take the beginning away.
pub(super) fn path(call: &Call, base: &str) -> String {
    format!("{}{base}", call.front.services.policy.server.public_path())
}

/// Sets a cookie beside others.
pub(super) fn append(cookie: &Cookie<'_>, into: &mut HeaderMap) {
    if let Ok(value) = cookie.to_string().parse() {
        into.append(SET_COOKIE, value);
    }
}

fn built(call: &Call, value: String, max_age: Duration) -> Cookie<'static> {
    let settings = &call.front.services.policy.sign_in;
    let same_site = match settings.same_site {
        Wanted::Strict => SameSite::Strict,
        Wanted::Lax => SameSite::Lax,
        Wanted::None => SameSite::None,
    };
    let path = path(call, &settings.base_path);
    Cookie::build((NAME, value)).path(path).max_age(max_age).http_only(true).secure(true).same_site(same_site).build()
}

/// Every refresh token that a request carries, for whoever wants to end them: one may have been slipped in.
pub fn refresh_tokens(call: &Call) -> Vec<String> {
    let mut all: Vec<String> = values(call, NAME).take(MOST_ENDED).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The refresh token that a request carries.
pub fn refresh_token(call: &Call) -> Option<String> {
    named(call, NAME)
}

/// A cookie's value. Two that differ are none: one of them was slipped in.
pub(super) fn named(call: &Call, name: &str) -> Option<String> {
    let mut tokens = values(call, name);
    let first = tokens.next()?;
    tokens.all(|other| other == first).then_some(first)
}

/// How the names of those cookies end that begin so.
pub(super) fn endings<'c>(call: &'c Call, begin: &'c str) -> impl Iterator<Item = String> + 'c {
    all(call).filter_map(move |cookie| cookie.name().strip_prefix(begin).map(str::to_owned))
}

fn values<'c>(call: &'c Call, name: &'c str) -> impl Iterator<Item = String> + 'c {
    all(call).filter(move |cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

fn all(call: &Call) -> impl Iterator<Item = Cookie<'_>> {
    let headers = call.parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    headers.flat_map(|header| header.split(';')).filter_map(|pair| Cookie::parse(pair.trim()).ok())
}

/// Fails where a page asks that is neither of this server nor one of `[cors]`: it would use a cookie that is not its own.
pub fn check_origin(call: &Call) -> Result<(), Unreadable> {
    let headers = &call.parts.headers;
    let mut origins = headers.get_all(ORIGIN).iter();
    let refused = || Error::Forbidden("A page of another site asks: name it in [cors] origins where it may.".into());
    let Some(origin) = origins.next() else {
        // A browser that says nothing of the page says at least whether it is this server's (Fetch metadata); other clients say nothing.
        let is_own = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none");
        return if is_own { Ok(()) } else { Err(refused().into()) };
    };
    let origin = origin.to_str().map_err(|_| refused())?;
    let is_sound = origins.next().is_none() && (is_own(call, origin) || is_named(call, origin));
    if is_sound { Ok(()) } else { Err(refused().into()) }
}

/// Whether it is this server's own origin: as `public_url` has it, or the host that the request was sent to.
fn is_own(call: &Call, origin: &str) -> bool {
    let Some((scheme, host)) = Origin::of(origin) else { return false };
    let settings = &call.front.services.policy.server;
    let public = Origin::of(&settings.public_url);
    if public.as_ref().is_some_and(|own| *own == (scheme, host.clone())) {
        return true;
    }
    // Where the world comes by HTTPS, a page that came without it is nobody's.
    let is_https = client(call.peer, &call.parts.headers, &settings.trusted_proxies).is_https == Ok(true);
    let is_whole = scheme == "https" || !(is_https || public.is_some_and(|(own, _)| own == "https"));
    let mut hosts = call.parts.headers.get_all(HOST).iter();
    let asked = hosts.next().filter(|_| hosts.next().is_none()).and_then(|asked| asked.to_str().ok());
    is_whole && asked.and_then(|asked| Origin::host(scheme, asked)).is_some_and(|asked| asked == host)
}

/// Reads origins (RFC 6454): scheme, and host with its port where that is not the usual one.
struct Origin;

impl Origin {
    /// Of an origin, or of an address, whose path does not count.
    fn of(text: &str) -> Option<(&'static str, String)> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = ["https", "http"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
        let host = Self::host(scheme, rest.split('/').next().unwrap_or_default())?;
        Some((scheme, host))
    }

    fn host(scheme: &str, text: &str) -> Option<String> {
        let authority = text.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'))?;
        let usual = if scheme == "https" { 443 } else { 80 };
        let port = match authority.port() {
            None => usual,
            Some(port) => port.as_str().parse::<u16>().ok()?,
        };
        Some(format!("{}:{port}", authority.host().to_ascii_lowercase())).filter(|_| !authority.host().is_empty())
    }
}

fn is_named(call: &Call, origin: &str) -> bool {
    let cors = call.front.services.policy.cors.as_ref().filter(|cors| cors.credentials);
    cors.and_then(|cors| cors.origins.as_ref()).is_some_and(|origins| origins.iter().any(|named| named == origin))
}
