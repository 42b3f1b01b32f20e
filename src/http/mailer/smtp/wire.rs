//! A connection to a mail server that is read line by line, and no further than a bound. What somebody on the way slips in behind
//! the answer to STARTTLS is so read by TLS, which refuses it, and never taken for what the server said (RFC 3207, 6).

use std::collections::VecDeque;
use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::tls::Stream;

/// How much a server may say in all.
const MOST_HEARD: usize = 256 * 1024;

/// How much is taken from a connection at once.
const PIECE: usize = 4096;

/// A connection, what came over it and was not handed on yet, and how much may still come.
pub struct Wire {
    stream: Box<dyn Stream>,
    held: VecDeque<u8>,
    left: usize,
}

impl Wire {
    /// Over a connection on which nothing was said yet.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, held: VecDeque::new(), left: MOST_HEARD }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire(…)")
    }
}

impl AsyncTokioStream for Wire {
    /// Nobody asks.
    fn peer_addr(&self) -> Result<SocketAddr> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.held.is_empty() {
            if self.left == 0 {
                return Poll::Ready(Err(Error::other("it says more than is read")));
            }
            let mut piece = [0; PIECE];
            let room = PIECE.min(self.left);
            let mut part = ReadBuf::new(&mut piece[..room]);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
            self.left -= part.filled().len();
            self.held.extend(part.filled());
        }
        let line = self.held.iter().position(|byte| *byte == b'\n').map_or(self.held.len(), |end| end + 1);
        let handed: Vec<u8> = self.held.drain(..line.min(into.remaining())).collect();
        into.put_slice(&handed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn no_more_than_a_line_is_handed_on_at_once() {
        let (mut server, client) = tokio::io::duplex(1024);
        server.write_all(b"220 go\r\n250 slipped in\r\nrest").await.unwrap();
        drop(server);
        let mut wire = Wire::new(Box::new(client));
        let mut pieces = Vec::new();
        loop {
            let mut into = [0; 64];
            let read = wire.read(&mut into).await.unwrap();
            if read == 0 {
                break;
            }
            pieces.push(String::from_utf8_lossy(&into[..read]).into_owned());
        }
        assert_eq!(pieces, ["220 go\r\n", "250 slipped in\r\n", "rest"]);
    }

    #[tokio::test]
    async fn a_server_that_never_ends_is_not_heard_out() {
        let (mut server, client) = tokio::io::duplex(PIECE);
        let talking = tokio::spawn(async move { while server.write_all(&[b'x'; PIECE]).await.is_ok() {} });
        let mut heard = Vec::new();
        let fault = Wire::new(Box::new(client)).read_to_end(&mut heard).await.unwrap_err();
        assert_eq!((heard.len(), fault.to_string().as_str()), (MOST_HEARD, "it says more than is read"));
        talking.await.unwrap();
    }
}
