//! Sends webhooks, for as long as a server runs: what is due is taken from the outbox, tried, and what came of it noted there. Who
//! is slow or dead holds up nobody else: each endpoint has lanes of its own.

mod attempt;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Policy;
use crate::config::webhooks::Webhook;
use crate::domain::delivery::next_try;
use crate::domain::time::Timestamp;
use crate::http::Current;
use crate::http::lanes::{self, AFTER_FAULT, LOOK_EVERY, Lanes};
use crate::service::Services;
use crate::store::outbox::Message;
use attempt::{Ended, Receiver, send};

/// One of what is sent.
const WHAT: &str = "webhook";

/// How many messages are sent at once, in all, and to one endpoint.
const MOST: usize = 32;
const MOST_EACH: usize = 8;

/// Sends until told to stop; what is under way then is finished, within `[server] shutdown_timeout`.
pub async fn run(current: Arc<Current>, mut stop: watch::Receiver<bool>) {
    let policy = current.services().policy.clone();
    let mut sender = Sender { receivers: Receiver::all(&policy), policy, current, lanes: Lanes::new(WHAT) };
    tokio::select! {
        () = sender.send_all() => {}
        // Whoever could stop it is gone: so is the server.
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let patience = sender.current.services().policy.server.shutdown_timeout.as_duration();
    sender.lanes.finish(patience).await;
}

struct Sender {
    /// Each round sends by the configuration in force.
    current: Arc<Current>,
    /// That which the receivers are of.
    policy: Arc<Policy>,
    receivers: Vec<Arc<Receiver>>,
    /// By endpoint.
    lanes: Lanes<String>,
}

impl Sender {
    async fn send_all(&mut self) {
        let announcer = self.current.services().announcer.clone();
        loop {
            let wait = self.begin_due().await;
            self.lanes.wait(announcer.written(), wait).await;
        }
    }

    /// Makes ready for the endpoints of another configuration.
    fn follow(&mut self, policy: &Arc<Policy>) {
        if !Arc::ptr_eq(&self.policy, policy) {
            (self.policy, self.receivers) = (policy.clone(), Receiver::all(policy));
        }
    }

    /// Begins to send what is due and has a lane. Answers when there may be more.
    async fn begin_due(&mut self) -> Duration {
        let now = Timestamp::now();
        let services = self.current.services();
        self.follow(&services.policy);
        let each = (MOST / self.receivers.len().max(1)).clamp(1, MOST_EACH);
        let names = self.receivers.iter().map(|receiver| &receiver.webhook.name).filter(|name| self.lanes.busy(name) < each);
        // What is under way is due as well, and is left out below.
        let wanted: Vec<(String, usize)> = names.map(|name| (name.clone(), each)).collect();
        if wanted.is_empty() {
            return LOOK_EVERY;
        }
        let due = match services.due_messages(wanted, now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!("which webhooks are due could not be read: {error}");
                return AFTER_FAULT;
            }
        };
        for message in due.messages {
            let Some(receiver) = self.receivers.iter().find(|receiver| receiver.webhook.name == message.endpoint) else { continue };
            let (services, receiver) = (services.clone(), receiver.clone());
            let (endpoint, id) = (message.endpoint.clone(), message.id.clone());
            self.lanes.begin(endpoint, each, id, async move { try_once(&services, &receiver, message).await });
        }
        lanes::until(due.next, now)
    }
}

/// Tries a message once, and notes what came of it.
async fn try_once(services: &Services, receiver: &Receiver, mut message: Message) {
    let webhook = &receiver.webhook;
    let tried = Timestamp::now();
    message.tries = message.tries.saturating_add(1);
    let ended = send(receiver, &message, tried).await;
    let now = Timestamp::now();
    judge(&mut message, ended, webhook, now);
    let message = &message;
    lanes::note(WHAT, &message.id, move || services.note_try(message, tried)).await;
}

/// What becomes of a message after a try.
fn judge(message: &mut Message, ended: Ended, webhook: &Webhook, now: Timestamp) {
    let (endpoint, id, event) = (&webhook.name, &message.id, &message.event);
    let (fault, next) = match ended {
        Ended::Taken => {
            tracing::debug!(endpoint, id, event, "a webhook was taken");
            (message.due_at, message.fault, message.taken_at) = (None, None, Some(now));
            return;
        }
        Ended::Gone => ("it answered 410: it wants no more of this".to_owned(), None),
        Ended::Failed { fault, wait } => (fault, next_try(&webhook.retries, message.tries, wait, rand::random(), now)),
    };
    match next {
        Some(next) => {
            tracing::info!(endpoint, id, event, tries = message.tries, "a webhook was not taken: {fault}; next try {next}")
        }
        None => tracing::warn!(
            endpoint,
            id,
            event,
            tries = message.tries,
            "a webhook was given up: {fault}; once that is mended: tollgate webhook retry {id}"
        ),
    }
    (message.due_at, message.fault) = (next, Some(fault));
}
