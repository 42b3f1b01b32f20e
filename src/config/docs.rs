//! `[docs]`: the authentication page, and what the operator says on it.

use http::Method;
use serde_json::Value;

use super::reader::Table;

/// How many sections of their own operators may add, and how long each text may be.
const MOST_SECTIONS: usize = 32;
const LONGEST: usize = 64 * 1024;

/// How long a path of an example may be.
const LONGEST_PATH: usize = 300;

/// A section of the page, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chapter {
    /// How a key looks.
    Key,
    /// Getting one.
    Getting,
    /// Sending it.
    Sending,
    /// Examples.
    Examples,
    /// Plans and limits.
    Plans,
    /// Headers.
    Headers,
    /// Errors.
    Errors,
    /// Sign-in.
    SignIn,
    /// Rotation and safety.
    Safety,
}

impl Chapter {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 9] =
        [Self::Key, Self::Getting, Self::Sending, Self::Examples, Self::Plans, Self::Headers, Self::Errors, Self::SignIn, Self::Safety];

    /// What addresses and the configuration call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Getting => "getting",
            Self::Sending => "sending",
            Self::Examples => "examples",
            Self::Plans => "plans",
            Self::Headers => "headers",
            Self::Errors => "errors",
            Self::SignIn => "sign-in",
            Self::Safety => "safety",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chapter| chapter.name() == name)
    }
}

/// What the examples call.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its method.
    pub method: Method,
    /// Its path, with a query where one belongs to it; none: tollgate's own, which tells of a key.
    pub path: Option<String>,
    /// The JSON that is sent.
    pub body: Option<Value>,
}

/// What the operator adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSection {
    /// Its heading.
    pub title: String,
    /// Markdown.
    pub text: String,
    /// Which section comes after it; none: it comes last.
    pub before: Option<Chapter>,
}

/// The settings.
#[derive(Clone, Debug)]
pub struct DocsSettings {
    /// Whether the page is served.
    pub enabled: bool,
    /// Its heading; empty: as the service is called.
    pub title: String,
    /// What comes first: Markdown.
    pub intro: String,
    /// Where the examples point to; empty: `server.public_url`.
    pub base_url: String,
    /// The variable that the examples take the key from.
    pub variable: String,
    /// What the examples call.
    pub example: Example,
    /// What the operator adds.
    pub sections: Vec<OwnSection>,
}

pub(super) fn read(table: Table<'_>) -> Option<DocsSettings> {
    let enabled = table.flag("enabled");
    let title = table.parsed("title", line);
    let intro = table.text_or_file("intro", LONGEST);
    let base_url = table.parsed("base_url", super::server::public_url);
    let variable = table.parsed("variable", variable);
    let example = example(table.table("example"));
    let sections = sections(&table);
    table.finish();
    Some(DocsSettings {
        enabled: enabled?,
        title: title?,
        intro: intro?,
        base_url: base_url?,
        variable: variable?,
        example: example?,
        sections: sections?,
    })
}

fn example(table: Table<'_>) -> Option<Example> {
    let method = table.parsed("method", |text| match text.parse::<Method>() {
        Ok(method) if text.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(method),
        _ => Err(format!("'{text}' is no method: write GET, POST, …")),
    });
    let path = table.parsed("path", |text| if text.is_empty() { Ok(None) } else { path(text).map(Some) });
    let body = table.parsed("body", |text| if text.is_empty() { Ok(None) } else { json(text).map(Some) });
    table.finish();
    let example = Example { method: method?, path: path?, body: body? };
    if example.path.is_none() && example.method != Method::GET {
        table.fault("method", "is for a path of your own: set path too");
    }
    if example.body.is_some() && matches!(example.method, Method::GET | Method::HEAD) {
        table.fault("body", "is sent by no GET: set method to POST, PUT or PATCH, and path");
    }
    Some(example)
}

fn sections(table: &Table<'_>) -> Option<Vec<OwnSection>> {
    if !table.holds("section") {
        return Some(Vec::new());
    }
    let tables = table.tables("section")?;
    if tables.len() > MOST_SECTIONS {
        table.fault("section", format!("must be at most {MOST_SECTIONS}"));
    }
    // Gathered first, so that every fault is told.
    let all: Vec<_> = tables.iter().map(section).collect();
    all.into_iter().collect()
}

fn section(table: &Table<'_>) -> Option<OwnSection> {
    let (title, text) = (table.parsed("title", line), table.text_or_file("text", LONGEST));
    let known = Chapter::ALL.map(Chapter::name).join(", ");
    let before = if table.holds("before") { table.word("before", &known, Chapter::named).map(Some) } else { Some(None) };
    ["title", "text"].into_iter().for_each(|required| table.missing(required));
    table.finish();
    Some(OwnSection { title: title?, text: text?, before: before? })
}

/// One line for people.
fn line(text: &str) -> Result<String, String> {
    let is_line = text.chars().count() <= 100 && !text.chars().any(char::is_control);
    if is_line { Ok(text.to_owned()) } else { Err("must have at most 100 characters, and no control characters".into()) }
}

/// A variable's name, as a shell has it.
fn variable(text: &str) -> Result<String, String> {
    let is_name = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name { Ok(text.to_owned()) } else { Err(format!("'{text}' is no name of a variable: write it as API_KEY")) }
}

/// A path and query that stand in a text of any language as they are.
fn path(text: &str) -> Result<String, String> {
    let is_path = text.len() <= LONGEST_PATH
        && text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/?&=%:,@+".contains(&byte));
    if is_path { Ok(text.to_owned()) } else { Err(format!("'{text}' is no path: write it as /v1/sets?page=1, percent-encoded")) }
}

fn json(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    if text.len() <= LONGEST && (value.is_object() || value.is_array()) { Ok(value) } else { Err("must be an object or a list".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_examples_breaks_out_of_none() {
        for sound in ["/v1/sets", "/v1/sets?page=1&x=a%20b", "/"] {
            assert!(path(sound).is_ok(), "{sound}");
        }
        for wrong in ["", "v1", "/a b", "/a\"b", "/a'b", "/$(x)", "/`x`", "/a\\b", "/${x}", "/a\n"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "key", "API KEY", "1A", "A-B", "A;B"] {
            assert!(variable(wrong).is_err(), "{wrong}");
        }
        assert!(json("{\"a\": [1]}").is_ok() && json("1").is_err() && json("{").is_err());
    }
}
