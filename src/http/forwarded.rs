//! What a proxy says of the client. It counts only where the peer is a trusted proxy, and what can be read in two ways is refused.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::peer::Peer;
use crate::domain::address::{canonical, forwarded_for, within};
use crate::domain::path::Ambiguous;

/// The client of a request; each part by itself, because one may be readable where the other is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, as far as it is known.
    pub address: Result<Option<IpAddr>, Ambiguous>,
    /// Whether it spoke HTTPS.
    pub is_https: Result<bool, Ambiguous>,
}

/// Whether a peer is a trusted proxy. Who may open a Unix socket is.
pub fn is_trusted(peer: Peer, trusted: &[IpNet]) -> bool {
    match peer {
        Peer::Tcp(address) => within(trusted, Some(canonical(address.ip()))),
        Peer::Unix | Peer::Control => true,
    }
}

/// The client behind a peer.
pub fn client(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let own = match peer {
        Peer::Tcp(address) => Some(canonical(address.ip())),
        Peer::Unix | Peer::Control => None,
    };
    if !is_trusted(peer, trusted) {
        return Client { address: Ok(own), is_https: Ok(false) };
    }
    let address = || {
        one(headers, "x-forwarded-host")?;
        let told = one(headers, "x-forwarded-for")?.map(|list| forwarded_for(list, trusted)).transpose()?;
        Ok(told.or(own))
    };
    Client { address: address(), is_https: is_https(headers) }
}

fn is_https(headers: &HeaderMap) -> Result<bool, Ambiguous> {
    match one(headers, "x-forwarded-proto")?.map(str::trim) {
        None => Ok(false),
        Some(proto) if ["https", "wss"].iter().any(|known| proto.eq_ignore_ascii_case(known)) => Ok(true),
        Some(proto) if ["http", "ws"].iter().any(|known| proto.eq_ignore_ascii_case(known)) => Ok(false),
        Some(_) => Err(Ambiguous),
    }
}

/// A header that may be given once, readable.
pub fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Ambiguous> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Ambiguous);
    }
    first.to_str().map(Some).map_err(|_| Ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::parse_range;

    fn told(peer: &str, headers: &[(&'static str, &str)]) -> Result<(Option<String>, bool), Ambiguous> {
        let trusted = [parse_range("127.0.0.0/8").unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let peer = if peer == "unix" { Peer::Unix } else { Peer::Tcp(format!("{peer}:1000").parse().unwrap()) };
        let client = client(peer, &map, &trusted);
        Ok((client.address?.map(|address| address.to_string()), client.is_https?))
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let forged = [("x-forwarded-for", "192.0.2.9"), ("x-forwarded-proto", "https")];
        assert_eq!(told("203.0.113.5", &forged), Ok((Some("203.0.113.5".into()), false)));
        assert_eq!(told("127.0.0.1", &forged), Ok((Some("192.0.2.9".into()), true)));
        assert_eq!(told("unix", &forged), Ok((Some("192.0.2.9".into()), true)));
        assert_eq!(told("unix", &[]), Ok((None, false)));
    }

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        for headers in [
            &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")][..],
            &[("x-forwarded-for", "nobody")],
            &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")],
            &[("x-forwarded-proto", "https, http")],
            &[("x-forwarded-host", "a"), ("x-forwarded-host", "b")],
        ] {
            assert_eq!(told("127.0.0.1", headers), Err(Ambiguous), "{headers:?}");
            assert!(told("203.0.113.5", headers).is_ok(), "and from a stranger it is not even read");
        }
    }
}
