//! The head of a request as the app gets it, and of an answer as the client gets it: what belongs to one connection only is
//! dropped (RFC 9110, 7.6.1), nobody but tollgate says who calls, and nobody but a trusted proxy for whom.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Response, StatusCode, Uri, Version};
use hyper::upgrade::OnUpgrade;

use super::super::forwarded::{client, is_trusted};
use super::super::peer::Peer;
use super::super::response::{self, IDENTITY, REQUEST_ID};
use super::super::strict::folds_to;
use crate::config::upstream::UpstreamSettings;
use crate::domain::address::canonical;
use crate::domain::carrier;
use crate::domain::decision::Decision;
use crate::domain::jwt;
use crate::domain::key::Environments;
use crate::service::Services;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Headers of one connection (RFC 9110, 7.6.1, and 11.7), besides those that `Connection` lists.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
    "proxy-authenticate",
    "http2-settings",
];

/// Other claims of where a client comes from, that one app or another believes. Only a trusted proxy's may reach it.
const CLAIMS: [&str; 6] = ["x-real-ip", "x-client-ip", "client-ip", "true-client-ip", "cf-connecting-ip", "x-cluster-client-ip"];

/// What proxies tell one another of the request they ask about: the app has the request itself.
const ASKED_ABOUT: [&str; 2] = ["x-forwarded-uri", "x-forwarded-method"];

/// How protocols begin that speak HTTP inside: requests in there would pass by the gate.
const NO_UPGRADE: [&str; 5] = ["h2", "h3", "http", "spdy", "tls"];

/// On what ground a request is passed on.
pub struct Passing<'a> {
    /// The configuration, and what tells an access token of ours from another's.
    pub services: &'a Services,
    /// The app's part of it.
    pub settings: &'a UpstreamSettings,
    /// The app's name in a request's URI.
    pub authority: &'a Authority,
    /// Who sent it.
    pub peer: Peer,
    /// What the gate decided.
    pub decision: &'a Decision,
    /// The request's id.
    pub request_id: &'a str,
}

impl Passing<'_> {
    /// Makes a client's head the app's. Answers what other protocols it asks for.
    pub fn rewrite(&self, parts: &mut Parts) -> Result<Option<HeaderValue>, http::Error> {
        let trusted = &self.services.policy.server.trusted_proxies;
        let is_trusted = is_trusted(self.peer, trusted);
        let client = client(self.peer, &parts.headers, trusted);
        let (upgrade, takes_trailers) = (wanted_upgrade(parts), takes_trailers(&parts.headers));
        self.name_host(parts);
        let target = self.without_credential(parts)?;
        parts.uri = Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(target).build()?;
        let came_as = if parts.version == Version::HTTP_10 { "1.0 tollgate" } else { "1.1 tollgate" };
        parts.version = Version::HTTP_11;
        let headers = &mut parts.headers;
        remove_hop_by_hop(headers);
        remove_refresh_tokens(headers, &self.services.policy.sessions);
        remove(headers, |name| self.is_forged(name, is_trusted));
        forward(headers, self.peer, client.address.ok().flatten(), client.is_https == Ok(true));
        headers.append(VIA, HeaderValue::from_static(came_as));
        response::identity(self.decision, headers);
        headers.insert(REQUEST_ID, HeaderValue::try_from(self.request_id)?);
        if takes_trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            headers.insert(CONNECTION, HeaderValue::from_static("TE"));
        }
        // What is not kept must not be read on from, either.
        if self.settings.keep_alive.millis() == 0 || self.settings.max_idle == 0 {
            headers.append(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(protocol) = &upgrade {
            headers.insert(UPGRADE, protocol.clone());
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        Ok(upgrade)
    }

    /// Whoever asked for a whole URI named its host there (RFC 9112, 3.2.2); HTTP/1.0 need not name any.
    fn name_host(&self, parts: &mut Parts) {
        let named = parts.uri.authority().map(Authority::as_str);
        if named.is_some() || !parts.headers.contains_key(HOST) {
            let host = named.unwrap_or(self.authority.as_str());
            if let Ok(host) = HeaderValue::try_from(host) {
                parts.headers.insert(HOST, host);
            }
        }
    }

    /// A header that only tollgate may set, or a trusted proxy, or that makes another request of it. Apps that read `_` as `-`
    /// are thought of.
    fn is_forged(&self, name: &HeaderName, is_trusted: bool) -> bool {
        let is = |known: &str| folds_to(name.as_str().as_bytes(), known);
        let forwarded = is("forwarded")
            || CLAIMS.into_iter().any(is)
            || name.as_str().get(..12).is_some_and(|start| folds_to(start.as_bytes(), "x-forwarded-"));
        let is_plain = name.as_str().bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric());
        IDENTITY.iter().any(|known| is(known.as_str()))
            || is(REQUEST_ID.as_str())
            || ASKED_ABOUT.into_iter().any(is)
            || (forwarded && (!is_trusted || !is_plain))
            || self.settings.drop_headers.iter().any(|known| is(known.as_str()))
    }

    /// Takes the credential away, unless the app is to see it; answers the target that is left. On an open path what is none of
    /// ours is the app's.
    fn without_credential(&self, parts: &mut Parts) -> Result<PathAndQuery, http::Error> {
        let target = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        if self.settings.pass_credential {
            return Ok(target);
        }
        let is_known = self.decision.caller.as_ref().is_some_and(|caller| caller.key.is_some() || caller.user.is_some());
        let is_token = |text: &str| jwt::within(text).any(|one| self.services.is_own_access_token(one));
        let is_ours = |text: &str| is_known || self.services.policy.holds_own(text) || is_token(text);
        let carriers = &self.services.policy.keys.carriers;
        carrier::remove(carriers, &mut parts.headers, is_ours);
        Ok(match target.query().map(|query| (query, carrier::without(carriers, query, is_ours))) {
            Some((before, left)) if left != before => PathAndQuery::try_from(match left.as_str() {
                "" => target.path().to_owned(),
                left => format!("{}?{left}", target.path()),
            })?,
            _ => target,
        })
    }
}

