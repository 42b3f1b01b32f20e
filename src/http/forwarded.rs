//! What a proxy says of the client. It counts only where the peer is a trusted proxy, and what can be read in two ways is refused.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::peer::Peer;
use crate::domain::address::{canonical, forwarded_for, within};
use crate::domain::path::Ambiguous;

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, as far as it is known.
    pub address: Option<IpAddr>,
    /// Whether it spoke HTTPS.
    pub is_https: bool,
}

/// Whether a peer is a trusted proxy. Who may open a Unix socket is.
pub fn is_trusted(peer: Peer, trusted: &[IpNet]) -> bool {
    match peer {
        Peer::Tcp(address) => within(trusted, Some(canonical(address.ip()))),
        Peer::Unix | Peer::Control => true,
    }
}

/// The client behind a peer.
pub fn client(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Result<Client, Ambiguous> {
    let own = match peer {
        Peer::Tcp(address) => Some(canonical(address.ip())),
        Peer::Unix | Peer::Control => None,
    };
    if !is_trusted(peer, trusted) {
        return Ok(Client { address: own, is_https: false });
    }
    let told = one(headers, "x-forwarded-for")?.map(|list| forwarded_for(list, trusted)).transpose()?;
    let is_https = match one(headers, "x-forwarded-proto")?.map(str::trim) {
        None => false,
        Some(proto) if ["https", "wss"].iter().any(|known| proto.eq_ignore_ascii_case(known)) => true,
        Some(proto) if ["http", "ws"].iter().any(|known| proto.eq_ignore_ascii_case(known)) => false,
        Some(_) => return Err(Ambiguous),
    };
    one(headers, "x-forwarded-host")?;
    Ok(Client { address: told.or(own), is_https })
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
        client(peer, &map, &trusted).map(|client| (client.address.map(|address| address.to_string()), client.is_https))
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
