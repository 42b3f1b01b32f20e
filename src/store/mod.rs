//! All SQL, and nothing but. One writer thread commits in groups; reader threads answer what is not in memory.

pub mod accounts;
pub mod agreements;
pub mod applications;
pub mod audit;
pub mod balances;
mod columns;
pub mod copy;
pub mod fault;
pub mod figures;
pub mod growth;
pub mod idempotency;
pub mod identities;
pub mod import;
pub mod invitations;
pub mod keys;
pub mod lock;
pub mod mails;
pub mod members;
pub mod notices;
pub mod open;
pub mod outbox;
pub mod plans;
pub mod proofs;
mod reader;
pub mod second_factors;
pub mod sessions;
pub mod side;
pub mod spent;
pub mod state;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod usage;
pub mod usage_totals;
pub mod users;
pub mod windows;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::domain::error::{Error, Result};
pub use open::OpenError;

/// How long a caller waits for an answer of the database before it is told `unavailable`.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// How long the database counts as usable, or not, once it was tried.
const TRIED_FOR: std::time::Duration = std::time::Duration::from_secs(1);

/// How many rows one round of tidying forgets, so that no change waits long behind it.
const ROUND: i64 = 2000;

/// How many reader threads there are.
const READERS: usize = 2;

/// An open database.
#[derive(Debug)]
pub struct Store {
    path: std::path::PathBuf,
    writer: writer::Writer,
    readers: reader::Readers,
    /// For readings that may take long, so that no check ever waits behind one.
    lister: reader::Readers,
    /// For what holders of keys ask about themselves: neither checks nor the operator's lists wait behind them.
    holders: reader::Readers,
    /// When the database was last tried, and whether it could be used.
    tried: tokio::sync::Mutex<Option<(std::time::Instant, bool)>>,
    /// Whether this start made the database.
    pub is_new: bool,
}

impl Store {
    /// Opens the database, or makes it.
    pub fn open(path: &Path) -> std::result::Result<Self, OpenError> {
        let opened = open::open(path)?;
        let readers = |count| {
            (0..count)
                .map(|_| open::open_reader(path))
                .collect::<std::result::Result<_, _>>()
                .and_then(|connections| reader::Readers::start(connections).map_err(|error| open::no_thread(path, &error)))
        };
        let (readers, lister, holders) = (readers(READERS)?, readers(1)?, readers(1)?);
        let writer = writer::Writer::start(opened.connection).map_err(|error| open::no_thread(path, &error))?;
        let tried = tokio::sync::Mutex::default();
        Ok(Self { path: path.into(), writer, readers, lister, holders, tried, is_new: opened.is_new })
    }

    /// Runs a change. It is answered once it is committed; `after` runs between the two, on the writer's own thread, so
    /// that it happens even where nobody waits for the answer any more.
    pub async fn write<T, J, A>(&self, job: J, after: A) -> Result<T>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let wanted = Arc::new(AtomicBool::new(true));
        let still_wanted = wanted.clone();
        let job = move |connection: &Connection| {
            // Whoever was told that it was not done must be right.
            if still_wanted.swap(false, Ordering::AcqRel) { job(connection) } else { Err(too_late()) }
        };
        self.post(job, move |result| {
            if let Ok(value) = &result {
                after(value);
            }
            // Nobody waits any more: the change stands all the same.
            let _ = answer.send(result);
        });
        // Whoever stops waiting wants it no more.
        let _waiting = Waiting(wanted.clone());
        match tokio::time::timeout(PATIENCE, answered).await {
            // Not begun, and now it will not be.
            Err(_) if wanted.swap(false, Ordering::AcqRel) => Err(too_late()),
            Err(_) => Err(Error::Internal("a change was begun and did not end in time: it may still be written".into())),
            Ok(answered) => answered.unwrap_or_else(|_| Err(gone())),
        }
    }

    /// Runs a change that nobody waits for; `finish` is told how it went, on the writer's own thread.
    pub fn post<T, J, F>(&self, job: J, finish: F)
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T> + Send + 'static,
        F: FnOnce(Result<T>) + Send + 'static,
    {
        self.writer.post(job, finish);
    }

    /// Runs a short reading on one of the reader threads.
    pub async fn read<T, J>(&self, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        Self::read_on(&self.readers, job).await
    }

    /// Runs a reading that may go through a whole table.
    pub async fn list<T, J>(&self, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        Self::read_on(&self.lister, job).await
    }

    /// Runs a short reading for the holder of a key.
    pub async fn read_for_holder<T, J>(&self, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        Self::read_on(&self.holders, job).await
    }

    async fn read_on<T, J>(readers: &reader::Readers, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        readers.post(Box::new(move |connection| {
            // Nobody waits for it any more: those behind it do.
            if answer.is_closed() {
                return;
            }
            let _ = answer.send(job(connection));
        }))?;
        waited(answered).await
    }

    /// Whether the database can be read and written to now. Tried for real, but no more than once a second, whoever asks.
    pub async fn ready(&self) -> Result<()> {
        let mut tried = self.tried.lock().await;
        if let Some((at, is_ready)) = *tried
            && at.elapsed() < TRIED_FOR
        {
            return if is_ready { Ok(()) } else { Err(Error::Unavailable("it could not be used a moment ago".into())) };
        }
        let read = self.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await;
        let written = self.write(open::touch, |()| ()).await;
        *tried = Some((std::time::Instant::now(), read.is_ok() && written.is_ok()));
        read.and(written)
    }

    /// Waits, on a thread that may, until everything that was posted before is finished.
    pub fn wait(&self) {
        let (done, waiting) = std::sync::mpsc::channel();
        self.post(
            |_| Ok(()),
            move |_| {
                // Whoever waited has gone: nothing to tell.
                let _ = done.send(());
            },
        );
        // Where the writer is gone there is nothing to wait for.
        let _ = waiting.recv();
    }

    /// Finishes what was posted and closes the database. The writer goes last: with the last connection SQLite folds its log
    /// into the one file.
    pub fn close(&self) {
        self.readers.close();
        self.lister.close();
        self.holders.close();
        self.writer.close();
    }
}

/// Somebody who waits for a change: with them goes the change, unless it was begun.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn waited<T>(answered: oneshot::Receiver<Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(answered) => answered.unwrap_or_else(|_| Err(gone())),
        Err(_) => Err(too_late()),
    }
}

fn gone() -> Error {
    Error::Unavailable("the database's thread is gone".into())
}

fn too_late() -> Error {
    Error::Unavailable("the database did not answer in time".into())
}
