//! A request's body on its way to the app: passed on as it comes, within its bound, and never waited for without end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;

use super::patience::Patience;
use super::progress::{Broken, Progress};
use crate::http::request::{Body, BodyFault};
use crate::http::strict::{folds_to, is_never_trailer};

/// How long an app may take to say that it wants a body, before it is sent anyway: apps need not say so.
const UNTIL_SENT_ANYWAY: Duration = Duration::from_secs(1);

/// Whether the app wants the body of a request that expects to be told so (RFC 9110, 10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It has not said yet.
    Unsaid,
    /// It does.
    Yes,
    /// It answered without it.
    No,
}

/// A body that is passed on.
pub struct Upload {
    body: Body,
    left: Option<u64>,
    progress: Arc<Progress>,
    /// Ends with whether the body is wanted.
    expectation: Option<Pin<Box<dyn Future<Output = Wanted> + Send>>>,
    patience: Patience,
    withheld: Vec<HeaderName>,
}

impl Upload {
    /// At most `most` bytes, with at most `patience` between two pieces.
    pub fn new(body: Body, most: Option<u64>, patience: Duration, progress: Arc<Progress>) -> Self {
        Self { body, left: most, progress, expectation: None, patience: Patience::new(patience), withheld: Vec::new() }
    }

    /// Without these trailers.
    pub fn without_trailers(self, withheld: Vec<HeaderName>) -> Self {
        Self { withheld, ..self }
    }

    /// Held back until the app wants it: whoever holds the other end says so.
    pub fn once_wanted(&mut self) -> watch::Sender<Wanted> {
        let (say, mut said) = watch::channel(Wanted::Unsaid);
        self.expectation = Some(Box::pin(async move {
            let wanted = said.wait_for(|wanted| *wanted != Wanted::Unsaid);
            match tokio::time::timeout(UNTIL_SENT_ANYWAY, wanted).await {
                Ok(Ok(wanted)) => *wanted,
                // Nobody is there to say it any more.
                Ok(Err(_)) => Wanted::No,
                Err(_) => Wanted::Yes,
            }
        }));
        say
    }

    fn broken(&mut self, why: Broken, detail: &str) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.progress.set_broken(why);
        Poll::Ready(Some(Err(BodyFault(detail.into()))))
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        if let Some(expectation) = &mut this.expectation {
            let wanted = ready!(expectation.as_mut().poll(context));
            this.expectation = None;
            this.patience.renew();
            if wanted == Wanted::No {
                return this.broken(Broken::Gone, "the app answered without it");
            }
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            this.progress.set_waits_for_client(true);
            ready!(this.patience.poll_over(context));
            return this.broken(Broken::Stalled, "the client stopped sending");
        };
        this.progress.set_waits_for_client(false);
        this.progress.note();
        this.patience.renew();
        let mut frame = match frame {
            None => return Poll::Ready(None),
            Some(Err(fault)) => return this.broken(Broken::Gone, &fault.0),
            Some(Ok(frame)) => frame,
        };
        if let Some(trailers) = frame.trailers_mut() {
            let is_withheld = |name: &&HeaderName| {
                let name = name.as_str().as_bytes();
                is_never_trailer(name) || this.withheld.iter().any(|known| folds_to(name, known.as_str()))
            };
            let doomed: Vec<HeaderName> = trailers.keys().filter(is_withheld).cloned().collect();
            doomed.into_iter().for_each(|name| drop(trailers.remove(name)));
        }
        if let (Some(data), Some(left)) = (frame.data_ref(), &mut this.left) {
            match left.checked_sub(data.len() as u64) {
                Some(rest) => *left = rest,
                None => return this.broken(Broken::TooLarge, "it is over the bound"),
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
