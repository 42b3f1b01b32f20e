//! Wires it all: the database under its lock, the services, the sockets, the clockwork, and the way down.

use std::fmt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Policy;
use crate::config::policy::Listen;
use crate::config::upstream::LONGEST_SOCKET;
use crate::domain::error::Error;
use crate::domain::time::Timestamp;
use crate::http::Front;
use crate::http::server::{Listener, serve};
use crate::service::{Services, Serving};
use crate::store::Store;
use crate::store::lock::{self, Lock};

/// How often what was counted is saved: with the commit it must stay within a second.
const FLUSH_EVERY: Duration = Duration::from_millis(250);
/// How often idle subjects are put away.
const PUT_AWAY_EVERY: Duration = Duration::from_secs(5);
/// How often the database is tidied.
const TIDY_EVERY: Duration = Duration::from_secs(30);

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
    lock::beside(database, "sock")
}

/// Connects to a running server, if there is one.
pub async fn connect(database: &Path) -> Option<UnixStream> {
    let (path, _directory) = short(&control_socket(database)).ok()?;
    UnixStream::connect(path).await.ok()
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
    /// What there is to work with.
    pub services: Arc<Services>,
    /// What answers requests.
    pub front: Arc<Front>,
    clockwork: JoinHandle<()>,
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
            if let Some(stream) = connect(database).await {
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
        let services = Arc::new(Services::new(policy, store, lock));
        services.mirror_plans().await.map_err(|error| StartError(error.to_string()))?;
        let unfinished = services.clone();
        let finished = tokio::task::spawn_blocking(move || unfinished.finish_import()).await;
        finished
            .unwrap_or_else(|error| Err(Error::Internal(error.to_string())))
            .map_err(|error| StartError(format!("an import that was cut off cannot be finished: {error}")))?;
        let clockwork = tokio::spawn(run_clockwork(services.clone()));
        let front = Arc::new(Front::new(services.clone()));
        Ok(Self { services, front, clockwork })
    }

    /// Saves everything, gives open leases back and closes the database.
    pub async fn close(mut self) {
        self.services.refuse_all();
        self.clockwork.abort();
        // What it was just doing is done, or was never begun.
        let _ = (&mut self.clockwork).await;
        let services = self.services.clone();
        let closing = tokio::task::spawn_blocking(move || services.close(Timestamp::now()));
        if closing.await.is_err() {
            tracing::error!("closing the database ended in a panic");
        }
    }
}

/// Flushes, puts away and tidies, for as long as the program runs.
async fn run_clockwork(services: Arc<Services>) {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut put_away = tokio::time::interval(PUT_AWAY_EVERY);
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut ageing = std::pin::pin!(services.age_usage());
    loop {
        tokio::select! {
            () = &mut ageing => {}
            _ = flush.tick() => services.meter.flush(Timestamp::now()),
            _ = put_away.tick() => services.meter.put_away_idle(Timestamp::now()),
            _ = tidy.tick() => {
                if let Err(error) = services.tidy(Timestamp::now()).await {
                    tracing::warn!("the database could not be tidied: {error}");
                }
            }
        }
    }
}

/// The sockets of a server.
pub struct Sockets {
    public: Option<Listener>,
    control: Listener,
    /// Where clients reach it: `http://127.0.0.1:8080`, or `unix:PATH`; empty where only the command line does.
    pub address: String,
    files: Files,
}

/// Socket files, taken away at the end, also where the start failed half-way.
#[derive(Default)]
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for file in &self.0 {
            // The control socket is gone already where the server was stopped.
            if file.exists()
                && let Err(error) = std::fs::remove_file(file)
            {
                tracing::warn!("{} could not be taken away: {error}", file.display());
            }
        }
    }
}

