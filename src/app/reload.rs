//! Takes another configuration while tollgate serves, or keeps the one in force and says why.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::config::{Fault, Policy, source};
use crate::domain::act::Act;
use crate::domain::time::Timestamp;
use crate::http::Current;
use crate::http::server::{files_each, make_room};

/// How long a file must have been as it is before it is read, and how often that is waited for.
const SETTLING: Duration = Duration::from_millis(100);
const SETTLING_TRIES: usize = 20;

/// Why the configuration in force was kept.
#[derive(Debug)]
pub enum NotTaken {
    /// The new one has faults.
    Faults(Vec<Fault>),
    /// It could not be put in force.
    Failed(String),
}

/// Reads the configuration again whenever it is told to.
pub struct Reloader {
    current: Arc<Current>,
    /// The file that was named, or else was there: one that is gone is a fault, and not the defaults.
    file: Mutex<Option<PathBuf>>,
}

impl Reloader {
    /// For what was started on this file.
    pub fn new(current: Arc<Current>, file: Option<PathBuf>) -> Self {
        Self { current, file: Mutex::new(file) }
    }

    /// Takes the configuration as it stands now, whole, or nothing of it; either is logged.
    pub async fn reload(&self) -> Result<(), NotTaken> {
        // One after the other, so that each follows on what is in force.
        let mut file = self.file.lock().await;
        let from = source::file(file.as_deref());
        let taken = self.take(from.clone()).await;
        match &taken {
            Ok(()) => *file = from,
            Err(NotTaken::Failed(reason)) => tracing::error!("the new configuration was not taken, and the old one holds: {reason}"),
            Err(NotTaken::Faults(faults)) => {
                faults.iter().for_each(|fault| tracing::error!("config: {fault}"));
                let count = faults.len();
                let told = if count == 1 { "fault" } else { "faults" };
                tracing::error!("the new configuration has {count} {told} and was not taken; the old one holds");
            }
        }
        taken
    }

    async fn take(&self, file: Option<PathBuf>) -> Result<(), NotTaken> {
        if let Some(file) = &file {
            settle(file).await?;
        }
        let read = tokio::task::spawn_blocking(move || Policy::load(file.as_deref())).await;
        let policy = read.map_err(|error| NotTaken::Failed(format!("reading it ended in a panic: {error}")))?;
        let services = self.current.services();
        let policy = policy.and_then(|policy| policy.taking_over(&services.policy)).map_err(NotTaken::Faults)?;
        let next = Arc::new(services.under(Arc::new(policy)).map_err(|error| NotTaken::Failed(error.to_string()))?);
        next.mirror_plans().await.map_err(|error| NotTaken::Failed(format!("its plans could not be written to the database: {error}")))?;
        next.lead();
        self.current.replace(self.current.front().next(next.clone()));
        if next.policy.sign_in.passwords != services.policy.sign_in.passwords {
            // Those of before are made with other parameters now.
            tokio::spawn({
                let next = next.clone();
                async move { next.prepare_passwords().await }
            });
        }
        tell(&services.policy, &next.policy);
        // It is in force, written down or not.
        if let Err(error) = next.note_taken(&services.policy, &Act::of_tollgate(Timestamp::now())).await {
            tracing::error!("the audit does not tell of the new configuration: {error}");
        }
        Ok(())
    }
}

/// Waits until a file is as it was a moment ago: somebody may be writing it. One that is empty was cut off before its first word,
/// and would open what it closed.
async fn settle(file: &Path) -> Result<(), NotTaken> {
    let look = || std::fs::metadata(file).map(|metadata| (metadata.len(), metadata.modified().ok())).ok();
    let mut before = look();
    for _ in 0..SETTLING_TRIES {
        tokio::time::sleep(SETTLING).await;
        let now = look();
        if now == before {
            break;
        }
        before = now;
    }
    match before {
        Some((0, _)) => Err(NotTaken::Failed(format!("{} is empty", file.display()))),
        _ => Ok(()),
    }
}

/// Says what is another now, by section, and what is not yet.
fn tell(old: &Policy, new: &Policy) {
    let sections: Vec<String> = new.sections_unlike(old).into_iter().map(|name| format!("[{name}]")).collect();
    match sections.as_slice() {
        [] => tracing::info!("the configuration was read again with all the files it names, and is as it was"),
        sections => tracing::info!("the new configuration is in force; it differs in {}", sections.join(", ")),
    }
    new.warnings.iter().for_each(|warning| tracing::warn!("config: {warning}"));
    for name in &new.waits {
        tracing::warn!("{name} was changed, and waits for a restart: until then the old value holds");
    }
    let (connections, files) = (new.server.max_connections, files_each(new));
    if files > files_each(old)
        && let Err(may_open) = make_room(connections, files)
    {
        tracing::warn!(
            "with an app behind the gate {connections} connections need more files than the {may_open} that this process may open: raise \
             ulimit -n (LimitNOFILE) and restart"
        );
    }
}
