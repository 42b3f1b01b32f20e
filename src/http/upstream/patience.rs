//! How long one side may be silent. Rearmed only when it is over, so that a fast stream pays nothing for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A silence that is bounded.
#[derive(Debug)]
pub struct Patience {
    span: Duration,
    moved: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// From now on.
    pub fn new(span: Duration) -> Self {
        Self { span, moved: Instant::now(), sleep: None }
    }

    /// Something came.
    pub fn renew(&mut self) {
        self.moved = Instant::now();
    }

    /// How long it is.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// Ready once nothing came for so long.
    pub fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let until = self.moved + self.span;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            ready!(sleep.as_mut().poll(context));
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
    }
}
