//! The lines of a chunked body: sizes before chunks, and trailer fields behind the last one.

use super::chars::folds_to;
use super::head::split;
use super::reason::Reason;

/// More digits than this are no size.
const MOST_DIGITS: usize = 16;

/// Bytes of an extension, which nobody reads.
const MOST_EXTENSION: usize = 256;

/// The longest line that can hold a size: with the `;` and its end.
pub(super) const LONGEST: usize = MOST_DIGITS + 1 + MOST_EXTENSION + 2;

/// Trailer fields that would say something else of the request than its head did, where a reader puts them among the headers.
const NEVER_TRAILERS: [&str; 24] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "max-forwards",
    "pragma",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
    "x-request-id",
];

/// The same, by how they begin.
const NEVER_BEGIN: [&str; 5] = ["if-", "proxy-", "x-auth-", "x-forwarded-", "x-original-"];

/// The size that a line before a chunk tells, and not more than a length may be.
pub(super) fn size(line: &[u8]) -> Result<u64, Reason> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extension) = line.split_at(digits);
    let is_extension = matches!(extension, [b';', text @ ..] if !text.is_empty() && text.len() <= MOST_EXTENSION && is_visible(text));
    if digits.is_empty() || digits.len() > MOST_DIGITS || !(extension.is_empty() || is_extension) {
        return Err(Reason::ChunkSize);
    }
    let size = digits.iter().fold(0, |size, digit| size << 4 | u64::from(char::from(*digit).to_digit(16).unwrap_or_default()));
    if size > super::head::MOST_LENGTH { Err(Reason::ChunkSize) } else { Ok(size) }
}

fn is_visible(text: &[u8]) -> bool {
    text.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// Checks a line of a trailer section.
pub(super) fn trailer(line: &[u8]) -> Result<(), Reason> {
    let (name, _) = split(line)?;
    if is_never_trailer(name) { Err(Reason::Trailer) } else { Ok(()) }
}

/// Whether a field may not stand behind a body.
pub fn is_never_trailer(name: &[u8]) -> bool {
    let begins = |prefix: &&str| name.get(..prefix.len()).is_some_and(|start| folds_to(start, prefix));
    NEVER_TRAILERS.iter().any(|known| folds_to(name, known)) || NEVER_BEGIN.iter().any(begins)
}
