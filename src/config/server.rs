//! `[server]`.

use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;

use super::reader::Table;
use crate::domain::address::parse_range;
use crate::domain::time::Span;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address, or a name, and a port.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Listen {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err("'unix:' wants a path after it".into()) } else { Ok(Self::Unix(path.into())) };
        }
        let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
        port.map(|_| Self::Tcp(text.into()))
            .ok_or_else(|| format!("'{text}' is no address to listen on: write 127.0.0.1:8080, [::1]:8080 or unix:PATH"))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The settings of the server itself.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to listen.
    pub listen: Listen,
    /// The permissions of a Unix socket to listen on.
    pub socket_mode: u32,
    /// The SQLite file.
    pub database: PathBuf,
    /// How the world reaches it; empty: as it listens.
    pub public_url: String,
    /// Below this lie tollgate's own paths: `/auth`.
    pub prefix: String,
    /// Whose forwarded headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Refuse plain HTTP.
    pub require_https: bool,
    /// Whether `/Admin` is the route `/admin`.
    pub ignore_case: bool,
    /// Beyond this, new connections wait.
    pub max_connections: usize,
    /// Headers of one request.
    pub max_headers: usize,
    /// Bytes of a request's head.
    pub max_header_bytes: usize,
    /// Bytes of a request's body, on tollgate's own paths.
    pub max_body_bytes: usize,
    /// To send headers, or the next request.
    pub header_timeout: Span,
    /// For the gate, or a handler of our own.
    pub request_timeout: Span,
    /// For requests under way after SIGTERM.
    pub shutdown_timeout: Span,
    /// Keys in the cache.
    pub cached_keys: usize,
    /// Subjects whose windows are held in memory.
    pub held_windows: usize,
}

impl ServerSettings {
    /// The path of `public_url`, as browsers see it before each path of this server: `/api`, or nothing. A proxy takes it away.
    pub fn public_path(&self) -> &str {
        let after = self.public_url.split_once("://").map_or("", |(_, rest)| rest);
        after.find('/').map_or("", |at| &after[at..])
    }

    /// Keeps what only a start can change as a running server has it. Answers which settings so wait for the next start.
    pub(super) fn keep(&mut self, running: &Self) -> Vec<&'static str> {
        let same = [
            ("server.listen", self.listen == running.listen),
            ("server.socket_mode", self.socket_mode == running.socket_mode),
            ("server.database", self.database == running.database),
            ("server.max_connections", self.max_connections == running.max_connections),
            ("server.cached_keys", self.cached_keys == running.cached_keys),
            ("server.held_windows", self.held_windows == running.held_windows),
        ];
        (self.listen, self.socket_mode, self.database) = (running.listen.clone(), running.socket_mode, running.database.clone());
        (self.max_connections, self.cached_keys, self.held_windows) = (running.max_connections, running.cached_keys, running.held_windows);
        same.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
    }
}

pub(super) fn read(table: Table<'_>) -> Option<ServerSettings> {
    let size = |name, least, most| table.number(name, least..=most).map(|number| number as usize);
    // Each is read before any is missed, so that every fault is told.
    let (listen, database) = (table.parsed("listen", Listen::parse), table.parsed("database", database));
    let socket_mode = table.parsed("socket_mode", socket_mode);
    let (public_url, prefix) = (table.parsed("public_url", public_url), table.parsed("prefix", prefix));
    let (trusted_proxies, require_https) = (table.all_parsed("trusted_proxies", parse_range), table.flag("require_https"));
    let ignore_case = table.flag("ignore_case");
    let max_connections = size("max_connections", 1, 1_000_000);
    let (max_headers, max_header_bytes) = (size("max_headers", 10, 1000), size("max_header_bytes", 8192, 1 << 20));
    let max_body_bytes = size("max_body_bytes", 1024, 1 << 30);
    let (header_timeout, request_timeout) = (table.span("header_timeout", 1..=3600), table.span("request_timeout", 1..=86_400));
    let shutdown_timeout = table.span("shutdown_timeout", 0..=3600);
    let (cached_keys, held_windows) = (size("cached_keys", 16, 100_000_000), size("held_windows", 16, 100_000_000));
    table.finish();
    Some(ServerSettings {
        listen: listen?,
        socket_mode: socket_mode?,
        database: database?,
        public_url: public_url?,
        prefix: prefix?,
        trusted_proxies: trusted_proxies?,
        require_https: require_https?,
        ignore_case: ignore_case?,
        max_connections: max_connections?,
        max_headers: max_headers?,
        max_header_bytes: max_header_bytes?,
        max_body_bytes: max_body_bytes?,
        header_timeout: header_timeout?,
        request_timeout: request_timeout?,
        shutdown_timeout: shutdown_timeout?,
        cached_keys: cached_keys?,
        held_windows: held_windows?,
    })
}

fn socket_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()) && (0o600..=0o777).contains(mode));
    mode.ok_or_else(|| format!("'{text}' are no permissions of a socket: write them as chmod does, from 600 to 777"))
}

fn database(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text == ":memory:" {
        return Err("must name a file: what is kept in memory alone does not outlive a restart".into());
    }
    Ok(text.into())
}

/// The longest public address: each access token holds it.
const LONGEST_URL: usize = 300;

pub(super) fn public_url(text: &str) -> Result<String, String> {
    let uri = text.parse::<http::Uri>().ok();
    let sound = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && text.len() <= LONGEST_URL
            && uri.query().is_none()
            // It stands in cookies, and pages link below it.
            && !text.contains([';', ',', '#'])
            && !uri.path().starts_with("//")
            && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
    });
    if text.is_empty() || sound {
        Ok(text.trim_end_matches('/').into())
    } else {
        Err(format!("'{text}' is no public address: write it as https://api.example.com, in at most {LONGEST_URL} letters"))
    }
}

fn prefix(text: &str) -> Result<String, String> {
    let segments = text.strip_prefix('/').map(|rest| {
        rest.split('/').all(|segment| !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b)))
    });
    if segments == Some(true) {
        Ok(text.into())
    } else {
        Err(format!("'{text}' is no prefix: write it as /auth, without a slash at its end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Policy;

    #[test]
    fn what_browsers_see_before_each_path() {
        let mut settings = Policy::load(None).expect("the defaults are sound").server;
        for (url, path) in [
            ("", ""),
            ("https://api.example.com", ""),
            ("https://api.example.com/", ""),
            ("https://example.com:8443/api", "/api"),
            ("https://example.com/a/b/", "/a/b"),
        ] {
            settings.public_url = public_url(url).expect("it is sound");
            assert_eq!(settings.public_path(), path, "{url}");
        }
        for url in
            ["https://example.com/a;Path=/", "https://example.com/a,b", "https://example.com/a#b", "https://example.com//evil.example"]
        {
            assert!(public_url(url).is_err(), "{url}");
        }
    }
}
