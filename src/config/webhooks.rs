//! `[webhooks.NAME]`: who is told of what happens. `[notices]`: what is told before it happens.

use std::path::Path;

use tokio_rustls::rustls::pki_types::CertificateDer;

use super::address::Address;
use super::certificates;
use super::reader::Table;
use super::retries;
use super::secret::Secret;
use crate::domain::balance;
use crate::domain::event::Event;
use crate::domain::reach::is_public;
use crate::domain::time::Span;
use crate::domain::webhook::{Pattern, SigningKey};

/// How many endpoints there may be.
const MOST_ENDPOINTS: usize = 32;

/// How many secrets an endpoint may have: the one of now, the one of before, and some room.
const MOST_SECRETS: usize = 4;

/// How long before its end a key may be told of.
const LONGEST_NOTICE: u64 = 3650 * 86_400;

/// How many percentages of a quota may be told of.
const MOST_PERCENTAGES: usize = 10;

/// When a message is tried again, where nobody says (Standard Webhooks' own example): some three days in all.
const RETRIES: [Span; 9] = [
    Span::from_secs(5),
    Span::from_secs(5 * 60),
    Span::from_secs(30 * 60),
    Span::from_secs(2 * 3600),
    Span::from_secs(5 * 3600),
    Span::from_secs(10 * 3600),
    Span::from_secs(14 * 3600),
    Span::from_secs(20 * 3600),
    Span::from_secs(24 * 3600),
];

/// `[webhooks.NAME]`.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// What its messages are signed with, by each of them.
    pub keys: Vec<SigningKey>,
    /// What it is told of.
    pub events: Vec<Pattern>,
    /// Whether it may be on this machine or in a private network.
    pub allow_private: bool,
    /// How long after a failed try the next one is.
    pub retries: Vec<Span>,
    /// Authorities that are believed beside those that browsers trust.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Webhook {
    /// Whether it is told of this event.
    pub fn wants(&self, event: Event) -> bool {
        self.events.iter().any(|pattern| pattern.holds(event))
    }
}

/// `[notices]`.
#[derive(Clone, Debug)]
pub struct Notices {
    /// How long before its end a key is told of; `None`: never.
    pub expiring: Option<Span>,
    /// At how many percent of a quota.
    pub quota: Vec<u8>,
    /// At how many tokens of balance.
    pub balance_low: i64,
}

pub(super) fn read(top: &Table<'_>) -> Option<Vec<Webhook>> {
    let tables = top.named_tables("webhooks");
    if tables.len() > MOST_ENDPOINTS {
        top.fault("webhooks", format!("are {}; there may be {MOST_ENDPOINTS}", tables.len()));
        return None;
    }
    // Gathered first, so that every fault is told.
    let read: Vec<_> = tables.into_iter().map(|(name, table)| read_one(name, &table)).collect();
    read.into_iter().collect()
}

fn read_one(name: String, table: &Table<'_>) -> Option<Webhook> {
    let address = table.parsed("url", |text| Address::parse(text, "https://example.com/hooks"));
    let secrets = table.secrets("secret", MOST_SECRETS);
    let keys = secrets.as_ref().and_then(|secrets| signing_keys(table, secrets));
    let events = if table.holds("events") { table.all_parsed("events", Pattern::parse) } else { Some(vec![Pattern::All]) };
    let allow_private = if table.holds("allow_private") { table.flag("allow_private") } else { Some(false) };
    let retries = if table.holds("retries") { retries::read(table) } else { Some(RETRIES.to_vec()) };
    let authorities = if table.holds("ca") { table.parsed("ca", |path| certificates::read(Path::new(path))) } else { Some(Vec::new()) };
    for required in ["url", "secret"] {
        table.missing(required);
    }
    table.finish();
    if events.as_ref().is_some_and(Vec::is_empty) {
        table.fault("events", "names none: leave it out for all of them");
    }
    let (address, allow_private) = (address?, allow_private?);
    if !address.is_https && table.holds("ca") {
        table.fault("ca", "goes with an https:// address");
    }
    if !allow_private && address.literal().is_some_and(|literal| !is_public(literal)) {
        table.fault("url", "leads to a private address: name a public one, or set allow_private = true");
    }
    Some(Webhook { name, address, keys: keys?, events: events?, allow_private, retries: retries?, authorities: authorities? })
}

fn signing_keys(table: &Table<'_>, secrets: &[Secret]) -> Option<Vec<SigningKey>> {
    let key = |secret: &Secret| SigningKey::parse(secret.expose()).map_err(|fault| table.fault("secret", fault)).ok();
    secrets.iter().map(key).collect()
}

pub(super) fn read_notices(table: &Table<'_>) -> Option<Notices> {
    let expiring = table.span("expiring", 0..=LONGEST_NOTICE);
    let quota = table.numbers("quota", 1..=100);
    let balance_low = table.number("balance_low", 0..=balance::MOST as u64);
    table.finish();
    if quota.as_ref().is_some_and(|quota| quota.len() > MOST_PERCENTAGES) {
        table.fault("quota", format!("must be at most {MOST_PERCENTAGES}"));
    }
    let mut quota: Vec<u8> = quota?.into_iter().filter_map(|percent| percent.try_into().ok()).collect();
    quota.sort_unstable();
    quota.dedup();
    Some(Notices { expiring: Some(expiring?).filter(|span| span.millis() > 0), quota, balance_low: balance_low? as i64 })
}
