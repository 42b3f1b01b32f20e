//! The body of the app's answer on its way to the client: passed on as it comes, and never waited for without end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::watch;

use super::patience::Patience;
use super::upload::Wanted;
use crate::http::request::BodyFault;
use crate::http::strict::is_never_trailer;

/// A body that is passed on.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    patience: Patience,
    request_id: String,
    /// Held by a request whose body the app never asked for: it is let go of with this answer.
    expectation: Option<watch::Sender<Wanted>>,
    has_ended: bool,
}

impl Download {
    /// With at most `patience` between two pieces.
    pub fn new(body: Incoming, patience: Duration, request_id: String, expectation: Option<watch::Sender<Wanted>>) -> Self {
        Self { body, patience: Patience::new(patience), request_id, expectation, has_ended: false }
    }

    /// The client's connection is cut, so that it sees that something is missing.
    fn broken(&mut self, why: String) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.has_ended = true;
        tracing::error!(request_id = self.request_id, "the app's answer ended early: {why}");
        Poll::Ready(Some(Err(BodyFault(why))))
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            tracing::info!(request_id = self.request_id, "the client left before the end of the answer");
        }
        if let Some(say) = &self.expectation {
            say.send_if_modified(|wanted| *wanted == Wanted::Unsaid && std::mem::replace(wanted, Wanted::No) == Wanted::Unsaid);
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            ready!(this.patience.poll_over(context));
            return this.broken(format!("nothing came for {} s", this.patience.span().as_secs()));
        };
        this.patience.renew();
        match frame {
            None => {
                this.has_ended = true;
                Poll::Ready(None)
            }
            Some(Ok(frame)) => Poll::Ready(Some(Ok(without_forbidden(frame)))),
            Some(Err(error)) => this.broken(super::trouble::told(&error)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A frame of trailers without those that would say something else of the answer than its head did.
fn without_forbidden(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        let forbidden: Vec<HeaderName> = trailers.keys().filter(|name| is_never_trailer(name.as_str().as_bytes())).cloned().collect();
        for name in forbidden {
            trailers.remove(name);
        }
    }
    frame
}
