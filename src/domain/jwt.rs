//! How access tokens look: JSON Web Tokens in their compact form (RFC 7519, RFC 7515 section 7.1). Nothing here says whether one counts.

/// What every one of ours begins with: `{"`, in base64url.
const BEGINNING: &str = "eyJ";

/// None of ours is longer, whatever the public address; a credential that is, is not read.
pub const LONGEST: usize = 1024;

/// Whether a credential is meant to be one: nothing is looked up to tell.
pub fn looks_like_one(text: &str) -> bool {
    text.starts_with(BEGINNING) && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// What could be one in a text, wherever it stands there.
pub fn within(text: &str) -> impl Iterator<Item = &str> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words = text.contains(BEGINNING).then(|| text.split(move |c| !is_letter(c))).into_iter().flatten();
    words.filter_map(|word| word.find(BEGINNING).map(|start| three_parts(&word[start..]))).filter(|word| looks_like_one(word))
}

/// What stands before the third dot.
fn three_parts(word: &str) -> &str {
    word.match_indices('.').nth(2).map_or(word, |(end, _)| &word[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_wherever_they_stand() {
        for (text, found) in [
            ("", &[][..]),
            ("eyJhbGci", &[]),
            ("eyJhbGci.e30.x", &["eyJhbGci.e30.x"]),
            ("Bearer eyJhbGci.e30.x, y", &["eyJhbGci.e30.x"]),
            ("a=xxeyJhbGci.e30.x&b=eyJhbGci.e30.", &["eyJhbGci.e30.x", "eyJhbGci.e30."]),
            ("a.b.eyJhbGci.e30.x.y", &["eyJhbGci.e30.x"]),
            ("tg_live_x", &[]),
        ] {
            assert_eq!(within(text).collect::<Vec<_>>(), found, "{text}");
        }
    }
}
