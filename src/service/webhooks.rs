//! Webhooks: what happens is written down for each endpoint that wants it, with the change itself; `http::sender` sends it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::journal::Change;
use super::{Page, PageAsk, Services};
use crate::config::Policy;
use crate::config::webhooks::{Notices, Webhook};
use crate::domain::act::Act;
use crate::domain::delivery::MessageState;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id::{self, Ids};
use crate::domain::time::Timestamp;
use crate::store::outbox::{self, Count, Filter, Message};
use crate::store::{Connection, audit};

/// How many messages may wait for one endpoint. Looked at whenever the database is tidied.
const MOST_WAITING: u64 = 100_000;

/// Writes down what happens, for those who want it.
#[derive(Debug)]
pub struct Announcer {
    policy: ArcSwap<Policy>,
    ids: Arc<Ids>,
    wake: Notify,
}

impl Announcer {
    /// For the endpoints of a configuration.
    pub fn new(policy: Arc<Policy>, ids: Arc<Ids>) -> Self {
        Self { policy: policy.into(), ids, wake: Notify::new() }
    }

    /// From now on for those of another configuration.
    pub(super) fn follow(&self, policy: Arc<Policy>) {
        self.policy.store(policy);
        self.wake.notify_one();
    }

    /// `[notices]`.
    pub(super) fn notices(&self) -> Notices {
        self.policy.load().notices.clone()
    }

    /// Whether any endpoint wants such an event.
    pub fn is_wanted(&self, event: Event) -> bool {
        self.policy.load().webhooks.iter().any(|webhook| webhook.wants(event))
    }

    /// Writes an event down, in the transaction of the change that it tells of.
    pub fn announce(&self, connection: &Connection, event: Event, data: &Value, at: Timestamp) -> Result<()> {
        for webhook in self.policy.load().webhooks.iter().filter(|webhook| webhook.wants(event)) {
            self.write(connection, &webhook.name, event, data, at)?;
        }
        Ok(())
    }

    fn write(&self, connection: &Connection, endpoint: &str, event: Event, data: &Value, at: Timestamp) -> Result<Message> {
        let message = Message {
            id: self.ids.next(id::MESSAGE, at, |bound| audit::newest(connection, bound))?,
            endpoint: endpoint.into(),
            event: event.name().into(),
            body: json!({ "type": event.name(), "timestamp": at.rfc3339_millis(), "data": data }).to_string(),
            created_at: at,
            due_at: Some(at),
            tries: 0,
            fault: None,
            taken_at: None,
        };
        outbox::insert(connection, &message)?;
        // Not committed yet; but whoever is woken asks by the same queue, behind this change.
        self.wake.notify_one();
        Ok(message)
    }

    /// Waits until something was written down.
    pub async fn written(&self) {
        self.wake.notified().await;
    }
}

/// An endpoint, and how its messages stand.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// As configured; `None` where it no longer is.
    pub webhook: Option<Webhook>,
    /// Its messages that are not done.
    pub count: Count,
}

/// Messages that are due.
#[derive(Debug, Default)]
pub struct Due {
    /// Those.
    pub messages: Vec<Message>,
    /// When the next one is.
    pub next: Option<Timestamp>,
}

impl Services {
    /// Writes an event down for each endpoint that wants it. To be called in the job of the change that it tells of.
    pub fn announce(&self, connection: &Connection, event: Event, data: &Value, at: Timestamp) -> Result<()> {
        self.announcer.announce(connection, event, data, at)
    }

    /// The endpoints: first those of the configuration, then those that only messages still name.
    pub async fn webhooks(&self) -> Result<Vec<Endpoint>> {
        let mut counts = self.store.list(outbox::counts).await?;
        let mut take = |name: &str| counts.iter().position(|count| count.endpoint == name).map(|at| counts.remove(at));
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for webhook in &self.policy.webhooks {
            let count = take(&webhook.name).unwrap_or_else(|| Count { endpoint: webhook.name.clone(), ..Count::default() });
            endpoints.push(Endpoint { webhook: Some(webhook.clone()), count });
        }
        endpoints.extend(counts.into_iter().map(|count| Endpoint { webhook: None, count }));
        Ok(endpoints)
    }

    /// A page of messages, oldest first.
    pub async fn messages(&self, endpoint: Option<String>, state: Option<MessageState>, ask: PageAsk) -> Result<Page<Message>> {
        let filter = Filter { endpoint, state, after: ask.cursor.clone(), limit: ask.limit + 1 };
        let rows = self.store.list(move |connection| outbox::list(connection, &filter)).await?;
        Ok(ask.page(rows, |message| message.id.clone()))
    }

