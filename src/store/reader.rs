//! The readers: threads with a connection each, for what is not in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::domain::error::{Error, Result};

/// How many readings may wait for one thread.
const QUEUE: usize = 4096;

type Job = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Debug)]
pub(super) struct Readers {
    /// Empty once it is closed.
    lanes: RwLock<Vec<Lane>>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Lane {
    queue: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
}

impl Readers {
    pub fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let lanes = connections.into_iter().enumerate().map(|(index, connection)| {
            let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
            let thread = std::thread::Builder::new().name(format!("reader-{index}")).spawn(move || {
                while let Some(job) = jobs.blocking_recv() {
                    job(&connection);
                }
            })?;
            Ok(Lane { queue, thread })
        });
        Ok(Self { lanes: RwLock::new(lanes.collect::<std::io::Result<_>>()?), turn: AtomicUsize::new(0) })
    }

    /// Gives a reading to the next thread that takes it.
    pub fn post(&self, mut job: Job) -> Result<()> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        for offset in 0..lanes.len() {
            match lanes[(turn + offset) % lanes.len()].queue.try_send(job) {
                Ok(()) => return Ok(()),
                Err(full) => job = full.into_inner(),
            }
        }
        Err(Error::Unavailable("too many readings wait for the database, or it is closed".into()))
    }

    /// How many readings wait for a thread.
    pub fn waiting(&self) -> u64 {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().map(|lane| (lane.queue.max_capacity() - lane.queue.capacity()) as u64).sum()
    }

    /// Finishes what was posted and closes the connections.
    pub fn close(&self) {
        let lanes = std::mem::take(&mut *self.lanes.write().unwrap_or_else(PoisonError::into_inner));
        for Lane { queue, thread } in lanes {
            drop(queue);
            if thread.join().is_err() {
                tracing::error!("a reader thread ended in a panic");
            }
        }
    }
}
