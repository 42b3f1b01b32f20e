//! The app behind the gate: passes on what passed, and brings back the answer. Bodies are streams both ways; nothing is gathered.

pub mod connect;
pub mod download;
pub mod head;
pub mod outcome;
mod patience;
mod progress;
pub mod trouble;
mod tunnel;
mod upload;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{TRAILER, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Request, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::watch;

use super::request::Call;
use super::response::{Response, ResponseBody};
use crate::config::upstream::{Target, UpstreamSettings};
use crate::domain::carrier::Carrier;
use crate::domain::decision::Decision;
use connect::Connector;
use download::Download;
use head::Passing;
use outcome::Figures;
use progress::Progress;
use trouble::{Kind, Trouble};
use tunnel::Switch;
use upload::{Upload, Wanted};

/// Bytes that are held of what one side says and the other does not take yet, each way; and the longest head of an answer.
const MOST_HELD: usize = 64 * 1024;

/// The app behind the gate.
#[derive(Debug)]
pub struct Upstream {
    /// How to deal with it.
    pub settings: UpstreamSettings,
    client: Client<Connector, Upload>,
    /// Keeps no connection.
    fresh: Client<Connector, Upload>,
    authority: Authority,
    /// What is counted of it.
    pub figures: Arc<Figures>,
}

impl Upstream {
    /// Connects to nothing yet.
    pub fn new(target: Target, settings: UpstreamSettings, figures: Arc<Figures>) -> Self {
        let authority = match &target {
            Target::Tcp(authority) => authority.clone(),
            Target::Unix(_) => Authority::from_static("localhost"),
        };
        let connector = Connector {
            figures: figures.clone(),
            target: Arc::new(target),
            patience: settings.connect_timeout.as_duration(),
            write_patience: settings.idle_timeout.as_duration(),
        };
        let client = |max_idle| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(settings.keep_alive.as_duration())
                .pool_max_idle_per_host(max_idle)
                // Those that were never begun to be sent.
                .retry_canceled_requests(true)
                .set_host(false)
                .http1_max_buf_size(MOST_HELD)
                .build(connector.clone())
        };
        let (client, fresh) = (client(if settings.keep_alive.millis() == 0 { 0 } else { settings.max_idle }), client(0));
        Self { settings, client, fresh, authority, figures }
    }

    /// Makes a client's head the app's. Answers what other protocols it asks for.
    pub fn rewrite(&self, call: &mut Call, decision: &Decision) -> Result<Option<HeaderValue>, Trouble> {
        let passing = Passing {
            services: &call.front.services,
            settings: &self.settings,
            authority: &self.authority,
            peer: call.peer,
            decision,
            request_id: &call.request_id,
        };
        passing.rewrite(&mut call.parts).map_err(|error| Trouble { kind: Kind::Internal, detail: error.to_string() })
    }

    /// Passes a request on; answers with the app's own answer, still without the style's headers.
    pub async fn ask(&self, call: Call, decision: &Decision) -> Result<Response, Trouble> {
        self.figures.counted(self.exchange(call, decision)).await
    }

    async fn exchange(&self, mut call: Call, decision: &Decision) -> Result<Response, Trouble> {
        if head::goes_round(&call.parts.headers) {
            let detail = "the request came by here several times: [upstream] url leads back to tollgate".into();
            return Err(Trouble { kind: Kind::Unreached, detail });
        }
        let asked = self.rewrite(&mut call, decision)?;
        let withheld = self.withheld_trailers(&call);
        let Call { mut parts, body, request_id, .. } = call;
        let switch = Switch::of(asked, &mut parts);
        let progress = Arc::new(Progress::new());
        let patience = self.settings.idle_timeout.as_duration();
        let mut upload = Upload::new(body, self.settings.max_body_bytes, patience, progress.clone()).without_trailers(withheld);
        let expectation = expects_continue(&parts).then(|| upload.once_wanted());
        let mut request = Request::from_parts(parts, upload);
        if let Some(say) = &expectation {
            announce(&mut request, say.clone());
        }
        let mut response = self.send_once_or_twice(request, &progress).await?;
        // Its own version says nothing of ours (RFC 9110, 2.5): half an answer must show.
        *response.version_mut() = Version::HTTP_11;
        let is_offered = switch.as_ref().is_some_and(|switch| head::is_offered(&switch.asked, response.headers()));
        head::for_client(&mut response).map_err(|()| Trouble::no_answer("how long its answer is can be read in two ways"))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response.map(|body| ResponseBody::passing(Download::new(body, patience, request_id, expectation))));
        }
        let Some(switch) = switch.filter(|_| is_offered) else {
            return Err(Trouble::no_answer("it switched to a protocol that nobody asked for"));
        };
        switch.open(hyper::upgrade::on(&mut response), patience, request_id);
        Ok(response.map(|_| ResponseBody::from(Bytes::new())))
    }

    /// What may be repeated and met a dead connection is sent once more, on a new one (RFC 9110, 9.2.2).
    async fn send_once_or_twice(&self, request: Request<Upload>, progress: &Arc<Progress>) -> Result<http::Response<Incoming>, Trouble> {
        let is_repeatable = !request.headers().contains_key(UPGRADE) && request.body().is_end_stream() && request.method().is_idempotent();
        let again = is_repeatable.then(|| (request.method().clone(), request.uri().clone(), request.headers().clone()));
        let answered = self.send(&self.client, request, progress).await;
        let (Err(Trouble { kind: Kind::DeadConnection, .. }), Some((method, uri, headers))) = (&answered, again) else { return answered };
        let empty = Upload::new(super::request::Body::default(), None, self.settings.idle_timeout.as_duration(), progress.clone());
        let mut request = Request::new(empty);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        self.send(&self.fresh, request, progress).await
    }

    /// What is dropped from a head does not come in behind the body.
    fn withheld_trailers(&self, call: &Call) -> Vec<HeaderName> {
        let carriers = call.front.services.policy.keys.carriers.iter().filter_map(|carrier| match carrier {
            Carrier::Header(name) if !self.settings.pass_credential => Some(name.clone()),
            _ => None,
        });
        let has_trailers = call.parts.headers.contains_key(TRAILER);
        if has_trailers { self.settings.drop_headers.iter().cloned().chain(carriers).collect() } else { Vec::new() }
    }

    async fn send(
        &self,
        client: &Client<Connector, Upload>,
        mut request: Request<Upload>,
        progress: &Progress,
    ) -> Result<http::Response<Incoming>, Trouble> {
        let patience = self.settings.response_timeout.as_duration();
        let mut connection = capture_connection(&mut request);
        let too_late = async {
            // Connecting has a time of its own.
            connection.wait_for_connection_metadata().await;
            progress.note();
            progress.silence(patience).await;
        };
        let answered = tokio::select! {
            answered = client.request(request) => answered,
            () = too_late => {
                return Err(Trouble { kind: Kind::TooSlow, detail: format!("it did not answer within {} s", patience.as_secs()) });
            }
        };
        answered.map_err(|error| Trouble::of(&error, progress))
    }
}

fn expects_continue(parts: &Parts) -> bool {
    parts.headers.get(http::header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The body goes off once the app says `100 Continue`; then the client is told so, too.
fn announce(request: &mut Request<Upload>, say: watch::Sender<Wanted>) {
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            say.send_replace(Wanted::Yes);
        }
    });
}
