//! Connections to the app: over TCP or a Unix socket, each knowing what came over it.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use super::outcome::Figures;
use crate::config::upstream::Target;
use crate::measure::Present;

/// How soon a full backlog is tried again.
const BACKLOG_RETRY: Duration = Duration::from_millis(5);

/// What is known of a connection.
#[derive(Clone, Debug)]
pub struct Served(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    made: Instant,
    /// Whether anything came since something was last written.
    is_heard: AtomicBool,
}

impl Served {
    fn new() -> Self {
        Self(Arc::new(Facts { made: Instant::now(), is_heard: AtomicBool::new(false) }))
    }

    /// Whether it was there before a request began, and to that one nothing was said.
    pub fn was_dead(&self, began: Instant) -> bool {
        self.0.made < began && !self.0.is_heard.load(Ordering::Relaxed)
    }

    fn hear(&self, heard: bool) {
        self.0.is_heard.store(heard, Ordering::Relaxed);
    }
}

/// Makes connections to the app, whatever address the request names.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Where the app is.
    pub target: Arc<Target>,
    /// How long connecting may take.
    pub patience: Duration,
    /// How long the app may take to read what was written.
    pub write_patience: Duration,
    /// Where connections are counted.
    pub figures: Arc<Figures>,
}

impl Service<Uri> for Connector {
    type Response = AppStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<AppStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { target, patience, write_patience, figures } = self.clone();
        Box::pin(async move {
            let too_slow = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", patience.as_secs()));
            let socket = tokio::time::timeout(patience, connect(&target)).await.map_err(|_| too_slow())??;
            let served = Served::new();
            let mut stream = TimeoutStream::new(Listening { socket, served: served.clone() });
            stream.set_write_timeout(Some(write_patience));
            Ok(AppStream { io: TokioIo::new(Box::pin(stream)), served, _present: figures.connections.join() })
        })
    }
}

async fn connect(target: &Target) -> io::Result<Box<dyn Socket>> {
    Ok(match target {
        Target::Tcp(authority) => {
            let stream = TcpStream::connect((authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80))).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Target::Unix(path) => Box::new(connect_unix(path).await?),
    })
}

/// A full backlog of a Unix socket says so at once, where TCP would wait.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(BACKLOG_RETRY).await,
            connected => return connected,
        }
    }
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A socket that notes whether anything came.
struct Listening {
    socket: Box<dyn Socket>,
    served: Served,
}

impl AsyncRead for Listening {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.served.hear(true);
        }
        read
    }
}

impl AsyncWrite for Listening {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.served.hear(false);
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.served.hear(false);
        Pin::new(&mut self.socket).poll_write_vectored(context, pieces)
    }
}

/// A socket that is given up where nothing can be written to it.
type Timed = Pin<Box<TimeoutStream<Listening>>>;

/// A connection to the app.
pub struct AppStream {
    io: TokioIo<Timed>,
    served: Served,
    _present: Present,
}

impl Connection for AppStream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.served.clone())
    }
}

impl Read for AppStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for AppStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, pieces)
    }
}
