//! The clockwork: what is done again and again for as long as tollgate works on a database. A round of one's own is a line in [`run`].

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::{Span, Timestamp};
use crate::http::Current;
use crate::service::Services;
use crate::store::{idempotency, windows};

/// How often what was counted is saved: with the commit it must stay within a second.
const FLUSH_EVERY: Duration = Duration::from_millis(250);
/// How often idle subjects are put away.
const PUT_AWAY_EVERY: Duration = Duration::from_secs(5);
/// How often the database is tidied.
const TIDY_EVERY: Duration = Duration::from_secs(30);
/// A window is kept this long after it is full again, against clocks that step back.
const TIDY_AFTER: Span = Span::from_secs(3600);

/// Flushes, puts away and tidies, for as long as the program runs; each round under the configuration that is in force.
pub async fn run(current: Arc<Current>) {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut put_away = tokio::time::interval(PUT_AWAY_EVERY);
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    loop {
        tokio::select! {
            _ = flush.tick() => current.services().meter.flush(Timestamp::now()),
            _ = put_away.tick() => current.services().meter.put_away_idle(Timestamp::now()),
            _ = tidy.tick() => tidy_up(&current.services()).await,
        }
    }
}

/// Forgets what is full again, round by round, so that no change waits long behind it.
async fn tidy_up(services: &Services) {
    let now = Timestamp::now();
    let before = Timestamp::from_millis(now.millis() - TIDY_AFTER.millis() as i64);
    let tidied = services.store.write(move |connection| idempotency::tidy(connection, now), |()| ()).await;
    let mut more = tidied.map(|()| true);
    while let Ok(true) = more {
        more = services.store.write(move |connection| windows::tidy(connection, before), |_| ()).await;
    }
    if let Err(error) = more {
        tracing::warn!("the database could not be tidied: {error}");
    }
}
