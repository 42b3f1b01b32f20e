//! Where servers are that tollgate sends requests to: webhooks' receivers, gateways, providers.

use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery, Uri};

/// How long a URL may be.
const LONGEST_URL: usize = 2000;

/// Where requests of tollgate's own go to.
#[derive(Clone, Debug)]
pub struct Address {
    /// Whether by HTTPS.
    pub is_https: bool,
    /// The host, and the port where it is not the scheme's own.
    pub authority: Authority,
    /// The rest.
    pub path: PathAndQuery,
}

impl Address {
    /// Reads `https://example.com/hooks`; the fault shows how one is written by an example that fits.
    pub fn parse(text: &str, example: &str) -> Result<Self, String> {
        // The text itself is not repeated: what is behind the host may be as good as a secret.
        let wrong = || format!("is no address that requests could go to: write it as {example}");
        if text.contains('#') {
            return Err("has a fragment, which no receiver would see: leave out what comes from # on".into());
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let parts = uri.into_parts();
        let (Some(authority), Some(path)) = (parts.authority, parts.path_and_query) else { return Err(wrong()) };
        if authority.as_str().contains('@') {
            return Err("names a user, which is not sent: leave out what comes before @".into());
        }
        let says_port = authority.as_str().len() > authority.host().len();
        let is_port = !says_port || authority.port_u16().is_some_and(|port| port > 0);
        if authority.host().is_empty() || !is_port || text.len() > LONGEST_URL {
            return Err(wrong());
        }
        Ok(Self { is_https, authority, path })
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// As it may be shown: scheme and host alone, because some receivers want a secret in the path or the query.
    pub fn shown(&self) -> String {
        format!("{}://{}", if self.is_https { "https" } else { "http" }, self.authority)
    }

    /// The host, where it is an address and no name.
    pub fn literal(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_receiver_can_be() {
        for (text, shown, port) in [
            ("https://example.com/hooks/T0/B1", "https://example.com", 443),
            ("https://example.com", "https://example.com", 443),
            ("http://example.com:8080/a/b?token=x", "http://example.com:8080", 8080),
            ("http://[::1]:3000/", "http://[::1]:3000", 3000),
        ] {
            let address = Address::parse(text, "https://example.com/hooks").unwrap();
            assert_eq!((address.shown().as_str(), address.port()), (shown, port), "{text}");
        }
        for text in [
            "",
            "example.com",
            "/hooks",
            "ftp://example.com/",
            "https://",
            "https:///hooks",
            "https://me@example.com/",
            "https://me:word@example.com/",
            "https://example.com/#part",
            "https://example.com:0/",
            "https://example.com:99999/",
            "https://example.com:/",
            "https://exa mple.com/",
        ] {
            assert!(Address::parse(text, "https://example.com/hooks").is_err(), "{text}");
        }
    }
}
