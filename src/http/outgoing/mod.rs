//! Requests that tollgate itself sends to somebody else's server: looked up, what was found checked, connected to the very address
//! that was checked, and bounded in time and in what is heard.

mod bounded;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, RETRY_AFTER, USER_AGENT};
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::config::address::Address;
use crate::domain::delivery::LONGEST_WAIT;
use crate::domain::reach::is_public;
use crate::domain::time::{Span, Timestamp};
use crate::http::tls::{Stream, connector, secured};
use bounded::Bounded;

/// How long an exchange may take, from the look for the address to the last byte of the answer.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// What is left of that for saying how it went, once the head of an answer is there.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long connecting to one of several addresses may take, and how many of IPv4 and of IPv6 are tried.
const CONNECTING: Duration = Duration::from_secs(3);
const MOST_ADDRESSES: usize = 2;

/// How much of an answer is read, and the longest head of one.
pub const MOST_READ: usize = 64 * 1024;

/// How much may come over a connection in all: whatever a server says before its answer is bounded too.
const MOST_HEARD: usize = 4 * MOST_READ;

/// Sends requests, each over a connection of its own.
pub struct Client {
    /// What secures connections, or why nothing does.
    tls: Result<TlsConnector, String>,
    allow_private: bool,
}

/// What a server answered. Redirects are answers as any other: they are not followed.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body, or why there is none: cut off, longer than [`MOST_READ`], or too slow.
    pub body: Result<Bytes, String>,
}

impl Client {
    /// One that believes the authorities that browsers trust and these, and goes to private addresses where that is meant.
    pub fn new(authorities: &[CertificateDer<'static>], allow_private: bool) -> Self {
        Self { tls: connector(authorities), allow_private }
    }

    /// Sends a request: its method, headers and body; where it goes to, and what belongs to the connection, is added here. The
    /// fault holds nothing that the server said.
    pub async fn send(&self, to: &Address, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let deadline = Instant::now() + PATIENCE;
        let answered = tokio::time::timeout_at(deadline, self.converse(to, request, deadline)).await;
        answered.unwrap_or_else(|_| Err(format!("it did not answer within {} s", PATIENCE.as_secs())))
    }

    async fn converse(&self, to: &Address, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Answer, String> {
        let request = addressed(to, request)?;
        let stream = self.connect(to).await?;
        let broken = |error: hyper::Error| format!("its answer cannot be read: {error}");
        let stream = TokioIo::new(Bounded::new(stream, MOST_HEARD));
        let handshake = hyper::client::conn::http1::Builder::new().max_buf_size(MOST_READ).handshake(stream).await;
        let (mut sender, connection) = handshake.map_err(broken)?;
        let connection = AbortOnDrop(tokio::spawn(connection));
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = tokio::time::timeout_at(deadline - LAST_WORD, Limited::new(body, MOST_READ).collect()).await;
        drop(connection);
        let body = match body {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(format!("its answer cannot be read: {error}")),
            Err(_) => Err(format!("its answer did not end within {} s", PATIENCE.as_secs())),
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn connect(&self, to: &Address) -> Result<Box<dyn Stream>, String> {
        let stream = reach(to.host(), to.port(), self.allow_private).await?;
        if !to.is_https {
            return Ok(Box::new(stream));
        }
        secured(self.tls.as_ref().map_err(String::clone)?, to.host(), stream).await
    }
}

/// Connects to a host, by the very address that was checked.
pub async fn reach(host: &str, port: u16, allow_private: bool) -> Result<TcpStream, String> {
    connect_tcp(&checked_addresses(host, port, allow_private).await?).await
}

/// How long a server asks to wait, where it asks for that (RFC 9110, 10.2.3).
pub fn asked_wait(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Span> {
    let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    headers.get(RETRY_AFTER).filter(|_| asks).and_then(|value| wait_of(value.to_str().ok()?, now))
}

fn wait_of(value: &str, now: Timestamp) -> Option<Span> {
    let seconds = value.trim().parse::<u64>().ok().map(|seconds| Span::from_secs(seconds.min(LONGEST_WAIT.seconds_up())));
    seconds.or_else(|| Timestamp::parse_http_date(value).map(|at| Span::from_millis(at.millis_since(now))))
}

/// The request with what says where it goes to.
fn addressed(to: &Address, mut request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, String> {
    let unsendable = |error: http::header::InvalidHeaderValue| format!("it cannot be sent: {error}");
    *request.uri_mut() = Uri::from(to.path.clone());
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(to.authority.as_str()).map_err(unsendable)?);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where a server is, now. One private address among them, and none is gone to.
async fn checked_addresses(host: &str, port: u16, allow_private: bool) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| format!("'{host}' cannot be looked up: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    match found.iter().find(|address| !is_public(address.ip())) {
        Some(private) if !allow_private => {
            Err(format!("'{host}' leads to the private address {}: set allow_private = true where that is meant", private.ip()))
        }
        _ if found.is_empty() => Err(format!("'{host}' has no address")),
        _ => Ok(some_of_each(&found)),
    }
}

/// The first few of each family, in their order.
fn some_of_each(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let nth = |at: usize| found[..at].iter().filter(|other| other.is_ipv4() == found[at].is_ipv4()).count();
    found.iter().enumerate().filter(|(at, _)| nth(*at) < MOST_ADDRESSES).map(|(_, address)| *address).collect()
}

async fn connect_tcp(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut last = String::new();
    for address in addresses {
        match tokio::time::timeout(CONNECTING, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = format!("no connection to {address}: {error}"),
            Err(_) => last = format!("no connection to {address} within {} s", CONNECTING.as_secs()),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_family_keeps_the_other_from_being_tried() {
        let addresses = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = addresses(&["[2a00::1]:1", "[2a00::2]:1", "[2a00::3]:1", "1.1.1.1:1", "[2a00::4]:1", "1.1.1.2:1", "1.1.1.3:1"]);
        assert_eq!(some_of_each(&found), addresses(&["[2a00::1]:1", "[2a00::2]:1", "1.1.1.1:1", "1.1.1.2:1"]));
    }

    #[test]
    fn how_long_a_server_asks_to_wait() {
        let now = Timestamp::parse("2026-04-01T00:00:00Z").unwrap();
        for (value, wait) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999", Some(86_400)),
            ("Wed, 01 Apr 2026 00:01:00 GMT", Some(60)),
            ("Tue, 31 Mar 2026 00:01:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait_of(value, now), wait.map(Span::from_secs), "{value}");
        }
    }
}
