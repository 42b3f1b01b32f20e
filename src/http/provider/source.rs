//! A provider, and what is remembered of it: its own document and its keys, fetched by one at a time and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use openidconnect::{DiscoveryError, IssuerUrl};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Failed;
use super::transport::{Broken, Talk, Transport};
use crate::config::providers::Provider;

/// How long fetching what a provider says of itself may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How soon it is asked again where that failed: those who wait meanwhile are told at once.
const AFTER_FAULT: Duration = Duration::from_secs(2);

/// How soon its keys are fetched again because one is not known.
const BETWEEN_KEYS: Duration = Duration::from_secs(30);

/// What a provider says of itself.
pub struct Known {
    /// Its document, with its keys.
    pub metadata: CoreProviderMetadata,
    until: Instant,
}

/// What fetching remembers; whoever holds it fetches.
#[derive(Default)]
struct Fetching {
    /// When it last failed, and why.
    failed: Option<(Instant, String)>,
    /// When keys were last fetched again.
    keys_at: Option<Instant>,
}

/// A provider.
pub struct Source {
    /// As it is configured.
    pub settings: Provider,
    pub(super) transport: Transport,
    known: ArcSwapOption<Known>,
    fetching: Mutex<Fetching>,
}

impl Source {
    /// Of whom nothing is known yet.
    pub fn new(settings: Provider) -> Self {
        Self { transport: Transport::new(&settings), settings, known: ArcSwapOption::empty(), fetching: Mutex::default() }
    }

    fn fresh(&self) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| Instant::now() < known.until)
    }

    /// What it says of itself, fetched where nothing is remembered.
    pub(super) async fn known(&self) -> Result<Arc<Known>, Failed> {
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        let mut fetching = self.fetching.lock().await;
        // Somebody else may have fetched it meanwhile, or failed to.
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        if let Some((at, fault)) = &fetching.failed
            && at.elapsed() < AFTER_FAULT
        {
            return Err(Failed::Unavailable(fault.clone()));
        }
        let fetched = in_time(self.discover()).await;
        fetching.failed = fetched.as_ref().err().map(|fault| (Instant::now(), fault.clone()));
        fetched.map(|known| self.keep(known)).map_err(Failed::Unavailable)
    }

    /// Its keys, fetched again because one is not among these. `None`: there are no other ones.
    pub(super) async fn other_keys(&self, than: &Arc<Known>) -> Result<Option<Arc<Known>>, Failed> {
        let mut fetching = self.fetching.lock().await;
        if let Some(known) = self.fresh().filter(|known| !Arc::ptr_eq(known, than)) {
            return Ok(Some(known));
        }
        if fetching.keys_at.is_some_and(|at| at.elapsed() < BETWEEN_KEYS) {
            return Ok(None);
        }
        fetching.keys_at = Some(Instant::now());
        let fetched = in_time(self.fetch_keys(than)).await;
        fetched.map(|known| Some(self.keep(known))).map_err(Failed::Unavailable)
    }

    fn keep(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        self.known.store(Some(known.clone()));
        known
    }

    async fn discover(&self) -> Result<Known, String> {
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(|error| error.to_string())?;
        let talk = Talk::new(&self.transport);
        let metadata = CoreProviderMetadata::discover_async(issuer, &talk).await.map_err(|error| reason("its document", error))?;
        self.transport.reaches(metadata.authorization_endpoint().as_str())?;
        Ok(Known { metadata, until: Instant::now() + talk.kept() })
    }

    async fn fetch_keys(&self, than: &Known) -> Result<Known, String> {
        let talk = Talk::new(&self.transport);
        let keys = CoreJsonWebKeySet::fetch_async(than.metadata.jwks_uri(), &talk).await.map_err(|error| reason("its keys", error))?;
        Ok(Known { metadata: than.metadata.clone().set_jwks(keys), until: than.until.min(Instant::now() + talk.kept()) })
    }
}

async fn in_time<T>(fetching: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let fetched = tokio::time::timeout(PATIENCE, fetching).await;
    fetched.unwrap_or_else(|_| Err(format!("it did not answer within {} s", PATIENCE.as_secs())))
}

/// What went wrong, without the provider's own answer.
fn reason(what: &str, error: DiscoveryError<Broken>) -> String {
    match error {
        DiscoveryError::Request(broken) => format!("{what}: {broken}"),
        DiscoveryError::Parse(error) => format!("{what} cannot be read: {error}"),
        DiscoveryError::Response(_, _, fault) => format!("{what} cannot be read: {fault}"),
        other => format!("{what} cannot be used: {other}"),
    }
}
