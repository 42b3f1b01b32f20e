//! One try to send a message: its receiver is looked up, what was found is checked, and the connection goes to the very address
//! that was checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::asked_wait;
use super::bounded::Bounded;
use crate::config::Policy;
use crate::config::webhooks::{Address, Webhook};
use crate::domain::reach::is_public;
use crate::domain::time::{Span, Timestamp};
use crate::http::tls::{Stream, connector, secured};
use crate::store::outbox::Message;

/// How long a try may take, from the look for the address to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long connecting to one of several addresses may take, and how many of IPv4 and of IPv6 are tried.
const CONNECTING: Duration = Duration::from_secs(3);
const MOST_ADDRESSES: usize = 2;

/// How much of an answer is read, and the longest head of one.
const MOST_READ: usize = 64 * 1024;

/// How much may come over a connection in all: whatever a receiver says before its answer is bounded too.
const MOST_HEARD: usize = 4 * MOST_READ;

/// How a try ended.
#[derive(Debug)]
pub enum Ended {
    /// The receiver has it.
    Taken,
    /// The receiver wants it no more.
    Gone,
    /// It does not have it.
    Failed {
        /// Why, without anything that the receiver said.
        fault: String,
        /// How long it asks to wait.
        wait: Option<Span>,
    },
}

/// An endpoint, and whom its connections believe: made once for each configuration.
pub struct Receiver {
    /// The endpoint.
    pub webhook: Webhook,
    /// What secures them, or why nothing does; `None` over plain HTTP.
    tls: Option<Result<TlsConnector, String>>,
}

impl Receiver {
    /// Those of a configuration.
    pub fn all(policy: &Policy) -> Vec<Arc<Self>> {
        let receiver = |webhook: &Webhook| {
            let tls = webhook.address.is_https.then(|| connector(&webhook.authorities));
            Arc::new(Self { webhook: webhook.clone(), tls })
        };
        policy.webhooks.iter().map(receiver).collect()
    }
}

/// Sends a message once.
pub async fn send(receiver: &Receiver, message: &Message, now: Timestamp) -> Ended {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let failed = |fault| Ended::Failed { fault, wait: None };
    match tokio::time::timeout_at(deadline, converse(receiver, message, now, deadline)).await {
        Ok(Ok((status, headers))) => judge(status, &headers, now),
        Ok(Err(fault)) => failed(fault),
        Err(_) => failed(format!("it did not answer within {} s", PATIENCE.as_secs())),
    }
}

fn judge(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Ended {
    let code = status.as_u16();
    match status {
        _ if status.is_success() => Ended::Taken,
        StatusCode::GONE => Ended::Gone,
        _ if status.is_redirection() => {
            Ended::Failed { fault: format!("it answered {code}: redirects are not followed, so name the new address in url"), wait: None }
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let wait = headers.get(RETRY_AFTER).and_then(|value| asked_wait(value.to_str().ok()?, now));
            Ended::Failed { fault: format!("it answered {code}"), wait }
        }
        _ => Ended::Failed { fault: format!("it answered {code}"), wait: None },
    }
}

async fn converse(
    receiver: &Receiver,
    message: &Message,
    now: Timestamp,
    deadline: tokio::time::Instant,
) -> Result<(StatusCode, HeaderMap), String> {
    let request = request(&receiver.webhook, message, now)?;
    let stream = connect(receiver).await?;
    let broken = |error: hyper::Error| format!("its answer cannot be read: {error}");
    let handshake =
        hyper::client::conn::http1::Builder::new().max_buf_size(MOST_READ).handshake(TokioIo::new(Bounded::new(stream, MOST_HEARD))).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    let connection = AbortOnDrop(tokio::spawn(connection));
    let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
    // What it answered is said; the rest is read so that it need not meet a closed connection, and counts for nothing.
    let _ = tokio::time::timeout_at(deadline - Duration::from_secs(1), Limited::new(body, MOST_READ).collect()).await;
    drop(connection);
    Ok((head.status, head.headers))
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn request(webhook: &Webhook, message: &Message, now: Timestamp) -> Result<Request<Full<Bytes>>, String> {
    let seconds = now.millis().div_euclid(1000);
    Request::builder()
        .method(Method::POST)
        .uri(webhook.address.path.as_str())
        .header(HOST, webhook.address.authority.as_str())
        .header(USER_AGENT, concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signatures(webhook, message, seconds))
        .body(Full::from(message.body.clone()))
        .map_err(|error| format!("it cannot be sent: {error}"))
}

/// One of each secret, so that a receiver may know any of them.
fn signatures(webhook: &Webhook, message: &Message, at: i64) -> String {
    webhook.keys.iter().map(|key| key.sign(&message.id, at, &message.body)).collect::<Vec<_>>().join(" ")
}

async fn connect(receiver: &Receiver) -> Result<Box<dyn Stream>, String> {
    let Receiver { webhook, tls } = receiver;
    let stream = connect_tcp(&checked_addresses(&webhook.address, webhook.allow_private).await?).await?;
    match tls {
        None => Ok(Box::new(stream)),
        Some(tls) => secured(tls.as_ref().map_err(String::clone)?, webhook.address.host(), stream).await,
    }
}

/// Where a receiver is, now. One private address among them, and none is gone to.
async fn checked_addresses(address: &Address, allow_private: bool) -> Result<Vec<SocketAddr>, String> {
    let host = address.host();
    let found = tokio::net::lookup_host((host, address.port())).await.map_err(|error| format!("'{host}' cannot be looked up: {error}"))?;
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
}