impl Sockets {
    /// Binds what the config asks for, and the control socket beside the database.
    pub async fn bind(policy: &Policy) -> Result<Self, StartError> {
        let mut sockets = Self::bind_control(policy)?;
        let (public, address) = match &policy.server.listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?;
                let bound = listener.local_addr().map_err(|error| cannot_listen(address, &error))?;
                (Listener::Tcp(listener), format!("http://{bound}"))
            }
            Listen::Unix(path) => {
                check_free(path).await?;
                let listener = Listener::Unix(bind_unix(path, policy.server.socket_mode)?);
                sockets.files.0.push(path.clone());
                (listener, format!("unix:{}", path.display()))
            }
        };
        (sockets.public, sockets.address) = (Some(public), address);
        Ok(sockets)
    }

    /// Binds the control socket beside the database, and nothing else.
    pub fn bind_control(policy: &Policy) -> Result<Self, StartError> {
        let mut files = Files::default();
        let control_path = control_socket(&policy.server.database);
        let socket = bind_unix(&control_path, 0o600)?;
        files.0.push(control_path.clone());
        let cannot_read = |error| StartError(format!("the control socket {} cannot be read: {error}", control_path.display()));
        let owner = std::fs::metadata(&control_path).map_err(cannot_read)?.uid();
        let control = Listener::Control { socket, owner, path: control_path };
        Ok(Self { public: None, control, address: String::new(), files })
    }

    /// Serves until told to stop.
    pub async fn run(self, front: &Arc<Front>, shutdown: watch::Receiver<bool>) {
        let serving = Serving { address: self.address.clone(), since: Timestamp::now() };
        front.services.serving.get_or_init(|| serving);
        let control = tokio::spawn(serve(front.clone(), self.control, shutdown.clone()));
        if let Some(public) = self.public {
            serve(front.clone(), public, shutdown).await;
        }
        if control.await.is_err() {
            tracing::error!("the control socket ended in a panic");
        }
        drop(self.files);
    }
}

/// A public socket replaces one that nobody listens on any more, and nothing else.
async fn check_free(path: &Path) -> Result<(), StartError> {
    let taken = |what: &str| StartError(format!("cannot listen on {}: {what}; name another path in [server] listen", path.display()));
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(taken("there is a file that is no socket")),
        Ok(_) => {
            let (connectable, _directory) = short(path).map_err(|error| taken(&error.to_string()))?;
            if UnixStream::connect(connectable).await.is_ok() { Err(taken("another program listens there")) } else { Ok(()) }
        }
    }
}

fn cannot_listen(address: &str, error: &std::io::Error) -> StartError {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another program listens there; stop it, or set [server] listen",
        std::io::ErrorKind::PermissionDenied => "this user may not; ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "check [server] listen",
    };
    StartError(format!("cannot listen on {address}: {hint} ({error})"))
}

/// Binds a socket with its permissions in place from the start: made in a folder that only we can enter, then moved.
fn bind_unix(path: &Path, mode: u32) -> Result<UnixListener, StartError> {
    let bind = || -> std::io::Result<UnixListener> {
        let nursery = lock::beside(path, "new");
        if nursery.exists() {
            std::fs::remove_dir_all(&nursery)?;
        }
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&nursery)?;
        let inside = nursery.join("s");
        let (bindable, _directory) = short(&inside)?;
        let socket = UnixListener::bind(bindable)?;
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(mode))?;
        // A socket that a killed server left behind is replaced.
        std::fs::rename(&inside, path)?;
        std::fs::remove_dir(&nursery)?;
        Ok(socket)
    };
    bind().map_err(|error| StartError(format!("cannot listen on {}: {error}", path.display())))
}

/// A path that fits into a socket's address: a long one by way of its opened folder.
fn short(path: &Path) -> std::io::Result<(PathBuf, Option<std::fs::File>)> {
    use std::os::fd::AsRawFd;
    if path.as_os_str().len() <= LONGEST_SOCKET {
        return Ok((path.into(), None));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = std::fs::File::open(parent)?;
    let mut by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    by_descriptor.extend(path.file_name());
    Ok((by_descriptor, Some(directory)))
}
