//! The head of a request as the app gets it, and of an answer as the client gets it: what belongs to one connection only is
//! dropped (RFC 9110, 7.6.1), nobody but tollgate says who calls, and nobody but a trusted proxy for whom.

use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE, VIA};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version};

use super::super::forwarded::{client, is_trusted};
use super::super::peer::Peer;
use super::super::response::{self, IDENTITY, REQUEST_ID};
use super::super::strict::folds_to;
use crate::config::Policy;
use crate::config::upstream::UpstreamSettings;
use crate::domain::address::canonical;
use crate::domain::carrier;
use crate::domain::decision::Decision;

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

/// Protocols that speak HTTP inside: requests in there would pass by the gate.
const NO_UPGRADE: [&str; 4] = ["h2c", "h2", "http", "tls"];

/// On what ground a request is passed on.
pub struct Passing<'a> {
    /// The configuration.
    pub policy: &'a Policy,
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
        let trusted = &self.policy.server.trusted_proxies;
        let is_trusted = is_trusted(self.peer, trusted);
        let client = client(self.peer, &parts.headers, trusted);
        let (upgrade, takes_trailers) = (wanted_upgrade(parts), takes_trailers(&parts.headers));
        self.name_host(parts);
        let query = self.without_credential(parts);
        let uri = parts.uri.path_and_query().map_or("/", PathAndQuery::path);
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(match &query {
            Some(query) => format!("{uri}?{query}"),
            None => uri.to_owned(),
        });
        parts.uri = uri.build()?;
        parts.version = Version::HTTP_11;
        let headers = &mut parts.headers;
        remove_hop_by_hop(headers);
        remove(headers, |name| self.is_forged(name, is_trusted));
        forward(headers, self.peer, client.address.ok().flatten(), client.is_https == Ok(true));
        headers.append(VIA, HeaderValue::from_static("1.1 tollgate"));
        response::identity(self.decision, headers);
        headers.insert(REQUEST_ID, HeaderValue::try_from(self.request_id)?);
        if takes_trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            headers.insert(CONNECTION, HeaderValue::from_static("TE"));
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
        let is = |known: &HeaderName| folds_to(name.as_str().as_bytes(), known.as_str());
        let forwarded =
            is(&FORWARDED) || is(&REAL_IP) || name.as_str().get(..12).is_some_and(|start| folds_to(start.as_bytes(), "x-forwarded-"));
        let is_plain = name.as_str().bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric());
        IDENTITY.iter().any(is) || is(&REQUEST_ID) || (forwarded && (!is_trusted || !is_plain)) || self.settings.drop_headers.iter().any(is)
    }

    /// Takes the credential away, unless the app is to see it; answers the query that is left. On an open path what is none of
    /// ours is the app's.
    fn without_credential(&self, parts: &mut Parts) -> Option<String> {
        let query = parts.uri.query().map(str::to_owned);
        if self.settings.pass_credential {
            return query;
        }
        let is_known = self.decision.caller.as_ref().is_some_and(|caller| caller.key.is_some());
        let is_ours = |text: &str| is_known || self.policy.holds_secret(text);
        carrier::remove(&self.policy.keys.carriers, &mut parts.headers, query, is_ours)
    }
}

/// Makes the head of the app's answer the client's. `switches`: it is the 101 that the client asked for.
pub fn for_client(headers: &mut HeaderMap, switches: bool) {
    let protocol = headers.get(UPGRADE).filter(|_| switches).cloned();
    // Chunks say how long they are (RFC 9112, 6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

fn remove(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| doomed(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let lists = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<String> = lists.flat_map(tokens).map(str::to_ascii_lowercase).collect();
    // What a message cannot do without is no option of a connection, whatever it is called.
    let vital = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];
    remove(headers, |name| {
        HOP_BY_HOP.contains(&name.as_str()) || (listed.iter().any(|listed| listed == name.as_str()) && !vital.contains(name))
    });
}

fn tokens(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// The protocols a client would rather speak, where it may.
fn wanted_upgrade(parts: &Parts) -> Option<HeaderValue> {
    let says_so = |value: &HeaderValue| value.to_str().is_ok_and(|list| tokens(list).any(|token| token.eq_ignore_ascii_case("upgrade")));
    let mut values = parts.headers.get_all(UPGRADE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let may = |protocol: &str| {
        let name = protocol.split('/').next().unwrap_or_default().trim();
        !NO_UPGRADE.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    // A body before the switch could be taken for what comes after it.
    let is_empty = !parts.headers.contains_key(TRANSFER_ENCODING) && parts.headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    let is_sound = is_empty && parts.version == Version::HTTP_11 && parts.headers.get_all(CONNECTION).iter().any(says_so);
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
        Peer::Tcp(address) => Some(canonical(address.ip())),
        Peer::Unix | Peer::Control => None,
    };
    let proto = if is_https { "https" } else { "http" };
    let host = headers.get(FORWARDED_HOST).or_else(|| headers.get(HOST)).cloned();
    if let Some(peer) = peer {
        append(headers, FORWARDED_FOR, &peer.to_string());
    }
    let node = match peer {
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        Some(IpAddr::V4(address)) => address.to_string(),
        None => "unknown".into(),
    };
    let named = host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
    append(
        headers,
        FORWARDED,
        &named.map_or(format!("for={node};proto={proto}"), |host| format!("for={node};host=\"{host}\";proto={proto}")),
    );
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.remove(REAL_IP);
    if let Some(value) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        headers.insert(REAL_IP, value);
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
        request.body(()).unwrap().into_parts().0
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
            ("upgrade", "", false),
        ] {
            let asked = parts(&[("Connection", connection), ("Upgrade", protocol)]);
            assert_eq!(wanted_upgrade(&asked).is_some(), may, "{connection} {protocol}");
        }
    }
}
