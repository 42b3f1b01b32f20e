//! Sends webhooks, for as long as a server runs: what is due is taken from the outbox, tried, and what came of it noted there. Who
//! is slow or dead holds up nobody else: each endpoint has lanes of its own.

mod attempt;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use crate::config::Policy;
use crate::config::webhooks::Webhook;
use crate::domain::time::{Span, Timestamp};
use crate::domain::webhook::next_try;
use crate::http::Current;
use crate::service::Services;
use crate::store::outbox::Message;
use attempt::{Ended, Receiver, send};

/// How many messages are sent at once, in all, and to one endpoint.
const MOST: usize = 32;
const MOST_EACH: usize = 8;

/// How long what is due is looked for at the latest, whatever was said of when it is.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How soon the database is asked again where it failed.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Sends until told to stop; what is under way then is finished, within `[server] shutdown_timeout`.
pub async fn run(current: Arc<Current>, mut stop: watch::Receiver<bool>) {
    let policy = current.services().policy.clone();
    let mut sender = Sender { receivers: Receiver::all(&policy), policy, current, under_way: HashMap::new(), tries: JoinSet::new() };
    tokio::select! {
        () = sender.send_all() => {}
        // Whoever could stop it is gone: so is the server.
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let patience = sender.current.services().policy.server.shutdown_timeout.as_duration();
    let finishing = async { while sender.tries.join_next().await.is_some() {} };
    // What does not end in time is sent again after the next start.
    let _ = tokio::time::timeout(patience, finishing).await;
}

struct Sender {
    /// Each round sends by the configuration in force.
    current: Arc<Current>,
    /// That which the receivers are of.
    policy: Arc<Policy>,
    receivers: Vec<Arc<Receiver>>,
    /// The messages that are being sent, each by its task: its endpoint and its id.
    under_way: HashMap<Id, (String, String)>,
    tries: JoinSet<()>,
}

impl Sender {
    async fn send_all(&mut self) {
        let announcer = self.current.services().announcer.clone();
        loop {
            let wait = self.begin_due().await;
            tokio::select! {
                () = announcer.written() => {}
                Some(ended) = self.tries.join_next_with_id() => self.end(ended),
                () = tokio::time::sleep(wait) => {}
            }
            while let Some(ended) = self.tries.try_join_next_with_id() {
                self.end(ended);
            }
        }
    }

    fn end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.unwrap_or_else(|error| {
            tracing::error!("sending a webhook ended in a panic: {error}");
            (error.id(), ())
        });
        self.under_way.remove(&id.0);
    }

    /// Makes ready for the endpoints of another configuration.
    fn follow(&mut self, policy: &Arc<Policy>) {
        if !Arc::ptr_eq(&self.policy, policy) {
            (self.policy, self.receivers) = (policy.clone(), Receiver::all(policy));
        }
    }

    /// How many messages are being sent to an endpoint.
    fn busy(&self, endpoint: &str) -> usize {
        self.under_way.values().filter(|(own, _)| own == endpoint).count()
    }

    /// Begins to send what is due and has a lane. Answers when there may be more.
    async fn begin_due(&mut self) -> Duration {
        let now = Timestamp::now();
        let services = self.current.services();
        self.follow(&services.policy);
        let each = (MOST / self.receivers.len().max(1)).clamp(1, MOST_EACH);
        let names = self.receivers.iter().map(|receiver| &receiver.webhook.name).filter(|name| self.busy(name) < each);
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
            let is_under_way = self.under_way.values().any(|(_, id)| *id == message.id);
            if !is_under_way && self.busy(&message.endpoint) < each {
                let (services, receiver, way) = (services.clone(), receiver.clone(), (message.endpoint.clone(), message.id.clone()));
                let begun = self.tries.spawn(async move { try_once(&services, &receiver, message).await });
                self.under_way.insert(begun.id(), way);
            }
        }
        due.next.map_or(LOOK_EVERY, |next| Span::from_millis(next.millis_since(now)).as_duration().min(LOOK_EVERY))
    }
}

/// Tries a message once, and notes what came of it until that is written: sent twice would be better than lost, but not for long.
async fn try_once(services: &Services, receiver: &Receiver, mut message: Message) {
    let webhook = &receiver.webhook;
    let tried = Timestamp::now();
    message.tries = message.tries.saturating_add(1);
    let ended = send(receiver, &message, tried).await;
    let now = Timestamp::now();
    judge(&mut message, ended, webhook, now);
    while let Err(error) = services.note_try(&message, tried).await {
        tracing::warn!(endpoint = webhook.name, id = message.id, "what came of a webhook could not be noted: {error}");
        tokio::time::sleep(AFTER_FAULT).await;
    }
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
