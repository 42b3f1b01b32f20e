//! Wires it all: the database under its lock, the services, the sockets, the clockwork, and the way down.

mod clockwork;
mod reload;
mod sockets;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::config::Policy;
use crate::domain::error::Error;
use crate::domain::time::Timestamp;
use crate::http::{Current, Front};
use crate::service::Services;
use crate::service::import::Mover;
use crate::service::sign_in::SignIn;
use crate::service::sign_in::secret::ServerSecret;
use crate::store::Store;
use crate::store::lock::{self, Lock};
use crate::store::side;
pub use reload::{NotTaken, Reloader};
pub use sockets::Sockets;

/// How long to wait for another process to let go of the database.
const LOCK_PATIENCE: Duration = Duration::from_secs(8);
const LOCK_RETRY: Duration = Duration::from_millis(25);

/// Why tollgate could not start: one clear sentence.
#[derive(Debug)]
pub struct StartError(pub String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Where the command line reaches a running server.
pub fn control_socket(database: &Path) -> PathBuf {
    side::beside(database, side::SOCKET)
}

/// Connects to a running server, if there is one; that this user may not is no sign that there is none.
pub async fn connect(database: &Path) -> Result<Option<UnixStream>, StartError> {
    let socket = control_socket(database);
    let Ok((path, _directory)) = sockets::short(&socket) else { return Ok(None) };
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(StartError(format!("this user may not open {}: run this as the user who serves, or as root", socket.display())))
        }
        connected => Ok(connected.ok()),
    }
}

/// What [`App::claim`] found.
pub enum Claim {
    /// Nobody serves the database: it is ours.
    Ours(Lock),
    /// A server does.
    Served(UnixStream),
}

/// Everything that is open while tollgate works on a database.
pub struct App {
    /// What answers requests, under the configuration in force.
    pub current: Arc<Current>,
    clockwork: JoinHandle<()>,
    /// One that was cut off, until somebody goes on with it.
    import: Option<Box<Mover>>,
}

/// Without a [`App::close`] nothing is saved, and nothing goes on either.
impl Drop for App {
    fn drop(&mut self) {
        self.clockwork.abort();
    }
}

impl App {
    /// Takes the database, or finds the server that has it. Another command line lets go of it within moments.
    pub async fn claim(database: &Path) -> Result<Claim, StartError> {
        let failed = |what: String| StartError(format!("the database {} cannot be used: {what}", database.display()));
        let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
        loop {
            if let Some(stream) = connect(database).await? {
                return Ok(Claim::Served(stream));
            }
            match lock::take(database) {
                Ok(Some(lock)) => return Ok(Claim::Ours(lock)),
                Ok(None) if tokio::time::Instant::now() < deadline => tokio::time::sleep(LOCK_RETRY).await,
                Ok(None) => return Err(failed("another tollgate has it and does not answer; stop that one first".into())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(failed("its folder does not exist: make it, or name another file in [server] database".into()));
                }
                Err(error) => return Err(failed(format!("its lock file {}.lock cannot be made: {error}", database.display()))),
            }
        }
    }

    /// Opens the database that was claimed, or makes it.
    pub async fn open(policy: Arc<Policy>, lock: Lock) -> Result<Self, StartError> {
        let store = Arc::new(Store::open(&policy.server.database).map_err(|error| StartError(error.to_string()))?);
        let services = Arc::new(open_services(policy, store, lock).map_err(StartError)?);
        services.mirror_plans().await.map_err(|error| StartError(error.to_string()))?;
        let import = services.unfinished_import().unwrap_or_else(|error| {
            let file = side::beside(&services.policy.server.database, side::IMPORT);
            tracing::error!("an import that was cut off cannot go on: {error} Move {} away to give it up", file.display());
            None
        });
        let current = Arc::new(Current::new(Front::new(services)));
        let clockwork = tokio::spawn(clockwork::run(current.clone()));
        Ok(Self { current, clockwork, import: import.map(Box::new) })
    }

    /// Goes on with an import that was cut off, beside all else.
    pub fn go_on_with_import(&mut self) {
        if let Some(import) = self.import.take() {
            std::thread::spawn(|| import.persist());
        }
    }

    /// Learns how long imported password hashes take, before anybody signs in.
    pub fn prepare_passwords(&self) {
        let services = self.current.services();
        tokio::spawn(async move { services.prepare_passwords().await });
    }

    /// Finishes an import that was cut off, or says why that cannot be done now.
    pub async fn finish_import(&mut self) -> Result<(), String> {
        let Some(import) = self.import.take() else { return Ok(()) };
        let finished = tokio::task::spawn_blocking(|| import.finish()).await;
        finished.unwrap_or_else(|error| Err(Error::Internal(error.to_string()))).map_err(|error| error.to_string())
    }

    /// Saves everything, gives open leases back and closes the database.
    pub async fn close(mut self) {
        let services = self.current.services();
        services.refuse_all();
        self.clockwork.abort();
        // What it was just doing is done, or was never begun.
        let _ = (&mut self.clockwork).await;
        let closing = tokio::task::spawn_blocking(move || services.close(Timestamp::now()));
        if closing.await.is_err() {
            tracing::error!("closing the database ended in a panic");
        }
    }
}

/// The services, with the secret of sign-in, which is made where there is none yet.
fn open_services(policy: Arc<Policy>, store: Arc<Store>, lock: Lock) -> Result<Services, String> {
    let file = side::beside(&policy.server.database, side::SECRET);
    let own = if policy.sign_in.enabled { ServerSecret::at(&file)? } else { ServerSecret::fleeting() };
    let sign_in = SignIn::new(&policy, own).map_err(|error| error.to_string())?;
    Ok(Services::new(policy, store, lock, sign_in))
}
