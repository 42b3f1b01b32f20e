//! From a socket to requests: the accept loop and connections, with every bound and time-out.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use super::current::Current;
use super::linger::Lingering;
use super::peer::Peer;
use super::request::Body;
use super::route::handle;
use super::strict::Strict;
use crate::config::Policy;
use crate::measure::Present;

/// A socket to accept on.
#[derive(Debug)]
pub enum Listener {
    /// For clients and proxies.
    Tcp(TcpListener),
    /// For clients and proxies on this machine.
    Unix(UnixListener),
    /// For the command line of the same user, or root.
    Control {
        /// The socket.
        socket: UnixListener,
        /// Whom it belongs to.
        owner: u32,
        /// Where it lies.
        path: std::path::PathBuf,
    },
}

/// How long to wait after an accept that failed: out of file descriptors, most often.
const AFTER_A_FAULT: Duration = Duration::from_millis(50);

/// How many commands at once.
const MOST_COMMANDS: usize = 32;

/// Open files that are no connections: the database, the sockets, the log, and room for commands.
pub const OTHER_FILES: u64 = 64;

/// How long to wait for commands that have just connected when the server stops.
const LAST_COMMANDS: Duration = Duration::from_millis(50);

/// What holds for a connection from its first byte to its last. Requests on it may be under another configuration by then.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Bounds {
    max_headers: usize,
    max_header_bytes: usize,
    header_timeout: Duration,
    /// How long a client may take to read.
    patience: Duration,
    has_app: bool,
}

impl Bounds {
    fn of(policy: &Policy) -> Self {
        let (server, has_app) = (&policy.server, policy.upstream.target.is_some());
        // A client that reads what the app says may pause as long as the app may.
        let patience = if has_app { policy.upstream.idle_timeout.max(server.request_timeout) } else { server.request_timeout };
        Self {
            max_headers: server.max_headers,
            max_header_bytes: server.max_header_bytes,
            header_timeout: server.header_timeout.as_duration(),
            patience: patience.as_duration(),
            has_app,
        }
    }
}

/// Accepts until the shutdown, then lets what is under way finish.
pub async fn serve(current: Arc<Current>, listener: Listener, mut shutdown: watch::Receiver<bool>) {
    let places = match listener {
        Listener::Control { .. } => MOST_COMMANDS,
        _ => {
            let policy = &current.services().policy;
            within_open_files(policy.server.max_connections, files_each(policy))
        }
    };
    if !matches!(listener, Listener::Control { .. }) {
        current.services().metrics.most_connections.get_or_init(|| places as u64);
    }
    let places = Arc::new(Semaphore::new(places));
    let graceful = Graceful::new();
    loop {
        // A place first: beyond the bound, connections wait in the kernel's own queue.
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            _ = shutdown.wait_for(|stopping| *stopping) => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = accept(&listener, &current, &graceful, Some(place)) => accepted,
            _ = shutdown.wait_for(|stopping| *stopping) => break,
        };
        match accepted {
            Ok(Some(connection)) => drop(tokio::spawn(connection)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(AFTER_A_FAULT).await;
            }
        }
    }
    if let Listener::Control { path, .. } = &listener {
        linger(&listener, path, &current, &graceful).await;
    }
    drop(listener);
    let patience = current.services().policy.server.shutdown_timeout.as_duration();
    if tokio::time::timeout(patience, graceful.shut_down()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// How many open files a connection may need: another one to the app.
pub fn files_each(policy: &Policy) -> u64 {
    if policy.upstream.target.is_some() { 2 } else { 1 }
}

/// As many connections as there may be open files, so that a flood of them leaves room for everything else.
fn within_open_files(connections: usize, files: u64) -> usize {
    let Err(may_open) = make_room(connections, files) else { return connections };
    let fits = (may_open.saturating_sub(OTHER_FILES) / files).max(1);
    tracing::warn!(
        "this process may open {may_open} files, so {fits} connections at once and not {connections}: raise ulimit -n (LimitNOFILE)"
    );
    fits as usize
}

/// Sees to it that there may be so many open files; where there may not, answers how many there may be.
pub fn make_room(connections: usize, files: u64) -> Result<(), u64> {
    let wanted = connections as u64 * files + OTHER_FILES;
    let may_open = rlimit::increase_nofile_limit(wanted).unwrap_or(wanted);
    if may_open >= wanted { Ok(()) } else { Err(may_open) }
}

/// A command that has connected already is still served: the socket goes first, then whoever waits at it is let in.
async fn linger(listener: &Listener, path: &std::path::Path, current: &Arc<Current>, graceful: &Graceful) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!("{} could not be taken away: {error}", path.display());
    }
    while let Ok(Ok(connection)) = tokio::time::timeout(LAST_COMMANDS, accept(listener, current, graceful, None)).await {
        connection.map(tokio::spawn);
    }
}

