//! Reads one table of the configuration field by field. A wrong field is a fault and leaves its default; the reading
//! goes on, so that all faults are found. What nobody asked for is an unknown key, told with the nearest known one.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use figment::value::{Dict, Empty, Value};

use super::fault::Faults;
use super::secret::{self, Held, Place, Secret};
use super::source::Merged;
use crate::domain::nearest::hint;
use crate::domain::time::Span;

/// How a secret is given.
const HOW_SECRETS: &str = "must be a text, { file = \"…\" } or { env = \"…\" }";

/// How long the name of a named table may be.
const LONGEST_NAME: usize = 64;

/// One table, while it is read.
pub struct Table<'a> {
    dict: Option<&'a Dict>,
    /// `plans[0]`; empty at the top.
    pub path: String,
    known: RefCell<Vec<&'static str>>,
    from: &'a Merged,
    faults: &'a Faults,
}

impl<'a> Table<'a> {
    /// The whole configuration.
    pub fn top(from: &'a Merged, faults: &'a Faults) -> Self {
        Self::new(Some(&from.values), String::new(), from, faults)
    }

    /// The defaults alone.
    pub fn defaults(from: &'a Merged, faults: &'a Faults) -> Self {
        Self::new(Some(&from.defaults), String::new(), from, faults)
    }

    fn new(dict: Option<&'a Dict>, path: String, from: &'a Merged, faults: &'a Faults) -> Self {
        Self { dict, path, known: RefCell::default(), from, faults }
    }

    /// The full key of a field.
    pub fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A fault of a field.
    pub fn fault(&self, name: &str, message: impl Into<String>) {
        let key = if name.is_empty() { self.path.clone() } else { self.key(name) };
        let source = match self.dict.and_then(|dict| dict.get(name).or_else(|| dict.values().next())) {
            Some(value) => self.from.source(&key, value),
            None => "built-in default".into(),
        };
        self.faults.push(key, source, message);
    }

    /// What is no fault of a field and should be known.
    pub fn warn(&self, name: &'static str, message: impl Into<String>) {
        let key = self.key(name);
        let source =
            self.dict.and_then(|dict| dict.get(name)).map_or_else(|| "built-in default".into(), |value| self.from.source(&key, value));
        self.faults.warn(key, source, message);
    }

    /// Whether a field is there, readable or not. Who asks knows of it.
    pub fn holds(&self, name: &'static str) -> bool {
        self.known.borrow_mut().push(name);
        self.dict.is_some_and(|dict| dict.contains_key(name))
    }

    /// A field without a default is not there; one that is there and wrong was told already.
    pub fn missing(&self, name: &'static str) {
        if self.dict.is_some() && !self.holds(name) {
            self.fault(name, "must be given");
        }
    }

    /// A fault below a field, as `answers[3].body` is below `style`.
    pub fn fault_below(&self, key: &str, message: impl Into<String>) {
        let first = key.split(['.', '[']).next().unwrap_or(key);
        let source = self
            .dict
            .and_then(|dict| dict.get(first))
            .map_or_else(|| "built-in default".into(), |value| self.from.source(&self.key(key), value));
        self.faults.push(self.key(key), source, message);
    }

    /// Whether a field is an empty text: as good as not given, where there may be none.
    pub fn is_empty(&self, name: &'static str) -> bool {
        self.get(name).is_some_and(|value| value.as_str() == Some(""))
    }

    /// Whether a field is a table.
    pub fn is_table(&self, name: &'static str) -> bool {
        self.get(name).is_some_and(|value| value.as_dict().is_some())
    }

    fn get(&self, name: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(name);
        self.dict?.get(name).filter(|value| !matches!(value, Value::Empty(_, Empty::None | Empty::Unit)))
    }

    fn take<T>(&self, name: &'static str, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.get(name)?;
        let read = read(value);
        if read.is_none() {
            self.fault(name, format!("must be {wanted}, and is {}", told(value)));
        }
        read
    }

