//! The signals of a server: SIGHUP has it read its configuration again, SIGTERM and SIGINT stop it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::systemd;
use super::{Failure, log};
use crate::app::Reloader;
use crate::http::Current;

fn catch(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Failed(format!("signals cannot be caught: {error}")))
}

/// SIGHUP, caught from here on: one that comes while the server still starts is heard once it serves.
pub struct Hangups(Signal);

impl Hangups {
    /// Catches it.
    pub fn catch() -> Result<Self, Failure> {
        catch(SignalKind::hangup()).map(Self)
    }

    /// Reads the configuration again at each, for as long as the server runs.
    pub async fn reload(mut self, reloader: Reloader, current: std::sync::Arc<Current>) {
        while self.0.recv().await.is_some() {
            systemd::reloading();
            let taken = reloader.reload().await;
            log::follow(&current.services().policy.log);
            systemd::reloaded(taken.is_ok());
        }
    }
}

/// SIGTERM and SIGINT, caught from here on: whoever reads the address may stop the server at once.
pub struct Stops(Signal, Signal);

impl Stops {
    /// Catches them.
    pub fn catch() -> Result<Self, Failure> {
        Ok(Self(catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?))
    }

    /// Tells the server to stop at the first of them.
    pub async fn stop(mut self, stop: watch::Sender<bool>) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
        tracing::info!("stopping: requests under way are finished");
        systemd::stopping();
        // Nobody listens any more only where the server has stopped by itself.
        let _ = stop.send(true);
    }
}
