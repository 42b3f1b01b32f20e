//! How an exchange with the app goes on: when something last moved, and who is waited for.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Why an upload ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is over the bound.
    TooLarge = 1,
    /// The client stopped sending.
    Stalled,
    /// The client's connection ended, or what came over it was no HTTP.
    Gone,
}

/// What both directions of one exchange know of each other.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    /// Milliseconds after `began`.
    moved: AtomicU64,
    waits_for_client: AtomicBool,
    broken: AtomicU8,
}

impl Progress {
    /// Of an exchange that begins now.
    pub fn new() -> Self {
        Self { began: Instant::now(), moved: AtomicU64::new(0), waits_for_client: AtomicBool::new(false), broken: AtomicU8::new(0) }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Something moved.
    pub fn note(&self) {
        self.moved.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether the upload waits for the client's next piece.
    pub fn set_waits_for_client(&self, waits: bool) {
        self.waits_for_client.store(waits, Ordering::Relaxed);
    }

    /// The upload ended early.
    pub fn set_broken(&self, why: Broken) {
        self.broken.store(why as u8, Ordering::Relaxed);
    }

    /// Why the upload ended early, if it did.
    pub fn broken(&self) -> Option<Broken> {
        [Broken::TooLarge, Broken::Stalled, Broken::Gone].into_iter().find(|why| *why as u8 == self.broken.load(Ordering::Relaxed))
    }

    /// Ends when nothing has moved for so long. Whoever waits for the client is timed elsewhere.
    pub async fn silence(&self, patience: Duration) {
        loop {
            let until = self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + patience;
            if Instant::now() < until {
                tokio::time::sleep_until(until).await;
            } else if self.waits_for_client.load(Ordering::Relaxed) {
                self.note();
            } else {
                return;
            }
        }
    }
}
