//! The sockets of a server: the public one, and the control socket beside the database.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;

use super::{StartError, control_socket};
use crate::config::Policy;
use crate::config::policy::Listen;
use crate::config::upstream::LONGEST_SOCKET;
use crate::domain::time::Timestamp;
use crate::http::server::{Listener, serve};
use crate::http::{Current, mailer, sender};
use crate::service::{Services, Serving, expiring};
use crate::store::side;

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

    /// Tells the services where they are reached, from now on.
    pub fn introduce(&self, services: &Services) {
        services.serving.get_or_init(|| Serving { address: self.address.clone(), since: Timestamp::now() });
    }

    /// Serves until told to stop.
    pub async fn run(self, current: &Arc<Current>, shutdown: watch::Receiver<bool>) {
        self.introduce(&current.services());
        let lookout = current.clone();
        let helpers = [
            tokio::spawn(sender::run(current.clone(), shutdown.clone())),
            tokio::spawn(mailer::run(current.clone(), shutdown.clone())),
            tokio::spawn(expiring::watch(move || lookout.services(), shutdown.clone())),
        ];
        let control = tokio::spawn(serve(current.clone(), self.control, shutdown.clone()));
        if let Some(public) = self.public {
            serve(current.clone(), public, shutdown).await;
        }
        if control.await.is_err() {
            tracing::error!("the control socket ended in a panic");
        }
        for helper in helpers {
            if helper.await.is_err() {
                tracing::error!("what sends webhooks or mails, or looks for what to tell, ended in a panic");
            }
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
        let nursery = side::beside(path, ".new");
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
pub(super) fn short(path: &Path) -> std::io::Result<(PathBuf, Option<std::fs::File>)> {
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
