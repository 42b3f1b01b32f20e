//! From a connection to a response: the accept loop with every bound and time-out, and the one function that every request goes through.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use super::cors::{self, is_preflight};
use super::endpoints::{self, Access, Matched};
use super::front::Front;
use super::handlers::gate;
use super::peer::Peer;
use super::request::{Body, BodyFault, Call, Unreadable, request_id};
use super::response::{self, Response};
use super::strict::Strict;
use crate::domain::error::{Error, FieldFault};
use crate::domain::path::normalise;
use crate::domain::time::Timestamp;
use crate::service::Services;

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

/// How many wrong fields one answer names.
const MOST_FAULTS: usize = 100;

/// Open files that are no connections: the database, the sockets, the log, and room for commands.
pub const OTHER_FILES: u64 = 64;

/// How long to wait for commands that have just connected when the server stops.
const LAST_COMMANDS: Duration = Duration::from_millis(50);

/// Accepts until the shutdown, then lets what is under way finish.
pub async fn serve(front: Arc<Front>, listener: Listener, mut shutdown: watch::Receiver<bool>) {
    let settings = &front.services.policy.server;
    // Each connection may need another one to the app.
    let files = if front.upstream.is_some() { 2 } else { 1 };
    let places = Arc::new(Semaphore::new(within_open_files(settings.max_connections, files)));
    let graceful = Graceful::new();
    let patience = settings.shutdown_timeout.as_duration();
    loop {
        // A place first: beyond the bound, connections wait in the kernel's own queue.
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            _ = shutdown.wait_for(|stopping| *stopping) => break,
        };
        let Ok(place) = place.map(|place| Place(Arc::new(Some(place)))) else { break };
        let accepted = tokio::select! {
            accepted = accept(&listener, &front, &graceful, place) => accepted,
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
    while let Ok(Ok(connection)) = tokio::time::timeout(LAST_COMMANDS, accept(listener, front, graceful, Place::default())).await {
        connection.map(tokio::spawn);
    }
}

type Connection = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection's place among those that may be open at once; whoever holds one takes it up.
#[derive(Clone, Debug, Default)]
pub struct Place(#[expect(dead_code, reason = "held, never read")] Arc<Option<OwnedSemaphorePermit>>);

async fn accept(listener: &Listener, front: &Arc<Front>, graceful: &Graceful, place: Place) -> std::io::Result<Option<Connection>> {
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

fn converse<S>(stream: S, peer: Peer, front: &Arc<Front>, graceful: &Graceful, place: Place) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = &front.services.policy.server;
    let front = front.clone();
    let stream = Strict::new(stream, settings.max_header_bytes);
    let switch = stream.tunnel_switch();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.request_timeout.as_duration()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Who has said all it has to say still wants the answer.
        .half_close(true)
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
                async move { Ok::<_, std::convert::Infallible>(handle(&front, request.map(boxed), peer).await) }
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

fn boxed(body: Incoming) -> Body {
    body.map_err(|error| BodyFault(error.to_string())).boxed()
}

/// Answers one request: tollgate's own paths by their table, every other path by the gate.
pub async fn handle(front: &Arc<Front>, request: Request<Body>, peer: Peer) -> Response {
    let (now, services) = (Timestamp::now(), &front.services);
    let (parts, body) = request.into_parts();
    let request_id = request_id(peer, &parts.headers, services, now);
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let call = Call {
        services: services.clone(),
        front: front.clone(),
        parts,
        body,
        peer,
        request_id: request_id.clone(),
        now,
        id: String::new(),
    };
    let origin = cors::origin(&call.parts.headers).cloned();
    let mut response = route(call, &path).await;
    if let Some(cors) = &front.cors {
        cors.tell(origin.as_ref(), response.headers_mut());
    }
    tracing::debug!(request_id, status = response.status().as_u16(), "{}", without_secrets(services, &method, &path));
    response::name(&request_id, response.headers_mut());
    response
}

/// A request line as a log may keep it: what holds a key or token is left out.
fn without_secrets(services: &Services, method: &Method, path: &str) -> String {
    let discreet = |text: &str| if services.policy.holds_secret(text) { "…".to_owned() } else { text.to_owned() };
    let path = normalise(path)
        .map_or_else(|_| "(a path that reads in two ways)".into(), |path| path.split('/').map(discreet).collect::<Vec<_>>().join("/"));
    format!("{} {path}", discreet(method.as_str()))
}

/// An error that repeats no secret that somebody wrote into the wrong place.
fn discreet(services: &Services, error: Error) -> Error {
    let Error::Invalid(faults) = error else { return error };
    let told = |text: String, instead: &str| if services.policy.holds_secret(&text) { instead.to_owned() } else { text };
    let faults = faults.into_iter().take(MOST_FAULTS).map(|fault| FieldFault {
        field: told(fault.field, "…"),
        message: told(fault.message, "holds a raw key or token, which is not repeated here"),
    });
    Error::Invalid(faults.collect())
}

async fn route(call: Call, path: &str) -> Response {
    // At the control socket there is nothing else, whatever the prefix was when the command line read its config.
    let prefix = if call.peer == Peer::Control { "" } else { call.services.policy.server.prefix.as_str() };
    let own = own_path(path, prefix);
    let Some(own) = own else { return gate::gate(call).await };
    let (request_id, method) = (call.request_id.clone(), call.parts.method.clone());
    let services = call.services.clone();
    let patience = services.policy.server.request_timeout.as_duration();
    tokio::time::timeout(patience, own_answer(call, &own)).await.unwrap_or_else(|_| {
        tracing::error!(request_id, "{} took too long", without_secrets(&services, &method, path));
        response::problem(StatusCode::SERVICE_UNAVAILABLE, "This took too long. Try again.", Vec::new(), &request_id)
    })
}

/// What one of tollgate's own paths answers.
async fn own_answer(mut call: Call, own: &str) -> Response {
    let request_id = call.request_id.clone();
    let (endpoint, id) = match endpoints::find(&call.parts.method, own) {
        Matched::Endpoint(endpoint, id) => (endpoint, id),
        Matched::WrongMethod(methods) => {
            let cors = call.front.cors.as_ref().filter(|_| is_preflight(call.parts.method.as_str(), &call.parts.headers));
            return cors.map_or_else(|| wrong_method(&methods.join(", "), &request_id), |cors| cors.answer_preflight(&call.parts.headers));
        }
        Matched::Nothing => return response::nothing_here(&request_id),
    };
    if let Err(refusal) = admit(&call, endpoint.access).await {
        return refusal;
    }
    call.id = id;
    let services = call.services.clone();
    let most = services.policy.server.max_body_bytes;
    match (endpoint.handler)(call).await {
        Ok(response) => response,
        Err(Unreadable::Error(error)) => response::failed(&discreet(&services, error), &request_id),
        Err(Unreadable::Bad(detail)) => response::problem(StatusCode::BAD_REQUEST, &detail, Vec::new(), &request_id),
        Err(Unreadable::TooSlow) => {
            response::problem(StatusCode::REQUEST_TIMEOUT, "The body did not come in time.", Vec::new(), &request_id)
        }
        Err(Unreadable::TooLarge) => {
            response::problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("The body is over {most} bytes."), Vec::new(), &request_id)
        }
        Err(Unreadable::WrongType) => response::problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send JSON, with Content-Type: application/json.",
            Vec::new(),
            &request_id,
        ),
    }
}

/// Whether a path is one of tollgate's own.
pub fn owns(services: &Services, path: &str) -> bool {
    own_path(path, &services.policy.server.prefix).is_some()
}

/// What lies below the prefix; `None` where the path is the gate's. One that can be read in two ways is the gate's to refuse.
fn own_path(path: &str, prefix: &str) -> Option<String> {
    let path = normalise(path).ok()?;
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
}

fn wrong_method(allowed: &str, request_id: &str) -> Response {
    let mut response = response::problem(StatusCode::METHOD_NOT_ALLOWED, &format!("This path knows {allowed}."), Vec::new(), request_id);
    if let Ok(allowed) = allowed.parse() {
        response.headers_mut().insert(http::header::ALLOW, allowed);
    }
    response
}

/// Whether a call may go on to its handler.
async fn admit(call: &Call, access: Access) -> Result<(), Response> {
    let scope = match access {
        _ if call.peer == Peer::Control => return Ok(()),
        Access::Anyone => return Ok(()),
        Access::Operator => return Err(response::nothing_here(&call.request_id)),
        Access::Token(scope) => scope,
    };
    let challenged = |status, detail: &str, challenge: &str| {
        let mut response = response::problem(status, detail, Vec::new(), &call.request_id);
        if let Ok(challenge) = challenge.parse() {
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        response
    };
    let Some(raw) = call.bearer() else {
        return Err(challenged(StatusCode::UNAUTHORIZED, "Send a service token: Authorization: Bearer tgs_…", "Bearer"));
    };
    match call.services.token(raw, call.now).await {
        Ok(Some(token)) if token.scopes.contains(&scope) => Ok(()),
        Ok(Some(_)) => {
            let needed = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scope.name());
            Err(challenged(StatusCode::FORBIDDEN, &format!("This service token lacks the scope '{}'.", scope.name()), &needed))
        }
        Ok(None) => Err(challenged(StatusCode::UNAUTHORIZED, "This service token is not valid.", "Bearer error=\"invalid_token\"")),
        Err(error) => Err(response::failed(&error, &call.request_id)),
    }
}
