//! The clock: against the database, against itself, and against others'.

use std::path::Path;
use std::time::{Duration, Instant};

use super::report::Check;
use super::wire::Answer;
use crate::domain::time::Timestamp;

/// No clock that is right shows an earlier year: tollgate was not there yet.
const FIRST_YEAR: i16 = 2026;

/// How long it is compared with the clock that never steps, and how far the two may part.
const LOOKED_AT: Duration = Duration::from_millis(200);
const STEP: i64 = 50;

/// What counts as one moment, and how often it is tried for.
const AT_ONCE: Duration = Duration::from_millis(5);
const TRIES: usize = 20;

/// How far it may be from another machine's: unnoticed, and at all.
const NEAR: u64 = 2_000;
const FAR: u64 = 60_000;

/// Time was written down a moment later than it was read.
const ROUNDING: u64 = 1_000;

/// systemd-timesyncd makes this file once the clock is right.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

const SET_IT: &str = "set this machine's clock and keep it right: timedatectl set-ntp true";

/// This machine's clock. `newest`: the newest time that stands in the database.
pub async fn clock(newest: Option<Timestamp>) -> Check {
    const NAME: &str = "clock";
    let now = Timestamp::now();
    if now.date().year() < FIRST_YEAR {
        return Check::failed(NAME, format!("it shows {}, and tollgate is from {FIRST_YEAR}", now.rfc3339()), SET_IT);
    }
    if let Some(newest) = newest.filter(|newest| newest.millis_since(now) > ROUNDING) {
        return Check::failed(
            NAME,
            format!("it shows {}, and the database has a record of {}: windows and expiry go wrong", now.rfc3339(), newest.rfc3339()),
            SET_IT,
        );
    }
    let step = step().await;
    if step.abs() > STEP {
        return Check::warning(
            NAME,
            format!("it was set by {step} ms while it was looked at"),
            "let one program alone set it, and slowly: chrony or systemd-timesyncd",
        );
    }
    let kept = if Path::new(SYNCHRONISED).exists() { ", synchronised by systemd-timesyncd" } else { "" };
    Check::ok(NAME, format!("{}, no step in {} ms{kept}", now.rfc3339(), LOOKED_AT.as_millis()))
}

/// How far the wall clock went from the one that never steps, in milliseconds.
async fn step() -> i64 {
    let (wall, steady) = both();
    tokio::time::sleep(LOOKED_AT).await;
    let (later, steadily) = both();
    let passed = i64::try_from(steadily.duration_since(steady).as_millis()).unwrap_or(i64::MAX);
    later.millis() - wall.millis() - passed
}

/// Both clocks at one moment; on a busy machine it takes a few tries to read them without a pause between.
fn both() -> (Timestamp, Instant) {
    let mut read = (Timestamp::now(), Instant::now());
    for _ in 0..TRIES {
        let before = Instant::now();
        read = (Timestamp::now(), before);
        if before.elapsed() < AT_ONCE {
            break;
        }
    }
    read
}

/// Against the `Date` of somebody's answer; `None` where there is none.
pub fn against(name: &'static str, whose: &str, answer: &Answer) -> Option<Check> {
    let told = Timestamp::parse_http_date(&answer.header("date")?)?;
    // A date is a whole second; it may be of any instant in it, and of any instant between question and answer.
    let (began, ended) = answer.between;
    let ends = Timestamp::from_millis(told.millis().saturating_add(999));
    let apart = told.millis_since(ended).max(began.millis_since(ends));
    let detail = format!("{:.1} s apart from the clock of {whose}", apart as f64 / 1000.0);
    Some(match apart {
        0..=NEAR => Check::ok(name, detail),
        _ if apart <= FAR => Check::warning(name, detail, SET_IT),
        _ => Check::failed(name, detail, SET_IT),
    })
}