    /// A text; of a variable, letter by letter.
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.take(name, "a text", |value| self.from.raw(&self.key(name), value).or_else(|| value.as_str().map(str::to_owned)))
    }

    /// Yes or no.
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        self.take(name, "true or false", Value::to_bool)
    }

    /// A whole number within a range.
    pub fn number(&self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.take(name, &wanted, |value| number_of(value).filter(|number| range.contains(number)))
    }

    /// A length of time within a range of seconds.
    pub fn span(&self, name: &'static str, seconds: RangeInclusive<u64>) -> Option<Span> {
        let read = |value| self.from.raw(&self.key(name), value).or_else(|| text_of(value));
        let span = match Span::parse(&self.take(name, "a length of time", read)?) {
            Ok(span) => span,
            Err(fault) => {
                self.fault(name, fault);
                return None;
            }
        };
        let within = (Span::from_secs(*seconds.start())..=Span::from_secs(*seconds.end())).contains(&span);
        if !within {
            self.fault(
                name,
                format!("must be from {} to {}, and is {span}", Span::from_secs(*seconds.start()), Span::from_secs(*seconds.end())),
            );
        }
        within.then_some(span)
    }

    /// A text that has to be read further; its own fault is told.
    pub fn parsed<T, E: Display>(&self, name: &'static str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(name, fault.to_string());
                None
            }
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, name: &'static str, known: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.parsed(name, |text| find(text).ok_or_else(|| format!("must be {known}, and is '{text}'")))
    }

    /// A text of at most so many bytes, or `{ file = "…" }`, which says where it stands.
    pub fn text_or_file(&self, name: &'static str, most: usize) -> Option<String> {
        let Some(dict) = self.get(name).and_then(Value::as_dict) else {
            return self.parsed(name, |text| if text.len() > most { Err(too_long(most)) } else { Ok(text.to_owned()) });
        };
        let path = dict.get("file").and_then(Value::as_str).filter(|_| dict.len() == 1);
        match path.ok_or_else(|| "must be a text, or { file = \"…\" }".to_owned()).and_then(|path| text_of_file(Path::new(path), most)) {
            Ok(text) => Some(text),
            Err(fault) => {
                self.fault(name, fault);
                None
            }
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &'static str) -> Option<Vec<String>> {
        self.take(name, "a list of texts", |value| match value {
            Value::Array(_, items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        })
    }

    /// A list of texts that have to be read further; each fault is told.
    pub fn all_parsed<T, E: Display>(&self, name: &'static str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let read = self.texts(name)?.into_iter().enumerate().map(|(index, text)| match parse(&text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault_below(&format!("{name}[{index}]"), fault.to_string());
                None
            }
        });
        // Gathered first, so that every fault is told.
        read.collect::<Vec<_>>().into_iter().collect()
    }

    /// A list of whole numbers within a range.
    pub fn numbers(&self, name: &'static str, range: RangeInclusive<u64>) -> Option<Vec<u64>> {
        let wanted = format!("a list of whole numbers from {} to {}", range.start(), range.end());
        let within = |item: &Value| number_of(item).filter(|number| range.contains(number));
        let items = self.take(name, &wanted, |value| value.as_array())?;
        if let Some(wrong) = items.iter().find(|item| within(item).is_none()) {
            self.fault(name, format!("must be {wanted}, and holds {}", told(wrong)));
            return None;
        }
        Some(items.iter().filter_map(within).collect())
    }

    /// One secret, or a list of up to so many: each a text, `{ file = "…" }` or `{ env = "…" }`. No fault repeats one.
    pub fn secrets(&self, name: &'static str, most: usize) -> Option<Vec<Secret>> {
        match self.get(name)? {
            Value::Array(_, items) if !(1..=most).contains(&items.len()) => {
                self.fault(name, format!("must be one secret, or a list of 1 to {most}"));
                None
            }
            Value::Array(_, items) => {
                // Gathered first, so that every fault is told.
                let all: Vec<_> = items.iter().enumerate().map(|(at, item)| self.secret(&format!("{name}[{at}]"), item)).collect();
                all.into_iter().collect()
            }
            value => Some(vec![self.secret(name, value)?]),
        }
    }

    /// A secret that need not be set; the inner `None`: it is missing, empty, or in a variable that is missing or empty.
    pub fn secret_if_set(&self, name: &'static str) -> Option<Option<Secret>> {
        let Some(value) = self.get(name) else { return Some(None) };
        let is_empty = match value.as_dict() {
            Some(dict) => {
                let unset = unset_variable(dict);
                if let Some(variable) = unset {
                    self.warn(name, format!("the variable {variable} is not set: until it is, this way in answers not_configured"));
                }
                unset.is_some()
            }
            None => self.from.raw(&self.key(name), value).map_or_else(|| value.as_str() == Some(""), |text| text.is_empty()),
        };
        if is_empty { Some(None) } else { self.secret(name, value).map(Some) }
    }

    /// The secrets of a table whose names people choose, each with its name.
    pub fn named_secrets(&self, name: &'static str) -> Option<Vec<(String, Secret)>> {
        let named = self.take(name, "a table", |value| value.as_dict())?;
        // Gathered first, so that every fault is told.
        let all: Vec<_> = named.iter().map(|(own, value)| Some((own.clone(), self.secret(&format!("{name}.{own}"), value)?))).collect();
        all.into_iter().collect()
    }

    /// One that was read as a secret turned out to hold none: a URL without a password.
    pub fn is_no_secret(&self, name: &'static str) {
        let key = self.key(name);
        self.from.secrets.borrow_mut().retain(|held| held.key != key);
    }

    fn secret(&self, name: &str, value: &Value) -> Option<Secret> {
        let key = self.key(name);
        let read = match value.as_dict() {
            Some(dict) => elsewhere(dict),
            // Of a variable, letter by letter.
            None => match self.from.raw(&key, value).or_else(|| value.as_str().map(str::to_owned)) {
                Some(text) if text.is_empty() => Err("must not be empty".into()),
                Some(text) if self.from.is_variable(value) => Ok((text.into(), Place::Variable)),
                Some(text) => Ok((text.into(), Place::Text)),
                None => Err(HOW_SECRETS.into()),
            },
        };
        match read {
            Err(_) if self.from.secrets_may_miss && value.as_dict().is_some_and(says_where) => Some(Secret::unread()),
            Ok((secret, place)) => {
                self.from.secrets.borrow_mut().push(Held { key, place, secret: secret.clone() });
                Some(secret)
            }
            Err(fault) => {
                self.fault_below(name, fault);
                None
            }
        }
    }

    /// The tables below this one that people name, each with its name: lower case, so that the environment reaches them.
    pub fn named_tables(&self, name: &'static str) -> Vec<(String, Table<'a>)> {
        let named = self.take(name, "a table", |value| value.as_dict()).into_iter().flatten();
        let table = |(own, value): (&'a String, &'a Value)| {
            let path = format!("{name}.{own}");
            let is_name = (1..=LONGEST_NAME).contains(&own.len())
                && own.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
            match value.as_dict() {
                Some(dict) if is_name => return Some((own.clone(), Table::new(Some(dict), self.key(&path), self.from, self.faults))),
                Some(_) => self.fault_below(&path, format!("is no name: write up to {LONGEST_NAME} of a to z, 0 to 9, _ and -")),
                None => self.fault_below(&path, format!("must be a table: [{}]", self.key(&path))),
            }
            None
        };
        named.filter_map(table).collect()
    }

    /// A table below this one.
    pub fn table(&self, name: &'static str) -> Table<'a> {
        let dict = self.take(name, "a table", |value| value.as_dict());
        Table::new(dict, self.key(name), self.from, self.faults)
    }

    /// A list of tables below this one; `None` where it is not there.
    pub fn tables(&self, name: &'static str) -> Option<Vec<Table<'a>>> {
        let items = self.take(name, "a list of tables", |value| match value {
            Value::Array(_, items) => items.iter().map(Value::as_dict).collect::<Option<Vec<_>>>(),
            _ => None,
        })?;
        let table = |(index, dict)| Table::new(Some(dict), self.key(&format!("{name}[{index}]")), self.from, self.faults);
        Some(items.into_iter().enumerate().map(table).collect())
    }

    /// What is there and nobody asked for is a fault.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (name, value) in self.dict.into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str())) {
            let hint = hint(name, known.iter());
            let key = self.key(name);
            self.faults.push(&key, self.from.source(&key, value), format!("there is no such setting{hint}"));
        }
    }
}

