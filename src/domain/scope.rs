//! Scopes: what a key may do. `*` is everything; `reports:*` is everything that begins with `reports:`.

/// The longest scope.
pub const LONGEST: usize = 64;

/// Whether what a key was given covers one scope.
pub fn covers(given: &[String], needed: &str) -> bool {
    given.iter().any(|scope| match scope.strip_suffix('*') {
        Some(stem) => needed.starts_with(stem),
        None => scope == needed,
    })
}

/// Whether a text may be a scope: RFC 6749, 3.3, without the characters that a header cannot carry; `*` only at its end.
pub fn is_valid(scope: &str) -> bool {
    let stem = scope.strip_suffix('*').unwrap_or(scope);
    (1..=LONGEST).contains(&scope.len()) && stem.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\*,".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_what_begins_alike() {
        let given = ["reports:*".to_owned(), "sets:read".to_owned()];
        for (scope, covered) in [("reports:read", true), ("sets:read", true), ("sets:write", false), ("report", false)] {
            assert_eq!(covers(&given, scope), covered, "{scope}");
        }
        assert!(covers(&["*".to_owned()], "anything"));
        assert!(!covers(&[], "anything"));
    }

    #[test]
    fn scopes_that_no_header_carries_are_refused() {
        for wrong in ["", "a b", "a*b", "**", "é", "a\"", &"x".repeat(65)] {
            assert!(!is_valid(wrong), "{wrong}");
        }
        assert!(is_valid("*") && is_valid("sets:read") && is_valid("sets:*"));
    }
}
