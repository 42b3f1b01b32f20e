//! What takes long to count: counted by one at a time, beside whoever asks, and kept for a while that grows with how long that took.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use crate::domain::error::Result;
use crate::domain::time::Timestamp;

/// How long whoever asks waits for it; then they are told what was known before.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long it is kept at the least, and how many times as long as counting it took.
const LEAST: Duration = Duration::from_secs(1);
const TIMES: u32 = 20;

/// What is known, and since when.
#[derive(Debug)]
pub struct Known<T> {
    /// It.
    pub value: Arc<T>,
    /// When it was counted.
    pub at: Timestamp,
}

#[derive(Debug)]
struct Counted<T> {
    value: Arc<T>,
    at: Timestamp,
    fresh_until: Instant,
}

/// Keeps it. A handle: all of one look at the same.
#[derive(Debug)]
pub struct Kept<T> {
    counted: Arc<ArcSwapOption<Counted<T>>>,
    turn: Arc<Mutex<()>>,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { counted: self.counted.clone(), turn: self.turn.clone() }
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { counted: Arc::default(), turn: Arc::default() }
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// What is known of it, counted anew where that is long ago. `what` is what the log calls it where it cannot be counted.
    pub async fn known<F>(&self, what: &'static str, count: impl FnOnce() -> F) -> Option<Known<T>>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        if !self.is_fresh() {
            if let Ok(turn) = self.turn.clone().try_lock_owned() {
                let (counted, counting, at) = (self.counted.clone(), count(), Timestamp::now());
                tokio::spawn(async move {
                    let began = Instant::now();
                    match counting.await {
                        Ok(value) => {
                            let fresh_until = Instant::now() + LEAST.max(began.elapsed() * TIMES);
                            counted.store(Some(Arc::new(Counted { value: Arc::new(value), at, fresh_until })));
                        }
                        Err(error) => tracing::warn!("{what} could not be counted: {error}"),
                    }
                    drop(turn);
                });
            }
            // Whoever has the turn counts.
            drop(tokio::time::timeout(PATIENCE, self.turn.lock()).await);
        }
        self.counted.load().as_ref().map(|counted| Known { value: counted.value.clone(), at: counted.at })
    }

    fn is_fresh(&self) -> bool {
        self.counted.load().as_ref().is_some_and(|counted| Instant::now() < counted.fresh_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn one_counts_and_all_are_told() {
        let (kept, times) = (Kept::<u64>::default(), Arc::new(AtomicU64::new(0)));
        let ask = || {
            let (kept, times) = (kept.clone(), times.clone());
            async move { kept.known("it", move || async move { Ok(times.fetch_add(1, Ordering::Relaxed) + 1) }).await.map(|known| *known.value) }
        };
        assert_eq!(tokio::join!(ask(), ask(), ask()), (Some(1), Some(1), Some(1)));
        assert_eq!((ask().await, times.load(Ordering::Relaxed)), (Some(1), 1), "it is kept");
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_that_and_what_was_counted_is_there_later() {
        let (kept, (done, counted)) = (Kept::<u64>::default(), tokio::sync::oneshot::channel());
        let first = kept.known("it", || async { counted.await.map_err(|error| crate::domain::error::Error::Internal(error.to_string())) });
        assert!(first.await.is_none(), "nothing is known yet");
        done.send(7).unwrap();
        let later = kept.known("it", || async { Ok(8) }).await.map(|known| *known.value);
        assert_eq!(later, Some(7), "nobody else counted meanwhile");
    }
}
