//! The socket that hyper reads from: what was read strictly comes through as it is, and nothing after a refusal.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::reading::{Place, Reading, Refusal};
use super::reason::Reason;
use crate::http::peer::Peer;

/// What hyper answers with 400, wherever in a head it comes. It looks again only where a head ends, so this ends one.
const UNREADABLE: &[u8] = b"\0\r\n\r\n";

/// Says that a connection speaks another protocol from now on. Set it before the 101 is answered: after that, bytes pass unread.
#[derive(Clone, Debug, Default)]
pub struct TunnelSwitch(Arc<AtomicBool>);

impl TunnelSwitch {
    /// From now on, bytes pass unread.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A socket whose bytes are read strictly before hyper reads them.
pub struct Strict<S> {
    stream: S,
    peer: Peer,
    reading: Reading,
    switch: TunnelSwitch,
    flow: Flow,
}

/// What hyper gets to read.
#[derive(Clone, Copy, Debug)]
enum Flow {
    /// What comes.
    Open,
    /// This, and then the end.
    Last(&'static [u8]),
    /// A line without an end, until hyper has had enough and answers 431.
    Endless,
    /// An error.
    Broken(Reason),
}

impl Flow {
    fn after(refusal: Refusal) -> Self {
        match (refusal.place, refusal.reason) {
            (Place::Body, reason) => Self::Broken(reason),
            (Place::Head, Reason::TooLarge) => Self::Endless,
            (Place::Head, _) => Self::Last(UNREADABLE),
        }
    }
}

impl<S> Strict<S> {
    /// Wraps a new connection's socket; a head may have so many bytes.
    pub fn new(stream: S, peer: Peer, max_header_bytes: usize) -> Self {
        Self { stream, peer, reading: Reading::new(max_header_bytes), switch: TunnelSwitch::default(), flow: Flow::Open }
    }

    /// What tells this connection that it is a tunnel now.
    pub fn tunnel_switch(&self) -> TunnelSwitch {
        self.switch.clone()
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    fn read_on(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if self.switch.is_set() {
            return Poll::Ready(Ok(()));
        }
        if let Err(refusal) = self.reading.feed(&buffer.filled()[before..]) {
            tracing::debug!("a connection was refused: {} (of {}, after {} requests)", refusal.reason, self.peer, self.reading.requests());
            self.flow = Flow::after(refusal);
            buffer.set_filled(before + refusal.sound);
            if refusal.sound == 0 {
                return Poll::Ready(self.read_last(buffer));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What there is to read after a refusal.
    fn read_last(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        match &mut self.flow {
            Flow::Open => {}
            Flow::Last(bytes) => {
                let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
                buffer.put_slice(now);
                *bytes = later;
            }
            Flow::Endless => {
                let room = buffer.initialize_unfilled();
                room.fill(b'x');
                let length = room.len();
                buffer.advance(length);
            }
            Flow::Broken(reason) => return Err(io::Error::new(io::ErrorKind::InvalidData, *reason)),
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.flow {
            Flow::Open => self.read_on(cx, buffer),
            _ => Poll::Ready(self.read_last(buffer)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
