//! One try to send a message.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;

use crate::config::Policy;
use crate::config::webhooks::Webhook;
use crate::domain::time::{Span, Timestamp};
use crate::http::outgoing::{Client, asked_wait};
use crate::store::outbox::Message;

/// How a try ended.
#[derive(Debug)]
pub enum Ended {
    /// The receiver has it.
    Taken,
    /// The receiver wants it no more.
    Gone,
    /// It does not have it.
    Failed {
        /// Why, without anything that the receiver said.
        fault: String,
        /// How long it asks to wait.
        wait: Option<Span>,
    },
}

/// An endpoint, and what sends to it: made once for each configuration.
pub struct Receiver {
    /// The endpoint.
    pub webhook: Webhook,
    client: Client,
}

impl Receiver {
    /// Those of a configuration.
    pub fn all(policy: &Policy) -> Vec<Arc<Self>> {
        let receiver = |webhook: &Webhook| {
            let client = Client::new(&webhook.authorities, webhook.allow_private);
            Arc::new(Self { webhook: webhook.clone(), client })
        };
        policy.webhooks.iter().map(receiver).collect()
    }
}

/// Sends a message once.
pub async fn send(receiver: &Receiver, message: &Message, now: Timestamp) -> Ended {
    let request = match request(&receiver.webhook, message, now) {
        Ok(request) => request,
        Err(fault) => return Ended::Failed { fault, wait: None },
    };
    match receiver.client.send(&receiver.webhook.address, request).await {
        // What it answered is said; the rest was read so that it need not meet a closed connection, and counts for nothing.
        Ok(answer) => judge(answer.status, &answer.headers, now),
        Err(fault) => Ended::Failed { fault, wait: None },
    }
}

fn judge(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Ended {
    let code = status.as_u16();
    match status {
        _ if status.is_success() => Ended::Taken,
        StatusCode::GONE => Ended::Gone,
        _ if status.is_redirection() => {
            Ended::Failed { fault: format!("it answered {code}: redirects are not followed, so name the new address in url"), wait: None }
        }
        _ => Ended::Failed { fault: format!("it answered {code}"), wait: asked_wait(status, headers, now) },
    }
}

fn request(webhook: &Webhook, message: &Message, now: Timestamp) -> Result<Request<Full<Bytes>>, String> {
    let seconds = now.millis().div_euclid(1000);
    Request::builder()
        .method(Method::POST)
        .header(ACCEPT, "*/*")
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signatures(webhook, message, seconds))
        .body(Full::from(message.body.clone()))
        .map_err(|error| format!("it cannot be sent: {error}"))
}

/// One of each secret, so that a receiver may know any of them.
fn signatures(webhook: &Webhook, message: &Message, at: i64) -> String {
    webhook.keys.iter().map(|key| key.sign(&message.id, at, &message.body)).collect::<Vec<_>>().join(" ")
}
