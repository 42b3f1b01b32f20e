//! A connection that was switched to another protocol: bytes both ways, until both sides have ended or neither says anything.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::progress::Progress;
use crate::http::server::Place;
use crate::http::strict::TunnelSwitch;

/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// What it takes to switch a client's connection.
pub struct Switch {
    /// To what it would.
    pub asked: HeaderValue,
    client: OnUpgrade,
    /// Tells the strict reading of it.
    unread: Option<TunnelSwitch>,
    /// It takes up the place of the connection that it was.
    place: Option<Place>,
}

impl Switch {
    /// Takes it out of a request, where that asks for it; what else lies in its extensions concerns its own connection.
    pub fn of(asked: Option<HeaderValue>, parts: &mut Parts) -> Option<Self> {
        let client = parts.extensions.remove::<OnUpgrade>();
        let (unread, place) = (parts.extensions.remove(), parts.extensions.remove());
        parts.extensions.clear();
        Some(Self { asked: asked?, client: client?, unread, place })
    }

    /// From here on both sides say what they want to.
    pub fn open(self, app: OnUpgrade, patience: Duration, request_id: String) {
        if let Some(unread) = self.unread {
            unread.set();
        }
        let (client, place) = (self.client, self.place);
        tokio::spawn(async move {
            match tokio::try_join!(client, app) {
                Ok((client, app)) => match converse(client, app, patience).await {
                    Ok(()) => tracing::debug!(request_id, "a switched connection ended"),
                    Err(error) => tracing::debug!(request_id, "a switched connection broke: {error}"),
                },
                Err(error) => tracing::warn!(request_id, "a connection was not switched after all: {error}"),
            }
            drop(place);
        });
    }
}

async fn converse(client: Upgraded, app: Upgraded, patience: Duration) -> io::Result<()> {
    let progress = Arc::new(Progress::new());
    let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
    let (mut from_app, mut to_app) = tokio::io::split(TokioIo::new(app));
    let both = async { tokio::try_join!(pump(&mut from_client, &mut to_app, &progress), pump(&mut from_app, &mut to_client, &progress)) };
    tokio::select! {
        ended = both => ended.map(|_| ()),
        () = progress.silence(patience) => Err(io::Error::new(io::ErrorKind::TimedOut, "neither side said anything")),
    }
}

/// One direction. Its end is passed on, too.
async fn pump(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), progress: &Progress) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        progress.note();
        to.write_all(&piece[..read]).await?;
        to.flush().await?;
    }
}
