//! Tells systemd how far a server is (sd_notify); whoever else started it is told nothing.

use sd_notify::NotifyState;

/// It accepts.
pub fn ready(address: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("listening on {address}"))]);
}

/// It reads its configuration again.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It has done so, and serves on either way.
pub fn reloaded(is_taken: bool) {
    let status = if is_taken { "the new configuration is in force" } else { "the new configuration was not taken: the log says why" };
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It finishes what is under way.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("systemd could not be told: {error}");
    }
}
