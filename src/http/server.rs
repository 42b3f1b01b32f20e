//! From a socket to requests: the accept loop and connections, with every bound and time-out.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use super::front::Front;
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

/// Accepts until the shutdown, then lets what is under way finish.
pub async fn serve(front: Arc<Front>, listener: Listener, mut shutdown: watch::Receiver<bool>) {
    let settings = &front.services.policy.server;
    let places = match listener {
        Listener::Control { .. } => MOST_COMMANDS,
        _ => within_open_files(settings.max_connections, files_each(&front.services.policy)),
    };
    if !matches!(listener, Listener::Control { .. }) {
        front.services.metrics.most_connections.get_or_init(|| places as u64);
    }
    let places = Arc::new(Semaphore::new(places));
    let graceful = Graceful::new();
    let patience = settings.shutdown_timeout.as_duration();
    loop {
        // A place first: beyond the bound, connections wait in the kernel's own queue.
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            _ = shutdown.wait_for(|stopping| *stopping) => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = accept(&listener, &front, &graceful, Some(place)) => accepted,
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
        linger(&listener, path, &front, &graceful).await;
    }
    drop(listener);
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
    let wanted = connections as u64 * files + OTHER_FILES;
    let may_open = rlimit::increase_nofile_limit(wanted).unwrap_or(wanted);
    if may_open >= wanted {
        return connections;
    }
    let fits = (may_open.saturating_sub(OTHER_FILES) / files).max(1);
    tracing::warn!(
        "this process may open {may_open} files, so {fits} connections at once and not {connections}: raise ulimit -n (LimitNOFILE)"
    );
    fits as usize
}

/// A command that has connected already is still served: the socket goes first, then whoever waits at it is let in.
async fn linger(listener: &Listener, path: &std::path::Path, front: &Arc<Front>, graceful: &Graceful) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!("{} could not be taken away: {error}", path.display());
    }
    while let Ok(Ok(connection)) = tokio::time::timeout(LAST_COMMANDS, accept(listener, front, graceful, None)).await {
        connection.map(tokio::spawn);
    }
}

type Connection = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection's place among those that may be open at once; whoever holds one takes it up.
#[derive(Clone, Debug)]
pub struct Place(#[expect(dead_code, reason = "held, never read")] Arc<(Option<OwnedSemaphorePermit>, Option<Present>)>);

async fn accept(
    listener: &Listener,
    front: &Arc<Front>,
    graceful: &Graceful,
    place: Option<OwnedSemaphorePermit>,
) -> std::io::Result<Option<Connection>> {
    Ok(match listener {
        Listener::Tcp(socket) => {
            let (stream, address) = socket.accept().await?;
            // Small answers go out at once.
            stream.set_nodelay(true)?;
            Some(converse(stream, Peer::Tcp(address), front, graceful, place))
        }
        Listener::Unix(socket) => Some(converse(socket.accept().await?.0, Peer::Unix, front, graceful, place)),
        Listener::Control { socket, owner, .. } => {
            let (stream, _) = socket.accept().await?;
            let uid = stream.peer_cred()?.uid();
            if uid != *owner && uid != 0 {
                tracing::warn!("user {uid} was turned away from the control socket");
                return Ok(None);
            }
            Some(converse(stream, Peer::Control, front, graceful, place))
        }
    })
}

fn converse<S>(stream: S, peer: Peer, front: &Arc<Front>, graceful: &Graceful, place: Option<OwnedSemaphorePermit>) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (policy, front) = (front.services.policy.clone(), front.clone());
    let settings = &policy.server;
    // The operator's own are none of the clients'.
    let place = Place(Arc::new((place, (peer != Peer::Control).then(|| front.services.metrics.connections.join()))));
    let stream = Strict::new(stream, peer, settings.max_header_bytes);
    let switch = stream.tunnel_switch();
    let mut stream = TimeoutStream::new(stream);
    // A client that reads what the app says may pause as long as the app may.
    let has_app = policy.upstream.target.is_some();
    let patience = if has_app { policy.upstream.idle_timeout.max(settings.request_timeout) } else { settings.request_timeout };
    stream.set_write_timeout(Some(patience.as_duration()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Who has said all it has to say still wants the answer. But where an app works for it, who has gone must be noticed.
        .half_close(!has_app)
        .header_read_timeout(settings.header_timeout.as_duration())
        .max_headers(settings.max_headers)
        .max_buf_size(settings.max_header_bytes)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            service_fn(move |mut request: Request<Incoming>| {
                let front = front.clone();
                // Nothing else can lead to a tunnel.
                if request.headers().contains_key(http::header::UPGRADE) {
                    request.extensions_mut().insert(switch.clone());
                    request.extensions_mut().insert(place.clone());
                }
                async move { Ok::<_, std::convert::Infallible>(handle(&front, lingering(request), peer).await) }
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
