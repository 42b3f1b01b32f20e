//! What the whole server does: its requests, who is busiest, and how it grows. What takes long with a million keys is counted beside the
//! pages that show it, and kept for a while.

mod busiest;
mod growth;
mod kept;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Services;
use super::usage_summary::Summary;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::domain::usage::{HOUR, UsageAsk};
pub use busiest::Busiest;
pub use growth::Growth;
pub use kept::{Kept, Known};

/// What is kept for the pages of it.
#[derive(Debug, Default)]
pub struct Overview {
    /// By how many hours there are in the time: each period that pages offer is one.
    busiest: Mutex<BTreeMap<u64, Kept<Busiest>>>,
    growth: Kept<Growth>,
}

/// How many periods are kept at the most.
const MOST_PERIODS: usize = 8;

impl Services {
    /// The requests of everybody, out of what is summed up already: it takes as long however many keys there are.
    pub async fn usage_of_all(&self, ask: UsageAsk) -> Result<Summary> {
        self.store.read(move |connection| Summary::of_totals(connection, &ask)).await
    }

    /// Who was busiest in a time; not what was counted in the last moments. `None` where it is being counted for the first time.
    pub async fn busiest(&self, ask: &UsageAsk) -> Option<Known<Busiest>> {
        let hours = ask.to.millis_since(ask.from) / HOUR.millis();
        let kept = {
            let mut all = self.overview.busiest.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST_PERIODS && !all.contains_key(&hours) {
                all.clear();
            }
            all.entry(hours).or_default().clone()
        };
        let (services, ask) = (self.clone(), ask.clone());
        kept.known("who is busiest", move || async move { services.count_busiest(&ask).await }).await
    }

    /// How much there is, and how much was made lately. `None` where it is being counted for the first time.
    pub async fn growth(&self, now: Timestamp) -> Option<Known<Growth>> {
        let services = self.clone();
        self.overview.growth.known("how much there is", move || async move { services.count_growth(now).await }).await
    }
}
