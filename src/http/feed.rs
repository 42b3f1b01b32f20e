//! A body that is made while it is sent: its pieces go through a short channel, so that a large one needs no more memory than a
//! small one. Where it is not made to its end, the connection is cut, and nobody takes it for whole.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use super::request::BodyFault;

/// How much is sent at once where there is much: so much, a few times, waits for a slow reader.
const PIECE: usize = 64 * 1024;

/// How many pieces wait for whoever reads.
const AHEAD: usize = 8;

/// Whoever should read has gone.
#[derive(Debug)]
pub struct Gone;

/// The end that makes the body. Dropped without [`Feed::end`], it breaks the body off.
#[derive(Debug)]
pub struct Feed {
    pieces: mpsc::Sender<Bytes>,
    is_whole: Arc<AtomicBool>,
}

/// The end that is sent.
#[derive(Debug)]
pub struct Fed {
    pieces: mpsc::Receiver<Bytes>,
    is_whole: Arc<AtomicBool>,
}

/// A body, and what makes it.
pub fn feed() -> (Feed, Fed) {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let is_whole = Arc::new(AtomicBool::new(false));
    (Feed { pieces: sender, is_whole: is_whole.clone() }, Fed { pieces, is_whole })
}

impl Feed {
    /// Adds a piece; waits where nobody has read the last ones yet.
    pub async fn send(&self, piece: impl Into<Bytes>) -> Result<(), Gone> {
        self.pieces.send(piece.into()).await.map_err(|_| Gone)
    }

    /// Adds what may be long, piece by piece.
    pub async fn send_all(&self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        let mut left = bytes.into();
        while !left.is_empty() {
            self.send(left.split_to(PIECE.min(left.len()))).await?;
        }
        Ok(())
    }

    /// The same, on a thread that may wait.
    pub fn send_blocking(&self, piece: impl Into<Bytes>) -> Result<(), Gone> {
        self.pieces.blocking_send(piece.into()).map_err(|_| Gone)
    }

    /// Adds a piece where there is room for it: what may be left out must hold nobody up.
    pub fn offer(&self, piece: impl Into<Bytes>) {
        // Whoever reads too slowly misses it.
        let _ = self.pieces.try_send(piece.into());
    }

    /// That was all of it.
    pub fn end(self) {
        self.is_whole.store(true, Ordering::Release);
    }
}

impl Fed {
    /// To be read on a thread that may wait. An end that is not the proper one is an error.
    pub fn into_reader(self) -> Reader {
        Reader { fed: self, piece: Bytes::new() }
    }
}

/// Reads a body on a thread that may wait.
#[derive(Debug)]
pub struct Reader {
    fed: Fed,
    piece: Bytes,
}

impl std::io::Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.fed.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None if self.fed.is_whole.load(Ordering::Acquire) => return Ok(0),
                None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = into.len().min(self.piece.len());
        into[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        Poll::Ready(match ready!(self.pieces.poll_recv(context)) {
            Some(piece) => Some(Ok(Frame::data(piece))),
            // The end is said before the channel closes.
            None if self.is_whole.load(Ordering::Acquire) => None,
            None => Some(Err(BodyFault("it was not made to its end".into()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_was_not_ended_is_not_whole() {
        for whole in [true, false] {
            let (feed, fed) = feed();
            feed.send("a").await.unwrap();
            if whole {
                feed.end();
            } else {
                drop(feed);
            }
            assert_eq!(fed.collect().await.is_ok(), whole);
        }
    }

    #[tokio::test]
    async fn whoever_makes_it_is_told_that_nobody_reads() {
        let (feed, fed) = feed();
        drop(fed);
        assert!(feed.send("a").await.is_err());
    }
}
