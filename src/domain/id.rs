//! Ids: a prefix and a ULID. They sort by creation and are never secret.

use std::sync::{Mutex, PoisonError};

use ulid::Ulid;

use super::time::{Span, Timestamp};

/// `acc_…`: an account.
pub const ACCOUNT: &str = "acc_";
/// `key_…`: a key.
pub const KEY: &str = "key_";
/// `tok_…`: a service token.
pub const TOKEN: &str = "tok_";
/// `aud_…`: an entry of the audit.
pub const AUDIT: &str = "aud_";
/// `bal_…`: an entry of a balance's history.
pub const BALANCE: &str = "bal_";
/// `msg_…`: a webhook's message.
pub const MESSAGE: &str = "msg_";
/// `ses_…`: a session.
pub const SESSION: &str = "ses_";
/// `prf_…`: what was sent to prove an address.
pub const PROOF: &str = "prf_";
/// `inv_…`: an invitation.
pub const INVITATION: &str = "inv_";
/// `app_…`: an application for a plan.
pub const APPLICATION: &str = "app_";
/// `eml_…`: a mail or an SMS.
pub const MAIL: &str = "eml_";
/// `req_…`: a request, told in `X-Request-Id`.
pub const REQUEST: &str = "req_";

const DAY: Span = Span::from_secs(86_400);

/// The letters of a ULID.
const ULID_LENGTH: usize = 26;

/// A new id with this prefix (ULID: 48 bits of time, 80 random ones).
pub fn new(prefix: &str, now: Timestamp) -> String {
    written(prefix, random(now))
}

/// What every id of an instant, and after it, sorts behind.
pub fn first(prefix: &str, at: Timestamp) -> String {
    written(prefix, Ulid::from_parts(millis(at), 0))
}

fn random(now: Timestamp) -> Ulid {
    Ulid::from_parts(millis(now), rand::random::<u128>() >> Ulid::TIME_BITS)
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0)
}

fn written(prefix: &str, ulid: Ulid) -> String {
    let mut buffer = [0; ULID_LENGTH];
    let mut id = String::with_capacity(prefix.len() + ULID_LENGTH);
    id.push_str(prefix);
    id.push_str(ulid.array_to_str(&mut buffer));
    id
}

/// Ids in the order in which they are asked for, whatever the clock does: where records are given theirs as they are
/// committed, a page that ends at one has left out none before it.
#[derive(Debug, Default)]
pub struct Ids(Mutex<Option<Ulid>>);

impl Ids {
    /// The next one. `newest` says after which they begin, the first time: the newest that was given before the one that it gets,
    /// which is of a day from now.
    pub fn next<E>(&self, prefix: &str, now: Timestamp, newest: impl FnOnce(&str) -> Result<Option<String>, E>) -> Result<String, E> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *last {
            Some(last) => last,
            None => newest(&written("", Ulid::from_parts(millis(now.plus(DAY)), 0)))?
                .and_then(|id| Ulid::from_string(id.rsplit('_').next()?).ok())
                .unwrap_or(Ulid::nil()),
        };
        let fresh = random(now);
        // In the same millisecond, or where the clock stepped back, the one after the last.
        let next = if fresh.timestamp_ms() > before.timestamp_ms() {
            fresh
        } else {
            before.increment().unwrap_or_else(|_| Ulid::from_parts(before.timestamp_ms() + 1, 0))
        };
        *last = Some(next);
        Ok(written(prefix, next))
    }
}

/// Whether this could be an id of that kind; what could not is not looked up.
pub fn is(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|rest| rest.len() == ULID_LENGTH && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Reads an id of that kind that was made elsewhere: a ULID as they are written, of an instant that has been.
pub fn parse(prefix: &str, id: &str, now: Timestamp) -> Result<String, String> {
    let ulid = id.strip_prefix(prefix).and_then(|rest| Ulid::from_string(rest).ok());
    match ulid.filter(|ulid| written(prefix, *ulid) == id) {
        None => Err(format!("is no id: write it as {prefix} and a ULID of 26 capital letters and digits")),
        Some(ulid) if i64::try_from(ulid.timestamp_ms()).is_ok_and(|at| at <= now.millis()) => Ok(id.to_owned()),
        Some(_) => Err("is of a time that is still to come".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_their_kind() {
        let id = new(KEY, Timestamp::from_millis(1_775_001_600_000));
        assert_eq!(id.len(), 30);
        assert!(is(KEY, &id) && !is(ACCOUNT, &id) && !is(KEY, "key_"));
    }

    #[test]
    fn ids_in_order_stay_so_when_the_clock_steps_back() {
        let ids = Ids::default();
        let at = |millis| ids.next(KEY, Timestamp::from_millis(millis), |_| Ok::<_, ()>(None)).unwrap();
        let made: Vec<String> = [5_000, 5_000, 5_000, 4_000, 5_001, 1, 9_000].into_iter().map(at).collect();
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]), "{made:?}");
        let later = Ids::default();
        let next = later.next(KEY, Timestamp::from_millis(1), |_| Ok::<_, ()>(made.last().cloned())).unwrap();
        assert!(next > *made.last().unwrap(), "after a restart too");
    }
}
