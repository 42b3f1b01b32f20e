//! Writes Markdown (CommonMark, with tables). What comes from the configuration is escaped, so that it stays text.

/// A text that grows.
#[derive(Clone, Debug, Default)]
pub struct Markdown(String);

impl Markdown {
    /// What was written.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn block(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\n\n");
        }
        self.0.push_str(text);
    }

    /// A heading below the section's own.
    pub fn heading(&mut self, text: &str) {
        self.block(&format!("### {text}"));
    }

    /// A heading below one of those.
    pub fn lesser_heading(&mut self, text: &str) {
        self.block(&format!("#### {text}"));
    }

    /// A paragraph of sentences; none without any.
    pub fn paragraph(&mut self, sentences: &[String]) {
        let text = sentences.iter().filter(|sentence| !sentence.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
        if !text.is_empty() {
            self.block(&text);
        }
    }

    /// A list.
    pub fn list(&mut self, items: &[String]) {
        self.block(&items.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n"));
    }

    /// Steps, counted.
    pub fn steps(&mut self, items: &[String]) {
        let numbered = items.iter().enumerate().map(|(index, item)| format!("{}. {item}", index + 1));
        self.block(&numbered.collect::<Vec<_>>().join("\n"));
    }

    /// Code of a language, in a fence that nothing in it ends.
    pub fn code(&mut self, language: &str, text: &str) {
        let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat((longest + 1).max(3));
        self.block(&format!("{fence}{language}\n{}\n{fence}", text.trim_end()));
    }

    /// A table; none without rows.
    pub fn table(&mut self, titles: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return;
        }
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let head = line(titles.iter().map(|title| (*title).to_owned()).collect());
        let rule = format!("|{}", " --- |".repeat(titles.len()));
        // Also in code, a bar would begin the next cell.
        let body = rows.iter().map(|row| line(row.iter().map(|cell| barred(cell)).collect()));
        self.block(&[head, rule].into_iter().chain(body).collect::<Vec<_>>().join("\n"));
    }
}

/// A cell whose bars are no ends; those that are escaped already stay as they are.
fn barred(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut is_escaped = false;
    for letter in cell.chars() {
        if letter == '|' && !is_escaped {
            text.push('\\');
        }
        is_escaped = letter == '\\' && !is_escaped;
        text.push(letter);
    }
    text
}

/// A value of the configuration within a sentence: it stays text, on one line.
pub fn plain(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (index, letter) in value.trim().chars().enumerate() {
        if letter.is_control() {
            text.push(' ');
            continue;
        }
        if "\\`*_[]<>&|~!".contains(letter) || (index == 0 && "#+-=".contains(letter)) {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

/// A sentence's beginning.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Inline code.
pub fn code(value: &str) -> String {
    let value: String = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let longest = value.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // What begins or ends with a backtick, or with blanks, is set off.
    let space = if value.starts_with(['`', ' ']) || value.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{space}{value}{space}{fence}")
}

/// Where a link leads, as it stands between brackets.
pub fn target(url: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_graphic() && !"()<>\\[]\"".contains(letter);
    url.chars()
        .map(|letter| {
            if is_plain(letter) {
                letter.to_string()
            } else {
                percent_encoding::utf8_percent_encode(&letter.to_string(), percent_encoding::NON_ALPHANUMERIC).to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::html;
    use proptest::prelude::*;

    #[test]
    fn what_is_written() {
        let mut text = Markdown::default();
        text.paragraph(&["One.".into(), String::new(), "Two.".into()]);
        text.paragraph(&[]);
        text.heading("Next");
        text.list(&["a".into(), "b".into()]);
        text.steps(&["first".into(), "second".into()]);
        text.table(&["A", "B"], &[vec!["x|y".into(), code("a|b")]]);
        text.table(&["A"], &[]);
        text.code("sh", "echo ```` \n");
        assert_eq!(
            text.into_text(),
            "One. Two.\n\n### Next\n\n- a\n- b\n\n1. first\n2. second\n\n| A | B |\n| --- | --- |\n| x\\|y | `a\\|b` |\n\n`````sh\necho ````\n`````"
        );
    }

    proptest! {
        #[test]
        fn no_value_becomes_anything_but_text(value in "[ -~\u{e4}\n]{0,40}") {
            let expected: String = value.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
            let rendered = html::fragment(&format!("a {} b", plain(&value)));
            let text = rendered.replace("<p>", "").replace("</p>\n", "");
            prop_assert!(!text.contains('<'), "{rendered}");
            let read = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            prop_assert_eq!(read, format!("a {expected} b"));
        }

        #[test]
        fn code_stays_code(value in "[ -~\n]{1,40}") {
            let rendered = html::fragment(&format!("a {} b", code(&value)));
            prop_assert!(rendered.contains("<code>") && rendered.matches('<').count() == 4, "{rendered}");
        }
    }
}
