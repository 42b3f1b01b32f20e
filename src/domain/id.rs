//! Ids: a prefix and a ULID. They sort by creation and are never secret.

use super::time::Timestamp;

/// `acc_…`: an account.
pub const ACCOUNT: &str = "acc_";
/// `key_…`: a key.
pub const KEY: &str = "key_";
/// `tok_…`: a service token.
pub const TOKEN: &str = "tok_";
/// `msg_…`: a webhook's message.
pub const MESSAGE: &str = "msg_";
/// `req_…`: a request, told in `X-Request-Id`.
pub const REQUEST: &str = "req_";

/// The letters of a ULID.
const ULID_LENGTH: usize = 26;

/// A new id with this prefix (ULID: 48 bits of time, 80 random ones).
pub fn new(prefix: &str, now: Timestamp) -> String {
    let mut buffer = [0; ULID_LENGTH];
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    let ulid = ulid::Ulid::from_parts(millis, rand::random::<u128>() >> ulid::Ulid::TIME_BITS);
    let mut id = String::with_capacity(prefix.len() + ULID_LENGTH);
    id.push_str(prefix);
    id.push_str(ulid.array_to_str(&mut buffer));
    id
}

/// Whether this could be an id of that kind; what could not is not looked up.
pub fn is(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|rest| rest.len() == ULID_LENGTH && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
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
}
