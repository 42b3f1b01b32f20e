//! What two outboxes are sent by: so many at once to each receiver, nothing twice at once, and woken when there may be more.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use crate::domain::error::Result;
use crate::domain::time::{Span, Timestamp};

/// How long what is due is looked for at the latest, whatever was said of when it is.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How soon the database is asked again where it failed.
pub const AFTER_FAULT: Duration = Duration::from_secs(5);

/// What is being sent, by lane: a slow receiver holds up no other's.
pub struct Lanes<L> {
    /// One of what is sent, for the log.
    what: &'static str,
    /// Each by its task: its lane and its id.
    under_way: HashMap<Id, (L, String)>,
    tries: JoinSet<()>,
}

impl<L: PartialEq> Lanes<L> {
    /// With nothing under way; `what` names one of what is sent in the log.
    pub fn new(what: &'static str) -> Self {
        Self { what, under_way: HashMap::new(), tries: JoinSet::new() }
    }

    /// How many of a lane are under way.
    pub fn busy(&self, lane: &L) -> usize {
        self.under_way.values().filter(|(own, _)| own == lane).count()
    }

    /// Begins to send the one with this id, unless that is under way already, or `most` of the lane are.
    pub fn begin(&mut self, lane: L, most: usize, id: String, sending: impl Future<Output = ()> + Send + 'static) {
        let is_under_way = self.under_way.values().any(|(_, other)| *other == id);
        if !is_under_way && self.busy(&lane) < most {
            let begun = self.tries.spawn(sending);
            self.under_way.insert(begun.id(), (lane, id));
        }
    }

    /// Until there may be more to send: something is `written`, a lane is free again, or this time is over.
    pub async fn wait(&mut self, written: impl Future<Output = ()>, at_most: Duration) {
        tokio::select! {
            () = written => {}
            Some(ended) = self.tries.join_next_with_id() => self.end(ended),
            () = tokio::time::sleep(at_most) => {}
        }
        while let Some(ended) = self.tries.try_join_next_with_id() {
            self.end(ended);
        }
    }

    fn end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let (id, ()) = ended.unwrap_or_else(|error| {
            tracing::error!("sending a {} ended in a panic: {error}", self.what);
            (error.id(), ())
        });
        self.under_way.remove(&id);
    }

    /// Lets what is under way end. What does not in time is sent again after the next start.
    pub async fn finish(mut self, patience: Duration) {
        let finishing = async { while self.tries.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, finishing).await;
    }
}

/// How long to wait for what is due next.
pub fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    next.map_or(LOOK_EVERY, |next| Span::from_millis(next.millis_since(now)).as_duration().min(LOOK_EVERY))
}

/// Notes what came of a try until that is written: sent twice would be better than lost, but not for long.
pub async fn note<F: Future<Output = Result<()>>>(what: &str, id: &str, write: impl Fn() -> F) {
    while let Err(error) = write().await {
        tracing::warn!(id, "what came of a {what} could not be noted: {error}");
        tokio::time::sleep(AFTER_FAULT).await;
    }
}
