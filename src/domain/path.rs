//! Paths, decoded and normalised before any route is matched. What two readers could take for two different paths is
//! refused: the gate must never see another path than the app behind it.

use std::borrow::Cow;

/// A path that can be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// The longest path that is read.
pub const LONGEST: usize = 8 * 1024;

/// Decodes a path and refuses what is ambiguous: an encoded or doubled slash, a backslash, a dot segment however it is
/// spelled, double encoding, `;` parameters, control characters, text that is not UTF-8.
pub fn normalise(raw: &str) -> Result<Cow<'_, str>, Ambiguous> {
    if !raw.starts_with('/') || raw.len() > LONGEST || raw.contains(|c: char| c.is_control() || matches!(c, '\\' | ';' | '#' | '?')) {
        return Err(Ambiguous);
    }
    let decoded = if raw.contains('%') { decode(raw)? } else { Cow::Borrowed(raw) };
    let mut segments = decoded[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let inner_and_empty = segment.is_empty() && segments.peek().is_some();
        if inner_and_empty || segment == "." || segment == ".." {
            return Err(Ambiguous);
        }
    }
    Ok(decoded)
}

fn decode(raw: &str) -> Result<Cow<'_, str>, Ambiguous> {
    for at in escapes(raw) {
        match escaped(raw.as_bytes(), at) {
            None | Some(b'/' | b'\\' | b'.' | b';') => return Err(Ambiguous),
            Some(_) => {}
        }
    }
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8().map_err(|_| Ambiguous)?;
    let encoded_twice = escapes(&decoded).any(|at| escaped(decoded.as_bytes(), at).is_some());
    if encoded_twice || decoded.contains(char::is_control) { Err(Ambiguous) } else { Ok(decoded) }
}

/// Where a percent sign stands.
fn escapes(text: &str) -> impl Iterator<Item = usize> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'%').map(|(at, _)| at)
}

/// The byte that the percent sign at `at` encodes.
fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    Some((digit(at + 1)? * 16 + digit(at + 2)?) as u8)
}

/// Splits a request target into path and query; the fragment that no client should send is refused with the path.
pub fn split(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_paths_pass_decoded() {
        for (raw, path) in [
            ("/", "/"),
            ("/v1/sets", "/v1/sets"),
            ("/v1/sets/", "/v1/sets/"),
            ("/v1/%73ets", "/v1/sets"),
            ("/a%20b", "/a b"),
            ("/v1/a.b/..c/d..", "/v1/a.b/..c/d.."),
            ("/caf%C3%A9", "/café"),
            ("/what%3F", "/what?"),
            ("/100%25", "/100%"),
        ] {
            assert_eq!(normalise(raw).as_deref(), Ok(path), "{raw}");
        }
    }

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        for raw in [
            "",
            "v1",
            "*",
            "//",
            "//v1",
            "/v1//sets",
            "/v1/../admin",
            "/v1/..",
            "/v1/.",
            "/./v1",
            "/v1/%2e%2e/admin",
            "/v1/%2E/x",
            "/v1%2fsets",
            "/v1%2Fsets",
            "/v1\\sets",
            "/v1%5Csets",
            "/v1;a=b/sets",
            "/v1%3Ba",
            "/v1%00",
            "/v1%0a",
            "/v1%25%32%66",
            "/v1%252fsets",
            "/v1/%",
            "/v1/%4",
            "/v1/%zz",
            "/v1/%C0%AF",
            "/v1/%ff",
            "/v1#x",
            "/v1?x",
        ] {
            assert_eq!(normalise(raw), Err(Ambiguous), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_has_one_reading(raw in "/[a-z0-9%./\\\\;?#2efcEF5-]{0,40}") {
            if let Ok(path) = normalise(&raw) {
                prop_assert!(!path.contains("//") && !path.contains('\\') && !path.contains(';'));
                prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert!(percent_encoding::percent_decode_str(&path).decode_utf8().is_ok_and(|again| again == path));
            }
        }

        #[test]
        fn nothing_panics(raw in ".{0,60}") {
            let _ = normalise(&raw);
        }
    }
}
