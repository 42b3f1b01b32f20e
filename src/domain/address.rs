//! The client's address, and what a trusted proxy says of it.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::path::Ambiguous;

/// How many hops a forwarded header may name.
const MOST_HOPS: usize = 32;

/// Reads a range: `10.0.0.0/8`, or one address.
pub fn parse_range(text: &str) -> Result<IpNet, String> {
    let wrong = || format!("'{text}' is no address range: write it as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1");
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => text.parse::<IpAddr>().map(IpNet::from).map_err(|_| wrong())?,
    };
    let net = match net {
        // An IPv4 range written as IPv6 is that IPv4 range.
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => ipnet::Ipv4Net::new(v4, v6.prefix_len() - 96).map_or(net, IpNet::V4),
            None => net,
        },
        net => net,
    };
    // 10.1.2.3/8 is a slip, but says clearly which range it lies in.
    Ok(net.trunc())
}

/// Whether one of the ranges holds the address. No address is in no range.
pub fn within(ranges: &[IpNet], address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| ranges.iter().any(|range| range.contains(&address)))
}

/// An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What an address is counted as: a whole IPv6 network of 64 bits is one client.
pub fn counted(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

/// The client's address: the rightmost in `X-Forwarded-For` that is no trusted proxy; where all are, the leftmost.
/// A list with anything unreadable in it is ambiguous.
pub fn forwarded_for(list: &str, trusted: &[IpNet]) -> Result<IpAddr, Ambiguous> {
    let hops: Vec<IpAddr> = list.split(',').take(MOST_HOPS + 1).map(|hop| parse_hop(hop.trim())).collect::<Result<_, _>>()?;
    if hops.len() > MOST_HOPS {
        return Err(Ambiguous);
    }
    let client = hops.iter().rev().find(|hop| !within(trusted, Some(**hop)));
    client.or(hops.first()).copied().ok_or(Ambiguous)
}

/// `192.0.2.1`, `2001:db8::1`, and either with a port as some proxies write it.
fn parse_hop(hop: &str) -> Result<IpAddr, Ambiguous> {
    let bare = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare.or_else(with_port).or_else(bracketed).map(canonical).ok_or(Ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trusted() -> Vec<IpNet> {
        ["127.0.0.0/8", "10.0.0.0/8"].iter().map(|text| parse_range(text).unwrap()).collect()
    }

    #[test]
    fn the_client_is_the_rightmost_that_is_no_proxy() {
        for (list, client) in [
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.0.0.1, 127.0.0.1", "192.0.2.1"),
            ("10.0.0.9, 127.0.0.1", "10.0.0.9"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("192.0.2.1:8080", "192.0.2.1"),
        ] {
            assert_eq!(forwarded_for(list, &trusted()), Ok(client.parse().unwrap()), "{list}");
        }
    }

    #[test]
    fn what_is_no_address_is_ambiguous() {
        for list in [
            "",
            "unknown",
            "192.0.2.1,",
            ",192.0.2.1",
            "192.0.2.1 192.0.2.2",
            "_hidden",
            "1.2.3",
            "192.0.2.1, evil",
            &"1.1.1.1,".repeat(40),
        ] {
            assert_eq!(forwarded_for(list, &trusted()), Err(Ambiguous), "{list}");
        }
    }

    #[test]
    fn no_address_is_in_no_range() {
        assert!(!within(&trusted(), None));
        assert!(parse_range("10.1.2.3/8").unwrap().contains(&"10.9.9.9".parse::<IpAddr>().unwrap()));
        assert!(parse_range("10.0.0.0/33").is_err());
        assert_eq!(parse_range("::ffff:192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert_eq!(parse_range("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let counted = |text: &str| super::counted(text.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn nothing_panics(list in ".{0,80}") {
            let _ = forwarded_for(&list, &trusted());
        }
    }
}