/// How often a request may come by before it goes round for ever.
const MOST_ROUNDS: usize = 8;

/// Whether a request has come by here too often: what is named as the app leads back to tollgate (RFC 9110, 7.6.3).
pub fn goes_round(headers: &HeaderMap) -> bool {
    let by = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok()).flat_map(tokens);
    by.filter(|hop| hop.split_whitespace().nth(1) == Some("tollgate")).count() >= MOST_ROUNDS
}

/// Makes the head of the app's answer the client's. One whose length can be read in two ways is none.
pub fn for_client<B>(response: &mut Response<B>) -> Result<(), ()> {
    let status = response.status();
    let headers = response.headers_mut();
    // What it switches to, or what it would have the client ask for (RFC 9110, 15.5.22).
    let speaks = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::UPGRADE_REQUIRED].contains(&status);
    let protocol = headers.get(UPGRADE).filter(|_| speaks).cloned();
    // Chunks say how long they are (RFC 9112, 6.3).
    if let Some(coding) = headers.get(TRANSFER_ENCODING) {
        // What is coded in another way would lose the word that says so.
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(());
        }
        headers.remove(CONTENT_LENGTH);
    }
    one_length(headers)?;
    remove_hop_by_hop(headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Ok(())
}

/// A length that is said twice alike is said once (RFC 9110, 8.6).
fn one_length(headers: &mut HeaderMap) -> Result<(), ()> {
    let lists = headers.get_all(CONTENT_LENGTH).iter().map(|value| value.to_str().unwrap_or_default());
    let mut lengths: Vec<String> = lists.flat_map(|list| list.split(',')).map(|length| length.trim().to_owned()).collect();
    let said = lengths.len();
    lengths.dedup();
    match lengths.as_slice() {
        [] => Ok(()),
        [_] if said == 1 => Ok(()),
        [length] => {
            headers.insert(CONTENT_LENGTH, HeaderValue::try_from(length.as_str()).map_err(|_| ())?);
            Ok(())
        }
        _ => Err(()),
    }
}

fn remove(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| doomed(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let lists: Vec<_> = headers.get_all(CONNECTION).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let listed: Vec<String> = lists.iter().flat_map(|list| tokens(list)).map(str::to_ascii_lowercase).collect();
    // What a message cannot do without is no option of a connection, whatever it is called.
    let vital = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];
    remove(headers, |name| {
        HOP_BY_HOP.contains(&name.as_str()) || (listed.iter().any(|listed| listed == name.as_str()) && !vital.contains(name))
    });
}

/// A refresh token is for nobody but tollgate, whatever else the app may see. Other cookies stay, byte for byte.
fn remove_refresh_tokens(headers: &mut HeaderMap, shape: &Environments) {
    let holds = |cookie: &[u8]| shape.holds_key(&String::from_utf8_lossy(cookie));
    if !headers.get_all(COOKIE).iter().any(|value| holds(value.as_bytes())) {
        return;
    }
    let values: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for value in values {
        let kept: Vec<&[u8]> = value.as_bytes().split(|byte| *byte == b';').filter(|cookie| !holds(cookie)).collect();
        if let Ok(left) = HeaderValue::from_bytes(kept.join(&b';').trim_ascii_start())
            && !left.is_empty()
        {
            headers.append(COOKIE, left);
        }
    }
}

