//! The clockwork: what is done again and again for as long as tollgate works on a database. A round of one's own is a line in [`run`].

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::http::Current;
use crate::service::passed::Passed;
use crate::service::usage;

/// How often what was counted is saved: with the commit it must stay within a second.
const FLUSH_EVERY: Duration = Duration::from_millis(250);
/// How often idle subjects are put away.
const PUT_AWAY_EVERY: Duration = Duration::from_secs(5);
/// How often the database is tidied.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// Flushes, puts away and tidies, for as long as the program runs; each round under the configuration that is in force.
pub async fn run(current: Arc<Current>) {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut put_away = tokio::time::interval(PUT_AWAY_EVERY);
    // Apart from the rest, because these may take long.
    let mut ageing = std::pin::pin!(usage::age(|| current.services()));
    let mut tidying = std::pin::pin!(tidy(&current));
    loop {
        tokio::select! {
            () = &mut ageing => {}
            () = &mut tidying => {}
            _ = flush.tick() => current.services().meter.flush(Timestamp::now()),
            _ = put_away.tick() => {
                let (services, now) = (current.services(), Timestamp::now());
                services.meter.put_away_idle(now);
                services.tidy_throttles(now);
            }
        }
    }
}

/// Forgets what has had its time. A clock that is set forward meanwhile takes nothing away.
async fn tidy(current: &Current) {
    let (mut turn, passed) = (tokio::time::interval(TIDY_EVERY), Passed::since(Timestamp::now()));
    loop {
        turn.tick().await;
        if let Err(error) = current.services().tidy(passed.surely(Timestamp::now())).await {
            tracing::warn!("the database could not be tidied: {error}");
        }
    }
}
