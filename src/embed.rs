//! The gate inside somebody's own server: no HTTP hop, the same checks, the same answers.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{App, Claim, NotTaken, Reloader, Sockets, StartError};
use crate::config::{Fault, Policy, source};
use crate::domain::decision::Decision;
use crate::domain::time::Timestamp;
use crate::http::peer::Peer;
use crate::http::{Current, ask_about, note, response};
use crate::service::ask::Mode;

pub use crate::http::request::BodyFault;
pub use crate::http::response::ResponseBody;

/// Why a gate could not be opened: one line for each fault of the configuration, or what is wrong with the database.
#[derive(Debug)]
pub struct OpenError(String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

impl From<StartError> for OpenError {
    fn from(error: StartError) -> Self {
        Self(error.0)
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It passes, and was charged.
    Pass(Pass),
    /// It does not: this is what the caller is told, whole.
    Refusal(Response<Bytes>),
}

/// Who passed. On an open path without a credential all of it is empty.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pass {
    /// `req_…`, for the log and the answer's `X-Request-Id`, which `headers` hold already.
    pub request_id: String,
    /// `acc_…`.
    pub account: String,
    /// `key_…`.
    pub key: String,
    /// The plan, by its name.
    pub plan: String,
    /// What the key may do: `*`, `reports:*`, `reports:read`.
    pub scopes: Vec<String>,
    /// What the style puts on the answer: the limits, as a rule.
    pub headers: HeaderMap,
    /// `X-Auth-*`, as an app behind a proxy would get them.
    pub identity: HeaderMap,
}

/// The gate of one `auth.toml`, open on its database. Clones are the same gate.
///
/// While it is open the command line reaches it, as it reaches a server: `tollgate key revoke` holds from the next
/// [`Gate::check`] on. There is one gate, or one server, a database.
#[derive(Clone)]
pub struct Gate {
    current: Arc<Current>,
    reloader: Arc<Reloader>,
    running: Arc<Mutex<Option<Running>>>,
}

/// What is to be closed.
struct Running {
    app: Option<App>,
    control: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody listens any more only where it has ended by itself.
        let _ = self.stop.send(true);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// Opens the gate of a configuration; without one, of `auth.toml` where there is one, else of the defaults. What it says of
    /// `[server] listen` does not matter here: no port is opened.
    ///
    /// Must be called on a Tokio runtime that goes on as long as the gate is used.
    pub async fn open(config: Option<&Path>) -> Result<Self, OpenError> {
        let file = source::file(config);
        let policy = Arc::new(Policy::load(file.as_deref()).map_err(told)?);
        let database = &policy.server.database;
        let lock = match App::claim(database).await? {
            Claim::Ours(lock) => lock,
            Claim::Served(_) => return Err(OpenError(format!("another gate or server has the database {}", database.display()))),
        };
        let mut app = App::open(policy.clone(), lock).await?;
        let sockets = match Sockets::bind_control(&policy) {
            Ok(sockets) => sockets,
            Err(error) => {
                app.close().await;
                return Err(error.into());
            }
        };
        app.go_on_with_import();
        let (current, (stop, stopping)) = (app.current.clone(), watch::channel(false));
        let control = tokio::spawn({
            let current = current.clone();
            async move { sockets.run(&current, stopping).await }
        });
        let reloader = Arc::new(Reloader::new(current.clone(), file));
        Ok(Self { current, reloader, running: Arc::new(Mutex::new(Some(Running { app: Some(app), control: Some(control), stop }))) })
    }

    /// Takes its configuration anew, whole, or keeps the one in force and says why. A check under way ends under the one that it
    /// began under; the next one is under the new one.
    pub async fn reload(&self) -> Result<(), OpenError> {
        self.reloader.reload().await.map_err(|reason| match reason {
            NotTaken::Faults(faults) => told(faults),
            NotTaken::Failed(reason) => OpenError(reason),
        })
    }

    /// Checks and charges one request: its head alone is read. `peer` is who sent it, `None` where it came over a Unix socket; what
    /// it says in `X-Forwarded-*` counts where `[server] trusted_proxies` says so.
    pub async fn check<B>(&self, request: &Request<B>, peer: Option<SocketAddr>) -> Outcome {
        let now = Timestamp::now();
        let services = &self.current.services();
        let request_id = crate::http::request::request_id(peer_of(peer), request.headers(), services, now);
        let ask = ask_about(
            request.method(),
            (request.uri().path(), request.uri().query()),
            request.headers(),
            peer_of(peer),
            services,
            &request_id,
            Mode::Charge,
        );
        let decision = note::about(request_id.clone(), None, services.decide(&ask, now)).await;
        let answer = services.policy.style.answer(&decision, &request_id);
        if !decision.verdict.passes() {
            let mut refusal = Response::new(answer.body);
            (*refusal.status_mut(), *refusal.headers_mut()) = (answer.status, answer.headers);
            response::keep_from_caches(refusal.headers_mut());
            response::name(&request_id, refusal.headers_mut());
            return Outcome::Refusal(refusal);
        }
        Outcome::Pass(pass(&decision, request_id, answer.headers))
    }

    /// Whether a path is one of tollgate's own: `/auth/v1/me`, the admin API, and whatever else lies under `[server] prefix`.
    pub fn owns(&self, path: &str) -> bool {
        crate::http::owns(&self.current.services(), path)
    }

    /// Answers a request as the server would: tollgate's own paths, and every other path as the gate, which passes it on where
    /// `[upstream]` names an app. Before this the server's own connections read strictly; here that is for the server around it to do.
    pub async fn handle<B>(&self, request: Request<B>, peer: Option<SocketAddr>) -> Response<ResponseBody>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: fmt::Display,
    {
        let request = request.map(|body| body.map_err(|error| BodyFault(error.to_string())).boxed());
        crate::http::handle(&self.current.front(), request, peer_of(peer)).await
    }

    /// Saves what was counted, gives open leases back and closes the database. Whoever still asks is refused with
    /// `unavailable`. A process that ends without this loses what a crash would: a second of statistics, and open leases.
    pub async fn close(self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((Some(app), Some(control))) = running.map(|mut running| (running.app.take(), running.control.take())) else { return };
        self.current.services().refuse_all();
        if control.await.is_err() {
            tracing::error!("the control socket ended in a panic");
        }
        app.close().await;
    }
}

/// One line for each fault.
fn told(faults: Vec<Fault>) -> OpenError {
    OpenError(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn peer_of(address: Option<SocketAddr>) -> Peer {
    address.map_or(Peer::Unix, Peer::Tcp)
}

fn pass(decision: &Decision, request_id: String, mut headers: HeaderMap) -> Pass {
    let mut identity = HeaderMap::new();
    response::identity(decision, &mut identity);
    response::name(&request_id, &mut headers);
    let caller = decision.caller.as_deref();
    let key = caller.and_then(|caller| caller.key.as_ref());
    let account = caller.and_then(|caller| caller.account.as_ref());
    Pass {
        request_id,
        account: account.map(|account| account.id.clone()).unwrap_or_default(),
        key: key.map(|key| key.id.clone()).unwrap_or_default(),
        plan: caller.map(|caller| caller.plan.name.clone()).unwrap_or_default(),
        scopes: key.map(|key| key.scopes.clone()).unwrap_or_default(),
        headers,
        identity,
    }
}
