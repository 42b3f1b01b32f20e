//! All that the dashboard says, in one place: a file a language, each text under its name. `{}` stands where something is put in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// The texts of one language.
#[derive(Debug)]
pub struct Words {
    /// Its tag (RFC 5646).
    pub language: &'static str,
    texts: BTreeMap<String, String>,
}

/// Every language, the one for everybody else first.
static ALL: LazyLock<Vec<Words>> =
    LazyLock::new(|| [("en", include_str!("words/en.json"))].map(|(tag, text)| Words::read(tag, text)).into());

impl Words {
    /// The language that a browser likes best of those that are here; what it likes how much is not weighed, only in which order.
    pub fn of(headers: &HeaderMap) -> &'static Self {
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let tags = wanted.split(',').map(|tag| tag.split([';', '-']).next().unwrap_or_default().trim().to_ascii_lowercase());
        let found = tags.take(10).find_map(|tag| ALL.iter().find(|words| words.language == tag));
        found.unwrap_or(&ALL[0])
    }

    fn read(language: &'static str, text: &str) -> Self {
        let texts = serde_json::from_str(text).unwrap_or_else(|error| {
            tracing::error!("the words of '{language}' cannot be read: {error}");
            BTreeMap::new()
        });
        Self { language, texts }
    }

    /// A text by its name; a name that is none stands for itself, which a test looks for.
    pub fn text<'w>(&'w self, name: &'w str) -> &'w str {
        self.texts.get(name).map_or(name, String::as_str)
    }

    /// A text with something put in.
    pub fn with(&self, name: &str, value: &str) -> String {
        self.with_all(name, &[value])
    }

    /// The same of several, each in its place.
    pub fn with_all(&self, name: &str, values: &[impl AsRef<str>]) -> String {
        self.woven(name, values, str::to_owned)
    }

    /// A text as HTML, with several put in: what stands between two `*` stands out. What is put in is text.
    pub fn marked(&self, name: &str, values: &[impl AsRef<str>]) -> String {
        let values: Vec<String> = values.iter().map(|value| escaped(value.as_ref())).collect();
        let mut stands_out = false;
        let marks = |piece: &str| {
            let mut parts = piece.split('*');
            let first = parts.next().map(escaped).unwrap_or_default();
            parts.fold(first, |html, part| {
                stands_out = !stands_out;
                html + if stands_out { "<strong>" } else { "</strong>" } + &escaped(part)
            })
        };
        self.woven(name, &values, marks)
    }

    fn woven(&self, name: &str, values: &[impl AsRef<str>], mut between: impl FnMut(&str) -> String) -> String {
        let mut values = values.iter();
        let mut pieces = self.text(name).split("{}");
        let first = pieces.next().map(&mut between).unwrap_or_default();
        // A place for which there is nothing stays as it is.
        pieces.fold(first, |text, piece| text + values.next().map_or("{}", AsRef::as_ref) + &between(piece))
    }
}

/// A text as it stands in HTML.
fn escaped(text: &str) -> String {
    askama::filters::escape(text, askama::filters::Html).map(|escaped| escaped.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    /// The sources of pages, and their templates.
    fn sources() -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/dashboard");
        let sources = files(&folder).into_iter().filter(|path| !path.ends_with("words.rs"));
        let sources = sources.filter(|path| path.extension().is_some_and(|end| end == "rs" || end == "html"));
        sources.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// What redirects say was done: `?done=…`, and what is handed to those functions that write it themselves.
    fn done() -> BTreeSet<String> {
        let texts = sources();
        let name = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
        let written = texts.iter().flat_map(|text| text.split("?done=").skip(1).map(name));
        let writers = ["go_on_for(", "ask_for(", "ended(", "back(", "decide("];
        let calls = texts.iter().flat_map(|text| text.lines()).filter(|line| writers.iter().any(|writer| line.contains(writer)));
        let handed = calls.filter_map(|line| line.rsplit('"').nth(1)).map(str::to_owned);
        written.chain(handed).filter(|name| !name.is_empty()).map(|name| format!("done.{name}")).collect()
    }

    /// The names that pages and templates use: `t("…")`, `with("…"`, and those of what was done.
    fn used() -> BTreeSet<String> {
        let texts = sources();
        let starts = ["t(\"", "with(\"", "with_all(\"", "marked(\"", "notice(\""];
        let names = texts.iter().flat_map(|text| starts.into_iter().flat_map(move |start| text.split(start).skip(1)));
        names
            .filter_map(|rest| rest.split('"').next())
            .filter(|name| name.contains('.') && !name.ends_with('.'))
            .map(str::to_owned)
            .chain(done())
            .collect()
    }

    #[test]
    fn every_language_says_what_is_used_and_nothing_else() {
        let used = used();
        assert!(used.len() > 20, "{used:?}");
        for words in ALL.iter() {
            let known: BTreeSet<String> = words.texts.keys().cloned().collect();
            let missing: Vec<_> = used.difference(&known).collect();
            let unused: Vec<_> = known.difference(&used).collect();
            assert!(missing.is_empty() && unused.is_empty(), "{}: missing {missing:?}, unused {unused:?}", words.language);
        }
    }

    #[test]
    fn what_is_put_in_stays_where_it_is_put() {
        let texts = [("a.b".to_owned(), "<{}> & *{}*".to_owned())].into();
        let words = Words { language: "en", texts };
        assert_eq!(words.with_all("a.b", &["{}", "<i>"]), "<{}> & *<i>*");
        assert_eq!(words.with("a.b", "x"), "<x> & *{}*");
        assert_eq!(words.marked("a.b", &["{}*", "<i>"]), "&#60;{}*&#62; &#38; <strong>&#60;i&#62;</strong>");
    }

    #[test]
    fn a_browser_gets_a_language_that_is_there() {
        for (wanted, language) in [("de-DE,de;q=0.9,en;q=0.8", "en"), ("", "en"), ("EN-gb", "en"), (";;,,", "en")] {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, wanted.parse().unwrap())]);
            assert_eq!(Words::of(&headers).language, language);
        }
    }
}
