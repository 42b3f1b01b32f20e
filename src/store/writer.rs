//! The one writer: a thread that runs what was posted, many at once in one transaction, and answers after the commit.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::figures::Writing;
use crate::domain::error::{Error, Result};

/// How many changes may wait; beyond that the database is told to be unavailable.
const QUEUE: usize = 16_384;

/// How many changes one commit carries at the most.
const GROUP: usize = 512;

/// A change on its way.
trait Job: Send {
    /// Runs inside a transaction; answers whether it stands.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells how it ended. A change that was never run has failed with the commit.
    fn finish(self: Box<Self>, committed: Result<()>);
}

struct Change<T, J, F> {
    job: Option<J>,
    result: Option<Result<T>>,
    finish: F,
}

impl<T, J, F> Job for Change<T, J, F>
where
    T: Send,
    J: FnOnce(&Connection) -> Result<T> + Send,
    F: FnOnce(Result<T>) + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        self.result = self.job.take().map(|job| job(connection));
        matches!(self.result, Some(Ok(_)))
    }

    fn finish(self: Box<Self>, committed: Result<()>) {
        let never_run = || Err(Error::Unavailable("it was not run".into()));
        let result = match (self.result, committed) {
            // Its own refusal says more than that of the commit.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (result, Ok(())) => result.unwrap_or_else(never_run),
        };
        (self.finish)(result);
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    figures: Arc<Writing>,
}

impl Writer {
    pub fn start(connection: Connection) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let figures = Arc::new(Writing::default());
        let counted = figures.clone();
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || run(connection, jobs, &counted))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)), figures })
    }

    pub fn figures(&self) -> &Writing {
        &self.figures
    }

    pub fn post<T, J, F>(&self, job: J, finish: F)
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T> + Send + 'static,
        F: FnOnce(Result<T>) + Send + 'static,
    {
        let job: Box<dyn Job> = Box::new(Change { job: Some(job), result: None, finish });
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone());
        // Before it can be done.
        self.figures.posted.count();
        let unqueued = match queue.map(|queue| queue.try_send(job)) {
            Some(Ok(())) => return,
            Some(Err(error)) => Some(error.into_inner()),
            None => None,
        };
        if let Some(job) = unqueued {
            self.figures.done.count();
            job.finish(Err(Error::Unavailable("too many changes wait to be written".into())));
        }
    }

    /// Finishes what is queued, then closes the database.
    pub fn close(&self) {
        if let Ok(mut queue) = self.queue.lock() {
            queue.take();
        }
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer thread ended in a panic");
        }
    }
}

fn run(connection: Connection, mut jobs: mpsc::Receiver<Box<dyn Job>>, figures: &Writing) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = jobs.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        let timer = figures.commits.start();
        let committed = commit(&connection, &mut group).map_err(|error| {
            tracing::error!("changes were not written: {}", super::fault::sentence(&error));
            super::fault::sentence(&error)
        });
        drop(timer);
        let changes = if committed.is_ok() { &figures.written } else { &figures.unwritten };
        changes.add(group.len() as u64);
        figures.failed.add(u64::from(committed.is_err()));
        for job in group.drain(..) {
            figures.done.count();
            job.finish(committed.clone().map_err(Error::Unavailable));
        }
    }
    // The last word: the log of changes goes into the database itself, and its side files away.
    if let Err((_, error)) = connection.close() {
        tracing::error!("the database could not be closed: {error}");
    }
}

/// Runs a group in one transaction; each change stands or falls by itself, and all fall where the commit fails.
fn commit(connection: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let result = transact(connection, group);
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

fn transact(connection: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(|_| ());
    run("BEGIN IMMEDIATE")?;
    for job in group {
        run("SAVEPOINT change")?;
        let stands = job.run(connection);
        if connection.is_autocommit() {
            // A full disk makes SQLite roll the whole transaction back by itself.
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None));
        }
        if !stands {
            run("ROLLBACK TO change")?;
        }
        run("RELEASE change")?;
    }
    run("COMMIT")
}
