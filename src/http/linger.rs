//! A body that nobody reads to its end is read on for a while: a client that is still sending would not see the answer that was
//! given meanwhile (RFC 9112, 9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::request::BodyFault;

/// How much is read on, and for how long.
const MOST: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// A request's body as it comes over the wire.
pub struct Lingering {
    body: Option<Incoming>,
    /// Whoever waits for `100 Continue` has sent nothing yet.
    lingers: bool,
}

impl Lingering {
    /// `expects`: the client waits to be told to go on.
    pub fn new(body: Incoming, expects: bool) -> Self {
        Self { body: Some(body), lingers: !expects }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        match &polled {
            // There is nothing more to read.
            Poll::Ready(None | Some(Err(_))) => self.body = None,
            // Once it was asked for, it is on its way.
            _ => self.lingers = true,
        }
        polled.map_err(|error| BodyFault(error.to_string()))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| self.lingers && !body.is_end_stream()) {
            tokio::spawn(tokio::time::timeout(PATIENCE, read_on(body)));
        }
    }
}

async fn read_on(mut body: Incoming) {
    let mut left = MOST;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        if left == 0 {
            return;
        }
    }
}
