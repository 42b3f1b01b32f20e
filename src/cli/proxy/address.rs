//! Addresses that stand in a proxy's configuration: only what cannot break out of its place is taken.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use crate::config::policy::Listen;
use crate::config::upstream::{LONGEST_SOCKET, Target};

/// Where tollgate or the app is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8080`.
    Tcp(String),
    /// An absolute path.
    Unix(String),
}

impl Address {
    /// Where a proxy on this machine reaches what listens there.
    pub fn of_listener(listen: &Listen) -> Result<Self, String> {
        match listen {
            Listen::Unix(path) => socket(path).map_err(|fault| format!("[server] listen: {fault}")),
            Listen::Tcp(text) => {
                let wrong =
                    || format!("[server] listen: '{text}' cannot stand in a proxy's configuration: write 127.0.0.1:8080 or unix:PATH");
                let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
                let port: u16 = port.parse().map_err(|_| wrong())?;
                if port == 0 {
                    return Err("[server] listen: port 0 is another one at each start: name one, so that the proxy finds tollgate".into());
                }
                Ok(Self::Tcp(format!("{}:{port}", reachable(host).ok_or_else(wrong)?)))
            }
        }
    }

    /// Where the app is, as `http://HOST:PORT` or `unix:PATH` says.
    pub fn of_app(text: &str) -> Result<Self, String> {
        let told = |fault: String| format!("--app: {fault}");
        match Target::parse(text).map_err(told)? {
            Target::Unix(path) => socket(&path).map_err(told),
            Target::Tcp(authority) => {
                let host = host(authority.host()).filter(|_| authority.port_u16().is_some() || authority.as_str() == authority.host());
                let host =
                    host.ok_or_else(|| told(format!("'{text}' is no address of an app: write http://127.0.0.1:3000 or unix:PATH")))?;
                Ok(Self::Tcp(format!("{host}:{}", authority.port_u16().unwrap_or(80))))
            }
        }
    }

    /// The address by which a proxy on this machine comes; `None` where that cannot be told.
    pub fn comes_from(&self) -> Option<IpAddr> {
        let Self::Tcp(text) = self else { return None };
        text.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok()
    }
}

/// Where a proxy listens, where nobody says.
pub const USUAL_PORT: u16 = 80;

/// Where a proxy listens: `80`, `:80`, `127.0.0.1:80`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// `None`: everywhere.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
}

impl Public {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("--listen: '{text}' is no address to listen on: write :80, 127.0.0.1:80 or [::1]:80");
        let (at, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let host = if at.is_empty() { None } else { Some(host(at).ok_or_else(wrong)?) };
        Ok(Self { host, port })
    }

    /// Whether who listens there leaves no room here.
    pub fn meets(&self, other: &Listen) -> bool {
        let Listen::Tcp(text) = other else { return false };
        let Some((host, port)) = text.rsplit_once(':') else { return false };
        let at = |host: &str| match host.trim_matches(['[', ']']) {
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            bare => bare.parse().ok(),
        };
        let (here, there) = (at(self.host.as_deref().unwrap_or("0.0.0.0")), at(host));
        let everywhere = |host: Option<IpAddr>| host.is_some_and(|host| host.is_unspecified());
        port.parse() == Ok(self.port) && (everywhere(here) || everywhere(there) || (here.is_some() && here == there))
    }
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host.as_deref().unwrap_or("0.0.0.0"), self.port)
    }
}

/// A name that clients call; `*.example.com` too.
pub fn server_name(text: &str) -> Option<String> {
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let is_name = bare.len() <= 253 && bare.split('.').all(|label| !label.is_empty()) && host(bare).is_some();
    is_name.then(|| text.to_ascii_lowercase())
}

/// A host as it stands before a port: a name, an IPv4 address, or an IPv6 address in brackets.
fn host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let is_name =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    is_name.then(|| text.to_owned())
}

/// The host under which what listens there is reached from this machine.
fn reachable(listening: &str) -> Option<String> {
    let bare = listening.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(listening);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Some("127.0.0.1".into()),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => Some("[::1]".into()),
        Ok(IpAddr::V6(address)) => Some(format!("[{address}]")),
        _ => host(listening),
    }
}