fn too_long(most: usize) -> String {
    format!("must have at most {most} bytes")
}

/// A file's text. What is no file, or has no end, is not waited for.
fn text_of_file(path: &Path, most: usize) -> Result<String, String> {
    let unread = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(unread)?;
    if !metadata.is_file() || metadata.len() > most as u64 {
        return Err(format!("{}: must be a file of at most {most} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(unread)
}

/// Whether it says where a secret stands.
fn says_where(dict: &Dict) -> bool {
    dict.len() == 1 && dict.iter().all(|(name, value)| ["file", "env"].contains(&name.as_str()) && value.as_str().is_some())
}

/// The variable in which it says that a secret stands, where none does.
fn unset_variable(dict: &Dict) -> Option<&str> {
    let variable = dict.get("env").and_then(Value::as_str).filter(|_| dict.len() == 1);
    variable.filter(|variable| std::env::var_os(variable).is_none_or(|text| text.is_empty()))
}

/// A secret that stands in a file or a variable.
fn elsewhere(dict: &Dict) -> Result<(Secret, Place), String> {
    let mut entries = dict.iter();
    match (entries.next(), entries.next()) {
        (Some((name, Value::String(_, path))), None) if name == "file" => {
            Ok((secret::from_file(Path::new(path))?, Place::File(path.into())))
        }
        (Some((name, Value::String(_, variable))), None) if name == "env" => Ok((secret::from_variable(variable)?, Place::Variable)),
        _ => Err(HOW_SECRETS.into()),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, letter) => Some(letter.to_string()),
        Value::Num(_, number) => {
            number.to_i128().map(|number| number.to_string()).or_else(|| number.to_f64().map(|number| number.to_string()))
        }
        Value::Bool(_, flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn number_of(value: &Value) -> Option<u64> {
    match value {
        Value::Num(_, number) => number.to_u128().or_else(|| number.to_i128().and_then(|number| number.try_into().ok()))?.try_into().ok(),
        _ => None,
    }
}

/// A value as a person would name it.
fn told(value: &Value) -> String {
    match value {
        Value::Dict(..) => "a table".into(),
        Value::Array(..) => "a list".into(),
        Value::Bool(_, flag) => flag.to_string(),
        other => text_of(other).map_or_else(|| "something else".into(), |text| format!("'{text}'")),
    }
}