    /// Sends a message again, from the start of its tries, whatever became of it so far.
    pub async fn retry_message(self: &Arc<Self>, id: &str, act: &Act) -> Result<Message> {
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let mut message = outbox::by_id(connection, &id)?.ok_or_else(|| Error::no_such("message", id::MESSAGE, &id))?;
            if services.policy.webhooks.iter().all(|webhook| webhook.name != message.endpoint) {
                return Err(Error::Conflict(format!("There is no webhook '{}' in the configuration any more.", message.endpoint)));
            }
            (message.due_at, message.taken_at, message.tries) = (Some(act.at), None, 0);
            outbox::update(connection, &message)?;
            services.journal(connection, &act, sent(Event::WebhookRetried, &message))?;
            services.announcer.wake.notify_one();
            Ok(message)
        };
        self.store.write(job, |_| ()).await
    }

    /// Sends an endpoint something, whatever events it wants.
    pub async fn test_webhook(self: &Arc<Self>, name: &str, act: &Act) -> Result<Message> {
        if self.policy.webhooks.iter().all(|webhook| webhook.name != name) {
            return Err(Error::NotFound("such webhook in the configuration".into()));
        }
        let (name, act, services) = (name.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let data = json!({ "endpoint": name });
            let message = services.announcer.write(connection, &name, Event::WebhookTest, &data, act.at)?;
            services.journal(connection, &act, sent(Event::WebhookTest, &message))?;
            Ok(message)
        };
        self.store.write(job, |_| ()).await
    }

    /// Up to so many messages that are due of each endpoint named. Asked by the writer's queue, so that whatever was announced
    /// before is seen, and is committed.
    pub async fn due_messages(&self, wanted: Vec<(String, usize)>, now: Timestamp) -> Result<Due> {
        let job = move |connection: &Connection| {
            let mut due = Due::default();
            for (endpoint, most) in &wanted {
                due.messages.extend(outbox::due(connection, endpoint, now, *most)?);
                let next = outbox::next_due(connection, endpoint, now)?;
                due.next = due.next.into_iter().chain(next).min();
            }
            Ok(due)
        };
        self.store.write(job, |_| ()).await
    }

    /// Notes what became of a try. One that was asked for again meanwhile stays due.
    pub async fn note_try(&self, message: &Message, tried: Timestamp) -> Result<()> {
        let message = message.clone();
        let job = move |connection: &Connection| {
            let now = outbox::by_id(connection, &message.id)?;
            let is_asked_again = now.is_some_and(|now| now.due_at.is_some_and(|due| due > tried));
            if is_asked_again { Ok(()) } else { outbox::update(connection, &message) }
        };
        self.store.write(job, |()| ()).await
    }

    /// Gives up what nobody will take: what has waited since before `before` for endpoints that the configuration no longer has,
    /// and the oldest where more wait than there may be.
    pub(super) async fn give_up_waiting(&self, before: Timestamp) -> Result<()> {
        let counts = self.store.list(outbox::counts).await?;
        self.metrics.webhooks_waiting.set(counts.iter().map(|count| count.waiting).sum());
        for Count { endpoint, waiting, .. } in counts {
            let is_known = self.policy.webhooks.iter().any(|webhook| webhook.name == endpoint);
            let beyond = waiting.saturating_sub(MOST_WAITING);
            if beyond > 0 {
                let given_up =
                    self.give_up(&endpoint, Timestamp::MAX, beyond, "too many messages waited: the oldest were given up").await?;
                self.metrics.webhooks_overflowed.add(given_up);
                tracing::warn!(
                    endpoint,
                    "{given_up} webhooks were given up, the oldest: no more than {MOST_WAITING} may wait for one endpoint"
                );
            }
            if !is_known && waiting > 0 {
                self.give_up(&endpoint, before, u64::MAX, "there is no such webhook any more").await?;
            }
        }
        Ok(())
    }

    /// Gives up to `most` of the messages that have waited for an endpoint since before `before`, the oldest first, round by round;
    /// answers how many. The writer is handed ids: what it takes to find them, it does not wait for.
    async fn give_up(&self, endpoint: &str, before: Timestamp, most: u64, fault: &'static str) -> Result<u64> {
        let mut given_up = 0;
        while given_up < most {
            let (endpoint, left) = (endpoint.to_owned(), most - given_up);
            let ids = self.store.list(move |connection| outbox::oldest_waiting(connection, &endpoint, before, left)).await?;
            if ids.is_empty() {
                break;
            }
            given_up += self.store.write(move |connection| outbox::give_up(connection, &ids, fault), |_| ()).await?;
        }
        Ok(given_up)
    }
}

/// A message that somebody had sent, for the audit.
fn sent(event: Event, message: &Message) -> Change<'_> {
    let after = json!({ "endpoint": message.endpoint, "event": message.event });
    Change { event, target: &message.id, account: None, before: Value::Null, after }
}