/// A socket, from the folder we are in where its path is not absolute.
fn socket(path: &Path) -> Result<Address, String> {
    let absolute = std::path::absolute(path).map_err(|error| format!("{} cannot be made absolute: {error}", path.display()))?;
    let sound = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/~+@=,".contains(&b));
    match absolute.to_str().filter(sound) {
        Some(text) if text.len() <= LONGEST_SOCKET => Ok(Address::Unix(text.into())),
        Some(text) => Err(format!("{text} is longer than the {LONGEST_SOCKET} bytes that a proxy can open: choose a shorter path")),
        None => Err(format!("the path {absolute:?} cannot stand in a proxy's configuration: choose one of letters, digits and -._/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tollgate_is_reached() {
        for (listen, reached) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("::1:8080", "[::1]:8080"),
            ("localhost:8080", "localhost:8080"),
        ] {
            assert_eq!(Address::of_listener(&Listen::Tcp(listen.into())), Ok(Address::Tcp(reached.into())), "{listen}");
        }
        for wrong in ["127.0.0.1:0", "a;b:80", "a b:80", "{x}:80", "\"x\":80", "$host:80", "x", "-x:80", "[::1:80"] {
            assert!(Address::of_listener(&Listen::Tcp(wrong.into())).is_err(), "{wrong}");
        }
        assert_eq!(Address::of_listener(&Listen::Unix("/run/t.sock".into())), Ok(Address::Unix("/run/t.sock".into())));
        for wrong in ["/run/a b", "/run/a;b", "/run/{x}", "/run/a\nb", "/run/$x", "/run/a\"b", "/run/a:b"] {
            assert!(Address::of_listener(&Listen::Unix(wrong.into())).is_err(), "{wrong}");
        }
        assert!(Address::of_listener(&Listen::Unix(format!("/{}", "x".repeat(107)).into())).is_err());
    }

    #[test]
    fn where_the_app_is() {
        for (text, address) in [("http://127.0.0.1:3000", "127.0.0.1:3000"), ("http://app", "app:80"), ("http://[::1]:3000/", "[::1]:3000")]
        {
            assert_eq!(Address::of_app(text), Ok(Address::Tcp(address.into())), "{text}");
        }
        for wrong in [
            "",
            "app:3000",
            "https://app",
            "http://a;b",
            "http://a'b:1",
            "http://a$b:1",
            "http://app:99999",
            "http://app:",
            "unix:/a{b",
            "http://(x)",
        ] {
            assert!(Address::of_app(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_cannot_listen_at_one_place() {
        for (public, listen, meets) in [
            ("8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "localhost:8080", true),
            ("127.0.0.1:8080", "0.0.0.0:8080", true),
            ("[::]:8080", "127.0.0.1:8080", true),
            ("[::1]:8080", "[::1]:8080", true),
            ("10.0.0.1:8080", "127.0.0.1:8080", false),
            ("app:8080", "127.0.0.1:8080", false),
            ("80", "127.0.0.1:8080", false),
        ] {
            assert_eq!(Public::parse(public).unwrap().meets(&Listen::Tcp(listen.into())), meets, "{public} {listen}");
        }
        assert!(!Public::parse("80").unwrap().meets(&Listen::Unix("/80".into())));
    }

    #[test]
    fn where_it_listens_and_what_it_is_called() {
        assert_eq!(Public::parse("80"), Ok(Public { host: None, port: 80 }));
        assert_eq!(Public::parse(":8081"), Ok(Public { host: None, port: 8081 }));
        assert_eq!(Public::parse("[::]:8081"), Ok(Public { host: Some("[::]".into()), port: 8081 }));
        for wrong in ["", ":", "0", ":0", "x", "80;", "a b:80", ":80 ssl", "unix:/x", ":65536"] {
            assert!(Public::parse(wrong).is_err(), "{wrong}");
        }
        for name in ["api.example.com", "*.example.com", "API.example.com", "localhost", "10.0.0.1"] {
            assert!(server_name(name).is_some(), "{name}");
        }
        for wrong in ["", "*", "a b", "a;b", "{a}", "a..b", ".a", "a.", "a\nb", "\"a\"", "*.", "a*", "$a", "#a"] {
            assert_eq!(server_name(wrong), None, "{wrong}");
        }
    }
}
