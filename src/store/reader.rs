//! The readers: threads with a connection each, for what is not in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::domain::error::{Error, Result};

/// How many readings may wait for one thread.
const QUEUE: usize = 4096;

type Job = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Debug)]
pub(super) struct Readers {
    queues: Vec<mpsc::Sender<Job>>,
    turn: AtomicUsize,
}

impl Readers {
    pub fn start(connections: Vec<Connection>) -> Self {
        let queues = connections.into_iter().enumerate().map(|(index, connection)| {
            let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
            let thread = std::thread::Builder::new().name(format!("reader-{index}")).spawn(move || {
                while let Some(job) = jobs.blocking_recv() {
                    job(&connection);
                }
            });
            if let Err(error) = thread {
                tracing::error!("a reader thread cannot be started: {error}");
            }
            queue
        });
        Self { queues: queues.collect(), turn: AtomicUsize::new(0) }
    }

    /// Gives a reading to the next thread that takes it.
    pub fn post(&self, mut job: Job) -> Result<()> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for offset in 0..self.queues.len() {
            match self.queues[(turn + offset) % self.queues.len()].try_send(job) {
                Ok(()) => return Ok(()),
                Err(full) => job = full.into_inner(),
            }
        }
        Err(Error::Unavailable("too many readings wait for the database".into()))
    }
}
