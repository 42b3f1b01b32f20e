//! The doctor's own HTTP client: one request a connection, over TCP, TLS or a Unix socket, with every bound.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::config::certificates;
use crate::domain::time::Timestamp;
use crate::http::tls::{Stream, connector, secured};

/// How long one request may take, from the look for the address to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(5);

/// How much of an answer is read.
const MOST: usize = 1 << 20;

/// Where a request to this machine's own loopback comes from, so that its address is another one than the proxy's.
const APART: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What an answer took, and when: for whoever compares clocks.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as far as it was read.
    pub body: String,
    /// Our end of the connection, where it has an address.
    pub local: Option<SocketAddr>,
    /// When the request was sent, and when the answer was there.
    pub between: (Timestamp, Timestamp),
}

impl Answer {
    /// A header; several of one name are joined as HTTP says.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// How a server is reached.
#[derive(Clone)]
enum Way {
    Tcp,
    Tls(TlsConnector),
    Unix(PathBuf),
}

/// A server to send requests to.
#[derive(Clone)]
pub struct Wire {
    way: Way,
    host: String,
    port: u16,
    authority: String,
    /// Whether a connection to loopback comes from [`APART`].
    stands_apart: bool,
}

impl Wire {
    /// Reads `http://…` or `https://…`, without a path; `ca` are certificates of a private authority, PEM.
    pub fn to_url(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let wrong = || format!("'{url}' is no address of a proxy: write http://… or https://…, without a path");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
        if uri.query().is_some() || !matches!(uri.path(), "" | "/") || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let (way, port) = match scheme {
            "http" if ca.is_some() => return Err("--ca goes with an https:// address".into()),
            "http" => (Way::Tcp, 80),
            "https" => (Way::Tls(tls(ca)?), 443),
            _ => return Err(wrong()),
        };
        Ok(Self::tcp(way, authority, port))
    }

    /// To where a server of ours listens: `http://127.0.0.1:8080`, or `unix:PATH`.
    pub fn to_server(listening: &str) -> Result<Self, String> {
        if let Some(path) = listening.strip_prefix("unix:") {
            let authority = Authority::from_static("localhost");
            return Ok(Self { way: Way::Unix(path.into()), ..Self::tcp(Way::Tcp, &authority, 80) });
        }
        let mut wire = Self::to_url(listening, None)?;
        // What listens everywhere is reached here.
        match wire.host.as_str() {
            "0.0.0.0" => wire.host = "127.0.0.1".into(),
            "::" => wire.host = "::1".into(),
            _ => {}
        }
        Ok(wire)
    }

    /// To an app, by TCP or its Unix socket.
    pub fn to_app(target: &crate::config::upstream::Target) -> Self {
        match target {
            crate::config::upstream::Target::Tcp(authority) => Self::tcp(Way::Tcp, authority, 80),
            crate::config::upstream::Target::Unix(path) => {
                Self { way: Way::Unix(path.clone()), ..Self::tcp(Way::Tcp, &Authority::from_static("localhost"), 80) }
            }
        }
    }

    fn tcp(way: Way, authority: &Authority, usual_port: u16) -> Self {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(usual_port);
        Self { way, host, port, authority: authority.to_string(), stands_apart: false }
    }

    /// From another address than the proxy's, where both are on this machine's loopback.
    pub fn apart(self, stands_apart: bool) -> Self {
        Self { stands_apart, ..self }
    }

    /// Sends one request, and reads its answer whole.
    pub async fn send(&self, method: Method, target: &str, headers: &[(String, String)]) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(target).header(HOST, &self.authority);
        request = request.header(USER_AGENT, concat!("tollgate-doctor/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) else {
                return Err(format!("the header {name} cannot be sent"));
            };
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| format!("'{target}' cannot be asked for: {error}"))?;
        match tokio::time::timeout(PATIENCE, self.converse(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer came within {} s", PATIENCE.as_secs())),
        }
    }

    async fn converse(&self, request: Request<Empty<Bytes>>) -> Result<Answer, String> {
        let (stream, local) = self.connect().await?;
        let broken = |error: hyper::Error| format!("the answer cannot be read: {error}");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let began = Timestamp::now();
        let response = sender.send_request(request).await.map_err(broken)?;
        let between = (began, Timestamp::now());
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(|error| format!("the answer's body cannot be read: {error}"))?;
        connection.abort();
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status: head.status, headers: head.headers, body, local, between })
    }

    /// Whether what is sent can be read on its way.
    pub fn is_plain(&self) -> bool {
        matches!(self.way, Way::Tcp)
    }

    /// The host, as it was named.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether both lead to the same place, as far as their names say.
    pub fn leads_where(&self, other: &Self) -> bool {
        self.is_plain() && other.is_plain() && (&self.host, self.port) == (&other.host, other.port)
    }

    /// Only connects.
    pub async fn reach(&self) -> Result<(), String> {
        self.connect().await.map(|_| ())
    }

    async fn connect(&self) -> Result<(Box<dyn Stream>, Option<SocketAddr>), String> {
        if let Way::Unix(path) = &self.way {
            let connecting = tokio::time::timeout(CONNECTING, UnixStream::connect(path)).await;
            let stream = connecting.map_err(|_| "connecting takes too long".to_owned())?.map_err(|error| error.to_string())?;
            return Ok((Box::new(stream), None));
        }
        let stream = self.connect_tcp().await?;
        let local = stream.local_addr().ok();
        let Way::Tls(connector) = &self.way else { return Ok((Box::new(stream), local)) };
        let securing = tokio::time::timeout(CONNECTING, secured(connector, &self.host, stream)).await;
        Ok((securing.map_err(|_| "the TLS handshake takes too long".to_owned())??, local))
    }

    async fn connect_tcp(&self) -> Result<TcpStream, String> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let mut last = format!("'{}' has no address", self.host);
        for address in found.map_err(|error| format!("'{}' cannot be looked up: {error}", self.host))? {
            match tokio::time::timeout(CONNECTING, self.connect_to(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = format!("{address}: {error}"),
                Err(_) => last = format!("{address}: connecting takes too long"),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        if self.stands_apart && matches!(address.ip(), IpAddr::V4(v4) if v4.is_loopback()) {
            let socket = TcpSocket::new_v4()?;
            // Not every system has all of 127.0.0.0/8.
            if socket.bind((APART, 0).into()).is_ok() {
                return socket.connect(address).await;
            }
        }
        TcpStream::connect(address).await
    }
}

/// The authorities that browsers trust, and the private one that was named.
fn tls(ca: Option<&Path>) -> Result<TlsConnector, String> {
    let private = ca.map_or_else(|| Ok(Vec::new()), certificates::read).map_err(|fault| format!("--ca {fault}"))?;
    connector(&private).map_err(|fault| format!("--ca: {fault}"))
}