type Connection = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection's place among those that may be open at once; whoever holds one takes it up.
#[derive(Clone, Debug)]
pub struct Place(#[expect(dead_code, reason = "held, never read")] Arc<(Option<OwnedSemaphorePermit>, Option<Present>)>);

async fn accept(
    listener: &Listener,
    current: &Arc<Current>,
    graceful: &Graceful,
    place: Option<OwnedSemaphorePermit>,
) -> std::io::Result<Option<Connection>> {
    Ok(match listener {
        Listener::Tcp(socket) => {
            let (stream, address) = socket.accept().await?;
            // Small answers go out at once.
            stream.set_nodelay(true)?;
            Some(converse(stream, Peer::Tcp(address), current, graceful, place))
        }
        Listener::Unix(socket) => Some(converse(socket.accept().await?.0, Peer::Unix, current, graceful, place)),
        Listener::Control { socket, owner, .. } => {
            let (stream, _) = socket.accept().await?;
            let uid = stream.peer_cred()?.uid();
            if uid != *owner && uid != 0 {
                tracing::warn!("user {uid} was turned away from the control socket");
                return Ok(None);
            }
            Some(converse(stream, Peer::Control, current, graceful, place))
        }
    })
}

fn converse<S>(stream: S, peer: Peer, current: &Arc<Current>, graceful: &Graceful, place: Option<OwnedSemaphorePermit>) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (services, current) = (current.services(), current.clone());
    let bounds = Bounds::of(&services.policy);
    // The operator's own are none of the clients'.
    let place = Place(Arc::new((place, (peer != Peer::Control).then(|| services.metrics.connections.join()))));
    let stream = Strict::new(stream, peer, bounds.max_header_bytes);
    let switch = stream.tunnel_switch();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(bounds.patience));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Who has said all it has to say still wants the answer. But where an app works for it, who has gone must be noticed.
        .half_close(!bounds.has_app)
        .header_read_timeout(bounds.header_timeout)
        .max_headers(bounds.max_headers)
        .max_buf_size(bounds.max_header_bytes)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            service_fn(move |mut request: Request<Incoming>| {
                let front = current.front();
                // Nothing else can lead to a tunnel.
                if request.headers().contains_key(http::header::UPGRADE) {
                    request.extensions_mut().insert(switch.clone());
                    request.extensions_mut().insert(place.clone());
                }
                async move {
                    let mut response = handle(&front, lingering(request), peer).await;
                    // The next request is to come under the bounds that hold by now.
                    if Bounds::of(&front.services.policy) != bounds && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    Ok::<_, std::convert::Infallible>(response)
                }
            }),
        )
        .with_upgrades();
    let mut stopping = graceful.watch();
    Box::pin(async move {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = until(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        }
    })
}

async fn until(stopping: &mut watch::Receiver<bool>) {
    // An end of the sender is one, too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Tells connections to finish what is under way, and waits for them. One that was switched to another protocol is none any more.
struct Graceful(watch::Sender<bool>);

impl Graceful {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// For a connection, as long as it lives.
    fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    async fn shut_down(self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}

fn lingering(request: Request<Incoming>) -> Request<Body> {
    let expects = request.headers().contains_key(http::header::EXPECT);
    request.map(|body| Lingering::new(body, expects).boxed())
}