fn tokens(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// The protocols a client would rather speak, where it may.
fn wanted_upgrade(parts: &Parts) -> Option<HeaderValue> {
    let says_so = |value: &HeaderValue| value.to_str().is_ok_and(|list| tokens(list).any(|token| token.eq_ignore_ascii_case("upgrade")));
    let mut values = parts.headers.get_all(UPGRADE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let may =
        |protocol: &str| !NO_UPGRADE.iter().any(|known| protocol.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)));
    // A body before the switch could be taken for what comes after it.
    let is_empty = !parts.headers.contains_key(TRANSFER_ENCODING) && parts.headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    let can_switch = parts.extensions.get::<OnUpgrade>().is_some();
    let is_sound = can_switch && is_empty && parts.version == Version::HTTP_11 && parts.headers.get_all(CONNECTION).iter().any(says_so);
    let is_allowed = value.to_str().is_ok_and(|list| tokens(list).next().is_some() && tokens(list).all(may));
    (is_sound && is_allowed).then(|| value.clone())
}

/// Whether the app switches to something that was asked for.
pub fn is_offered(asked: &HeaderValue, answer: &HeaderMap) -> bool {
    let mut switched = answer.get_all(UPGRADE).iter();
    let (Some(Ok(to)), None, Ok(asked)) = (switched.next().map(HeaderValue::to_str), switched.next(), asked.to_str()) else { return false };
    tokens(asked).any(|offered| offered.eq_ignore_ascii_case(to.trim()))
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(tokens).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// Says for whom the request is passed on (RFC 7239, and the headers before it). What is left of a client's own is a trusted
/// proxy's.
fn forward(headers: &mut HeaderMap, peer: Peer, client: Option<IpAddr>, is_https: bool) {
    let peer = match peer {
        Peer::Tcp(address) => Some(canonical(address.ip()).to_string()),
        Peer::Unix | Peer::Control => None,
    };
    let proto = if is_https { "https" } else { "http" };
    let host = headers.get(FORWARDED_HOST).or_else(|| headers.get(HOST)).cloned();
    // Where both are there, one is made of the other: they must not contradict each other.
    let chain = headers.get(FORWARDED_FOR).and_then(|list| list.to_str().ok()).map(str::to_owned);
    if let Some(chain) = &chain {
        headers.remove(FORWARDED);
        tokens(chain).for_each(|node| append(headers, FORWARDED, &format!("for={}", written(node))));
    }
    let node = written(peer.as_deref().unwrap_or_default());
    let named = host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
    let last = named.map_or(format!("for={node};proto={proto}"), |host| format!("for={node};host=\"{host}\";proto={proto}"));
    append(headers, FORWARDED, &last);
    if let Some(peer) = peer {
        append(headers, FORWARDED_FOR, &peer);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.remove(REAL_IP);
    if let Some(value) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        headers.insert(REAL_IP, value);
    }
}

/// An address as RFC 7239 has it, 6: quoted where it has colons.
fn written(node: &str) -> String {
    match node.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V6(address)) => format!("\"[{address}]\""),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => "unknown".into(),
    }
}

/// Adds to a list that is one line.
fn append(headers: &mut HeaderMap, name: HeaderName, item: &str) {
    let before = headers.get_all(&name).iter().filter_map(|value| value.to_str().ok()).map(str::trim).filter(|list| !list.is_empty());
    let list = before.chain([item]).collect::<Vec<_>>().join(", ");
    if let Ok(list) = HeaderValue::try_from(list) {
        headers.insert(name, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri("/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts.extensions.insert(hyper::upgrade::on(http::Request::new(())));
        parts
    }

    #[test]
    fn what_belongs_to_one_connection_is_dropped() {
        let mut headers = parts(&[
            ("Connection", "close, X-Hop"),
            ("Connection", "host, content-length"),
            ("X-Hop", "1"),
            ("Host", "a"),
            ("Content-Length", "3"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authorization", "Basic eA=="),
            ("TE", "trailers"),
            ("X-End", "1"),
        ])
        .headers;
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-end"]);
    }

    #[test]
    fn only_what_cannot_carry_http_may_be_spoken_instead() {
        for (connection, protocol, may) in [
            ("Upgrade", "websocket", true),
            ("keep-alive, upgrade", "WebSocket", true),
            ("upgrade", "foo/2, bar", true),
            ("keep-alive", "websocket", false),
            ("upgrade", "h2c", false),
            ("upgrade, HTTP2-Settings", "H2C", false),
            ("upgrade", "websocket, h2c", false),
            ("upgrade", "HTTP/2.0", false),
            ("upgrade", "TLS/1.0", false),
            ("upgrade", "h2c-14", false),
            ("upgrade", "", false),
        ] {
            let asked = parts(&[("Connection", connection), ("Upgrade", protocol)]);
            assert_eq!(wanted_upgrade(&asked).is_some(), may, "{connection} {protocol}");
        }
    }
}
