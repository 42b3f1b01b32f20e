//! Other people's sign-in, by OpenID Connect: a code that a provider gave is exchanged for its word on who somebody is, and that
//! word is checked. Issuers, keys and algorithms come from the configuration and the provider's own document, never from a token.

mod browser;
mod check;
mod code;
mod source;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::Arc;

use crate::config::providers::Provider;
use crate::domain::error::{Error, FieldFault};
use crate::domain::refusal::Refusal;
use crate::domain::verdict::Verdict;
pub use browser::{Aim, Begun, Returned, Secrets};
pub use code::Code;
pub use source::Source;

/// How much of what a provider says stands in the log.
const MOST_TOLD: usize = 300;

/// Why a provider proved nobody.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    /// What was handed in is wrong: each field.
    Fields(Vec<FieldFault>),
    /// Whoever was asked there does not want to.
    Denied,
    /// The code, or the provider's word, is not good: the reason, for the log.
    Unknown(String),
    /// The provider cannot be used: the reason, for the log.
    Unavailable(String),
    /// It is not set up: what is missing, for the log.
    NotConfigured(String),
}

impl Failed {
    /// As it is told, each reason noted in the log.
    pub fn noted(self, provider: &str) -> Error {
        match self {
            Self::Fields(faults) => Refusal::fields(faults).into(),
            Self::Denied => {
                tracing::info!(provider, "a sign-in was given up there");
                Error::refused(Verdict::Unknown)
            }
            Self::Unknown(reason) => {
                tracing::info!(provider, "a sign-in was refused: {}", told(&reason));
                Error::refused(Verdict::Unknown)
            }
            Self::Unavailable(reason) => {
                tracing::warn!(provider, "a provider cannot be used: {}", told(&reason));
                Error::refused(Verdict::Unavailable)
            }
            Self::NotConfigured(reason) => {
                tracing::info!(provider, "a way to sign in is not set up: {}", told(&reason));
                Error::refused(Verdict::NotConfigured)
            }
        }
    }
}

/// What a line of the log holds of a reason, in which a provider's own words may stand.
fn told(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_TOLD).collect()
}

/// The providers of a configuration, each with what is remembered of it.
pub struct Registry(Vec<Arc<Source>>);

impl Registry {
    /// Those of a configuration; none is asked for anything yet.
    pub fn new(providers: &[Provider]) -> Self {
        Self(providers.iter().map(|provider| Arc::new(Source::new(provider.clone()))).collect())
    }

    /// By its name; configured or not.
    pub fn get(&self, name: &str) -> Option<&Arc<Source>> {
        self.0.iter().find(|source| source.settings.name == name)
    }

    /// Those that can be used, in their order.
    pub fn configured(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter().map(|source| &source.settings).filter(|provider| provider.is_configured())
    }
}
