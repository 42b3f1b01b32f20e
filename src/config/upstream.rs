//! `[upstream]`.

use std::fmt;
use std::path::PathBuf;

use http::HeaderName;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Authority;

use super::reader::Table;
use super::server::Listen;
use crate::domain::time::Span;

/// The longest path of a Unix socket (`sun_path`).
pub const LONGEST_SOCKET: usize = 107;

/// Where the app is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host and a port.
    Tcp(Authority),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Target {
    /// Reads `http://127.0.0.1:3000` or `unix:PATH`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.len() {
                0 => Err("'unix:' wants a path after it".into()),
                1..=LONGEST_SOCKET => Ok(Self::Unix(path.into())),
                _ => Err(format!("the path of a socket has at most {LONGEST_SOCKET} bytes: name a shorter one, or a link to it")),
            };
        }
        if text.starts_with("https://") {
            return Err("the app is asked in plain HTTP: it stands next to tollgate. Write http://, or unix:PATH".into());
        }
        let wrong = || format!("'{text}' is no address of an app: write http://127.0.0.1:3000, without a path, or unix:PATH");
        let authority: Authority = text.strip_prefix("http://").unwrap_or_default().trim_end_matches('/').parse().map_err(|_| wrong())?;
        let says_port = authority.as_str().len() > authority.host().len();
        let is_port = !says_port || authority.port_u16().is_some_and(|port| port > 0);
        if authority.host().is_empty() || authority.as_str().contains('@') || !is_port {
            return Err(wrong());
        }
        Ok(Self::Tcp(authority))
    }
}

/// Whether the app would be tollgate itself, and each request go round for ever.
pub fn is_itself(target: &Target, listen: &Listen) -> bool {
    match (target, listen) {
        (Target::Unix(app), Listen::Unix(own)) => app == own,
        (Target::Tcp(app), Listen::Tcp(own)) => {
            let Some((host, port)) = own.rsplit_once(':') else { return false };
            let local = |host: &str| ["localhost", "127.0.0.1", "[::1]"].contains(&host);
            let same = app.host().eq_ignore_ascii_case(host) || (local(app.host()) && (local(host) || ["0.0.0.0", "[::]"].contains(&host)));
            same && port.parse() == Ok(app.port_u16().unwrap_or(80))
        }
        _ => false,
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is given back of a request's charge where the app failed. Each holds what those before it hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refund {
    /// Nothing.
    Never,
    /// Where no connection came about.
    Unreached,
    /// Where no whole head of an answer came.
    Failed,
    /// Where the app answered 500 or above.
    Errors,
}

impl Refund {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "never" => Self::Never,
            "unreached" => Self::Unreached,
            "failed" => Self::Failed,
            "errors" => Self::Errors,
            _ => return None,
        })
    }
}

/// The app behind the gate, or behind a proxy that asks it.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Where the gate passes on to; `None`: it answers for itself.
    pub target: Option<Target>,
    /// Whether it gets to see the credential.
    pub pass_credential: bool,
    /// Headers of a client that never reach it.
    pub drop_headers: Vec<HeaderName>,
    /// What is given back where it failed.
    pub refund: Refund,
    /// To connect.
    pub connect_timeout: Span,
    /// Until its answer begins, from the last byte of the request that moved.
    pub response_timeout: Span,
    /// How long an answer, an upload or an upgraded connection may be silent.
    pub idle_timeout: Span,
    /// How many unused connections are kept.
    pub max_idle: usize,
    /// How long each is kept.
    pub keep_alive: Span,
    /// Bytes of a request's body; `None`: any number.
    pub max_body_bytes: Option<u64>,
}

pub(super) fn read(table: Table<'_>) -> Option<UpstreamSettings> {
    let target = table.parsed("url", |text| if text.is_empty() { Ok(None) } else { Target::parse(text).map(Some) });
    let pass_credential = table.flag("pass_credential");
    let drop_headers = table.all_parsed("drop_headers", |text| match text.parse::<HeaderName>() {
        Ok(HOST | CONTENT_LENGTH | TRANSFER_ENCODING) => Err(format!("'{text}' is what a request cannot do without")),
        name => name.map_err(|_| format!("'{text}' is no header name")),
    });
    let refund = table.word("refund", "never, unreached, failed or errors", Refund::named);
    let (connect_timeout, response_timeout) = (table.span("connect_timeout", 1..=3600), table.span("response_timeout", 1..=86_400));
    let (idle_timeout, keep_alive) = (table.span("idle_timeout", 1..=86_400), table.span("keep_alive", 0..=3600));
    let max_idle = table.number("max_idle", 0..=10_000).map(|number| number as usize);
    let max_body_bytes = table.number("max_body_bytes", 0..=u64::MAX >> 1);
    table.finish();
    let (pass_credential, drop_headers, refund) = (pass_credential?, drop_headers?, refund?);
    let (connect_timeout, response_timeout, idle_timeout) = (connect_timeout?, response_timeout?, idle_timeout?);
    let (max_idle, keep_alive, max_body_bytes) = (max_idle?, keep_alive?, Some(max_body_bytes?).filter(|most| *most > 0));
    Some(UpstreamSettings {
        target: target?,
        pass_credential,
        drop_headers,
        refund,
        connect_timeout,
        response_timeout,
        idle_timeout,
        max_idle,
        keep_alive,
        max_body_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_never_tollgate_itself() {
        for (app, listen, same) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://localhost:8080", "127.0.0.1:8080", true),
            ("http://localhost:8080", "0.0.0.0:8080", true),
            ("http://localhost", "127.0.0.1:80", true),
            ("http://127.0.0.1:3000", "127.0.0.1:8080", false),
            ("http://10.0.0.2:8080", "127.0.0.1:8080", false),
        ] {
            assert_eq!(is_itself(&Target::parse(app).unwrap(), &Listen::Tcp(listen.into())), same, "{app} {listen}");
        }
        let socket = |path: &str| Target::parse(&format!("unix:{path}")).unwrap();
        assert!(is_itself(&socket("/a"), &Listen::Unix("/a".into())) && !is_itself(&socket("/a"), &Listen::Unix("/b".into())));
    }

    #[test]
    fn where_an_app_can_be() {
        for (text, told) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
            ("http://app", "http://app"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(Target::parse(text).unwrap().to_string(), told);
        }
        for text in [
            "127.0.0.1:3000",
            "https://app",
            "http://",
            "http:///x",
            "http://app/base",
            "http://me@app",
            "unix:",
            "ftp://app",
            "http://app:99999",
            "http://app:0",
            "http://app:",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
