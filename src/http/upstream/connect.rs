//! Connections to the app: over TCP or a Unix socket, each knowing how many answers came over it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use crate::config::upstream::Target;

/// How many answers came over a connection.
#[derive(Clone, Debug, Default)]
pub struct Served(Arc<AtomicU64>);

impl Served {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether any did: then it was kept from an earlier request.
    pub fn is_reused(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
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
}

impl Service<Uri> for Connector {
    type Response = AppStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<AppStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { target, patience, write_patience } = self.clone();
        Box::pin(async move {
            let too_slow = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", patience.as_secs()));
            let socket = tokio::time::timeout(patience, connect(&target)).await.map_err(|_| too_slow())??;
            let mut stream = TimeoutStream::new(socket);
            stream.set_write_timeout(Some(write_patience));
            Ok(AppStream { io: TokioIo::new(Box::pin(stream)), served: Served::default() })
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
        Target::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A socket that is given up where nothing can be written to it.
type Timed = Pin<Box<TimeoutStream<Box<dyn Socket>>>>;

/// A connection to the app.
pub struct AppStream {
    io: TokioIo<Timed>,
    served: Served,
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
