//! Texts as they fit on a page, which stays light whatever people wrote; all of one is on the page of what it belongs to, or in its export.

use http::StatusCode;

use super::shell::Shell;
use super::show::guard;
use crate::http::response::{self, Response};

/// How many characters of a name are shown beside others, and of a text in a table of many columns.
const LONGEST_NAME: usize = 40;

/// The same of a text that stands beside few others.
const LONGEST_LINE: usize = 60;

/// The same of a text that stands beside some others on a page of their own: a whole name.
const LONGEST_PART: usize = 200;

/// The same of a text on a page of its own; behind it stands all of it, as plain text.
const LONGEST_TEXT: usize = 1000;

/// So many characters of a text at the most.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// All that people wrote, each text below its title, as plain text: that weighs no more than what they wrote.
pub fn whole<'t>(parts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Response {
    let written = parts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(title, text)| format!("{title}:\n{text}\n"));
    let mut response = response::text(StatusCode::OK, "text/plain; charset=utf-8", written.collect::<Vec<_>>().join("\n"));
    guard(response.headers_mut());
    response
}

/// A name beside others.
pub fn name(text: &str) -> String {
    cut(text, LONGEST_NAME)
}

impl Shell {
    /// A name beside others.
    pub fn short(&self, text: &str) -> String {
        name(text)
    }

    /// A text beside few others.
    pub fn line(&self, text: &str) -> String {
        cut(text, LONGEST_LINE)
    }

    /// A text beside some others on a page of their own.
    pub fn part(&self, text: &str) -> String {
        cut(text, LONGEST_PART)
    }

    /// A text on a page of its own.
    pub fn text(&self, text: &str) -> String {
        cut(text, LONGEST_TEXT)
    }

    /// Whether there is more of it than that.
    pub fn is_cut(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| text.chars().nth(LONGEST_TEXT).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(cut("", 3), "");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…");
        assert_eq!(cut("ab cd", 3), "ab…");
    }
}
